"""The vendor's API: the objects of its documents in shape, and a script that was written for it."""

import json
import re
import unittest
import urllib.parse

from rig import Store, wait_until
from test_http import Api

# As the vendor's documents print them.
RECORDED = json.loads("""{"response":[{"id":1189,"user_id":18,"alert_type":"server.stopped","channels":["email"],
"params":{"hipchat_token":"token","hipchat_room":"test","slack_url":"https://x","slack_channel":"#ops","webhook_url":"https://y"},
"created_at":"2014-05-29T17:29:54Z","updated_at":"2014-05-29T17:29:54Z"}],
"count":1,"pagination":{"previous":null,"next":null,"current":1,"per_page":30,"count":1,"pages":1}}""")

TYPES = ["account.provision.ok", "account.provision.fail", "account.deploy.started", "account.redeploy.ok",
         "account.redeploy.fail", "account.redeploy.hook.fail", "server.stopped", "server.backon", "job.fail", "job.backon",
         "process.down", "app.auth", "app.deauth", "payment.fail", "account.suspended"]
SLACK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


def form(pairs):
    return urllib.parse.urlencode(pairs)


class VendorsShape(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        self.api = Api(self.store)
        self.api.token = self.store.json("tokens", "create", "script", "--scope", "write")["token"]
        self.store.serve()
        wait_until(self.store.is_ready)

    def get(self, path="", **more):
        status, headers, document = self.api.ask("GET", f"/accounts/acme/notifications{path}", **more)
        self.assertEqual(status, 200, document)
        self.assertEqual(headers["content-type"], "application/json")
        return document

    def put(self, row, body, status=200, **more):
        got, _, document = self.api.ask("PUT", f"/accounts/acme/notifications/{row}", body, **more)
        self.assertEqual(got, status, document)
        return document.get("response", document)

    def row(self, name):
        return self.get(f"/{name}")["response"]

    def check_shape(self, got, recorded):
        """The same members in the same order, of the same types."""
        if isinstance(recorded, dict):
            self.assertEqual([name for name in recorded if name in got or name not in RECORDED["response"][0]["params"]], list(got))
            for name, value in got.items():
                self.check_shape(value, recorded[name])
        elif isinstance(recorded, list):
            for item in got:
                self.check_shape(item, recorded[0])
        else:
            self.assertIs(type(got), type(recorded))

    def test_objects_have_the_recorded_shape(self):
        self.put("server.stopped", {"params": RECORDED["response"][0]["params"] | {"slack_url": SLACK, "webhook_url": "https://hooks.acme.test/in"}})
        for path in ("", ".json"):
            page = self.get(path)
            self.check_shape(page, RECORDED)
            self.assertEqual([row["alert_type"] for row in page["response"]], TYPES)
        row = self.row("server.stopped")
        self.check_shape(row, RECORDED["response"][0])
        for name in ("created_at", "updated_at"):
            self.assertRegex(row[name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(row["params"], {"hipchat_room": "test", "slack_channel": "#ops", "webhook_url": "https://hooks.acme.test/in"},
                         "secrets are taken and never given back")
        # Byte for byte, but for what is this store's own.
        wire = self.api.connect()
        with wire, wire.makefile("rb") as stream:
            wire.sendall(self.api.head("GET", "/accounts/acme/notifications.json?alert_type=job.fail") + b"\r\n")
            while stream.readline().strip():
                pass
            text = stream.read1().decode()
        own = re.sub(r'"(id|user_id)":\d+', r'"\1":1', re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "T", text))
        self.assertEqual(own, '{"response":[{"id":1,"user_id":1,"alert_type":"job.fail","channels":["email"],"params":{},"created_at":"T",'
                              '"updated_at":"T"}],"count":1,"pagination":{"previous":null,"next":null,"current":1,"per_page":30,'
                              '"count":1,"pages":1}}')

    def test_pages(self):
        numbers = lambda page: [page["pagination"][name] for name in ("previous", "next", "current", "per_page", "count", "pages")]
        first, last = self.get("?per_page=7"), self.get("?per_page=7&page=3")
        self.assertEqual((numbers(first), first["count"], len(first["response"])), ([None, 2, 1, 7, 15, 3], 7, 7))
        self.assertEqual((numbers(last), last["count"], len(last["response"])), ([2, None, 3, 7, 15, 3], 1, 1))
        beyond = self.get("?per_page=7&page=4")
        self.assertEqual((beyond["count"], beyond["response"]), (0, []))
        everything = [row["id"] for page in (1, 2, 3) for row in self.get(f"?per_page=7&page={page}")["response"]]
        self.assertEqual(everything, [row["id"] for row in self.get()["response"]])
        for query in ("page=0", "page=-1", "page=x", "per_page=0", "per_page=101", "page=99999999999999999999999"):
            with self.subTest(query=query):
                status, headers, _ = self.api.ask("GET", f"/accounts/acme/notifications?{query}")
                self.assertEqual((status, headers["content-type"]), (400, "application/problem+json"))

    def test_a_script_written_for_the_vendor_works(self):
        # It gets all, takes a channel away and adds another, and puts the whole object back.
        for row in self.get(".json")["response"]:
            row["channels"] = sorted(set(row["channels"]) - {"email"} | {"webhook"})
            if row["alert_type"] == "server.stopped":
                row["params"]["webhook_url"] = "https://hooks.acme.test/in"
            changed = self.put(f"{row['id']}.json", row)
            self.assertEqual(changed["channels"], ["webhook"])
            self.assertEqual(changed["id"], row["id"])
        cells = {(cell["event_type"], cell["channel"]): cell["on"] for cell in self.store.json("matrix", "show", "acme")["cells"]}
        self.assertTrue(cells["job.fail", "webhook"] and not cells["job.fail", "email"])
        hooks = self.store.json("destinations", "list", "acme", "--channel", "webhook")
        self.assertEqual([(hook["fields"]["url"], hook["fields"].get("only", hook.get("only"))) for hook in hooks],
                         [("https://hooks.acme.test/in", ["server.stopped"])])
        # Who did it, and it can be looked up.
        self.assertIn("token script", json.dumps(self.store.json("audit", "list")))

    def test_putting_back_what_was_got_changes_nothing(self):
        for number in (1, 2):
            self.store.ok("destinations", "add", "acme", "webhook", "--url", f"https://hooks{number}.acme.test/in", "--only", "server.stopped")
        self.store.ok("destinations", "add", "acme", "slack", "--url", SLACK, "--channel", "#ops")
        self.store.ok("matrix", "set", "acme", "server.stopped", "webhook", "on")
        looks = lambda: (self.store.json("destinations", "list", "acme"), self.store.json("matrix", "show", "acme"), self.get())
        before = looks()
        for row in self.get()["response"]:
            self.put(row["id"], row)
        self.assertEqual(looks(), before)

    def test_addresses_come_and_go_with_their_row(self):
        self.put("server.stopped", {"channels": ["slack"], "params": {"slack_url": SLACK, "slack_channel": "#ops"}})
        self.put("job.fail", {"params": {"slack_url": SLACK}})
        slack = self.store.json("destinations", "list", "acme", "--channel", "slack")
        self.assertEqual(len(slack), 1, "one address, for both")
        other = SLACK.replace("B00000000", "B11111111")
        self.put("job.fail", {"params": {"slack_url": other, "slack_channel": "#jobs"}})
        self.assertEqual([self.row(name)["params"]["slack_channel"] for name in ("server.stopped", "job.fail")], ["#ops", "#jobs"])
        self.put("job.fail", form([("channels[]", "email"), ("channels[]", "slack"), ("params[slack_channel]", "#all")]),
                 content_type="application/x-www-form-urlencoded")
        row = self.row("job.fail")
        self.assertEqual((row["channels"], row["params"]["slack_channel"]), (["email", "slack"], "#all"))

    def test_what_is_wrong_is_refused_whole(self):
        before = self.row("server.stopped")
        for body, word in (
            ({"channels": ["email", "fax"]}, "fax"), ({"channels": 5}, "channels"), ({"channels": [1]}, "word"),
            ({"params": {"fax": "1"}}, "fax"), ({"params": []}, "params"), ({"params": {"webhook_url": "nonsense"}}, "webhook_url"),
            ({"params": {"slack_channel": "#ops"}}, "slack_url"), ({"params": {"hipchat_token": "x"}}, "hipchat_room"),
            ({"channels": ["webhook"], "params": {"webhook_url": "ftp://x"}}, "webhook_url"), ({}, "channels"), ([], "body"), ("{", "body"),
            ({"chanels": ["email"]}, "chanels"),
        ):
            with self.subTest(body=body):
                self.assertIn(word, self.put("server.stopped", body, 400)["detail"])
        self.assertEqual(self.row("server.stopped"), before)
        self.put("server.stopped", "x", 415, content_type="text/plain")
        for path in ("/accounts/nobody/notifications", "/accounts/acme/notifications/0", "/accounts/acme/notifications/no.such"):
            for method in ("GET", "PUT"):
                status, headers, _ = self.api.ask(method, path, {"channels": []} if method == "PUT" and path[-1] != "s" else None)
                self.assertIn(status, (404, 405), path)
                self.assertEqual(headers["content-type"], "application/problem+json")

    def test_scopes(self):
        ask = lambda method, token: self.api.ask(method, "/accounts/acme/notifications/server.stopped",
                                                 {"channels": ["email"]} if method == "PUT" else None, token=token)[0]
        token = lambda scope, *more: self.store.json("tokens", "create", scope, "--scope", scope, *more)["token"]
        self.store.ok("accounts", "add", "other", "--name", "Other", "--email", "ops@other.test")
        for scope, get, put in (("read", 200, 403), ("write", 200, 200), ("emit", 403, 403), ("devices", 403, 403)):
            with self.subTest(scope=scope):
                self.assertEqual((ask("GET", token(scope)), ask("PUT", token(scope))), (get, put))
        for scope in ("read", "write"):
            self.assertEqual(ask("GET", token(scope, "--account", "other")), 403)
        self.assertEqual(ask("GET", ""), 401)
