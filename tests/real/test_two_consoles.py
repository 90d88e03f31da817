"""Two consoles on one database: each shows the other's changes, and one delivers when the other dies."""

import os
import shutil
import signal
import unittest

from rig import BINARY, Receiver, Store, wait_until
from terminal import Tmux


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class TwoConsoles(unittest.TestCase):
    def test_changes_show_and_delivery_passes_on(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            with Tmux(BINARY, store.environment) as one, Tmux(BINARY, store.environment) as other:
                for tmux in (one, other):
                    tmux.wait_for("Acme Ltd")
                    tmux.keys("Enter")
                    tmux.wait_for("provisioned ok")

                def row(tmux):
                    return next(line for line in tmux.screen().splitlines() if "provisioned ok" in line)

                self.assertEqual(row(other).count("*"), 1)
                one.keys("Right", "Right", "Right", "Right", "Right", "Space")
                wait_until(lambda: row(other).count("*") == 2)
                wait_until(lambda: "another" in one.screen() or "another" in other.screen())
                standby = other if "another" in other.screen() else one
                deliverer = one if standby is other else other
                os.kill(deliverer.process("bellboard"), signal.SIGKILL)
                wait_until(lambda: "another" not in standby.screen())
                store.ok("emit", "acme", "server.stopped")
                wait_until(lambda: len(receiver.requests) == 1)
                standby.wait_for("heartbeat stopped")
                standby.wait_for("delivered 200")
