"""The console and the lists as plain lines, through pipes, as a screen reader's user has them."""

import queue
import subprocess
import threading
import time
import unittest

from rig import BINARY, PATIENCE, Receiver, Store


class Plain:
    """`bellboard --plain` on pipes: lines in, lines out."""

    def __init__(self, store, *arguments):
        self.process = subprocess.Popen(
            [BINARY, "--plain", *arguments], env=store.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1,
        )
        self.lines = queue.Queue()
        self.said = []
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def type(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, text):
        """Waits for a line that has it; fails with what was heard instead."""
        end = time.monotonic() + PATIENCE
        heard = []
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                break
            if line is None:
                break
            heard.append(line)
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"`{text}` was not heard:\n" + "\n".join(heard))

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.listener.join()
        self.process.stdout.close()


class PlainConsole(unittest.TestCase):
    def test_a_channel_is_set_up_tested_and_undone_by_ear(self):
        with Receiver() as receiver, Store() as store:
            store.acme()
            with Plain(store) as console:
                console.hear("at 1. Acme Ltd, key acme")
                console.type("enter")
                console.hear("15. account suspended:")
                # The form: a line is text, a command begins with a full stop.
                console.type("/stop webhook")
                console.hear("Webhook is off for heartbeat stopped")
                console.type("set up", "a", f"{receiver.url}", ".save")
                console.hear("It signs with this secret")
                console.type("o")
                console.hear("127.0.0.1")
                console.type("t")
                console.hear("a test is on its way")
                console.hear("was delivered")
                console.type("back", "toggle")
                console.hear("Webhook is on for heartbeat stopped")
                store.ok("emit", "acme", "server.stopped")
                console.type("live")
                console.hear("heartbeat stopped, Webhook, 127.0.0.1")
                console.hear("delivered 200")
                console.type("back", "undo")
                console.hear("taken back: Webhook is on for heartbeat stopped")
                console.type("nonsense")
                console.hear("`nonsense` means nothing here")
                # Every other screen speaks, and leads back.
                for key, says in [("H", "history of"), ("S", "would go to"), ("y", "copy set-up"), ("R", "send again"),
                                  (":", "commands"), ("?", "On every screen"), ("P", "nothing is sent"), ("w", "why")]:
                    console.type(key)
                    console.hear(says)
                    console.type(".esc")
                    console.hear("== accounts > Acme Ltd")
                console.type("g", "f")
                console.hear("failures in the last hour")
                console.type("g", "d")
                console.hear("nothing is in trouble")
                self.assertEqual(console.end(), 0)
                everything = "\n".join(console.said)
                self.assertNotIn("\x1b", everything)
                self.assertEqual(len(receiver.requests), 2)

    def test_what_somebody_else_changes_is_told(self):
        with Store() as store:
            store.acme()
            with Plain(store) as console:
                console.hear("keys:")
                console.type("enter", "2")
                console.hear("at 2. provision failed")
                store.ok("matrix", "set", "acme", "app.auth", "slack", "on")
                console.hear("12. app authorized: Email on; Slack on, but nowhere to go, not the default")
                console.type("quit")
                self.assertEqual(console.process.wait(timeout=PATIENCE), 0)

    def test_lists_are_an_item_a_line(self):
        with Store() as store:
            store.acme()
            accounts = store.ok("--plain", "accounts", "list").splitlines()
            self.assertEqual(len(accounts), 1)
            self.assertIn("key: acme", accounts[0])
            self.assertIn("name: Acme Ltd", accounts[0])
            types = store.ok("event-types", "list", "--plain").splitlines()
            self.assertEqual(len(types), 15)
            for line in types:
                self.assertNotIn("  ", line)

    def test_a_reader_that_leaves_ends_it(self):
        with Store() as store:
            store.acme()
            console = subprocess.Popen(
                [BINARY, "--plain"], env=store.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.assertIn("accounts", console.stdout.readline())
            console.stdout.close()
            console.stdin.write("screen\n")
            console.stdin.flush()
            self.assertEqual(console.wait(timeout=PATIENCE), 0)
            console.stdin.close()


if __name__ == "__main__":
    unittest.main()
