"""A terminal as hostile as they come: what others' consoles break on, on a bare pseudo terminal and over ssh.

| what breaks others | is covered by |
|---|---|
| a terminal that is gone, with and without a signal | `Hostile.test_it_vanishes_without_a_signal`, `test_terminal.Terminal.test_a_terminal_that_is_gone`, `test_ssh.OverSsh` |
| NO_COLOR takes the cursor away | `test_terminal.WithoutColour` |
| one way to give the terminal back | `Hostile.test_it_is_given_back_as_it_was`, `test_terminal.Terminal.test_signals_restore_it`, `test_suspending_and_coming_back` |
| tiny sizes | `tests/it/console/sizes.rs`, `Hostile.test_random_bytes_and_sizes` |
| copying over SSH | `test_terminal.Terminal.test_proof_of_a_delivery_reaches_the_clipboard_through_tmux`, `console/terminal.rs` |
| the mouse stops selection | `Hostile.test_the_mouse_is_off_until_it_is_asked_for` |
| keys that multiplexers eat, releases, a bare Esc | `console/keymap/mod.rs`, `console/terminal/input.rs`, `Hostile.test_a_key_comes_in_parts` |
| questions to the terminal, and late answers | `Hostile.test_it_asks_nothing_and_answers_are_no_keys` |
| a paste outside of a field | `test_terminal.Terminal.test_a_paste_outside_of_a_field_runs_nothing`, `Hostile.test_a_huge_paste` |
| a moving list | `tests/it/console/keys.rs`, `console/widgets/list.rs` |
| idle and flicker | `Hostile.test_whole_frames_and_silence_when_idle`, `test_terminal.Terminal.test_idle_does_nothing` |
| bytes and writes | `tests/it/console/terminal.rs`, `Hostile.test_a_terminal_that_takes_nothing` |
| widths | `tests/it/console/terminal.rs`, `console/terminal/encode.rs` |
| colours | `console/theme.rs` |
"""

import os
import random
import re
import signal
import termios
import time
import unittest

from rig import PATIENCE, Store, wait_until
from terminal import LoggedIn, Pty, console_of, gone, rests

ENTER = b"\x1b[?1049h\x1b[?2004h\x1b[?25l"
FRAME = re.compile(rb"\x1b\[\?2026h.*?\x1b\[\?2026l", re.S)
# Device attributes, the cursor's place, colours, capabilities, modes, the window's size.
QUESTION = re.compile(rb"\x1b\[[>=?]?[0-9]*c|\x1b\[\??[56]n|\x1b\][0-9;]*\?|\x1bP[+$]q|\x1b\[\?[0-9]*\$p|\x1b\[\?u|\x1b\[1[1-9]t")


class Hostile(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.store.acme()
        self.opened = []

    def tearDown(self):
        for pty in self.opened:
            pty.close()
        self.store.close()

    def open(self, shows="Acme Ltd", **options):
        pty = Pty(self.store.environment, **options)
        self.opened.append(pty)
        pty.wait_for(shows)
        return pty

    def open_and_idle(self):
        """The console once it has drawn all that a start brings."""
        pty = self.open()
        pty.wait_for("delivering", since=0)
        wait_until(lambda: rests(pty.process.pid, ticks=1))
        pty.take(1)
        return pty

    def test_it_vanishes_without_a_signal(self):
        pty = self.open(controlling=False)
        os.close(pty.slave)
        os.close(pty.master)
        wait_until(lambda: gone(pty.process.pid))

    def test_it_is_given_back_as_it_was(self):
        for end in (b"q", b"\x03", signal.SIGTERM, signal.SIGHUP):
            pty = self.open()
            pty.take(0.2)
            pty.send(end) if isinstance(end, bytes) else pty.process.send_signal(end)
            self.assertEqual(pty.process.wait(PATIENCE), 0)
            pty.take(0.2)
            self.assertTrue(pty.output.endswith(b"\x1b[?2004l\x1b[m\x1b[?1049l\x1b[?25h"), pty.output[-200:])
            self.assertEqual(pty.output.count(b"\x1b[?1049l"), 1, "given back once")
            self.assertEqual(termios.tcgetattr(pty.slave), pty.before)

    def test_it_asks_nothing_and_answers_are_no_keys(self):
        pty = self.open_and_idle()
        self.assertNotRegex(pty.output, QUESTION)
        pty.send(b"\x1b[?62;22c\x1b[24;80R\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP1+r544e\x1b\\\x1b[I\x1b[O")
        self.assertEqual(pty.take(0.5), b"", "late answers and focus change nothing")
        pty.send(b"\r")
        pty.wait_for("provisioned ok")

    def test_a_key_comes_in_parts(self):
        pty = self.open()

        def in_parts(*parts):
            """Sends them one by one, and tells whether they came as close together as those of a key do."""
            began = time.monotonic()
            for part in parts:
                os.write(pty.master, part)
                time.sleep(0.005)
            return time.monotonic() - began < 0.04

        def two_down():
            # Where this process was held up in between, the first part was a key of its own, and rightly: once more.
            pty.send(b"\x1b\x1b\x1b")
            pty.wait_for("finds an account")
            pty.send(b"\r")
            pty.wait_for("provisioned ok")
            pty.take(0.1)
            since = len(pty.output)
            if in_parts(b"\x1b", b"[", b"B") and in_parts(b"\x1b", b"OB"):
                return pty.wait_for("deploy started", since=since)
            pty.take(0.3)

        pty.send(b"\r")
        pty.wait_for("provisioned ok")
        wait_until(two_down)
        pty.send(b"\x1b")
        pty.wait_for("finds an account")

    def test_the_mouse_is_off_until_it_is_asked_for(self):
        pty = self.open_and_idle()
        self.store.ok("accounts", "add", "zorro", "--name", "Zorro", "--email", "z@x.test")
        pty.wait_for("Zorro")
        pty.take(1)
        self.assertNotIn(b"\x1b[?1000h", pty.output)
        pty.send(b"\x1b[<0;5;5M")
        self.assertEqual(pty.take(0.3), b"", "a click that nobody asked for is nothing")

        def answer(keys, text):
            since = len(pty.output)
            pty.send(keys)
            return pty.wait_for(text, since=since)

        self.assertIn(b"\x1b[?1000h", answer(b"M", "mouse"))
        answer(b"\x1b[<0;5;5M", "zorro: nothing is wrong")
        answer(b"\x1b[<64;5;5M", "acme: nothing is wrong")
        self.assertIn(b"\x1b[?1000l", answer(b"M", "selects"))

    def test_a_huge_paste(self):
        pty = self.open()
        paste = b"\x1b[200~" + b"n q d\r\n" * (2 << 20 >> 3) + b"\x1b[201~"
        pty.send(paste)
        pty.wait_for("pasted text goes into a field only")
        pty.send(b"n")
        pty.wait_for("Owner")
        pty.send(b"Globex" + paste)
        pty.take(1)
        pty.send(b"\x15Globex\t\tops@globex.test\r")
        wait_until(lambda: "Globex" in self.store.ok("accounts", "list"))
        self.assertIsNone(pty.process.poll())

    def test_whole_frames_and_silence_when_idle(self):
        pty = self.open_and_idle()
        pty.send(b"\r")
        pty.wait_for("provisioned ok")
        for key in (b"\x1b[B", b" ", b"u", b"?", b"q", b"\t", b"z", b"z"):
            pty.send(key)
            pty.take(0.1)
        # Once the last one is whole, all that is drawn stands between the marks of a frame.
        wait_until(lambda: (pty.take(0.5), FRAME.sub(b"", pty.output) == ENTER)[1])
        # And then it is idle, and nothing is written.
        wait_until(lambda: pty.take(3) == b"")

    def test_a_terminal_that_takes_nothing(self):
        """As when a laptop is closed: nothing is drawn, nothing spins, and it ends when it is told to."""
        pty = self.open()
        pty.send(b"\r")
        pty.wait_for("provisioned ok")
        line = '{"account": "acme", "event_type": "payment.fail", "data": {}}\n'
        for width in range(80, 85):
            self.store.ok("ingest", "-", input=(line * 100).encode())
            pty.resize(width, 24)
        # A resize draws the whole screen, so what is not taken fills the device.
        for width in range(60):
            pty.resize(70 + width, 24)
            time.sleep(0.02)
        # Once what came is dealt with, nothing spins though nothing is taken.
        wait_until(lambda: rests(pty.process.pid))
        since = len(pty.output)
        pty.wait_for("failed", since=since)
        pty.take(1)
        self.assertLess(len(pty.output) - since, 32 * 1024, "no backlog of old frames")
        for width in range(60):
            pty.resize(70 + width, 24)
            time.sleep(0.02)
        pty.process.send_signal(signal.SIGTERM)
        wait_until(lambda: gone(pty.process.pid))

    def test_random_bytes_and_sizes(self):
        seconds = float(os.environ.get("BELLBOARD_RANDOM_SECONDS", "10"))
        seed = int(os.environ.get("BELLBOARD_RANDOM_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}, {seconds} seconds")
        chance, end = random.Random(seed), time.monotonic() + seconds
        pieces = [b"\x1b[A", b"\x1b[B", b"\r", b"\t", b" ", b"\x1b", b"\x1b[200~", b"\x1b[201~", b"\x1b[<0;3;3M", b"/", b"?"]
        pty = self.open()
        while time.monotonic() < end:
            for _ in range(20):
                noise = chance.choice(pieces) if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 30))
                # Once it has given the terminal back, by Ctrl-Z or at its end, the terminal makes a signal of Ctrl-backslash.
                pty.send(noise.replace(b"\x1a", b"").replace(b"\x1c", b""))
            if chance.random() < 0.3:
                pty.resize(chance.randrange(0, 301), chance.randrange(0, 101))
            pty.take(0.01)
            if pty.process.poll() is not None:
                self.assertEqual(pty.process.returncode, 0)
                pty.close()
                self.opened.remove(pty)
                # It opens what was open.
                pty = self.open(shows="\x1b[?2026l")
        pty.send(b"\x1b[201~")
        pty.resize(80, 24)
        pty.take(1)
        if pty.process.poll() is None:
            # It rests when nothing comes.
            wait_until(lambda: pty.take(0) or rests(pty.process.pid, ticks=25))
        self.store.ok("accounts", "list")


class HostileSsh(LoggedIn, unittest.TestCase):
    def test_a_closed_laptop(self):
        self.tmux.keys("Enter")
        self.tmux.wait_for("provisioned ok")
        self.tmux.keys("Space")
        self.tmux.wait_for("Email is off for provisioned ok")
        console = console_of(self.sshd)
        client = self.tmux.process("ssh")
        os.kill(client, signal.SIGSTOP)
        self.store.ok("emit", "acme", "payment.fail")
        os.kill(client, signal.SIGCONT)
        self.tmux.wait_for_match(r"\d\d:\d\d:\d\d payment failed")
        os.kill(client, signal.SIGSTOP)
        os.kill(console, signal.SIGTERM)
        wait_until(lambda: gone(console))
        os.kill(client, signal.SIGCONT)
        self.assertIn("off", self.store.ok("matrix", "show", "acme"))

    def test_a_resize_in_the_middle_of_a_form(self):
        self.tmux.keys("n")
        self.tmux.wait_for("Owner")
        self.tmux.text("Globex Corp")
        for width, height in ((20, 5), (1, 1), (300, 80), (40, 10), (80, 24)):
            self.tmux.resize(width, height)
        self.tmux.wait_for("Globex Corp")
        self.tmux.keys("Tab", "Tab")
        self.tmux.paste("ops@globex.test\n")
        self.tmux.keys("Enter")
        wait_until(lambda: "Globex Corp" in self.store.ok("accounts", "list"))


if __name__ == "__main__":
    unittest.main()
