"""Devices over HTTP: an app registers itself by a code, is registered by a back end, and is unregistered."""

import json
import sqlite3
import unittest

from rig import Store, wait_until
from test_http import Api

DEVICE = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8"


class Devices(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.acme()
        self.store.ok("accounts", "add", "other", "--name", "Other", "--email", "ops@other.test")
        self.api = Api(self.store)
        self.store.serve()
        wait_until(self.store.is_ready)

    def invite(self, channel="ios", account="acme"):
        return self.store.json("destinations", "invite", account, channel)["code"]

    def register(self, code, number=0, **more):
        body = {"code": code, "device": {"device_token": f"{DEVICE}{number:03d}", "device": "Jane's phone"} | more}
        return self.api.ask("POST", "/v1/devices", body, token="")

    def devices(self, account="acme"):
        return self.store.json("destinations", "list", account, "--channel", "ios")

    def test_a_code_registers_one_device_once(self):
        code = self.invite()
        status, _, made = self.register(code.lower().replace("-", " "), environment="sandbox")
        self.assertEqual((status, made["account"]), (201, "acme"), made)
        [device] = self.devices()
        self.assertEqual((device["id"], device["fields"]["environment"], device["fields"]["device"]), (made["id"], "sandbox", "Jane's phone"))
        for text in (json.dumps(device), self.store.ok("--json", "audit", "list")):
            for secret in (DEVICE, code, made["access"]):
                self.assertNotIn(secret, text)
        status, headers, problem = self.register(code, 1)
        self.assertEqual((status, headers["content-type"]), (409, "application/problem+json"))
        self.assertIn("has been used; ask support", problem["detail"])
        self.assertEqual(len(self.devices()), 1)
        # The same device again is the same destination, with what it now says of itself, and it is on again.
        self.store.ok("destinations", "disable", made["id"])
        status, _, again = self.register(self.invite(), device="Jane's new name", environment="production")
        self.assertEqual((status, again["id"]), (201, made["id"]))
        [device] = self.devices()
        self.assertEqual((device["state"], device["fields"]["device"]), ("enabled", "Jane's new name"))
        gone = self.api.ask("DELETE", "/v1/devices/current", token=made["access"])
        self.assertEqual(gone[0], 401, "what it got before is void")
        self.assertEqual(self.api.ask("DELETE", "/v1/devices/current", token=again["access"])[0], 204)
        self.assertEqual(self.devices(), [])
        self.assertEqual(self.api.ask("DELETE", "/v1/devices/current", token=again["access"])[0], 401)

    def test_codes_that_are_none_any_more(self):
        code = self.invite()
        database = sqlite3.connect(self.store.path)
        self.assertGreater(database.execute("SELECT max(expires_at) - max(created_at) FROM enrolment").fetchone()[0], 0)
        database.execute("UPDATE enrolment SET expires_at = created_at")
        database.commit()
        database.close()
        status, _, problem = self.register(code)
        self.assertEqual(status, 409)
        self.assertIn("has expired; ask support", problem["detail"])
        for wrong in (self.invite("browser"), "4TQ7K-M2XWA-9HD3V", "", "x" * 1000):
            with self.subTest(wrong=wrong):
                status, headers, problem = self.register(wrong)
                self.assertEqual((status, headers["content-type"]), (404, "application/problem+json"))
                self.assertIn("ask support", problem["detail"])
        # A mistake in what the app sends costs no code.
        code = self.invite()
        for bad in ({"device_token": "xyz"}, {"environment": "moon"}, {"device": 5}, {"more": 1}):
            self.assertEqual(self.register(code, **bad)[0], 400, bad)
        self.assertEqual(self.register(code)[0], 201)

    def test_a_back_end_registers_and_unregisters_for_its_accounts(self):
        token = self.store.json("tokens", "create", "app", "--scope", "devices")["token"]
        own = self.store.json("tokens", "create", "own", "--scope", "devices", "--account", "other")["token"]
        emit = self.store.json("tokens", "create", "emit", "--scope", "emit")["token"]
        body = {"device_token": f"{DEVICE}123".upper()}
        ask = lambda account, by, **more: self.api.ask("POST", f"/v1/accounts/{account}/devices", body | more, token=by)
        status, _, made = ask("acme", token)
        self.assertEqual(status, 201, made)
        self.assertEqual(ask("acme", token)[2]["id"], made["id"], "once more is the same")
        self.assertEqual([ask("acme", own)[0], ask("acme", emit)[0], ask("nobody", token)[0], ask("other", own)[0]], [403, 403, 404, 201])
        remove = lambda account, device, by: self.api.ask("DELETE", f"/v1/accounts/{account}/devices/{device}", token=by)[0]
        mail = self.store.json("destinations", "list", "acme", "--channel", "email")[0]["id"]
        self.assertEqual(remove("acme", made["id"], own), 403)
        self.assertEqual(remove("other", made["id"], token), 404, "another account's")
        self.assertEqual(remove("acme", mail, token), 404, "no device")
        self.assertEqual([remove("acme", name, token) for name in ("dst_999", "x", "%ff")], [404] * 3)
        self.assertEqual(remove("acme", made["id"], token), 204)
        self.assertEqual(remove("acme", made["id"], token), 404)
        self.assertEqual((len(self.devices()), len(self.devices("other"))), (0, 1))
