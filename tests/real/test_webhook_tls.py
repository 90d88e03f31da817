"""Webhooks over TLS of receivers' own: a private authority, client certificates, HTTP/2, and servers from before HTTP/1.1."""

import datetime
import ipaddress
import json
import os
import socket
import tempfile
import threading
import unittest

from node import Node
from rig import SECRET, Store, package


class Authority:
    """A private authority by Python's `cryptography`, and certificates that it signs."""

    def __init__(self, folder, name):
        self.x509 = package("cryptography.x509")
        self.ec = package("cryptography.hazmat.primitives.asymmetric.ec")
        self.hashes = package("cryptography.hazmat.primitives.hashes")
        self.forms = package("cryptography.hazmat.primitives.serialization")
        self.folder = folder
        self.key = self.ec.generate_private_key(self.ec.SECP256R1())
        self.name = self.named(name)
        basic = self.x509.BasicConstraints(ca=True, path_length=None)
        self.cert = self.path(f"{name}.pem", self.sign(self.name, self.key, self.name, basic, days=30))

    def named(self, name):
        return self.x509.Name([self.x509.NameAttribute(self.x509.NameOID.COMMON_NAME, name)])

    def sign(self, subject, key, issuer, extension, days):
        now = datetime.datetime.now(datetime.timezone.utc)
        built = (
            self.x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(self.x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days)).add_extension(extension, critical=False)
            .sign(self.key, self.hashes.SHA256())
        )
        return built.public_bytes(self.forms.Encoding.PEM)

    def path(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def issue(self, name, alternative=None, days=30):
        """The paths of a certificate and its key."""
        key = self.ec.generate_private_key(self.ec.SECP256R1())
        names = [alternative or self.x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        cert = self.sign(self.named(name), key, self.name, self.x509.SubjectAlternativeName(names), days)
        forms = self.forms
        text = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
        return self.path(f"{name}.pem", cert), self.path(f"{name}.key", text)


class Plain:
    """A server of bare sockets: each connection gets a script of (read the whole request or its head, bytes), then is closed."""

    def __init__(self, *script):
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/in"
        self.script = script
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                for whole, answer in self.script:
                    if whole:
                        self.requests.append(self.read(connection))
                    else:
                        head = b""
                        while not head.endswith(b"\r\n\r\n"):
                            head += connection.recv(1)
                    connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                # Closing with unread bytes would be a reset.
                while connection.recv(65536):
                    pass

    @staticmethod
    def read(connection):
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
        return headers, body.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class OwnTls(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.authority = Authority(self.folder, "Acme authority")
        self.stranger = Authority(self.folder, "Stranger")

    def node(self, speaks, cert, key, **more):
        return self.enterContext(Node("webhook.mjs", speaks=speaks, cert=cert, key=key, secrets=[SECRET], **more))

    def store(self, port, *fields, host="127.0.0.1"):
        store = self.enterContext(Store())
        store.acme(f"https://{host}:{port}/in", "server.stopped", *fields)
        return store

    def emit(self, store):
        """What became of an event's one delivery, after one try."""
        store.ok("emit", "acme", "server.stopped", "--id", "once")
        # Long enough for one try, and not for the next; longer where the machine is slow.
        for seconds in (4, 20, 60):
            code, out, err = store.run("--json", "emit", "acme", "server.stopped", f"--wait={seconds}")
            self.assertIn(code, (0, 1, 5), err)
            (row,) = json.loads(out)["deliveries"]
            if row["attempts"]:
                break
        return row

    def test_a_private_authority_vouches_where_the_field_names_it(self):
        node = self.node("https", *self.authority.issue("receiver"))
        store = self.store(node.port)
        row = self.emit(store)
        self.assertEqual(row["state"], "pending")
        self.assertIn("authority that is not known", row["reason"])
        shown = store.json("destinations", "edit", "dst_2", "--ca", "@" + self.authority.cert)
        self.assertIn("BEGIN CERTIFICATE", shown["fields"]["ca"])
        self.assertIn("CN=Acme authority, until 20", store.ok("destinations", "show", "dst_2"))
        self.assertEqual(self.emit(store)["state"], "delivered")
        self.assertTrue(all(heard["verified"] == [True] for heard in node.heard if "verified" in heard))
        store.ok("destinations", "edit", "dst_2", "--ca", "@" + self.stranger.cert)
        self.assertIn("authority that is not known", self.emit(store)["reason"])

    def test_a_wrong_name_and_an_end_are_told(self):
        other = self.authority.issue("other", self.authority.x509.DNSName("other.test"))
        over = self.authority.issue("over", days=-1)
        for pair, words in ((other, "another name"), (over, "has expired")):
            node = self.node("https", *pair)
            store = self.store(node.port, "--ca", "@" + self.authority.cert)
            row = self.emit(store)
            self.assertEqual(row["state"], "pending")
            self.assertIn(words, row["reason"])

    def test_client_certificates(self):
        node = self.node("https", *self.authority.issue("receiver"), clientCa=self.authority.cert)
        store = self.store(node.port, "--ca", "@" + self.authority.cert)
        row = self.emit(store)
        self.assertEqual(row["state"], "pending")
        self.assertIn("client certificate", row["reason"])
        good, bad = self.authority.issue("bellboard"), self.stranger.issue("mallory")
        edit = lambda pair: ("destinations", "edit", "dst_2", "--client-cert", "@" + pair[0], "--client-key", "@" + pair[1])
        store.ok(*edit(bad))
        row = self.emit(store)
        self.assertEqual(row["state"], "pending")
        self.assertRegex(row["reason"], "refuse[sd] the client certificate")
        shown = store.json(*edit(good))
        self.assertEqual(shown["fields"]["client_key"], "••••")
        self.assertEqual(self.emit(store)["state"], "delivered")
        self.assertIn("bellboard", [heard.get("client") for heard in node.heard])
        code, _, err = store.run(*edit((good[0], bad[1])))
        self.assertEqual(code, 2)
        self.assertIn("not the key of the client certificate", err)
        ended = self.authority.issue("ended", days=-1)
        self.assertIn("ended on", store.ok(*edit(ended)))
        key = open(good[1]).read().split("\n")[1]
        for arguments in (("destinations", "show", "dst_2"), ("audit", "list"), ("deliveries", "list")):
            self.assertNotIn(key, store.ok("--json", *arguments))
        cleared = store.json("destinations", "edit", "dst_2", "--client-cert", "", "--client-key", "")
        self.assertEqual(sorted(cleared["fields"]), ["ca", "ordered", "secret", "url"])

    def test_http_2_is_spoken_where_the_receiver_does(self):
        node = self.node("h2", *self.authority.issue("receiver"))
        store = self.store(node.port, "--ca", "@" + self.authority.cert)
        self.assertEqual(self.emit(store)["state"], "delivered")
        self.assertTrue(all((heard["http"], heard["verified"]) == ("2.0", [True]) for heard in node.heard))
        self.assertGreaterEqual(len(node.heard), 1)


class OldServers(unittest.TestCase):
    def check(self, *script):
        webhook = package("standardwebhooks").Webhook
        with Plain(*script) as server, Store() as store:
            store.acme(server.url)
            (row,) = store.json("emit", "acme", "server.stopped", "--wait")["deliveries"]
            self.assertEqual((row["state"], row["attempts"]), ("delivered", 1), row)
            for headers, body in server.requests:
                self.assertTrue(webhook(SECRET).verify(body, headers))
            return store.json("deliveries", "show", row["id"])["attempt_log"][0]

    def test_http_1_0_without_length(self):
        attempt = self.check((True, b"HTTP/1.0 200 OK\r\nserver: old\r\n\r\nheard you"))
        self.assertEqual((attempt["status"], attempt["response"]["body"]), (200, "heard you"))

    def test_an_answer_before_the_body_was_read(self):
        attempt = self.check((False, b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
        self.assertEqual(attempt["status"], 202)

    def test_words_before_the_answer(self):
        attempt = self.check(
            (True, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
                   b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"))
        self.assertEqual((attempt["status"], attempt["response"]["body"]), (200, "ok"))


class ShownAsReceived(unittest.TestCase):
    def test_a_test_shows_request_answer_and_time_as_the_receiver_saw_them(self):
        answer = b"HTTP/1.1 200 OK\r\nx-said: so\r\ncontent-length: 5\r\nconnection: close\r\n\r\nheard"
        with Plain((True, answer)) as server, Store() as store:
            store.acme(server.url, "server.stopped", "--headers", "X-Key: abcdefgh12345678")
            (row,) = store.json("destinations", "test", "dst_2", "--wait")["deliveries"]
            (attempt,) = store.json("deliveries", "show", row["id"])["attempt_log"]
            ((headers, body),) = server.requests
            request = attempt["request"]
            self.assertEqual((request["method"], request["url"], request["body"]), ("POST", server.url, body))
            for name, value in request["headers"].items():
                self.assertEqual(headers[name.lower()], "abcdefgh12345678" if name == "X-Key" else value, name)
            self.assertEqual(request["headers"]["X-Key"], "••••")
            sent = set(headers) - {"host", "content-length", "accept"}
            self.assertEqual(sent, {name.lower() for name in request["headers"]})
            response = attempt["response"]
            self.assertEqual((response["status"], response["headers"]["x-said"], response["body"]), (200, "so", "heard"))
            self.assertGreaterEqual(attempt["duration_ms"], 0)
            self.assertNotIn("abcdefgh12345678", store.ok("deliveries", "show", row["id"]))
