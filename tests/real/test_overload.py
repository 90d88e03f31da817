"""More comes in than can be stored: the door says so at once, everybody else is left alone, nothing acknowledged is lost, and it goes
on by itself. The store is made too slow by another program that holds the file, so that how fast this machine is decides nothing."""

import collections
import contextlib
import json
import os
import resource
import selectors
import socket
import sqlite3
import subprocess
import threading
import unittest
import urllib.parse

from rig import BINARY, PATIENCE, Receiver, Store, wait_until

# As in src/store/door.rs and src/store/writer.rs: what may wait of one account, and of all.
AT_DOOR_MAX = 16 * 1024
REQUESTS_OF_ONE_MAX = 32
CROWDED = 768


@contextlib.contextmanager
def held(store):
    """Nobody else can write to the store meanwhile."""
    database = sqlite3.connect(store.path, isolation_level=None, timeout=30)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


class Door:
    """Requests to a store's server, many at once, each on a connection of its own; and a ledger of what was acknowledged."""

    def __init__(self, store, tokens):
        address = urllib.parse.urlsplit(store.http)
        self.address, self.tokens = (address.hostname, address.port), tokens
        self.selector = selectors.DefaultSelector()
        self.acknowledged = set()
        self.answers = collections.Counter()
        self.refused = []
        self.serial = 0

    def send(self, account, count):
        """A batch of so many new events."""
        events = [{"account": account, "event_type": "server.stopped", "data": {"n": self.serial + n},
                   "id": f"n{self.serial + n}"} for n in range(count)]
        self.serial += count
        self.post(account, events)

    def post(self, account, events):
        body = json.dumps({"events": events}).encode()
        head = (f"POST /v1/events HTTP/1.1\r\nhost: bellboard\r\nauthorization: Bearer {self.tokens[account == 'calm']}\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
        stream = socket.create_connection(self.address, timeout=PATIENCE)
        stream.sendall(head.encode() + body)
        self.selector.register(stream, selectors.EVENT_READ, (account, events, bytearray()))

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def under_way(self):
        return len(self.selector.get_map())

    def hear(self, seconds=60):
        """Waits for something to be answered, and takes what is."""
        ready = self.selector.select(seconds)
        assert ready, f"nothing is answered; {dict(self.answers)}"
        for key, _ in ready:
            account, events, answer = key.data
            piece = key.fileobj.recv(1 << 20)
            answer += piece
            if not piece:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.note(account, events, bytes(answer))

    def note(self, account, events, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        headers = dict(line.lower().split(": ", 1) for line in head.decode().splitlines()[1:])
        document = json.loads(body)
        self.answers[account, status, document.get("type")] += 1
        if status == 202:
            assert document["accepted"] == len(events), document
            self.acknowledged.update(event["data"]["n"] for event in events)
        else:
            assert status in (429, 503), answer
            assert int(headers["retry-after"]) >= 1, headers
            assert document["retry_after"] == int(headers["retry-after"]), document
            self.refused.append((account, events))

    def send_again(self):
        """What was sent away comes again, some at a time, until all is acknowledged."""
        while self.refused or self.under_way():
            while self.refused and self.under_way() < 8:
                self.post(*self.refused.pop())
            self.hear()


class Overload(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        # As behind a proxy: so many connections as are made here no single address may hold.
        self.store = Store(BELLBOARD_HTTP_PROXIES="127.0.0.0/8")
        self.addCleanup(self.store.close)

    def account(self, key):
        self.store.ok("accounts", "add", key, "--name", key, "--email", f"ops@{key}.test")
        self.store.ok("matrix", "set", key, "server.stopped", "email", "off")
        self.store.ok("destinations", "add", key, "webhook", "--url", self.receiver.url)
        self.store.ok("matrix", "set", key, "server.stopped", "webhook", "on")

    def door(self):
        # A token of its own for whoever keeps calm, since each is also held to a rate.
        tokens = [self.store.json("tokens", "create", name, "--scope", "emit")["token"] for name in ("flood", "calm")]
        self.store.serve()
        wait_until(self.store.is_ready)
        door = Door(self.store, tokens)
        self.addCleanup(door.close)
        return door

    def all_arrived(self, door):
        """Whatever was sent is acknowledged in the end, and each reaches the receiver once."""
        self.assertEqual(door.acknowledged, set(range(door.serial)))
        wait_until(lambda: len(self.receiver.requests) >= door.serial, 240)
        numbers = collections.Counter(json.loads(body)["n"] for _, _, body in self.receiver.requests)
        self.assertEqual(numbers, collections.Counter(range(door.serial)))

    def test_a_flood_of_one_account_is_sent_away_and_no_other(self):
        self.account("flood")
        self.account("calm")
        door = self.door()
        batch = 1000
        with held(self.store):
            for _ in range(AT_DOOR_MAX // batch + 8):
                door.send("flood", batch)
            while door.answers["flood", 429, "urn:bellboard:too-many-requests"] < 4:
                door.hear()
            for _ in range(3):
                door.send("calm", 1)
            self.assertFalse(door.acknowledged, "nothing can be stored meanwhile")
        while door.under_way():
            door.hear()
        self.assertFalse([answer for answer in door.answers if answer[:2] == ("calm", 429)], door.answers)
        self.assertTrue(door.acknowledged, "those that waited were stored when it could be")
        door.send_again()
        self.all_arrived(door)

    def test_a_line_that_is_full_refuses_all_and_goes_on_by_itself(self):
        accounts = [f"acme-{n}" for n in range(CROWDED // REQUESTS_OF_ONE_MAX + 2)]
        for account in accounts:
            self.account(account)
        door = self.door()
        with held(self.store):
            for _ in range(REQUESTS_OF_ONE_MAX):
                for account in accounts:
                    door.send(account, 1)
            while sum(door.answers[account, 503, "urn:bellboard:overloaded"] for account in accounts) < 8:
                door.hear()
            self.assertFalse(door.acknowledged, "nothing can be stored meanwhile")
        while door.under_way():
            door.hear()
        self.assertTrue(door.acknowledged, "those that waited were stored when it could be")
        door.send_again()
        self.all_arrived(door)

    def test_ingest_takes_no_more_than_it_can_hand_over(self):
        self.account("acme")
        lines, taken = 12_000, 0
        with held(self.store):
            outlet, inlet = os.pipe()
            ingest = subprocess.Popen([BINARY, "--json", "ingest", "-"], env=self.store.environment, stdin=outlet,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            os.close(outlet)

            def feed():
                nonlocal taken
                for n in range(lines):
                    line = {"account": "acme", "event_type": "server.stopped", "data": {"n": n, "log": "x" * 1500}}
                    os.write(inlet, json.dumps(line).encode() + b"\n")
                    taken += 1
                os.close(inlet)

            feeder = threading.Thread(target=feed)
            feeder.start()
            wait_until(lambda: taken >= 40)
            # What it holds, and what lies in the pipe; the rest waits outside.
            self.assertLess(taken, 10 * 512)
        out, err = ingest.communicate()
        feeder.join(60)
        self.assertEqual((ingest.returncode, json.loads(out)["stored"]), (0, lines), err)
        database = sqlite3.connect(self.store.path)
        self.addCleanup(database.close)
        numbers = database.execute("SELECT data ->> 'n' FROM event ORDER BY id").fetchall()
        self.assertEqual([n for n, in numbers], list(range(lines)))


if __name__ == "__main__":
    unittest.main()
