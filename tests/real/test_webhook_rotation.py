"""A signing secret gives way to a new one: receivers by the standard's libraries of npm and PyPI, before, during and after."""

import os
import pathlib
import unittest

from node import Node
from rig import SECRET, Receiver, Store, package

NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD1N3q3wQvSkY="


class Rotation(unittest.TestCase):
    def test_receivers_with_either_secret_verify_until_the_overlap_ends(self):
        webhook = package("standardwebhooks").Webhook

        def by_python(secret, request):
            try:
                return bool(webhook(secret).verify(request[2], request[1]))
            except package("standardwebhooks").WebhookVerificationError:
                return False

        with Receiver() as receiver, Node("webhook.mjs", speaks="http", secrets=[SECRET, NEW]) as node, Store() as store:
            store.acme(receiver.url)
            store.ok("destinations", "add", "acme", "webhook", "--url", f"http://127.0.0.1:{node.port}/", "--secret", SECRET)

            def verified():
                before = len(receiver.requests)
                store.ok("emit", "acme", "server.stopped", "--wait")
                python = [by_python(secret, receiver.requests[before]) for secret in (SECRET, NEW)]
                self.assertEqual(node.wait(before + 1)[before]["verified"], python)
                return python

            rotate = lambda *more: [store.ok("destinations", "rotate", f"dst_{number}", *more) for number in (2, 3)]
            self.assertEqual(verified(), [True, False])
            rotate("--secret", NEW)
            self.assertEqual(verified(), [True, True], "both, each by a receiver that knows only one")
            # The overlap ends: nothing but time has to pass.
            rotate("--secret", SECRET, "--overlap", "0s")
            rotate("--secret", NEW, "--overlap", "1ms")
            self.assertEqual(verified(), [False, True], "the new one only")

    def test_a_secret_that_was_made_is_shown_once(self):
        with Receiver() as receiver, Store() as store:
            store.acme()
            store.ok("matrix", "set", "acme", "server.stopped", "webhook", "on")
            add = ("destinations", "add", "acme", "webhook", "--url", receiver.url)
            text = store.ok(*add)
            added = store.json(*add)
            rotated = store.json("destinations", "rotate", added["id"])
            secrets = [text.rsplit(" ", 1)[1].strip(), added["secret_shown_once"], rotated["secret_shown_once"]]
            self.assertEqual(len(set(secrets)), 3, "each is another")
            webhook = package("standardwebhooks").Webhook
            store.ok("emit", "acme", "server.stopped", "--wait")
            requests = {request[1]["webhook-signature"]: request for request in receiver.requests}
            two = requests.pop(max(requests, key=len))
            for secret in secrets[1:]:
                self.assertTrue(webhook(secret).verify(two[2], two[1]))
            (one,) = requests.values()
            self.assertTrue(webhook(secrets[0]).verify(one[2], one[1]))
            shown = [store.ok("--json", *arguments) for arguments in (
                ("destinations", "list", "acme"), ("destinations", "show", added["id"]), ("deliveries", "show", "dlv_1"),
                ("deliveries", "show", "dlv_2"), ("audit", "list"))]
            files = [pathlib.Path(store.folder, name).read_bytes().decode("latin1") for name in os.listdir(store.folder)]
            for secret in secrets:
                self.assertTrue(secret.startswith("whsec_"))
                for text in shown + files:
                    self.assertNotIn(secret.removeprefix("whsec_"), text)
