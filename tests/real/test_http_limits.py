"""Who may what over HTTP, route by route, and who tries to hold the server up: by a byte now and then, by many connections, by a
page that never reads."""

import contextlib
import itertools
import json
import selectors
import socket
import time
import unittest

from rig import Receiver, Store, wait_until
from test_http import BODY, Api

SCOPES = ("emit", "devices", "read", "write", "metrics")
CODE = {"code": "00000-00000-00000"}

# Every route of the OpenAPI document: what it takes, and a request that makes sense. `own`: what a browser or app got when it enrolled
# itself. `code`: a code in the body. `open`: nothing.
ROUTES = {
    ("post", "/v1/accounts/{account}/events"): ("emit", BODY),
    ("post", "/v1/events"): ("emit", {"events": [{"account": "acme", "event_type": "server.stopped"}]}),
    ("post", "/v1/accounts/{account}/devices"): ("devices", {"device_token": "ab" * 32}),
    ("delete", "/v1/accounts/{account}/devices/{device}"): ("devices", None),
    ("get", "/accounts/{account}/notifications"): ("read", None),
    ("get", "/accounts/{account}/notifications/{notification}"): ("read", None),
    ("put", "/accounts/{account}/notifications/{notification}"): ("write", {"channels": ["email"]}),
    ("get", "/metrics"): ("metrics", None),
    ("delete", "/v1/devices/current"): ("own", None),
    ("post", "/v1/browsers/current/shown"): ("own", {"id": "dlv_1", "document": "{}"}),
    ("post", "/v1/browsers/current/test"): ("own", None),
    ("delete", "/v1/browsers/current"): ("own", None),
    ("get", "/v1/browsers/current/stream"): ("own", None),
    ("post", "/v1/devices"): ("code", CODE | {"device": {"device_token": "ab" * 32}}),
    ("post", "/v1/browsers"): ("code", CODE),
    ("post", "/v1/browsers/offer"): ("code", CODE),
    ("get", "/healthz"): ("open", None),
    ("get", "/readyz"): ("open", None),
}


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Each request comes from an address of its own, or the strangers among them would be told to wait.
        cls.store = Store(BELLBOARD_HTTP_PROXIES="127.0.0.0/8")
        cls.addClassCleanup(cls.store.close)
        cls.store.acme()
        cls.store.ok("accounts", "add", "other", "--name", "Other", "--email", "ops@other.test")
        cls.store.serve()
        wait_until(cls.store.is_ready)
        cls.api = Api(cls.store)
        cls.number = itertools.count()
        make = lambda name, scope, *more: cls.store.json("tokens", "create", name, "--scope", scope, *more)
        cls.tokens = {scope: make(scope, scope)["token"] for scope in SCOPES}
        cls.bound = {scope: make(f"other's {scope}", scope, "--account", "other")["token"] for scope in SCOPES}
        revoked = {scope: make(f"old {scope}", scope) for scope in SCOPES}
        cls.revoked = {scope: made["token"] for scope, made in revoked.items()}
        for made in revoked.values():
            cls.store.ok("tokens", "revoke", made["id"])

    def ask(self, method, path, body, token):
        for name, value in (("account", "acme"), ("device", "dst_999"), ("notification", "server.stopped")):
            path = path.replace("{%s}" % name, value)
        number = next(self.number)
        status, _, document = self.api.ask(method.upper(), path, body, token=token, x_forwarded_for=f"192.0.{2 + number // 250}.{number % 250}")
        self.assertNotEqual(status, 429, document)
        return status, document

    def own(self):
        """What an enrolled device shows from then on."""
        made = self.ask("post", "/v1/accounts/{account}/devices", {"device_token": "cd" * 32}, self.tokens["devices"])
        self.assertEqual(made[0], 201, made)
        return made[1]["access"]

    def test_each_route_takes_what_the_table_says(self):
        document = self.api.ask("GET", "/openapi.json")[2]
        found = {(method, path) for path, members in document["paths"].items() for method in members}
        self.assertEqual(found, set(ROUTES), "a route without a line in the table, or the other way round")
        own = self.own()
        for (method, path), (takes, body) in ROUTES.items():
            ask = lambda token: self.ask(method, path, body, token)
            with self.subTest(route=f"{method} {path}", takes=takes):
                if takes in ("open", "code"):
                    status, said = ask("")
                    self.assertIn(status, (200, 503) if takes == "open" else (404,), said)
                    continue
                for shown in ("", "bell_wrong", *self.revoked.values()):
                    self.assertEqual(ask(shown)[0], 401)
                if takes == "own":
                    for token in (*self.tokens.values(), *self.bound.values()):
                        self.assertEqual(ask(token)[0], 401)
                    continue
                self.assertEqual(ask(own)[0], 401, "a device speaks for itself only")
                for scope in SCOPES:
                    covered = scope == takes or (scope, takes) == ("write", "read")
                    status, said = ask(self.tokens[scope])
                    self.assertEqual(status in (200, 201, 202, 204, 404), covered, f"{scope}: {status} {said}")
                    self.assertEqual(status == 403, not covered, f"{scope}: {status} {said}")
                    status, said = ask(self.bound[scope])
                    if covered and path == "/v1/events":
                        self.assertEqual((status, said["accepted"], said["results"][0]["status"]), (207, 0, 403), said)
                    else:
                        self.assertEqual(status, 403, f"{scope}, of another account: {said}")

    def test_a_token_is_shown_once_and_its_use_is_seen(self):
        made = self.store.json("tokens", "create", "billing", "--scope", "emit")
        listed = lambda: next(token for token in self.store.json("tokens", "list") if token["id"] == made["id"])
        self.assertNotIn(made["token"], self.store.ok("tokens", "list") + json.dumps(listed()) + self.store.ok("audit", "export"))
        self.assertIsNone(listed()["last_used_at"])
        self.assertEqual(self.api.emit(token=made["token"])[0], 202)
        wait_until(lambda: listed()["last_used_at"])

    def test_a_token_that_is_revoked_is_refused_on_a_connection_that_is_open(self):
        made = self.store.json("tokens", "create", "brief", "--scope", "emit")
        body = json.dumps(BODY).encode()
        request = self.api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}") + b"\r\n" + body
        request = request.replace(self.api.token.encode(), made["token"].encode())
        with self.api.connect() as wire, wire.makefile("rb") as stream:
            def ask():
                wire.sendall(request)
                status, length = int(stream.readline().split()[1]), 0
                while (line := stream.readline().strip()):
                    length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length") else length
                stream.read(length)
                return status
            self.assertEqual((ask(), ask()), (202, 202))
            self.store.ok("tokens", "revoke", made["id"])
            self.assertEqual(ask(), 401)

    def test_a_device_that_is_removed_speaks_no_more(self):
        own = self.own()
        device, = [one["id"] for one in self.store.json("destinations", "list", "acme") if one["channel"] == "ios"]
        self.store.ok("destinations", "remove", device, "--yes")
        self.assertEqual(self.ask("delete", "/v1/devices/current", None, own)[0], 401)


class HeldUp(unittest.TestCase):
    """Every connection ends at its limit, however little by little it goes, and others are served all the while."""

    def test_who_sends_little_by_little_is_cut_off(self):
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            api = Api(store)
            body = json.dumps({"event_type": "server.stopped", "data": {"x": "y" * 100_000}}).encode()
            head = api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}")
            chunked = api.head("POST", "/v1/accounts/acme/events", "transfer-encoding: chunked") + b"\r\n"
            # What each has sent at once, and what it then sends a piece of at a time, without end.
            slow = {
                "nothing": (b"", b""),
                "first line": (b"", b"GET /"),
                "a header": (head, b"x"),
                "headers": (head, b"x-y: z\r\n"),
                "body": (head + b"\r\n", b"{"),
                "chunks": (chunked, b"1\r\n \r\n"),
                "a chunk's length": (chunked, b"0"),
                "after the first": (api.head("GET", "/healthz") + b"\r\n", b"GET /"),
            }
            with contextlib.ExitStack() as stack:
                selector = stack.enter_context(selectors.DefaultSelector())
                wires = {}
                for name, (start, piece) in slow.items():
                    for _ in range(20):
                        wire = stack.enter_context(api.connect())
                        wire.sendall(start)
                        wires[wire] = (name, piece)
                        selector.register(wire, selectors.EVENT_READ)
                ended, end = set(), time.monotonic() + 240
                while len(ended) < len(wires):
                    self.assertLess(time.monotonic(), end, f"still held: { {name for wire, (name, _) in wires.items() if wire not in ended} }")
                    self.assertEqual(api.emit()[0], 202, "others are served")
                    for wire in set(wires) - ended:
                        try:
                            wire.sendall(wires[wire][1])
                        except OSError:
                            ended.add(wire)
                    for key, _ in selector.select(0.5):
                        with contextlib.suppress(OSError):
                            if key.fileobj.recv(65536):
                                continue
                        ended.add(key.fileobj)
                        selector.unregister(key.fileobj)
            self.assertEqual(len(store.json("events", "list", "--account", "acme", "--limit", "1000")) > 0, True)

    def test_one_address_cannot_take_every_place(self):
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            api = Api(store)
            request = api.head("GET", "/healthz") + b"\r\n"

            def served(wire):
                wire.settimeout(60)
                with contextlib.suppress(ConnectionError):
                    wire.sendall(request)
                    return wire.recv(100).startswith(b"HTTP/1.1 200")

            place = (api.address.hostname, api.address.port)
            with contextlib.ExitStack() as stack:
                wires = [stack.enter_context(api.connect()) for _ in range(300)]
                self.assertFalse(served(wires[-1]), "its own share is taken")
                other = stack.enter_context(socket.create_connection(place, source_address=("127.0.0.2", 0)))
                self.assertTrue(served(other), "another address has its own")
                self.assertTrue(served(wires[0]), "what it holds is served")
                wires[0].close()
                again = lambda: served(stack.enter_context(api.connect()))
                wait_until(again, 60)

    def test_more_connections_than_there_is_room_for_wait_and_are_served(self):
        # As they come through a proxy, all from its address.
        with Store(BELLBOARD_HTTP_PROXIES="127.0.0.0/8") as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            api = Api(store)
            request = api.head("GET", "/healthz") + b"\r\n"
            with contextlib.ExitStack() as stack:
                idle = [stack.enter_context(api.connect()) for _ in range(2100)]
                # The last ones are let in when the idle before them are cut off.
                late = idle[-1]
                late.settimeout(120)
                late.sendall(request)
                self.assertTrue(late.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertEqual(api.emit()[0], 202)

    def test_a_page_that_never_reads_is_left(self):
        with Store() as store, Receiver() as receiver:
            store.acme(receiver.url)
            store.serve()
            wait_until(store.is_ready)
            api = Api(store)
            # Answers that nobody takes: as many requests as the connection holds, and not a byte read.
            with api.connect() as wire:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                wire.settimeout(120)
                request = (api.head("GET", "/openapi.json") + b"\r\n") * 100
                with self.assertRaises((ConnectionError, BrokenPipeError)):
                    while True:
                        wire.sendall(request)
            self.assertEqual(api.emit()[0], 202)


if __name__ == "__main__":
    unittest.main()
