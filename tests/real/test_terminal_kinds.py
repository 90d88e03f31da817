"""Kinds of terminals, and what people make of theirs: GNU screen, tmux' mouse, colours, keys of their own, wide names, plain lines."""

import os
import re
import unittest

from rig import BINARY, Store, program, wait_until
from terminal import LoggedIn, Pty, Tmux, remote_of

STYLE = re.compile(rb"\x1b\[([0-9;]*)m")
THEME = 'good = "bright-cyan"\nkey = "214"\ncursor = "black on 160"\n'


def colours(output):
    """The colours in what a program wrote: 31, 92, "38;5;214"."""
    found = set()
    for codes in STYLE.findall(output):
        parts = codes.decode().split(";")
        while parts:
            code = parts.pop(0)
            if code in ("38", "48"):
                found.add(";".join([code, parts.pop(0), parts.pop(0)]))
            elif code and (30 <= int(code) <= 47 or 90 <= int(code) <= 107):
                found.add(int(code))
    return found - {39, 49}


def numbered(found):
    return {colour for colour in found if isinstance(colour, str)}


def bright(found):
    return {colour for colour in found if isinstance(colour, int) and colour >= 90}


class Case(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.acme("http://127.0.0.1:9/in")

    def write(self, name, text):
        path = os.path.join(self.store.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def config(self, **lines):
        self.write("config.toml", "[console]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items()))
        self.store.environment["BELLBOARD_CONFIG"] = os.path.join(self.store.folder, "config.toml")

    def open(self, *arguments, **environment):
        """The console's matrix in a pseudo terminal."""
        pty = Pty(self.store.environment | environment, (BINARY, *arguments))
        self.addCleanup(pty.close)
        pty.wait_for("Acme Ltd")
        pty.send(b"\r")
        pty.wait_for("provisioned ok")
        pty.take(0.3)
        return pty

    def colours(self, *arguments, **environment):
        pty = self.open(*arguments, **environment)
        pty.send(b"?")
        pty.wait_for("> help")
        pty.close()
        return colours(pty.output)


class Colours(Case):
    def test_as_many_as_are_wanted(self):
        self.config(theme=f'"{self.write("theme.toml", THEME)}"')
        self.assertEqual(numbered(self.colours("--color", "256")), {"38;5;214", "48;5;160"})
        few = self.colours("--color", "16")
        self.assertEqual(numbered(few), set())
        self.assertLessEqual({30, 93}, few, "what is near to black and to 214")
        self.assertEqual(self.colours("--color", "never"), set())
        self.assertEqual(self.colours(NO_COLOR="1"), set())
        self.assertNotEqual(self.colours("--color", "always", NO_COLOR="1"), set())
        self.assertEqual(self.colours(NO_COLOR=""), self.colours(), "empty is as if it were not set: no-color.org")
        self.assertEqual(numbered(self.colours(TERM="screen")), set())
        self.assertNotEqual(numbered(self.colours(TERM="screen-256color")), set())

    def test_on_light_and_on_dark(self):
        seen = {}
        for theme in ("terminal", "dark", "light", "colour-blind", "mono"):
            self.config(theme=f'"{theme}"')
            seen[theme] = self.colours()
            self.assertFalse(seen[theme] & {32, 42, 92, 102}, f"{theme}: nothing is told by green")
        self.assertEqual(seen["mono"], set())
        self.assertTrue(bright(seen["dark"]))
        for theme in ("terminal", "light", "colour-blind"):
            self.assertFalse(bright(seen[theme]), f"{theme}: bright colours vanish on white")
        for theme in seen:
            self.assertFalse(seen[theme] & {30, 37, *range(40, 48)}, f"{theme}: the background is the terminal's own")

    def test_what_a_theme_gets_wrong_is_named(self):
        path = self.write("theme.toml", 'good = "pink"')
        self.config(theme=f'"{path}"')
        code, _, err = self.store.run("accounts", "list")
        self.assertEqual((code, "`pink` is no colour" in err), (2, True), err)


class Keys(Case):
    def test_other_keys(self):
        self.config(keys='{ "matrix.mute" = ["ctrl-n", "Z"], "accounts.open" = "O" }')
        pty = Pty(self.store.environment, height=60)
        self.addCleanup(pty.close)
        pty.wait_for("Acme Ltd")
        pty.send(b"\r")
        self.assertNotIn(b"provisioned ok", pty.take(0.3), "enter opens no more")
        pty.send(b"O")
        pty.wait_for("provisioned ok")
        pty.take(0.3)
        pty.send(b"m")
        self.assertNotIn(b"for four hours", pty.take(0.3), "the old key does it no more")
        for key in (b"Z", b"\x0e"):
            since = len(pty.output)
            pty.send(key)
            pty.wait_for("for four hours", since=since)
            pty.send(b"q")
            # A frame without it, so that the next one has it anew.
            pty.wait_for("\x1b[?2026l")
            pty.take(0.3)
        pty.send(b"?")
        pty.wait_for("^N, Z")

    def test_two_actions_under_one_key(self):
        self.config(keys='{ "matrix.mute" = "t" }')
        code, _, err = self.store.run("accounts", "list")
        self.assertEqual(code, 2, err)
        for name in ("matrix.mute", "matrix.test"):
            self.assertIn(name, err)


class Screen(Case):
    def test_in_gnu_screen(self):
        screen = f"{program('screen')} -c {self.write('screenrc', 'startup_message off')} -S {self.store.folder.rsplit('/', 1)[1]}"
        environment = self.store.environment | {"SCREENDIR": self.store.folder}
        with Tmux(f"{screen} {BINARY}", environment) as tmux:
            tmux.wait_for("Acme Ltd")
            tmux.keys("Enter")
            first = tmux.wait_for("provisioned ok")
            self.assertNotIn("2026", first, "marks of a frame that it does not know are not shown")
            tmux.keys("Down", "Space")
            tmux.wait_for("Email is off for provision failed")
            tmux.keys("u")
            tmux.wait_for("taken back")
            # Split, so that the window shrinks, and back.
            whole = tmux.settled()
            tmux.keys("C-a", "S")
            wait_until(lambda: tmux.screen() != whole)
            split = tmux.settled()
            tmux.keys("C-a", "Q")
            wait_until(lambda: tmux.screen() != split)
            tmux.keys("Up")
            tmux.wait_for("Email is on for provisioned ok")
            here = tmux.settled()
            tmux.keys("C-a", "d")
            tmux.wait_for("detached")
            tmux.text(f"{screen} -r\n")
            wait_until(lambda: tmux.screen() == here)
            tmux.paste("q q q q\n")
            tmux.keys("q", "q")
            tmux.wait_for("terminating")


class Mouse(Case):
    def test_tmux_passes_it_on_only_when_it_was_asked_for(self):
        """A tmux in a terminal of ours, which tells of clicks as a terminal does."""
        self.store.ok("accounts", "add", "zorro", "--name", "Zorro", "--email", "z@x.test")
        with Tmux(BINARY, self.store.environment) as tmux:
            tmux.tmux("set-option", "-g", "mouse", "on")
            outer = Pty(self.store.environment | {"TERM": "xterm"}, ("tmux", "-L", tmux.socket, "attach"), height=25)
            self.addCleanup(outer.close)
            outer.wait_for("Zorro")
            tmux.wait_for("acme: ")

            def flag():
                return tmux.tmux("display-message", "-p", "#{mouse_any_flag}").strip()

            row = next(number for number, line in enumerate(tmux.screen().splitlines(), 1) if "Zorro" in line)
            click = f"\x1b[<0;5;{row}M\x1b[<0;5;{row}m".encode()
            outer.send(click)
            outer.take(0.3)
            self.assertEqual(flag(), "0")
            self.assertIn("acme: ", tmux.screen(), "a click that nobody asked for goes nowhere")
            tmux.keys("M")
            wait_until(lambda: flag() == "1")
            outer.send(click)
            outer.take(0.1)
            tmux.wait_for("zorro: ")
            outer.send(f"\x1b[<64;5;{row}M".encode())
            outer.take(0.1)
            tmux.wait_for("acme: ")
            tmux.keys("M")
            wait_until(lambda: flag() == "0")
            tmux.keys("M")
            wait_until(lambda: flag() == "1")
            tmux.keys("q")
            tmux.wait_for("ended with 0")
            self.assertEqual(flag(), "0", "given back with the rest")


class Widths(Case):
    def test_what_stands_behind_a_wide_name_stays_in_its_column(self):
        names = ["日本語の会社", "e\u0301te\u0301", "👩\u200d👩\u200d👧 family", "🇩🇪 flags", "क्षि", "plain"]
        for number, name in enumerate(names):
            self.store.ok("accounts", "add", f"wide-{number}", "--name", name, "--email", "ops@x.test")
        with Tmux(BINARY, self.store.environment) as tmux:
            tmux.wait_for("plain")

            def owners():
                lines = [line for line in tmux.screen("-N").splitlines() if "wide-" in line or "acme " in line]
                return lines

            wait_until(lambda: len(owners()) == len(names) + 1)
            tmux.wait_for("delivering", "acme: ")
            before = tmux.settled()
            for redraw in ((), ("C-l",)):
                tmux.keys("Down", "Down", "Up", "Down", "Down", "Up", *redraw)
                wait_until(lambda: "acme: " not in tmux.screen())
                # Keys are taken in their order, so what the last one led to shows that all have been.
                tmux.keys("Home")
                tmux.wait_for("acme: ")
                self.assertEqual(tmux.settled(), before, "nothing was left behind, nothing moved")


class Plain(Case):
    def speak(self, command, environment):
        """`--plain` in a terminal: lines as of any program in a shell; Ctrl-D ends it."""
        pty = Pty(environment, command)
        self.addCleanup(pty.close)
        pty.wait_for("at 1. Acme Ltd, key acme")
        for line, says in (("enter", "at 1. provisioned ok"), ("toggle", "is off for provisioned ok"), ("undo", "taken back")):
            pty.send(line.encode() + b"\n")
            pty.wait_for(says)
        pty.send(b"\x04")
        wait_until(lambda: (pty.take(0.05), pty.process.poll() is not None)[1])
        self.assertEqual(pty.process.returncode, 0)
        self.assertNotIn(b"\x1b", pty.output)

    def test_in_a_terminal(self):
        self.speak((BINARY, "--plain"), self.store.environment)


class PlainOverSsh(LoggedIn, unittest.TestCase):
    def test_through_sshd(self):
        Plain.speak(self, ("sh", "-c", self.sshd.command(remote_of(self.store) + " --plain", "-tt")), self.store.environment)


if __name__ == "__main__":
    unittest.main()
