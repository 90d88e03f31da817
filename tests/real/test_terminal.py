"""The terminal is given back whatever ends the console, and an idle console neither writes nor works."""

import os
import random
import shutil
import signal
import time
import unittest

from rig import BINARY, Store, wait_until
from terminal import Tmux, bytes_written, gone, processor_ticks, rests


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Terminal(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.store.acme()
        self.tmux = Tmux(BINARY, self.store.environment)
        self.tmux.wait_for("Acme Ltd")

    def tearDown(self):
        self.tmux.close()
        self.store.close()

    def the_shell_works(self):
        self.tmux.keys("Enter")
        self.tmux.text("echo modes $(stty -a | tr ' ;' '\\n\\n' | grep -c -e ^icanon$ -e ^echo$ -e ^isig$)\n")
        self.tmux.wait_for("modes 3")
        self.assertEqual(self.tmux.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(), "0 1")

    def test_signals_restore_it(self):
        os.kill(self.tmux.process("bellboard"), signal.SIGTERM)
        self.tmux.wait_for("ended with")
        self.the_shell_works()

    def test_suspending_and_coming_back(self):
        with Tmux("true", self.store.environment) as tmux:
            tmux.wait_for("ended with 0")
            tmux.text(BINARY + "\n")
            tmux.wait_for("bellboard > accounts")
            tmux.keys("C-z")
            tmux.wait_for("Stopped")
            self.assertEqual(tmux.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(), "0 1")
            tmux.text("echo in the sh''ell; fg\n")
            tmux.wait_for("bellboard > accounts")
            tmux.keys("Enter")
            tmux.wait_for("provisioned ok")
            tmux.keys("q", "q", "q")
            tmux.wait_for("in the shell")

    def test_a_terminal_that_is_gone(self):
        console = self.tmux.process("bellboard")
        self.tmux.close()
        wait_until(lambda: gone(console))

    def test_proof_of_a_delivery_reaches_the_clipboard_through_tmux(self):
        self.tmux.tmux("set-option", "-g", "set-clipboard", "on")
        self.tmux.keys("Enter")
        self.tmux.wait_for("heartbeat stopped")
        self.store.run("emit", "acme", "payment.fail", "--data", '{"reason": "card declined"}')
        # The line of the live pane, not the row of the matrix.
        self.tmux.wait_for_match(r"\d\d:\d\d:\d\d payment failed +Email .* waiting")
        self.tmux.keys("Tab", "Enter", "y")
        self.tmux.wait_for("to your terminal's clipboard")
        self.tmux.keys("Enter")
        self.tmux.wait_for("sent to your terminal")
        wait_until(lambda: "of type payment.fail, accepted 20" in self.tmux.tmux("show-buffer"))

    def test_the_next_start_opens_what_was_open(self):
        self.tmux.keys("Enter")
        self.tmux.wait_for("provisioned ok")
        self.tmux.keys("Down", "Down", "C-c")
        self.tmux.wait_for("ended with 0")
        self.tmux.text(BINARY + "\n")
        self.tmux.wait_for("Email is on for deploy started")

    def test_idle_does_nothing(self):
        console = self.tmux.process("bellboard")
        self.tmux.wait_for("delivering")
        self.tmux.settled()
        wait_until(lambda: rests(console, ticks=1))
        before = (processor_ticks(console), bytes_written(console))
        time.sleep(3)
        ticks, bytes_out = processor_ticks(console) - before[0], bytes_written(console) - before[1]
        self.assertLessEqual(ticks, 3, "hundredths of a second of processor in three seconds")
        self.assertLess(bytes_out, 100)

    def test_a_paste_outside_of_a_field_runs_nothing(self):
        before = self.store.ok("matrix", "show", "acme")
        self.tmux.paste("n d q\n   \nqqqq\n")
        self.tmux.wait_for("pasted text goes into a field only", "Acme Ltd")
        self.assertEqual(self.store.ok("matrix", "show", "acme"), before)
        self.assertIsNotNone(self.tmux.process("bellboard"))

    def test_random_keys(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        keys = ["Up", "Down", "Left", "Right", "Enter", "Escape", "Tab", "Space", "PageDown", "a", "e", "t", "p", "u", "r",
                "c", "?", "/", "x", "w", "z", "Home", "End", "BSpace"]
        console = self.tmux.process("bellboard")
        for _ in range(60):
            self.tmux.keys(*chance.choices(keys, k=10))
        self.assertFalse(gone(console), self.tmux.screen())


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class WithoutColour(unittest.TestCase):
    def test_the_cursor_can_be_seen(self):
        with Store() as store:
            store.acme()
            with Tmux("env NO_COLOR=1 " + BINARY, store.environment) as tmux:
                tmux.wait_for("Acme Ltd")
                line = next(line for line in tmux.screen("-e").splitlines() if "Acme Ltd" in line)
                self.assertRegex(line, r"\x1b\[([0-9]+;)*7m")
                self.assertNotRegex(line, r"\x1b\[([0-9]+;)*(3[0-7]|4[0-7])m")
