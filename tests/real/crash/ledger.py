"""What was handed in, and what was acknowledged: written down, and flushed, before anything else is done."""

import json
import threading
import typing


class Handed(typing.NamedTuple):
    """An event as it was handed in. `key` is its idempotency key, or None."""

    account: str
    event_type: str
    n: str
    key: str

    @property
    def data(self):
        return {"n": self.n}


class Ledger:
    """The account book of one store."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.handed = {}  # n -> Handed
        self.acknowledged = {}  # n -> how
        self.unsure = []  # handed in under a key, and not answered: to be handed in again
        self.replays = {}  # event id and path -> how often its replay was asked for
        self.cancels = 0

    def hand_in(self, event):
        with self.lock:
            self.handed[event.n] = event
            self.file.write(json.dumps(["handed", *event]) + "\n")

    def acknowledge(self, event, how):
        with self.lock:
            self.acknowledged[event.n] = how
            self.file.write(json.dumps(["acknowledged", event.n, how]) + "\n")

    def doubt(self, event):
        """It was not answered, so it may be stored or not; only one with a key can be handed in again."""
        if event.key:
            with self.lock:
                self.unsure.append(event)

    def take_unsure(self):
        with self.lock:
            unsure, self.unsure = self.unsure, []
        return unsure
