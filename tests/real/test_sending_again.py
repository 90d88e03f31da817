"""Much that is sent again, on real terminals: counted before it starts, watched, left and ended, and going on after a kill -9."""

import json
import re
import signal
import sqlite3
import unittest
from contextlib import closing

from rig import BINARY, Receiver, Store, program, wait_until
from terminal import Pty, Tmux

# Every ten seconds a hundred more go out although nobody answers, so that this takes minutes to come to its end by itself.
COUNT = 3000
ON_THEIR_WAY = r"(\d+) of 3000 on their way"


class SendingAgain(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        # What is taken and not answered stays under way for as long as a test looks at it.
        self.store = Store(BELLBOARD_DELIVERY_TIMEOUT="100s")
        self.addCleanup(self.store.close)
        self.store.acme(self.receiver.url)
        self.webhook = next(row["id"] for row in self.store.json("destinations", "list", "acme") if row["channel"] == "webhook")

    def disabled_with_a_backlog(self):
        """The webhook disabled, with what waited for it cancelled, all of it written so; the receiver answers nobody."""
        self.store.ok("destinations", "pause", self.webhook)
        event = json.dumps({"account": "acme", "event_type": "server.stopped"}) + "\n"
        self.store.ok("ingest", "-", input=(event * COUNT).encode())
        self.store.ok("destinations", "disable", self.webhook)
        self.store.ok("prune")
        self.assertEqual(self.count("cancelled"), COUNT)
        self.receiver.may_answer.clear()

    def count(self, state):
        with closing(sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)) as reader:
            return reader.execute("SELECT count(*) FROM delivery WHERE state = ?", (state,)).fetchone()[0]

    def serve(self):
        process = self.store.serve()
        wait_until(self.store.is_ready)
        return process

    def terminal(self, *arguments):
        pty = Pty(self.store.environment, command=(BINARY, *arguments))
        self.addCleanup(pty.close)
        return pty

    def replays(self):
        return self.store.json("deliveries", "replays")

    def ended(self, pty):
        """The exit code of what ran in a terminal."""
        wait_until(lambda: (pty.read(0.05), pty.process.poll() is not None)[1])
        return pty.process.returncode

    def received(self):
        return [headers["webhook-id"] for _, headers, _ in self.receiver.requests]

    def test_it_is_counted_first_and_goes_on_when_its_terminal_is_left_and_after_a_kill(self):
        self.disabled_with_a_backlog()
        self.store.ok("destinations", "enable", self.webhook)
        serve = self.serve()
        pty = self.terminal("deliveries", "replay", "--account", "acme", "--state", "cancelled")
        pty.wait_for("Send again 3000 deliveries?")
        self.assertEqual((self.replays(), self.received()), ([], []), "nothing begins before the answer")
        pty.send(b"y\r")
        shown = pty.wait_for("on their way; ^C leaves it running")
        self.assertRegex(shown.decode(), ON_THEIR_WAY)
        pty.send(b"\x03")
        self.assertNotEqual(self.ended(pty), 0)
        wait_until(self.received)
        [replay] = self.replays()
        self.assertEqual(replay["state"], "running")
        self.assertTrue(100 <= replay["sent"] < COUNT, replay)

        serve.send_signal(signal.SIGKILL)
        serve.wait()
        under_way = self.received()
        self.receiver.may_answer.set()
        self.serve()
        wait_until(lambda: self.replays()[0]["state"] == "done")
        wait_until(lambda: self.count("delivered") == COUNT)
        ids = self.received()
        self.assertEqual(len(set(ids)), COUNT, "all of it")
        for one in set(ids):
            self.assertLessEqual(ids.count(one), 1 + under_way.count(one), "twice only what was under way at the kill")

    def test_it_is_ended_from_elsewhere_and_who_watches_is_told(self):
        self.disabled_with_a_backlog()
        self.store.ok("destinations", "enable", self.webhook)
        self.serve()
        pty = self.terminal("deliveries", "replay", "--account", "acme", "--state", "cancelled", "--yes")
        pty.wait_for("on their way; ^C leaves it running")
        wait_until(self.received)
        self.store.ok("deliveries", "replays", "cancel", "rpl_1")
        pty.wait_for("rpl_1 was cancelled: ")
        self.assertEqual(self.ended(pty), 0)
        [replay] = self.replays()
        self.assertEqual(replay["state"], "cancelled")
        self.receiver.may_answer.set()
        wait_until(lambda: self.count("delivered") == replay["sent"])
        self.assertEqual(self.count("cancelled"), COUNT - replay["sent"], "the rest stays as it was")

    def test_the_command_line_offers_what_a_disabled_destination_missed(self):
        self.disabled_with_a_backlog()
        pty = self.terminal("destinations", "enable", self.webhook)
        pty.wait_for("0 failed there and 3000 were never sent")
        pty.wait_for("Send these now? [y/N]")
        pty.send(b"n\r")
        shown = pty.wait_for("sends what was never tried").decode()
        self.assertEqual(self.ended(pty), 0)
        self.assertEqual(self.replays(), [])

        # What was declined is not offered with what is missed later, and can be sent all the same.
        self.store.ok("destinations", "disable", self.webhook)
        self.store.ok("emit", "acme", "server.stopped")
        pty = self.terminal("destinations", "enable", self.webhook)
        pty.wait_for("0 failed there and 1 were never sent")
        pty.wait_for("Send these now? [y/N]")
        pty.send(b"y\r")
        pty.wait_for("rpl_1 sends 1")
        self.assertEqual(self.ended(pty), 0)
        options = re.search(r"send-missed (--destination \S+ --since \S+)`", shown).group(1).split()
        self.assertEqual(self.store.json("deliveries", "send-missed", *options, "--dry-run")["count"], COUNT)

        # Nothing is asked where nothing was missed.
        self.store.ok("destinations", "pause", self.webhook)
        pty = self.terminal("destinations", "enable", self.webhook)
        self.assertEqual(self.ended(pty), 0)
        self.assertNotIn(b"Send these", pty.output)

    def test_the_console_offers_counts_shows_and_ends_it(self):
        program("tmux")
        self.disabled_with_a_backlog()
        serve = self.serve()
        tmux = Tmux(BINARY, self.store.environment)
        self.addCleanup(tmux.close)
        tmux.wait_for("Acme Ltd")
        tmux.keys("Enter")
        tmux.wait_for("provisioned ok")
        tmux.keys("/")
        tmux.wait_for("find:")
        tmux.text("heart stop webh")
        tmux.wait_for("find: heart stop webh")
        tmux.keys("Enter")
        tmux.wait_for("for heartbeat stopped")
        tmux.keys("Enter")
        tmux.wait_for("x enable")
        tmux.keys("x")
        tmux.wait_for("yes, count it")
        tmux.keys("y")
        tmux.wait_for("3000 never tried: send now")
        self.assertEqual(self.replays(), [])
        tmux.keys("Enter")
        tmux.wait_for("Send now 3000 deliveries")
        tmux.keys("y")
        tmux.wait_for("rpl_1 sends 3000")
        wait_until(self.received)
        tmux.keys("q")
        tmux.wait_for("provisioned ok")
        tmux.keys("R")
        tmux.wait_for_match("rpl_1: " + ON_THEIR_WAY)

        # It goes on under the next process, while the screen looks on.
        serve.send_signal(signal.SIGKILL)
        serve.wait()
        tmux.wait_for_match("rpl_1: " + ON_THEIR_WAY)
        before = self.replays()[0]["sent"]
        wait_until(lambda: self.replays()[0]["sent"] > before)
        tmux.wait_for_match(f"rpl_1: (?!{before} )" + ON_THEIR_WAY)
        tmux.keys("x")
        tmux.wait_for("yes, send no more of it")
        tmux.keys("y")
        tmux.wait_for("rpl_1 sends nothing more")
        [replay] = self.replays()
        self.assertEqual(replay["state"], "cancelled")
        self.receiver.may_answer.set()
        wait_until(lambda: self.count("delivered") == replay["sent"])
        tmux.keys("x")
        tmux.wait_for("nothing is being sent again at present")


class Removals(unittest.TestCase):
    def test_prune_goes_through_with_what_was_removed_and_shows_how_far_it_is(self):
        with Store() as store:
            store.acme()
            event = json.dumps({"account": "acme", "event_type": "server.stopped", "data": {"x": "y" * 1000}}) + "\n"
            store.ok("ingest", "-", input=(event * 3000).encode())
            store.ok("accounts", "remove", "acme", "--yes")
            waits = [line["says"] for line in store.json("doctor", "--offline") if line["what"] == "removals"]
            self.assertIn("left to do: 1 removal", waits[0])
            pty = Pty(store.environment, command=(BINARY, "prune"))
            try:
                pty.wait_for("rows of earlier removals and cancellations\x1b")
                pty.wait_for("of earlier removals and cancellations are done")
            finally:
                pty.close()
            [says] = [line["says"] for line in store.json("doctor", "--offline") if line["what"] == "removals"]
            self.assertEqual(says, "all are through")
