"""`why` explains each miss: every reason for which nothing was sent, and every state of what was not delivered."""

import unittest

from rig import Receiver, SECRET, Store, wait_until

NEVER = "http://127.0.0.1:9/in"


def add(store, channel, *fields):
    return store.json("destinations", "add", "acme", channel, *fields)["id"]


class Why(unittest.TestCase):
    def setUp(self):
        self.store = Store(USER="jane", BELLBOARD_DELIVERY_RETRY="1h,1h")
        self.addCleanup(self.store.close)
        self.store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        for channel in ("slack", "hipchat", "webhook", "ios"):
            self.store.ok("matrix", "set", "acme", "server.stopped", channel, "on")

    def emit(self, *more):
        return self.store.json("emit", "acme", "server.stopped", "--data", "{}", *more)["event"]["id"]

    def explained(self, event, expected):
        """Checks what `why` says of channels, as text for people and as JSON: (outcome, words of the reason)."""
        rows = {row["channel"]: row for row in self.store.json("why", event)["channels"]}
        self.assertEqual(len(rows), 6, "every channel is answered for")
        text = self.store.ok("why", event)
        for channel, (outcome, *words) in expected.items():
            with self.subTest(channel=channel):
                self.assertEqual(rows[channel]["outcome"], outcome, rows[channel])
                (line,) = [line for line in text.splitlines() if line.split()[:1] == [channel]]
                for word in words:
                    self.assertIn(word, rows[channel]["reason"])
                    self.assertIn(word, line)

    def test_every_reason_for_which_nothing_is_sent(self):
        store = self.store
        store.ok("matrix", "set", "acme", "server.stopped", "email", "off")
        add(store, "hipchat", "--token", "token1234", "--room", "7", "--only", "payment.fail")
        webhook = add(store, "webhook", "--url", NEVER)
        store.ok("destinations", "disable", webhook)
        add(store, "ios", "--device-token", "0" * 64)
        self.explained(self.emit(), {
            "browser": ("not_sent", "off by default"),
            "email": ("not_sent", "turned off by jane on"),
            "slack": ("not_sent", "no destination is set up"),
            "hipchat": ("not_sent", "no destination takes this event type"),
            "webhook": ("not_sent", "the destination is disabled", "jane"),
        })
        store.ok("accounts", "edit", "acme", "--status", "suspended")
        self.explained(self.emit(), {"slack": ("not_sent", "the account is suspended")})
        store.ok("accounts", "edit", "acme", "--status", "active")
        store.ok("destinations", "enable", webhook)
        test = store.json("destinations", "test", webhook)["deliveries"][0]
        self.explained(test, {"slack": ("not_sent", "a test for another destination")})

    def test_every_state_of_what_was_not_delivered(self):
        store = self.store
        with Receiver((200, {})) as good, Receiver((500, {})) as failing, \
                Receiver((410, {})) as gone:
            urls = {"good": good.url, "failing": failing.url, "gone": gone.url, "paused": NEVER, "removed": NEVER,
                    "private": "http://10.1.2.3/in"}
            ids = {label: add(store, "webhook", "--url", url, "--secret", SECRET, "--label", label)
                   for label, url in urls.items()}
            store.ok("destinations", "pause", ids["paused"])
            store.ok("destinations", "pause", ids["removed"])
            add(store, "ios", "--device-token", "0" * 64)
            store.serve()
            event = self.emit()
            store.ok("destinations", "remove", ids["removed"], "--yes")

            def rows():
                channels = store.json("why", event)["channels"]
                return {row["label"]: row for channel in channels for row in channel["deliveries"]}

            settled = lambda: (found := rows()) and found["good"]["state"] == "delivered" and \
                found["gone"]["state"] == "failed" and found["failing"]["attempts"] and found["private"]["attempts"]
            wait_until(settled)
            lines = store.ok("why", event).splitlines()
            for label, state, *words in [
                ("good", "delivered", "delivered to good after 1 try, answered 200"),
                ("failing", "pending", "waits to be tried again after 1 try", "500"),
                ("private", "pending", "[network] allow"),
                ("gone", "failed", "410"),
                ("paused", "pending", "paused"),
                ("removed", "cancelled", "removed"),
                ("ops@acme.test", "pending", "waits", "[email] server"),
            ]:
                with self.subTest(label=label):
                    row = next(row for name, row in rows().items() if label in name)
                    self.assertEqual(row["state"], state, row)
                    (line,) = [line for line in lines if row["id"] in line.split()]
                    for word in words:
                        self.assertIn(word, line)
            (line,) = [line for line in lines if line.startswith("ios ")]
            self.assertIn("[apns]", line)
            store.ok("deliveries", "cancel", rows()["failing"]["id"])
            (line,) = [line for line in store.ok("why", event).splitlines() if rows()["failing"]["id"] in line.split()]
            self.assertIn("cancelled", line)
            self.assertIn("jane", line)
