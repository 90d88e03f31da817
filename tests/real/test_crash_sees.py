"""The crash rig itself: each way to break one of its seven invariants is seen, and named by its number."""

import copy
import os
import shutil
import sqlite3
import tempfile
import unittest

import rig
from crash.drive import HttpFeed, settle
from crash.invariants import check
from crash.receiver import Receiver
from crash.world import World, make_template

# A delivery that was delivered at its first try.
ONE = "(SELECT min(delivery_id) FROM attempt WHERE outcome = 'delivered' AND number = 1)"
EVENT = f"(SELECT event_id FROM delivery WHERE id = {ONE})"

# What is done to the file, and which invariant must object.
FILE_CASES = (
    (1, f"DELETE FROM idempotency WHERE event_id = {EVENT}; DELETE FROM event WHERE id = {EVENT}"),
    (
        1,
        "INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data)"
        f" SELECT id + 100000, zeroblob(16), account_id, event_type, received_at, 0, not_sent, data FROM event WHERE id = {EVENT}",
    ),
    (2, f"DELETE FROM delivery WHERE id = {ONE}"),
    (2, f"UPDATE delivery SET state = 'pending', due_at = 1 WHERE id = {ONE}"),
    (3, f"UPDATE attempt SET started_at = started_at + 3600000 WHERE delivery_id = {ONE}"),
    (3, f"DELETE FROM attempt WHERE delivery_id = {ONE}"),
    (5, f"UPDATE delivery SET attempts = attempts + 1 WHERE id = {ONE}"),
    (5, f"UPDATE delivery SET state = 'cancelled' WHERE id = {ONE}"),
    (6, "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome) VALUES (99999, 1, 1, 1, 'gone')"),
)


class Sees(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver(lambda path, n, count: (200, 0))
        self.addCleanup(self.receiver.close)
        template = make_template(self.receiver)
        self.addCleanup(template.close)
        self.world = World(template, self.receiver)
        self.addCleanup(self.world.close)
        serve = self.world.start("serve")
        feed = HttpFeed(self.world, 1)
        feed.start()
        rig.wait_until(lambda: feed.statuses.get(202, 0) >= 10)
        feed.stop.set()
        feed.join(60)
        self.world.kill(serve)
        settle(self.world)
        self.folder = tempfile.mkdtemp(prefix="bellboard-crash-sees-")
        self.addCleanup(shutil.rmtree, self.folder)

    def broken(self, sql="", receipts=None, forget=False):
        """The same world with a file or receipts that were tampered with."""
        world = copy.copy(self.world)
        world.path = os.path.join(self.folder, "bellboard.db")
        for ending in ("", "-wal"):
            if os.path.exists(self.world.path + ending):
                shutil.copy(self.world.path + ending, world.path + ending)
        database = sqlite3.connect(world.path)
        database.executescript(sql)
        database.close()
        world.ended = {} if forget else dict(self.world.ended)
        if receipts is not None:
            world.receiver = type("Receipts", (), {"receipts": receipts})
            world.receipts_from = 0
        return world

    def objects(self, number, world):
        with self.assertRaises(AssertionError) as caught:
            check(world, settled=True)
        self.assertTrue(str(caught.exception).startswith(f"{number}:"), f"{number} expected: {caught.exception}")

    def test_a_broken_file_is_seen(self):
        check(self.broken(), settled=True)
        for number, sql in FILE_CASES:
            with self.subTest(sql):
                self.objects(number, self.broken(sql))

    def test_receipts_that_do_not_fit_are_seen(self):
        receipts = list(self.world.receipts)
        one = receipts[0]
        self.objects(3, self.broken(receipts=[r for r in receipts if r.id != one.id]))
        self.objects(2, self.broken(receipts=[*receipts, one._replace(id="evt_unknown")]))
        self.objects(3, self.broken(receipts=[*receipts, one]))
        # A second claim was made, and the first had been answered: nothing was under way.
        again = (
            "INSERT INTO attempt (delivery_id, number, started_at, duration_ms, outcome, status)"
            " SELECT delivery_id, 99, started_at, 1, 'failed', 500 FROM attempt WHERE number = 1"
        )
        self.objects(4, self.broken(again, receipts=[*receipts, one], forget=True))
        self.objects(5, self.broken(again, receipts=[*receipts, one._replace(at=one.at + 60_000, status=500)], forget=True))
