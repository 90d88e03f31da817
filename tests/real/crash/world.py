"""Stores to crash: a template with accounts and destinations, made once, and a copy of it for each of many rounds."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import rig
from crash.ledger import Ledger
from rig import BINARY

# Short, so that all of a delivery's life is seen within a second or two.
RETRY = "20ms,40ms,80ms,150ms,300ms,300ms,300ms"

# Event types that are on for webhooks, and one that is not.
TYPES = ("server.stopped", "job.fail")

# Which paths of the receiver an account's events of a type go to.
EXPECTED = {
    ("acme", "server.stopped"): ("acme-a", "acme-b"),
    ("acme", "job.fail"): ("acme-a",),
    ("beta", "server.stopped"): ("beta-ordered",),
    ("beta", "job.fail"): ("beta-ordered",),
    ("quiet", "server.stopped"): (),
    ("quiet", "job.fail"): (),
}

ACCOUNTS = ("acme", "beta", "quiet")

SOURCE = pathlib.Path(__file__).parents[3] / "src/store/failpoint.rs"


def failpoints():
    """The names of all failpoints, as the program lists them."""
    text = SOURCE.read_text()
    body = text[text.index("pub const ALL") :]
    names = [line.strip().strip('",') for line in body[: body.index("];")].splitlines()[1:]]
    assert len(names) >= 12 and all("." in name for name in names), names
    return names


def make_template(receiver, **environment):
    """A store in which no event has happened yet, and a token for HTTP."""
    store = rig.Store(BELLBOARD_DELIVERY_RETRY=RETRY, **environment)
    for account in ACCOUNTS:
        store.ok("accounts", "add", account, "--name", account, "--email", f"ops@{account}.test")
        for event_type in TYPES:
            store.ok("matrix", "set", account, event_type, "email", "off")
            store.ok("matrix", "set", account, event_type, "webhook", "on")
    add = ("destinations", "add")
    store.ok(*add, "acme", "webhook", "--url", receiver.url("acme-a"), "--secret", rig.SECRET)
    store.ok(*add, "acme", "webhook", "--url", receiver.url("acme-b"), "--only", "server.stopped")
    store.ok(*add, "beta", "webhook", "--url", receiver.url("beta-ordered"), "--ordered", "true")
    store.token = store.ok("tokens", "create", "crash", "--scope", "emit").split()[0]
    return store


class World(rig.Store):
    """A copy of the template, its ledger, and what was seen of it in earlier rounds."""

    def __init__(self, template, receiver, **environment):
        super().__init__(BELLBOARD_DELIVERY_RETRY=RETRY, **environment)
        self.token = template.token
        self.receiver = receiver
        for name in os.listdir(template.folder):
            shutil.copy(os.path.join(template.folder, name), self.folder)
        # Elsewhere, since the store's folder is what breaks.
        self.notes = tempfile.mkdtemp(prefix="bellboard-crash-notes-")
        self.ledger = Ledger(os.path.join(self.notes, "ledger.ndjson"))
        self.log = os.path.join(self.notes, "stderr.txt")
        self.ended = {}  # delivery's number -> its row when it was first seen at an end, since its last replay
        self.names = {}  # delivery's number -> its event's id and its path
        self.clock_moves = False  # whether the program's clock is set, so that its times say nothing
        self.waiting = 0  # deliveries that had not ended when it was last looked at
        self.receipts_from = len(receiver.receipts)

    @property
    def receipts(self):
        """What arrived of this store's events; other stores may be at work at the same time."""
        handed = self.ledger.handed
        return [receipt for receipt in self.receiver.receipts[self.receipts_from :] if receipt.n in handed]

    def start(self, *arguments, input=None, output=subprocess.DEVNULL, **environment):
        """Starts the program; what it says on stderr goes to the log."""
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [BINARY, *arguments],
                env=self.environment | environment,
                stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=log,
            )
        process.started = time.time() * 1000
        self.processes.append(process)
        if input is not None:
            process.stdin.write(input)
            process.stdin.close()
        return process

    def kill(self, process):
        """SIGKILL, unless it has ended already; tells whether it had ended by itself."""
        by_itself = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.processes.remove(process)
        return by_itself

    def tail(self):
        return pathlib.Path(self.log).read_text(errors="replace")[-3000:]

    def close(self):
        super().close()
        self.ledger.file.close()
        shutil.rmtree(self.notes, ignore_errors=True)
