"""Email: through a real postfix with STARTTLS (a certificate of our own) and AUTH, into a mailbox that Python's `email` parses.

Postfix and its SASL library come from Debian's packages; a private instance runs on files of its own and needs root.
"""

import email
import email.policy
import glob
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from rig import PATIENCE, Store, free_port, program, wait_until

PASSWORD = "postfix-secret-7123"
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A postfix that takes mail for `acme.test` from whoever logs in, over TLS only."""

    def __init__(self):
        for name in ("postfix", "saslpasswd2", "openssl"):
            program(name)
        if os.geteuid() != 0:
            raise unittest.SkipTest("postfix runs as root only")
        self.folder = tempfile.mkdtemp(prefix="bellboard-postfix-")
        os.chmod(self.folder, 0o755)
        owner = pwd.getpwnam("postfix")
        path = lambda *names: os.path.join(self.folder, *names)
        for name in ("etc", "etc/sasl", "queue", "data", "mail"):
            os.mkdir(path(name), 0o755)
        for name in ("data", "mail"):
            os.chown(path(name), owner.pw_uid, owner.pw_gid)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", path("tls.key"),
             "-out", path("tls.pem"), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
        self.port = free_port()
        pathlib.Path(path("etc/sasl/smtpd.conf")).write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {path('sasldb2')}\nmech_list: PLAIN LOGIN\n")
        subprocess.run(["saslpasswd2", "-f", path("sasldb2"), "-u", "acme.test", "-c", "-p", "bells"],
                       input=PASSWORD.encode(), check=True, capture_output=True)
        os.chown(path("sasldb2"), owner.pw_uid, owner.pw_gid)
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": path("queue"),
            "data_directory": path("data"),
            "maillog_file": path("log"),
            "maillog_file_prefixes": self.folder,
            "myhostname": "mail.acme.test",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "",
            "smtpd_tls_security_level": "encrypt",
            "smtpd_tls_cert_file": path("tls.pem"),
            "smtpd_tls_key_file": path("tls.key"),
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_path": "smtpd",
            "smtpd_sasl_local_domain": "acme.test",
            # Debian's postfix looks there by itself.
            "cyrus_sasl_config_path": path("etc/sasl"),
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
            "smtpd_recipient_restrictions": "check_recipient_access inline:{{nobody@acme.test = 550 5.1.1 no such mailbox}}, "
                                            "permit_sasl_authenticated, reject",
            "virtual_mailbox_domains": "acme.test",
            "virtual_mailbox_base": path("mail"),
            "virtual_mailbox_maps": "static:inbox/",
            "virtual_uid_maps": f"static:{owner.pw_uid}",
            "virtual_gid_maps": f"static:{owner.pw_gid}",
            "virtual_minimum_uid": "1",
            "smtputf8_enable": "yes",
        }
        pathlib.Path(path("etc", "main.cf")).write_text(
            "".join(f"{name} = {value}\n" for name, value in settings.items()))
        pathlib.Path(path("etc", "master.cf")).write_text(SERVICES.format(port=self.port).lstrip())
        done = subprocess.run(["postfix", "-c", path("etc"), "start"], capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise AssertionError(f"postfix does not start: {done.stdout}{done.stderr}")
        password = path("password")
        pathlib.Path(password).write_text(PASSWORD + "\n")
        self.environment = {
            "BELLBOARD_EMAIL_SERVER": f"smtp://bells@localhost:{self.port}?tls=starttls",
            "BELLBOARD_EMAIL_FROM": "Glöckner <bells@acme.test>",
            "BELLBOARD_EMAIL_PASSWORD_FILE": password,
            "BELLBOARD_EMAIL_CA_FILE": path("tls.pem"),
        }

    def mails(self):
        """What lies in the mailbox, in the order in which it came."""
        files = sorted(glob.glob(os.path.join(self.folder, "mail/inbox/new/*")), key=os.path.getmtime)
        parse = lambda data: email.message_from_bytes(data, policy=email.policy.default)
        return [(data, parse(data)) for data in (pathlib.Path(file).read_bytes() for file in files)]

    def log(self):
        return pathlib.Path(self.folder, "log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["postfix", "-c", os.path.join(self.folder, "etc"), "stop"], capture_output=True, timeout=PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


def mail_of(store, event):
    channels = store.json("why", event)["channels"]
    return next(channel["deliveries"] for channel in channels if channel["channel"] == "email")[0]


class ThroughPostfix(unittest.TestCase):
    def test_mail_arrives_whole_and_can_be_turned_off_by_one_click(self):
        with Postfix() as postfix, Store() as store:
            store.environment |= postfix.environment | {"BELLBOARD_HTTP_PUBLIC_URL": store.http}
            store.ok("accounts", "add", "acme", "--name", "Bäckerei Übermut & Söhne", "--email", "ops@acme.test",
                     "--timezone", "Europe/Vienna")
            store.serve()
            wait_until(lambda: store.is_ready())
            name = "web-" + "äöü漢字\U0001f680" * 800 + "\r\nBcc: victim@acme.test"
            payload = json.dumps({"name": name, "uid": "s1", "note": "x" * 5000})
            down = store.json("emit", "acme", "server.stopped", "--data", payload)["event"]["id"]
            wait_until(lambda: len(postfix.mails()) == 1)
            up = store.json("emit", "acme", "server.backon", "--data", payload)["event"]["id"]
            wait_until(lambda: len(postfix.mails()) == 2)
            (data, first), (_, second) = postfix.mails()
            for line in data.splitlines():
                self.assertLessEqual(len(line), 998)
            self.assertEqual(first["from"].addresses[0].display_name, "Glöckner")
            self.assertEqual([address.addr_spec for address in first["to"].addresses], ["ops@acme.test"])
            self.assertIsNone(first["bcc"])
            self.assertIn("Bäckerei Übermut & Söhne", first["subject"])
            self.assertTrue(first["subject"].isprintable(), first["subject"])
            self.assertEqual(first["auto-submitted"], "auto-generated")
            self.assertIn(down, first["message-id"])
            self.assertLess(abs(first["date"].datetime.timestamp() - time.time()), 3600)
            self.assertEqual(first["references"], second["references"], "a failure and its recovery stand together")
            self.assertIn("with ESMTPSA", data.decode(), "encrypted and logged in")
            plain, markup = (first.get_body((kind,)).get_content() for kind in ("plain", "html"))
            for part in (plain, markup):
                self.assertIn("web-äöü漢字\U0001f680", part)
            wait_until(lambda: mail_of(store, down)["state"] == "delivered")

            self.assertEqual(first["list-unsubscribe-post"], "List-Unsubscribe=One-Click")
            link = first["list-unsubscribe"].strip("<>")
            self.assertTrue(link.startswith(store.http), link)
            self.assertIn(link, plain)
            self.assertIn(link, markup)
            self.assertNotIn(link.rsplit("/", 1)[1], store.ok("--json", "deliveries", "show", mail_of(store, down)["id"]))
            cells = lambda: {cell["event_type"]: cell["on"] for cell in store.json("matrix", "show", "acme")["cells"]
                             if cell["channel"] == "email"}
            with urllib.request.urlopen(link, timeout=PATIENCE) as page:
                self.assertIn("Bäckerei Übermut &amp; Söhne", page.read().decode())
            self.assertTrue(cells()["server.stopped"], "to look at the page changes nothing")
            for _ in range(2):
                body = b"List-Unsubscribe=One-Click"
                with urllib.request.urlopen(urllib.request.Request(link, body), timeout=PATIENCE) as done:
                    self.assertEqual(done.status, 200)
            self.assertFalse(cells()["server.stopped"])
            self.assertTrue(cells()["server.backon"], "this cell only")
            self.assertIn("unsubscribe link", store.ok("audit", "list"))
            with self.assertRaises(urllib.error.HTTPError) as wrong:
                urllib.request.urlopen(urllib.request.Request(link[:-3] + "AAA", b""), timeout=PATIENCE)
            self.assertEqual(wrong.exception.code, 404)
            wrong.exception.close()
            silent = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            self.assertIn("unsubscribe link", store.ok("why", silent))
            wait_until(lambda: mail_of(store, up)["state"] == "delivered")

    def test_what_postfix_refuses_has_its_reason(self):
        with Postfix() as postfix, Store() as store:
            store.environment |= postfix.environment
            store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "nobody@acme.test")
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            found = wait_until(lambda: (one := mail_of(store, event))["state"] == "failed" and one)
            self.assertEqual(found["status"], 550)
            self.assertIn("no such mailbox", found["reason"])

    def test_a_fault_of_our_own_holds_the_mail_and_says_what_to_mend(self):
        with Postfix() as postfix:
            wrong = os.path.join(postfix.folder, "wrong")
            pathlib.Path(wrong).write_text("wrong\n")
            cases = [
                ({"BELLBOARD_EMAIL_PASSWORD_FILE": wrong}, "password_file"),
                ({"BELLBOARD_EMAIL_CA_FILE": os.path.join(postfix.folder, "tls.pem"),
                  "BELLBOARD_EMAIL_SERVER": f"smtp://bells@127.0.0.1:{postfix.port}?tls=starttls"}, "ca_file"),
                ({"BELLBOARD_EMAIL_SERVER": f"smtp://bells@localhost:{free_port()}?tls=starttls"}, "[email] server"),
            ]
            for environment, word in cases:
                with self.subTest(word=word), Store(**(postfix.environment | environment)) as store:
                    store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
                    store.serve()
                    event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
                    found = wait_until(lambda: (one := mail_of(store, event))["reason"] and one)
                    self.assertIn(word, found["reason"])
                    self.assertEqual((found["state"], found["attempts"]), ("pending", 0), found)
                    self.assertNotIn(PASSWORD, json.dumps(found))
