"""What the real tests share: the binary on a store that vanishes, and an HTTP receiver whose answers are scripted."""

import collections
import http.server
import importlib
import json
import os
import pathlib
import random
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

BINARY = os.environ.get("BELLBOARD_BIN") or str(pathlib.Path(__file__).parents[2] / "target/debug/bellboard")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

# How long is waited for what must come. Only a test that fails waits so long, and a slow or busy machine decides nothing.
PATIENCE = 120.0

# Where ports are looked for: below those that the kernel gives to whoever connects, who could take one before it is listened on.
PORTS = range(10_000, 32_000)
given_ports = set()


def wait_until(what, seconds=PATIENCE, every=0.05):
    """The first true value of `what()`; fails when there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


def package(name):
    """A Python package of others; skips the test where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise unittest.SkipTest(f"{error}") from None


def program(name):
    """Where a program of others is; skips the test where it is not installed."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        raise unittest.SkipTest(f"no {name}")
    return found


def free_port():
    """A port of loopback that nobody listens on, each given once in a run."""
    while True:
        port = random.choice(PORTS)
        if port in given_ports:
            continue
        given_ports.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Store:
    """A store in a temporary folder, with the environment that leads only there."""

    def __init__(self, **environment):
        self.folder = tempfile.mkdtemp(prefix="bellboard-real-")
        self.path = os.path.join(self.folder, "bellboard.db")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BELLBOARD_", "XDG_"))}
        self.http = f"http://127.0.0.1:{(port := free_port())}"
        self.environment = kept | {
            "BELLBOARD_HTTP_LISTEN": f"127.0.0.1:{port}",
            "BELLBOARD_DB": self.path,
            "BELLBOARD_NETWORK_ALLOW": "127.0.0.0/8,::1/128",
            # Each message is looked at; what folds many into one has tests of its own.
            "BELLBOARD_DELIVERY_STORM_MESSAGES": "0",
            "XDG_CONFIG_HOME": self.folder,
            "XDG_DATA_HOME": self.folder,
            "XDG_STATE_HOME": self.folder,
        } | environment
        self.processes = []

    def run(self, *arguments, input=None, **environment):
        """Runs a command: its exit code, stdout and stderr."""
        done = subprocess.run(
            [BINARY, *arguments], input=input, capture_output=True, timeout=PATIENCE, env=self.environment | environment
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def ok(self, *arguments, input=None):
        """Runs a command that must succeed: its stdout."""
        code, out, err = self.run(*arguments, input=input)
        assert code == 0, f"{arguments}: exit {code}: {out}{err}"
        return out

    def json(self, *arguments):
        """Runs a command that must succeed: its document."""
        return json.loads(self.ok("--json", *arguments))

    def serve(self):
        """Starts a process that delivers, and waits until it does."""
        process = subprocess.Popen(
            [BINARY, "serve"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def is_ready(self):
        """Whether the process that serves takes requests and delivers."""
        try:
            with urllib.request.urlopen(f"{self.http}/readyz", timeout=PATIENCE) as answer:
                return answer.status == 200
        except OSError:
            return False

    def acme(self, url=None, event_type="server.stopped", *more):
        """The account `acme`, without mail, and a webhook to `url` that is on for `event_type`."""
        self.ok("accounts", "add", "acme", "--name", "Acme Ltd", "--email", "ops@acme.test")
        self.ok("matrix", "set", "acme", event_type, "email", "off")
        if url:
            self.ok("destinations", "add", "acme", "webhook", "--url", url, "--secret", SECRET, *more)
            self.ok("matrix", "set", "acme", event_type, "webhook", "on")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Receiver:
    """An HTTP server by Python's library. `answers` are (status, headers, text) in turn, the last one for ever; the text may be left
    out. With `of_paths`, each path has answers of its own.

    What came is (when, headers, body), its path beside it in `paths`. While `may_answer` is cleared, requests are taken and none
    is answered.
    """

    def __init__(self, *answers, of_paths=None):
        self.answers, self.of_paths = answers or ((200, {}),), of_paths
        self.requests, self.paths = [], []
        self.may_answer = threading.Event()
        self.may_answer.set()
        lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer, at once: two small ones would wait for each other's acknowledgement.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with lock:
                    number = receiver.paths.count(self.path) if receiver.of_paths else len(receiver.requests)
                    receiver.paths.append(self.path)
                    receiver.requests.append((time.monotonic(), headers, body.decode()))
                receiver.may_answer.wait()
                answers = receiver.of_paths[self.path] if receiver.of_paths else receiver.answers
                status, headers, *text = answers[min(number, len(answers) - 1)]
                said = (text[0] if text else "heard").encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.root}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Door:
    """Requests to a store's server, many at once, each on a connection of its own; and a ledger of what was acknowledged."""

    def __init__(self, store, tokens):
        address = urllib.parse.urlsplit(store.http)
        self.address, self.tokens = (address.hostname, address.port), tokens
        self.selector = selectors.DefaultSelector()
        self.acknowledged = set()
        self.answers = collections.Counter()
        self.refused = []
        self.serial = 0

    def send(self, account, count):
        """A batch of so many new events."""
        events = [{"account": account, "event_type": "server.stopped", "data": {"n": self.serial + n},
                   "id": f"n{self.serial + n}"} for n in range(count)]
        self.serial += count
        self.post(account, events)

    def post(self, account, events):
        body = json.dumps({"events": events}).encode()
        head = (f"POST /v1/events HTTP/1.1\r\nhost: bellboard\r\nauthorization: Bearer {self.tokens[account == 'calm']}\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
        stream = socket.create_connection(self.address, timeout=PATIENCE)
        stream.sendall(head.encode() + body)
        self.selector.register(stream, selectors.EVENT_READ, (account, events, bytearray()))

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def under_way(self):
        return len(self.selector.get_map())

    def hear(self, seconds=60):
        """Waits for something to be answered, and takes what is."""
        ready = self.selector.select(seconds)
        assert ready, f"nothing is answered; {dict(self.answers)}"
        for key, _ in ready:
            account, events, answer = key.data
            piece = key.fileobj.recv(1 << 20)
            answer += piece
            if not piece:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.note(account, events, bytes(answer))

    def note(self, account, events, answer):
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        headers = dict(line.lower().split(": ", 1) for line in head.decode().splitlines()[1:])
        document = json.loads(body)
        self.answers[account, status, document.get("type")] += 1
        if status == 202:
            assert document["accepted"] == len(events), document
            self.acknowledged.update(event["data"]["n"] for event in events)
        else:
            assert status in (429, 503), answer
            assert int(headers["retry-after"]) >= 1, headers
            assert document["retry_after"] == int(headers["retry-after"]), document
            self.refused.append((account, events))

    def send_again(self):
        """What was sent away comes again, some at a time, until all is acknowledged."""
        while self.refused or self.under_way():
            while self.refused and self.under_way() < 8:
                self.post(*self.refused.pop())
            self.hear()


def open_door(test):
    """A door to the store of a test, which delivers from now on."""
    # A token of its own for whoever keeps calm, since each is also held to a rate.
    tokens = [test.store.json("tokens", "create", name, "--scope", "emit")["token"] for name in ("flood", "calm")]
    test.store.serve()
    wait_until(test.store.is_ready)
    door = Door(test.store, tokens)
    test.addCleanup(door.close)
    return door
