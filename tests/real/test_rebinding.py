"""Names that lie, told by a DNS server of others to the system's own resolver: the address that was checked is the address that is
connected to, one that may not be reached refuses the whole name, and each connection asks anew."""

import collections
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import unittest

from rig import BINARY, Store, package, wait_until

# Loopback, all of it: what the config allows stands for the public, the rest for the network behind.
RESOLVER, PUBLIC, PRIVATE, ALLOWED = "127.9.9.9", "127.7.0.1", "127.0.0.1", "127.7.0.0/16"

# Each name's answers: by type, one list for each time that it is asked, the last one for ever.
NAMES = {
    "plain.test": {"A": [[PUBLIC]]},
    "turns.test": {"A": [[PUBLIC], [PRIVATE]]},
    "comes.test": {"A": [[PRIVATE], [PUBLIC]]},
    "both.test": {"A": [[PUBLIC, PRIVATE]]},
    "other.test": {"A": [[PRIVATE, PUBLIC]]},
    "six.test": {"A": [[PUBLIC]], "AAAA": [["::1"]]},
    "mapped.test": {"A": [[PUBLIC]], "AAAA": [["::ffff:7f00:1"]]},
    "nat64.test": {"AAAA": [["64:ff9b::7f00:1"]]},
    "zero.test": {"A": [["0.0.0.0"]]},
    "cloud.test": {"A": [["169.254.169.254"]]},
    "chain.test": {"CNAME": "link.test"},
    "link.test": {"CNAME": "turned.test"},
    "turned.test": {"A": [[PUBLIC], [PRIVATE]]},
    "inner.test": {"CNAME": "behind.test"},
    "behind.test": {"A": [[PRIVATE]]},
    "mail.test": {"A": [[PUBLIC], [PRIVATE]]},
    "many.test": {"A": [[f"127.7.1.{n}" for n in range(1, 30)] + [PRIVATE]]},
}
REFUSED = ("both", "other", "six", "mapped", "nat64", "zero", "cloud", "inner", "many")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes a message and ends the connection, so that the next one looks the name up again."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    """A mail server that wants each message once more, over another connection."""

    def handle(self):
        self.wfile.write(b"220 mail.test\r\n")
        for line in self.rfile:
            is_last = line.upper().startswith(b"RCPT")
            self.wfile.write(b"451 4.2.0 once more\r\n" if is_last else b"250 mail.test\r\n")
            if is_last:
                return


class Counting(http.server.ThreadingHTTPServer):
    """Counts who connects."""

    daemon_threads = True

    def __init__(self, address, handler=Receiver, family=socket.AF_INET):
        self.address_family, self.count = family, 0
        super().__init__(address, handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def verify_request(self, *_):
        self.count += 1
        return True


class Names:
    """A DNS server: `NAMES` in turn, and nothing else."""

    def __init__(self):
        dnslib, server = package("dnslib"), package("dnslib.server")
        self.asked = collections.Counter()
        names = self

        class Resolver:
            def resolve(self, request, _):
                reply, name = request.reply(), str(request.q.qname).rstrip(".").lower()
                kind = dnslib.QTYPE[request.q.qtype]
                while target := NAMES.get(name, {}).get("CNAME"):
                    reply.add_answer(dnslib.RR(name, dnslib.QTYPE.CNAME, rdata=dnslib.CNAME(target), ttl=0))
                    name = target
                if name not in NAMES:
                    reply.header.rcode = dnslib.RCODE.NXDOMAIN
                turns = NAMES.get(name, {}).get(kind, [[]])
                number = names.asked[name, kind]
                names.asked[name, kind] += 1
                for address in turns[min(number, len(turns) - 1)]:
                    data = dnslib.A(address) if kind == "A" else dnslib.AAAA(address)
                    reply.add_answer(dnslib.RR(name, request.q.qtype, rdata=data, ttl=0))
                return reply

        silent = server.DNSLogger(log="-request,-reply,-truncated,-error,-recv,-send,-data")
        self.server = server.DNSServer(Resolver(), address=RESOLVER, port=53, logger=silent)
        self.server.start_thread()


def can_point_a_process_elsewhere():
    done = subprocess.run(["unshare", "-m", "mount", "--bind", "/dev/null", "/etc/resolv.conf"], capture_output=True)
    return os.getuid() == 0 and done.returncode == 0


@unittest.skipUnless(shutil.which("unshare") and can_point_a_process_elsewhere(), "takes root, and a mount namespace")
class Rebinding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = Names()
        cls.addClassCleanup(cls.names.server.stop)
        cls.public = Counting((PUBLIC, 0))
        port = cls.public.server_port
        cls.mail = Counting((PUBLIC, 0), Mail)
        mail_port = cls.mail.server_port
        cls.private = [Counting((PRIVATE, port)), Counting(("::1", port), family=socket.AF_INET6), Counting((PRIVATE, mail_port), Mail)]
        for end in (cls.public, cls.mail, *cls.private):
            cls.addClassCleanup(end.server_close)
            cls.addClassCleanup(end.shutdown)
        cls.port = port
        cls.store = Store(
            BELLBOARD_NETWORK_ALLOW=ALLOWED, BELLBOARD_DELIVERY_RETRY="50ms", BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_EMAIL_SERVER=f"smtp://mail.test:{mail_port}?tls=none",
        )
        cls.addClassCleanup(cls.store.close)
        cls.store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        cls.store.ok("matrix", "set", "acme", "all", "email", "off")
        resolv = os.path.join(cls.store.folder, "resolv.conf")
        with open(resolv, "w") as file:
            file.write(f"nameserver {RESOLVER}\noptions timeout:5 attempts:2\n")
        serve = f"mount --bind {resolv} /etc/resolv.conf && exec {BINARY} serve"
        cls.store.processes.append(subprocess.Popen(
            ["unshare", "-m", "sh", "-c", serve], env=cls.store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(cls.store.is_ready)

    def setUp(self):
        self.names.asked.clear()
        self.public.count = 0

    def tearDown(self):
        self.assertEqual([end.count for end in self.private], [0, 0, 0], "what may not be reached was connected to")

    def to(self, channel, *fields):
        """A destination that gets one test after the other: ends as (state, reason) each."""
        made = self.store.json("destinations", "add", "acme", channel, *fields)
        def test():
            code, out, err = self.store.run("--json", "destinations", "test", made["id"], "--wait=60")
            self.assertIn(code, (0, 1), err)
            one, = json.loads(out)["deliveries"]
            return one["state"], one["reason"] or ""
        return test

    def webhook(self, name, path="/in", channel="webhook", *fields):
        return self.to(channel, "--url", f"http://{name}.test:{self.port}{path}", *fields)

    def test_the_one_that_was_checked_is_the_one_that_is_connected_to(self):
        for number in (1, 2, 3):
            self.assertEqual(self.webhook("plain")()[0], "delivered")
            self.assertEqual((self.public.count, self.names.asked["plain.test", "A"]), (number, number), "asked once for each connection")

    def test_a_name_that_turns_to_the_inside_leads_nowhere(self):
        for name, asked in (("turns", "turns.test"), ("chain", "turned.test")):
            with self.subTest(name=name):
                self.names.asked.clear()
                test = self.webhook(name)
                self.assertEqual(test()[0], "delivered")
                state, reason = test()
                self.assertEqual((state, "[network] allow" in reason), ("failed", True), reason)
                self.assertGreater(self.names.asked[asked, "A"], 1)
        self.assertEqual(self.public.count, 2)

    def test_a_name_that_was_refused_is_asked_anew(self):
        self.assertEqual(self.webhook("comes")()[0], "delivered", "its second try")
        self.assertEqual((self.public.count, self.names.asked["comes.test", "A"]), (1, 2))

    def test_one_address_of_the_inside_refuses_the_whole_name(self):
        for name in REFUSED:
            with self.subTest(name=name):
                state, reason = self.webhook(name)()
                self.assertEqual((state, "is no public address" in reason), ("failed", True), reason)
        self.assertEqual(self.public.count, 0)

    def test_a_name_that_is_not_there_says_so(self):
        self.assertIn("cannot be found", self.webhook("nowhere")()[1])

    def test_every_channel_asks_the_same_gate(self):
        for channel, fields in (
            ("slack", ("--url", f"http://both.test:{self.port}/services/x")),
            ("hipchat", ("--token", "x", "--room", "ops", "--base-url", f"http://both.test:{self.port}")),
        ):
            state, reason = self.to(channel, *fields)()
            self.assertEqual((state, "is no public address" in reason), ("failed", True), f"{channel}: {reason}")
        self.assertEqual(self.public.count, 0)
        # Mail: its server is of the config, and turns to the inside like any other.
        state, reason = self.to("email", "--address", "jane@acme.test")()
        self.assertEqual((state, "is no public address" in reason), ("failed", True), reason)
        self.assertEqual(self.mail.count, 1, "the first try, when its name led outside")


if __name__ == "__main__":
    unittest.main()
