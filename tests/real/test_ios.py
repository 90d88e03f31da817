"""iOS: against a stand-in for Apple's push service on Node's HTTP/2 over TLS, which verifies the token by `jose`."""

import json
import os
import pathlib
import queue
import socket
import subprocess
import threading
import unittest

from rig import PATIENCE, Store, program, wait_until

# Status, Apple's reason, the delivery's state, the destination's state. Apple, "Handling notification responses from APNs".
REASONS = [
    (200, None, "delivered", "enabled"),
    (400, "BadCollapseId", "failed", "enabled"),
    (400, "BadDeviceToken", "failed", "enabled"),
    (400, "BadExpirationDate", "failed", "enabled"),
    (400, "BadMessageId", "failed", "enabled"),
    (400, "BadPriority", "failed", "enabled"),
    (400, "BadTopic", "pending", "enabled"),
    (400, "DeviceTokenNotForTopic", "failed", "enabled"),
    (400, "DuplicateHeaders", "failed", "enabled"),
    (400, "IdleTimeout", "pending", "enabled"),
    (400, "InvalidPushType", "failed", "enabled"),
    (400, "MissingDeviceToken", "failed", "enabled"),
    (400, "MissingTopic", "pending", "enabled"),
    (400, "PayloadEmpty", "failed", "enabled"),
    (400, "TopicDisallowed", "pending", "enabled"),
    (403, "BadCertificate", "pending", "enabled"),
    (403, "BadCertificateEnvironment", "pending", "enabled"),
    (403, "ExpiredProviderToken", "pending", "enabled"),
    (403, "Forbidden", "pending", "enabled"),
    (403, "InvalidProviderToken", "pending", "enabled"),
    (403, "MissingProviderToken", "pending", "enabled"),
    (403, "UnrelatedKeyIdInToken", "pending", "enabled"),
    (403, "BadEnvironmentKeyIdInToken", "pending", "enabled"),
    (404, "BadPath", "failed", "enabled"),
    (405, "MethodNotAllowed", "failed", "enabled"),
    (410, "ExpiredToken", "failed", "disabled"),
    (410, "Unregistered", "failed", "disabled"),
    (413, "PayloadTooLarge", "failed", "enabled"),
    (429, "TooManyProviderTokenUpdates", "pending", "enabled"),
    (429, "TooManyRequests", "pending", "enabled"),
    (500, "InternalServerError", "pending", "enabled"),
    (503, "ServiceUnavailable", "pending", "enabled"),
    (503, "Shutdown", "pending", "enabled"),
]


def device(number):
    """The device token that gets answer number `number`."""
    return f"{number:04x}" + "fc13adff785122b4ad28809a3420982341241421348097878e577c991de8"[:60]


class Apple:
    """The stand-in, with a certificate and a key of its own, and the environment that leads bellboard to it."""

    def __init__(self, folder, answers):
        for name in ("node", "openssl"):
            program(name)
        path = lambda name: os.path.join(folder, name)
        run = lambda *command: subprocess.run(command, check=True, capture_output=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", path("tls.key"), "-out", path("tls.pem"), "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path("ec.pem"))
        run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", path("ec.pem"), "-out", path("AuthKey.p8"))
        run("openssl", "ec", "-in", path("ec.pem"), "-pubout", "-out", path("public.pem"))
        script = pathlib.Path(__file__).with_name("apns.mjs")
        self.process = subprocess.Popen(
            ["node", str(script), path("tls.pem"), path("tls.key"), json.dumps(answers), path("public.pem")],
            stdout=subprocess.PIPE, text=True)
        self.things = []
        lines = queue.Queue()
        threading.Thread(target=self.read, args=(lines,), daemon=True).start()
        port = self.port = json.loads(lines.get(timeout=PATIENCE))["port"]
        self.key = pathlib.Path(path("AuthKey.p8")).read_text()
        self.environment = {
            "BELLBOARD_APNS_KEY_FILE": path("AuthKey.p8"),
            "BELLBOARD_APNS_KEY_ID": "ABC123DEFG",
            "BELLBOARD_APNS_TEAM_ID": "DEF123GHIJ",
            "BELLBOARD_APNS_TOPIC": "com.example.app",
            "BELLBOARD_APNS_SERVER": f"https://127.0.0.1:{port}",
            "BELLBOARD_APNS_CA_FILE": path("tls.pem"),
        }

    def read(self, lines):
        for line in self.process.stdout:
            lines.put(line)
            self.things.append(json.loads(line))

    def requests(self, at_least=0):
        """The requests it has had, once it has told of so many: what it answered may be known before what it printed is read."""
        requests = lambda: [thing for thing in self.things if "device" in thing]
        wait_until(lambda: len(requests()) >= at_least)
        return requests()

    def connections(self):
        return sum("connected" in thing for thing in self.things)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Line:
    """A way to a port of loopback that can go silent: what is connected then hears nothing any more, and is not cut."""

    def __init__(self, to):
        self.to, self.muted = to, []
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                near, _ = self.listener.accept()
                self.sockets.append(near)
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.sockets.append(far)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                if one not in self.muted:
                    other.sendall(data)
        except OSError:
            pass

    def mute(self):
        self.muted = list(self.sockets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in [self.listener, *self.sockets]:
            each.close()


def deliveries(store, event):
    channels = store.json("why", event)["channels"]
    return next(channel["deliveries"] for channel in channels if channel["channel"] == "ios")


def acme(store, devices):
    """The account `acme` without mail, whose stopped servers go to these devices."""
    store.acme()
    store.ok("matrix", "set", "acme", "server.stopped", "ios", "on")
    return [
        store.json("destinations", "add", "acme", "ios", "--device-token", token, "--device", f"phone {at}")["id"]
        for at, token in enumerate(devices)
    ]


class ToApple(unittest.TestCase):
    def test_one_connection_carries_many_and_keeps_to_the_rules(self):
        with Store() as store, Apple(store.folder, [{"status": 200}]) as apple:
            store.environment |= apple.environment
            acme(store, [device(0)[:-2] + f"{at:02x}" for at in range(20)])
            store.serve()
            payload = json.dumps({"name": "\U0001f680\u0007\"" * 3000})
            events = [store.json("emit", "acme", "server.stopped", "--data", data)["event"]["id"]
                      for data in ('{"name":"web1"}', payload, "{}")]
            for event in events:
                wait_until(lambda: all(one["state"] == "delivered" for one in deliveries(store, event)))
            requests = apple.requests(60)
            self.assertEqual(len(requests), 60)
            self.assertEqual([request["wrong"] for request in requests if request["wrong"]], [])
            self.assertEqual(apple.connections(), 1, "one connection for all")
            self.assertEqual(len({request["token"] for request in requests}), 1, "one token for all")
            self.assertEqual(len({request["headers"]["apns-id"] for request in requests}), 60, "an id for each delivery")
            first = requests[0]["document"]
            self.assertIn("web1", first["aps"]["alert"]["title"])
            self.assertEqual(first["bellboard"]["event"], events[0])
            said = store.ok("--json", "deliveries", "show", "dlv_1") + store.ok("audit", "list", "--json")
            for secret in (device(0)[:-2], apple.key.splitlines()[1], requests[0]["token"].split()[1]):
                self.assertNotIn(secret, said)

    def test_each_reason_of_apples_leads_to_its_state(self):
        answers = [{"status": status, "reason": reason} for status, reason, _, _ in REASONS]
        with Store() as first, Apple(first.folder, answers) as apple:
            for at, (status, reason, state, destination) in enumerate(REASONS):
                # A store for each: a fault of our own set-up holds all devices.
                with self.subTest(reason=reason), Store(**apple.environment) as store:
                    [phone] = acme(store, [device(at)])
                    store.serve()
                    event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
                    found = wait_until(lambda: (one := deliveries(store, event)[0])["state"] == state
                                       and (one["reason"] or state == "delivered") and one)
                    self.assertEqual(store.json("destinations", "show", phone)["state"], destination)
                    if reason:
                        self.assertIn(reason, found["reason"])
            self.assertEqual([request["wrong"] for request in apple.requests(len(REASONS)) if request["wrong"]], [])

    def test_a_connection_that_apple_ends_in_mid_flight_loses_nothing(self):
        answers = [{"status": 200, "goaway": True}]
        with Store(BELLBOARD_DELIVERY_RETRY="100ms") as store, Apple(store.folder, answers) as apple:
            store.environment |= apple.environment
            acme(store, [device(0)])
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            wait_until(lambda: all(one["state"] == "delivered" for one in deliveries(store, event)))
            requests = apple.requests(2)
            self.assertGreaterEqual(len(requests), 2)
            ids = {request["headers"]["apns-id"] for request in requests}
            self.assertEqual(len(ids), 1, "the same id for each try")

    def test_what_apple_did_not_look_at_before_it_went_away_is_sent_again_at_once(self):
        with Store() as store, Apple(store.folder, [{"status": 200, "flight": 10}]) as apple:
            store.environment |= apple.environment
            tokens = [device(0)[:-2] + f"{at:02x}" for at in range(10)]
            phones = acme(store, tokens)
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            wait_until(lambda: all(one["state"] == "delivered" for one in deliveries(store, event)))
            self.assertEqual({one["attempts"] for one in deliveries(store, event)}, {1}, "it was no failure")
            told = lambda: [thing["answered"] for thing in apple.things if "answered" in thing]
            answered = wait_until(lambda: len(told()) >= len(tokens) and told())
            self.assertEqual(sorted(answered), sorted(tokens), "each is taken once")
            self.assertEqual(len(apple.requests(15)), 15, "and only what was not taken comes again")
            self.assertEqual(apple.connections(), 2)
            self.assertEqual({store.json("destinations", "show", phone)["state"] for phone in phones}, {"enabled"})

    def test_a_connection_that_dies_without_a_word_is_left(self):
        with Store(BELLBOARD_DELIVERY_RETRY="100ms") as store, Apple(store.folder, [{"status": 200}]) as apple, \
                Line(apple.port) as line:
            store.environment |= apple.environment | {"BELLBOARD_APNS_SERVER": f"https://127.0.0.1:{line.port}"}
            acme(store, [device(0)])
            store.serve()
            sent = lambda: store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            delivered = lambda event: (one := deliveries(store, event)[0])["state"] == "delivered" and one
            first = sent()
            wait_until(lambda: delivered(first))
            line.mute()
            found = wait_until(lambda event=sent(): delivered(event))
            self.assertEqual(found["attempts"], 2, "one try found out")
            wait_until(lambda: apple.connections() == 2)
            log = store.json("deliveries", "show", found["id"])["attempt_log"]
            self.assertIn("no answer", log[0]["reason"])

    def test_a_recovery_replaces_its_failure_on_the_screen(self):
        with Store() as store, Apple(store.folder, [{"status": 200}]) as apple:
            store.environment |= apple.environment
            acme(store, [device(0)])
            store.ok("matrix", "set", "acme", "server.backon", "ios", "on")
            store.serve()
            for event_type, name in (("server.stopped", "web1"), ("server.backon", "web1"), ("server.stopped", "web2")):
                store.ok("emit", "acme", event_type, "--data", json.dumps({"name": name}), "--wait")
            down, up, other = [request["headers"]["apns-collapse-id"] for request in apple.requests(3)]
            self.assertEqual(down, up)
            self.assertNotEqual(down, other)

    def test_a_token_that_has_expired_is_renewed_within_the_try(self):
        answers = [{"status": 403, "reason": "ExpiredProviderToken", "once": True}]
        with Store() as store, Apple(store.folder, answers) as apple:
            store.environment |= apple.environment
            acme(store, [device(0)])
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            found = wait_until(lambda: (one := deliveries(store, event)[0])["state"] == "delivered" and one)
            self.assertEqual(found["attempts"], 1)
            self.assertEqual(len({request["token"] for request in apple.requests(2)}), 2)

    def test_a_token_that_is_always_refused_is_not_renewed_without_end(self):
        with Store() as store, Apple(store.folder, [{"status": 403, "reason": "ExpiredProviderToken"}]) as apple:
            store.environment |= apple.environment
            acme(store, [device(0)[:-2] + f"{at:02x}" for at in range(10)])
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            wait_until(lambda: any("clock" in (one["reason"] or "") for one in deliveries(store, event)))
            self.assertEqual({(one["state"], one["attempts"]) for one in deliveries(store, event)}, {("pending", 0)})
            self.assertLessEqual(len({request["token"] for request in apple.requests()}), 2)

    def test_what_is_not_set_up_says_so(self):
        with Store() as store:
            acme(store, [device(0)])
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            wait_until(lambda: "[apns]" in store.ok("why", event))
            code, _, err = store.run("config", "check", BELLBOARD_APNS_KEY_ID="ABC123DEFG")
            self.assertEqual(code, 2)
            self.assertIn("key_file, team_id, topic", err)
            wrong = os.path.join(store.folder, "wrong.p8")
            pathlib.Path(wrong).write_text("no key")
            named = {"BELLBOARD_APNS_KEY_ID": "A", "BELLBOARD_APNS_TEAM_ID": "B", "BELLBOARD_APNS_TOPIC": "c"}
            code, _, err = store.run("config", "check", BELLBOARD_APNS_KEY_FILE=wrong, **named)
            self.assertEqual(code, 2)
            self.assertIn(".p8", err)
