"""A newcomer's demo: it opens at once, and a moment later it has a past in which some did not get through."""

import glob
import os
import shutil
import unittest

from rig import BINARY, Store
from terminal import Tmux


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Demo(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        environment = self.store.environment | {"TMPDIR": self.store.folder}
        self.tmux = Tmux(f"{BINARY} demo", environment)
        self.addCleanup(self.tmux.close)
        self.tmux.wait_for("bellboard demo > accounts", "delivering", "2 disabled")

    def go(self, key, *texts):
        self.tmux.keys(key)
        return self.tmux.wait_for(*texts)

    def test_there_is_something_to_see_on_every_screen(self):
        screen = self.go("D", "in trouble", "legacy.initech.example", "zaps.acme.example", "pager.globex.example")
        self.assertRegex(screen, r"legacy\.initech\.example +disabled +[1-9]")
        self.assertRegex(screen, r"pager\.globex\.example +failing +[1-9]")
        self.assertRegex(screen, "it only failed for 5d .*last: answered 500")
        self.go("Enter", "> Webhook", "Tries, 24 h", "0 % went well")
        self.go("q", "it only failed for 5d")
        self.go("q", "f failures")
        screen = self.go("f", "> failures", "in the last hour")
        # The histogram of the last hour, and tries of the outage in it.
        self.assertRegex(screen, r"(?m)^-\|.*[^ |].*\| [1-9]\d* in the last hour")
        for what in (r"504 (retries|given up)", r"globex .*503 given up"):
            self.assertRegex(screen, what)
        self.go("q", "f failures")
        screen = self.go("Enter", "accounts > Acme Ltd", "-- live")
        self.assertRegex(screen, r"provisioned ok .* !")
        self.assertRegex(screen, r"payment failed .* !")
        self.go("Tab", "[live]")
        self.go("w", "> why", "what it carries", "Slack")

    def test_what_was_given_up_goes_through_when_it_is_sent_again(self):
        self.go("f", "> failures")
        self.tmux.keys("/")
        self.tmux.text("account:globex api.globex state:failed")
        self.go("Enter", "api.globex.exam… 503 given up")
        self.go("Enter", "failures > dlv_", "answered 503 Service Unavailable", "upstream is restarting")
        self.go("r", "state        delivered to api.globex.example after", "answered 202")

    def test_nothing_is_left_behind_even_when_it_is_left_at_once(self):
        left = lambda: glob.glob(os.path.join(self.store.folder, "bellboard-demo-*"))
        self.assertEqual(len(left()), 1)
        self.go("q", "ended with 0")
        self.assertEqual(left(), [])
        self.tmux.text(f"{BINARY} demo; echo then $?\n")
        self.tmux.wait_for("bellboard demo > accounts", "Initech GmbH")
        self.go("q", "then 0")
        self.assertEqual(left(), [])
