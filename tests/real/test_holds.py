"""A service that asked to be left alone is left alone by the next process too, however the last one ended."""

import signal
import time
import unittest

from rig import Receiver, Store, wait_until

# Long enough that a slow machine restarts well within it.
WISH = 15

# The clock's own step is a millisecond.
LEAST = WISH - 0.005

MANY = 40

SLOWER = (429, {"Retry-After": str(WISH)}, "slower")


def delivers(store):
    """Starts a process that delivers, and waits until it does."""
    process = store.serve()
    wait_until(store.is_ready)
    return process


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def first_row(store):
    """The first delivery, when its answer has been written."""
    return wait_until(lambda: (row := store.json("deliveries", "list")[-1])["status"] == 429 and row)


class Holds(unittest.TestCase):
    def is_left_alone(self, receiver, refused=1):
        """Nothing came before its time, by the receiver's own clock: what came after what it refused."""
        asked = receiver.requests[0][0]
        for (at, *_), path in zip(receiver.requests[refused:], receiver.paths[refused:], strict=True):
            self.assertGreaterEqual(at - asked, LEAST, path)

    def test_a_killed_process_leaves_its_hold_to_the_next(self):
        with Receiver(SLOWER, (200, {})) as receiver, Store() as store:
            store.acme(receiver.url)
            process = delivers(store)
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            row = first_row(store)
            self.assertEqual((row["state"], row["attempts"]), ("pending", 0), row)
            asked = receiver.requests[0][0]
            lines = '{"account":"acme","event_type":"server.stopped","data":{}}\n' * MANY
            store.ok("ingest", "-", input=lines.encode())
            killed(process)
            for _ in range(2):
                process = delivers(store)
                store.ok("emit", "acme", "server.stopped", "--data", "{}")
                waiting = store.json("deliveries", "list")[0]
                if time.monotonic() - asked < WISH - 2:
                    self.assertEqual((waiting["state"], waiting["attempts"]), ("pending", 0), waiting)
                    self.assertIn("asked to be left alone until", waiting["reason"])
                    self.assertGreater(waiting["next_attempt_at"], waiting["created_at"])
                killed(process)
            delivers(store)
            count = MANY + 3
            wait_until(lambda: len(receiver.requests) == 1 + count)
            self.is_left_alone(receiver)
            rows = wait_until(lambda: (rows := store.json("deliveries", "list", "--limit", "1000")) and
                              all(row["state"] == "delivered" for row in rows) and rows)
            self.assertEqual((len(rows), {row["attempts"] for row in rows}), (count, {1}))
            ids = {headers["webhook-id"] for _, headers, _ in receiver.requests[1:]}
            self.assertEqual((len(ids), len(receiver.requests)), (count, 1 + count), "each once, after the one that was refused")

    def test_a_shared_limit_outlives_the_process_and_the_destination_that_met_it(self):
        ok = (200, {}, "ok")
        with Receiver(of_paths={"/a": [SLOWER, ok], "/b": [ok]}) as slack, Store() as store:
            store.acme()
            store.ok("matrix", "set", "acme", "server.stopped", "slack", "on")
            store.ok("destinations", "add", "acme", "slack", "--url", slack.root + "/a", "--label", "a")
            process = delivers(store)
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            first_row(store)
            killed(process)
            met = [one for one in store.json("destinations", "list", "acme") if one["channel"] == "slack"][0]
            store.ok("destinations", "remove", met["id"], "--yes")
            store.ok("destinations", "add", "acme", "slack", "--url", slack.root + "/b", "--label", "b")
            delivers(store)
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            wait_until(lambda: len(slack.requests) == 2)
            self.assertEqual(slack.paths, ["/a", "/b"])
            self.is_left_alone(slack)

    def test_no_secret_is_kept_of_what_is_shared(self):
        ok = (200, {}, "ok")
        with Receiver(of_paths={"/services/T0/B0/s3cr3t": [SLOWER, ok]}) as slack, Store() as store:
            store.acme()
            store.ok("matrix", "set", "acme", "server.stopped", "slack", "on")
            store.ok("destinations", "add", "acme", "slack", "--url", slack.root + "/services/T0/B0/s3cr3t", "--label", "a")
            process = delivers(store)
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            first_row(store)
            killed(process)
            for file in [store.path, store.path + "-wal"]:
                with open(file, "rb") as content:
                    self.assertNotIn(b"s3cr3t", content.read(), file)


if __name__ == "__main__":
    unittest.main()
