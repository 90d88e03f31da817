"""Recognisable secrets are put in by every way in, and then looked for everywhere else: in files, logs, backups, on screens, in
every command's output, in what was sent and answered, and in what a crash would leave. None is there, however it is written."""

import base64
import glob
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import threading
import time
import unittest
import urllib.parse
import urllib.request

from rig import BINARY, PATIENCE, Receiver, Store, wait_until
from terminal import Tmux


def planted(name):
    return f"PLANTED{name}Xq7/+{name}Zj3w"


KEY = "0badf00d5eed1e55" * 4
SIGNING = base64.b64encode(b"planted signing secret 24ab!").decode()
SECRETS = {
    "webhook header": planted("Header"), "webhook signing": SIGNING, "slack": planted("Slack").replace("/", "_").replace("+", "-"),
    "hipchat": planted("Hipchat").replace("/", "_").replace("+", "-"), "ios": "feedfacecafe" * 5 + "0011", "smtp": planted("Smtp"), "key": KEY,
}


def forms(secret):
    """A secret as it is, in Base64 at each place of a group, and in percent-encoding."""
    found = {secret.encode(), urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote(secret, safe="").lower().encode()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * before + secret.encode())
            found.add(whole[-(-8 * before // 6):8 * (before + len(secret)) // 6])
    return found


class Echo(http.server.BaseHTTPRequestHandler):
    """Repeats all that it was sent, in every way of writing: a failure first, then a success."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        said = "\n".join([self.path, *[f"{name}: {value}" for name, value in self.headers.items()], body])
        decoded = urllib.parse.unquote(said)
        answer = "\n".join([said, decoded, urllib.parse.quote(decoded, safe=""), base64.b64encode(said.encode()).decode(), "x" * 5000])
        Echo.count += 1
        self.send_response(500 if Echo.count % 2 else 200)
        self.send_header("x-authorization", self.headers.get("x-planted", "none"))
        self.send_header("location", "/" + urllib.parse.quote(self.path, safe=""))
        self.send_header("content-length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    """A mail server that refuses every log-in and repeats it."""

    def handle(self):
        self.wfile.write(b"220 planted ESMTP\r\n")
        for line in self.rfile:
            words = line.strip().decode()
            if words.upper().startswith("EHLO"):
                self.wfile.write(b"250-planted\r\n250 AUTH PLAIN LOGIN\r\n")
            elif words.upper().startswith("QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                secret = words.split(" ")[-1]
                try:
                    plain = base64.b64decode(secret).decode().replace("\0", " ")
                except ValueError:
                    plain = ""
                self.wfile.write(f"535 5.7.8 no: {secret} {plain}\r\n".encode())


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class PlantedSecrets(unittest.TestCase):
    def setUp(self):
        self.ends = [Server(("127.0.0.1", 0), handler) for handler in (Echo, Mail)]
        for end in self.ends:
            threading.Thread(target=end.serve_forever, daemon=True).start()
            self.addCleanup(end.server_close)
            self.addCleanup(end.shutdown)
        web, mail = (end.server_address[1] for end in self.ends)
        self.web = f"http://127.0.0.1:{web}"
        self.store = Store(
            BELLBOARD_EMAIL_SERVER=f"smtp://bells@127.0.0.1:{mail}?tls=none", BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_DELIVERY_RETRY="50ms,50ms", BELLBOARD_LOG="trace",
        )
        self.addCleanup(self.store.close)
        self.outputs = {}
        password = os.path.join(self.store.folder, "smtp-password")
        for path, text in ((password, SECRETS["smtp"]), (os.path.join(self.store.folder, "bellboard.key"), KEY)):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(text)
        self.store.environment["BELLBOARD_EMAIL_PASSWORD_FILE"] = password
        self.ways_in = {password, os.path.join(self.store.folder, "bellboard.key")}

    def run_(self, *arguments):
        """A command whose output is looked through at the end."""
        code, out, err = self.store.run(*arguments)
        self.outputs[f"{len(self.outputs)} {' '.join(arguments)[:60]}"] = out + err
        return code, out

    def plant(self):
        add = lambda channel, *fields: self.run_("--json", "destinations", "add", "acme", channel, *fields)
        self.run_("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        add("webhook", "--url", f"{self.web}/in", "--secret", f"whsec_{SIGNING}", "--headers", f"x-planted: Bearer {SECRETS['webhook header']}")
        add("slack", "--url", f"{self.web}/services/T1/B1/{SECRETS['slack']}")
        add("hipchat", "--token", SECRETS["hipchat"], "--room", "ops", "--base-url", self.web)
        # What cannot be taken is not repeated in the refusal.
        add("slack", "--url", f"ftp://127.0.0.1/{SECRETS['slack']}")
        add("hipchat", "--token", SECRETS["hipchat"], "--room", "ops", "--base-url", f"ftp://{SECRETS['hipchat']}")
        add("webhook", "--url", f"{self.web}/in", "--secret", f"whsec_{SIGNING}!")
        add("webhook", "--url", f"{self.web}/in", "--headers", f"bad header {SECRETS['webhook header']}")
        for channel in ("webhook", "slack", "hipchat"):
            self.run_("matrix", "set", "acme", "server.stopped", channel, "on")
        # Enrolled by a token; the answer with the device's own secret is the one place where that is shown.
        token = self.store.json("tokens", "create", "app", "--scope", "devices")["token"]
        body = json.dumps({"device_token": SECRETS["ios"], "device": "Jane's phone"}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.store.http}/v1/accounts/acme/devices", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            self.assertIn(answer.status, (200, 201))
            own = [value for name, value in json.loads(answer.read()).items() if name in ("secret", "access", "key") and value]
        return {"token": token} | {f"device's own {n}": value for n, value in enumerate(own)}

    def screens(self):
        """What the console shows of each destination, its form, deliveries and attempts."""
        with Tmux(BINARY, self.store.environment) as tmux:
            tmux.wait_for("Acme Ltd")
            seen = [tmux.screen()]

            def look(*keys):
                """Presses keys, and looks when the screen has changed and stands still."""
                before, end = tmux.screen(), time.monotonic() + 2
                tmux.keys(*keys)
                while tmux.screen() == before and time.monotonic() < end:
                    time.sleep(0.05)
                pictures = [tmux.screen()]
                wait_until(lambda: pictures.append(tmux.screen()) or pictures[-1] == pictures[-2], every=0.3)
                seen.append(pictures[-1])

            look("Enter")
            look("Tab")
            for _ in range(4):
                look("Enter")
                look("Escape")
                look("Down")
            look("Tab")
            for channel in range(6):
                look("Enter")
                look("Enter")
                while "provisioned ok" not in seen[-1]:
                    look("Escape")
                look("Right")
            look("H")
            look("Escape")
            self.outputs["screens"] = "\n".join(seen)
            for shown in ("x-planted", "Signing secret", "••••", "answered 500"):
                self.assertIn(shown, self.outputs["screens"])

    def test_none_is_found(self):
        store = self.store
        log = os.path.join(store.folder, "serve.log")
        serve = subprocess.Popen([BINARY, "serve", "--log", "trace", "--log-file", log], env=store.environment,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        store.processes.append(serve)
        wait_until(store.is_ready)
        SECRETS.update(self.plant())
        for number in range(2):
            self.run_("emit", "acme", "server.stopped", "--data", json.dumps({"n": number}), "--wait=30")
        for limit in ("hard", "soft"):
            self.assertRegex(pathlib.Path(f"/proc/{serve.pid}/limits").read_text(), r"Max core file size\s+0\s+0", limit)
        self.assertEqual(os.stat(f"/proc/{serve.pid}").st_uid, 0, "its memory is root's only: it is not dumpable")
        self.assertGreaterEqual(Echo.count, 6)

        _, out = self.run_("--json", "destinations", "list", "acme")
        for destination in json.loads(out):
            self.run_("destinations", "show", destination["id"])
            self.run_("--json", "destinations", "test", destination["id"])
        self.run_("destinations", "edit", json.loads(out)[1]["id"], "--secret", f"whsec_{SIGNING}")
        _, out = self.run_("--json", "deliveries", "list")
        attempts = 0
        for delivery in json.loads(out):
            _, shown = self.run_("--json", "deliveries", "show", delivery["id"])
            attempts += len(json.loads(shown).get("attempt_log", []))
            self.run_("deliveries", "show", delivery["id"])
        self.assertGreater(attempts, 8)
        _, out = self.run_("--json", "events", "list", "--account", "acme")
        self.run_("why", json.loads(out)[0]["id"])
        for words in ("audit list", "audit export", "--json audit list", "tokens list", "accounts show acme", "config show", "--json config show",
                      "config check", "doctor", "keys show", "--json keys show", "matrix show acme"):
            self.run_(*words.split())
        self.run_("watch", "--help")
        self.screens()
        self.assertEqual(self.run_("backup", os.path.join(store.folder, "copy.db"))[0], 0)
        self.assertTrue(os.path.getsize(f"{store.path}-wal"), "the log of commits is there to be looked through")
        places = self.places()
        self.assertEqual(self.run_("keys", "rotate")[0], 0)
        self.ways_in |= set(glob.glob(f"{store.folder}/bellboard.key*"))
        self.run_("emit", "acme", "server.stopped", "--wait=30")
        serve.send_signal(signal.SIGTERM)
        self.outputs["serve"] = serve.communicate(timeout=PATIENCE)[0].decode()
        places |= {f"{path} at the end": content for path, content in self.places().items()}
        self.assertTrue(any("serve.log" in path for path in places))
        leaks = [
            f"{name} in {place}: …{content[max(0, at - 60):at + 20]!r}"
            for name, secret in SECRETS.items() for form in forms(secret) for place, content in places.items()
            if (at := content.find(form)) >= 0
        ]
        self.assertEqual(leaks, [])

    def places(self):
        """Every file beside the ways in, and everything that was printed."""
        found = {what: text.encode() for what, text in self.outputs.items()}
        for folder, _, names in os.walk(self.store.folder):
            for path in (os.path.join(folder, name) for name in names):
                if path not in self.ways_in:
                    with open(path, "rb") as file:
                        found[path] = file.read()
        return found

    def test_what_looks_for_them_would_find_them(self):
        for secret in SECRETS.values():
            for said in (secret, urllib.parse.quote(f"?a={secret}", safe=""), base64.b64encode(f"user:{secret}@".encode()).decode()):
                self.assertTrue(any(form in said.encode() for form in forms(secret)), said)


class Keys(unittest.TestCase):
    """A key exchanged again and again while a process delivers, by a program that is killed on the way."""

    def test_it_is_exchanged_while_another_delivers_and_however_often_it_is_killed(self):
        with Store() as store:
            with Receiver() as receiver:
                store.acme(receiver.url)
                store.serve()
                wait_until(store.is_ready)
                for n in range(40):
                    store.ok("destinations", "add", "acme", "webhook", "--url", f"{receiver.url}/{n}", "--label", f"d{n}")
                before = store.json("keys", "show")
                self.assertEqual(before["others"], 0)
                for number in range(12):
                    rotate = subprocess.Popen([BINARY, "keys", "rotate"], env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    try:
                        rotate.wait(0.01 + 0.012 * number)
                    except subprocess.TimeoutExpired:
                        rotate.kill()
                    rotate.wait()
                    ended = store.json("emit", "acme", "server.stopped", "--wait=60")
                    self.assertEqual({one["state"] for one in ended["deliveries"]}, {"delivered"}, ended)
                store.ok("keys", "rotate")
                after = store.json("keys", "show")
                self.assertNotEqual(after["key"], before["key"])
                self.assertEqual(after["others"], 0)
                with open(os.path.join(store.folder, "bellboard.key")) as file:
                    self.assertEqual(len(file.read().split()), 1)
                ended = store.json("emit", "acme", "server.stopped", "--wait=60")
                self.assertEqual((len(ended["deliveries"]), {one["state"] for one in ended["deliveries"]}), (41, {"delivered"}))

    def test_each_source_of_the_key(self):
        with Store() as store:
            store.acme("https://hooks.acme.test/in")
            file = os.path.join(store.folder, "bellboard.key")
            with open(file) as opened:
                key = opened.read().strip()
            os.remove(file)
            code, out, err = store.run("destinations", "list", "acme")
            self.assertEqual((code, out, len(err.splitlines())), (6, "", 1), err)
            self.assertIn("put it back", err)
            self.assertFalse(os.path.exists(file))
            self.assertEqual(store.run("destinations", "list", "acme", BELLBOARD_KEY=key)[0], 0)
            code, _, err = store.run("destinations", "list", "acme", BELLBOARD_KEY="ab" * 32)
            self.assertEqual((code, "is not the one" in err), (6, True), err)
            credentials = os.path.join(store.folder, "credentials")
            os.mkdir(credentials)
            with open(os.open(os.path.join(credentials, "bellboard.key"), os.O_WRONLY | os.O_CREAT, 0o400), "w") as opened:
                opened.write(key)
            self.assertIn("credential", store.run("keys", "show", CREDENTIALS_DIRECTORY=credentials)[1])
            other = os.path.join(store.folder, "elsewhere.key")
            shutil.copy(os.path.join(credentials, "bellboard.key"), other)
            self.assertIn("elsewhere", store.run("keys", "show", BELLBOARD_STORE_KEY_FILE=other)[1])
            os.chmod(other, 0o640)
            code, _, err = store.run("keys", "show", BELLBOARD_STORE_KEY_FILE=other)
            self.assertEqual((code, "chmod 600" in err), (6, True), err)
