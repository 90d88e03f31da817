"""A newcomer who reads only the screen: an account, a webhook, a delivered test."""

import shutil
import unittest

from rig import BINARY, Receiver, Store, wait_until
from terminal import Tmux


def marked(screen):
    """The line of the field that has the focus, or nothing."""
    return next((line for line in screen.splitlines() if line.startswith(">")), "")


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class FirstRun(unittest.TestCase):
    def test_account_webhook_and_test(self):
        with Receiver() as receiver, Store() as store, Tmux(BINARY, store.environment) as tmux:
            tmux.wait_for("No account is here yet", "n   make an account")
            tmux.keys("n")
            tmux.wait_for("accounts > new")
            tmux.text("Acme Ltd")
            for _ in range(10):
                here = marked(tmux.screen())
                if "mail" in here:
                    break
                tmux.keys("Tab")
                wait_until(lambda here=here: marked(tmux.screen()) not in ("", here))
            tmux.text("ops@acme.test")
            tmux.wait_for("[ops@acme.test")
            tmux.keys("Enter")
            tmux.wait_for("was added, with ops@acme.test")
            tmux.wait_for("accounts > Acme Ltd")
            tmux.wait_for("following")
            tmux.keys("Up")
            tmux.keys("Right", "Right", "Right", "Right", "Right", "Right")
            tmux.keys("Enter")
            tmux.wait_for("> Webhook", "a add")
            tmux.keys("a")
            tmux.wait_for("Signing secret")
            tmux.paste(receiver.url + "\n")
            tmux.wait_for(receiver.url)
            tmux.keys("Enter")
            tmux.wait_for("shown this once")
            tmux.keys("o")
            tmux.wait_for("t sends a test there")
            tmux.keys("t")
            tmux.wait_for("was delivered in")
            self.assertEqual(len(receiver.requests), 1)
            tmux.keys("q", "q", "q")
            tmux.keys("q")
            tmux.wait_for("ended with 0")
