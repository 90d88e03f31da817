"""Removals, cancellations, retention and changed schedules that take many steps, with a kill -9 after each: whatever is seen in between is
whole, and the next process goes on."""

import json
import os
import shutil
import sqlite3
import tempfile
import unittest
from contextlib import closing

from rig import Receiver, Store, wait_until

COUNT = 1300

# An event with more deliveries than a step removes.
FAN_OUT = 600


class Steps(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.store = Store()
        self.addCleanup(self.store.close)

    def rows(self, statement):
        with closing(sqlite3.connect(self.store.path)) as database:
            return database.execute(statement).fetchall()

    def ingest(self, account, count):
        event = json.dumps({"account": account, "event_type": "server.stopped"}) + "\n"
        self.store.ok("ingest", "-", input=(event * count).encode())

    def much_to_do(self):
        """A removed account and a cancelled backlog, of each of which some is left, and a large event that has ended."""
        store = self.store
        store.acme(self.receiver.url)
        for key in ("big", "wide"):
            store.ok("accounts", "add", key, "--name", key, "--email", f"ops@{key}.test")
        self.ingest("big", COUNT)
        store.ok("accounts", "remove", "big", "--yes")
        with closing(sqlite3.connect(store.path)) as database:
            database.execute("""INSERT INTO destination (account_id, channel, label, fields, only_types, state, created_at)
                WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n LIMIT ?)
                SELECT account_id, channel, n, fields, only_types, state, destination.created_at
                FROM n, destination JOIN account ON account.id = account_id WHERE key = 'wide'""", (FAN_OUT - 1,))
            database.commit()
        self.ingest("wide", 1)
        store.ok("deliveries", "cancel", "--account", "wide", "--yes")
        webhook = next(row["id"] for row in store.json("destinations", "list", "acme") if row["channel"] == "webhook")
        store.ok("destinations", "pause", webhook)
        self.ingest("acme", COUNT)
        for state in ("disable", "enable"):
            store.ok("destinations", state, webhook)

    def check(self):
        """What a start would find now; returns how many rows there are."""
        with tempfile.TemporaryDirectory() as folder:
            for ending in ("", "-wal"):
                if os.path.exists(self.store.path + ending):
                    shutil.copy(self.store.path + ending, os.path.join(folder, "copy.db" + ending))
            with closing(sqlite3.connect(os.path.join(folder, "copy.db"))) as copy:
                self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                self.assertEqual(copy.execute("PRAGMA foreign_key_check").fetchall(), [])
                seen = dict(copy.execute("""SELECT event.id, count(delivery.id) FROM event
                    JOIN account ON account.id = account_id AND account.removed_at IS NULL
                    LEFT JOIN delivery ON delivery.event_id = event.id GROUP BY 1"""))
                self.assertLessEqual(set(seen.values()), {1, FAN_OUT}, "an event is there in part")
                marked = copy.execute("""SELECT count(*) FROM delivery WHERE state <> 'cancelled' AND NOT EXISTS (
                    SELECT 1 FROM ending WHERE ending.destination_id = delivery.destination_id AND last >= delivery.id)
                    AND NOT EXISTS (SELECT 1 FROM event JOIN account ON account.id = account_id
                        WHERE event.id = event_id AND removed_at NOT NULL)""").fetchone()[0]
                self.assertEqual(marked, 0, "something that was ended would be sent")
                return sum(copy.execute(f"SELECT count(*) FROM {table} WHERE {what}").fetchone()[0] for table, what in (
                    ("event", "true"), ("delivery", "true"), ("delivery", "state = 'pending'"), ("destination", "true"), ("account", "true")))

    def test_each_step_is_whole_and_the_next_process_goes_on(self):
        self.much_to_do()
        left, kills = self.check(), 0
        # Each makes one step: it ends after the first, or before the second is durable.
        for point in ["upkeep.after:1", "upkeep.before:2"] * 100:
            code, out, err = self.store.run("prune", "--older-than", "1ms", "--yes", BELLBOARD_FAILPOINT=point)
            before, left = left, self.check()
            self.assertLessEqual(left, before)
            if code == 0:
                break
            self.assertEqual(code, -9, out + err)
            kills += 1
        self.assertEqual(code, 0)
        self.assertGreater(kills, 12, "it takes many steps")
        self.store.ok("prune", "--older-than", "1ms", "--yes")
        rows = {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("event", "delivery", "ending")}
        self.assertEqual(rows, {"event": 0, "delivery": 0, "ending": 0})
        self.assertEqual([row["key"] for row in self.store.json("accounts", "list")], ["acme", "wide"])
        self.store.serve()
        wait_until(self.store.is_ready)
        self.store.ok("emit", "acme", "server.stopped", "--wait")
        self.assertEqual(len(self.receiver.requests), 1, "what comes after is sent, and nothing of what was ended")

    def test_a_changed_schedule_reaches_all_that_waits_over_any_kill(self):
        store = self.store
        self.receiver.answers = ((500, {}),)
        store.acme(self.receiver.url)
        self.ingest("acme", COUNT)
        store.environment["BELLBOARD_DELIVERY_RETRY"] = "1h,1h"
        process = store.serve()
        wait_until(lambda: self.rows("SELECT count(*) FROM delivery WHERE attempts = 1 AND state = 'pending'") == [(COUNT,)])
        process.terminate()
        process.wait()
        store.environment["BELLBOARD_DELIVERY_RETRY"] = "2h,2h"
        moved = "SELECT count(*) FROM delivery WHERE state = 'pending' AND due_at - updated_at BETWEEN 7200000 AND 7920000"
        # Its start is the first of upkeep, and a step of 500 is made with it.
        for point, expected in (("reclaim.before:1", 0), ("reclaim.after:1", 500), ("upkeep.before:2", 500), ("upkeep.after:2", 1000),
                                ("upkeep.before:2", 1000)):
            store.environment["BELLBOARD_FAILPOINT"] = point
            self.assertEqual(store.serve().wait(60), -9, point)
            self.assertEqual(self.rows(moved), [(expected,)], point)
            self.assertEqual(self.rows("PRAGMA integrity_check"), [("ok",)])
        del store.environment["BELLBOARD_FAILPOINT"]
        store.serve()
        wait_until(lambda: not self.rows("SELECT 1 FROM rescheduling"))
        self.assertEqual(self.rows(moved), [(COUNT,)])
        self.assertEqual(len(self.receiver.requests), COUNT, "none came before its time")


if __name__ == "__main__":
    unittest.main()
