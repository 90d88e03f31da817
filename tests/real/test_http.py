"""Events over HTTP, by sockets where a library would be too polite: what is acknowledged, what is refused and how, what ends."""

import concurrent.futures
import http.client
import json
import pathlib
import signal
import socket
import sqlite3
import unittest
import urllib.parse

from rig import PATIENCE, Receiver, Store, wait_until

BODY = {"event_type": "server.stopped", "data": {"name": "web1"}}
SECURITY = {
    "cache-control": "no-store", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    "referrer-policy": "no-referrer", "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


class Api:
    """Requests to a store's server, each on a connection of its own."""

    def __init__(self, store):
        self.store = store
        self.address = urllib.parse.urlsplit(store.http)
        self.token = store.json("tokens", "create", "billing", "--scope", "emit")["token"]

    def ask(self, method, path, body=None, token=None, **headers):
        """Status, headers in lower case, and the body: its document where it is JSON."""
        token = self.token if token is None else token
        sent = {"content-type": "application/json"} if body is not None else {}
        sent |= {"authorization": f"Bearer {token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(body) if isinstance(body, (dict, list)) else body
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in found.get("content-type", "")
        return answer.status, found, json.loads(text) if is_json else text.decode()

    def emit(self, body=None, **more):
        return self.ask("POST", "/v1/accounts/acme/events", BODY if body is None else body, **more)

    def connect(self):
        return socket.create_connection((self.address.hostname, self.address.port), timeout=PATIENCE)

    def head(self, method="POST", path="/v1/accounts/acme/events", *lines):
        lines = [f"{method} {path} HTTP/1.1", "host: bellboard", f"authorization: Bearer {self.token}",
                 "content-type: application/json", *lines]
        return "".join(f"{line}\r\n" for line in lines).encode()


def resident_kib(pid):
    """How much of the machine's memory a process has."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def answers(stream, count):
    """The status and document of each of the next answers on a connection."""
    found = []
    for _ in range(count):
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline().strip()):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found.append((status, json.loads(stream.read(length) or b"null")))
    return found


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = Store()
        cls.addClassCleanup(cls.store.close)
        cls.store.acme()
        cls.store.serve()
        wait_until(cls.store.is_ready)
        cls.api = Api(cls.store)

    def check_problem(self, answer, status, kind, *words):
        got, headers, document = answer
        self.assertEqual(got, status, document)
        self.assertEqual(headers["content-type"], "application/problem+json")
        self.assertEqual(document["type"], f"urn:bellboard:{kind}")
        self.assertEqual(document["status"], status)
        for word in words:
            self.assertIn(word, document["detail"])
        return headers, document

    def stored(self, event):
        """The payload as it lies in the file."""
        return self.store.json("events", "show", event)["data"]

    def test_the_same_key_is_the_same_event(self):
        first = self.api.emit(idempotency_key="order-17")
        again = self.api.emit(idempotency_key="order-17")
        self.assertEqual((first[0], first[2]), (again[0], again[2]))
        self.assertEqual(first[0], 202)
        self.assertEqual(first[2]["account"], "acme")
        other = {"event_type": "server.stopped", "data": {"name": "web2"}}
        self.check_problem(self.api.emit(other, idempotency_key="order-17"), 409, "idempotency-key-reused", "order-17")
        for key in ("", "x" * 256):
            self.check_problem(self.api.emit(idempotency_key=key), 400, "invalid-idempotency-key")
        # Many at once: one event, and all hear of the same.
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            together = list(pool.map(lambda _: self.api.emit(idempotency_key="order-18"), range(32)))
        self.assertEqual({status for status, _, _ in together}, {202})
        self.assertEqual(len({document["id"] for _, _, document in together}), 1)

    def test_a_batch_says_what_became_of_each(self):
        events = [
            {"account": "acme", "event_type": "server.stopped", "data": {"n": 1}, "id": "batch-1"},
            {"account": "nobody", "event_type": "server.stopped"},
            {"account": "acme", "event_type": "server.stoped"},
            {"account": "acme", "event_type": "server.stopped", "data": []},
            {"account": "acme", "event_type": "server.stopped", "data": {"n": 2}, "id": "batch-1"},
            {"account": "acme", "event_type": "server.stopped", "data": {"n": 1}, "id": "batch-1"},
        ]
        status, _, document = self.api.ask("POST", "/v1/events", {"events": events})
        self.assertEqual((status, document["accepted"], document["refused"]), (207, 2, 4), document)
        kinds = [result.get("type", "").rsplit(":", 1)[-1] for result in document["results"]]
        self.assertEqual(kinds, ["", "unknown-account", "unknown-event-type", "invalid-request", "idempotency-key-reused", ""])
        self.assertEqual(document["results"][0]["id"], document["results"][5]["id"])
        self.assertIn("server.stopped", document["results"][2]["detail"], "the nearest name")
        good = self.api.ask("POST", "/v1/events", {"events": events[:1]})
        self.assertEqual((good[0], good[2]["results"][0]), (202, document["results"][0]))
        for bad in ({"events": []}, {"events": [events[0]] * 1001}, {"events": [{"event_type": "x"}]}, {}, [], {"events": [], "x": 1}):
            self.check_problem(self.api.ask("POST", "/v1/events", bad), 400, "invalid-request")

    def test_tokens_may_do_what_they_say(self):
        self.store.ok("accounts", "add", "other", "--name", "Other", "--email", "ops@other.test")
        own = self.store.json("tokens", "create", "own", "--scope", "emit", "--account", "other")
        self.assertEqual(self.api.ask("POST", "/v1/accounts/other/events", BODY, token=own["token"])[0], 202)
        self.check_problem(self.api.emit(token=own["token"]), 403, "forbidden", "another account")
        batch = {"events": [{"account": name, "event_type": "server.stopped"} for name in ("other", "acme")]}
        status, _, document = self.api.ask("POST", "/v1/events", batch, token=own["token"])
        self.assertEqual((status, document["accepted"], document["results"][1]["status"]), (207, 1, 403))
        read = self.store.json("tokens", "create", "looker", "--scope", "read")["token"]
        self.check_problem(self.api.emit(token=read), 403, "forbidden", "scope is read", "--scope emit")
        for wrong in ("", "bell_wrong", "x" * 1000):
            headers, _ = self.check_problem(self.api.emit(token=wrong), 401, "unauthorized")
            self.assertEqual(headers["www-authenticate"], "Bearer")
        self.assertEqual(self.api.emit(authorization=f"bearer  {self.api.token}")[0], 202, "the scheme in any case")
        self.check_problem(self.api.emit(authorization=f"Basic {self.api.token}"), 401, "unauthorized")
        self.store.ok("tokens", "revoke", own["id"])
        self.check_problem(self.api.ask("POST", "/v1/accounts/other/events", BODY, token=own["token"]), 401, "unauthorized")
        database = sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)
        kept = "\n".join(database.iterdump())
        database.close()
        self.assertNotIn(self.api.token, kept)
        self.assertNotIn(self.api.token.encode(), pathlib.Path(self.store.path).read_bytes())

    def test_all_that_is_wrong_is_a_problem(self):
        check = self.check_problem
        check(self.api.ask("GET", "/nowhere"), 404, "not-found", "/openapi.json")
        check(self.api.ask("POST", "/v1/accounts/nobody/events", BODY), 404, "unknown-account", "nobody")
        check(self.api.ask("POST", "/v1/accounts/No%20Key%21/events", BODY), 404, "unknown-account")
        check(self.api.ask("POST", "/v1/accounts/%ff%fe/events", BODY), 404, "not-found")
        headers, _ = check(self.api.ask("GET", "/v1/accounts/acme/events"), 405, "method-not-allowed")
        self.assertIn("POST", headers["allow"])
        check(self.api.emit({"event_type": "server.gone"}), 422, "unknown-event-type")
        check(self.api.emit("{}", content_type="text/plain"), 415, "unsupported-media-type", "application/json")
        check(self.api.emit("{}", content_type=None), 415, "unsupported-media-type")
        check(self.api.emit("{}", content_type="application/jsonp"), 415, "unsupported-media-type")
        self.assertEqual(self.api.emit(content_type="Application/JSON; charset=utf-8")[0], 202)
        large = json.dumps({"event_type": "server.stopped", "data": {"x": "y" * (256 * 1024)}})
        check(self.api.emit(large), 413, "payload-too-large")
        check(self.api.emit(b"[" * (4 * 1024 * 1024 + 1)), 413, "body-too-large", "4")
        write = self.store.json("tokens", "create", "w", "--scope", "write")["token"]
        check(self.api.ask("PUT", "/accounts/acme/notifications/server.stopped", b" " * (4 * 1024 * 1024 + 1), token=write), 413,
              "body-too-large")
        for bad in (b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"event_type":"server.stopped","data":{"x":"\xff"}}',
                    b'{"event_type":"server.stopped","data":[]}', b'{"event_type":"server.stopped","data":null}',
                    b'{"event_type":1}', b'{"event_type":"server.stopped","event_type":"job.fail"}',
                    b'{"event_type":"server.stopped","more":1}', b'{"event_type":"server.stopped"}x'):
            with self.subTest(bad=bad):
                check(self.api.emit(bad), 400, "invalid-request")

    def test_what_is_carried_is_carried_as_it_is(self):
        data = ('{"n":123456789012345678901234567890.000100, "big":1e999999,"k":1,"k":2,"s":"\\ud83d\\ude80\\u0000","": [ ],'
                '"lone":"\\ud800","deep":' + "[" * 5000 + "]" * 5000 + "}")
        with Receiver() as receiver:
            self.store.ok("destinations", "add", "acme", "webhook", "--url", receiver.url)
            self.store.ok("matrix", "set", "acme", "process.down", "webhook", "on")
            status, _, document = self.api.emit(f'{{"event_type":"process.down.","data":{data}}}')
            self.assertEqual((status, document["event_type"]), (202, "process.down"), document)
            wait_until(lambda: receiver.requests)
            body = receiver.requests[0][2]
            members = data[1:-1].replace('"n":', "").split(", ")[0]
            self.assertTrue(body.startswith('{"n":' + members + ","), body[:80])
            for part in ('"big":1e999999', '"k":1,"k":2', '"s":"\\ud83d\\ude80\\u0000"', '"":[ ]', '"lone":"\\ud800"', "[" * 5000 + "]" * 5000):
                self.assertIn(part, body)
            self.assertTrue(body.endswith('"event_type":"process.down"}'))
        self.assertEqual(self.api.emit()[0], 202, "it still serves")

    def test_bodies_come_in_pieces_and_requests_in_rows(self):
        body = json.dumps(BODY).encode()
        pieces = b"".join(b"%x\r\n%s\r\n" % (1, body[at:at + 1]) for at in range(len(body))) + b"0\r\n\r\n"
        with self.api.connect() as wire, wire.makefile("rb") as stream:
            wire.sendall(self.api.head("POST", "/v1/accounts/acme/events", "transfer-encoding: chunked") + b"\r\n" + pieces)
            self.assertEqual(answers(stream, 1)[0][0], 202)
            one = self.api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}") + b"\r\n" + body
            lost = self.api.head("GET", "/nowhere") + b"\r\n"
            wire.sendall(one + lost + one)
            self.assertEqual([status for status, _ in answers(stream, 3)], [202, 404, 202], "in their order")
            wire.sendall(self.api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}", "expect: 100-continue")
                         + b"\r\n")
            self.assertEqual(stream.readline(), b"HTTP/1.1 100 Continue\r\n")
            stream.readline()
            wire.sendall(body)
            self.assertEqual(answers(stream, 1)[0][0], 202)
        with self.api.connect() as wire, wire.makefile("rb") as stream:
            # Who is refused by the head alone need not send the body.
            head = self.api.head("POST", "/v1/accounts/acme/events", "content-length: 4000000", "expect: 100-continue")
            wire.sendall(head.replace(b"application/json", b"text/plain") + b"\r\n")
            self.assertEqual(answers(stream, 1)[0][0], 415)
        for lines in (["content-length: 5", "content-length: 6"], ["content-length: x"], ["transfer-encoding: gzip"]):
            with self.subTest(lines=lines), self.api.connect() as wire, wire.makefile("rb") as stream:
                wire.sendall(self.api.head("POST", "/v1/accounts/acme/events", *lines) + b"\r\n12345")
                self.assertEqual(int(stream.readline().split()[1]), 400, "two ways to read it are none")

    def test_heads_are_limited(self):
        long, many = f"x-long: {'x' * 100_000}", [f"x-{n}: y" for n in range(2000)]
        for path, lines in (("/healthz", [long]), ("/healthz", many), (f"/{'x' * 100_000}", [])):
            with self.subTest(path=path[:20]), self.api.connect() as wire, wire.makefile("rb") as stream:
                try:
                    wire.sendall(self.api.head("GET", path, *lines) + b"\r\n")
                    self.assertIn(int(stream.readline().split()[1]), (414, 431))
                except ConnectionError:
                    pass  # the answer was overtaken by the end of the connection, which says no as well
        self.assertEqual(self.api.ask("GET", "/healthz")[0], 200)

    def test_a_body_that_breaks_off_is_no_event(self):
        before = len(self.store.json("events", "list", "--account", "acme", "--limit", "1000"))
        body = json.dumps(BODY).encode()
        with self.api.connect() as wire:
            wire.sendall(self.api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}") + b"\r\n" + body[:-1])
        self.assertEqual(self.api.ask("GET", "/healthz", token="")[0], 200)
        self.assertEqual(len(self.store.json("events", "list", "--account", "acme", "--limit", "1000")), before)

    def test_every_answer_has_the_headers_that_keep_it_safe_and_none_that_opens_it(self):
        for method, path in (("GET", "/healthz"), ("GET", "/nowhere"), ("PUT", "/healthz"), ("GET", "/openapi.json"),
                             ("POST", "/v1/accounts/acme/events"), ("GET", "/browser/"), ("OPTIONS", "/v1/events")):
            with self.subTest(method=method, path=path):
                _, headers, _ = self.api.ask(method, path, origin="https://elsewhere.example", access_control_request_method="POST")
                for name, value in SECURITY.items():
                    if path != "/browser/" or name != "content-security-policy":
                        self.assertEqual(headers.get(name), value)
                self.assertEqual([name for name in headers if name.startswith("access-control")], [])
        policy = self.api.ask("GET", "/browser/")[1]["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)


class Strangers(unittest.TestCase):
    def test_they_are_let_in_slowly(self):
        with Store() as store:
            store.acme()
            api = Api(store)
            store.serve()
            wait_until(store.is_ready)
            # Whatever address they claim: nobody said that this one is a proxy.
            answers = [api.emit(token="bell_wrong", x_forwarded_for=f"192.0.2.{n}") for n in range(100)]
            self.assertEqual(answers[0][0], 401)
            _, headers, document = next(answer for answer in answers if answer[0] == 429)
            self.assertEqual((headers["content-type"], document["type"]), ("application/problem+json", "urn:bellboard:too-many-requests"))
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            self.assertEqual(document["retry_after"], int(headers["retry-after"]))
            self.assertEqual(api.emit()[0], 202, "who has a token is not held up by who has none")

    def test_behind_a_proxy_each_is_limited_alone(self):
        with Store(BELLBOARD_HTTP_PROXIES="127.0.0.0/8") as store:
            store.acme()
            api = Api(store)
            store.serve()
            wait_until(store.is_ready)
            statuses = {api.emit(token="bell_wrong", x_forwarded_for=f"203.0.113.7, 192.0.2.{n}")[0] for n in range(100)}
            self.assertEqual(statuses, {401})
            statuses = [api.emit(token="bell_wrong", x_forwarded_for=f"203.0.113.{n}, 192.0.2.200")[0] for n in range(100)]
            self.assertIn(429, statuses, "the proxy names who asks; what stands before that is anybody's")


class WhatIsAcknowledged(unittest.TestCase):
    def test_kill_9_right_after_the_answer_loses_nothing(self):
        acknowledged = {}
        with Store() as store:
            store.acme()
            api = Api(store)
            for number in range(4):
                process = store.serve()
                wait_until(store.is_ready)
                if number:
                    again = api.emit({"event_type": "server.stopped", "data": {"n": number - 1}}, idempotency_key=f"k{number - 1}")
                    self.assertEqual((again[0], again[2]["id"]), (202, acknowledged[number - 1]), "known after the restart")
                status, _, document = api.emit({"event_type": "server.stopped", "data": {"n": number}}, idempotency_key=f"k{number}")
                process.send_signal(signal.SIGKILL)
                process.wait()
                self.assertEqual(status, 202)
                acknowledged[number] = document["id"]
            for number, event in acknowledged.items():
                self.assertEqual(store.json("events", "show", event)["data"], {"n": number})
            self.assertEqual(len(store.json("events", "list", "--account", "acme")), 4)

    def test_a_connection_costs_little_memory(self):
        with Store() as store:
            store.acme()
            api = Api(store)
            process = store.serve()
            wait_until(store.is_ready)
            for _ in range(20):
                self.assertEqual(api.emit()[0], 202)
            before = resident_kib(process.pid)
            body = json.dumps(BODY).encode()
            connections = [api.connect() for _ in range(100)]
            for connection in connections:
                connection.sendall(api.head("POST", "/v1/accounts/acme/events", f"content-length: {len(body)}") + b"\r\n" + body)
            for connection in connections:
                self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 202"))
            each = (resident_kib(process.pid) - before) / len(connections)
            for connection in connections:
                connection.close()
            self.assertLess(each, 500, "KiB")

    def test_it_takes_small_pages_only(self):
        with Store() as store:
            process = store.serve()
            wait_until(store.is_ready)
            with open(f"/proc/{process.pid}/status") as status:
                self.assertIn("THP_enabled:\t0", status.read(), "in huge pages it takes a third more memory")

    def test_ready_means_that_events_are_taken_and_delivered(self):
        with Store() as store:
            store.acme()
            api = Api(store)
            ready = lambda: api.ask("GET", "/readyz", token="")
            store.serve()
            wait_until(store.is_ready)
            self.assertEqual(ready()[2], {"status": "ok"})
            # Another program keeps the file locked for writing: it can be read, and no event can be taken.
            blocker = sqlite3.connect(store.path, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            status, headers, document = wait_until(lambda: (it := ready())[0] == 503 and it)
            self.assertEqual((headers["content-type"], document["type"]), ("application/problem+json", "urn:bellboard:store-unavailable"))
            self.assertIn("retry-after", headers)
            self.assertEqual(api.ask("GET", "/healthz", token="")[0], 200, "it lives")
            blocker.execute("ROLLBACK")
            blocker.close()
            wait_until(lambda: ready()[0] == 200)
