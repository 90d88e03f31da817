"""The metrics: Prometheus' own tool takes them, and every name in the alert rules and the dashboard is among them."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from rig import Receiver, Store, program, wait_until

ASSETS = pathlib.Path(__file__).parents[2] / "assets" / "metrics"


class Metrics:
    """A store that serves, and a token for its metrics."""

    def __init__(self, store):
        self.store = store
        self.token = store.json("tokens", "create", "prometheus", "--scope", "metrics")["token"]

    def ask(self, token=None):
        request = urllib.request.Request(f"{self.store.http}/metrics", headers={"authorization": f"Bearer {token or self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
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
                urllib.request.urlopen(request, timeout=10)
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
        done = subprocess.run([self.promtool, *arguments], capture_output=True, text=True, timeout=60, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_prometheus_takes_the_metrics(self):
        said = self.run_promtool("check", "metrics", input=self.text)
        self.assertEqual(said.strip(), "", "and finds nothing to better")

    def test_prometheus_takes_the_rules(self):
        self.assertIn("SUCCESS", self.run_promtool("check", "rules", str(ASSETS / "alerts.yml")))

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
