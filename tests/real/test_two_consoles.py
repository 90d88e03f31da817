"""Two consoles on one database: each shows the other's changes, and one delivers when the other dies."""

import os
import shutil
import signal
import unittest

from rig import BINARY, Receiver, Store, wait_until
from terminal import Tmux


def open_account(*consoles):
    for tmux in consoles:
        tmux.wait_for("Acme Ltd")
        tmux.keys("Enter")
        tmux.wait_for("provisioned ok")


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class TwoConsoles(unittest.TestCase):
    def test_changes_show_and_delivery_passes_on(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            with Tmux(BINARY, store.environment) as one, Tmux(BINARY, store.environment) as other:
                open_account(one, other)

                def row(tmux):
                    return next((line for line in tmux.screen().splitlines() if "provisioned ok" in line), "")

                wait_until(lambda: row(other).count("*") == 1)
                one.keys("Right", "Right", "Right", "Right", "Right", "Space")
                wait_until(lambda: row(other).count("*") == 2)
                stands_by = lambda tmux: "another process delivers" in tmux.screen()
                # One delivers, and the other has seen that it does not.
                wait_until(lambda: stands_by(one) != stands_by(other) and any("  delivering" in tmux.screen() for tmux in (one, other)))
                standby, deliverer = (other, one) if stands_by(other) else (one, other)
                os.kill(deliverer.process("bellboard"), signal.SIGKILL)
                wait_until(lambda: not stands_by(standby))
                store.ok("emit", "acme", "server.stopped")
                wait_until(lambda: len(receiver.requests) == 1)
                standby.wait_for("heartbeat stopped")
                standby.wait_for("delivered 200")

    def test_two_in_one_form(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            with Tmux(BINARY, store.environment) as one, Tmux(BINARY, store.environment) as other:
                open_account(one, other)
                for tmux in (one, other):
                    tmux.keys("End", "Right", "Right", "Right", "Right", "Enter")
                    tmux.wait_for("> Webhook")
                    tmux.keys("e")
                    tmux.wait_for("Signing secret")
                one.text("/one")
                one.wait_for("/in/one")
                other.text("/other")
                other.wait_for("/in/other")
                other.keys("Enter")
                other.wait_for("t sends a test there")
                url = f"{receiver.url}/other"
                one.wait_for("changed this destination while this form was open")
                one.keys("Enter")
                self.assertIn("/in/other", one.wait_for("save mine over theirs"))
                one.keys("n")
                one.wait_for("/in/one")

                def kept():
                    rows = store.json("destinations", "list", "acme")
                    return next(row["fields"]["url"] for row in rows if row["channel"] == "webhook")

                self.assertEqual(kept(), url)
                one.keys("Enter")
                one.wait_for("save mine over theirs")
                one.keys("y")
                one.wait_for("t sends a test there")
                self.assertEqual(kept(), f"{receiver.url}/one")
