"""The metrics: Prometheus' own tool takes them, and every name in the alert rules and the dashboard is among them."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from rig import PATIENCE, Receiver, Store, program, wait_until

ASSETS = pathlib.Path(__file__).parents[2] / "assets" / "metrics"


class Metrics:
    """A store that serves, and a token for its metrics."""

    def __init__(self, store):
        self.store = store
        self.token = store.json("tokens", "create", "prometheus", "--scope", "metrics")["token"]

    def ask(self, token=None):
        request = urllib.request.Request(f"{self.store.http}/metrics", headers={"authorization": f"Bearer {token or self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.headers["content-type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["content-type"], error.read().decode()

    def text(self):
        status, _, text = self.ask()
        assert status == 200, text
        return text

    def value(self, sample):
        """The number of one sample, as `name{label="value"}`."""
        return next((float(line.rsplit(" ", 1)[1]) for line in self.text().splitlines() if line.startswith(f"{sample} ")), None)


def names(text):
    """The names of all samples of an exposition."""
    return {re.match(r"[a-z_:]+", line)[0] for line in text.splitlines() if not line.startswith("#")}


# What makes each alert fire: series of a sample a minute, in Prometheus' notation, beside those of a bellboard that is well.
WELL = {
    'up{job="bellboard",instance="b"}': "1x120",
    'bellboard_dispatcher_state{instance="b",state="delivering"}': "1x120",
    'bellboard_queue_oldest_seconds{instance="b",channel="slack"}': "2x120",
    'bellboard_queue_deliveries{instance="b",channel="slack"}': "20x120",
    'bellboard_sends_total{instance="b",channel="slack",outcome="delivered"}': "0+600x120",
    'bellboard_sends_total{instance="b",channel="slack",outcome="retried"}': "0+20x120",
    'bellboard_sends_total{instance="b",channel="slack",outcome="parked"}': "0x120",
    'bellboard_sends_total{instance="b",channel="slack",outcome="held"}': "0x120",
    'bellboard_send_duration_seconds_bucket{instance="b",channel="slack",le="1"}': "0+600x120",
    'bellboard_send_duration_seconds_bucket{instance="b",channel="slack",le="30"}': "0+600x120",
    'bellboard_send_duration_seconds_bucket{instance="b",channel="slack",le="+Inf"}': "0+600x120",
    'bellboard_store_errors_total{instance="b"}': "0x120",
    'bellboard_dispatcher_stalls_total{instance="b"}': "0x120",
    'bellboard_store_readable{instance="b"}': "1x120",
    'bellboard_store_commit_duration_seconds_bucket{instance="b",le="0.1"}': "0+600x120",
    'bellboard_store_commit_duration_seconds_bucket{instance="b",le="1"}': "0+600x120",
    'bellboard_store_commit_duration_seconds_bucket{instance="b",le="+Inf"}': "0+600x120",
    'bellboard_store_wal_bytes{instance="b"}': "4000000x120",
    'bellboard_deliveries_reclaimed_total{instance="b"}': "0x120",
    'bellboard_destinations_disabled{instance="b",channel="slack"}': "1x120",
    'bellboard_http_requests_total{instance="b",area="events",status="2xx"}': "0+600x120",
    'bellboard_http_requests_total{instance="b",area="events",status="5xx"}': "0x120",
}
TROUBLE = {
    "BellboardDown": {'up{job="bellboard",instance="b"}': "0x120"},
    "BellboardNobodyDelivers": {'bellboard_dispatcher_state{instance="b",state="delivering"}': "0x120"},
    "BellboardQueueOld": {'bellboard_queue_oldest_seconds{instance="b",channel="slack"}': "1000x120"},
    "BellboardQueueGrows": {'bellboard_queue_deliveries{instance="b",channel="slack"}': "20000+50x120"},
    "BellboardSendsFail": {'bellboard_sends_total{instance="b",channel="slack",outcome="retried"}': "0+900x120"},
    "BellboardParked": {'bellboard_sends_total{instance="b",channel="slack",outcome="parked"}': "0x60 1x59"},
    "BellboardSendsHeld": {'bellboard_sends_total{instance="b",channel="slack",outcome="held"}': "0+60x120"},
    "BellboardSlow": {'bellboard_send_duration_seconds_bucket{instance="b",channel="slack",le="1"}': "0+500x120"},
    "BellboardStoreErrors": {'bellboard_store_errors_total{instance="b"}': "0+1x120"},
    "BellboardStoreUnreadable": {'bellboard_store_readable{instance="b"}': "0x120"},
    "BellboardCommitsSlow": {'bellboard_store_commit_duration_seconds_bucket{instance="b",le="0.1"}': "0+500x120"},
    "BellboardLogOfCommitsLong": {'bellboard_store_wal_bytes{instance="b"}': "300000000x120"},
    "BellboardReclaims": {'bellboard_deliveries_reclaimed_total{instance="b"}': "0x60 3x59"},
    "BellboardDestinationsDisabled": {'bellboard_destinations_disabled{instance="b",channel="slack"}': "1+1x120"},
    "BellboardHttpErrors": {'bellboard_http_requests_total{instance="b",area="events",status="5xx"}': "0+60x120"},
}


def asked_for(expression):
    """The names that an expression of Prometheus asks for: words of ours."""
    return set(re.findall(r"\b(?:bellboard|process)_[a-z_]+\b", expression))


class Exposition(unittest.TestCase):
    def test_what_happens_is_counted_by_channel_and_outcome(self):
        with Store(BELLBOARD_DELIVERY_RETRY="1h") as store, Receiver((200, {}), (500, {}), (410, {})) as receiver:
            store.acme(receiver.url)
            store.serve()
            wait_until(store.is_ready)
            metrics = Metrics(store)
            for number, outcome in enumerate(("delivered", "retried", "gone")):
                store.ok("emit", "acme", "server.stopped", "--id", f"n{number}")
                sample = f'bellboard_sends_total{{channel="webhook",outcome="{outcome}"}}'
                wait_until(lambda: metrics.value(sample) == 1)
            self.assertEqual(metrics.value('bellboard_send_duration_seconds_count{channel="webhook"}'), 3)
            self.assertEqual(metrics.value('bellboard_delivery_latency_seconds_bucket{channel="webhook",le="+Inf"}'), 1)
            self.assertEqual(metrics.value('bellboard_dispatcher_state{state="delivering"}'), 1)
            self.assertEqual(metrics.value("bellboard_store_errors_total"), 0)
            self.assertGreater(metrics.value("bellboard_store_wal_bytes"), 0)
            self.assertGreater(metrics.value("process_resident_memory_bytes"), 1 << 20)
            wait_until(lambda: metrics.value('bellboard_destinations_disabled{channel="webhook"}') == 1)
            # Mail has no server here, so it waits and grows old.
            store.ok("matrix", "set", "acme", "job.fail", "email", "on")
            store.ok("emit", "acme", "job.fail")
            wait_until(lambda: metrics.value('bellboard_queue_deliveries{channel="email"}') == 1)
            wait_until(lambda: metrics.value('bellboard_queue_oldest_seconds{channel="email"}') > 0)
            self.assertNotIn("acme", metrics.text(), "nothing is counted by customer")

    def test_only_a_token_for_it_reads_it(self):
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            metrics = Metrics(store)
            status, kind, _ = metrics.ask()
            self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
            self.assertEqual(metrics.ask("nonsense")[0], 401)
            for scope in ("emit", "devices", "read", "write"):
                other = store.json("tokens", "create", scope, "--scope", scope)["token"]
                self.assertEqual(metrics.ask(other)[0], 403, scope)
            of_one = store.json("tokens", "create", "one", "--scope", "metrics", "--account", "acme")["token"]
            self.assertEqual(metrics.ask(of_one)[0], 403)
            request = urllib.request.Request(f"{store.http}/accounts/acme/notifications",
                                             headers={"authorization": f"Bearer {metrics.token}"})
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=PATIENCE)
            self.assertEqual(refused.exception.code, 403, "nor does it read anything else")


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.promtool = program("promtool")
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            cls.text = Metrics(store).text()

    def run_promtool(self, *arguments, **more):
        done = subprocess.run([self.promtool, *arguments], capture_output=True, text=True, timeout=PATIENCE, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_prometheus_takes_the_metrics(self):
        said = self.run_promtool("check", "metrics", input=self.text)
        self.assertEqual(said.strip(), "", "and finds nothing to better")

    def test_prometheus_takes_the_rules(self):
        self.assertIn("SUCCESS", self.run_promtool("check", "rules", str(ASSETS / "alerts.yml")))

    def fires(self, series, expected):
        """Exactly these alerts are on after two hours of such series."""
        samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected]
        test = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {"expr": 'max by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "115m", "exp_samples": samples}
            ],
        }
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"rule_files": [str(ASSETS / "alerts.yml")], "evaluation_interval": "1m", "tests": [test]}, file)
            file.flush()
            self.run_promtool("test", "rules", file.name)

    def test_each_alert_fires_when_it_should_and_only_then(self):
        alerts = re.findall(r"- alert: (\w+)", (ASSETS / "alerts.yml").read_text())
        self.assertEqual(alerts, list(TROUBLE))
        of_ours = {series for series in WELL if series.startswith("bellboard_")}
        self.assertEqual({name for series in of_ours for name in asked_for(series)} - names(self.text), set())
        self.fires(WELL, [])
        for alert, changed in TROUBLE.items():
            with self.subTest(alert=alert):
                self.assertLessEqual(changed.keys(), WELL.keys())
                self.fires(WELL | changed, [alert])

    def test_every_metric_that_is_asked_for_is_there(self):
        known = names(self.text)
        rules = (ASSETS / "alerts.yml").read_text()
        expressions = "\n".join(line for line in rules.splitlines() if not line.lstrip().startswith(("summary", "description", "#")))
        dashboard = json.loads((ASSETS / "grafana.json").read_text())
        asked = asked_for(expressions)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked |= asked_for(target["expr"])
        for variable in dashboard["templating"]["list"]:
            asked |= asked_for(str(variable["query"]))
        self.assertGreater(len(asked), 15)
        self.assertEqual(asked - known, set())
        told = {name for name in known if name.startswith("bellboard_")}
        of_family = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told}
        shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
        # One that nobody looks at is not worth counting; this one only explains others.
        self.assertEqual(of_family - shown, {"bellboard_queue_is_more"})

    def test_every_expression_of_the_dashboard_is_one(self):
        dashboard = json.loads((ASSETS / "grafana.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        rules = [{"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
                 for number, expression in enumerate(expressions)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            said = self.run_promtool("check", "rules", file.name)
        self.assertIn(f"{len(rules)} rules found", said)


if __name__ == "__main__":
    unittest.main()
