"""A real sshd whose `ForceCommand` is bellboard: the console and its commands, and no way to anything else."""

import os
import shlex
import shutil
import subprocess
import unittest

from rig import BINARY, PATIENCE, Store, wait_until
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
        self.sshd = self.forced("AcceptEnv LANG LC_*")

    def forced(self, *lines):
        """An sshd as `bellboard help ssh` has it, with more lines in its config."""
        program = f"{shlex.quote(BINARY)} --restricted --db {self.store.path} --config {self.config}"
        sshd = Sshd("\n".join([f"ForceCommand exec {program}", "DisableForwarding yes", *lines]))
        self.addCleanup(sshd.close)
        return sshd

    def roles(self, text):
        with open(self.config, "w") as file:
            file.write(f"[roles]\n{text}\n")

    def ask(self, remote, *options, sshd=None):
        """Runs `ssh HOST remote`: its exit code and all that it printed."""
        command = (sshd or self.sshd).command("REMOTE", *options).replace("'REMOTE'", f"-- {shlex.quote(remote)}")
        done = subprocess.run(command, shell=True, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        return done.returncode, (done.stdout + done.stderr).decode()

    def sent(self, name, value):
        """What has ssh send a variable that it does not have itself."""
        return "-o", shlex.quote(f'SetEnv={name}="{value}"')

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
            # Files to read and to write, by every way that the unrestricted program has.
            "messages preview server.stopped --data @/etc/passwd", "destinations add acme webhook --url @/etc/passwd",
            "destinations add acme webhook --ca=@/etc/passwd --url https://x.test", "destinations rotate dst_1 --secret @/etc/passwd",
            f"{EMIT} --data \"@/etc/passwd\"", f"{EMIT} --data \\@/etc/passwd", f"{EMIT} \"--data=@/etc/passwd\"", f"{EMIT} --data \"\"@/etc/passwd",
            f"backup {mark}", f"restore {mark}", "ingest /etc/passwd", "ingest -", f"serve --log-file {mark}", "completions bash",
            f"--log trace accounts list", f"--db={mark} accounts list", f"accounts list --db {mark}", "doctor", "keys rotate", "prune --yes",
            "tokens create t --scope emit", f"--config={self.config} config check",
            # What a shell would make of it.
            f"accounts list && touch {mark}", f"accounts list || touch {mark}", f"accounts list & touch {mark}", f"accounts list > {mark}",
            f"accounts list\ntouch {mark}", f"accounts show `touch {mark}`", f"accounts show '; touch {mark} #'", f"why ${{IFS}}touch", f"exec touch {mark}",
            f"-c 'touch {mark}'", "'", "\\", "accounts list '", "bellboard bellboard", "sudo id", "env", "/bin/sh -i",
        ]:
            code, out = self.ask(remote)
            self.assertIn(code, (2, 4), f"{remote}: {out}")
            self.assertNotIn("root:", out, remote)
            self.assertNotIn("uid=", out, remote)
            self.assertEqual(len(out.splitlines()), 1, f"{remote}: one sentence: {out}")
        self.assertFalse(os.path.exists(mark))
        copied = subprocess.run(
            self.sshd.command("x").replace("ssh ", "sftp -b /dev/null ", 1).replace("-p ", "-P ", 1).replace("'x'", ""),
            shell=True, capture_output=True, timeout=PATIENCE,
        )
        self.assertNotEqual(copied.returncode, 0)

    def test_what_was_typed_does_nothing_to_the_terminal(self):
        for hostile in ("\x1b]0;owned\x07", "x\x1b[2Jy", "\x9b2J", "x\u009b31my", "a\u202eb", "a\rb", "a\u2028b", "a\u0085b"):
            for remote in (hostile, f"why '{hostile}'", f"accounts show '{hostile}'", f"'--{hostile}'", f"accounts list --limit '{hostile}'",
                           f"accounts list '{hostile}' '{hostile}'", f"matrix set acme '{hostile}' slack on", f"help '{hostile}'", f"man '{hostile}'"):
                code, out = self.ask(remote.encode("utf-8", "surrogateescape").decode())
                self.assertIn(code, (0, 2, 3, 4), f"{remote!r}: {out!r}")
                acting = [c for c in out if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2028")]
                self.assertEqual(acting, [], f"{remote!r}: {out!r}")

    def test_the_environment_changes_nothing(self):
        mark = os.path.join(self.store.folder, "mark")
        library = os.path.join(self.store.folder, "preload.so")
        source = f'#include <fcntl.h>\n__attribute__((constructor)) static void mark(void) {{ open("{mark}", O_CREAT, 0600); }}'
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=source.encode(), check=True)
        # As the help has it: nothing but the language comes through.
        for name, value in (("LD_PRELOAD", library), ("BASH_ENV", "/etc/passwd"), ("BELLBOARD_LOG", "trace")):
            code, out = self.ask("accounts list", *self.sent(name, value))
            self.assertEqual((code, "acme" in out, os.path.exists(mark)), (0, True, False), f"{name}: {out}")
        # Where all would come through, a person still chooses no other database, config, key, log or role.
        self.roles('look = ["*"]')
        other = os.path.join(self.store.folder, "other")
        os.mkdir(other)
        sshd = self.forced("AcceptEnv *")
        for name, value in (
            ("BELLBOARD_DB", f"{other}/other.db"), ("BELLBOARD_CONFIG", "/dev/null"), ("BELLBOARD_ROLES_ADMINISTER", "*"),
            ("BELLBOARD_KEY", "ab" * 32), ("CREDENTIALS_DIRECTORY", other), ("XDG_DATA_HOME", other), ("XDG_CONFIG_HOME", other),
            ("XDG_STATE_HOME", other), ("HOME", other), ("BELLBOARD_MESSAGES_TEMPLATES", "/etc"), ("BELLBOARD_NONSENSE_X", "1"),
            ("EDITOR", f"touch {mark}"), ("VISUAL", f"touch {mark}"), ("PAGER", f"touch {mark}"), ("SHELL", "/bin/sh"),
            ("SSH_ORIGINAL_COMMAND", "sh"), ("RUST_BACKTRACE", "full"), ("LC_ALL", "x\x1b[2J"),
        ):
            with self.subTest(name=name):
                send = self.sent(name, value)
                code, out = self.ask("accounts list", *send, sshd=sshd)
                self.assertEqual((code, "acme" in out), (0, True), out)
                self.assertEqual(self.ask(EMIT, *send, sshd=sshd)[0], 4, "the role is look still")
        code, out = self.ask("accounts list", *self.sent("BELLBOARD_LOG", "trace"), sshd=sshd)
        self.assertEqual((code, "--log" in out), (2, True), out)
        self.assertEqual((os.listdir(other), os.path.exists(mark)), ([], False))

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
            tmux.keys("Enter", "Tab", "E")
            tmux.wait_for("nothing to write")
            tmux.keys("Tab", "q")
            tmux.wait_for("finds an account")
            tmux.keys("q")
            tmux.wait_for("ended with 0")
            who = wait_until(lambda: self.store.json("audit", "list"))
            self.assertEqual(who[-1]["account"], "acme")


if __name__ == "__main__":
    unittest.main()
