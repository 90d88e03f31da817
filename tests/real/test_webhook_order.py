"""A webhook with `ordered`: the order of receipt is that of acceptance, also when a try fails and the process is killed."""

import json
import signal
import unittest

from rig import Receiver, Store, wait_until


def emit(store, count):
    """The ids of so many events, taken in one after the other."""
    events = [{"account": "acme", "event_type": "server.stopped", "data": {"n": number}} for number in range(count)]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    store.ok("ingest", "-", input=lines.encode())
    return [event["id"] for event in reversed(store.json("events", "list"))]


class Order(unittest.TestCase):
    def test_five_events_of_which_the_second_fails_twice_with_a_kill_in_between(self):
        # The first is taken, the second fails twice, all that follows is taken.
        answers = (200, {}), (500, {}), (500, {}), (200, {})
        with Receiver(*answers) as receiver, Store(BELLBOARD_DELIVERY_RETRY="2s,1s") as store:
            store.acme(receiver.url, "server.stopped", "--ordered")
            ids = emit(store, 5)
            process = store.serve()
            wait_until(lambda: len(receiver.requests) >= 2)
            process.send_signal(signal.SIGKILL)
            process.wait()
            store.serve()
            wait_until(lambda: [row["state"] for row in store.json("deliveries", "list")] == ["delivered"] * 5)
            got = [request[1]["webhook-id"] for request in receiver.requests]
            # What was on its way at the kill may have come twice, whichever that was.
            self.assertEqual(list(dict.fromkeys(got)), ids)
            self.assertGreaterEqual(got[: got.index(ids[2])].count(ids[1]), 3, got)

    def test_what_is_held_says_by_whom(self):
        with Receiver((500, {})) as receiver, Store(BELLBOARD_DELIVERY_RETRY="1h") as store:
            store.acme(receiver.url, "server.stopped", "--ordered")
            ids = emit(store, 2)
            store.serve()
            wait_until(lambda: store.json("deliveries", "show", "dlv_1")["attempt_log"])
            wait_until(lambda: "dlv_1, goes first" in store.ok("why", ids[1]))
            self.assertEqual({request[1]["webhook-id"] for request in receiver.requests}, {ids[0]})
