"""A storm, as its receivers see it: a mail server of others, and a webhook beside it, under the limit that the config says."""

import json
import unittest

from aiosmtpd_mailbox import Mailbox
from rig import Receiver, Store, wait_until

SINGLY = 3
ROUNDS = 4


class Storm(unittest.TestCase):
    def setUp(self):
        self.mailbox = Mailbox()
        self.addCleanup(self.mailbox.close)
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.store = Store(
            BELLBOARD_EMAIL_SERVER=f"smtp://127.0.0.1:{self.mailbox.controller.port}?tls=none", BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_DELIVERY_STORM_MESSAGES=str(SINGLY), BELLBOARD_DELIVERY_STORM_WINDOW="20s",
        )
        self.addCleanup(self.store.close)
        self.store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        self.store.ok("destinations", "add", "acme", "webhook", "--url", self.receiver.url)
        for event_type in ("server.stopped", "server.backon"):
            self.store.ok("matrix", "set", "acme", event_type, "webhook", "on")
        self.store.serve()
        wait_until(self.store.is_ready)

    def test_a_server_that_flaps_is_told_of_a_few_times_and_then_summed_up(self):
        # All at once, however slow the machine is: one by one they might not be of one storm any more.
        lines = [json.dumps({"account": "acme", "event_type": event_type, "data": {"server": "web1"}}) + "\n"
                 for _ in range(ROUNDS) for event_type in ("server.stopped", "server.backon")]
        self.store.ok("ingest", "-", input="".join(lines).encode())
        events = [event["id"] for event in reversed(self.store.json("events", "list", "--account", "acme"))]
        wait_until(lambda: len(self.mailbox.mails) == SINGLY + 1 and len(self.receiver.requests) == len(events))
        # In whatever order the single ones came, the last mail says how many more there were, and how it ended.
        *singly, summary = [str(mail["Subject"]) for mail in self.mailbox.mails]
        self.assertTrue(all(subject.endswith(": web1") for subject in singly), singly)
        self.assertEqual(summary, "[Acme Ltd] 5 more: 3 Server heartbeat restored, 2 Server heartbeat stopped")
        text = self.mailbox.mails[-1].get_body(("plain",)).get_content()
        self.assertIn("The last one was: Server heartbeat restored: web1.", text)
        # The log has each of them, and which summary it went into; a program gets all of them singly.
        rows = self.store.json("deliveries", "list", "--account", "acme", "--limit", "100")
        told, = [row["id"] for row in rows if row["event_type"] == "bellboard.summary"]
        states = {(row["channel"], row["state"]): 0 for row in rows}
        for row in rows:
            states[row["channel"], row["state"]] += 1
        folded = [row for row in rows if row["state"] == "folded"]
        self.assertEqual(states, {("webhook", "delivered"): 8, ("email", "delivered"): SINGLY + 1, ("email", "folded"): 5})
        self.assertEqual({row["folded_into"] for row in folded}, {told})
        self.assertIn(f"folded: many of its kind came at once; {told} tells of all of them", self.store.ok("why", events[-1]))

    def test_what_is_muted_says_until_when_and_why(self):
        self.store.ok("matrix", "mute", "acme", "server.stopped", "--for", "4h", "--reason", "planned work")
        event = self.store.json("emit", "acme", "server.stopped", "--wait=60")["event"]["id"]
        self.assertIn("planned work", self.store.ok("why", event))
        self.assertEqual((self.mailbox.mails, self.receiver.requests), ([], []))


if __name__ == "__main__":
    unittest.main()
