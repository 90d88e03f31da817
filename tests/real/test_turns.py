"""Several processes that write one file: a flood by one lets the others in, and who finds the file locked waits or says so."""

import json
import sqlite3
import subprocess
import threading
import unittest
import urllib.request
from contextlib import closing

from rig import BINARY, Store, free_port, wait_until

EVENT = {"account": "acme", "event_type": "server.stopped"}


def post(url, token, events):
    """Hands events in, and returns when they are stored."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/events", json.dumps({"events": events}).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


class Flood:
    """Batches of so many events over HTTP, one after another on several connections, until it is left."""

    def __init__(self, store, size=20):
        self.store, self.size = store, size
        self.token = store.json("tokens", "create", "flood", "--scope", "emit")["token"]
        self.batches = 0
        self.refused = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]

    def run(self):
        while not self.is_over.is_set():
            try:
                post(self.store.http, self.token, [EVENT] * self.size)
                self.batches += 1
            except OSError as error:
                self.refused.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


class Turns(unittest.TestCase):
    def test_a_flood_by_one_process_starves_no_other_and_is_starved_by_none(self):
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            with Flood(store) as flood:
                wait_until(lambda: flood.batches > 0, 60)
                for number in range(10):
                    before = flood.batches
                    store.ok("emit", "acme", "server.backon", "--id", f"mine-{number}")
                    wait_until(lambda: flood.batches > before, 60)
            self.assertEqual(flood.refused, [])
            stored = store.json("events", "list", "--event-type", "server.backon", "--account", "acme")
            self.assertEqual(len(stored), 10)

    def test_who_waits_comes_after_the_transaction_under_way(self):
        """What counts is how many transactions of another process come before one's own. Each of those makes two thousand rows, which
        takes much longer than a request does to come."""
        with Store() as store:
            store.acme()
            store.ok("matrix", "set", "acme", "server.stopped", "email", "default")
            with closing(sqlite3.connect(store.path)) as database:
                database.execute("""INSERT INTO destination (account_id, channel, label, fields, only_types, state, created_at)
                    WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n LIMIT 49)
                    SELECT account_id, channel, n, fields, only_types, state, created_at FROM n, destination""")
                database.commit()
            store.serve()
            wait_until(store.is_ready)
            own = f"127.0.0.1:{free_port()}"
            store.processes.append(subprocess.Popen(
                [BINARY, "serve"], env=store.environment | {"BELLBOARD_HTTP_LISTEN": own}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ))

            def answers():
                try:
                    return urllib.request.urlopen(f"http://{own}/healthz", timeout=60).status == 200
                except OSError:
                    return False

            wait_until(answers)
            store.ok("accounts", "add", "calm", "--name", "Calm", "--email", "ops@calm.test")
            with Flood(store, size=40) as flood, closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)) as reader:
                wait_until(lambda: flood.batches > 0)

                def before_mine():
                    [last] = reader.execute("SELECT max(id) FROM event").fetchone()
                    post(f"http://{own}", flood.token, [EVENT | {"account": "calm"}])
                    # All that one transaction stores came at its time.
                    return reader.execute("""SELECT count(DISTINCT received_at) FROM event WHERE id > ?1 AND id < (
                        SELECT max(event.id) FROM event JOIN account ON account.id = account_id WHERE key = 'calm')""", (last,)).fetchone()[0]

                # Nearly always it is the one that was under way. Without turns who finds the file locked asks again after longer and
                # longer, and finds it locked again: now and then dozens come before, and then none for a while, as it is the other that
                # sleeps. On a machine so busy that a transaction takes a quarter of a second turns are passed over, for a while.
                before = sorted(before_mine() for _ in range(240))
            in_turn = sum(1 <= count <= 3 for count in before)
            self.assertGreater(in_turn, len(before) // 2, f"nobody waits for anybody: {before}")
            self.assertEqual(flood.refused, [])

    def test_who_finds_the_file_locked_waits_or_says_so(self):
        with Store() as store:
            store.acme()
            other = sqlite3.connect(store.path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            try:
                ingest = subprocess.Popen(
                    [BINARY, "ingest", "-"], env=store.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE
                )
                lines = [json.dumps(EVENT | {"data": {"n": n}}) + "\n" for n in range(2000)]
                ingest.stdin.write("".join(lines[:1000]).encode())
                ingest.stdin.flush()
                said = ingest.stderr.readline().decode()
                self.assertIn("this waits", said)
                code, out, err = store.run("emit", "acme", "server.stopped")
                self.assertEqual((code, out), (6, ""), err)
                self.assertIn("nothing was stored: another program has held the database locked", err)
                self.assertIn("try again", err)
                self.assertIsNone(ingest.poll(), "it has waited for longer than anybody else does")
            finally:
                other.execute("ROLLBACK")
                other.close()
            ingest.stdin.write("".join(lines[1000:]).encode())
            out, err = ingest.communicate(timeout=120)
            self.assertEqual(ingest.returncode, 0, err)
            self.assertIn("it goes on", err.decode())
            self.assertIn("2000 events stored", (out + err).decode().replace(",", ""))
            with sqlite3.connect(store.path) as reader:
                stored = [json.loads(data)["n"] for (data,) in reader.execute("SELECT data FROM event ORDER BY id")]
            self.assertEqual(stored, list(range(2000)), "all of it, once, in order")
