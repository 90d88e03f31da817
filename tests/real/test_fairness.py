"""Batches of many events: no transaction takes long, and whoever sends one event has a turn among those who flood. What counts is how
many transactions and rows there are before something, never how long that takes."""

import json
import sqlite3
import subprocess
import threading
import unittest
from collections import Counter
from contextlib import closing

from rig import BINARY, Receiver, Store, open_door, wait_until
from test_overload import held
from test_turns import post

# As in src/store/portion.rs: rows of events and deliveries of one transaction, and those of one account.
ROWS_MAX = 8192
ACCOUNT_ROWS_MAX = 2048

# Single events of one account beside a flood of another, and how much of the flood has to wait to be sent when each comes.
ROUNDS = 40
BACKLOG = 2000

# Destinations of an account, so that an event makes one row more than these.
FAN_OUT = 50


class Ingest:
    """Lines of one account without end, handed to `bellboard ingest -` as fast as it takes them, until this is left."""

    def __init__(self, store):
        self.process = subprocess.Popen([BINARY, "--json", "ingest", "-"], env=store.environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = 0
        self.is_over = threading.Event()
        self.feeder = threading.Thread(target=self.feed)

    def feed(self):
        with self.process.stdin as inlet:
            while not self.is_over.is_set():
                inlet.write(json.dumps({"account": "flood", "event_type": "server.stopped", "data": {"n": self.lines}}).encode() + b"\n")
                self.lines += 1

    def __enter__(self):
        self.feeder.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.feeder.join()
        self.process.stdin = None
        out, self.said = self.process.communicate()
        self.stored = json.loads(out)["stored"]


class Fairness(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.store = Store()
        self.addCleanup(self.store.close)

    def account(self, key):
        """An account whose mail waits for a server."""
        self.store.ok("accounts", "add", key, "--name", key, "--email", f"ops@{key}.test")

    def rows(self, statement, *values):
        with closing(sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)) as reader:
            return reader.execute(statement, values).fetchall()

    def transactions(self, after=0):
        """Of each transaction after an event, in order: the rows of each account. All that one stores came at its time."""
        rows = self.rows("""SELECT received_at, key, count(*) + sum((SELECT count(*) FROM delivery WHERE event_id = event.id))
            FROM event JOIN account ON account.id = account_id WHERE event.id > ? GROUP BY 1, 2 ORDER BY 1""", after)
        found = {}
        for at, key, count in rows:
            found.setdefault(at, Counter())[key] = count
        return list(found.values())

    def assert_bounded(self, transactions):
        for rows in transactions:
            self.assertLessEqual(sum(rows.values()), ROWS_MAX, rows)
            self.assertLessEqual(max(rows.values()), ACCOUNT_ROWS_MAX, rows)

    def test_a_single_event_has_its_turn_among_the_batches_of_another_account(self):
        self.account("flood")
        self.account("calm")
        door = open_door(self)

        def flood(refusals):
            """So many batches that so many more of them are sent away: the line is full."""
            wanted = door.answers["flood", 429, "urn:bellboard:too-many-requests"] + refusals
            while door.answers["flood", 429, "urn:bellboard:too-many-requests"] < wanted:
                door.send("flood", 1000)
                if door.under_way() > 24:
                    door.hear()

        with held(self.store):
            flood(4)
            door.send("calm", 1)
            # Each of these came later, and was seen.
            flood(8)
            self.assertFalse(door.acknowledged, "nothing can be stored meanwhile")
        while door.under_way():
            door.hear()
        accounts = [set(rows) for rows in self.transactions()]
        turn = next(number for number, keys in enumerate(accounts) if "calm" in keys)
        self.assertGreater(len(accounts), 6, "the flood takes many transactions")
        # One was under way, and one may have begun before it was seen.
        self.assertLessEqual(turn, 2, accounts)

    def test_single_events_come_through_beside_an_ingest_of_another_account(self):
        """Each is stored soon, by how many transactions of the flood come before it, and sent long before what of the flood came first."""
        store = self.store
        for key in ("flood", "calm"):
            self.account(key)
            store.ok("matrix", "set", key, "server.stopped", "email", "off")
            store.ok("destinations", "add", key, "webhook", "--url", self.receiver.url)
            store.ok("matrix", "set", key, "server.stopped", "webhook", "on")
        token = store.json("tokens", "create", "calm", "--scope", "emit")["token"]
        store.serve()
        wait_until(store.is_ready)
        # The number that stored events have in the order of their acceptance; those of the flood are all but a few.
        stored = lambda: self.rows("SELECT coalesce(max(id), 0) FROM event")[0][0]
        waits, before = [], []
        with Ingest(store) as flood:
            for number in range(ROUNDS):
                wait_until(lambda: stored() - len(self.receiver.requests) > BACKLOG)
                last = stored()
                post(store.http, token, [{"account": "calm", "event_type": "server.stopped", "data": {"calm": number}}])
                [[mine]] = self.rows("SELECT max(event.id) FROM event JOIN account ON account.id = account_id WHERE key = 'calm'")
                waits.append(self.rows("SELECT count(DISTINCT received_at) FROM event WHERE id > ? AND id < ?", last, mine)[0][0])
                before.append(mine - 1)
                wait_until(lambda: stored() > mine, every=0.01)
            self.assertIsNone(flood.process.poll(), "it is a flood to the end")
            sent = lambda: [json.loads(body) for _, _, body in list(self.receiver.requests)]
            wait_until(lambda: sum("calm" in data for data in sent()) == ROUNDS)
        self.assertEqual((flood.process.returncode, flood.stored), (0, flood.lines), flood.said)
        # The one under way and perhaps the next; dozens where nobody has turns. A machine that is too busy for those passes them over.
        self.assertGreater(sum(count <= 3 for count in waits), ROUNDS * 3 // 4, waits)
        places = {data["calm"]: place for place, data in enumerate(sent()) if "calm" in data}
        overtaken = [before[number] - places[number] for number in range(ROUNDS)]
        self.assertGreater(min(overtaken), BACKLOG // 2, overtaken)

    def test_no_transaction_holds_more_than_its_share_of_anybody(self):
        accounts = [f"acme-{n}" for n in range(6)]
        for key in (*accounts, "calm"):
            self.account(key)
        with closing(sqlite3.connect(self.store.path)) as database:
            database.execute("""INSERT INTO destination (account_id, channel, label, fields, only_types, state, created_at)
                WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n LIMIT ?)
                SELECT account_id, channel, n, fields, only_types, state, destination.created_at
                FROM n, destination JOIN account ON account.id = account_id WHERE key LIKE 'acme-%'""", (FAN_OUT - 1,))
            database.commit()
        door = open_door(self)
        with held(self.store):
            for key in accounts:
                door.send(key, 400)
            door.send("calm", 1)
        while door.under_way():
            door.hear()
        self.assertEqual(len(door.acknowledged), door.serial)
        transactions = self.transactions()
        self.assert_bounded(transactions)
        shared = max(transactions, key=lambda rows: sum(rows.values()))
        self.assertGreater(sum(shared.values()), ROWS_MAX * 3 // 4, "and it is used")
        self.assertGreater(len(shared), 3, shared)

        # By another process too, in which one caller brings the events of several accounts.
        last = self.rows("SELECT max(id) FROM event")[0][0]
        lines = [json.dumps({"account": accounts[n % 3], "event_type": "server.stopped", "data": {"n": door.serial + n}}) for n in range(1200)]
        self.store.ok("ingest", "-", input="\n".join(lines).encode())
        transactions = self.transactions(last)
        self.assert_bounded(transactions)
        self.assertGreater(len(transactions), 1200 * (FAN_OUT + 1) // ROWS_MAX)

        for key in accounts:
            numbers = self.rows("SELECT data ->> 'n' FROM event JOIN account ON account.id = account_id WHERE key = ? ORDER BY event.id", key)
            self.assertEqual(numbers, sorted(numbers), "in order, though in parts")


if __name__ == "__main__":
    unittest.main()
