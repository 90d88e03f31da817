"""The help topics: every command in them runs as it stands, and every receiver in them verifies what bellboard sends."""

import os
import pathlib
import re
import subprocess
import unittest

from rig import BINARY, PATIENCE, SECRET, Receiver, Store, free_port, package, program, wait_until

TOPICS = pathlib.Path(__file__).parents[2] / "assets" / "help"

README = TOPICS.parents[1] / "README.md"

# The language of a block, the file that it goes into, and what runs it.
RECEIVERS = {
    "python": ("hook.py", lambda file, _: [os.environ.get("PYTHON") or os.sys.executable, file]),
    "javascript": ("hook.js", lambda file, _: [program("node"), file]),
    "ruby": ("hook.rb", lambda file, _: [program("ruby"), file]),
    "php": ("hook.php", lambda file, port: [program("php"), "-S", f"127.0.0.1:{port}", file]),
    "go": ("hook.go", lambda file, _: [program("go"), "run", file]),
}


def blocks(topic):
    """The fenced blocks of a topic: language and text, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (TOPICS / f"{topic}.md").read_text(), re.M | re.S)


class Commands(unittest.TestCase):
    def test_every_command_runs(self):
        names = [path.stem for path in sorted(TOPICS.glob("*.md"))]
        listed = subprocess.run([BINARY, "help"], capture_output=True, text=True, check=True).stdout
        for name in names:
            self.assertIn(f"  {name} ", listed)
            with self.subTest(topic=name), Store() as store:
                self.run_topic(store, [text for language, text in blocks(name) if language == "sh"])

    def test_every_command_of_the_readme_runs(self):
        texts = re.findall(r"^ *```sh\n(.*?)^ *```$", README.read_text(), re.M | re.S)
        self.assertGreaterEqual(len(texts), 3, "its blocks are found")
        # The source's own two commands are what runs this.
        of_the_program = [text for text in texts if "cargo run" not in text]
        self.assertEqual(len(texts) - len(of_the_program), 1)
        with Receiver() as receiver, Store() as store:
            # As after its first three steps.
            store.acme(receiver.url)
            self.run_topic(store, of_the_program, account_is_there=True)
            self.assertEqual(len(receiver.requests), 1)

    def run_topic(self, store, texts, account_is_there=False):
        if not texts:
            return
        programs = os.path.join(store.folder, "programs")
        os.mkdir(programs)
        os.symlink(BINARY, os.path.join(programs, "bellboard"))
        port = store.environment["BELLBOARD_HTTP_LISTEN"].split(":")[1]
        environment = store.environment | {"PATH": f"{programs}:{store.environment['PATH']}"}
        store.serve()
        wait_until(store.is_ready)
        if not account_is_there and not any("accounts add acme" in text for text in texts):
            store.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.example")
        for text in texts:
            # The port is the one thing that a test cannot take as it stands: another program may listen there.
            text = text.replace("127.0.0.1:7787", f"127.0.0.1:{port}")
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], env=environment, cwd=store.folder, capture_output=True, timeout=PATIENCE,
                text=True,
            )
            self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")


class Receivers(unittest.TestCase):
    def test_there_are_five(self):
        languages = [language for language, _ in blocks("receiving") if language in RECEIVERS]
        self.assertEqual(languages, list(RECEIVERS))

    def check(self, language):
        text = dict(blocks("receiving"))[language]
        package("standardwebhooks")
        with Store() as store:
            name, command = RECEIVERS[language]
            file = os.path.join(store.folder, name)
            pathlib.Path(file).write_text(text)
            port = free_port()
            environment = os.environ | {"PORT": str(port), "WEBHOOK_SECRET": SECRET, "GOFLAGS": "-mod=mod",
                                        "GOCACHE": os.path.join(store.folder, "go"), "GO111MODULE": "off"}
            log = open(os.path.join(store.folder, "log"), "w")
            receiver = subprocess.Popen(
                command(file, port), env=environment, cwd=store.folder, stdout=log, stderr=log, start_new_session=True
            )
            try:
                url = f"http://127.0.0.1:{port}/"
                wait_until(lambda: self.listens(url))
                store.acme(url)
                store.ok("accounts", "add", "other", "--name", "Other", "--email", "ops@other.example")
                wrong = "whsec_" + "A" * 32
                store.ok("destinations", "add", "other", "webhook", "--url", url, "--secret", wrong)
                store.ok("matrix", "set", "other", "server.stopped", "webhook", "on")
                store.serve()
                self.assertEqual(self.status(store, "acme"), 204)
                self.assertEqual(self.status(store, "other"), 401)
            finally:
                os.killpg(receiver.pid, 9)
                receiver.wait()
                log.close()

    def listens(self, url):
        return subprocess.run(["curl", "-s", "-o", "/dev/null", "-d", "{}", url]).returncode == 0

    def status(self, store, account):
        """The status of the first try of an event whose text is not plain ASCII."""
        store.ok("emit", account, "server.stopped", "--data", '{"server": "wéb—17 🚀", "n": 1.50}')
        def answered():
            rows = store.json("deliveries", "list", "--account", account)
            return next((row["status"] for row in rows if row["channel"] == "webhook" and row["status"]), None)
        return wait_until(answered)

    def test_python(self):
        self.check("python")

    def test_javascript(self):
        self.check("javascript")

    def test_ruby(self):
        self.check("ruby")

    def test_php(self):
        self.check("php")

    def test_go(self):
        self.check("go")


if __name__ == "__main__":
    unittest.main()
