"""Secrets that changes replaced are kept, sealed, for as long as the config says: a process that serves forgets older ones by itself."""

import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import unittest

from crash import faults
from rig import BINARY, SECRET, Store, wait_until

HOUR_MS = 3_600_000


class KeptSecrets(unittest.TestCase):
    def setUp(self):
        folder, library = faults.build()
        self.addCleanup(folder.cleanup)
        self.store = Store(BELLBOARD_STORE_KEEP_SECRETS="2h")
        self.addCleanup(self.store.close)
        # The clocks of whatever is started with its environment.
        self.clock = faults.Faults(library, self.store.folder)
        self.addCleanup(self.clock.close)

    def rows(self, statement):
        with contextlib.closing(sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)) as database:
            return [row[0] for row in database.execute(statement)]

    def kept(self):
        return self.rows("SELECT sealed FROM audit_secret WHERE length(sealed) > 0 ORDER BY audit_id")

    def replace(self, url):
        """A destination whose secret is replaced, and one that is removed."""
        add = ("destinations", "add", "acme", "webhook", "--secret", SECRET, "--headers", "x-key: " + "planted " * 20)
        for way in ("rotate", "remove"):
            one = self.store.json(*add, "--url", f"{url}/{way}")["id"]
            self.store.ok("destinations", way, one, *(("--overlap", "0s") if way == "rotate" else ("--yes",)))

    def test_a_process_that_serves_forgets_them_in_time(self):
        store = self.store
        store.acme()
        self.replace("https://old.acme.test")
        old = self.kept()
        self.assertEqual(len(old), 2)
        process = subprocess.Popen([BINARY, "serve"], env=store.environment | self.clock.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        store.processes.append(process)
        wait_until(store.is_ready)
        # An hour later: the time to look has come, and none is old enough. What it removes shows that it has looked.
        with contextlib.closing(sqlite3.connect(store.path)) as database:
            database.execute("INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data)"
                             " VALUES (1, randomblob(16), 1, 'job.fail', 1600000000000, 0, '[]', '{}')")
            database.commit()
        looked = lambda: not self.rows("SELECT 1 FROM event WHERE received_at = 1600000000000")
        self.pass_on(1, looked)
        self.assertEqual(self.kept(), old)
        # What is replaced now is newer.
        store.environment |= self.clock.environment
        self.replace("https://new.acme.test")
        new = [sealed for sealed in self.kept() if sealed not in old]
        self.assertEqual(len(new), 2)
        self.pass_on(2.5, lambda: len(self.kept()) <= 2)
        self.assertEqual(self.kept(), new, "the older ones are forgotten, and no others")

        changes = {change["says"]: change["id"] for change in store.json("audit", "list")}
        removal = lambda host: next(id for says, id in changes.items() if "was removed" in says and host in says)
        code, _, err = store.run("audit", "undo", removal("old.acme.test"))
        self.assertEqual((code, "entered anew" in err), (4, True), err)
        store.ok("audit", "undo", removal("new.acme.test"))
        store.ok("audit", "verify")
        process.send_signal(signal.SIGTERM)
        process.wait()
        with contextlib.closing(sqlite3.connect(store.path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log = f"{store.path}-wal"
        file = pathlib.Path(store.path).read_bytes() + (pathlib.Path(log).read_bytes() if os.path.exists(log) else b"")
        self.assertEqual([sealed in file for sealed in old + new], [False, False, True, True])

    def pass_on(self, hours, done):
        """So much later; something happens now and then, which wakes whoever waits for a time to come."""
        self.clock["wall_ms"] = self.clock["steady_ms"] = int(hours * HOUR_MS)

        def woken():
            self.store.ok("emit", "acme", "server.stopped", "--data", "{}")
            return done()

        wait_until(woken, every=0.2)


if __name__ == "__main__":
    unittest.main()
