"""Copies of a large database: the one before an upgrade, which somebody waits for; backups and restores that are killed half way,
find the disk full, or are made while events flow. No half of one is ever taken for a whole."""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from crash import faults
from rig import BINARY, Store, wait_until
from terminal import Pty
from test_systemd import Manager, served, stderr

MIGRATIONS = pathlib.Path(__file__).parents[2] / "migrations"

# Rows, each of so many random bytes: what takes a moment to copy and yet fits anywhere.
ROWS, ROW_BYTES = 1000, 100_000

# How long each of the copy's writes takes where a test looks on: a disk on which these 100 MB take more than a second.
SLOW_US = 50


def fill(database, rows=ROWS):
    """Makes it large, by events of the account `acme` that are over and done with."""
    account, = database.execute("SELECT id FROM account WHERE key = 'acme'").fetchone()
    now = int(time.time() * 1000)
    for number in range(rows):
        data = '{"x":"%s"}' % os.urandom(ROW_BYTES // 2).hex()
        database.execute("INSERT INTO event (id, public_id, account_id, event_type, received_at, is_test, not_sent, data)"
                         " VALUES (?, randomblob(16), ?, 'job.fail', ?, 0, '[]', ?)", (1_000_000 + number, account, now, data))
    database.commit()


def make_old(path, rows=ROWS, migrations=-1):
    """A database of the schema before the last one, or with so many of the migrations."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    files = sorted(MIGRATIONS.glob("*.sql"))[:migrations]
    database.execute("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP"
                     " NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)")
    for file in files:
        number, name = file.stem.split("_", 1)
        database.executescript(file.read_text())
        database.execute("INSERT INTO _sqlx_migrations VALUES (?, ?, CURRENT_TIMESTAMP, 1, ?, 0)",
                         (int(number), name.replace("_", " "), hashlib.sha384(file.read_bytes()).digest()))
    database.execute("INSERT INTO account (key, name, owner_email, timezone, status, created_at)"
                     " VALUES ('acme', 'Acme Ltd', 'ops@acme.test', 'UTC', 'active', 1600000000000)")
    fill(database, rows)
    database.close()
    os.chmod(path, 0o600)


def counted(path):
    """How many events a copy holds, which must be sound."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
        return database.execute("SELECT count(*) FROM event").fetchone()[0]


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Upgrade(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.template = Store()
        cls.addClassCleanup(cls.template.close)
        make_old(cls.template.path)
        folder, cls.library = faults.build()
        cls.addClassCleanup(folder.cleanup)

    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        slow = faults.Faults(self.library, self.store.folder)
        self.addCleanup(slow.close)
        slow["slow_us"] = SLOW_US
        self.slow = slow.environment

    def old(self):
        shutil.copy(self.template.path, self.store.path)

    def copies(self):
        return [name for name in os.listdir(self.store.folder) if ".schema-" in name]

    def test_a_person_at_a_terminal_sees_how_far_it_is(self):
        self.old()
        pty = Pty(self.store.environment | self.slow)
        self.addCleanup(pty.close)
        pty.wait_for("Acme Ltd")
        before, _, console = pty.output.partition(b"\x1b[?1049h")
        self.assertRegex(before, rb"\rcopying the database: \d+ % of 1\d\d MB\x1b\[K")
        self.assertTrue(before.endswith(b"\r\x1b[K"), "the line is erased before the first screen")
        self.assertNotIn(b"copying the database", console)
        [copy] = self.copies()
        self.assertEqual(counted(os.path.join(self.store.folder, copy)), ROWS)

    def test_a_service_manager_is_told_and_waits_longer(self):
        self.old()
        path = os.path.join(self.store.folder, "notify")
        with contextlib.closing(Manager(path)) as manager, served(self.store, "serve", NOTIFY_SOCKET=path, **self.slow):
            manager.hear("READY=1")
            told = "\n".join(manager.heard)
            self.assertRegex(told, r"STATUS=copying the database: \d+ % of 1\d\d MB")
            self.assertRegex(told, r"EXTEND_TIMEOUT_USEC=\d{8}")
            self.assertIn("copying the database", stderr(self.store))

    def test_what_is_killed_on_the_way_is_as_it_was_and_the_next_start_goes_on(self):
        self.old()
        was = digest(self.store.path)
        started = subprocess.Popen([BINARY, "accounts", "list"], env=self.store.environment | self.slow, stdout=subprocess.DEVNULL)
        self.store.processes.append(started)
        partial = wait_until(lambda: [name for name in self.copies() if size(os.path.join(self.store.folder, name)) > 1 << 20], every=0.002)
        started.kill()
        started.wait()
        self.assertTrue(partial[0].endswith(".partial"), "it has no name of a whole one")
        self.assertEqual(digest(self.store.path), was)
        self.assertIn("acme", self.store.ok("accounts", "list"))
        [copy] = self.copies()
        self.assertTrue(copy.endswith(".backup"), "what was left half done is gone")
        self.assertEqual(counted(os.path.join(self.store.folder, copy)), ROWS)

    @unittest.skipUnless(os.getuid() == 0, "takes root, to mount a small file system")
    def test_a_disk_without_room_for_the_copy_is_told_before_anything_is_done(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "bellboard-test", self.store.folder], capture_output=True)
        if done.returncode:
            raise unittest.SkipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.store.folder], check=False)
        make_old(self.store.path, rows=70)
        was = digest(self.store.path)
        code, _, err = self.store.run("accounts", "list")
        self.assertEqual((code, len(err.splitlines())), (6, 1), err)
        self.assertRegex(err, r"is as it was: .*it takes \d+ MB, and there is room for \d MB; make room there")
        self.assertEqual((digest(self.store.path), self.copies()), (was, []))


def size(path):
    """A file's bytes; none when it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0


class Backups(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = Store()
        cls.addClassCleanup(cls.store.close)
        cls.store.acme()
        with contextlib.closing(sqlite3.connect(cls.store.path)) as database:
            fill(database)

    def setUp(self):
        self.folder = os.path.join(self.store.folder, self.id().rsplit(".", 1)[1])
        os.mkdir(self.folder, 0o700)
        self.addCleanup(shutil.rmtree, self.folder)
        self.copy = os.path.join(self.folder, "copy.db")

    def killed(self, bytes_, *arguments, partial, **environment):
        """Runs a command until its file has so many bytes, and kills it then."""
        process = subprocess.Popen([BINARY, *arguments], env=self.store.environment | environment, stdout=subprocess.DEVNULL)
        self.store.processes.append(process)
        wait_until(lambda: size(partial) >= bytes_ or process.poll() is not None, every=0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def test_a_backup_that_is_killed_while_events_flow_is_none(self):
        self.store.serve()
        wait_until(self.store.is_ready)
        stop, accepted = threading.Event(), []

        def feed():
            while not stop.is_set():
                self.store.ok("emit", "acme", "server.stopped", "--data", "{}")
                accepted.append(1)

        feeder = threading.Thread(target=feed)
        feeder.start()
        self.addCleanup(feeder.join)
        self.addCleanup(stop.set)
        partial = f"{self.copy}.partial"
        for part in (0, 0.1, 0.5, 0.9):
            self.killed(part * ROWS * ROW_BYTES, "backup", self.copy, partial=partial)
            if os.path.exists(self.copy):
                # It was faster than the kill, and so it must be whole.
                self.assertGreaterEqual(counted(self.copy), ROWS)
                os.remove(self.copy)
                continue
            code, _, err = self.store.run("restore", partial, BELLBOARD_DB=os.path.join(self.folder, "taken.db"))
            self.assertNotEqual(code, 0, "half a copy is none")
            self.assertEqual(len(err.splitlines()), 1, err)
        before = len(accepted)
        said = self.store.json("backup", self.copy)
        self.assertEqual(os.listdir(self.folder), ["copy.db"], "what was left half done is gone")
        self.assertEqual(counted(self.copy), said["events"])
        self.assertGreaterEqual(said["events"], ROWS + before)
        wait_until(lambda: len(accepted) > before + 1)

    def test_a_restore_that_is_killed_leaves_nothing_that_is_opened_and_is_done_again(self):
        self.store.ok("backup", self.copy)
        place = os.path.join(self.folder, "restored.db")
        for part in (0, 0.5, 0.9):
            self.killed(part * ROWS * ROW_BYTES, "restore", self.copy, partial=f"{place}.partial", BELLBOARD_DB=place)
            if os.path.exists(place):
                self.assertGreaterEqual(counted(place), ROWS)
                os.remove(place)
        code, _, err = self.store.run("restore", self.copy, BELLBOARD_DB=place)
        self.assertEqual(code, 0, err)
        self.assertEqual(counted(place), counted(self.copy))
        self.assertEqual(sorted(os.listdir(self.folder)), ["copy.db", "restored.db"])
        # What is there stays, and so does what its log of commits might be mixed up with.
        was = digest(place)
        code, _, err = self.store.run("restore", self.copy, BELLBOARD_DB=place)
        self.assertEqual((code, "there is a database already" in err, digest(place)), (6, True, was), err)
        os.rename(place, f"{place}-wal")
        code, _, err = self.store.run("restore", self.copy, BELLBOARD_DB=place)
        self.assertEqual((code, "-wal" in err, os.path.exists(place)), (6, True, False), err)

    def test_a_disk_that_fills_up_meanwhile_leaves_no_file(self):
        library_folder, library = faults.build()
        self.addCleanup(library_folder.cleanup)
        broken = faults.Faults(library, self.folder)
        self.addCleanup(broken.close)
        for after in (0, 5, 100):
            broken.fail(faults.GROW, errno.ENOSPC, after=after)
            code, _, err = self.store.run("backup", self.copy, **broken.environment)
            self.assertEqual((code, len(err.splitlines())), (6, 1), err)
            self.assertIn("full", err)
            self.assertEqual(os.listdir(self.folder), [])
        broken.heal()
        self.store.ok("backup", self.copy)
        self.assertGreaterEqual(counted(self.copy), ROWS)


if __name__ == "__main__":
    unittest.main()
