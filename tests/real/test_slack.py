"""Slack's webhooks: every message checked by Slack's own Python SDK, every recorded answer replayed, and the pace kept.

The SDK (slack_sdk) comes from PyPI; it knows Slack's rules for blocks and refuses what Slack would refuse.
"""

import datetime
import json
import unittest

from rig import Receiver, Store, package, wait_until

blocks_of = package("slack_sdk.models.blocks")

EVENT_TYPES = [
    "account.provision.ok", "account.provision.fail", "account.deploy.started", "account.redeploy.ok", "account.redeploy.fail",
    "account.redeploy.hook.fail", "server.stopped", "server.backon", "job.fail", "job.backon", "process.down", "app.auth",
    "app.deauth", "payment.fail", "account.suspended",
]
HOSTILE = json.dumps({
    "name": "<!channel> & <@U0001> <https://evil.test|click> *b* `c` \u202e\u0000\u001b[2J",
    "process_name": "&" * 4000, "account_name": "<>" * 4000, "app": {"name": "<!here>"}, "": "no name", "&lt;": "<b>",
    "server": {"name": "\U0001f680" * 4000, "uid": "x"}, "charged_amount": 12345678901234567890.10, "null": None,
})
HUGE = json.dumps({f"field{number}<&>": "Ω漢\U0001f680&<>" * 100 for number in range(60)})

# Slack's words as its page on incoming webhooks has them, and what Mattermost, Rocket.Chat and Discord answer:
# status, body, and what follows: the delivery's state, the destination's, and words of the reason.
JSON = {"content-type": "application/json"}
RECORDED = [
    (200, {}, "ok", "delivered", "enabled", ""),
    (400, {}, "invalid_payload", "failed", "enabled", "does not take this message"),
    (400, {}, "no_text", "failed", "enabled", "does not take this message"),
    (400, {}, "too_many_attachments", "failed", "enabled", "does not take this message"),
    (400, {}, "user_not_found", "failed", "enabled", "make a webhook for a channel"),
    (403, {}, "action_prohibited", "failed", "enabled", "ask an administrator"),
    (403, {}, "posting_to_general_channel_denied", "failed", "enabled", "ask an administrator"),
    (403, {}, "invalid_token", "failed", "disabled", "copy it again"),
    (403, {}, "team_disabled", "failed", "disabled", "switched off"),
    (404, {}, "channel_not_found", "failed", "disabled", "another one"),
    (404, {}, "no_service", "failed", "disabled", "make a new one"),
    (404, {}, "no_service_id", "failed", "disabled", "make a new one"),
    (404, {}, "no_active_hooks", "failed", "disabled", "make a new one"),
    (404, {}, "no_team", "failed", "disabled", "another one"),
    (410, {}, "channel_is_archived", "failed", "disabled", "archive"),
    (500, {}, "rollup_error", "pending", "enabled", "rollup_error"),
    (503, {}, "<html>try later</html>", "pending", "enabled", "503"),
    (404, {}, "<html>a proxy</html>", "pending", "enabled", "404"),
    (200, JSON, '{"success":true}', "delivered", "enabled", ""),
    (404, JSON, '{"success":false,"error":"Invalid integration id or token provided."}', "failed", "disabled", "make a new one"),
    (400, JSON, '{"success":false,"error":"invalid-channel"}', "failed", "disabled", "another one"),
    (400, JSON, '{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook.","status_code":400}',
     "failed", "disabled", "make a new one"),
    (403, JSON, '{"id":"web.incoming_webhook.permissions.app_error","message":"x","status_code":403}',
     "failed", "enabled", "ask an administrator"),
    (501, JSON, '{"id":"web.incoming_webhook.disabled.app_error","message":"x","status_code":501}',
     "failed", "enabled", "ask its administrator"),
    (404, JSON, '{"message": "Unknown Webhook", "code": 10015}', "failed", "disabled", "make a new one"),
    (401, JSON, '{"message": "Invalid Webhook Token", "code": 50027}', "failed", "disabled", "make a new one"),
    (400, JSON, '{"message": "Cannot send an empty message", "code": 50006}', "failed", "enabled", "does not take this message"),
]


def add(store, url, label, *more):
    return store.json("destinations", "add", "acme", "slack", "--url", url, "--label", label, *more)["id"]


def on(store, *event_types):
    store.ok("accounts", "add", "acme", "--name", "Acme & <Söhne>", "--email", "ops@acme.test")
    for event_type in event_types:
        store.ok("matrix", "set", "acme", event_type, "email", "off")
        store.ok("matrix", "set", "acme", event_type, "slack", "on")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Slack(unittest.TestCase):
    def check(self, body):
        """Lets Slack's SDK check a message, and what it does not check."""
        message = json.loads(body)
        self.assertLessEqual(set(message), {"text", "blocks"})
        self.assertTrue(0 < len(message["text"]) <= 3000)
        blocks = blocks_of.Block.parse_all(message["blocks"])
        self.assertTrue(0 < len(blocks) <= 50)
        for block, sent in zip(blocks, message["blocks"], strict=True):
            self.assertIsInstance(block, blocks_of.Block, f"no block of Slack's: {sent}")
            self.assertEqual(block.to_dict(), sent, "the SDK, which validates here, knows all of it")
            for field in sent.get("fields", []):
                self.assertTrue(0 < len(field["text"]) <= 2000)
            if sent["type"] == "header":
                self.assertLessEqual(len(sent["text"]["text"]), 150)
        for text in [message["text"], *(part["text"] for part in marked(message["blocks"]))]:
            self.assertNotIn("<", text, "no markup of a payload's")
            self.assertNotIn(">", text)
            self.assertNotRegex(text, r"&(?!amp;|lt;|gt;)")
            self.assertTrue(all(character.isprintable() or character == "\n" for character in text), repr(text))

    def test_slacks_own_sdk_takes_every_message(self):
        with Receiver((200, {}, "ok")) as slack, Store() as store:
            on(store, *EVENT_TYPES)
            for event_type in EVENT_TYPES:
                # A webhook each: one takes one message a second.
                add(store, f"{slack.root}/services/T/B/{event_type}", event_type, "--only", event_type)
            lines = [json.dumps({"account": "acme", "event_type": event_type, "data": json.loads(data)})
                     for event_type in EVENT_TYPES for data in ("{}", HOSTILE, HUGE)]
            store.serve()
            store.ok("ingest", "-", input="\n".join(lines).encode())
            for destination in store.json("destinations", "list", "acme"):
                if destination["channel"] == "slack":
                    store.ok("destinations", "test", destination["id"], "--event-type", destination["label"])
            wait_until(lambda: len(slack.requests) >= 4 * len(EVENT_TYPES))
            paths = [path.rsplit("/", 1)[1] for path in slack.paths]
            self.assertEqual({event_type: paths.count(event_type) for event_type in EVENT_TYPES}, dict.fromkeys(EVENT_TYPES, 4))
            for _, headers, body in slack.requests:
                self.assertEqual(headers["content-type"], "application/json")
                self.check(body)

    def test_every_recorded_answer_leads_to_its_state(self):
        script = {f"/services/T01/B01/hush-{number}-secret": [answer[:3]] for number, answer in enumerate(RECORDED)}
        with Receiver(of_paths=script) as slack, Store(BELLBOARD_DELIVERY_RETRY="1h,1h,1h,1h") as store:
            on(store, "server.stopped")
            ids = [add(store, slack.root + path, f"to-{number}") for number, path in enumerate(script)]
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]

            def settled():
                # A notice about a destination goes by mail, which has no server here.
                rows = store.json("deliveries", "list", "--limit", "200")
                found = [row for row in rows if row["channel"] == "slack"]
                return found if all(row["attempts"] == 1 and row["state"] != "sending" for row in found) else None

            rows = {row["destination"]: row for row in wait_until(settled)}
            self.assertEqual(len(rows), len(RECORDED))
            destinations = {one["id"]: one for one in store.json("destinations", "list", "acme")}
            why = store.ok("why", event)
            for number, (status, _, body, state, destination, words) in enumerate(RECORDED):
                with self.subTest(status=status, body=body):
                    row = rows[ids[number]]
                    log = store.json("deliveries", "show", row["id"])
                    self.assertEqual((row["state"], row["attempts"], row["status"]), (state, 1, status), row)
                    self.assertEqual(destinations[ids[number]]["state"], destination)
                    (attempt,) = log["attempt_log"]
                    self.assertEqual(attempt["response"]["body"], body)
                    if state == "delivered":
                        continue
                    self.assertIn(words, row["reason"])
                    self.assertIn(str(status), row["reason"])
                    self.assertNotIn("{", row["reason"])
                    self.assertNotIn("<html>", row["reason"])
                    self.assertIn(row["id"], why)
                    if state == "pending":
                        wait = seconds(row["next_attempt_at"]) - seconds(attempt["started_at"])
                        self.assertTrue(3600 <= wait < 3600 * 1.1 + 60, wait)
                    else:
                        self.assertIsNone(row["next_attempt_at"])
                    shown = json.dumps([row, log, destinations[ids[number]]])
                    self.assertNotIn(f"hush-{number}-secret", shown)

    def test_a_webhook_gets_one_message_a_second_and_waiting_is_no_try(self):
        with Receiver((200, {}, "ok")) as slack, Store() as store:
            on(store, "server.stopped")
            # Two destinations of the same webhook share its second.
            for label in ("one", "two"):
                add(store, slack.root + "/services/T/B/x", label)
            store.serve()
            for _ in range(3):
                store.ok("emit", "acme", "server.stopped", "--data", "{}")
            wait_until(lambda: len(slack.requests) == 6)
            times = [at for at, *_ in slack.requests]
            for before, after in zip(times, times[1:]):
                self.assertGreaterEqual(after - before, 0.995, "the clock's own step is a millisecond")
            rows = wait_until(lambda: (rows := store.json("deliveries", "list")) and
                              all(row["state"] == "delivered" for row in rows) and rows)
            self.assertEqual({row["attempts"] for row in rows}, {1})

    def test_a_429_holds_every_webhook_of_that_host_and_is_no_try(self):
        slower = (429, {"Retry-After": "10"}, "rate_limited")
        with Receiver(of_paths={"/a": [slower, (200, {}, "ok")], "/b": [(200, {}, "ok")]}) as slack, Store() as store:
            on(store, "server.stopped")
            add(store, slack.root + "/a", "a", "--only", "servers")
            store.serve()
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            wait_until(lambda: slack.requests)
            first = wait_until(lambda: (row := store.json("deliveries", "list")[0])["reason"] and row)
            self.assertEqual((first["state"], first["attempts"]), ("pending", 0), first)
            self.assertIn("slower pace", first["reason"])
            add(store, slack.root + "/b", "b")
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            wait_until(lambda: len(slack.requests) == 4)
            asked = slack.requests[0][0]
            for (at, *_), path in zip(slack.requests[1:], slack.paths[1:], strict=True):
                self.assertGreaterEqual(at - asked, 9.995, path)
            rows = wait_until(lambda: (rows := store.json("deliveries", "list")) and
                              all(row["state"] == "delivered" for row in rows) and rows)
            self.assertEqual({row["attempts"] for row in rows}, {1})


def marked(blocks):
    """The texts with markup in them."""
    for block in blocks:
        yield from (part for part in [*block.get("fields", []), *block.get("elements", [])] if part["type"] == "mrkdwn")
