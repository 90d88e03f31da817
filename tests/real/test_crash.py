"""Nothing acknowledged is lost: the program is killed with SIGKILL at random moments and at every failpoint, and the file is
compared with what was acknowledged and with what was received (see the package `crash`). BELLBOARD_CRASH_ROUNDS says how many
kills (200 when not said), BELLBOARD_CRASH_SEED repeats a run."""

import collections
import os
import random
import statistics
import time
import unittest
import zlib

from crash.drive import Round, settle
from crash.invariants import check
from crash.receiver import Receiver
from crash.world import World, failpoints, make_template

ROUNDS = int(os.environ.get("BELLBOARD_CRASH_ROUNDS", "200"))
SEED = int(os.environ.get("BELLBOARD_CRASH_SEED", random.randrange(1 << 32)))

# Rounds on one store before it is let end and another one begins.
ROUNDS_A_STORE = 20


def answer(path, n, count):
    """Most are taken at once; some only later, after an error or a hang-up; a few never; some slowly."""
    kind = zlib.crc32(f"{SEED} {path} {n}".encode()) % 20
    if kind == 0:
        return 500, 0
    if kind < 4 and count <= kind:
        return 503, 0
    if kind == 4 and count == 1:
        return 0, 0
    return 200, 0.03 if kind < 9 else 0


class Crash(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver(answer)
        self.addCleanup(self.receiver.close)
        self.template = make_template(self.receiver)
        self.addCleanup(self.template.close)
        self.hits = collections.Counter()
        self.totals = collections.Counter()
        self.first_sends = []

    def test_kill_9_anywhere_loses_nothing(self):
        print(f"seed {SEED}, {ROUNDS} rounds")
        self.began = time.monotonic()
        chance = random.Random(SEED)
        points = []
        for number in range(0, ROUNDS, ROUNDS_A_STORE):
            with World(self.template, self.receiver) as world:
                try:
                    for _ in range(min(ROUNDS_A_STORE, ROUNDS - number)):
                        points = points or chance.sample(failpoints(), len(failpoints()))
                        self.one(world, chance, points.pop() if chance.random() < 0.6 else None)
                    self.totals.update(settle(world))
                except AssertionError as failure:
                    raise AssertionError(f"seed {SEED}, store {number // ROUNDS_A_STORE}: {failure}") from failure
        if ROUNDS >= 200:
            self.hit_the_rest(chance)
        self.report()
        if ROUNDS >= 200:
            self.assertEqual(self.never_hit(), [])

    def hit_the_rest(self, chance):
        """Failpoints that chance or a slow machine passed over get rounds of their own."""
        for name in self.never_hit():
            with World(self.template, self.receiver) as world:
                for _ in range(20):
                    self.one(world, chance, name, seconds=20)
                    if self.hits[name]:
                        break
                self.totals.update(settle(world))

    def never_hit(self):
        return sorted(name for name in failpoints() if not self.hits[name])

    def one(self, world, chance, name, **more):
        if name and name.startswith("schema"):
            self.make_schema(name)
            return
        # These come once in a start.
        count = 1 if name and name.startswith(("reclaim", "upkeep")) else chance.choice((1, 1, 2, 3, 5, 8))
        round_ = Round(world, chance, (name, count) if name else None, **more)
        round_.run()
        round_.check()
        self.hits[round_.hit or "at random"] += 1
        if round_.first_send is not None:
            self.first_sends.append(round_.first_send)

    def make_schema(self, name):
        """A first start is killed at that place; the next one finds a store that it can use."""
        with World(self.template, self.receiver) as world:
            for file in os.listdir(world.folder):
                if file.startswith("bellboard"):
                    os.remove(os.path.join(world.folder, file))
            add = ("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
            code, _, _ = world.run(*add, BELLBOARD_FAILPOINT=f"{name}:1")
            self.hits[name] += code == -9
            world.ok(*add)
            check(world)

    def report(self):
        seconds = time.monotonic() - self.began
        print(f"{ROUNDS} rounds in {seconds:.0f} s; {dict(self.totals)}")
        print("ended " + ", ".join(f"{name} {count}" for name, count in sorted(self.hits.items())))
        if self.first_sends:
            middle, longest = statistics.median(self.first_sends), max(self.first_sends)
            print(f"first send after a start with work waiting: median {middle:.0f} ms, at most {longest:.0f} ms")
