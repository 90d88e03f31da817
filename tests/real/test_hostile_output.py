"""Hostile texts through the plain output of the program: as names, labels, payloads and answers, in every command's text, `--plain`
and `--json`, in exports and in the log. Nothing acts on a terminal, and no text makes a line.

`tests/it/hostile.rs` has the screens and the messages that are sent."""

import csv
import io
import json
import os
import pathlib
import re
import socketserver
import sqlite3
import subprocess
import threading
import unittest

from hostile import CORPUS, FORMULA, SEED, Tame, argument, texts
from rig import BINARY, PATIENCE, Store, wait_until

# How the lines of a command begin that are its own.
DATE = r"\d{4}-\d\d-\d\d"
OWN = {
    "accounts list": r"key +name |[a-z]\d* |\d* shown|and \d+ more",
    "events list": r"event +received |evt_[0-9a-f]{32} ",
    "deliveries list": r"delivery +created |dlv_\d+ ",
    "destinations list": r"destination +channel |dst_\d+ ",
    "event-types list": r"event type |name |\S+ +\S",
    "audit list": r"change +at |chg_\d+ ",
    "tokens list": r"token +name |tok_\d+ ",
    "why": r"evt_[0-9a-f]{32}: |channel +outcome |(browser|email|hipchat|ios|slack|webhook) ",
    "events show": r"evt_[0-9a-f]{32}: |received |  field +value|  |what became of it: bellboard why evt_[0-9a-f]{32}$",
    "deliveries show": r"dlv_\d+: |\w[^\n]*; event evt_[0-9a-f]{32}, destination dst_\d+$|$|try \d+, |  [<>]",
    "accounts show": r"[a-z]\d*: |owner \S+, time zone |destination +channel |dst_\d+ ",
    "watch": rf"{DATE} \d\d:\d\d:\d\dZ dlv_\d+ [a-z]\d* ",
    "proof": r"(delivery|event|account|to|state|written at|began|reason) |== try \d+: \w+$|[<>]|$|SHA-256 of the lines above",
}


class Answers:
    """A receiver whose status lines, headers and bodies are made of the texts, by the path, and a mail server that refuses with them."""

    def __init__(self, all_texts):
        class Web(socketserver.StreamRequestHandler):
            def handle(self):
                path = self.rfile.readline().split()[1].decode()
                headers = dict(line.split(b":", 1) for line in iter(lambda: self.rfile.readline().strip(), b""))
                self.rfile.read(int(headers.get(b"content-length", 0)))
                kind, number = path.strip("/").split("/")
                text = all_texts[int(number)].encode()
                reason, header = (text, text) if kind == "raw" else (b"No", b"plain")
                # What is no header any more ends the head: the rest is of the body then.
                allowed = bytes(byte for byte in text if byte >= 0x20 and byte != 0x7f)
                head = b"HTTP/1.1 500 %s\r\nx-answer: %s\r\nx-other: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                self.wfile.write(head % (reason, header, allowed, len(text)) + text)

        class Mail(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 hostile ESMTP\r\n")
                for line in self.rfile:
                    words = line.strip().decode(errors="replace")
                    number = re.search(r"u(\d+)@", words)
                    if words.upper().startswith("QUIT"):
                        return
                    refused = words.upper().startswith("RCPT") and number
                    self.wfile.write(b"550 5.1.1 " + all_texts[int(number[1])].encode() + b"\r\n" if refused else b"250 ok\r\n")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self.servers = [Server(("127.0.0.1", 0), handler) for handler in (Web, Mail)]
        self.web, self.mail = (server.server_address[1] for server in self.servers)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Printed(Tame):
    """A store that is full of them, and all that is printed of it."""

    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}")
        cls.texts = texts()
        cls.answers = Answers(cls.texts)
        cls.addClassCleanup(cls.answers.close)
        cls.store = Store(
            BELLBOARD_EMAIL_SERVER=f"smtp://127.0.0.1:{cls.answers.mail}?tls=none", BELLBOARD_EMAIL_FROM="bells@acme.test",
            BELLBOARD_DELIVERY_RETRY="20ms",
        )
        cls.addClassCleanup(cls.store.close)
        cls.said = []
        for number, text in enumerate(cls.texts):
            cls.fill(number, argument(text))
        cls.rename()
        cls.deliver()

    @classmethod
    def fill(cls, number, text):
        """An account, an event type, a destination and a token called so, made by somebody called so, from a place called so."""
        store, key = cls.store, f"a{number}"
        person = {"USER": text, "SSH_CLIENT": f"{text} 1 2", "TERM": text}
        if number % 2:
            person["SSH_CONNECTION"] = text

        def either(*ways):
            for words in ways:
                done = store.run(*words, **person)
                cls.said.append((words, done))
                if done[0] == 0:
                    return
            raise AssertionError(f"{words}: {done}")

        email = ("--email", f"u{number}@acme.test")
        either(("accounts", "add", key, f"--name={text}", *email), ("accounts", "add", key, "--name", "x", *email))
        types = ("event-types", "add", key, "disk.full")
        either((*types, f"--title={text}", f"--group={text}"), types)
        url = f"http://127.0.0.1:{cls.answers.web}/{'raw' if number % 2 else 'body'}/{number}"
        hook = ("destinations", "add", key, "webhook", "--url", url)
        # Headers are secrets: where there are some, they are masked in what is answered.
        headers = (f"--headers=x-note: {text}",) if number % 2 else ()
        either((*hook, f"--label={text}", *headers), (*hook, f"--label={text}"), hook)
        store.ok("matrix", "set", key, "job.fail", "webhook", "on")
        if number % 5 == 0:
            either(("tokens", "create", text, "--scope", "emit"), ("tokens", "create", "x", "--scope", "emit"))

    @classmethod
    def rename(cls):
        """What no command takes may still stand in a file that another program wrote."""
        database = sqlite3.connect(cls.store.path)
        for number, text in enumerate(cls.texts):
            account, = database.execute("SELECT id FROM account WHERE key = ?", (f"a{number}",)).fetchone()
            database.execute("UPDATE account SET name = ? WHERE id = ?", (text, account))
            database.execute("UPDATE event_type SET title = ?1, group_name = ?1 WHERE account_id = ?2", (text, account))
            database.execute("UPDATE destination SET label = ?1, state_reason = ?1 WHERE account_id = ?2", (text, account))
        database.executemany("UPDATE token SET name = ? WHERE id = ?", [(text, 1 + number) for number, text in enumerate(cls.texts)])
        database.commit()
        database.close()

    @classmethod
    def deliver(cls):
        """An event for each of them; each is sent twice, and fails."""
        store = cls.store
        with open(os.path.join(store.folder, "serve.err"), "wb") as file:
            store.processes.append(subprocess.Popen([BINARY, "serve", "--log", "trace"], env=store.environment, stdout=file, stderr=file))
        wait_until(store.is_ready)
        cls.watched = {}
        for form in ((), ("--json",)):
            path = os.path.join(store.folder, f"watch{len(form)}")
            with open(path, "wb") as file:
                store.processes.append(subprocess.Popen([BINARY, *form, "watch"], env=store.environment, stdout=file, stderr=file))
            cls.watched[form] = path
        members = lambda text: {name: text for name in ("name", "server", "uid", "process_name", "reason", "user", "app", text)}
        event = lambda number, text: json.dumps({"account": f"a{number}", "event_type": "job.fail", "data": members(text)})
        lines = [event(number, text) for number, text in enumerate(cls.texts)]
        # The watchers look from when they began: the first event is theirs to show.
        first = json.dumps({"account": "a0", "event_type": "disk.full", "data": {}})
        store.ok("matrix", "set", "a0", "disk.full", "webhook", "on")
        wait_until(lambda: store.ok("emit", "a0", "disk.full") and all(os.path.getsize(path) for path in cls.watched.values()), every=0.5)
        store.ok("ingest", "-", input="\n".join([first, *lines]).encode())
        wait_until(lambda: not any(store.json("deliveries", "list", "--state", state) for state in ("pending", "sending")))
        rows = store.json("deliveries", "list", "--limit", "1000", "--channel", "webhook")
        cls.deliveries = {int(row["account"][1:]): row for row in rows if row["event_type"] == "job.fail"}
        assert len(cls.deliveries) == len(cls.texts)

    def test_what_was_said_while_it_was_typed(self):
        self.assertGreater(sum(done[0] == 2 for _, done in self.said), 10, "some cannot be taken")
        for words, (code, out, err) in self.said:
            self.assertIn(code, (0, 2), words)
            self.tame(out, words)
            self.assertLessEqual(len(self.tame(err, words)), 1, words)

    def test_lists(self):
        for name in ("accounts list", "events list", "deliveries list", "audit list", "tokens list"):
            words = [*name.split(), *(["--limit", "1000"] if name != "tokens list" else [])]
            _, out, _ = self.run_tame(*words, own=OWN[name])
            _, document, _ = self.run_tame("--json", *words)
            count = len(json.loads(document))
            self.assertEqual(len(out.splitlines()), count + 1, f"{name}: a line each, and a head")
            _, out, _ = self.run_tame("--plain", *words, own=r"\w[\w ]*: ")
            self.assertEqual(len(out.splitlines()), count, f"{name}: a line each")
        for words in ("doctor --offline", "prune --dry-run", "deliveries replays", "keys show", "config show", "matrix show a0",
                      "event-types list a1"):
            for form in ((), ("--json",), ("--plain",)):
                _, out, _ = self.run_tame(*form, *words.split())
                if form == ("--json",):
                    json.loads(out)

    def test_each_account_event_and_delivery(self):
        for number, text in enumerate(self.texts):
            key, delivery = f"a{number}", self.deliveries[number]
            form = ("--plain",) if number % 4 == 3 else ()
            own = (lambda name: OWN[name]) if not form else (lambda name: None)
            self.run_tame(*form, "accounts", "show", key, own=own("accounts show"))
            _, out, _ = self.run_tame(*form, "why", delivery["event_id"], own=own("why"))
            self.run_tame(*form, "events", "show", delivery["event_id"], own=own("events show"))
            self.run_tame(*form, "deliveries", "show", delivery["id"], own=own("deliveries show"))
            self.run_tame(*form, "destinations", "list", key, own=own("destinations list"))
            if number % 4 == 0:
                for words in (("destinations", "show", delivery["destination"]), ("event-types", "list", key), ("matrix", "show", key),
                              ("messages", "preview", "job.fail", "--account", key, "--data", json.dumps({"uid": text, text: text}))):
                    self.run_tame(*words)
                    json.loads(self.run_tame("--json", *words)[1])

    def test_json_says_the_same(self):
        for number, text in enumerate(self.texts):
            if number % 3:
                continue
            delivery = self.deliveries[number]
            show = lambda *words: json.loads(self.run_tame("--json", *words)[1])
            self.assertEqual(show("accounts", "show", f"a{number}")["name"], text)
            data = show("events", "show", delivery["event_id"])["data"]
            self.assertEqual((data["uid"], data[text]), (text, text))
            self.assertIn(text, [one["label"] for one in show("destinations", "list", f"a{number}")])
            tries = show("deliveries", "show", delivery["id"])["attempt_log"]
            self.assertGreaterEqual(len(tries), 1)
            self.assertEqual(json.loads(tries[0]["request"]["body"])["uid"], text)
            if number % 2 == 0:
                self.assertEqual(tries[0]["response"]["body"], text)
            self.assertEqual(show("why", delivery["event_id"])["event"]["data"]["uid"], text)

    def test_the_audit_trail(self):
        _, out, _ = self.run_tame("audit", "export", own=r'\{"')
        lines = [json.loads(line) for line in out.splitlines()]
        who = {line["login"] if "login" in line else line["actor"]["login"] for line in lines}
        self.assertGreater(len(who), len(self.texts) / 3, "who did it is told apart")
        self.run_tame("audit", "verify")
        json.loads(self.run_tame("--json", "audit", "verify")[1])

    def test_watching(self):
        text, document = (pathlib.Path(self.watched[form]).read_bytes() for form in ((), ("--json",)))
        lines = self.tame(text, "watch", OWN["watch"])
        objects = [json.loads(line) for line in self.tame(document, "watch --json", r'\{"')]
        self.assertGreater(len(lines), 2 * len(self.texts))
        labels = {one["destination"] if "label" not in one else one["label"] for one in objects}
        self.assertGreater(len(labels), len(self.texts) / 2)

    def test_the_log_of_a_process_that_delivers(self):
        log = pathlib.Path(self.store.folder, "serve.err").read_bytes()
        lines = self.tame(log, "serve --log trace", rf"{DATE}T\S+ +(TRACE|DEBUG|INFO|WARN|ERROR) ")
        self.assertGreater(len(lines), 50)

    def test_the_plain_console_and_what_it_exports(self):
        typed = ["o", "enter", "H", ".esc", "P", ".esc", "live", *"EcEtEj", "enter", *"ycytyj", "enter", ".esc", ".esc", ".esc"]
        typed += ["g", "f", *"EcEtEj", "more", "more", "enter", ".esc", "g", "d", "more", "enter", ".esc", "D", ".esc"]
        said = b""
        for number in (0, 1, 6, len(CORPUS) + 1, len(self.texts) - 1):
            console = subprocess.Popen([BINARY, "--plain", "--color", "never"], env=self.store.environment, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.store.processes.append(console)
            commands = ["g", "a", f"{number + 1}", *typed, "quit"]
            out, _ = console.communicate(("\n".join(commands) + "\n").encode(), timeout=PATIENCE)
            said += out
        for line in self.tame(said, "the plain console"):
            # What they wrote, of whole lines, is quoted.
            self.assertFalse(line.startswith(("x FORGED", "y FORGED", "x-other", "x-note", "{", "}")), line)
        exports = self.exports()
        for kind in ("csv", "txt", "json"):
            self.assertTrue(exports[kind], f"nothing was exported as {kind}: {said.decode()[-2000:]}")
        for text in exports["csv"]:
            self.assertEqual(text.count("\r\n"), len(text.splitlines()), "a line a row")
            self.tame(text.replace("\r\n", "\n"), "CSV")
            for row in csv.reader(io.StringIO(text), strict=True):
                self.assertEqual([cell for cell in row if cell.lstrip().startswith(FORMULA)], [], text)
        for text in exports["txt"]:
            self.tame(text, "text", OWN["proof"] if text.startswith("delivery") else rf"{DATE}T")
        for text in exports["json"]:
            self.tame(text, "JSON")
            json.loads(text)

    def exports(self):
        """The files that were written for people, by their endings."""
        found = {"csv": [], "txt": [], "json": []}
        for folder, _, names in os.walk(self.store.folder):
            for path in (pathlib.Path(folder, name) for name in names if "export" in folder):
                if path.suffix[1:] in found:
                    found[path.suffix[1:]].append(path.read_bytes().decode())
        return found


if __name__ == "__main__":
    unittest.main()
