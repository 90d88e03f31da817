"""HipChat's API v1: a strict stand-in from the vendor's pages, held to two clients of others, and bellboard held to it.

The clients are PyPI's `python-simple-hipchat` and `hipchat_notif`; both were written against the vendor's own server.
"""

import json
import unittest
import urllib.error

from hipchat_server import HipChat
from rig import Store, package, wait_until
from test_slack import EVENT_TYPES, HOSTILE, HUGE

simple = package("hipchat")
notif = package("hipchat_notif.hipchat_notif")


def add(store, server, room, *more, token=None):
    return store.json("destinations", "add", "acme", "hipchat", "--token", token or server.notification, "--room", room,
                      "--base-url", server.url, *more)["id"]


def on(store, *event_types):
    store.ok("accounts", "add", "acme", "--name", "Acme & <Söhne>", "--email", "ops@acme.test")
    for event_type in event_types:
        store.ok("matrix", "set", "acme", event_type, "email", "off")
        store.ok("matrix", "set", "acme", event_type, "hipchat", "on")


def all_ended(store):
    rows = store.json("deliveries", "list", "--limit", "200")
    # A notice about a destination goes by mail, which has no server here.
    rows = [row for row in rows if row["channel"] == "hipchat"]
    return rows if all(row["state"] in ("delivered", "failed") for row in rows) else None


class TheStandIn(unittest.TestCase):
    """The stand-in speaks as the vendor's server did, as far as two clients of others can tell."""

    def test_a_simple_client_lists_and_speaks(self):
        with HipChat() as server:
            client = simple.HipChat(token=server.admin, url=server.url + "/v1/")
            self.assertEqual(client.find_room("Ops")["room_id"], 7)
            self.assertEqual(client.message_room(7, "Alerts", "a new user signed up", color="green"), {"status": "sent"})
            self.assertEqual(server.messages[0]["message"], "a new user signed up")
            client = simple.HipChat(token=server.notification, url=server.url + "/v1/")
            self.assertEqual(client.message_room("Ops", "Alerts", "hi", color="red", notify=True), {"status": "sent"})
            for status, call in [
                (401, client.list_rooms),
                (404, lambda: client.message_room(99, "Alerts", "hi", color="red")),
                (400, lambda: client.message_room(7, "Al<rts", "hi", color="red")),
                (400, lambda: client.message_room(7, "Alerts", "hi", color="blue")),
                (400, lambda: client.message_room(7, "Alerts", "<script>", message_format="html", color="red")),
                (401, simple.HipChat(token="wrong", url=server.url + "/v1/").list_rooms),
            ]:
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    call()
                self.assertEqual(refused.exception.code, status)
                self.assertEqual(json.loads(refused.exception.read())["error"]["code"], status)
                refused.exception.close()

    def test_a_strict_client_tests_its_token_and_knows_the_errors(self):
        with HipChat() as server:
            class Client(notif.HipchatNotificator):
                # The library has the vendor's address written in.
                apiurl = property(lambda _: server.url + "/v1", lambda *_: None)

            # It writes the token into the URL as it is.
            server.admin, server.notification = "admintoken", "notifytoken"
            for token in (server.admin, server.notification):
                client = Client(token)
                client.room, client.notification_name = 7, "Alerts"
                client.alert("down &amp; out")
                with self.assertRaises(notif.HipchatRoomError):
                    client.send_message("hi", room=99)
                with self.assertRaises(notif.HipchatMessageError):
                    client.send_message("x" * 10_001)
            with self.assertRaises(notif.HipchatAuthError):
                Client("wrong")
            self.assertEqual([message["color"] for message in server.messages], ["red", "red"])


class ToHipChat(unittest.TestCase):
    def test_every_message_is_one_that_the_vendor_takes(self):
        with HipChat() as server, Store() as store:
            on(store, *EVENT_TYPES)
            add(store, server, "7", "--from", "Bell - board_1", "--notify", "yes")
            lines = [json.dumps({"account": "acme", "event_type": event_type, "data": json.loads(data)})
                     for event_type in EVENT_TYPES for data in ("{}", HOSTILE, HUGE)]
            store.serve()
            store.ok("ingest", "-", input="\n".join(lines).encode())
            rows = wait_until(lambda: all_ended(store))
            self.assertEqual({(row["state"], row["attempts"]) for row in rows}, {("delivered", 1)}, server.answers[-3:])
            self.assertEqual((len(server.messages), set(server.statuses())), (len(lines), {200}))
            for message in server.messages:
                self.assertEqual((message["from"], message["notify"]), ("Bell - board_1", "1"))
            colors = {message["color"] for message in server.messages}
            self.assertTrue({"green", "red", "gray"} <= colors, colors)

    def test_a_token_is_shared_and_its_limit_is_kept_before_it_is_hit(self):
        with HipChat(limit=6, window=3) as server, Store() as store:
            on(store, "server.stopped")
            for room in ("7", "8"):
                add(store, server, room)
            store.serve()
            for _ in range(8):
                store.ok("emit", "acme", "server.stopped", "--data", "{}")
            rows = wait_until(lambda: all_ended(store))
            self.assertEqual({(row["state"], row["attempts"]) for row in rows}, {("delivered", 1)})
            self.assertEqual(len(server.messages), 16)
            self.assertEqual(set(server.statuses()), {200}, "it was never too fast")

    def test_a_limit_that_others_have_used_up_is_waited_for_and_no_try(self):
        with HipChat(window=3) as server, Store() as store:
            on(store, "server.stopped")
            add(store, server, "7")
            add(store, server, "8")
            server.used_up = 2
            store.serve()
            store.ok("emit", "acme", "server.stopped", "--data", "{}")
            rows = wait_until(lambda: all_ended(store))
            self.assertEqual({(row["state"], row["attempts"]) for row in rows}, {("delivered", 1)})
            refused = [until for _, status, _, until in server.answers if status == 403]
            taken = [at for at, status, _, _ in server.answers if status == 200]
            self.assertTrue(refused and len(taken) == 2, server.answers)
            self.assertGreaterEqual(taken[0], refused[0], "not before the server counts anew")

    def test_every_answer_leads_to_its_state(self):
        with HipChat() as server, Store(BELLBOARD_DELIVERY_RETRY="1h,1h") as store:
            on(store, "server.stopped")
            cases = [
                (add(store, server, "7"), 200, "delivered", "enabled", ""),
                (add(store, server, "Nights & <Days>", token=server.admin), 200, "delivered", "enabled", ""),
                (add(store, server, "99"), 404, "failed", "enabled", "no such room"),
                (add(store, server, "7", token="revoked-token-5521"), 401, "failed", "disabled", "make a new one"),
            ]
            store.serve()
            event = store.json("emit", "acme", "server.stopped", "--data", "{}")["event"]["id"]
            rows = {row["destination"]: row for row in wait_until(lambda: all_ended(store))}
            destinations = {one["id"]: one for one in store.json("destinations", "list", "acme")}
            why = store.ok("why", event)
            for destination, status, state, health, words in cases:
                with self.subTest(status=status, words=words):
                    row = rows[destination]
                    self.assertEqual((row["state"], row["attempts"], row["status"]), (state, 1, status))
                    self.assertEqual(destinations[destination]["state"], health)
                    self.assertIn(words, row["reason"] or "")
                    self.assertIn(words, why)
            shown = why + store.ok("--json", "deliveries", "list") + "".join(
                store.ok("--json", "deliveries", "show", row["id"]) for row in rows.values())
            for token in (server.admin, server.notification, "revoked-token-5521"):
                self.assertNotIn(token, shown)
