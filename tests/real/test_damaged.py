"""A damaged file is found at start, or by `doctor` where no start looks; it says which copy to put back and how, and is never made
worse: not a byte of it is changed, and what the sentence says works."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import sqlite3
import struct
import unittest

from rig import PATIENCE, Store, wait_until
from terminal import Pty
from test_copies import digest, fill, make_old

PAGE = 4096

# What is started on a damaged file, and what it ends with.
STARTS = {
    ("accounts", "list"): 6, ("emit", "acme", "server.stopped"): 6, ("serve",): 6, ("backup", "another.db"): 6,
    ("--read-only", "accounts", "list"): 6, ("doctor", "--offline"): 6, (): 6,
}

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(5000)


def walk(path):
    """The pages of each tree of a database: (its name, interior or leaf) and their numbers, the first one first."""
    found = {}
    file = pathlib.Path(path).read_bytes()
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        roots = database.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall()
    for name, root in roots:
        todo = [root]
        while todo:
            number = todo.pop(0)
            page = file[(number - 1) * PAGE:number * PAGE]
            head = 100 if number == 1 else 0
            is_interior = page[head] in (2, 5)
            found.setdefault((name, "interior" if is_interior else "leaf"), []).append(number)
            if is_interior:
                cells = [struct.unpack_from(">H", page, head + 12 + 2 * n)[0] for n in range(struct.unpack_from(">H", page, head + 3)[0])]
                todo += [struct.unpack_from(">I", page, at)[0] for at in cells] + list(struct.unpack_from(">I", page, head + 8))
    return found


def free(path):
    """The first page of the list of free ones."""
    return struct.unpack_from(">I", pathlib.Path(path).read_bytes(), 32)[0]


def put(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def garbage(path, number):
    """A page of nonsense."""
    put(path, (number - 1) * PAGE, b"\xa5Z" * (PAGE // 2))


def make(store, rows):
    """A database with so many large rows that an upgrade and `backup` have made copies of."""
    make_old(store.path, rows)
    store.ok("accounts", "list")
    store.ok("destinations", "add", "acme", "webhook", "--url", "https://hooks.acme.test/in")
    for number in range(30):
        store.ok("matrix", "set", "acme", "server.stopped", "webhook", "on" if number % 2 else "off")
    # Room that is free.
    with contextlib.closing(sqlite3.connect(store.path)) as database:
        database.execute("DELETE FROM event WHERE id % 3 = 0")
        database.commit()
    store.run("doctor", "--offline")
    store.ok("backup", os.path.join(store.folder, "newest copy.db"))


class Template:
    """Cases that each begin with a copy of one database and of the copies that it knows."""

    rows = 0

    @classmethod
    def setUpClass(cls):
        cls.template = Store()
        cls.addClassCleanup(cls.template.close)
        make(cls.template, cls.rows)

    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.renew()

    def renew(self):
        shutil.rmtree(self.store.folder)
        shutil.copytree(self.template.folder, self.store.folder)
        listed = pathlib.Path(f"{self.store.path}-backups")
        listed.write_text(listed.read_text().replace(self.template.folder, self.store.folder))

    def start(self, *words):
        """Starts the program and lets it end by itself: its exit code, and what it said."""
        if words:
            code, out, err = self.store.run(*(word.replace("another", self.store.folder + "/another") for word in words))
            return code, out if "doctor" in words else err
        pty = Pty(self.store.environment)
        try:
            pty.process.wait(PATIENCE)
            pty.read(0.2)
            return pty.process.returncode, pty.output.decode().replace("\r\n", "\n")
        finally:
            pty.close()

    def files(self):
        paths = {name: self.store.path + name for name in ("", "-wal")}
        return {name: digest(path) for name, path in paths.items() if os.path.exists(path) and os.path.getsize(path)}

    def check(self, what, starts=STARTS, copy="newest copy.db"):
        """Every start refuses the file and leaves it as it is; the copy that is named can be put in its place, as it is said."""
        before = self.files()
        for words, expected in starts.items():
            with self.subTest(damage=what, start=" ".join(words) or "the console"):
                code, said = self.start(*words)
                self.assertEqual(code, expected, said)
                lines = [line for line in said.splitlines() if "restore" in line]
                self.assertEqual(len(lines), 1, said)
                if "doctor" not in words:
                    self.assertEqual(len(said.splitlines()), 1, said)
                self.assertNotIn("panicked", said)
                self.assertIn("damaged", lines[0])
                command = re.search("`bellboard (--db .* restore .*)`", lines[0])
                self.assertTrue(command, said)
                self.assertEqual(self.files(), before, "not a byte is changed")
                self.assertFalse(os.path.exists(f"{self.store.folder}/another.db"))
        with self.subTest(damage=what, start="restore"):
            words = shlex.split(command[1])
            self.assertEqual(words[1:], [self.store.path, "restore", os.path.join(self.store.folder, copy)])
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.store.path + ending, f"{self.store.folder}/damaged{ending}")
            self.store.ok(*words)
            self.assertEqual([one["key"] for one in self.store.json("accounts", "list")], ["acme"])
            self.assertEqual(self.store.run("doctor", "--offline")[1].count("bad"), 0)


class Small(Template, unittest.TestCase):
    """Of a small file every page is looked at, whatever is started."""

    rows = 6

    def test_a_page_of_each_kind(self):
        pages = walk(self.template.path)
        for what, number in {
            "the schema's": pages["sqlite_schema", "leaf"][-1] if ("sqlite_schema", "leaf") in pages else 1,
            "the first": 1, "a table's": pages["account", "leaf"][0], "a large table's": pages["audit", "leaf"][-1],
            "an interior": pages["audit", "interior"][0], "an index's": pages["delivery_event", "leaf"][0],
            "a free": free(self.template.path), "the map of pages'": 2,
        }.items():
            self.renew()
            self.assertGreater(number, 0, what)
            garbage(self.store.path, number)
            self.check(f"{what} page")

    def test_the_header(self):
        for what, at, data in (
            ("the beginning", 0, b"XQLite"), ("the size of a page", 16, b"\x03\x21"), ("the versions", 18, b"\x09\x09"),
            ("fractions", 21, b"\0\0\0"), ("the number of pages", 28, b"\0\x0f\xff\xff"), ("the list of free pages", 32, b"\0\0\xff\xff"),
            ("the format of the schema", 44, b"\0\0\0\x09"), ("the encoding", 56, b"\0\0\0\x02"), ("whose it is", 68, b"\0\0\0\x01"),
            ("the tables", 103, b"\0\0"), ("all of it", 0, b"\xff" * 100), ("nothing of it", 0, bytes(100)),
        ):
            self.renew()
            put(self.store.path, at, data)
            self.check(what)

    def test_a_length(self):
        whole = os.path.getsize(self.template.path)
        for length in (0, 1, 50, 99, 100, 512, PAGE, PAGE + 1, whole // 2, whole // 2 + 17, whole - PAGE, whole - 1):
            self.renew()
            os.truncate(self.store.path, length)
            self.check(f"cut to {length} bytes")

    def test_another_kind_of_file(self):
        for what, data in (("a picture", PNG), ("a text", b"Dear support,\n" * 400), ("noise", os.urandom(9000))):
            self.renew()
            pathlib.Path(self.store.path).write_bytes(data)
            self.check(what)

    def test_it_says_so_where_no_copy_is_known(self):
        for name in os.listdir(self.store.folder):
            if "cop" in name or "backup" in name:
                os.remove(os.path.join(self.store.folder, name))
        garbage(self.store.path, 1)
        for words, expected in STARTS.items():
            code, said = self.start(*words)
            self.assertEqual(code, expected, said)
            self.assertRegex(said, r"(damaged|does not begin).*restore your newest backup.*none is known here")

    def test_a_copy_that_is_no_good_is_not_named(self):
        newest = os.path.join(self.store.folder, "newest copy.db")
        os.truncate(newest, os.path.getsize(newest) // 2)
        older, = (name for name in os.listdir(self.store.folder) if ".schema-" in name)
        for is_listed in (True, False):
            garbage(self.store.path, 1)
            self.check("no good copy", copy=older)
            self.renew()
            if is_listed:
                os.remove(newest)
                os.remove(f"{self.store.path}-backups")
        newest = os.path.join(self.store.folder, older)
        garbage(newest, 3)
        code, _, err = self.store.run("--db", os.path.join(self.store.folder, "new.db"), "restore", newest)
        self.assertEqual((code, len(err.splitlines())), (6, 1), err)
        self.assertRegex(err, f"{re.escape(older)} .*damaged.*name another copy")


class Log(Template, unittest.TestCase):
    """The log of commits that a process left which was killed."""

    rows = 6

    def leave(self, store, count=40):
        """A process that has taken so many events in, killed."""
        serve = store.serve()
        wait_until(store.is_ready)
        for _ in range(count // 10):
            line = b'{"account":"acme","event_type":"server.stopped","data":{}}\n'
            store.ok("ingest", "-", input=line * 10)
            store.ok("matrix", "set", "acme", "server.stopped", "email", "on")
            store.ok("matrix", "set", "acme", "server.stopped", "email", "off")
        serve.send_signal(signal.SIGKILL)
        serve.wait()
        self.assertGreater(os.path.getsize(f"{store.path}-wal"), 40 * PAGE)

    def setUp(self):
        super().setUp()
        self.leave(self.store)
        self.saved = {name: pathlib.Path(self.store.path + name).read_bytes() for name in ("", "-wal")}

    def again(self):
        for name, data in self.saved.items():
            pathlib.Path(self.store.path + name).write_bytes(data)
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{self.store.path}-shm")

    def test_a_whole_one_is_worked_in(self):
        for name in ("-shm", ""):
            if name:
                os.remove(self.store.path + name)
            self.assertEqual(len(self.store.json("events", "list", "--account", "acme", "--limit", "100")), 44)
            self.again()

    def test_a_damaged_one(self):
        size, frame = len(self.saved["-wal"]), PAGE + 24
        for what, at, data in (
            ("its beginning", 0, b"\xa5" * 32), ("its beginning and all else", 0, os.urandom(size)), ("a sum of its beginning", 24, b"\0\0\0\0"),
            ("its first frame", 32, os.urandom(frame)), ("some bytes early on", 32 + 3 * frame + 500, b"\xa5Z" * 8),
            ("a frame's head", 32 + 5 * frame, b"\xff" * 24), ("many frames", 32 + 2 * frame, os.urandom(7 * frame)),
        ):
            self.again()
            put(f"{self.store.path}-wal", at, data)
            self.check(f"garbage in the log: {what}")
            self.renew()

    def test_what_a_power_cut_may_leave_is_no_damage(self):
        size, frame = len(self.saved["-wal"]), PAGE + 24
        for what, at, data in (("half a frame at the end", size, os.urandom(frame // 2)), ("a frame at the end", size, os.urandom(frame)),
                               ("its last frame", size - frame, bytes(frame))):
            self.again()
            put(f"{self.store.path}-wal", at, data)
            self.assertGreaterEqual(len(self.store.json("events", "list", "--account", "acme", "--limit", "100")), 43, what)
        self.again()
        pathlib.Path(f"{self.store.path}-wal").write_bytes(bytes(32))
        self.store.ok("accounts", "list")

    def test_one_of_another_file(self):
        with Store() as other:
            other.acme()
            self.leave(other, count=100)
            log = pathlib.Path(f"{other.path}-wal").read_bytes()
        self.again()
        pathlib.Path(f"{self.store.path}-wal").write_bytes(log)
        self.check("the log of another database")
        # A copy that was put over the file while its log was there.
        self.renew()
        self.again()
        shutil.copy(os.path.join(self.store.folder, "newest copy.db"), self.store.path)
        self.check("the log of a later time")
        self.renew()
        self.again()
        os.remove(self.store.path)
        for words, expected in STARTS.items():
            code, said = self.start(*words)
            self.assertEqual((code, "-wal file, is there" in said), (expected, True), said)
            self.assertEqual(pathlib.Path(f"{self.store.path}-wal").read_bytes(), self.saved["-wal"])
            self.assertFalse(os.path.exists(self.store.path))

    def test_one_beside_a_file_that_was_cut(self):
        for length in (0, 1, 100, len(self.saved[""]) // 2):
            self.again()
            os.truncate(self.store.path, length)
            self.check(f"cut to {length} bytes, with its log")
            self.renew()


class Large(Template, unittest.TestCase):
    """Of a large file no start reads all; what it does read is looked at, and `doctor` finds the rest."""

    rows = 300

    def test_what_every_start_reads(self):
        pages = walk(self.template.path)
        for what, number in {"the first": 1, "the schema's": pages.get(("sqlite_schema", "leaf"), [1])[-1],
                             "the list of migrations'": pages["sqlite_autoindex__sqlx_migrations_1", "leaf"][0]}.items():
            self.renew()
            garbage(self.store.path, number)
            self.check(f"{what} page")
        whole = os.path.getsize(self.template.path)
        for length in (0, 1, PAGE, whole // 2, whole - PAGE):
            self.renew()
            os.truncate(self.store.path, length)
            self.check(f"cut to {length} bytes")

    def test_what_a_command_reads_it_finds_and_doctor_finds_the_rest(self):
        pages = walk(self.template.path)
        doctor = {("doctor", "--offline"): 6}
        accounts = {("accounts", "list"): 6, ("emit", "acme", "server.stopped"): 6, ("backup", "another.db"): 6}
        for what, number, starts in (
            ("a table's", pages["account", "leaf"][0], doctor | accounts),
            ("a large table's", pages["event", "leaf"][-5], doctor), ("an interior", pages["event", "interior"][0], doctor),
            ("an index's", pages["delivery_event", "leaf"][0], doctor), ("a free", free(self.template.path), doctor),
        ):
            self.renew()
            garbage(self.store.path, number)
            self.check(f"{what} page", starts)

    def test_a_start_reads_little_of_it(self):
        size = os.path.getsize(self.store.path)
        serve = self.store.serve()
        wait_until(self.store.is_ready)
        read = int(re.search(r"rchar: (\d+)", pathlib.Path(f"/proc/{serve.pid}/io").read_text())[1])
        print(f"{read} bytes read of {size}")
        self.assertLess(read, size / 4)


if __name__ == "__main__":
    unittest.main()
