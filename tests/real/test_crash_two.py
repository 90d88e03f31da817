"""Two processes on one store: when the one that delivers dies, the other takes over; while it is only stopped, nobody delivers
twice, and what comes in waits."""

import os
import random
import signal
import statistics
import time
import unittest

import rig
from crash.drive import HttpFeed, NAMES, settle, stop_outside_of_a_transaction, unfinished
from crash.invariants import check
from crash.receiver import Receiver
from crash.world import World, make_template

SEED = int(os.environ.get("BELLBOARD_CRASH_SEED", random.randrange(1 << 32)))


class TwoProcesses(unittest.TestCase):
    def setUp(self):
        self.chance = random.Random(SEED)
        print(f"seed {SEED}")
        self.receiver = Receiver(lambda path, n, count: (200, 0.01))
        self.addCleanup(self.receiver.close)
        self.template = make_template(self.receiver)
        self.addCleanup(self.template.close)
        self.store = World(self.template, self.receiver)
        self.addCleanup(self.store.close)

    def serve(self):
        """Another process, with HTTP on a port of its own."""
        listen = f"127.0.0.1:{rig.free_port()}"
        process = self.store.start("serve", BELLBOARD_HTTP_LISTEN=listen)
        process.http = f"http://{listen}"
        return process

    def feed(self, process):
        feed = HttpFeed(self.store, self.chance.random(), pause=0.02, http=process.http)
        feed.start()
        return feed

    def end(self, feed):
        feed.stop.set()
        feed.join(60)

    def receipts_after(self, moment):
        return [receipt.at for receipt in self.store.receipts if receipt.at > moment]

    def test_the_next_takes_over_at_each_death(self):
        times = []
        first = self.serve()
        rig.wait_until(lambda: self.feed_some(first))
        for _ in range(8):
            second = self.serve()
            feed = self.feed(second)
            rig.wait_until(lambda feed=feed: feed.statuses.get(202, 0) >= 5)
            moment = time.time() * 1000
            self.store.kill(first)
            rig.wait_until(lambda moment=moment: self.receipts_after(moment + 1))
            times.append(self.receipts_after(moment + 1)[0] - moment)
            self.end(feed)
            first = second
        rig.wait_until(lambda: unfinished(self.store) == 0)
        check(self.store)
        self.store.kill(first)
        print(f"first send after a death: median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms")
        print(settle(self.store))

    def stop(self, process):
        """Stops it while nothing is under way, and in no transaction, which would hold up all others."""
        rig.wait_until(lambda: unfinished(self.store) == 0)
        stop_outside_of_a_transaction(self.store, process)

    def feed_some(self, process):
        feed = self.feed(process)
        rig.wait_until(lambda: feed.statuses.get(202, 0) >= 3)
        self.end(feed)
        return True

    def test_while_the_one_that_delivers_is_stopped_what_comes_waits_and_nothing_is_sent_twice(self):
        first = self.serve()
        self.feed_some(first)
        second = self.serve()
        self.stop(first)
        moment = time.time() * 1000
        self.feed_some(second)
        self.store.ok("emit", "beta", "server.stopped", "--data", f'{{"n": "{self.handed()}"}}')
        self.assertEqual(self.receipts_after(moment + 100), [], "nobody took the lock of one that lives")
        self.assertGreater(unfinished(self.store), 0)
        first.send_signal(signal.SIGCONT)
        rig.wait_until(lambda: unfinished(self.store) == 0)
        self.store.kill(first)
        self.store.kill(second)
        print(settle(self.store))

    def test_one_that_is_killed_while_stopped_is_followed_at_once(self):
        first = self.serve()
        self.feed_some(first)
        second = self.serve()
        self.stop(first)
        self.feed_some(second)
        self.store.kill(first)
        rig.wait_until(lambda: unfinished(self.store) == 0)
        self.store.kill(second)
        print(settle(self.store))

    def handed(self):
        event = NAMES.event(self.chance)._replace(account="beta", event_type="server.stopped", key=None)
        self.store.ledger.hand_in(event)
        return event.n
