"""Mail through a real SMTP server (aiosmtpd), read back with Python's own mail parser."""

import asyncio
import email
import email.policy
import json
import os
import time
import unittest

from rig import PATIENCE, Receiver, Store, free_port, package

Controller = package("aiosmtpd.controller").Controller
SMTP = package("aiosmtpd.smtp").SMTP


class Mailbox:
    """Takes mail; puts `grey@…` off once, refuses `bad@…`, and asks for a log-in when it is told to."""

    def __init__(self):
        self.mails = []
        self.put_off = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bad"):
            return "550 5.1.1 no such user here"
        if address.startswith("grey") and not self.put_off:
            self.put_off += 1
            return "451 4.7.1 greylisted, come back"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 2.0.0 taken"


class Email(unittest.TestCase):
    def setUp(self):
        self.mailbox = Mailbox()
        port = free_port()
        self.controller = Controller(self.mailbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE)
        self.controller.start()
        self.store = Store(
            BELLBOARD_EMAIL_SERVER=f"smtp://127.0.0.1:{port}?tls=none",
            BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_DELIVERY_RETRY="300ms,300ms",
        )

    def tearDown(self):
        self.controller.stop()
        self.store.close()

    def account(self, address):
        self.store.ok("accounts", "add", "acme", "--name", "Bäckerei Übermut\u202e", "--email", address)

    def test_a_mail_is_read_as_it_was_meant(self):
        self.account("ops@acme.test")
        hostile = '{"name": "web\\r\\nBcc: victim@acme.test", "log": "' + "<b>é漢🚀" * 800 + '"}'
        self.store.ok("emit", "acme", "server.stopped", "--data", hostile, "--wait=60")
        (mail,) = self.mailbox.mails
        self.assertEqual((mail["From"], mail["To"], mail["Bcc"]), ("bells@acme.test", "ops@acme.test", None))
        self.assertEqual(mail["Subject"], "[Bäckerei Übermut] Server heartbeat stopped: web Bcc: victim@acme.test")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertRegex(mail["Message-ID"], r"^<dlv_1\.evt_[0-9a-f]{32}@acme\.test>$")
        self.assertIsNotNone(mail["Date"].datetime)
        text = mail.get_body(("plain",)).get_content()
        html = mail.get_body(("html",)).get_content()
        self.assertIn("<b>é漢🚀", text)
        self.assertIn("&lt;b&gt;é漢🚀", html)
        self.assertNotIn("<b>é", html)
        self.assertEqual(list(mail.defects), [])

    def test_own_words_reach_the_mailbox_and_a_recovery_says_how_long_it_was_down(self):
        words = os.path.join(self.store.folder, "words")
        os.mkdir(words)
        with open(os.path.join(words, "server.stopped.txt"), "w") as file:
            file.write('{% extends "server.stopped.txt" %}{% block next %}Call <us> about {{ name }}.{% endblock %}')
        self.store.environment["BELLBOARD_MESSAGES_TEMPLATES"] = words
        self.account("ops@acme.test")
        self.store.ok("emit", "acme", "server.stopped", "--data", '{"server": "{{ web1 }}"}', "--wait=60")
        time.sleep(1.1)
        self.store.ok("emit", "acme", "server.backon", "--data", '{"server": "{{ web1 }}"}', "--wait=60")
        stopped, back = self.mailbox.mails
        self.assertIn("Call <us> about {{ web1 }}.", stopped.get_body(("plain",)).get_content())
        self.assertIn("Call &lt;us&gt; about {{ web1 }}.", stopped.get_body(("html",)).get_content())
        for kind in ("plain", "html"):
            self.assertRegex(back.get_body((kind,)).get_content(), r"It was down for \d+ seconds?\.")
        (address,) = self.store.json("destinations", "list", "acme", "--channel", "email")
        self.store.ok("destinations", "test", address["id"], "--event-type", "job.backon", "--wait=60")
        test = self.mailbox.mails[2]
        self.assertEqual(test["Subject"].split("] ")[1][:6], "Test: ")
        self.assertIn("Nothing has happened.", test.get_body(("plain",)).get_content())
        self.assertIn("failing for 2 hours 5 minutes", test.get_body(("html",)).get_content())

    def test_greylisting_is_waited_out(self):
        self.account("grey@acme.test")
        self.store.ok("emit", "acme", "server.stopped", "--wait=60")
        log = self.store.json("deliveries", "show", "dlv_1")["attempt_log"]
        self.assertEqual([(one["status"], one["outcome"]) for one in log], [(451, "failed"), (250, "delivered")])

    def test_a_refused_address_is_final(self):
        self.account("bad@acme.test")
        code, _, _ = self.store.run("emit", "acme", "server.stopped", "--wait=60")
        row = self.store.json("deliveries", "show", "dlv_1")
        self.assertEqual((code, row["state"], row["attempts"], row["status"]), (1, "failed", 1, 550))
        self.assertIn("no such user here", row["reason"])

    def test_without_a_server_mail_waits_and_says_why(self):
        with Receiver() as receiver, Store() as store:
            store.acme(receiver.url)
            store.ok("matrix", "set", "acme", "server.stopped", "email", "default")
            store.ok("emit", "acme", "server.stopped", "--wait=60")
            waiting = [row for row in store.json("deliveries", "list") if row["channel"] == "email"][0]
            self.assertEqual((waiting["state"], waiting["attempts"]), ("pending", 0))
            self.assertIn("[email] server", waiting["reason"])


class Faulty(unittest.TestCase):
    """A server that breaks off: nothing is lost, and what it may have got has the same Message-ID again."""

    def through(self, server, timeout):
        mailbox = Mailbox()

        class Breaking(Controller):
            def factory(self):
                return server(self.handler)

        controller = Breaking(mailbox, hostname="127.0.0.1", port=free_port(), ready_timeout=PATIENCE)
        controller.start()
        self.addCleanup(controller.stop)
        store = Store(
            BELLBOARD_EMAIL_SERVER=f"smtp://127.0.0.1:{controller.port}?tls=none",
            BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_DELIVERY_RETRY="100ms,100ms,100ms",
            BELLBOARD_DELIVERY_TIMEOUT=timeout,
        )
        self.addCleanup(store.close)
        store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        event = json.loads(store.ok("--json", "emit", "acme", "server.stopped", "--data", "{}", "--wait=60"))
        detail = store.json("deliveries", "show", event["deliveries"][0]["id"])
        return mailbox.mails, detail["state"], [attempt["reason"] for attempt in detail["attempt_log"]]

    def test_in_the_middle_of_the_text(self):
        class Server(SMTP):
            broken = 0

            async def smtp_DATA(self, argument):
                if Server.broken:
                    return await super().smtp_DATA(argument)
                Server.broken += 1
                await self.push("354 go on")
                await self._reader.read(20)
                self.transport.abort()

        mails, state, reasons = self.through(Server, "15s")
        self.assertEqual((len(mails), state, len(reasons)), (1, "delivered", 2), reasons)
        self.assertIn("mail server", reasons[0])

    def test_after_the_last_line(self):
        class Server(SMTP):
            broken = 0

            async def push(self, status):
                if str(status).startswith("250 2.0.0 taken") and not Server.broken:
                    Server.broken += 1
                    self.transport.abort()
                    return
                await super().push(status)

        mails, state, reasons = self.through(Server, "15s")
        self.assertEqual((state, len(reasons)), ("delivered", 2))
        self.assertEqual(len({mail["Message-ID"] for mail in mails}), 1, "a reader can tell the repeat")

    def test_without_an_answer(self):
        class Server(SMTP):
            broken = 0

            async def smtp_RCPT(self, argument):
                if not Server.broken:
                    Server.broken += 1
                    await asyncio.sleep(60)
                return await super().smtp_RCPT(argument)

        mails, state, reasons = self.through(Server, "4s")
        self.assertEqual((len(mails), state, len(reasons)), (1, "delivered", 2), reasons)
