"""What a receiver answers, and what follows: retries, giving up, a destination that is gone, a wish to wait."""

import unittest

from rig import Receiver, Store, wait_until

SHORT = {"BELLBOARD_DELIVERY_RETRY": "300ms,300ms,300ms,300ms,300ms"}


def ended(store):
    row = store.json("deliveries", "show", "dlv_1")
    return row if row["state"] in ("delivered", "failed", "cancelled") else None


class Answers(unittest.TestCase):
    def test_two_failures_then_success(self):
        with Receiver((500, {}), (500, {}), (200, {})) as receiver, Store(**SHORT) as store:
            store.acme(receiver.url)
            store.ok("emit", "acme", "server.stopped", "--wait=60")
            row = ended(store)
            log = [(attempt["number"], attempt["status"], attempt["outcome"]) for attempt in row["attempt_log"]]
            self.assertEqual(log, [(1, 500, "failed"), (2, 500, "failed"), (3, 200, "delivered")])
            for (_, headers, body), attempt in zip(receiver.requests, row["attempt_log"], strict=True):
                self.assertEqual((attempt["request"]["body"], attempt["response"]["body"]), (body, "heard"))
                for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type"):
                    self.assertEqual(attempt["request"]["headers"][name], headers[name])
            self.assertTrue(all(attempt["started_at"] for attempt in row["attempt_log"]))

    def test_404_gets_three_retries(self):
        with Receiver((404, {})) as receiver, Store(**SHORT) as store:
            store.acme(receiver.url)
            code, _, err = store.run("emit", "acme", "server.stopped", "--wait=60")
            row = ended(store)
            self.assertEqual((code, row["state"], row["attempts"], len(receiver.requests)), (1, "failed", 4, 4), err)
            self.assertIn("404", row["reason"])

    def test_410_disables_the_destination(self):
        with Receiver((410, {})) as receiver, Store(**SHORT) as store:
            store.acme(receiver.url)
            code, _, _ = store.run("emit", "acme", "server.stopped", "--wait=60")
            self.assertEqual((code, len(receiver.requests)), (1, 1))
            webhook = [one for one in store.json("destinations", "list", "acme") if one["channel"] == "webhook"][0]
            self.assertEqual(webhook["state"], "disabled")
            self.assertIn("410", webhook["state_reason"])

    def test_retry_after_is_a_floor(self):
        with Receiver((429, {"Retry-After": "7"}), (200, {})) as receiver, Store(**SHORT) as store:
            store.acme(receiver.url)
            store.serve()
            store.ok("emit", "acme", "server.stopped")
            wait_until(lambda: len(receiver.requests) == 2)
            self.assertGreaterEqual(receiver.requests[1][0] - receiver.requests[0][0], 6.995, "the clock's own step is a millisecond")
