"""Files and folders are their owner's only, whatever the umask; what others could write is refused; links are not followed."""

import os
import signal
import stat
import subprocess
import unittest

from rig import BINARY, Store, wait_until


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class Files(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)

    def file(self, name):
        return os.path.join(self.store.folder, name)

    def test_whatever_the_umask(self):
        for umask in (0o000, 0o077, 0o277):
            with self.subTest(umask=oct(umask)), Store() as store:
                home = os.path.join(store.folder, "new", "home")
                store.environment |= {"BELLBOARD_DB": os.path.join(home, "data", "b.db"), "XDG_STATE_HOME": os.path.join(home, "state")}
                run = lambda *words: subprocess.run([BINARY, *words], env=store.environment, umask=umask, capture_output=True, timeout=120, check=True)
                run("--log", "info", "accounts", "add", "acme", "--name", "Acme", "--email", "ops@acme.test")
                run("destinations", "add", "acme", "webhook", "--url", "https://hooks.acme.test/")
                serve = subprocess.Popen([BINARY, "serve", "--log-file", os.path.join(home, "log", "serve.log")], env=store.environment, umask=umask)
                store.processes.append(serve)
                wait_until(store.is_ready)
                os.makedirs(os.path.join(home, "copies"), mode=0o700)
                run("backup", os.path.join(home, "copies", "copy.db"))
                run("keys", "rotate")
                found = []
                for folder, folders, files in os.walk(os.path.join(store.folder, "new")):
                    self.assertEqual(mode(folder), 0o700, folder)
                    for name in files:
                        found.append(name)
                        self.assertEqual(mode(os.path.join(folder, name)), 0o600, name)
                serve.send_signal(signal.SIGTERM)
                serve.wait()
                for name in ("b.db", "b.db-wal", "b.db-shm", "b.key", "b.db-deliverer", "b.db-turns", "b.db-backups", "bellboard.log", "serve.log", "copy.db"):
                    self.assertIn(name, found)

    def test_what_others_could_write_is_refused(self):
        self.store.acme()
        config = self.file("c.toml")
        with open(config, "w") as file:
            file.write("[delivery]\n")
        for name, code in (("bellboard.db", 6), ("bellboard.key", 6), ("c.toml", 2)):
            for others in (0o620, 0o602):
                os.chmod(self.file(name), others)
                ended, out, err = self.store.run("--config", config, "accounts", "list")
                self.assertEqual((ended, out, len(err.splitlines())), (code, "", 1), err)
                self.assertIn("chmod go-w", err)
                os.chmod(self.file(name), 0o600)
        os.chmod(self.store.folder, 0o777)
        code, _, err = self.store.run("accounts", "list")
        self.assertEqual((code, "chmod o-w" in err), (6, True), err)
        os.chmod(self.store.folder, 0o700)
        self.assertEqual(self.store.run("--config", config, "accounts", "list")[0], 0)

    def test_links_are_not_followed(self):
        self.store.acme()
        theirs = self.file("theirs")
        with open(theirs, "w") as file:
            file.write("theirs")
        link = self.file("link")
        os.symlink(theirs, link)
        nowhere = self.file("nowhere")
        os.symlink(self.file("not-there"), nowhere)
        database, key = self.file("link.db"), self.file("link.key")
        os.symlink(self.store.path, database)
        for what, words, environment in (
            ("a backup", ("backup", link), {}), ("a backup nowhere", ("backup", nowhere), {}),
            ("a database", ("accounts", "list"), {"BELLBOARD_DB": database}),
            ("a database nowhere", ("accounts", "list"), {"BELLBOARD_DB": nowhere}),
            ("a restored database", ("restore", self.store.path), {"BELLBOARD_DB": nowhere}),
            ("a key", ("accounts", "list"), {"BELLBOARD_STORE_KEY_FILE": link}),
            ("a log", ("serve", "--log-file", link), {}), ("a log nowhere", ("serve", "--log-file", nowhere), {}),
        ):
            with self.subTest(what):
                code, _, err = self.store.run(*words, **environment)
                self.assertIn(code, (4, 6), err)
                self.assertEqual(len(err.splitlines()), 1, err)
        state = self.file("bellboard")
        os.makedirs(state, exist_ok=True)
        os.symlink(theirs, os.path.join(state, "bellboard.log"))
        self.assertEqual(self.store.run("--log", "trace", "accounts", "list")[0], 4)
        with open(theirs) as file:
            self.assertEqual(file.read(), "theirs")
        self.assertFalse(os.path.exists(self.file("not-there")))
        self.assertFalse(os.path.exists(key))
