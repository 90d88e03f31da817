"""Several processes that write one file: a flood by one lets the others in, and who finds the file locked waits or says so."""

import json
import sqlite3
import subprocess
import threading
import unittest
import urllib.request

from rig import BINARY, Store, wait_until

EVENT = {"account": "acme", "event_type": "server.stopped"}


class Flood:
    """Batches of twenty events over HTTP, one after another on several connections, until it is left."""

    def __init__(self, store):
        self.store = store
        self.token = store.json("tokens", "create", "flood", "--scope", "emit")["token"]
        self.batches = 0
        self.refused = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]

    def run(self):
        body = json.dumps({"events": [EVENT] * 20}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        while not self.is_over.is_set():
            try:
                request = urllib.request.Request(f"{self.store.http}/v1/events", body, headers)
                with urllib.request.urlopen(request, timeout=60) as answer:
                    answer.read()
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
