"""A mailbox behind aiosmtpd, the SMTP server in Python: what it got, as bytes and parsed, and who connected."""

import email
import email.policy
import threading

from rig import PATIENCE, free_port, package

Controller = package("aiosmtpd.controller").Controller
SMTP = package("aiosmtpd.smtp").SMTP


class Mailbox:
    """Takes all mail. `server` may be a class that behaves otherwise; `wait` is called before each mail is taken;
    with an `ssl_context` it speaks TLS from the first byte."""

    def __init__(self, server=SMTP, wait=None, ssl_context=None, **options):
        self.mails, self.raw, self.envelopes = [], [], []
        self.connections, self.open, self.open_most = 0, 0, 0
        self.wait = wait
        self.is_up = False
        lock = threading.Lock()
        mailbox = self

        class Counting(server):
            def connection_made(self, transport):
                with lock:
                    mailbox.connections += 1
                    mailbox.open += 1
                    mailbox.open_most = max(mailbox.open_most, mailbox.open)
                super().connection_made(transport)

            def connection_lost(self, error):
                with lock:
                    mailbox.open -= 1
                super().connection_lost(error)

        class Starting(Controller):
            def factory(self):
                return Counting(self.handler, **options)

        self.controller = Starting(self, hostname="127.0.0.1", port=free_port(), ssl_context=ssl_context,
                                   ready_timeout=PATIENCE)
        self.controller.start()
        self.is_up = True
        self.environment = {
            "BELLBOARD_EMAIL_SERVER": f"smtp://127.0.0.1:{self.controller.port}?tls=none",
            "BELLBOARD_EMAIL_FROM": "Glöckner <bells@acme.test>",
        }

    async def handle_DATA(self, server, session, envelope):
        if self.wait:
            await self.wait()
        self.raw.append(envelope.original_content)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.mails.append(email.message_from_bytes(envelope.original_content, policy=email.policy.default))
        return "250 2.0.0 taken"

    def close(self):
        self.controller.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
