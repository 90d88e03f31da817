"""Nothing acknowledged is lost: `serve` is killed with SIGKILL again and again while events come in and go out.

The test keeps its own ledger of what `emit` and `ingest` acknowledged, and compares it with what the receiver got. Duplicates
may only be of sends that were under way, so they carry the same webhook-id. BELLBOARD_CRASH_ROUNDS says how many kills (12 when
not said), BELLBOARD_CRASH_SEED repeats a run.
"""

import json
import os
import random
import signal
import sqlite3
import time
import unittest

from rig import Receiver, Store, wait_until

ROUNDS = int(os.environ.get("BELLBOARD_CRASH_ROUNDS", "12"))
SEED = int(os.environ.get("BELLBOARD_CRASH_SEED", random.randrange(1 << 32)))


class Crash(unittest.TestCase):
    def test_kill_9_loses_nothing(self):
        print(f"seed {SEED}, {ROUNDS} rounds")
        chance = random.Random(SEED)
        # Every fifth answer is a failure, so that some deliveries wait for a retry when the process dies.
        answers = [(500, {}) if n % 5 == 4 else (200, {}) for n in range(100_000)]
        with Receiver(*answers) as receiver, Store(BELLBOARD_DELIVERY_RETRY="50ms,100ms,200ms,1s,1s,1s,1s,1s,1s") as store:
            store.acme(receiver.url)
            ledger = set()
            for number in range(ROUNDS):
                process = store.serve()
                lines = "".join(
                    json.dumps({"account": "acme", "event_type": "server.stopped", "data": {"n": f"{number}-{n}"}}) + "\n"
                    for n in range(chance.randrange(20, 200))
                )
                code, _, err = store.run("ingest", "-", input=lines.encode())
                self.assertEqual(code, 0, err)
                ledger |= {json.loads(line)["data"]["n"] for line in lines.splitlines()}
                store.ok("emit", "acme", "server.stopped", "--data", json.dumps({"n": f"{number}-emit"}))
                ledger.add(f"{number}-emit")
                time.sleep(chance.random() * 0.25)
                process.send_signal(signal.SIGKILL)
                process.wait()
            started = time.monotonic()
            store.serve()

            def unfinished():
                database = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
                (count,) = database.execute("SELECT count(*) FROM delivery WHERE state <> 'delivered'").fetchone()
                database.close()
                return count

            wait_until(lambda: unfinished() == 0, 120)
            print(f"settled {time.monotonic() - started:.1f} s after the last start")
            got = {}
            for _, headers, body in receiver.requests:
                got.setdefault(json.loads(body)["n"], set()).add(headers["webhook-id"])
            self.assertEqual(ledger - set(got), set(), "acknowledged, and never received")
            self.assertEqual(set(got) - ledger, set(), "received, and never acknowledged")
            self.assertTrue(all(len(ids) == 1 for ids in got.values()), "one id for each event")
            print(f"{len(ledger)} events, {len(receiver.requests)} requests")
            database = sqlite3.connect(store.path)
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("PRAGMA foreign_key_check").fetchall(), [])
            stuck = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending') AND due_at IS NULL"
            self.assertEqual(database.execute(stuck).fetchone(), (0,))
            database.close()
