"""HTTPS by the process itself, asked by curl and openssl; a certificate that is exchanged while it serves; a proxy that is none."""

import os
import subprocess
import threading
import socketserver
import unittest

from rig import PATIENCE, Receiver, Store, program, wait_until


class Tls(unittest.TestCase):
    def setUp(self):
        self.openssl, self.curl = program("openssl"), program("curl")
        self.store = Store()
        self.addCleanup(self.store.close)
        self.cert, self.key = (os.path.join(self.store.folder, name) for name in ("cert.pem", "key.pem"))
        self.store.environment |= {"BELLBOARD_HTTP_TLS_CERT": self.cert, "BELLBOARD_HTTP_TLS_KEY": self.key}
        self.port = self.store.http.rsplit(":", 1)[1]

    def make(self, name):
        """A certificate of that name, each file put in place as a whole."""
        new = [f"{path}.new" for path in (self.cert, self.key)]
        subprocess.run([self.openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", new[1], "-out", new[0]],
                       check=True, capture_output=True)
        os.chmod(new[1], 0o600)
        for path, place in zip(new, (self.cert, self.key)):
            os.rename(path, place)

    def ask(self, *options, scheme="https"):
        done = subprocess.run([self.curl, "--silent", "--max-time", str(int(PATIENCE)), "--write-out", "%{http_code} %{http_version}", "--output", "/dev/null",
                               *options, f"{scheme}://127.0.0.1:{self.port}/healthz"], capture_output=True, text=True)
        return done.returncode, done.stdout

    def served(self, *options):
        done = subprocess.run([self.openssl, "s_client", "-connect", f"127.0.0.1:{self.port}", *options], input="", capture_output=True, text=True)
        return done.stdout

    def test_it_is_spoken_and_a_new_certificate_is_served_at_once(self):
        self.make("first")
        self.store.acme()
        self.store.serve()
        wait_until(lambda: self.ask("--cacert", self.cert) == (0, "200 1.1"))
        self.assertEqual(self.ask()[0], 60, "nobody vouches for it")
        self.assertNotEqual(self.ask(scheme="http")[1][:3], "200", "no word without TLS")
        self.assertIn("TLSv1.3", self.served("-tls1_3"))
        self.assertNotIn("Cipher is ECDHE", self.served("-tls1_1"))
        self.assertIn("first", self.served())
        self.make("second")
        self.assertIn("second", self.served())
        self.assertEqual(self.ask("--cacert", self.cert), (0, "200 1.1"))
        with open(self.cert, "w") as file:
            file.write("half a cert")
        self.assertIn("second", self.served(), "the one before stays while the new one is not whole")

    def test_what_cannot_be_used_is_told_at_the_start(self):
        self.store.acme()
        for prepare, words in (
            (lambda: None, "cert.pem"), (lambda: self.make("one"), None), (lambda: os.chmod(self.key, 0o644), "chmod o-r"),
            (lambda: (os.chmod(self.key, 0o600), open(self.key, "w").close()), "no private key"),
        ):
            prepare()
            code, _, err = self.store.run("config", "check")
            self.assertEqual(code, 2 if words else 0, err)
            if words:
                self.assertTrue(words in err or "key.pem" in err, err)
                code, _, err = self.store.run("serve")
                self.assertEqual(code, 2, err)
        code, _, err = self.store.run("config", "check", BELLBOARD_HTTP_TLS_KEY="")
        self.assertEqual(code, 2, err)

    def test_idle_and_slow_handshakes_hold_up_nobody(self):
        import socket

        self.make("first")
        self.store.acme()
        self.store.serve()
        wait_until(lambda: self.ask("--cacert", self.cert)[0] == 0)
        idle = [socket.create_connection(("127.0.0.1", int(self.port))) for _ in range(50)]
        for wire in idle[:25]:
            wire.sendall(b"\x16\x03\x01")
        self.assertEqual(self.ask("--cacert", self.cert), (0, "200 1.1"))
        for wire in idle:
            wire.close()


class NoProxy(unittest.TestCase):
    def test_a_proxy_of_the_environment_is_not_asked(self):
        seen = []

        class Proxy(socketserver.BaseRequestHandler):
            def handle(self):
                seen.append(self.request.recv(1000))

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy, Receiver() as receiver:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{proxy.server_address[1]}"
            names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
            with Store(**dict.fromkeys(names, address)) as store:
                store.acme(receiver.url)
                store.serve()
                ended = store.json("emit", "acme", "server.stopped", "--wait=60")
                self.assertEqual([one["state"] for one in ended["deliveries"]], ["delivered"])
            proxy.shutdown()
        self.assertEqual((len(receiver.requests), seen), (1, []))
