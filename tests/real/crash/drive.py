"""A round: a process that delivers, events handed in three ways meanwhile, and an end at some moment."""

import http.client
import json
import random
import signal
import sqlite3
import threading
import time

import rig
from crash.invariants import check
from crash.ledger import Handed
from crash.world import ACCOUNTS, TYPES

# How long a round waits for a failpoint to be passed before it ends at that moment.
FAILPOINT_SECONDS = 1.5

# How long everything may take to end when nothing disturbs it any more.
SETTLE_SECONDS = 240


class Counter:
    """Names for events, each given once."""

    def __init__(self):
        self.value = 0
        self.lock = threading.Lock()

    def event(self, chance):
        with self.lock:
            self.value += 1
            n = f"n{self.value}"
        key = f"key-{n}" if chance.random() < 0.7 else None
        return Handed(chance.choice(ACCOUNTS), chance.choice(TYPES), n, key)


NAMES = Counter()


class HttpFeed(threading.Thread):
    """Hands events in by HTTP, one by one and in batches, until the server is gone or it is told to stop."""

    def __init__(self, world, seed, pause=0.01, http=None):
        super().__init__(daemon=True)
        self.http = http or world.http
        self.world, self.chance, self.pause = world, random.Random(seed), pause
        self.stop = threading.Event()
        self.statuses = {}

    def run(self):
        host, port = self.http.removeprefix("http://").split(":")
        while not self.stop.is_set():
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            try:
                connection.connect()
            except OSError:
                time.sleep(0.005)
                continue
            while not self.stop.is_set() and self.hand_in_some(connection):
                self.stop.wait(self.chance.random() * self.pause)
            connection.close()

    def hand_in_some(self, connection):
        """What was not answered before, or else something new. Tells whether the server answered."""
        again = self.world.ledger.take_unsure()
        events = again or [NAMES.event(self.chance) for _ in range(self.chance.choice((1, 1, 1, 5, 20)))]
        return self.hand_in(connection, events, is_again=bool(again))

    def hand_in(self, connection, events, is_again):
        ledger = self.world.ledger
        if not is_again:
            for event in events:
                ledger.hand_in(event)
        headers = {"authorization": f"Bearer {self.world.token}", "content-type": "application/json"}
        if len(events) == 1:
            (event,) = events
            path, body = f"/v1/accounts/{event.account}/events", {"event_type": event.event_type, "data": event.data}
            if event.key:
                headers["idempotency-key"] = event.key
        else:
            path, body = "/v1/events", {"events": [as_line(event) for event in events]}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read().decode()
        except (OSError, http.client.HTTPException):
            for event in events:
                ledger.doubt(event)
            return False
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        if answer.status == 202:
            for event in events:
                ledger.acknowledge(event, "http")
            return True
        assert answer.status in (408, 429, 503), f"{answer.status}: {said}"
        self.refusal = said
        for event in events:
            ledger.doubt(event)
        self.stop.wait(0.05)
        return True


def as_line(event):
    line = {"account": event.account, "event_type": event.event_type, "data": event.data}
    return line | ({"id": event.key} if event.key else {})


class Command:
    """One run of `emit`, `ingest` or `deliveries replay` beside the server."""

    def __init__(self, world, chance, kind, **environment):
        self.world, self.events = world, []
        if kind == "replay":
            self.process = world.start(*replay_of(world, chance), **environment)
            return
        count = 1 if kind == "emit" else chance.randrange(2, 60)
        self.events = [NAMES.event(chance) for _ in range(count)]
        for event in self.events:
            world.ledger.hand_in(event)
        if kind == "emit":
            (event,) = self.events
            name = ("--id", event.key) if event.key else ()
            arguments = ("emit", event.account, event.event_type, "--data", json.dumps(event.data), *name)
            self.process = world.start(*arguments, **environment)
        else:
            lines = "".join(json.dumps(as_line(event)) + "\n" for event in self.events)
            self.process = world.start("ingest", "-", input=lines.encode(), **environment)
        self.kind = kind

    def end(self):
        """Waits for its end, and notes what it acknowledged by that. Returns its exit code."""
        code = self.process.wait(60)
        if self.process in self.world.processes:
            self.world.processes.remove(self.process)
        for event in self.events:
            if code == 0:
                self.world.ledger.acknowledge(event, self.kind)
            else:
                self.world.ledger.doubt(event)
        return code


def replay_of(world, chance):
    """Sends again something that has ended; a change of the matrix where nothing has."""
    if not world.ended:
        return ("matrix", "set", "quiet", "job.fail", "webhook", "on")
    number = chance.choice(sorted(world.ended))
    name = world.names[number]
    world.ledger.replays[name] = world.ledger.replays.get(name, 0) + 1
    return ("deliveries", "replay", f"dlv_{number}")


class Round:
    """One start of `serve` and its end. `failpoint` is a name and a count, for `serve` or for the command beside it."""

    def __init__(self, world, chance, failpoint=None, seconds=FAILPOINT_SECONDS):
        self.world, self.chance, self.failpoint, self.seconds = world, chance, failpoint, seconds
        self.hit = None
        self.first_send = None

    def run(self):
        world, chance = self.world, self.chance
        kind = chance.choice(("emit", "ingest", "replay", None))
        name, count = self.failpoint or ("", 0)
        in_command = name.startswith("command") or (name.startswith("accept") and chance.random() < 0.5)
        if name.startswith("command"):
            kind = "replay"
        elif in_command:
            kind = chance.choice(("emit", "ingest"))
        armed = {"BELLBOARD_FAILPOINT": f"{name}:{1 if in_command else count}"} if name else {}
        serve = world.start("serve", **({} if in_command else armed))
        feed = HttpFeed(world, chance.random())
        feed.start()
        command = Command(world, chance, kind, **(armed if in_command else {})) if kind else None
        kills_command = command and not in_command and chance.random() < 0.2
        if name and not in_command:
            self.wait_for(serve, self.seconds)
        else:
            # Half of the time while it starts, half of the time while it works.
            if chance.random() < 0.5:
                self.wait_for(serve, self.seconds, lambda: feed.statuses)
            self.wait_for(serve, chance.random() * 0.25)
        ended = world.kill(serve)
        if ended and not in_command and name and serve.returncode == -9:
            self.hit = name
        else:
            assert not ended, f"serve ended by itself ({serve.returncode}):\n{world.tail()}"
        if kills_command:
            world.kill(command.process)
        feed.stop.set()
        feed.join(60)
        if command:
            code = command.end()
            if in_command and code == -9:
                self.hit = name
            # A replay may be refused: another one is under way.
            fine = (0, -9, 4) if kind == "replay" else (0, -9)
            assert code in fine, f"{kind} ended with {code}:\n{world.tail()}"
        receipts = [receipt.at for receipt in world.receipts if receipt.at >= serve.started]
        if receipts and world.waiting:
            self.first_send = receipts[0] - serve.started

    @staticmethod
    def wait_for(serve, seconds, what=lambda: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end and serve.poll() is None and not what():
            time.sleep(0.002)

    def check(self):
        found = check(self.world)
        assert "panicked" not in self.world.tail(), self.world.tail()
        return found


def unfinished(world):
    """How many deliveries have not ended, by the live file."""
    database = sqlite3.connect(f"file:{world.path}?mode=ro", uri=True)
    try:
        sql = "SELECT count(*) FROM delivery WHERE state IN ('pending', 'sending')"
        return database.execute(sql).fetchone()[0]
    finally:
        database.close()


def stop_outside_of_a_transaction(world, process):
    """SIGSTOP while it is in no transaction: nobody is, since this holds the lock for writing meanwhile."""
    database = sqlite3.connect(world.path, isolation_level=None, timeout=rig.PATIENCE)
    try:
        database.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGSTOP)
        rig.wait_until(lambda: state_of(process.pid) == "T")
    finally:
        database.close()


def state_of(pid):
    """What the kernel says that a process does, as one letter."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def settle(world, **environment):
    """Lets everything end that can, hands in what was never answered, and checks all of it."""
    serve = world.start("serve", **environment)
    feed = HttpFeed(world, 0, pause=0)
    feed.start()
    rig.wait_until(lambda: not world.ledger.unsure and feed.statuses.get(202), SETTLE_SECONDS)
    feed.stop.set()
    feed.join(60)
    rig.wait_until(lambda: unfinished(world) == 0, SETTLE_SECONDS)
    world.kill(serve)
    missing = [e.n for e in world.ledger.handed.values() if e.key and e.n not in world.ledger.acknowledged]
    assert not missing, f"never acknowledged, though handed in until it was: {missing[:9]}"
    found = check(world, settled=True)
    assert "panicked" not in world.tail(), world.tail()
    return found
