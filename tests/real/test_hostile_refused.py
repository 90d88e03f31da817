"""Hostile texts where they are refused, and where they are logged: as arguments, lines, files, settings and variables. What is said repeats
them, and does nothing."""

import json
import os
import pathlib
import signal
import subprocess
import unittest

from hostile import FORGED, SEED, Tame, acts, argument, texts
from rig import BINARY, PATIENCE, Store, wait_until

DATE = r"\d{4}-\d\d-\d\d"


class Refused(Tame):
    """Arguments, lines, files, settings and variables that cannot be taken: the refusal repeats them, harmlessly."""

    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}")
        cls.texts = [argument(text) for text in texts()]
        cls.store = Store()
        cls.addClassCleanup(cls.store.close)
        cls.store.acme("https://hooks.acme.test/in")

    # In bytes that are no UTF-8, C1 stands as it is.
    RAW = (b"\x9b2J", b"\xff\xfe\x9d0;x\x9c", b"a\x1b[31m\xc3")

    def test_arguments(self):
        shapes = [
            "$", "--$", "accounts $", "--log $ accounts list", "why $", "accounts show $", "accounts list --limit $", "help $", "man $",
            "completions $", "messages template $", "emit acme $", "emit acme job.fail --data $", "emit acme job.fail --wait=$",
            "matrix set acme $ slack on", "destinations add acme webhook --url $", "destinations add acme email --address $",
            "destinations add acme slack --url https://$/x", "destinations add acme webhook --url https://x.test --headers $",
            "deliveries show $", "deliveries list --since $", "audit verify --expect $", "--color $", "event-types add acme $",
            "accounts add x --name x --email x@x.test --timezone $", "destinations add acme webhook --$ x", "serve --log-format $",
        ]
        words_of = lambda shape, text: [word.encode().replace(b"$", text) for word in shape.split()]
        for number, text in enumerate(self.texts):
            # Each text in some of the shapes, so that each shape has many texts.
            for shape in shapes[number % 4::4]:
                words = words_of(shape, text.encode())
                code, _, _ = self.run_tame(*words, said=12)
                self.assertIn(code, (0, 1, 2, 3, 4), words)
        for raw in self.RAW:
            for shape in shapes:
                self.run_tame(*words_of(shape, raw), said=12)

    def test_files_that_are_named(self):
        for number, text in enumerate(self.texts):
            name = text.encode()[:200].decode(errors="ignore").replace("/", "-") or "x"
            path = os.path.join(self.store.folder, "none", name)
            ways = [("ingest", path), ("restore", path, "--db", path + "2"), ("--config", path, "accounts", "list"), ("backup", path + "/x"),
                    ("emit", "acme", "job.fail", "--data", f"@{path}"), ("--read-only", "--db", path, "accounts", "list"),
                    ("serve", "--log-file", "/dev/null/" + name), ("messages", "preview", "job.fail", "--data", f"@{path}")]
            for words in ways[number % 2::2]:
                code, _, _ = self.run_tame(*words)
                self.assertNotEqual(code, 0, words)
        for raw in self.RAW:
            path = os.path.join(self.store.folder, "none").encode() + b"/" + raw
            for words in ((b"ingest", path), (b"--config", path, b"accounts", b"list"), (b"backup", path),
                          (b"--read-only", b"--db", path, b"accounts", b"list")):
                self.assertNotEqual(self.run_tame(*words)[0], 0, words)

    def test_lines_that_are_handed_in(self):
        lines = []
        for text in self.texts:
            good = {"account": "acme", "event_type": "job.fail"}
            wrong = (good | {"account": text}, good | {"event_type": text}, good | {text: 1}, good | {"data": text}, text)
            lines += [json.dumps(line, ensure_ascii=False).encode() for line in wrong]
            lines.append(text.encode().replace(b"\n", b""))
        lines += self.RAW
        for start in range(0, len(lines), 90):
            code, out, err = self.run_tame("ingest", "-", input=b"\n".join(lines[start:start + 90]), said=101)
            self.assertEqual(code, 1, err)
            self.tame(err, "ingest", r"line \d+: |more lines were refused|nobody delivers")

    def test_settings(self):
        path = os.path.join(self.store.folder, "config.toml")
        for number, text in enumerate(self.texts):
            quoted = '"' + "".join(f"\\U{ord(c):08x}" if acts(c) or c in '"\\' else c for c in text) + '"'
            options = ["[delivery] retry=[$] timeout=$ [network] allow=[$] [email] server=$ from=$",
                       "[roles] look=[$] $=1 [console] theme=$ keys=$ [$] x=1 [messages] templates=$",
                       "[http] listen=$ public_url=$ tls_cert=$ tls_key=$ proxies=[$] [store] key_file=$"]
            lines = [option.replace(" ", "\n").replace("$", quoted) for option in options]
            with open(path, "w") as file:
                file.write([*lines, f"[email]\n{text}\n"][number % 4])
            for words in (("config", "check"), ("accounts", "list"), ("config", "show"), ("config", "keys")):
                self.run_tame("--config", path, *words, said=12 if words == ("config", "check") else 1)
            os.remove(path)

    def test_variables(self):
        for number, text in enumerate(self.texts):
            name = ("BELLBOARD_LOG", "BELLBOARD_EMAIL_SERVER", "BELLBOARD_NETWORK_ALLOW", "BELLBOARD_DELIVERY_RETRY", "BELLBOARD_HTTP_LISTEN",
                    "BELLBOARD_CONSOLE_THEME", "BELLBOARD_KEY", "BELLBOARD_CONFIG", "BELLBOARD_MESSAGES_TEMPLATES")
            for one in name if number % 3 == 0 else name[:1]:
                for words in (("accounts", "list"), ("config", "check"), ("--nonsense",)):
                    self.run_tame(*words, said=12, **{one: text})
        for text in self.texts[::3]:
            self.run_tame("accounts", "list", **{"BELLBOARD_" + text.replace("=", ""): text})
            for name in ("USER", "SUDO_USER", "LOGNAME", "TMUX", "TERM", "LC_ALL", "SSH_CLIENT", "JOURNAL_STREAM", "NOTIFY_SOCKET"):
                self.run_tame("doctor", "--offline", **{name: text})

    def test_who_has_no_role(self):
        path = os.path.join(self.store.folder, "roles.toml")
        with open(path, "w") as file:
            file.write('[roles]\nadminister = ["somebody"]\n')
        for text in self.texts[::2]:
            code, _, _ = self.run_tame("--config", path, "accounts", "list", USER=text, SUDO_USER=text)
            self.assertEqual(code, 4)


class Logged(Tame):
    """What a process that serves logs of its own paths, as text and as JSON, on stderr and in a file."""

    def test_paths(self):
        for hostile in (f"x\n{FORGED} y", "\x1b[2J\u009b31m\u202ex", "a\r\nb\u2028c\x7f"):
            with self.subTest(hostile=hostile), Store() as store:
                folder = os.path.join(store.folder, hostile)
                os.mkdir(folder, 0o700)
                store.environment["BELLBOARD_DB"] = os.path.join(folder, "bellboard.db")
                for form, own in (("text", rf"{DATE}T\S+ +[A-Z]+ "), ("json", r'\{"')):
                    for to_file in (False, True):
                        log = os.path.join(store.folder, f"{form}{to_file}.log")
                        option = ("--log-file", log) if to_file else ()
                        with open(log if not to_file else os.devnull, "wb") as stderr:
                            command = [BINARY, "serve", "--log", "trace", "--log-format", form, *option]
                            serve = subprocess.Popen(command, env=store.environment, stderr=stderr)
                        store.processes.append(serve)
                        wait_until(store.is_ready)
                        serve.send_signal(signal.SIGTERM)
                        self.assertEqual(serve.wait(PATIENCE), 0)
                        lines = self.tame(pathlib.Path(log).read_bytes(), f"{form}, {option}", own)
                        self.assertTrue(any("stopped" in line for line in lines), lines)
                        if form == "json":
                            said = [json.loads(line) for line in lines]
                            self.assertTrue(any(hostile in line.get("database", "") for line in said), said)


if __name__ == "__main__":
    unittest.main()
