"""Each of the six channels set up and tried: by keys in the console in a real terminal, and again by the command line.

The other ends are those of the channels' own tests.
"""

import json
import re
import shutil
import unittest
import urllib.request

import aiosmtpd_mailbox
from hipchat_server import HipChat
from rig import BINARY, PATIENCE, SECRET, Receiver, Store, wait_until
from terminal import Tmux
from test_browser import PushService
from test_ios import Apple, device


class OtherEnds:
    """One of each."""

    def __init__(self, store):
        self.push, self.mailbox, self.hipchat = PushService(), aiosmtpd_mailbox.Mailbox(), HipChat()
        self.apple = Apple(store.folder, [{"status": 200}])
        self.slack, self.webhook = Receiver((200, {}, "ok")), Receiver()
        store.environment |= self.apple.environment | self.mailbox.environment

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.push.server.shutdown()
        self.push.server.server_close()
        self.mailbox.close()
        self.webhook.close()
        for end in (self.apple, self.slack, self.hipchat):
            end.__exit__()

    def heard(self):
        """How many messages each got, and that none found fault with one."""
        assert not any(isinstance(one, Exception) for one in self.push.received), self.push.received
        assert not any(one["wrong"] for one in self.apple.requests()), self.apple.requests()
        return {
            "browser": len(self.push.received), "email": len(self.mailbox.mails), "hipchat": len(self.hipchat.messages),
            "ios": len(self.apple.requests()), "slack": len(self.slack.requests), "webhook": len(self.webhook.requests),
        }


def post(store, path, document):
    request = urllib.request.Request(store.http + path, json.dumps(document).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def enrol_browser(store, ends, code):
    post(store, "/v1/browsers", {"code": code, "subscription": ends.push.subscription(), "agent": "Firefox on Linux"})


ONE_EACH = dict.fromkeys(("browser", "email", "hipchat", "ios", "slack", "webhook"), 1)


class Setup(unittest.TestCase):
    @unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
    def test_every_channel_by_keys(self):
        with Store() as store, OtherEnds(store) as ends, Tmux(BINARY, store.environment) as tmux:
            self.tmux, self.store = tmux, store
            tmux.wait_for("bellboard > accounts")
            tmux.keys("n")
            tmux.text("Acme Ltd")
            tmux.keys("Tab", "Tab")
            tmux.text("owner@acme.test")
            tmux.keys("Enter")
            tmux.wait_for("provisioned ok")

            self.channel("Left")
            tmux.keys("a")
            enrol_browser(store, ends, self.code("opening this"))
            self.try_it("Firefox on Linux")

            self.channel("Right")
            self.form("ops@acme.test")
            self.try_it("ops@acme.test")

            self.channel("Right")
            tmux.keys("a", "Tab", "Tab", "C-u")
            tmux.text(ends.hipchat.url)
            tmux.keys("Up", "Up")
            tmux.text(ends.hipchat.admin)
            tmux.keys("Tab")
            tmux.wait_for("2 rooms: enter lists them")
            tmux.keys("Enter")
            tmux.wait_for("Nights &")
            tmux.keys("Down", "Enter")
            tmux.wait_for("[8")
            tmux.keys("Enter")
            self.try_it("8")
            self.assertNotIn(ends.hipchat.admin, tmux.screen())

            self.channel("Right")
            tmux.keys("i")
            document = {"device_token": device(0), "device": "Jane's phone"}
            post(store, "/v1/devices", {"code": self.code("typing this code"), "device": document})
            self.try_it("Jane's phone")

            self.channel("Right")
            self.form(f"{ends.slack.root}/services/T1/B1/hush-hush", "#ops")
            self.try_it("#ops")

            self.channel("Right")
            tmux.keys("a")
            tmux.paste(f" {ends.webhook.url}\n")
            tmux.keys("Enter")
            tmux.wait_for("whsec_")
            tmux.keys("o")
            self.try_it("127.0.0.1")
            wait_until(lambda: ends.heard() == ONE_EACH)
            self.assertTrue(all(path == "/services/T1/B1/hush-hush" for path in ends.slack.paths))

    def channel(self, key):
        """On to the next channel's destinations."""
        if "provisioned ok" not in self.tmux.screen():
            self.tmux.keys("q")
        self.tmux.wait_for("provisioned ok")
        self.tmux.keys(key, "Enter")
        wait_until(lambda: "provisioned ok" not in self.tmux.screen())

    def form(self, *texts):
        self.tmux.keys("a")
        for text in texts:
            self.tmux.text(text)
            self.tmux.keys("Tab")
        self.tmux.keys("Enter")

    def code(self, words):
        screen = " ".join(self.tmux.wait_for(words).split())
        self.tmux.keys("o")
        return re.search(r"[0-9A-Z]{5}(?:-[0-9A-Z]{5})+", screen).group()

    def try_it(self, label):
        """Sends a test to the destination and sees how it went."""
        self.tmux.wait_for(label)
        if label == "ops@acme.test":
            # The owner's address stands there from the start, before it.
            self.tmux.keys("End")
        self.tmux.keys("t")
        self.tmux.wait_for("was delivered in")

    def test_every_channel_by_the_command_line(self):
        with Store() as store, OtherEnds(store) as ends:
            store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "owner@acme.test")
            store.serve()
            wait_until(lambda: store.is_ready())
            link = store.json("destinations", "invite", "acme", "browser")["link"]
            enrol_browser(store, ends, link.rsplit("#", 1)[1])
            (browser,) = store.json("destinations", "list", "acme", "--channel", "browser")
            add = lambda *arguments: store.json("destinations", "add", "acme", *arguments)["id"]
            ids = {
                "browser": browser["id"],
                "email": add("email", "--address", "ops@acme.test"),
                "hipchat": add("hipchat", "--token", ends.hipchat.notification, "--room", "Ops", "--base-url", ends.hipchat.url),
                "ios": add("ios", "--device-token", device(0), "--device", "Jane's phone"),
                "slack": add("slack", "--url", f"{ends.slack.root}/services/T1/B1/hush-hush", "--channel", "#ops"),
                "webhook": add("webhook", "--url", ends.webhook.url, "--secret", SECRET),
            }
            for channel, destination in ids.items():
                with self.subTest(channel=channel):
                    delivery = store.json("destinations", "test", destination, "--wait=60")["deliveries"][0]
                    delivery = delivery["id"] if isinstance(delivery, dict) else delivery
                    found = store.json("deliveries", "show", delivery)
                    self.assertEqual((found["state"], found["attempts"], found["test"]), ("delivered", 1, True), found)
                    self.assertEqual(found["attempt_log"][0]["status"], found["status"])
            wait_until(lambda: ends.heard() == ONE_EACH)
            shown = store.ok("destinations", "list", "acme") + store.ok("--json", "destinations", "list", "acme")
            for secret in ("hush-hush", ends.hipchat.notification, SECRET, device(0)):
                self.assertNotIn(secret, shown)
