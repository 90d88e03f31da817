"""A store that cannot be written refuses with a clear error, keeps what it had, and goes on by itself when it can: the n-th
write or sync fails, for every n; the disk is full, or read-only; the process is stopped; the clock is set."""

import concurrent.futures
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import unittest

import rig
from crash import faults
from crash.drive import HttpFeed, settle, stop_outside_of_a_transaction, unfinished
from crash.ledger import Handed
from crash.receiver import Receiver
from crash.world import World, make_template
from terminal import Tmux

SEED = int(os.environ.get("BELLBOARD_CRASH_SEED", random.randrange(1 << 32)))

# How many calls are failed in turn: those of the start and of the first events; by hand more, as long as a scenario has them.
CALLS = int(os.environ.get("BELLBOARD_CRASH_CALLS", "0"))

# Scenarios at once: most of their time is waiting.
AT_ONCE = 6

# What is said on stderr when the store cannot be written, each with what to do or that nothing was stored.
REFUSALS = ("nothing was stored", "make room", "writable", "cannot be opened", "cannot be brought up to date")


class Faulty(unittest.TestCase):
    def setUp(self):
        folder, self.library = faults.build()
        self.addCleanup(folder.cleanup)
        self.receiver = Receiver(lambda path, n, count: (503 if count == 1 and n.endswith("3") else 200, 0))
        self.addCleanup(self.receiver.close)
        self.template = make_template(self.receiver)
        self.addCleanup(self.template.close)
        self.lock = threading.Lock()

    def world(self):
        world = World(self.template, self.receiver)
        self.addCleanup(world.close)
        world.faults = faults.Faults(self.library, world.folder)
        self.addCleanup(world.faults.close)
        world.environment |= world.faults.environment
        return world

    def emit(self, world, n):
        """One `emit`, again and again until it is taken; every refusal must be a clear one."""
        event = Handed("acme", "server.stopped", n, f"key-{n}")
        world.ledger.hand_in(event)
        refusals = []
        for _ in range(100):
            code, _, err = world.run("emit", "acme", "server.stopped", "--data", json.dumps(event.data), "--id", event.key)
            if code == 0:
                world.ledger.acknowledge(event, "emit")
                return refusals
            self.assert_clear(code, err)
            refusals.append(err)
            time.sleep(0.02)
        raise AssertionError(f"never taken: {refusals[-1]}")

    def assert_clear(self, code, err):
        self.assertEqual(code, 6, err)
        self.assertTrue(any(words in err for words in REFUSALS), err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)

    def scenario(self, kinds, error, n, is_hit):
        """The n-th call of these kinds fails, once. Returns whether there was an n-th; where there must be one, events come until then."""
        world = self.world()
        try:
            world.faults.fail(kinds, error, after=n - 1, count=1)
            serve = world.start("serve")
            feed = HttpFeed(world, n, pause=0.02)
            feed.start()
            for number in range(4):
                self.emit(world, f"{kinds}.{error}.{n}.{number}")
            if serve.poll() is not None:
                # It could not start at all: it said so, and its service manager starts it again.
                self.assert_clear(serve.returncode, world.tail().strip().splitlines()[-1])
            rig.wait_until(lambda: feed.statuses.get(202, 0) >= 4 or serve.poll() is not None)
            # How many commits the events of one moment share is chance, and so is how many of them a call is away.
            rig.wait_until(lambda: not is_hit or world.faults["failed"] > 0 or serve.poll() is not None)
            feed.stop.set()
            feed.join(60)
            hit = world.faults["failed"] > 0
            if serve.poll() is None:
                rig.wait_until(lambda: unfinished(world) == 0)
                world.kill(serve)
            settle(world)
            return hit
        except AssertionError as failure:
            raise AssertionError(f"call {n} of kinds {kinds} with {errno.errorcode[error]}: {failure}\n{world.tail()}") from failure
        finally:
            world.close()

    def every_n(self, kinds, errors, most):
        """Fails every call in turn: the first `most`, and as many more as are asked for and as a scenario has."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            numbers = range(1, max(most, CALLS) + 1)
            hits = list(pool.map(lambda n: self.scenario(kinds, errors[n % len(errors)], n, n <= most), numbers))
        self.assertTrue(all(hits[:most]), "a call never failed")
        print(f"{sum(hits)} scenarios in which a call failed")

    def test_any_write_may_fail(self):
        self.every_n(faults.WRITE, (errno.EIO, errno.ENOSPC), 48)

    def test_any_sync_may_fail(self):
        self.every_n(faults.SYNC, (errno.EIO, errno.ENOSPC), 24)

    def goes_on(self, world, break_, heal, sentence):
        """Delivers, refuses while it is broken, and goes on by itself. Returns the process."""
        serve = world.start("serve")
        feed = HttpFeed(world, SEED, pause=0.02)
        feed.start()
        rig.wait_until(lambda: feed.statuses.get(202, 0) >= 5)
        break_()
        rig.wait_until(lambda: feed.statuses.get(503, 0) >= 3)
        self.assertEqual(json.loads(feed.refusal)["status"], 503)
        self.assertIn("nothing was changed", feed.refusal)
        for kind in ("emit", "ingest", "matrix"):
            self.assertIn(sentence, self.refused(world, kind))
        with Tmux(rig.BINARY, world.environment) as tmux:
            self.try_in_console(tmux, sentence)
        taken = feed.statuses[202]
        heal()
        rig.wait_until(lambda: feed.statuses[202] >= taken + 5)
        feed.stop.set()
        feed.join(60)
        self.assertIsNone(serve.poll(), "the same process went on")
        rig.wait_until(lambda: unfinished(world) == 0)
        world.kill(serve)
        return settle(world)

    def refused(self, world, kind):
        """What a command says when it is refused. On a full disk one may still find room that the database has already."""
        for number in range(100):
            event = Handed("acme", "server.stopped", f"{kind}.{number}", None)
            data = json.dumps(event.data)
            line = json.dumps({"account": "acme", "event_type": "server.stopped", "data": event.data}) + "\n"
            arguments = {
                "emit": ("emit", "acme", "server.stopped", "--data", data),
                "ingest": ("ingest", "-"),
                "matrix": ("matrix", "set", "quiet", "server.backon", "webhook", ("on", "off")[number % 2]),
            }[kind]
            if kind != "matrix":
                world.ledger.hand_in(event)
            code, _, err = world.run(*arguments, input=line.encode() if kind == "ingest" else None)
            if code != 0:
                self.assert_clear(code, err)
                return err
            if kind != "matrix":
                world.ledger.acknowledge(event, kind)
        raise AssertionError(f"{kind} was never refused")

    def try_in_console(self, tmux, sentence):
        """Cells of the matrix are toggled until the console says it; or it does not even start, and says it then."""
        rig.wait_until(lambda: "acme" in (screen := tmux.screen()) or "ended with" in screen)

        def says_it():
            screen = " ".join(tmux.screen().split())
            if sentence not in screen and "ended with" not in screen:
                tmux.keys("Space")
            return sentence in screen

        if "ended with" not in tmux.screen():
            tmux.keys("Enter")
            tmux.wait_for("provisioned ok")
        rig.wait_until(says_it, every=0.3)

    def test_a_full_disk_is_refused_and_survived(self):
        world = self.world()
        if os.getuid() == 0 and mount(world.folder):
            self.addCleanup(subprocess.run, ["umount", "-l", world.folder], check=False)
            for name in os.listdir(self.template.folder):
                shutil.copy(os.path.join(self.template.folder, name), world.folder)
            filler = os.path.join(world.folder, "filler.txt")
            print("a file system of 4 MB")

            def fill():
                with open(filler, "ab", buffering=0) as file:
                    for size in (65536, 4096, 1):
                        try:
                            while True:
                                file.write(bytes(size))
                        except OSError:
                            pass

            found = self.goes_on(world, fill, lambda: os.remove(filler), "the disk is full")
        else:
            print("writes that would grow a file fail")
            found = self.goes_on(world, world.faults.fill_disk, world.faults.heal, "the disk is full")
        print(found)

    def test_a_file_system_that_turns_read_only_is_refused_and_survived(self):
        world = self.world()
        print(self.goes_on(world, world.faults.make_read_only, world.faults.heal, "is read-only; make"))

    def test_a_console_says_that_a_change_was_not_stored_and_takes_the_next(self):
        world = self.world()
        with Tmux(rig.BINARY, world.environment) as tmux:
            tmux.wait_for("acme")
            tmux.keys("Enter")
            tmux.wait_for("for provisioned ok")

            def shown():
                return next((word for word in ("on", "off") if f" is {word} for provisioned ok" in tmux.screen()), None)

            def toggle():
                """A toggle, and what came of it: the cell as it is then, or nothing where the change was not stored."""
                tmux.keys("Down")
                tmux.wait_for("for provision failed")
                tmux.keys("Up")
                tmux.wait_for("for provisioned ok")
                before = shown()
                tmux.keys("Space")
                rig.wait_until(lambda: "nothing was stored" in tmux.screen() or shown() not in (None, before))
                return shown()

            for fault, sentence in (
                (world.faults.fill_disk, "the disk is full, so nothing was stored; make room"),
                (world.faults.make_read_only, "so nothing was stored: disk I/O error; see whether the disk is read-only or broken"),
            ):
                last = toggle()
                fault()
                # What still fits into files as long as they are is stored.
                for _ in range(100):
                    if (now := toggle()) is None:
                        break
                    last = now
                self.assertIn(sentence, " ".join(tmux.screen().split()))
                tmux.keys("Down")
                tmux.wait_for("for provision failed")
                tmux.keys("Up")
                tmux.wait_for(f" is {last} for provisioned ok")
                world.faults.heal()
                self.assertEqual(toggle(), "on" if last == "off" else "off", "without a new start")

    def test_a_process_that_is_stopped_for_longer_than_any_lease_goes_on(self):
        world = self.world()
        serve = world.start("serve")
        feed = HttpFeed(world, SEED, pause=0.02)
        feed.start()
        rig.wait_until(lambda: feed.statuses.get(202, 0) >= 5)
        feed.stop.set()
        feed.join(60)
        rig.wait_until(lambda: unfinished(world) == 0)
        stop_outside_of_a_transaction(world, serve)
        for number in range(5):
            self.emit(world, f"stopped.{number}")
        # Both clocks go on while a process is stopped: by a day here, where a lease lasts minutes.
        world.clock_moves = True
        world.faults["wall_ms"] = world.faults["steady_ms"] = 86_400_000
        serve.send_signal(signal.SIGCONT)
        feed = HttpFeed(world, SEED, pause=0.02)
        feed.start()
        rig.wait_until(lambda: feed.statuses.get(202, 0) >= 5)
        feed.stop.set()
        feed.join(60)
        rig.wait_until(lambda: unfinished(world) == 0)
        world.kill(serve)
        print(settle(world))

    def test_a_clock_that_is_set_forward_and_back_holds_nothing_up(self):
        world = self.world()
        world.clock_moves = True
        serve = world.start("serve")
        feed = HttpFeed(world, SEED, pause=0.02)
        feed.start()
        for hours in (0, 24, -24, 1, -1, 0):
            world.faults["wall_ms"] = hours * 3_600_000
            taken = feed.statuses.get(202, 0)
            rig.wait_until(lambda taken=taken: feed.statuses.get(202, 0) >= taken + 4)
        feed.stop.set()
        feed.join(60)
        rig.wait_until(lambda: unfinished(world) == 0)
        world.kill(serve)
        print(settle(world))


def mount(folder):
    """A small file system at that folder, where this machine allows it."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "bellboard-test", folder], capture_output=True)
    return done.returncode == 0
