"""A power cut, which `kill -9` does not show: what the program wrote and did not sync is forgotten, all of it or some, down to
single sectors. Nothing acknowledged may be missing then. With syncs turned off there must be a loss, or this test sees nothing."""

import collections
import os
import random
import shutil
import unittest

from crash import faults
from crash.drive import Round, settle
from crash.invariants import check
from crash.receiver import Receiver
from crash.world import World, failpoints, make_template

ROUNDS = int(os.environ.get("BELLBOARD_CRASH_ROUNDS", "200")) // 5
SEED = int(os.environ.get("BELLBOARD_CRASH_SEED", random.randrange(1 << 32)))
ROUNDS_A_STORE = 10


class PowerCut(unittest.TestCase):
    def setUp(self):
        folder, self.library = faults.build()
        self.addCleanup(folder.cleanup)
        self.receiver = Receiver(lambda path, n, count: (503 if count == 1 and n.endswith("3") else 200, 0))
        self.addCleanup(self.receiver.close)
        self.template = make_template(self.receiver)
        self.addCleanup(self.template.close)
        self.chance = random.Random(SEED)
        self.counts = collections.Counter()
        print(f"seed {SEED}")

    def world(self, **environment):
        world = World(self.template, self.receiver, **environment)
        self.addCleanup(world.close)
        world.faults = faults.Faults(self.library, world.folder)
        self.addCleanup(world.faults.close)
        world.faults["journal"] = 1
        world.environment |= world.faults.environment
        return world

    def one(self, world):
        points = [name for name in failpoints() if not name.startswith("schema")]
        point = (self.chance.choice(points), self.chance.choice((1, 2, 3))) if self.chance.random() < 0.5 else None
        round_ = Round(world, self.chance, point)
        round_.run()
        self.look_at_journal(world)
        self.counts["not synced"] += world.faults.cut_power(self.chance)
        self.counts["rounds"] += 1
        round_.check()

    def look_at_journal(self, world):
        """That the library is between the program and its files at all."""
        for change in world.faults.changes():
            ending = change.path.removeprefix(world.path) if change.path.startswith(world.path) else "other"
            self.counts[f"{change.operation}{ending}"] += 1

    def test_a_power_cut_loses_nothing(self):
        for number in range(0, ROUNDS, ROUNDS_A_STORE):
            world = self.world()
            try:
                for _ in range(min(ROUNDS_A_STORE, ROUNDS - number)):
                    self.one(world)
                settle(world)
            except AssertionError as failure:
                raise AssertionError(f"seed {SEED}: {failure}") from failure
        print(dict(self.counts))
        self.assertGreater(self.counts["W-wal"], ROUNDS, "writes to the -wal file were seen")
        self.assertGreater(self.counts["D-wal"], ROUNDS, "syncs of it were seen")
        self.assertGreater(self.counts["not synced"], 0, "and some were cut off")

    def test_a_power_cut_at_the_first_start_loses_no_account_that_was_made(self):
        add = ("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        lost = 0
        for number in range(12):
            world = self.world()
            for name in os.listdir(world.folder):
                if name.startswith("bellboard."):
                    os.remove(os.path.join(world.folder, name))
            after = (("schema.before", 1), ("schema.after", 1), ("command.before", 1), ("command.after", 1), None)[number % 5]
            code, _, err = world.run(*add, **({"BELLBOARD_FAILPOINT": f"{after[0]}:1"} if after else {}))
            self.assertEqual(code, -9 if after else 0, err)
            lost += world.faults.cut_power(self.chance)
            again, _, err = world.run(*add)
            # Refused, and not made once more, where it had been acknowledged.
            self.assertIn(again, (0, 4) if after else (4,), err)
            world.ok("accounts", "show", "acme")
            world.ok("destinations", "add", "acme", "webhook", "--url", "https://hooks.acme.test/")
            check_file(world)
        self.assertGreater(lost, 0)

    def test_without_syncs_a_power_cut_is_seen_to_lose(self):
        world = self.world(BELLBOARD_FAILPOINT_SYNCHRONOUS="off")
        shutil.copytree(world.folder, kept := world.folder + "-kept")
        self.addCleanup(shutil.rmtree, kept, True)
        for number in range(20):
            try:
                self.one(world)
            except Exception as failure:  # noqa: BLE001: a lost acknowledgement, or a damaged file
                if str(failure).startswith(("1: acknowledged", "6:", "database disk image")):
                    print(f"seen in round {number + 1}: {str(failure)[:80]}")
                    return
                raise
        self.fail("nothing was synced for 20 rounds, and the test saw no loss")


def check_file(world):
    world.names, world.ended = {}, {}
    check(world)
