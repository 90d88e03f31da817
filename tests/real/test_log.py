"""The log stays bounded whatever fails: every receiver, the disk, a client that sends nonsense without end. No line of it is torn."""

import collections
import contextlib
import errno
import http.client
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from crash import faults
from rig import BINARY, Store, wait_until
from test_http import Api

# As in src/cli/log_bound.rs.
LINES_MAX, OF_A_KIND_MAX = 300, 60

EVENTS = 400

# As in src/cli/log_file.rs, and what was logged before.
FILE_BYTES = 10 * 1024 * 1024
EARLIER = "2026-01-01T00:00:00.000000Z  INFO bellboard::cli::serve: an earlier line\n"


class Bounded(unittest.TestCase):
    def serve(self, store, *arguments):
        self.log = os.path.join(store.folder, "serve.log")
        process = subprocess.Popen([BINARY, "serve", "--log-file", self.log, "--log-format", "json", *arguments],
                                   env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        store.processes.append(process)
        wait_until(store.is_ready)

    def lines(self, torn_max):
        """The log's lines, each a whole object but for so many that a full disk had no room for: those begin like one, and end there."""
        whole, torn = [], []
        for line in pathlib.Path(self.log).read_text().splitlines():
            self.assertTrue(line.startswith('{"timestamp":'), line)
            try:
                whole.append(json.loads(line))
            except json.JSONDecodeError:
                torn.append(line)
        self.assertLessEqual(len(torn), torn_max, torn)
        return whole

    def check(self, torn_max=0):
        """So many lines in each minute, and so many of one kind; the minutes of the log and those of the clock overlap."""
        lines = self.lines(torn_max)
        print(f"{len(lines)} lines")
        minutes = 1 + len({re.match(r"[^:]+:\d+", time)[0] for time in (line["timestamp"] for line in lines)})
        told = [line for line in lines if "like" in line]
        self.assertLessEqual(len(lines) - len(told), LINES_MAX * minutes)
        kinds = collections.Counter((line["target"], line["level"], line["message"]) for line in lines if line not in told)
        self.assertLessEqual(max(kinds.values()), OF_A_KIND_MAX * minutes, kinds)

    def flood(self, store):
        lines = [json.dumps({"account": "acme", "event_type": "server.stopped", "data": {"n": n}}) + "\n" for n in range(EVENTS)]
        store.ok("ingest", "-", input="".join(lines).encode())

    def test_while_every_receiver_is_dead(self):
        with Store(BELLBOARD_DELIVERY_RETRY="1ms,1ms,1ms,1ms") as store:
            # Nobody listens there.
            store.acme("http://127.0.0.1:9/in")
            self.serve(store)
            self.flood(store)
            wait_until(lambda: not store.json("deliveries", "list", "--state", "pending") and not store.json("deliveries", "list", "--state", "sending"))
            self.check()

    def test_while_the_disk_is_full(self):
        folder, library = faults.build()
        self.addCleanup(folder.cleanup)
        with Store() as store:
            store.acme("http://127.0.0.1:9/in")
            api = Api(store)
            broken = faults.Faults(library, store.folder)
            self.addCleanup(broken.close)
            store.environment |= broken.environment
            self.serve(store)
            # The database cannot grow; the log, which is beside it here, cannot either, and is whole again afterwards.
            broken.fail(faults.GROW, errno.ENOSPC)
            statuses = [api.emit({"event_type": "server.stopped", "data": {"x": "y" * 20_000}})[0] for _ in range(EVENTS)]
            self.assertIn(503, statuses)
            broken.heal()
            wait_until(lambda: api.emit()[0] == 202)
            self.check(torn_max=5)

    def test_while_a_client_sends_nonsense(self):
        with Store() as store:
            store.acme()
            api = Api(store)
            self.serve(store)
            for number in range(EVENTS):
                with api.connect() as wire, contextlib.suppress(OSError, http.client.HTTPException):
                    wire.sendall((b"\x16\x03\x01\x00\xff", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100, b"POST /v1/events HTTP/1.1\r\ncontent-length: x\r\n\r\n",
                                  api.head("POST", "/v1/events", "content-length: 5") + b"\r\n{\x1b[2J")[number % 5])
            self.assertEqual(api.emit()[0], 202)
            self.check()

    def storms(self, style):
        """Storms of failures of four kinds at the most talkative level, while the file is put aside; then a minute passes."""
        folder, library = faults.build()
        self.addCleanup(folder.cleanup)
        with tempfile.TemporaryDirectory() as logs, Store(BELLBOARD_DELIVERY_RETRY="1ms,1ms,1ms,1ms") as store:
            store.acme("http://127.0.0.1:9/in")
            api = Api(store)
            broken = faults.Faults(library, store.folder)
            self.addCleanup(broken.close)
            # So full that it is put aside in the middle of the first storm.
            log = pathlib.Path(logs, "serve.log")
            before = EARLIER * ((FILE_BYTES - 5000) // len(EARLIER))
            log.write_text(before)
            process = subprocess.Popen(
                [BINARY, "serve", "--log", "trace", "--log-file", str(log), "--log-format", style],
                env=store.environment | broken.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            store.processes.append(process)
            began = time.monotonic()
            wait_until(store.is_ready)
            self.flood(store)
            ended = lambda: not any(store.json("deliveries", "list", "--state", state) for state in ("pending", "sending"))
            wait_until(ended)
            for _ in range(EVENTS):
                with api.connect() as wire, contextlib.suppress(OSError):
                    wire.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
                    wire.recv(1000)
            broken.fail(faults.GROW, errno.ENOSPC)
            # The log of commits may have room for a few.
            statuses = [api.emit({"event_type": "server.stopped", "data": {"x": "y" * 20_000}})[0] for _ in range(EVENTS)]
            broken.heal()
            wait_until(ended)

            def lines():
                aside = pathlib.Path(f"{log}.1").read_text()
                self.assertTrue(aside.startswith(before), "what was there is put aside as it was")
                self.assertFalse(os.path.exists(f"{log}.2"))
                found = [self.parsed(line, style) for text in (aside[len(before):], log.read_text()) for line in text.splitlines()]
                return found, lambda kind: [line for line in found if line[1].startswith(kind)]

            # What is said once is not hidden by all that.
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: lines()[1]("a SIGHUP changes nothing"))
            broken["steady_ms"] = 61_000
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(lines()[1]("a SIGHUP changes nothing")) == 2)
            minutes = 2 + int(time.monotonic() - began) // 60
            found, of = lines()
            told = [(int(match[1]), match[2]) for line in found if (match := re.match(r"and (\d+) more like this were left out: (.*)", line[1]))]
            self.assertLessEqual(len(found) - len(told), LINES_MAX * minutes)
            with contextlib.closing(sqlite3.connect(store.path)) as database:
                tries, = database.execute("SELECT count(*) FROM attempt").fetchone()
            self.assertGreaterEqual(tries, 5 * EVENTS)
            refused = statuses.count(503)
            self.assertGreater(refused, 3 * OF_A_KIND_MAX)
            for kind, at_least in (("a send ended", tries), ("a connection ended early", EVENTS),
                                   ("a transaction failed", refused), ("a request failed at the store", refused)):
                with self.subTest(style=style, kind=kind):
                    shown, left_out = len(of(kind)), sum(count for count, like in told if kind in like)
                    print(f"{style}: {kind}: {shown} lines, {left_out} left out")
                    self.assertLessEqual(shown, OF_A_KIND_MAX * minutes)
                    self.assertGreater(shown, OF_A_KIND_MAX / 2)
                    self.assertGreaterEqual(shown + left_out, at_least, "each is told or counted")

    def parsed(self, line, style):
        """The level and the message of a line, which is whole."""
        if style == "json":
            document = json.loads(line)
            return document["level"], f"{document['message']}: {document['like']}" if "like" in document else document["message"]
        match = re.fullmatch(r"\S+Z +([A-Z]+) [a-z_:]+: (.*)", line)
        self.assertTrue(match, f"a torn line: {line}")
        return match[1], match[2]

    def test_while_all_of_it_happens_at_once_as_text(self):
        self.storms("text")

    def test_while_all_of_it_happens_at_once_as_json(self):
        self.storms("json")


if __name__ == "__main__":
    unittest.main()
