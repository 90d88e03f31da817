"""A database that another program holds: what cannot wait for it says so with the code that scripts rely on, and leaves no trace."""

import contextlib
import json
import subprocess
import sys
import unittest

from rig import PATIENCE, Store

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""
# Nothing can be read; nothing can be written.
WHOLE = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
WRITING = ("BEGIN IMMEDIATE",)


@contextlib.contextmanager
def held(store, statements):
    """Another process holds the database meanwhile."""
    other = subprocess.Popen([sys.executable, "-c", HOLD, store.path, *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        yield
        assert other.poll() is None, "it held it all the time"
    finally:
        other.communicate(timeout=PATIENCE)


class InUse(unittest.TestCase):
    def test_doctor_says_that_another_program_holds_it(self):
        for what, statements in (("all of it", WHOLE), ("writing", WRITING)):
            with self.subTest(held=what), Store() as store:
                # Nobody has sent anything yet, so doctor is the first that wants to keep a key for push services in it.
                store.acme()
                with held(store, statements):
                    code, out, err = store.run("--json", "doctor", "--offline")
                lines = json.loads(out)
                self.assertEqual((code, err), (6, ""), out)
                (bad,) = [line for line in lines if line["grade"] == "bad"]
                self.assertEqual(bad["what"], "file")
                self.assertIn("another program has held the database locked", bad["says"])
                self.assertIn("fuser", bad["says"])
                self.assertIn({"grade": "ok", "what": "HipChat", "says": "ready"}, lines, "what can be looked at without it is")
                code, out, err = store.run("--json", "doctor", "--offline")
                self.assertEqual((code, err), (0, ""), out)

    def test_what_would_be_stored_is_refused(self):
        with Store() as store:
            store.acme()
            with held(store, WRITING):
                code, out, err = store.run("accounts", "add", "beta", "--name", "Beta", "--email", "ops@beta.test")
            self.assertEqual((code, out), (6, ""), err)
            self.assertIn("nothing was stored: another program has held the database locked", err)
            self.assertEqual([one["key"] for one in store.json("accounts", "list")], ["acme"])
