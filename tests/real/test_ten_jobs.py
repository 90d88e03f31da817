"""The jobs that support is called for, each by at most six keys from the accounts, through a real sshd in an 80x24 tmux."""

import glob
import hashlib
import os
import unittest

from rig import Receiver, Store, program, wait_until
from terminal import Sshd, Tmux, remote_of

KEYS_MAX = 6


class TenJobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program("tmux"), program("sshd")
        cls.sshd = Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def prepare(self, *answers):
        """Acme, with a webhook that heartbeats go to and that answers so, among other accounts."""
        self.receiver = Receiver(*answers)
        self.addCleanup(self.receiver.close)
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.acme(self.receiver.url)
        for key in ("globex", "initech"):
            self.store.ok("accounts", "add", key, "--name", key.title(), "--email", f"ops@{key}.test")
        return self.store

    def sit_down(self):
        self.keys = 0
        self.tmux = Tmux(self.sshd.command(remote_of(self.store), "-tt"), self.store.environment)
        self.addCleanup(self.tmux.close)
        self.tmux.wait_for("Initech")

    def press(self, key, sees):
        """One key, and what the screen then shows."""
        self.keys += 1
        self.assertLessEqual(self.keys, KEYS_MAX, f"at {key}:\n{self.tmux.screen()}")
        self.tmux.keys(key)
        return self.tmux.wait_for(sees)

    def find(self, text, then):
        self.press("/", "find:")
        self.tmux.text(text)
        self.tmux.wait_for(f"find: {text}")
        return self.press("Enter", then)

    def cell(self, event_type, channel, account="acme"):
        cells = self.store.json("matrix", "show", account)["cells"]
        return next(cell for cell in cells if (cell["event_type"], cell["channel"]) == (event_type, channel))

    def test_why_a_customer_did_not_get_it(self):
        self.prepare((500, {})).ok("emit", "acme", "server.stopped")
        self.sit_down()
        wait_until(lambda: self.receiver.requests)
        self.find("acme", "provisioned ok")
        self.find("heart stop", "for heartbeat stopped")
        screen = self.press("w", "answered 500")
        for line in ("server.stopped, ", "Webhook  waiting", "Email    not sent   turned off by", "Slack    not sent   off by default"):
            self.assertIn(line, screen)

    def test_turn_one_kind_off_for_one_channel(self):
        self.prepare()
        self.sit_down()
        self.find("acme", "provisioned ok")
        self.find("heart stop webh", "Webhook is on for heartbeat stopped")
        self.press("Space", "Webhook is off for heartbeat stopped")
        self.assertFalse(self.cell("server.stopped", "webhook")["on"])

    def test_mute_it_for_four_hours(self):
        self.prepare()
        self.sit_down()
        self.find("acme", "provisioned ok")
        self.find("heart stop webh", "Webhook is on for heartbeat stopped")
        self.press("m", "Mute Webhook for heartbeat stopped?")
        self.press("4", "Webhook for heartbeat stopped is muted until")
        self.assertIsNotNone(self.cell("server.stopped", "webhook")["muted_until"])

    def test_set_a_webhook_up_and_see_its_test_arrive(self):
        self.prepare()
        self.sit_down()
        self.find("globex", "provisioned ok")
        self.press("s", "Set up which channel?")
        self.press("w", "Signing secret")
        self.tmux.paste(self.receiver.url)
        self.tmux.wait_for(self.receiver.url)
        self.press("Enter", "whsec_")
        self.press("t", "was delivered in")
        self.assertEqual(len(self.receiver.requests), 1)

    def test_the_dead_destinations_of_everyone(self):
        store = self.prepare()
        store.ok("destinations", "add", "globex", "webhook", "--url", self.receiver.url + "/quiet", "--label", "quiet one")
        quiet = store.json("destinations", "list", "globex")
        store.ok("destinations", "disable", next(row["id"] for row in quiet if row["label"] == "quiet one"))
        self.sit_down()
        self.press("D", "quiet one")
        self.assertIn("disabled", self.press("Enter", "in trouble > Webhook"))

    def test_send_what_a_customer_missed(self):
        store = self.prepare()
        hook = next(row["id"] for row in store.json("destinations", "list", "acme") if row["channel"] == "webhook")
        store.ok("destinations", "disable", hook)
        store.ok("emit", "acme", "server.stopped")
        store.ok("destinations", "enable", hook)
        self.sit_down()
        self.find("acme", "provisioned ok")
        self.press("R", "1 never tried: send now")
        self.press("Down", "1 never tried: send now")
        self.press("Enter", "Send now 1 delivery that was never tried")
        self.press("y", "rpl_1")
        wait_until(lambda: len(self.receiver.requests) == 1)

    def test_copy_a_set_up_after_a_look(self):
        self.prepare()
        self.sit_down()
        self.find("acme", "provisioned ok")
        self.press("y", "would change")
        self.tmux.text("globex")
        self.assertIn("+ Webhook 127.0.0.1", self.tmux.wait_for("Globex would change: 2 cells, 1 destination"))
        self.press("Enter", "enter copies to globex")
        self.press("Enter", "globex has the set-up of acme")
        self.assertTrue(self.cell("server.stopped", "webhook", "globex")["on"])

    def test_who_changed_this_cell_and_take_it_back(self):
        self.prepare().ok("matrix", "set", "acme", "server.stopped", "slack", "on")
        self.sit_down()
        self.find("acme", "provisioned ok")
        self.find("heart stop slack", "Slack is on for heartbeat stopped")
        self.press("H", "default -> on")
        self.press("u", "taken back: ")
        self.assertFalse(self.cell("server.stopped", "slack")["on"])

    def test_watch_failures_and_look_into_one(self):
        store = self.prepare((500, {}))
        for _ in range(3):
            store.ok("emit", "acme", "server.stopped")
        self.sit_down()
        self.press("f", "3 in the last hour")
        self.press("/", "find:")
        self.tmux.text("account:acme channel:web")
        self.tmux.wait_for("find: account:acme channel:web")
        self.press("Tab", "pause")
        status = self.press("Down", "standing still").splitlines()[-2]
        self.assertIn(" try ", status)
        self.press("Enter", "failures > dlv_")
        self.assertIn(status, self.press("q", "standing still"))

    def test_hand_over_proof_of_a_delivery(self):
        self.prepare().ok("emit", "acme", "server.stopped")
        self.sit_down()
        wait_until(lambda: self.receiver.requests)
        self.find("acme", "delivered 200")
        self.press("Tab", "[live]")
        self.press("Enter", "> dlv_1")
        self.press("y", "Proof of dlv_1")
        self.press("t", "exports/proof-dlv_1")
        proof = next(iter(glob.glob(os.path.join(self.store.folder, "**", "*dlv_1*.txt"), recursive=True)))
        with open(proof) as file:
            lines = file.read().splitlines()
        self.assertTrue(lines[-1].endswith(hashlib.sha256(("\n".join(lines[:-2]) + "\n").encode()).hexdigest()), lines[-1])
        self.assertNotIn("whsec_", "\n".join(lines))

    def test_a_new_account_gets_the_usual_set_up(self):
        store = self.prepare()
        os.makedirs(os.path.join(store.folder, "bellboard"), exist_ok=True)
        with open(os.path.join(store.folder, "bellboard", "config.toml"), "w") as config:
            config.write('[console]\ntemplate = "acme"\n')
        self.sit_down()
        self.press("n", "new account")
        self.tmux.text("Umbrella")
        self.tmux.wait_for("[Umbrella")
        self.press("Tab", ">Key")
        self.press("Tab", ">Owner")
        self.tmux.text("ops@umbrella.test")
        self.tmux.wait_for("[ops@umbrella.test")
        self.press("Enter", "umbrella has the set-up of acme")
        self.assertTrue(self.cell("server.stopped", "webhook", "umbrella")["on"])
