"""A real sshd whose `ForceCommand` is bellboard: the console and its commands, and no way to anything else."""

import os
import shlex
import shutil
import subprocess
import unittest

from rig import BINARY, Store, wait_until
from terminal import Sshd, Tmux

EMIT = "emit acme server.stopped"


@unittest.skipUnless(shutil.which("tmux") and os.path.exists("/usr/sbin/sshd"), "tmux or sshd is not installed")
class Forced(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.acme()
        self.config = os.path.join(self.store.folder, "config.toml")
        self.roles('operate = ["*"]')
        names = ("BELLBOARD_NETWORK_ALLOW", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
        environment = " ".join(f"{name}={self.store.environment[name]}" for name in names)
        program = f"{shlex.quote(BINARY)} --restricted --db {self.store.path} --config {self.config}"
        self.sshd = Sshd(f"ForceCommand exec env {environment} {program}\nDisableForwarding yes\nAcceptEnv LANG LC_*")
        self.addCleanup(self.sshd.close)

    def roles(self, text):
        with open(self.config, "w") as file:
            file.write(f"[roles]\n{text}\n")

    def ask(self, remote):
        """Runs `ssh HOST remote`: its exit code and all that it printed."""
        done = subprocess.run(self.sshd.command(remote), shell=True, capture_output=True, timeout=60, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_its_commands_are_there_and_nothing_else(self):
        code, out = self.ask("accounts list")
        self.assertEqual((code, "acme" in out), (0, True), out)
        code, out = self.ask(EMIT)
        self.assertEqual(code, 0, out)
        mark = os.path.join(self.store.folder, "mark")
        for remote in [
            "sh", f"touch {mark}", f"accounts list; touch {mark}", f"accounts list | touch {mark}", f"why $(touch {mark})",
            f"{EMIT} --data @/etc/passwd", f"{EMIT} --data=@/etc/hostname", "bellboard --db /tmp/other.db accounts list",
            "accounts list --config /etc/passwd", "config show", "serve", "demo", "tokens list", "scp -t /tmp",
            "internal-sftp", "/usr/lib/openssh/sftp-server",
        ]:
            code, out = self.ask(remote)
            self.assertIn(code, (2, 4), f"{remote}: {out}")
            self.assertNotIn("root:", out, remote)
        self.assertFalse(os.path.exists(mark))
        copied = subprocess.run(
            self.sshd.command("x").replace("ssh ", "sftp -b /dev/null ", 1).replace("-p ", "-P ", 1).replace("'x'", ""),
            shell=True, capture_output=True, timeout=60,
        )
        self.assertNotEqual(copied.returncode, 0)

    def test_no_role_no_entry(self):
        self.roles('administer = ["somebody-else"]')
        code, out = self.ask("accounts list")
        self.assertEqual((code, "[roles]" in out), (4, True), out)
        self.roles('look = ["*"]')
        self.assertEqual(self.ask("accounts list")[0], 0)
        self.assertEqual(self.ask(EMIT)[0], 4)

    def test_the_console_leads_to_no_shell(self):
        with Tmux(self.sshd.command("", "-tt").replace("''", ""), self.store.environment) as tmux:
            tmux.wait_for("Acme Ltd")
            tmux.keys("C-z")
            tmux.wait_for("no shell")
            tmux.keys("q")
            tmux.wait_for("ended with 0")
            who = wait_until(lambda: self.store.json("audit", "list"))
            self.assertEqual(who[-1]["account"], "acme")


if __name__ == "__main__":
    unittest.main()
