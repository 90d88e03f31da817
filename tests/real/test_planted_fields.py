"""A secret in every field of every channel that the program itself lists, and in each other place that takes or makes one, used in all
ways and then looked for, also in halves, in all that the program keeps, prints, logs, shows and sends on."""

import base64
import contextlib
import glob
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

from planted import Gone, Mail, Push, all_forms, private_part
from rig import BINARY, PATIENCE, Store, program, wait_until
from terminal import Pty, Tmux
from test_browser import unpadded
from test_ios import Apple
from test_planted_secrets import Echo, Server

SIGNING, ROTATED = (base64.b64encode(f"planted {name} secret 24 bytes".encode()[:27]).decode() for name in ("signing", "rotated"))
DEVICE = "0000" + "feedfacecafe" * 5
REFUSED_DEVICE = "0001" + "decafc0ffee5" * 5
ENDPOINT, AUTH = "PlantedEndpointQ7vTzj3w81", unpadded(b"planted auth 16!")
SLACK, HIPCHAT, HEADER = "PlantedSlackQ7vTz3w24xyz", "PlantedHipchatZj3wXq7b", "PlantedHeader/7+bQxZj3w"
KEY, SMTP = "0badf00d5eed1e55" * 4, "PlantedSmtp=7/bQ+xZj3w"

# Shown parts of what is no secret by itself: a point that the browser publishes.
POINT = unpadded(b"\x04" + bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                                         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"))


class Fields(unittest.TestCase):
    def setUp(self):
        program("tmux")
        self.web, self.push, self.gone, mail = (self.listen(handler) for handler in (Echo, Push, Gone, Mail))
        self.store = Store(
            BELLBOARD_EMAIL_SERVER=mail.replace("http", "smtp").replace("://", "://bells@") + "?tls=none",
            BELLBOARD_EMAIL_FROM="bells@acme.test", BELLBOARD_DELIVERY_RETRY="50ms,50ms", BELLBOARD_LOG="trace",
            BELLBOARD_HTTP_PUBLIC_URL="https://bells.acme.test",
        )
        self.addCleanup(self.store.close)
        self.apple = Apple(self.store.folder, [{"status": 200}, {"status": 400, "reason": "BadDeviceToken", "echo": True}])
        self.addCleanup(self.apple.__exit__)
        self.store.environment |= self.apple.environment
        self.outputs, self.secrets = {}, {"the key": KEY, "the password of the mail server": SMTP}
        self.write("bellboard.key", KEY)
        self.store.environment["BELLBOARD_EMAIL_PASSWORD_FILE"] = self.write("smtp-password", SMTP)
        self.plant_lines("the key of Apple's", self.apple.key)
        self.client_key = self.make_certificate()
        self.ways_in = {path for path in glob.glob(f"{self.store.folder}/*") if not os.path.basename(path).startswith("bellboard.db")}

    def listen(self, handler):
        server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def write(self, name, text):
        path = os.path.join(self.store.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        return path

    def make_certificate(self):
        key, certificate = (os.path.join(self.store.folder, name) for name in ("client.key", "client.pem"))
        subprocess.run([program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", key, "-out", certificate, "-subj", "/CN=acme"], check=True, capture_output=True)
        return pathlib.Path(key).read_text()

    def plant_lines(self, name, pem):
        self.secrets |= {f"{name}, part {number}": part for number, part in enumerate(private_part(pem))}

    def run_(self, *words, **more):
        """A command whose output is looked through at the end."""
        code, out, err = self.store.run(*words, **more)
        self.outputs[f"{len(self.outputs)} {' '.join(words)[:70]}"] = out + err
        return code, out

    def once(self, *words):
        """A command that shows a secret this once: its output is not looked through, the secret is looked for."""
        document = self.store.json(*words)
        secret = document.get("token") or document.get("code") or re.search(r"whsec_([^\"]+)", json.dumps(document))[1]
        self.secrets[" ".join(words)] = secret
        return secret

    def listed(self):
        """Each channel's fields, as the program lists them."""
        said = self.store.ok("destinations", "add", "--help").split("Channels:")[1].split("Arguments:")[0]
        channels = re.findall(r"^  ([a-z]+) ", said, re.M)
        fields = lambda channel: self.store.ok("destinations", "add", "acme", channel, "--help").split("Fields:")[1].split("Everywhere:")[0]
        return {channel: re.findall(r"^ +--([a-z0-9-]+)", fields(channel), re.M) for channel in channels}

    # What stands in each field. One that is not here is new: say what it is to be, and whether a secret is in it.
    def values(self):
        return {
            "browser": {"endpoint": f"{self.push}/push/{ENDPOINT}", "p256dh": POINT, "auth": AUTH, "agent": "Firefox on Linux"},
            "email": {"address": "ops@acme.test"},
            "hipchat": {"token": HIPCHAT, "room": "ops", "base-url": self.web, "from": "bells", "notify": "yes"},
            "ios": {"device-token": DEVICE, "environment": "production", "device": "Jane's phone"},
            "slack": {"url": f"{self.web}/services/T1/B1/{SLACK}", "channel": "#ops"},
            "webhook": {"url": f"{self.web}/in", "secret": f"whsec_{SIGNING}", "headers": f"x-planted: Bearer {HEADER}", "ordered": "no",
                        "ca": f"@{self.store.folder}/client.pem", "client-cert": f"@{self.store.folder}/client.pem",
                        "client-key": f"@{self.store.folder}/client.key"},
        }

    def plant(self):
        self.run_("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        values, masked = self.values(), {}
        for channel, names in self.listed().items():
            self.assertEqual(sorted(values.get(channel, {})), sorted(names), f"each field of {channel} has something planted in it")
            if channel == "browser":
                continue
            words = [word for name in names for word in (f"--{name}", values[channel][name])]
            code, out = self.run_("--json", "destinations", "add", "acme", channel, *words)
            self.assertEqual(code, 0, self.outputs)
            fields = json.loads(out)["fields"] if "fields" in json.loads(out) else self.fields(channel)
            masked[channel] = {name for name, value in fields.items() if "••••" in json.dumps(value, ensure_ascii=False)}
            # What cannot be taken is not repeated in the refusal.
            for name in names:
                if name.replace("-", "_") in masked[channel] and not values[channel][name].startswith("@"):
                    for wrong in (f"{values[channel][name]}\x01", f"ftp://{values[channel][name]}", f"{values[channel][name]} ü: x"):
                        self.run_("destinations", "add", "acme", channel, *words, f"--{name}", wrong)
            self.run_("matrix", "set", "acme", "server.stopped", channel, "on")
        self.assertEqual(masked, {"email": set(), "hipchat": {"token"}, "ios": {"device_token"}, "slack": {"url"},
                                  "webhook": {"secret", "headers", "client_key"}}, "the fields that are secrets")
        self.run_("destinations", "add", "acme", "ios", "--device-token", REFUSED_DEVICE, "--device", "Jo's phone")
        self.run_("destinations", "add", "acme", "slack", "--url", f"{self.gone}/services/T1/B1/{SLACK}", "--label", "gone")
        self.run_("destinations", "add", "acme", "webhook", "--url", f"{self.web}/rotated", "--secret", f"whsec_{SIGNING}", "--label", "rotated")
        self.plant_lines("the client key", self.client_key)
        self.secrets |= {"signing": SIGNING, "rotated": ROTATED, "header": HEADER, "slack": SLACK, "hipchat": HIPCHAT, "device": DEVICE,
                         "refused device": REFUSED_DEVICE, "endpoint": ENDPOINT, "auth": AUTH}

    def fields(self, channel):
        return self.store.json("destinations", "list", "acme", "--channel", channel)[-1]["fields"]

    def ask(self, path, token=None, document=None):
        """A request whose answer is looked through."""
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"{self.store.http}{path}", document and json.dumps(document).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode() + str(error.headers)
            error.close()
        return status, text

    def look(self, *request):
        status, text = self.ask(*request)
        self.outputs[f"{len(self.outputs)} {request[0]} {status}"] = text
        return status

    def enrol(self, tokens):
        """A browser and a device, each by a code; the answer is where they are told their own secret."""
        self.run_("matrix", "set", "acme", "server.stopped", "browser", "on")
        code = self.once("destinations", "invite", "acme", "browser")
        keys = {"p256dh": POINT, "auth": AUTH}
        body = {"code": code, "subscription": {"endpoint": f"{self.push}/push/{ENDPOINT}", "keys": keys}, "agent": "Firefox on Linux"}
        status, text = self.ask("/v1/browsers", None, body)
        self.assertEqual(status, 201, text)
        self.secrets["a browser's own"] = json.loads(text)["access"]
        self.assertEqual(self.look("/v1/browsers", None, body), 409)
        self.assertEqual(set(self.fields("browser")), {"endpoint", "p256dh", "auth", "agent"})
        self.assertEqual({name for name, value in self.fields("browser").items() if value == "••••"}, {"endpoint", "auth"})
        code = self.once("destinations", "invite", "acme", "ios")
        status, text = self.ask("/v1/devices", None, {"code": code, "device": {"device_token": DEVICE, "device": "Jane's"}})
        self.assertEqual(status, 201, text)
        self.secrets["a device's own"] = json.loads(text)["access"]
        for token in (*tokens.values(), f"{tokens['emit']}x", self.secrets["a browser's own"]):
            for path in ("/metrics", "/openapi.json", "/readyz", "/v1/nowhere", "/v1/accounts/acme/events", "/v1/browsers/current"):
                self.look(path, token)
            self.look("/v1/accounts/acme/events", token, {"event_type": "server.stopped", "data": {}, "more": 1})
            self.look("/v1/browsers", token, body | {"code": code})

    def screens(self):
        """What the console shows: forms, history, an undo, an attempt's detail, the proof, the preview of a copied set-up; and its bytes."""
        self.run_("accounts", "add", "other", "--name", "Other Ltd", "--email", "ops@other.test")
        seen = []
        with Tmux(BINARY, self.store.environment, width=160, height=60) as tmux:
            def look(keys):
                before = tmux.screen()
                tmux.keys(keys)
                with contextlib.suppress(AssertionError):
                    wait_until(lambda: tmux.screen() != before, seconds=1)
                pictures = [tmux.screen()]
                wait_until(lambda: pictures.append(tmux.screen()) or pictures[-1] == pictures[-2], every=0.1)
                seen.append(pictures[-1])

            def back():
                """To the account's matrix, from below it or from above."""
                for _ in range(9):
                    if re.search(matrix, seen[-1]):
                        return
                    look("Escape" if "> Acme Ltd" in seen[-1] else "Enter")
                self.fail(f"no way back: {seen[-1]}")

            matrix = r"Browser +Email +HipChat"
            tmux.wait_for("Acme Ltd")
            tmux.keys("Enter")
            tmux.wait_for_match(matrix)
            seen.append(tmux.settled())
            for _ in range(5):
                look("Left")
            for _ in range(6):
                # What stands in this column, its form, its history, and back.
                for keys in ("Enter", "Enter", "Down", "Escape", "H"):
                    look(keys)
                back()
                look("Right")
            for keys in ("H", "u"):
                look(keys)
            back()
            for keys in ("u", "Tab"):
                look(keys)
            for _ in range(5):
                for keys in ("Enter", "PageDown", "y"):
                    look(keys)
                back()
                look("Down")
            for keys in ("Tab", "y", "Space", "Enter"):
                look(keys)
        self.outputs["screens"] = "\n".join(seen)
        shown = ("Signing secret", "Device token", "API token", "Webhook URL", "Client key", "••••", "Other Ltd", "history of", "Firefox on Linux")
        self.assertEqual([one for one in shown if one not in self.outputs["screens"]], [])
        pty = Pty(self.store.environment)
        try:
            pty.wait_for("Acme Ltd")
            self.assertRegex(pathlib.Path(f"/proc/{pty.process.pid}/limits").read_text(), r"Max core file size\s+0\s+0")
            self.assertEqual(os.stat(f"/proc/{pty.process.pid}/environ").st_uid, 0, "its memory is root's only: it is not dumpable")
            for keys in ("\r", "\r", "\r", "\x1b", "\x1b", "H", "\x1b", "\t", "\r", "y", "\x1b", "\x1b", "q"):
                pty.send(keys.encode())
                pty.take(0.3)
            self.outputs["a terminal"] = pty.output.decode(errors="replace")
        finally:
            pty.close()

    def serve(self, style):
        log = os.path.join(self.store.folder, f"serve.{style}.log")
        words = [BINARY, "serve", "--log", "trace", "--log-format", style, "--log-file", log]
        process = subprocess.Popen(words, env=self.store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.store.processes.append(process)
        wait_until(self.store.is_ready)
        return process

    def test_none_is_found(self):
        serve = self.serve("text")
        self.plant()
        scopes = re.findall(r"\b(emit|devices|read|write|metrics)\b", self.store.ok("tokens", "create", "--help").split("--scope <SCOPE>")[2])
        tokens = {scope: self.once("tokens", "create", f"for {scope}", "--scope", scope) for scope in scopes}
        self.assertEqual(len(tokens), 5)
        self.enrol(tokens)
        watch = subprocess.Popen([BINARY, "watch", "--json"], env=self.store.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.store.processes.append(watch)
        for number in range(2):
            self.run_("emit", "acme", "server.stopped", "--data", json.dumps({"name": f"web{number}"}), "--wait=30")
        wait_until(lambda: Push.tokens and len(self.apple.requests()) >= 2 and Mail.mails)
        # Apple's are in the header as a whole, the push services' after a word of the scheme's.
        self.secrets |= {f"a push service's token {n}": token for n, token in enumerate(sorted(Push.tokens))}
        self.secrets |= {f"Apple's token {n}": token for n, token in enumerate({one["token"].split()[-1] for one in self.apple.requests()})}

        destinations = self.store.json("destinations", "list", "acme")
        named = {one["label"]: one["id"] for one in destinations}
        self.run_("--json", "destinations", "rotate", named["rotated"], "--secret", f"whsec_{ROTATED}", "--overlap", "24h")
        self.once("destinations", "rotate", named["rotated"], "--overlap", "1h")
        for one in destinations:
            self.run_("--json", "destinations", "show", one["id"])
            self.run_("destinations", "show", one["id"])
            self.run_("--json", "destinations", "test", one["id"])
        wait_until(lambda: any(one["state"] == "disabled" for one in self.store.json("destinations", "list", "acme")))
        wait_until(lambda: any(b"gone" in mail for mail in Mail.mails))
        self.run_("--json", "destinations", "remove", named["gone"], "--yes")
        for change in self.store.json("audit", "list")[:3]:
            self.run_("--json", "audit", "undo", change["id"])
        self.run_("tokens", "revoke", self.store.json("tokens", "list")[0]["id"], "--yes")
        wait_until(lambda: not any(self.store.json("deliveries", "list", "--state", state) for state in ("sending",)))
        answers = 0
        for delivery in self.store.json("deliveries", "list"):
            answers += len(self.store.json("deliveries", "show", delivery["id"]).get("attempt_log", []))
            self.run_("--json", "deliveries", "show", delivery["id"])
            self.run_("deliveries", "show", delivery["id"])
        self.assertGreater(answers, 15)
        event = self.store.json("events", "list", "--account", "acme")[0]["id"]
        for words in ("accounts list", "accounts show acme", "destinations list acme", "deliveries list", "events list --account acme",
                      f"events show {event}", f"why {event}", "audit list", "tokens list", "matrix show acme", "event-types list acme",
                      "keys show", "config show", "config path", "doctor", "deliveries replays list"):
            for words in (words.split(), ["--json", *words.split()]):
                self.run_(*words)
        self.run_("audit", "export")
        self.run_("doctor", BELLBOARD_EMAIL_SERVER=f"smtp://bells:{SMTP.replace('/', '')}@127.0.0.1:9?tls=none")
        no_key = f"{self.store.folder}/smtp-password"
        for words in (("config", "check"), ("accounts", "list"), ("serve",)):
            for wrong in ({"BELLBOARD_KEY": KEY + "zz"}, {"BELLBOARD_KEY": KEY[:-2]}, {"BELLBOARD_APNS_KEY_FILE": no_key},
                          {"BELLBOARD_EMAIL_SERVER": f"smtp://bells:{SMTP}@:99999999"}):
                self.run_(*words, **({"BELLBOARD_HTTP_LISTEN": "nowhere"} if words == ("serve",) else {}), **wrong)
        self.screens()
        self.assertEqual(self.run_("backup", os.path.join(self.store.folder, "copy.db"))[0], 0)
        self.assertGreater(os.path.getsize(f"{self.store.path}-wal"), 0)
        places = self.places()
        serve.send_signal(signal.SIGTERM)
        serve.wait()
        serve = self.serve("json")
        self.run_("emit", "acme", "server.stopped", "--wait=30")
        for one in self.store.json("destinations", "list", "acme"):
            self.run_("--json", "destinations", "test", one["id"])
        for token in tokens.values():
            self.look("/metrics", token)
        self.assertEqual(self.run_("keys", "rotate")[0], 0)
        self.ways_in |= set(glob.glob(f"{self.store.folder}/bellboard.key*"))
        serve.send_signal(signal.SIGTERM)
        serve.wait()
        watch.terminate()
        self.outputs["watch"] = watch.communicate()[0].decode()
        self.outputs |= {f"mail {number}": mail.decode(errors="replace") for number, mail in enumerate(Mail.mails)}
        places |= {f"{path} at the end": content for path, content in self.places().items()}
        for part in ("serve.text.log", "serve.json.log", "bellboard.log", "-wal", "-shm", "copy.db", "mail 0", "watch", "/metrics 200"):
            self.assertTrue(any(part in path for path in places), part)
        leaks = sorted({f"{name} in {place}: …{content[max(0, at - 60):at + 20]!r}" for name, secret in self.secrets.items()
                        for form in set(all_forms(secret)) for place, content in places.items() if (at := content.find(form)) >= 0})
        self.assertEqual(leaks, [], "\n".join(leaks))

    def places(self):
        """Every file beside the ways in, and everything that was printed."""
        found = {what: text.encode() for what, text in self.outputs.items()}
        for folder, _, names in os.walk(self.store.folder):
            for path in (os.path.join(folder, name) for name in names):
                if path not in self.ways_in:
                    found[path] = pathlib.Path(path).read_bytes()
        return found


if __name__ == "__main__":
    unittest.main()
