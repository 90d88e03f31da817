"""The seven things that hold after every round, however it ended.

1. What was acknowledged is stored, once.
2. There is one delivery for each event and matching destination, no other, and (when all was let end) each has ended.
3. What is delivered was received; each receipt has a claim from before it.
4. A second receipt is only of a send that was under way, and has the same webhook-id.
5. After an end nothing follows but a replay.
6. integrity_check and foreign_key_check are clean, and nothing unfinished lacks a due time.
7. The first due send comes soon after the start (`drive` measures it).

They look at a copy of the file, so that the program's own recovery is what the next start tests.
"""

import collections
import json
import os
import shutil
import sqlite3
import tempfile

from crash.world import EXPECTED

ENDS = ("delivered", "failed", "cancelled")

# Interrupted tries after which a delivery is parked, since it may be what ends the process. Where a machine is so slow that the same
# sends are under way at each kill, a store's rounds are enough for that.
INTERRUPTED_MAX = 10

# A clock's reading is cut to whole milliseconds in the file.
SLACK_MS = 2


def open_copy(path, folder):
    """The database as a start would find it now."""
    for ending in ("", "-wal"):
        if os.path.exists(path + ending):
            shutil.copy(path + ending, os.path.join(folder, "copy.db" + ending))
    return sqlite3.connect(os.path.join(folder, "copy.db"))


def check(world, settled=False):
    """Checks all that can be checked now; `settled` when everything was let end. Returns what it counted."""
    with tempfile.TemporaryDirectory(prefix="bellboard-crash-") as folder:
        database = open_copy(world.path, folder)
        database.row_factory = sqlite3.Row
        try:
            return Check(world, database).all(settled)
        finally:
            database.close()


class Check:
    def __init__(self, world, database):
        self.world = world
        self.database = database
        self.events = database.execute(
            "SELECT event.id, public_id, account.key AS account, event_type, data FROM event"
            " JOIN account ON account.id = account_id"
        ).fetchall()
        self.ids = {row["id"]: webhook_id(row["public_id"]) for row in self.events}
        self.deliveries = database.execute(
            "SELECT delivery.*, destination.fields FROM delivery JOIN destination ON destination.id = destination_id"
        ).fetchall()
        self.claims = collections.defaultdict(list)
        self.interrupted, self.killed = collections.Counter(), collections.Counter()
        for row in database.execute("SELECT delivery_id, started_at, outcome, status FROM attempt"):
            self.claims[row["delivery_id"]].append(row["started_at"])
            # Under way when the process ended, or when its time was up: the receiver may have taken it.
            unknown = row["outcome"] == "interrupted" or (row["outcome"] == "failed" and row["status"] is None)
            self.interrupted[row["delivery_id"]] += unknown
            self.killed[row["delivery_id"]] += row["outcome"] == "interrupted"
        for row in self.deliveries:
            if row["state"] == "sending":
                self.claims[row["id"]].append(row["updated_at"])
                self.interrupted[row["id"]] += 1
        self.receipts = collections.defaultdict(list)
        for receipt in list(world.receipts):
            self.receipts[receipt.id, receipt.path].append(receipt)

    def all(self, settled):
        self.acknowledged_is_stored()
        self.one_delivery_each(settled)
        for row in self.deliveries:
            name = self.world.names[row["id"]] = (self.ids[row["event_id"]], path_of(row))
            receipts = self.receipts.get(name, [])
            self.received_and_claimed(row, receipts)
            self.seconds_were_under_way(row, receipts, self.world.ledger.replays.get(name, 0))
            self.nothing_after_an_end(row, receipts, self.world.ledger.replays.get(name, 0))
        self.file_is_clean()
        self.world.waiting = sum(row["state"] not in ENDS for row in self.deliveries)
        return {"events": len(self.events), "deliveries": len(self.deliveries), "receipts": len(self.world.receipts)}

    def acknowledged_is_stored(self):
        stored = collections.Counter()
        for row in self.events:
            n = json.loads(row["data"])["n"]
            stored[n] += 1
            handed = self.world.ledger.handed.get(n)
            assert handed, f"1: {n} is stored, and nobody handed it in"
            found = (row["account"], row["event_type"])
            assert found == (handed.account, handed.event_type), f"1: {n} is stored as {found}"
        lost = set(self.world.ledger.acknowledged) - set(stored)
        assert not lost, f"1: acknowledged, and not stored: {sorted(lost)[:9]} of {len(lost)}"
        twice = [n for n, count in stored.items() if count > 1]
        assert not twice, f"1: stored more than once: {twice[:9]}"

    def has_ended(self, row):
        return row["state"] in ENDS or (row["state"] == "parked" and self.killed[row["id"]] >= INTERRUPTED_MAX)

    def one_delivery_each(self, settled):
        found = collections.defaultdict(list)
        for row in self.deliveries:
            found[row["event_id"]].append(path_of(row))
        for row in self.events:
            expected = sorted(EXPECTED[row["account"], row["event_type"]])
            paths = sorted(found[row["id"]])
            assert paths == expected, f"2: {self.ids[row['id']]} goes to {paths} instead of {expected}"
        open_ = [(row["id"], row["state"], row["reason"]) for row in self.deliveries if not self.has_ended(row)]
        assert not (settled and open_), f"2: never ended: {open_[:9]} of {len(open_)}"
        known = {(self.ids[row["event_id"]], path_of(row)) for row in self.deliveries}
        strange = set(self.receipts) - known
        assert not strange, f"2: received, and there is no such delivery: {sorted(strange)[:9]}"

    def received_and_claimed(self, row, receipts):
        good = sum(receipt.status == 200 for receipt in receipts)
        assert row["state"] != "delivered" or good, f"3: dlv_{row['id']} is delivered, and never arrived"
        claims = sorted(self.claims[row["id"]])
        for number, receipt in enumerate(sorted(receipt.at for receipt in receipts), 1):
            before = sum(claim <= receipt + SLACK_MS or self.world.clock_moves for claim in claims)
            assert before >= number, f"3: receipt {number} of dlv_{row['id']} at {receipt} has no claim: {claims}"

    def seconds_were_under_way(self, row, receipts, replays):
        good = sum(receipt.status == 200 for receipt in receipts)
        allowed = 1 + replays + self.interrupted[row["id"]]
        assert good <= allowed, f"4: dlv_{row['id']} was taken {good} times, {allowed} were possible"
        bodies = {json.dumps({**receipt.body, "timestamp": 0}) for receipt in receipts}
        assert len(bodies) <= 1, f"4: dlv_{row['id']} arrived as different bodies: {bodies}"

    def nothing_after_an_end(self, row, receipts, replays):
        key, now = row["id"], (row["state"], row["attempts"], len(receipts), replays)
        before = self.world.ended.get(key)
        if before and before[3] == replays:
            assert now == before, f"5: dlv_{key} had ended as {before}, and is {now}"
        if row["state"] in ENDS:
            self.world.ended[key] = now
            late = [r.at for r in receipts if r.at > row["updated_at"] + SLACK_MS]
            assert not late or self.world.clock_moves, f"5: dlv_{key} ended at {row['updated_at']}, and was received at {late}"

    def file_is_clean(self):
        found = [tuple(row) for row in self.database.execute("PRAGMA integrity_check")]
        assert found == [("ok",)], f"6: {found}"
        found = [tuple(row) for row in self.database.execute("PRAGMA foreign_key_check")]
        assert not found, f"6: {found}"
        sql = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending') AND due_at IS NULL"
        assert self.database.execute(sql).fetchone()[0] == 0, "6: something unfinished has no due time"


def webhook_id(public_id):
    return "evt_" + public_id.hex()


def path_of(row):
    return json.loads(row["fields"])["url"].rsplit("/", 1)[1]
