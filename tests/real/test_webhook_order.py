"""A webhook with `ordered`: the order of receipt is that of acceptance, also when a try fails and the process is killed."""

import signal
import unittest

from rig import Receiver, Store, wait_until


class Order(unittest.TestCase):
    def test_five_events_of_which_the_second_fails_twice_with_a_kill_in_between(self):
        # The first is taken, the second fails twice, all that follows is taken.
        with Receiver((200, {}), (500, {}), (500, {}), (200, {})) as receiver, Store() as store:
            store.acme(receiver.url, "server.stopped", "--ordered")
            process = store.serve()
            wait_until(store.is_ready)
            ids = [store.json("emit", "acme", "server.stopped")["event"]["id"] for _ in range(5)]
            wait_until(lambda: len(receiver.requests) >= 2)
            waits = lambda: store.json("deliveries", "list", "--state", "pending")
            rows = wait_until(lambda: len(waits()) == 4 and waits())
            self.assertIn("dlv_2", [row["reason"] for row in rows if row["id"] == "dlv_3"][0])
            why = store.ok("why", ids[2])
            self.assertIn("an earlier one, dlv_2, goes first", why)
            process.send_signal(signal.SIGKILL)
            process.wait()
            store.serve()
            wait_until(lambda: len(receiver.requests) >= 3)
            wait_until(lambda: len(waits()) == 4)
            # The third try would come in five minutes. Without it the others go on; sent again, it arrives last.
            store.ok("deliveries", "cancel", "dlv_2")
            wait_until(lambda: len(receiver.requests) >= 6)
            got = [request[1]["webhook-id"] for request in receiver.requests]
            self.assertEqual(got, [ids[0], ids[1], ids[1], ids[2], ids[3], ids[4]])
            store.ok("deliveries", "replay", "dlv_2")
            wait_until(lambda: len(receiver.requests) >= 7)
            self.assertEqual(receiver.requests[6][1]["webhook-id"], ids[1])
