"""Old databases whose upgrade is cut off: the disk is full, a write fails, or the program is killed, at any moment. The file is as it was
or wholly new, and the next start brings it up to date."""

import contextlib
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from crash import faults
from rig import BINARY, Store
from test_copies import make_old

# Events, each of some 100 KB, and changes of the trail that is made anew.
EVENTS, CHANGES = 3, 400

# Of the calls of an upgrade, every third fails in its turn; and at each so-manieth write it is killed.
STEP, KILLED_STEP = 3, 11


def old(path, migrations):
    """A database of the schema with the first so many migrations, as a program leaves it that was using it."""
    make_old(path, rows=EVENTS, migrations=migrations)
    with contextlib.closing(sqlite3.connect(path)) as database:
        for number in range(1, CHANGES + 1):
            database.execute("INSERT INTO audit (id, at, login, origin, account, command, says, before, after) VALUES"
                             " (?, 1600000000000, 'jane', 'pts/1', 'acme', 'edit_account', 'changed', '{}', '{}')", (number,))
        database.commit()
        database.execute("PRAGMA journal_mode = WAL")


def contents(path):
    """The schema and every row, read from a copy, so that looking changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal", "-journal"):
            if os.path.exists(path + end):
                shutil.copy(path + end, os.path.join(folder, "copy.db" + end))
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "copy.db"))) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
            # When the trail was made anew is no matter, nor which key is in use.
            tables = [name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sealing'")]
            migrations = database.execute("SELECT version FROM _sqlx_migrations ORDER BY version").fetchall()
            rows = {name: database.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in tables if "_sqlx" not in name}
            return database.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall(), migrations, rows


class CutOff(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder, cls.library = faults.build()
        cls.addClassCleanup(folder.cleanup)

    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.faults = faults.Faults(self.library, self.store.folder)
        self.addCleanup(self.faults.close)
        self.template = os.path.join(self.store.folder, "template")

    def begin(self, migrations):
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.template + end)
        old(self.template, migrations)
        self.was = contents(self.template)
        self.again()
        self.store.ok("accounts", "list")
        self.new = contents(self.store.path)
        self.assertNotEqual(self.new[0], self.was[0])
        self.assertEqual([row[:4] for row in self.new[2]["audit"]], [row[:4] for row in self.was[2]["audit"]])

    def again(self):
        """The old database once more, and nothing beside it but its key."""
        for name in os.listdir(self.store.folder):
            if name.startswith("bellboard.db"):
                os.remove(os.path.join(self.store.folder, name))
        shutil.copy(self.template, self.store.path)
        os.chmod(self.store.path, 0o600)

    def is_whole(self, what):
        """Nothing of it is half done, and the next start does the rest. Whether it was done already."""
        found = contents(self.store.path)
        self.assertIn(found, (self.was, self.new), f"{what}: neither as it was nor as it will be")
        self.assertIn("acme", self.store.ok("accounts", "list"), what)
        self.assertEqual(contents(self.store.path), self.new, what)
        self.assertTrue(all(name.endswith(".backup") for name in os.listdir(self.store.folder) if ".schema-" in name), what)
        return found == self.new

    def fail_each(self, kinds, error):
        """Has each of these calls fail in turn, from the first one to the one that is never made. How many were refused."""
        refused = 0
        for after in range(0, 10_000, STEP):
            self.again()
            self.faults.fail(kinds, error, after=after)
            code, out, err = self.store.run("accounts", "list", **self.faults.environment)
            failed = self.faults["failed"]
            self.faults.heal()
            what = f"{errno.errorcode[error]} after {after}: exit {code}: {out}{err}"
            if not failed:
                self.assertEqual(code, 0, what)
                return refused
            self.assertLessEqual(len(err.splitlines()), 1, what)
            self.assertIn(code, (0, 1, 6), what)
            done = self.is_whole(what)
            if code == 6 and "is as it was" in err:
                self.assertFalse(done, what)
            refused += code != 0
        raise AssertionError("it goes on and on")

    def test_a_disk_that_is_full_from_any_moment_on(self):
        for migrations in (1, -1):
            with self.subTest(migrations=migrations):
                self.begin(migrations)
                self.assertGreater(self.fail_each(faults.GROW, errno.ENOSPC), 5)

    def test_any_write_and_any_sync_fails(self):
        self.begin(1)
        self.assertGreater(self.fail_each(faults.WRITE | faults.TRUNCATE, errno.EIO), 5)
        self.assertGreater(self.fail_each(faults.SYNC, errno.EIO), 1)

    def test_it_is_killed_at_any_write(self):
        self.begin(1)
        before = after = 0
        self.faults["slow_us"] = 1000
        for writes in range(1, 10_000, KILLED_STEP):
            self.again()
            self.faults["writes"] = 0
            started = subprocess.Popen([BINARY, "accounts", "list"], env=self.store.environment | self.faults.environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.store.processes.append(started)
            while self.faults["writes"] < writes and started.poll() is None:
                time.sleep(0.0005)
            ended = started.poll() is not None
            started.send_signal(signal.SIGKILL)
            started.wait()
            done = self.is_whole(f"killed at write {writes}")
            before, after = before + (not done), after + done
            if ended:
                break
        self.assertGreater(before, 5)
        self.assertGreater(after, 0)

    def test_it_is_killed_around_the_commit(self):
        for migrations in (1, 5, -1):
            self.begin(migrations)
            for place, done in (("schema.before", False), ("schema.after", True)):
                self.again()
                code, _, _ = self.store.run("accounts", "list", BELLBOARD_FAILPOINT=f"{place}:1")
                self.assertEqual(code, -signal.SIGKILL, place)
                self.assertEqual(self.is_whole(place), done, place)


if __name__ == "__main__":
    unittest.main()
