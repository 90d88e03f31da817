"""A webhook as a stranger receives it: the payload unharmed, and a signature that the standard's own library accepts."""

import json
import os
import pathlib
import unittest

from rig import SECRET, Receiver, Store, package

DATA = """{"z": 1, "server": "wéb-17", "big": 12345678901234567890123, "precise": 1.10000000000000000000001,
 "list": [1, {"b": 2, "a": 1}], "null": null, "timestamp": 1, "event_type": "forged"}"""


def exactly(text):
    """A JSON document with the order of its fields and every digit of its numbers."""
    return json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)


class Webhook(unittest.TestCase):
    def test_arrives_unharmed_and_signed(self):
        standardwebhooks = package("standardwebhooks")
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url, "server.stopped", "--headers", "X-Key: abcdefgh12345678")
            path = os.path.join(store.folder, "event.json")
            with open(path, "w") as file:
                file.write(DATA)
            document = store.json("emit", "acme", "server.stopped", "--data", "@" + path, "--wait")
            self.assertEqual([row["state"] for row in document["deliveries"]], ["delivered"])
            self.assertEqual(document["deliveries"][0]["status"], 200)
            ((_, headers, body),) = receiver.requests
            sent = [field for field in exactly(DATA) if field[0] not in ("timestamp", "event_type")]
            self.assertEqual(exactly(body)[:-2], sent)
            (timestamp, seconds), kind = exactly(body)[-2:]
            self.assertEqual((timestamp, kind), ("timestamp", ("event_type", "server.stopped")))
            self.assertEqual(seconds, headers["webhook-timestamp"])
            self.assertEqual(headers["x-key"], "abcdefgh12345678")
            self.assertEqual(headers["webhook-id"], document["event"]["id"])
            verified = standardwebhooks.Webhook(SECRET).verify(body, headers)
            self.assertEqual(verified["server"], "wéb-17")
            with self.assertRaises(standardwebhooks.WebhookVerificationError):
                standardwebhooks.Webhook(SECRET).verify(body.replace("17", "18"), headers)

    def test_secrets_are_shown_to_nobody(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url, "server.stopped", "--headers", "X-Key: abcdefgh12345678")
            store.ok("emit", "acme", "server.stopped", "--wait")
            shown = [store.ok("--json", *arguments) for arguments in (
                ("destinations", "list", "acme"), ("deliveries", "show", "dlv_1"), ("audit", "list"))]
            files = [pathlib.Path(store.folder, name).read_bytes().decode("latin1") for name in os.listdir(store.folder)]
            for secret in (SECRET.removeprefix("whsec_"), "abcdefgh12345678"):
                for text in shown + files:
                    self.assertNotIn(secret, text)
