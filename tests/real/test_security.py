"""What `bellboard help security`, `help ssh` and the README promise, and no other test tries to make untrue: who changed what, what is kept
of secrets, what is logged, where it listens, and an audit trail that somebody altered."""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import threading
import unittest

from rig import BINARY, PATIENCE, Receiver, Store, program, wait_until
from terminal import Pty
from test_http import Api

ROOT = pathlib.Path(__file__).parents[2]
UNIT = (ROOT / "assets/systemd/bellboard.service").read_text()

# Every command that changes something, in an order in which each has something to change.
CHANGES = """
accounts add other --name Other --email ops@other.test
accounts edit other --name Others
event-types add acme disk.full
event-types remove acme disk.full
matrix set acme server.stopped slack on
matrix mute acme --for 1h
matrix unmute acme
destinations add acme webhook --url http://127.0.0.1:9/
destinations invite acme browser
destinations edit dst_4 --label hooks
destinations rotate dst_4
destinations test dst_4
destinations pause dst_4
destinations enable dst_4
destinations disable dst_4
destinations remove dst_4 --yes
deliveries cancel dlv_1
deliveries replay dlv_1
deliveries send-missed --account acme --yes
deliveries replay --account acme --state cancelled --yes
deliveries replays cancel rpl_1
accounts copy acme other
tokens create billing --scope emit
tokens revoke tok_1
audit undo chg_2
audit forget --yes
keys rotate
prune --older-than 1s --yes
accounts remove other --yes
""".strip().splitlines()

# What takes a role and changes nothing of the set-up: an event is no change, a copy changes no database, and what is restored brings the
# trail of its own.
NO_CHANGES = {("emit",), ("ingest",), ("backup",), ("restore",)}


def leaf(line):
    """A command without its arguments."""
    words = line.split()
    number = next((at for at, word in enumerate(words) if not re.fullmatch(r"[a-z-]{3,}", word) or word in ("acme", "other")), len(words))
    return tuple(words[:min(number, 3 if words[1:2] == ["replays"] else 2)])


class Changes(unittest.TestCase):
    def test_each_names_login_address_and_terminal(self):
        table = (ROOT / "tests/it/cli/roles.rs").read_text()
        all_of_them = {leaf(words) for words in re.findall(r"^(?:operate|administer) +\w+ +(.*)$", table, re.M)}
        of_one = {words[:1] for words in all_of_them if words[0] in ("emit", "ingest", "backup", "restore", "prune")}
        wanted = {words if words[:1] not in of_one else words[:1] for words in all_of_them} - NO_CHANGES
        tried = {leaf(line) if leaf(line)[:1] not in of_one else leaf(line)[:1] for line in CHANGES}
        self.assertEqual(wanted - tried, set(), "these are not tried")
        with Store(USER="jane", SSH_CONNECTION="192.0.2.7 5021 10.0.0.1 22") as store:
            store.environment.pop("SUDO_USER", None)
            store.acme("http://127.0.0.1:9/in")
            store.ok("emit", "acme", "server.stopped")
            store.ok("matrix", "set", "acme", "job.fail", "webhook", "off")
            store.ok("emit", "acme", "job.fail")
            store.ok("matrix", "set", "acme", "job.fail", "webhook", "on")
            for line in CHANGES:
                if line.startswith("deliveries replays"):
                    # A small one has ended before anybody could have cancelled it.
                    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as database:
                        database.execute("UPDATE replay SET state = 'running', ended_at = NULL")
                before = store.json("audit", "list", "--limit", "1")[0]["id"]
                pty = Pty(store.environment, command=(BINARY, *line.split()))
                try:
                    code = wait_until(lambda: (pty.read(0.02), pty.process.poll())[1] is not None) and pty.process.returncode
                    pty.read(0.1)
                finally:
                    pty.close()
                rows = store.json("audit", "list", "--limit", "50")
                new = rows[:next(at for at, row in enumerate(rows) if row["id"] == before)]
                self.assertTrue(new, f"{line}: exit {code}, and nothing in the trail: {pty.output!r}")
                for row in new:
                    self.assertEqual(row["login"], "jane", f"{line}: {row}")
                    self.assertRegex(row["origin"], r"^pts/\d+ from 192\.0\.2\.7$", line)
            self.assertTrue(store.json("audit", "verify")["ok"])

    def test_those_over_http_name_the_token_and_the_address(self):
        with Store() as store:
            store.acme()
            store.serve()
            wait_until(store.is_ready)
            api = Api(store)
            write = store.json("tokens", "create", "vendor", "--scope", "write")
            devices = store.json("tokens", "create", "app", "--scope", "devices")
            invite = store.json("destinations", "invite", "acme", "ios")
            code = next(value for value in invite.values() if re.fullmatch(r"[0-9A-Z-]{15,}", str(value)))
            requests = [
                ("PUT", "/accounts/acme/notifications/server.stopped", {"channels": ["slack"]}, write["token"], ("vendor", write["id"])),
                ("POST", "/v1/accounts/acme/devices", {"device_token": "ab" * 32}, devices["token"], ("app", devices["id"])),
                ("POST", "/v1/devices", {"code": code, "device": {"device_token": "cd" * 32}}, "", ("enrolment code", "from")),
            ]
            for method, path, body, token, (login, origin) in requests:
                before = len(store.json("audit", "list", "--limit", "100"))
                status, _, said = api.ask(method, path, body, token=token)
                self.assertIn(status, (200, 201, 204), said)
                rows = store.json("audit", "list", "--limit", "100")
                self.assertGreater(len(rows), before, path)
                self.assertEqual((login in rows[0]["login"], origin in rows[0]["origin"]), (True, True), rows[0])
                self.assertIn("127.0.0.1", rows[0]["origin"])


class Altered(unittest.TestCase):
    """Somebody with the file changes the trail by hand, past its triggers."""

    WAYS = {
        "a word": "UPDATE audit SET says = 'nothing happened' WHERE id = 3",
        "a login": "UPDATE audit SET login = 'joe' WHERE id = 1",
        "a time": "UPDATE audit SET at = at + 1 WHERE id = 2",
        "a row of the middle": "DELETE FROM audit WHERE id = 3",
        "the first row": "DELETE FROM audit WHERE id = 1",
        "a row more": "INSERT INTO audit SELECT 99, at, login, origin, account, command, says, before, after, undoes, hash FROM audit"
                      " WHERE id = 2",
        "two that changed places": "UPDATE audit SET id = 98 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 3;"
                                   " UPDATE audit SET id = 3 WHERE id = 98",
        "a hash": "UPDATE audit SET hash = randomblob(32) WHERE id = 4",
        "a hash that is gone": "UPDATE audit SET hash = NULL WHERE id = 2",
        "the end": "DELETE FROM audit WHERE id >= 4",
        "all hashes": "UPDATE audit SET login = 'joe', hash = NULL",
    }
    # These are whole in themselves; only a head that was kept elsewhere tells.
    ONLY_BY_HEAD = ("the end", "all hashes")

    def test_it_is_found(self):
        with Store() as store:
            store.acme("https://hooks.acme.test/in")
            store.ok("matrix", "set", "acme", "job.fail", "webhook", "on")
            head = store.json("audit", "verify")["head"]
            self.assertIn(head, store.ok("audit", "verify", "--expect", head))
            rows = len(store.json("audit", "list"))
            for name, statement in self.WAYS.items():
                with self.subTest(name), tempfile_copy(store) as copy:
                    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as database:
                        with self.assertRaisesRegex(sqlite3.IntegrityError, "append-only|UNIQUE"):
                            database.executescript(statement if "INSERT" not in statement else "DELETE FROM audit")
                        database.executescript("DROP TRIGGER audit_keeps_rows; DROP TRIGGER audit_keeps_words;")
                        database.executescript("PRAGMA foreign_keys = OFF;" + statement)
                    code, out, err = store.run("--db", copy, "audit", "verify")
                    kept = store.run("--db", copy, "audit", "verify", "--expect", head)
                    self.assertEqual((kept[0], "was altered" in kept[2]), (1, True), kept)
                    if name not in self.ONLY_BY_HEAD:
                        self.assertEqual((code, out, "was altered" in err), (1, "", True), err)
                        self.assertFalse(json.loads(store.run("--json", "--db", copy, "audit", "verify")[1])["ok"])
                    elif name == "all hashes":
                        self.assertIn(f"{rows} from before there was a chain, for which nothing vouches", out)

    def test_one_written_anew_is_told_by_the_head(self):
        with Store() as one, Store() as other:
            for store in (one, other):
                store.acme()
            head = one.json("audit", "verify")["head"]
            self.assertEqual(other.run("audit", "verify")[0], 0)
            code, _, err = other.run("audit", "verify", "--expect", head)
            self.assertEqual((code, "is not in it" in err), (1, True), err)


@contextlib.contextmanager
def tempfile_copy(store):
    """A copy of the database, with its key."""
    path = os.path.join(store.folder, "copy.db")
    store.ok("backup", path)
    shutil.copy(os.path.join(store.folder, "bellboard.key"), os.path.join(store.folder, "copy.key"))
    try:
        yield path
    finally:
        for name in glob.glob(os.path.join(store.folder, "copy.*")):
            os.remove(name)


class Kept(unittest.TestCase):
    def test_tokens_and_codes_are_kept_as_hashes(self):
        with Store() as store:
            store.acme()
            token = store.json("tokens", "create", "billing", "--scope", "emit")["token"]
            shown = [token]
            for channel in ("browser", "ios"):
                invite = json.dumps(store.json("destinations", "invite", "acme", channel))
                shown.append(re.search(r"\b[0-9A-Z]{5}-[0-9A-Z]{5}-[0-9A-Z]{5}\b", invite)[0])
            # What a person may type of a code, without its dashes.
            forms = {form.encode() for text in shown for form in (text, text.replace("-", ""), text.lower())}
            said = store.ok("audit", "export") + store.ok("tokens", "list") + json.dumps(store.json("tokens", "list"))
            for place in [*glob.glob(f"{store.path}*"), said]:
                content = pathlib.Path(place).read_bytes() if place != said else said.encode()
                self.assertEqual([form for form in forms if form in content], [], place[:100])
            with contextlib.closing(sqlite3.connect(store.path)) as database:
                hashes = [row[0] for row in database.execute("SELECT hash FROM token UNION ALL SELECT hash FROM enrolment")]
            self.assertEqual([len(one) for one in hashes], [32, 32, 32])
            self.assertIn(hashlib.sha256(token.encode()).digest(), hashes)

    def test_a_made_secret_is_shown_once(self):
        with Store() as store:
            store.acme()
            made = store.json("destinations", "add", "acme", "webhook", "--url", "https://hooks.acme.test/in")
            secret = made["secret_shown_once"]
            rotated = store.json("destinations", "rotate", made["id"])
            later = rotated["secret_shown_once"]
            self.assertNotEqual(secret, later)
            for words in (("destinations", "show", made["id"]), ("destinations", "list", "acme"), ("audit", "export"), ("audit", "list")):
                for form in ((), ("--json",)):
                    out = store.ok(*form, *words)
                    self.assertFalse(secret in out or later in out, words)

    def test_the_log_has_no_payload_and_no_secret(self):
        marks = {"payload": "PAYLOADmark71", "answer": "ANSWERmark72", "header": "HEADERmark73"}
        with Store(BELLBOARD_DELIVERY_RETRY="20ms,20ms") as store, Receiver((500, {"x-said": marks["answer"]}), (200, {})) as receiver:
            log = os.path.join(store.folder, "serve.log")
            serve = subprocess.Popen([BINARY, "serve", "--log", "trace", "--log-file", log], env=store.environment, stderr=subprocess.DEVNULL)
            store.processes.append(serve)
            wait_until(store.is_ready)
            store.acme(receiver.url, "server.stopped", "--headers", f"x-own: {marks['header']}")
            store.ok("matrix", "set", "acme", "job.fail", "webhook", "on")
            store.ok("destinations", "add", "acme", "slack", "--url", receiver.url.replace("/in", "/services/x"))
            store.ok("matrix", "set", "acme", "job.fail", "slack", "on")
            api = Api(store)
            for event_type in ("server.stopped", "job.fail"):
                api.emit({"event_type": event_type, "data": {"name": marks["payload"], "server": marks["payload"]}})
            api.emit(f'{{"event_type": "{marks["payload"]}", "data": 1}}')
            api.emit({"event_type": "no.such", "data": {"x": marks["payload"]}})
            store.run("ingest", "-", input=f'{{"{marks["payload"]}": 1}}'.encode())
            waits = lambda: [store.json("deliveries", "list", "--state", state, "--channel", "webhook") for state in ("pending", "sending")]
            wait_until(lambda: waits() == [[], []])
            self.assertTrue(any(marks["payload"] in body for _, _, body in receiver.requests))
            serve.send_signal(signal.SIGTERM)
            serve.wait(PATIENCE)
            said = pathlib.Path(log).read_text()
            self.assertIn("a send ended", said)
            self.assertEqual([name for name, mark in marks.items() if mark in said], [])


class Network(unittest.TestCase):
    @unittest.skipUnless(os.getuid() == 0 and shutil.which("unshare"), "takes root, for a network of its own")
    def test_it_listens_on_this_machine_only_unless_it_is_told_otherwise(self):
        program("ip")
        with Store() as store:
            del store.environment["BELLBOARD_HTTP_LISTEN"]
            store.acme()
            serve = subprocess.Popen(["unshare", "-n", "sh", "-c", f"ip link set lo up; exec {BINARY} serve"], env=store.environment,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            store.processes.append(serve)

            def listens():
                """The addresses that something of that network listens on."""
                found = set()
                for name in ("tcp", "tcp6", "udp", "udp6"):
                    for line in pathlib.Path(f"/proc/{serve.pid}/net/{name}").read_text().splitlines()[1:]:
                        if line.split()[3] in ("0A", "07"):
                            found.add((name, line.split()[1]))
                return found

            # 127.0.0.1:7787, its bytes as the kernel writes them.
            wait_until(lambda: listens() == {("tcp", "0100007F:1E6B")})

    def test_no_channel_asks_a_proxy_of_the_environment(self):
        seen = []

        class Proxy(socketserver.BaseRequestHandler):
            def handle(self):
                seen.append(self.request.recv(1000))

        class Mail(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 mail\r\n")
                for line in self.rfile:
                    if line == b"DATA\r\n":
                        self.wfile.write(b"354 go on\r\n")
                        while self.rfile.readline() not in (b".\r\n", b""):
                            pass
                    self.wfile.write(b"250 ok\r\n")

        with contextlib.ExitStack() as stack:
            proxy, mail = (stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), end)) for end in (Proxy, Mail))
            for server in (proxy, mail):
                threading.Thread(target=server.serve_forever, daemon=True).start()
                stack.callback(server.shutdown)
            receiver = stack.enter_context(Receiver())
            names = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CGI_HTTP_PROXY")
            for scheme in ("http", "socks5"):
                address = f"{scheme}://127.0.0.1:{proxy.server_address[1]}"
                store = stack.enter_context(Store(
                    **dict.fromkeys(names, address), NO_PROXY="", no_proxy="",
                    BELLBOARD_DELIVERY_RETRY="20ms", BELLBOARD_EMAIL_FROM="bells@acme.test",
                    BELLBOARD_EMAIL_SERVER=f"smtp://127.0.0.1:{mail.server_address[1]}?tls=none",
                ))
                base = receiver.url.removesuffix("/in")
                store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
                for channel, fields in (("webhook", ("--url", f"{base}/in")), ("slack", ("--url", f"{base}/services/x")),
                                        ("hipchat", ("--token", "x", "--room", "ops", "--base-url", base))):
                    store.ok("destinations", "add", "acme", channel, *fields)
                    store.ok("matrix", "set", "acme", "server.stopped", channel, "on")
                store.serve()
                _, out, err = store.run("--json", "emit", "acme", "server.stopped", "--wait=60")
                ended = json.loads(out)
                self.assertEqual(len(ended["deliveries"]), 4, err)
                for one in ended["deliveries"]:
                    # The answer is not one of HipChat's; it came straight from there all the same.
                    self.assertTrue(one["state"] == "delivered" or one["channel"] == "hipchat", one)
            self.assertEqual(seen, [])
            self.assertGreaterEqual(len(receiver.requests), 6)


class Files(unittest.TestCase):
    def test_a_restricted_console_leaves_nothing_but_the_database_its_locks_and_its_log(self):
        with Store() as store:
            store.acme()
            store.ok("emit", "acme", "job.fail")
            config = os.path.join(store.folder, "config.toml")
            pathlib.Path(config).write_text("")
            os.chmod(config, 0o600)
            environment = {name: value for name, value in store.environment.items() if not name.startswith("BELLBOARD_")}
            elsewhere = os.path.join(store.folder, "elsewhere")
            os.mkdir(elsewhere)
            environment |= {"HOME": elsewhere, "XDG_DATA_HOME": elsewhere, "XDG_STATE_HOME": elsewhere, "XDG_CONFIG_HOME": elsewhere}
            pty = Pty(environment, command=(BINARY, "--restricted", "--db", store.path, "--config", config))
            self.addCleanup(pty.close)
            pty.wait_for("Acme Ltd")
            pty.send(b"\r")
            pty.wait_for("provisioned ok")
            pty.send(b"\tE")
            pty.wait_for("no file can be written from here")
            pty.send(b"\x03")
            wait_until(lambda: (pty.read(0.05), pty.process.poll())[1] is not None)
            found = {name.removeprefix("bellboard.") for name in os.listdir(store.folder)} - {"config.toml", "elsewhere"}
            self.assertEqual(found - {"db", "db-wal", "db-shm", "db-deliverer", "db-turns", "db-backups", "key", "log"}, set())
            self.assertEqual(os.listdir(elsewhere), [])


class Service(unittest.TestCase):
    # What the text says that the unit does, and by which lines.
    PROMISED = {
        "its own user": ("User=bellboard", "Group=bellboard", "NoNewPrivileges=yes"),
        "its one folder": ("StateDirectory=bellboard", "StateDirectoryMode=0700", "UMask=0077"),
        "writing anywhere else": ("ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"),
        "devices": ("PrivateDevices=yes",),
        "capabilities": ("CapabilityBoundingSet=", "AmbientCapabilities="),
        "kernel settings": ("ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes"),
        "core dumps": ("LimitCORE=0",),
    }

    def test_the_unit_does_what_the_text_says(self):
        text = " ".join((ROOT / "assets/help/security.md").read_text().split())
        lines = UNIT.splitlines()
        for words, wanted in self.PROMISED.items():
            self.assertIn(words, text)
            for line in wanted:
                self.assertIn(line, lines, words)
        self.assertFalse([line for line in lines if line.startswith(("ReadWritePaths", "BindPaths", "DynamicUser"))])

    def test_how_much_is_left_is_what_the_text_says(self):
        command = [program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(ROOT / "assets/systemd/bellboard.service")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        level = re.search(r"exposure level for .*: ([\d.]+) ", done.stdout)
        self.assertTrue(level, done.stdout[-300:] + done.stderr)
        self.assertIn(f"says {level[1]} of 10", (ROOT / "assets/help/operating.md").read_text())


if __name__ == "__main__":
    unittest.main()
