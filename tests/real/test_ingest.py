"""Twenty thousand events through `ingest` to one webhook: all arrive, none twice, and the rate is told."""

import json
import os
import pty
import subprocess
import unittest

from rig import BINARY, Receiver, Store, wait_until

EVENTS = 20_000


class Ingest(unittest.TestCase):
    def test_all_arrive_once(self):
        lines = "".join(
            json.dumps({"account": "acme", "event_type": "server.stopped", "data": {"n": n}}) + "\n" for n in range(EVENTS)
        )
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            store.serve()
            code, out, err = store.run("ingest", "-", input=lines.encode())
            self.assertEqual(code, 0, err)
            print((out + err).strip())
            self.assertRegex(out + err, r"20,?000.* a second")
            wait_until(lambda: len(receiver.requests) >= EVENTS, 240)
            ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
            numbers = {json.loads(body)["n"] for _, _, body in receiver.requests}
            self.assertEqual((len(ids), len(set(ids)), len(numbers)), (EVENTS, EVENTS, EVENTS))

    def test_a_terminal_shows_progress(self):
        with Store() as store:
            store.acme()
            path = os.path.join(store.folder, "events")
            with open(path, "w") as file:
                for n in range(100_000):
                    file.write('{"account":"acme","event_type":"server.stopped","data":{"n":%d}}\n' % n)
            master, slave = pty.openpty()
            ingest = subprocess.Popen([BINARY, "ingest", path], env=store.environment, stdout=slave, stderr=slave)
            os.close(slave)
            shown = b""
            while True:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            os.close(master)
            self.assertEqual(ingest.wait(), 0, shown)
            self.assertGreater(shown.count(b"\r"), 2, shown)
