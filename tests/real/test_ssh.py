"""Over a real sshd in an 80x24 tmux, by keys alone; resized; and the connection lost."""

import os
import signal
import unittest

from rig import wait_until
from terminal import LoggedIn, Tmux, console_of, descendants, gone, remote_of


class OverSsh(LoggedIn, unittest.TestCase):
    def cell(self, event_type, channel):
        cells = self.store.json("matrix", "show", "acme")["cells"]
        return next(cell["on"] for cell in cells if (cell["event_type"], cell["channel"]) == (event_type, channel))

    def test_toggle_form_and_test(self):
        tmux = self.tmux
        tmux.keys("Enter")
        tmux.wait_for("provisioned ok")
        tmux.keys("Right", "Right", "Right", "Right", "Right", "Space")
        wait_until(lambda: self.cell("account.provision.ok", "webhook"))
        tmux.wait_for("Webhook is on for provisioned ok")
        tmux.keys("u")
        wait_until(lambda: not self.cell("account.provision.ok", "webhook"))
        tmux.keys("Enter")
        tmux.wait_for("> Webhook")
        tmux.keys("a")
        tmux.wait_for("Signing secret")
        tmux.text("nowhere")
        tmux.wait_for("whole address")
        tmux.keys("C-u")
        tmux.paste(self.receiver.url)
        tmux.keys("Enter")
        tmux.wait_for("it is shown this once")
        tmux.keys("o", "t")
        tmux.wait_for("was delivered in")
        before = tmux.settled()
        tmux.resize(40, 12)
        wait_until(lambda: max(map(len, tmux.screen().splitlines())) <= 40 and "q" in tmux.screen())
        tmux.wait_for("Webhook")
        tmux.resize(80, 24)
        wait_until(lambda: tmux.screen() == before)

    def test_a_lost_connection(self):
        self.store.ok("destinations", "add", "acme", "webhook", "--url", self.receiver.url)
        self.store.ok("matrix", "set", "acme", "server.stopped", "webhook", "on")
        console = wait_until(lambda: console_of(self.sshd))
        self.receiver.may_answer.clear()
        self.store.ok("emit", "acme", "server.stopped")
        wait_until(lambda: len(self.receiver.requests) == 1)
        sessions = [pid for pid in descendants(self.sshd.process.pid) if pid != console]
        for pid in sessions:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: gone(console))
        self.receiver.may_answer.set()
        self.store.serve()
        wait_until(lambda: [row["state"] for row in self.store.json("deliveries", "list")] == ["delivered"])
        self.assertEqual(len({headers["webhook-id"] for _, headers, _ in self.receiver.requests}), 1)

    def test_a_closed_client(self):
        console = wait_until(lambda: console_of(self.sshd))
        client = wait_until(lambda: self.tmux.process("ssh"))
        os.kill(client, signal.SIGKILL)
        wait_until(lambda: gone(console))
        wait_until(lambda: descendants(self.sshd.process.pid) == [])

    def test_sshd_is_killed_right_after_a_toggle(self):
        self.tmux.keys("Enter")
        self.tmux.wait_for("provisioned ok")
        console = wait_until(lambda: console_of(self.sshd))
        sessions = [pid for pid in descendants(self.sshd.process.pid) if pid != console]
        self.tmux.keys("Space")
        self.tmux.wait_for("Email is off for provisioned ok")
        for pid in sessions:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: gone(console), 30)
        self.assertFalse(self.cell("account.provision.ok", "email"))
        again = Tmux(self.sshd.command(remote_of(self.store), "-tt"), self.store.environment)
        self.addCleanup(again.close)
        # Where the console still had the time to keep what was open, it opens that again.
        wait_until(lambda: any(text in again.screen() for text in ("finds an account", "deploy started")))
        if "finds an account" in again.screen():
            again.keys("Enter")
        again.wait_for("Email is off for provisioned ok (changed by")
