"""Bad input: one sentence that says what to do, the exit code that scripts rely on, nothing half done."""

import os
import shutil
import sqlite3
import stat
import subprocess
import unittest

from rig import BINARY, Store


class BadInput(unittest.TestCase):
    def refused(self, store, expected, words, *arguments, input=None):
        code, out, err = store.run(*arguments, input=input)
        self.assertEqual(code, expected, out + err)
        self.assertIn(words, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)

    def test_events(self):
        with Store() as store:
            store.acme()
            emit = ("emit", "acme", "server.stopped", "--data")
            self.refused(store, 3, "no account `nobody`", "emit", "nobody", "server.stopped")
            self.refused(store, 3, "did you mean `server.stopped`", "emit", "acme", "server.stoped")
            self.refused(store, 2, "one JSON object", *emit, "[1]")
            self.refused(store, 2, "one JSON object", *emit, '{"half": ')
            large = b'{"x":"' + b"x" * 10_000_000 + b'"}'
            self.refused(store, 2, "bytes", *emit, "-", input=large)
            self.assertEqual(store.json("events", "list"), [])

    def test_half_a_line(self):
        good = b'{"account":"acme","event_type":"server.stopped","data":{"n":1}}\n'
        with Store() as store:
            store.acme()
            code, out, err = store.run("ingest", "-", input=good + good + good[:30])
            self.assertEqual(code, 1, out + err)
            self.assertIn("line 3", err)
            self.assertEqual(len(store.json("events", "list")), 2)

    def test_files(self):
        with Store() as store:
            text = os.path.join(store.folder, "text.db")
            with open(text, "w") as file:
                file.write("this is not a database at all\n")
            self.refused(store, 6, "no bellboard database", "--db", text, "accounts", "list")
            with open(text) as file:
                self.assertEqual(file.read(), "this is not a database at all\n")
            store.acme()
            database = sqlite3.connect(store.path)
            database.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)"
                             " VALUES (9999, 'later', 1, x'00', 0)")
            database.commit()
            database.close()
            self.refused(store, 6, "newer bellboard", "accounts", "list")
            self.refused(store, 6, "folder", "--db", os.path.join(text, "below/a.db"), "accounts", "list")

    @unittest.skipIf(os.getuid() == 0 and not os.path.exists("/usr/bin/setpriv"), "root may write everywhere here")
    def test_a_folder_that_cannot_be_written(self):
        with Store() as store:
            folder = os.path.join(store.folder, "locked")
            os.mkdir(folder)
            os.chmod(folder, stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
            os.chmod(store.folder, 0o755)
            as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
            # Another user may not be let into the folder where the binary was built.
            binary = shutil.copy(BINARY, os.path.join(store.folder, "binary"))
            done = subprocess.run([*as_nobody, binary, "--db", os.path.join(folder, "a.db"), "accounts", "list"],
                                  env=store.environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn("--db", done.stderr)
            self.assertEqual(os.listdir(folder), [])
