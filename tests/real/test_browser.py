"""Browsers: headless Chromium enrols itself on the page and shows what comes by the stream; a push service by http_ece decrypts
what comes by Web Push.

No push service can be reached from a test, so Chromium falls back to its open page; and the push service of the second test is
a stand-in that decrypts by `http_ece` and verifies the VAPID token by `jose`'s rules in `cryptography`, neither of them ours.
"""

import base64
import contextlib
import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from rig import PATIENCE, Store, free_port, package, program, wait_until

STATUS = "return document.getElementById('status')"
CHROMIUM = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en"]


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def post(url, document):
    request = urllib.request.Request(url, json.dumps(document).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def acme(store):
    """The account `acme` without mail, whose server events go to browsers; returns the link that enrols one."""
    store.acme()
    for event_type in ("server.stopped", "server.backon"):
        store.ok("matrix", "set", "acme", event_type, "email", "off")
        store.ok("matrix", "set", "acme", event_type, "browser", "on")
    return store.json("destinations", "invite", "acme", "browser")


def delivery(store, event):
    return store.json("why", event)["channels"][0]["deliveries"][0]


class Chromium:
    """A headless Chromium on a profile that vanishes, in which one site may show notifications."""

    def __init__(self, site):
        webdriver = package("selenium.webdriver")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        if not options.binary_location:
            raise unittest.SkipTest("no chromium")
        self.profile = tempfile.mkdtemp(prefix="bellboard-chromium-")
        for argument in [*CHROMIUM, f"--user-data-dir={self.profile}"]:
            options.add_argument(argument)
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.execute_cdp_cmd("Browser.grantPermissions", {"origin": site, "permissions": ["notifications"]})

    def status(self):
        return self.driver.execute_script(f"{STATUS}.textContent")

    def shown(self):
        """The notifications of the service worker that the browser shows now: (tag, title) of each.

        To be asked for when they have been shown: Chromium forgets those that are on their way to the screen then.
        """
        return self.driver.execute_async_script("""
            const done = arguments[arguments.length - 1];
            navigator.serviceWorker.ready.then((worker) => worker.getNotifications())
              .then((all) => done(all.map((notice) => [notice.tag, notice.title])));
        """)

    def push(self, site, text):
        """Gives the service worker what a push service would bring."""
        self.driver.execute_cdp_cmd("ServiceWorker.enable", {})
        for registration in range(3):
            self.driver.execute_cdp_cmd("ServiceWorker.deliverPushMessage",
                                        {"origin": site, "registrationId": str(registration), "data": text})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)


class InChromium(unittest.TestCase):
    def test_a_browser_enrols_and_shows_what_comes(self):
        with Store() as store:
            link = acme(store)["link"]
            store.serve()
            wait_until(lambda: store.is_ready())
            with Chromium(store.http) as chromium:
                chromium.driver.get(link)
                wait_until(lambda: "Acme Ltd" in chromium.status())
                chromium.driver.find_element("id", "enrol").click()
                wait_until(lambda: "is notified for Acme Ltd" in chromium.status())
                self.assertNotIn("#", chromium.driver.current_url, "the code is gone from the address")
                wait_until(lambda: chromium.driver.execute_script(f"{STATUS}.dataset.connected"))
                sent = lambda event_type: store.json("emit", "acme", event_type, "--data", '{"name":"web1","uid":"s1"}')
                wait_until(lambda event=sent("server.stopped")["event"]["id"]: delivery(store, event)["state"] == "delivered")
                [(_, title)] = chromium.shown()
                self.assertIn("web1", title)
                wait_until(lambda event=sent("server.backon")["event"]["id"]: delivery(store, event)["state"] == "delivered")
                titles = [title for _, title in chromium.shown()]
                self.assertEqual(len(titles), 1, f"the recovery replaces its failure: {titles}")
                self.assertNotIn("stopped", titles[0].lower())
                chromium.driver.find_element("id", "test").click()
                wait_until(lambda: [one["state"] for one in store.json("deliveries", "list")] == ["delivered"] * 3)
                self.assertTrue(any(title.startswith("Test: ") for _, title in chromium.shown()), chromium.shown())

                # What comes while the page is closed waits, says so, and is shown when it is open again.
                chromium.driver.get("about:blank")
                closed = store.json("emit", "acme", "server.stopped", "--data", '{"name":"web2"}')["event"]["id"]
                wait_until(lambda: "page is not open" in store.ok("why", closed))
                chromium.driver.get(f"{store.http}/browser/")
                wait_until(lambda: delivery(store, closed)["state"] == "delivered")
                self.assertTrue(any("web2" in title for _, title in chromium.shown()), chromium.shown())

                chromium.driver.find_element("id", "leave").click()
                wait_until(lambda: "not notified any more" in chromium.status())
                browsers = store.json("destinations", "list", "acme", "--channel", "browser")
                self.assertEqual(browsers, [])
                chromium.driver.get("about:blank")
                chromium.driver.get(link)
                wait_until(lambda: "has been used" in chromium.status())


    def test_the_service_worker_shows_what_a_push_brings(self):
        with Store() as store:
            link = acme(store)["link"]
            store.serve()
            wait_until(store.is_ready)
            with Chromium(store.http) as chromium:
                chromium.driver.get(link)
                wait_until(lambda: "Acme Ltd" in chromium.status())
                chromium.driver.find_element("id", "enrol").click()
                wait_until(lambda: "is notified for Acme Ltd" in chromium.status())
                notice = {"title": "Server stopped: web1", "body": "Acme Ltd", "tag": "one", "timestamp": 1700000000000}

                def pushed_and_shown():
                    # No page of the site is open: only its worker can show it.
                    chromium.driver.get("about:blank")
                    chromium.push(store.http, json.dumps(notice))
                    chromium.push(store.http, json.dumps(notice | {"title": "Server is back: web1"}))
                    chromium.push(store.http, "no JSON")
                    chromium.driver.get(f"{store.http}/browser/")
                    wait_until(lambda: "is notified for Acme Ltd" in chromium.status())
                    shown.append(sorted(chromium.shown()))
                    self.assertLessEqual(len(shown[-1]), 2, "the second replaces the first")
                    return shown[-1] == [["one", "Server is back: web1"], ["unreadable", "Something happened"]]

                # Chromium forgets what it was asked about while it was on its way to the screen; that is pushed again.
                shown = []
                wait_until(pushed_and_shown)

    def test_a_link_that_has_expired_says_so(self):
        with Store() as store:
            link = acme(store)["link"]
            with contextlib.closing(sqlite3.connect(store.path)) as database:
                database.execute("UPDATE enrolment SET expires_at = created_at")
                database.commit()
            store.serve()
            wait_until(store.is_ready)
            with Chromium(store.http) as chromium:
                chromium.driver.get(link)
                wait_until(lambda: "has expired; ask support for a new one" in chromium.status())
                self.assertFalse(chromium.driver.find_element("id", "enrol").is_displayed())
                chromium.driver.get("about:blank")
                chromium.driver.get(link.split("#")[0] + "#ABCDE-FGHJK-MNPQR")
                wait_until(lambda: "no such link; ask support" in chromium.status())


class Stream:
    """The stream of an enrolled browser, as far as it has come."""

    def __init__(self, store, access, **headers):
        headers = {"authorization": f"Bearer {access}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = urllib.request.urlopen(
            urllib.request.Request(f"{store.http}/v1/browsers/current/stream", headers=headers), timeout=60)
        self.socket = self.answer.fp.raw._sock
        self.events = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        event = {}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif event:
                    self.events.append(event)
                    event = {}
        self.answer.close()
        self.events.append(None)

    def tags(self):
        return [json.loads(event["data"])["delivery"] for event in self.events if event and event.get("event") != "hello"]

    def close(self):
        # To close it would wait for the thread that reads.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ByTheStream(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.addCleanup(self.store.close)
        code = acme(self.store)["code"]
        self.store.serve()
        wait_until(self.store.is_ready)
        made = post(f"{self.store.http}/v1/browsers", {"code": code})
        self.access, self.id = made["access"], made["id"]

    def emit(self):
        return self.store.json("emit", "acme", "server.stopped", "--data", "{}")["deliveries"][0]["id"]

    def acknowledge(self, number):
        request = urllib.request.Request(
            f"{self.store.http}/v1/browsers/current/shown", json.dumps({"delivery": number}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.access}"})
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def refused(self, access, **headers):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            Stream(self.store, access, **headers)
        with refused.exception as error:
            return error.code, error.headers["content-type"], json.load(error)["detail"]

    def test_a_page_that_comes_back_loses_nothing(self):
        first, second = self.emit(), self.emit()
        with Stream(self.store, self.access) as stream:
            wait_until(lambda: stream.tags() == [first, second])
            self.acknowledge(first)
        third = self.emit()
        # To have been sent is not to have been shown: the one that was not acknowledged comes again.
        with Stream(self.store, self.access, Last_Event_ID=second) as stream:
            wait_until(lambda: stream.tags() == [second, third])
            for number in (second, third):
                self.acknowledge(number)
            states = lambda: {one["id"]: one["state"] for one in self.store.json("deliveries", "list")}
            wait_until(lambda: set(states().values()) == {"delivered"})
            fourth = self.emit()
            wait_until(lambda: stream.tags() == [second, third, fourth])
            # What support sends again reaches a page that is open, also after newer ones.
            self.acknowledge(fourth)
            self.store.ok("deliveries", "replay", first, "--yes")
            wait_until(lambda: stream.tags() == [second, third, fourth, first])
            self.acknowledge(first)
            wait_until(lambda: states()[first] == "delivered")
            self.assertEqual(len(stream.tags()), 4, "nothing twice")

    def test_a_pause_holds_and_a_removal_ends(self):
        self.store.ok("destinations", "pause", self.id)
        with Stream(self.store, self.access) as stream:
            held = self.emit()
            wait_until(lambda: stream.events)
            self.store.ok("destinations", "enable", self.id)
            wait_until(lambda: stream.tags() == [held])
            self.store.ok("destinations", "remove", self.id, "--yes")
            wait_until(lambda: stream.events[-1] is None)
        self.assertEqual(self.refused(self.access)[0], 401)

    def test_who_is_not_enrolled_gets_nothing_and_who_is_not_everything(self):
        for access in ("", "bell_wrong", self.store.json("tokens", "create", "w", "--scope", "write")["token"]):
            code, media_type, _ = self.refused(access)
            self.assertEqual((code, media_type), (401, "application/problem+json"))
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(Stream(self.store, self.access)) for _ in range(8)]
            code, _, detail = self.refused(self.access)
            self.assertEqual(code, 429)
            self.assertIn("pages are open", detail)
            number = self.emit()
            wait_until(lambda: all(stream.tags() == [number] for stream in streams))
            streams[0].close()

            def let_in():
                with contextlib.suppress(urllib.error.HTTPError):
                    return stack.enter_context(Stream(self.store, self.access))

            wait_until(let_in)


class PushService:
    """A push service with one subscriber: decrypts, verifies who sends, and answers as it is told."""

    def __init__(self, *statuses):
        self.ece = package("http_ece")
        self.ec = package("cryptography.hazmat.primitives.asymmetric.ec")
        self.key = self.ec.generate_private_key(self.ec.SECP256R1())
        self.auth = os.urandom(16)
        self.received = []
        self.statuses = list(statuses)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    service.received.append(service.opened(self.headers, body))
                    status, headers = service.statuses.pop(0) if service.statuses else (201, {})
                except Exception as error:  # whatever is wrong with the request, the test must see it
                    service.received.append(error)
                    status, headers = 400, {}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def subscription(self):
        serialization = package("cryptography.hazmat.primitives.serialization")
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        keys = {"p256dh": unpadded(point), "auth": unpadded(self.auth)}
        return {"endpoint": f"{self.origin}/push/secretendpoint123456789", "keys": keys}

    def opened(self, headers, body):
        """The headers, the token's claims and the text of a request; raises what is wrong with it."""
        assert headers["content-encoding"] == "aes128gcm" and len(body) <= 4096, headers
        scheme, _, rest = headers["authorization"].partition(" ")
        parameters = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert scheme == "vapid", scheme
        claims = self.verified(parameters["t"], decoded(parameters["k"]))
        assert claims["aud"] == self.origin and time.time() < claims["exp"] < time.time() + 24 * 3600, claims
        assert claims["sub"].startswith(("mailto:", "https:")), claims
        assert int(headers["ttl"]) > 0 and headers["urgency"] in ("low", "normal", "high"), headers
        assert 0 < len(headers["topic"]) <= 32, headers
        text = self.ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return {"headers": dict(headers), "document": json.loads(text), "key": parameters["k"], "bytes": len(text)}

    def verified(self, token, point):
        utils = package("cryptography.hazmat.primitives.asymmetric.utils")
        hashes = package("cryptography.hazmat.primitives.hashes")
        signed, _, signature = token.rpartition(".")
        header, _, claims = signed.partition(".")
        assert json.loads(decoded(header))["alg"] == "ES256", header
        raw = decoded(signature)
        pair = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key = self.ec.EllipticCurvePublicKey.from_encoded_point(self.ec.SECP256R1(), point)
        key.verify(pair, signed.encode(), self.ec.ECDSA(hashes.SHA256()))
        return json.loads(decoded(claims))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class ByWebPush(unittest.TestCase):
    def enrolled(self, store, service):
        code = acme(store)["code"]
        store.serve()
        wait_until(lambda: store.is_ready())
        offer = post(f"{store.http}/v1/browsers/offer", {"code": code})
        self.assertEqual(offer["account"], "Acme Ltd")
        body = {"code": code, "subscription": service.subscription(), "agent": "Firefox on Linux"}
        enrolled = post(f"{store.http}/v1/browsers", body)
        with self.assertRaises(urllib.error.HTTPError) as again:
            post(f"{store.http}/v1/browsers", body)
        self.assertEqual(again.exception.code, 409)
        again.exception.close()
        return offer["application_server_key"], enrolled["id"]

    def sent(self, store, event_type="server.stopped", data='{"name":"web1"}'):
        event = store.json("emit", "acme", event_type, "--data", data)["event"]["id"]
        return event, wait_until(lambda: (found := delivery(store, event))["attempts"] > 0 and found)

    def test_what_is_pushed_can_be_read_by_the_browser_only(self):
        with Store() as store, PushService() as service:
            key, _ = self.enrolled(store, service)
            event, _ = self.sent(store)
            wait_until(lambda: delivery(store, event)["state"] == "delivered")
            push = service.received[0]
            self.assertIsInstance(push, dict, push)
            self.assertEqual(push["key"], key, "the key that the browser subscribed with")
            self.assertEqual(push["document"]["event"], event)
            self.assertIn("web1", push["document"]["title"])
            self.assertEqual(push["headers"]["urgency"], "high")
            self.sent(store, "server.backon")
            wait_until(lambda: len(service.received) == 2)
            self.assertEqual(service.received[1]["headers"]["topic"], push["headers"]["topic"])
            self.sent(store, data=json.dumps({"name": "\U0001f680\u0000\"" * 3000}))
            wait_until(lambda: len(service.received) == 3)
            self.assertIsInstance(service.received[2], dict, service.received[2])
            for secret in ("secretendpoint", unpadded(service.auth)):
                for command in (["destinations", "list", "acme"], ["deliveries", "show", "dlv_1"], ["audit", "list"]):
                    self.assertNotIn(secret, store.ok("--json", *command))

    def test_a_push_service_of_others_takes_it(self):
        """`web-push-testing` of npm: it verifies the VAPID token by `jsonwebtoken` and decrypts by `http_ece` of Node."""
        script = os.path.join(os.environ.get("NODE_PATH", ""), "web-push-testing/src/bin/server.js")
        if not os.path.exists(script):
            raise unittest.SkipTest("no web-push-testing")
        port = free_port()
        url = f"http://localhost:{port}"
        server = subprocess.Popen([program("node"), script, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def up():
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(urllib.request.Request(f"{url}/status", b""), timeout=PATIENCE).close() or True

        with Store() as store:
            code = acme(store)["code"]
            store.serve()
            wait_until(store.is_ready)
            wait_until(up)
            key = post(f"{store.http}/v1/browsers/offer", {"code": code})["application_server_key"]
            subscribed = post(f"{url}/subscribe", {"userVisibleOnly": "true", "applicationServerKey": key})["data"]
            client = subscribed.pop("clientHash")
            browser = post(f"{store.http}/v1/browsers", {"code": code, "subscription": subscribed})["id"]
            event, _ = self.sent(store)
            wait_until(lambda: delivery(store, event)["state"] == "delivered")
            [text] = post(f"{url}/get-notifications", {"clientHash": client})["data"]["messages"]
            self.assertEqual(json.loads(text)["event"], event)
            with urllib.request.urlopen(urllib.request.Request(f"{url}/expire-subscription/{client}", b""), timeout=PATIENCE):
                pass
            gone, _ = self.sent(store)
            wait_until(lambda: delivery(store, gone)["state"] == "failed")
            self.assertEqual(store.json("destinations", "show", browser)["state"], "disabled")

    def test_the_key_is_made_once_and_kept(self):
        with Store() as store:
            offered = []
            for _ in range(2):
                code = (acme(store) if not offered else store.json("destinations", "invite", "acme", "browser"))["code"]
                process = store.serve()
                wait_until(store.is_ready)
                offered.append(post(f"{store.http}/v1/browsers/offer", {"code": code})["application_server_key"])
                process.terminate()
                process.wait()
            self.assertEqual(offered[0], offered[1])
            self.assertEqual(len(decoded(offered[0])), 65)

    def test_each_answer_leads_to_its_state(self):
        cases = [
            ([(404, {})], "failed", "disabled"),
            ([(410, {})], "failed", "disabled"),
            ([(413, {})], "delivered", "enabled"),
            ([(413, {}), (413, {})], "failed", "enabled"),
            ([(403, {})], "failed", "enabled"),
            ([(400, {})], "failed", "enabled"),
            ([(500, {})], "pending", "enabled"),
        ]
        for statuses, state, destination in cases:
            with self.subTest(statuses=statuses), Store() as store, PushService(*statuses) as service:
                _, browser = self.enrolled(store, service)
                event, _ = self.sent(store, data=json.dumps({"name": "x" * 5000}))
                found = wait_until(lambda: (it := delivery(store, event))["state"] == state and it)
                self.assertEqual(store.json("destinations", "show", browser)["state"], destination)
                if state != "delivered":
                    self.assertTrue(found["reason"], found)
                if statuses == [(413, {})]:
                    self.assertLessEqual(service.received[1]["bytes"], 1000, "the second text is shorter")

    def test_too_fast_waits_without_using_up_a_try(self):
        with Store() as store, PushService((429, {"retry-after": "2"})) as service:
            self.enrolled(store, service)
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            found = wait_until(lambda: (it := delivery(store, event))["state"] == "delivered" and it)
            self.assertEqual(found["attempts"], 1, "the refusal was no try")
            self.assertEqual(len(service.received), 2)
