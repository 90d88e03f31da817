"""More comes in than can be stored: the door says so at once, everybody else is left alone, nothing acknowledged is lost, and it goes
on by itself. The store is made too slow by another program that holds the file, so that how fast this machine is decides nothing."""

import collections
import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import threading
import unittest

from rig import BINARY, Receiver, Store, open_door, wait_until

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

    def all_arrived(self, door):
        """Whatever was sent is acknowledged in the end, and each reaches the receiver once."""
        self.assertEqual(door.acknowledged, set(range(door.serial)))
        wait_until(lambda: len(self.receiver.requests) >= door.serial, 240)
        numbers = collections.Counter(json.loads(body)["n"] for _, _, body in self.receiver.requests)
        self.assertEqual(numbers, collections.Counter(range(door.serial)))

    def test_a_flood_of_one_account_is_sent_away_and_no_other(self):
        self.account("flood")
        self.account("calm")
        door = open_door(self)
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
        door = open_door(self)
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
