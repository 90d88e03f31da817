"""`serve` as a service: what it tells its manager, what it logs and where to, and what systemd's own tools say of the unit."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import unittest
import urllib.request

from rig import BINARY, PATIENCE, Store, program, wait_until

UNIT = pathlib.Path(__file__).parents[2] / "assets" / "systemd" / "bellboard.service"


class Manager:
    """The socket of a service manager."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.heard = []

    def hear(self, *wanted, seconds=PATIENCE):
        """Waits until for each of these a message that begins so has come from here on, in whatever order."""
        self.socket.settimeout(seconds)
        missing = set(wanted)
        while missing:
            message = self.socket.recv(4096).decode()
            self.heard.append(message)
            missing -= {begin for begin in missing if message.startswith(begin)}

    def is_silent(self, unwanted, seconds):
        """Whether no message that begins so comes for a while."""
        try:
            self.hear(unwanted, seconds=seconds)
        except TimeoutError:
            return True
        return False

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def served(store, *arguments, **environment):
    """A process that serves, its stderr in a file."""
    with open(os.path.join(store.folder, "stderr"), "wb") as stderr:
        process = subprocess.Popen(
            [BINARY, *arguments], env=store.environment | environment, stderr=stderr, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        store.processes.append(process)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)


def stderr(store):
    return pathlib.Path(store.folder, "stderr").read_text()


class Manages(unittest.TestCase):
    def check(self, store, manager, name):
        with served(store, "serve", NOTIFY_SOCKET=name) as process:
            manager.hear("READY=1")
            self.assertTrue(store.is_ready(), "ready means that it takes requests")
            wait_until(lambda: any(one.startswith("STATUS=delivering, 0 under way") for one in manager.heard)
                       or manager.hear("STATUS="))
            process.terminate()
            manager.hear("STOPPING=1")
            self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual([message for message in manager.heard if message == "READY=1"], ["READY=1"])

    def test_it_tells_when_it_is_up_and_when_it_ends(self):
        with Store() as store:
            path = os.path.join(store.folder, "notify")
            with contextlib.closing(Manager(path)) as manager:
                self.check(store, manager, path)

    def test_a_socket_in_the_abstract_is_one_too(self):
        with Store() as store:
            name = f"bellboard-{os.getpid()}"
            with contextlib.closing(Manager(f"\0{name}")) as manager:
                self.check(store, manager, f"@{name}")

    def test_a_sign_of_life_comes_only_while_it_moves(self):
        with Store() as store:
            store.acme()
            token = store.json("tokens", "create", "t", "--scope", "emit")["token"]
            path = os.path.join(store.folder, "notify")
            with contextlib.closing(Manager(path)) as manager, served(store, "serve", NOTIFY_SOCKET=path, WATCHDOG_USEC="300000"):
                for _ in range(3):
                    manager.hear("WATCHDOG=1")
                # Another program holds the database: the writer stands as soon as there is something to write.
                other = sqlite3.connect(store.path, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                request = urllib.request.Request(
                    f"{store.http}/v1/accounts/acme/events", json.dumps({"event_type": "job.fail", "data": {}}).encode(),
                    {"authorization": f"Bearer {token}", "content-type": "application/json"},
                )
                answered = []
                asking = threading.Thread(target=lambda: answered.append(urllib.request.urlopen(request, timeout=PATIENCE).status))
                asking.start()
                wait_until(lambda: manager.is_silent("WATCHDOG=1", 3))
                self.assertEqual(answered, [], "nothing is acknowledged meanwhile")
                other.execute("ROLLBACK")
                other.close()
                manager.hear("WATCHDOG=1")
                asking.join()
                self.assertEqual(answered, [202])

    def test_a_second_one_is_up_too_and_takes_over(self):
        with Store() as store:
            path, second = (os.path.join(store.folder, name) for name in ("one", "two"))
            with contextlib.closing(Manager(path)) as one, contextlib.closing(Manager(second)) as two:
                with served(store, "serve", NOTIFY_SOCKET=path) as first:
                    one.hear("STATUS=delivering")
                    with served(store, "serve", NOTIFY_SOCKET=second, WATCHDOG_USEC="300000"):
                        two.hear("READY=1", "WATCHDOG=1", "STATUS=waiting: another process delivers")
                        first.kill()
                        two.hear("STATUS=delivering")

    def test_a_hang_up_does_not_end_a_service(self):
        with Store() as store, served(store, "serve") as process:
            wait_until(store.is_ready)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "a SIGHUP changes nothing" in stderr(store))
            self.assertTrue(store.is_ready())


class Logs(unittest.TestCase):
    def test_the_journal_gets_priorities_and_no_time(self):
        with Store() as store:
            read, write = os.pipe()
            found = os.fstat(write)
            process = subprocess.Popen(
                [BINARY, "serve"], env=store.environment | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}, stderr=write
            )
            store.processes.append(process)
            os.close(write)
            wait_until(store.is_ready)
            process.terminate()
            process.wait(PATIENCE)
            with open(read) as stream:
                lines = stream.read().splitlines()
            self.assertGreater(len(lines), 2)
            for line in lines:
                self.assertRegex(line, r"^<[3467]>bellboard")

    def test_json_is_an_object_a_line(self):
        with Store() as store, served(store, "serve", "--log-format", "json") as process:
            wait_until(store.is_ready)
            process.terminate()
            process.wait(PATIENCE)
            lines = [json.loads(line) for line in stderr(store).splitlines()]
            self.assertIn("started", [line["message"] for line in lines])
            self.assertTrue(all({"timestamp", "level", "target"} <= set(line) for line in lines))

    def test_a_file_that_is_moved_away_is_made_anew(self):
        with Store() as store:
            path = os.path.join(store.folder, "logs", "bellboard.log")
            with served(store, "serve", "--log-file", path) as process:
                wait_until(store.is_ready)
                self.assertEqual((os.stat(path).st_mode & 0o777, os.stat(os.path.dirname(path)).st_mode & 0o777), (0o600, 0o700))
                os.rename(path, f"{path}.moved")
                process.send_signal(signal.SIGHUP)
                wait_until(lambda: os.path.exists(path) and "SIGHUP" in pathlib.Path(path).read_text())
            self.assertEqual(stderr(store), "")


class Unit(unittest.TestCase):
    def setUp(self):
        self.analyze = program("systemd-analyze")
        self.store = Store()
        self.addCleanup(self.store.close)
        self.unit = os.path.join(self.store.folder, "bellboard.service")
        # The program lies elsewhere here, and the machine may have no user of that name.
        text = UNIT.read_text().replace("/usr/bin/bellboard", BINARY)
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
        pathlib.Path(self.unit).write_text(text)

    def test_systemd_takes_the_unit(self):
        done = subprocess.run([self.analyze, "verify", "--man=no", self.unit], capture_output=True, text=True, timeout=PATIENCE)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "bellboard.service" in line]
        self.assertEqual((done.returncode, said), (0, []), done.stderr)

    def test_systemd_finds_it_hardened(self):
        # 0 is safest and 100 worst; what is left is that it uses the network.
        arguments = ["security", "--offline=true", "--no-pager", "--threshold=20", self.unit]
        done = subprocess.run([self.analyze, *arguments], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr)


if __name__ == "__main__":
    unittest.main()
