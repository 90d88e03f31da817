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

    def test_the_second_is_told_who_did_what_and_may_drop_or_make_anew(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            people = [Tmux(BINARY, store.environment | {"USER": name, "LOGNAME": name}) for name in ("jane", "joe")]
            for tmux in people:
                self.addCleanup(tmux.close)
            jane, joe = people
            open_account(jane, joe)
            for tmux in people:
                tmux.keys("End", "Right", "Right", "Right", "Right", "Enter")
                tmux.wait_for("> Webhook")
                tmux.keys("e")
                tmux.wait_for("Signing secret")
            jane.text("/jane")
            jane.wait_for("/in/jane")
            joe.text("/joe")
            joe.wait_for("/in/joe")
            joe.keys("Enter")
            joe.wait_for("t sends a test there")
            jane.wait_for("joe changed this destination while this form was open: Address is", "/in/jane")
            jane.keys("Enter")
            jane.wait_for("joe changed this destination", "/in/joe.", "take theirs")
            jane.keys("t")
            screen = jane.wait_for("> edit", "/in/joe ")
            self.assertNotIn("joe changed", screen, "what was taken is not told again")
            # What goes while it is edited is told too, and what was typed stays.
            jane.text("/jane")
            jane.wait_for("/in/joe/jane")
            joe.keys("d")
            joe.wait_for("yes, remove it")
            joe.keys("y")
            joe.wait_for("was removed")
            jane.wait_for("> new", "/in/joe/jane", "save adds it anew")
            logins = [change["login"] for change in store.json("audit", "list")]
            self.assertIn("joe", logins)
            self.assertNotIn("jane", logins, "nothing of hers was stored")
            jane.keys("Enter")
            jane.wait_for("It signs", "shown this once")
            [kept] = [row for row in store.json("destinations", "list", "acme") if row["channel"] == "webhook"]
            self.assertEqual(kept["fields"]["url"], f"{receiver.url}/joe/jane")
