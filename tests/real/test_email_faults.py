"""Mail to servers that hang, break off, are full or old: aiosmtpd made to misbehave at each step of a mail."""

import asyncio
import contextlib
import json
import socketserver
import ssl
import subprocess
import tempfile
import threading
import warnings
import unittest

from aiosmtpd_mailbox import SMTP, Mailbox
from rig import Store, package, program, wait_until
from test_slack import EVENT_TYPES, HOSTILE, HUGE

AuthResult = package("aiosmtpd.smtp").AuthResult


def misbehaving(step, fault):
    """A server to which `fault(server)` happens at that step of the first mail; afterwards it behaves."""

    class Server(SMTP):
        happened = False

        async def at(self, here):
            # The start of the server connects once to see that it listens.
            if here == step and self.event_handler.is_up and not Server.happened:
                Server.happened = True
                await fault(self)

        async def _handle_client(self):
            await self.at("greeting")
            await super()._handle_client()

        async def smtp_EHLO(self, argument):
            await self.at("EHLO")
            await super().smtp_EHLO(argument)

        async def smtp_AUTH(self, argument):
            await self.at("AUTH")
            await super().smtp_AUTH(argument)

        async def smtp_MAIL(self, argument):
            await self.at("MAIL")
            await super().smtp_MAIL(argument)

        async def smtp_RCPT(self, argument):
            await self.at("RCPT")
            await super().smtp_RCPT(argument)

        async def smtp_DATA(self, argument):
            await self.at("DATA")
            await super().smtp_DATA(argument)

        async def push(self, status):
            if str(status).startswith("250 2.0.0 taken"):
                await self.at("end")
            await super().push(status)

    return Server


async def hang(_):
    await asyncio.sleep(60)


async def drop(server):
    server.transport.abort()
    await asyncio.sleep(60)


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=data.password == b"right-7123", handled=False)


class Faults(unittest.TestCase):
    def store(self, mailbox, *addresses, **environment):
        store = Store(BELLBOARD_DELIVERY_RETRY="100ms,100ms,100ms", **(mailbox.environment | environment))
        self.addCleanup(store.close)
        self.addCleanup(mailbox.close)
        store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", addresses[0])
        for address in addresses[1:]:
            store.ok("destinations", "add", "acme", "email", "--address", address)
        return store

    def logged_in(self, store, mailbox, password="right-7123"):
        path = store.folder + "/password"
        with open(path, "w") as file:
            file.write(password + "\n")
        port = mailbox.controller.port
        return {"BELLBOARD_EMAIL_SERVER": f"smtp://bells@127.0.0.1:{port}?tls=none", "BELLBOARD_EMAIL_PASSWORD_FILE": path}

    def rows(self, store):
        return [row for row in store.json("deliveries", "list", "--limit", "200") if row["channel"] == "email"]

    def ended(self, store, seconds=60):
        return wait_until(lambda: (rows := self.rows(store)) and
                          all(row["state"] in ("delivered", "failed") for row in rows) and rows, seconds)

    def test_a_fault_at_each_step_is_told_and_tried_again(self):
        for fault, name in ((hang, "hangs"), (drop, "drops")):
            for step in ("greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "end"):
                with self.subTest(server=name, step=step):
                    mailbox = Mailbox(misbehaving(step, fault), authenticator=authenticator, auth_require_tls=False)
                    store = self.store(mailbox, "ops@acme.test", BELLBOARD_DELIVERY_TIMEOUT="4s" if fault is hang else "15s")
                    store.environment |= self.logged_in(store, mailbox)
                    event = json.loads(store.ok("--json", "emit", "acme", "server.stopped", "--data", "{}", "--wait=60"))
                    shown = store.json("deliveries", "show", event["deliveries"][0]["id"])
                    log = shown["attempt_log"]
                    self.assertEqual((shown["state"], shown["attempts"]), ("delivered", 2), shown)
                    self.assertIn("mail server", log[0]["reason"])
                    self.assertNotIn("right-7123", json.dumps(shown))
                    # After the last line it may have been taken: then the repeat can be known by its Message-ID.
                    ids = {mail["Message-ID"] for mail in mailbox.mails}
                    self.assertEqual((len(ids), len(mailbox.mails)), (1, 2 if step == "end" else 1))

    def test_each_address_is_refused_or_taken_for_itself(self):
        class Choosy(SMTP):
            async def smtp_RCPT(self, argument):
                if "gone@" in argument:
                    return await self.push("550 5.1.1 no such user")
                if "full@" in argument:
                    return await self.push("452 4.2.2 mailbox full")
                await super().smtp_RCPT(argument)

        mailbox = Mailbox(Choosy)
        store = self.store(mailbox, "one@acme.test", "gone@acme.test", "full@acme.test", "two@acme.test")
        store.serve()
        store.ok("emit", "acme", "server.stopped", "--data", "{}")
        found = {}
        for row in self.ended(store):
            destination = store.json("destinations", "show", row["destination"])
            found[destination["fields"]["address"]] = (row["state"], row["attempts"], row["status"])
        self.assertEqual(found, {
            "one@acme.test": ("delivered", 1, 250), "two@acme.test": ("delivered", 1, 250),
            "gone@acme.test": ("failed", 1, 550), "full@acme.test": ("failed", 4, 452),
        })
        self.assertEqual(sorted(to for _, (to,) in mailbox.envelopes), ["one@acme.test", "two@acme.test"])

    def test_connections_are_kept_and_not_too_many(self):
        async def slowly():
            await asyncio.sleep(0.1)

        mailbox = Mailbox(wait=slowly)
        addresses = [f"n{number}@acme.test" for number in range(40)]
        store = self.store(mailbox, *addresses)
        store.serve()
        for _ in range(3):
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
        rows = self.ended(store)
        self.assertEqual((len(rows), {(row["state"], row["attempts"]) for row in rows}), (120, {("delivered", 1)}))
        self.assertEqual(len(mailbox.mails), 120)
        # Sixteen are busy at most, and as many are kept for a moment when they are free.
        self.assertTrue(1 < mailbox.open_most < 32, f"{mailbox.open_most} connections at once")
        self.assertLess(mailbox.connections, 60, "connections are used again")

    def test_a_server_that_is_busy_is_waited_for_and_no_try(self):
        async def busy(server):
            await server.push("421 4.3.2 too many connections")
            server.transport.close()
            await asyncio.sleep(60)

        mailbox = Mailbox(misbehaving("greeting", busy))
        store = self.store(mailbox, "ops@acme.test")
        store.serve()
        store.ok("emit", "acme", "server.stopped", "--data", "{}")
        waiting = wait_until(lambda: (row := self.rows(store)[0])["reason"] and row)
        self.assertEqual((waiting["state"], waiting["attempts"]), ("pending", 0), waiting)
        self.assertIn("too many connections", waiting["reason"])
        (row,) = self.ended(store)
        self.assertEqual((row["state"], row["attempts"]), ("delivered", 1))

    def test_a_log_in_that_is_refused_or_not_offered_holds_the_mail(self):
        for password, options, words in [
            ("wrong", {"auth_require_tls": False}, "password_file"),
            ("right-7123", {"auth_require_tls": True}, "[email] server"),
        ]:
            with self.subTest(words=words):
                mailbox = Mailbox(authenticator=authenticator, auth_required=True, **options)
                store = self.store(mailbox, "ops@acme.test")
                store.environment |= self.logged_in(store, mailbox, password)
                store.serve()
                store.ok("emit", "acme", "server.stopped", "--data", "{}")
                row = wait_until(lambda: (row := self.rows(store)[0])["reason"] and row)
                self.assertEqual((row["state"], row["attempts"]), ("pending", 0), row)
                self.assertIn(words, row["reason"])
                self.assertEqual(mailbox.mails, [])

    def test_every_mail_keeps_the_rules_of_lines_and_headers(self):
        mailbox = Mailbox()
        store = self.store(mailbox, "ops@acme.test")
        store.ok("accounts", "edit", "acme", "--name", "Bäckerei Übermut " * 6)
        store.ok("matrix", "set", "acme", "account.suspended", "email", "on")
        lines = [json.dumps({"account": "acme", "event_type": event_type, "data": json.loads(data)})
                 for event_type in EVENT_TYPES for data in ("{}", HOSTILE, HUGE)]
        store.serve()
        store.ok("ingest", "-", input="\n".join(lines).encode())
        wait_until(lambda: len(mailbox.mails) == len(lines))
        for raw, mail, (sender, to) in zip(mailbox.raw, mailbox.mails, mailbox.envelopes, strict=True):
            self.assertNotIn(b"\n", raw.replace(b"\r\n", b""), "a bare LF")
            self.assertNotIn(b"\r", raw.replace(b"\r\n", b""), "a bare CR")
            self.assertLessEqual(max(map(len, raw.split(b"\r\n"))), 998)
            self.assertTrue(raw.isascii(), "it needs neither 8BITMIME nor SMTPUTF8")
            self.assertEqual((sender, to), ("bells@acme.test", ["ops@acme.test"]), "bounces go to the sender")
            self.assertEqual(mail["From"].addresses[0].display_name, "Glöckner")
            self.assertEqual(mail["Auto-Submitted"], "auto-generated")
            self.assertTrue(mail["Message-ID"] and mail["Date"].datetime and mail["Subject"].isprintable())
            for part in mail.walk():
                self.assertEqual(list(part.defects), [])
            for kind in ("plain", "html"):
                self.assertTrue(mail.get_body((kind,)).get_content().strip())

    def test_an_address_that_needs_smtputf8_is_taken_or_refused_with_the_reason(self):
        for offered, state, words in [(True, "delivered", ""), (False, "failed", "SMTPUTF8")]:
            with self.subTest(offered=offered):
                mailbox = Mailbox(enable_SMTPUTF8=offered)
                store = self.store(mailbox, "jörg@acme.test")
                store.serve()
                store.ok("emit", "acme", "server.stopped", "--data", "{}")
                (row,) = self.ended(store)
                self.assertEqual((row["state"], row["attempts"]), (state, 1), row)
                self.assertIn(words, row["reason"] or "")
                self.assertEqual(len(mailbox.mails), int(offered))


def certificate(folder):
    """A certificate of loopback that vouches for itself, in a file with its key."""
    path = folder + "/tls.pem"
    subprocess.run([program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", path + ".key", "-out", path, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    # One that may be either end: aiosmtpd looks with it whether its server is up.
    with warnings.catch_warnings(action="ignore"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS)
    context.load_cert_chain(path, path + ".key")
    return path, context


class Endless(unittest.TestCase):
    """A server that answers without end, at once or in the middle of a mail: it is left, and next to nothing of it is held."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.certificate, self.context = certificate(folder.name)

    def test_it_is_left_and_not_listened_to(self):
        class Server(socketserver.StreamRequestHandler):
            at, piece = "", b""

            def handle(self):
                # A TLS that the other end breaks off is an OSError too.
                with contextlib.suppress(OSError):
                    self.flood() if self.at == "greeting" else self.wfile.write(b"220 mail\r\n")
                    for line in self.rfile:
                        self.flood() if line.decode().startswith(self.at) else self.wfile.write(b"250 ok\r\n")

            def flood(self):
                self.wfile.write(b"250-")
                while True:
                    self.wfile.write(self.piece)

        class Secure(socketserver.ThreadingTCPServer):
            context = self.context

            def get_request(self):
                stream, address = super().get_request()
                return self.context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False), address

        line, lines = b"x" * 65536, (b"x" * 900 + b"\r\n250-") * 72
        for kind, tls, at, piece in (
            (socketserver.ThreadingTCPServer, "none", "greeting", line), (socketserver.ThreadingTCPServer, "none", "greeting", lines),
            (socketserver.ThreadingTCPServer, "none", "EHLO", line), (socketserver.ThreadingTCPServer, "none", "RCPT", line),
            (Secure, "implicit", "greeting", line), (Secure, "implicit", "greeting", lines), (Secure, "implicit", "RCPT", line),
        ):
            end = type("End", (Server,), {"at": at, "piece": piece})
            with self.subTest(tls=tls, at=at, piece=piece[:10]), kind(("127.0.0.1", 0), end) as server:
                server.daemon_threads = True
                threading.Thread(target=server.serve_forever, daemon=True).start()
                self.addCleanup(server.shutdown)
                environment = {"BELLBOARD_EMAIL_SERVER": f"smtp://127.0.0.1:{server.server_address[1]}?tls={tls}",
                               "BELLBOARD_EMAIL_FROM": "bells@acme.test", "BELLBOARD_EMAIL_CA_FILE": self.certificate}
                with Store(BELLBOARD_DELIVERY_RETRY="50ms", **environment) as store:
                    store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
                    serve = store.serve()
                    store.ok("emit", "acme", "server.stopped")
                    row = wait_until(lambda: store.json("deliveries", "list", "--state", "failed"))[0]
                    self.assertIn("answers without end", row["reason"])
                    with open(f"/proc/{serve.pid}/status") as status:
                        most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
                    self.assertLess(most, 200_000, "KB, at most")


class Implicit(unittest.TestCase):
    """TLS from the first byte, to a server that was written by others."""

    def test_mail_goes_to_who_can_be_trusted_only(self):
        with tempfile.TemporaryDirectory() as folder:
            path, context = certificate(folder)
            mailbox = Mailbox(ssl_context=context)
            self.addCleanup(mailbox.close)
            server = f"smtp://127.0.0.1:{mailbox.controller.port}?tls=implicit"
            with Store(BELLBOARD_EMAIL_CA_FILE=path, **mailbox.environment | {"BELLBOARD_EMAIL_SERVER": server}) as store:
                store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
                for _ in range(2):
                    store.ok("emit", "acme", "server.stopped", "--wait=60")
                self.assertEqual(len(mailbox.mails), 2)
                del store.environment["BELLBOARD_EMAIL_CA_FILE"]
                [mail] = [line for line in json.loads(store.run("--json", "doctor")[1]) if line["what"] == "Email"]
                self.assertEqual(mail["grade"], "bad")
                self.assertIn("no secure connection to the mail server", mail["says"])
                self.assertIn("ca_file", mail["says"])
                # To a server of plain text nothing is said at all.
                store.environment["BELLBOARD_EMAIL_CA_FILE"] = path
                plain = Mailbox()
                self.addCleanup(plain.close)
                store.environment["BELLBOARD_EMAIL_SERVER"] = f"smtp://127.0.0.1:{plain.controller.port}?tls=implicit"
                [mail] = [line for line in json.loads(store.run("--json", "doctor")[1]) if line["what"] == "Email"]
                self.assertIn("no secure connection to the mail server", mail["says"])
