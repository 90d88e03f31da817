"""Faults that no signal makes: a power cut, writes and syncs that fail, clocks that are set. `fault.c` has the other half."""

import errno
import glob
import mmap
import os
import pathlib
import struct
import subprocess
import tempfile

import rig

FIELDS = ("journal", "kinds", "error", "after", "count", "seen", "failed", "wall_ms", "steady_ms", "writes", "syncs", "slow_us", "order")
RECORD = struct.Struct("=4sIIII4xqqqq")
SECTOR = 512

WRITE, SYNC, TRUNCATE, GROW, OPEN = 1, 2, 4, 8, 16


def build():
    """Compiles fault.c; the folder that it is in is the caller's to remove."""
    folder = tempfile.TemporaryDirectory(prefix="bellboard-faults-")
    source = pathlib.Path(__file__).with_name("fault.c")
    library = os.path.join(folder.name, "fault.so")
    command = [rig.program("cc"), "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, str(source), "-ldl"]
    subprocess.run(command, check=True)
    return folder, library


class Change:
    """A line of the journal."""

    def __init__(self, fields, path, old, new):
        self.operation, self.process, _, _, _, self.order, self.sequence, self.offset, self.old_size = fields
        self.operation = self.operation[:1].decode()
        self.path, self.old, self.new = path, old, new


class Faults:
    """The faults of all processes on one store, which are started with `environment`."""

    def __init__(self, library, folder):
        self.folder = folder
        self.file = tempfile.NamedTemporaryFile(prefix="bellboard-faults-")
        self.file.write(bytes(8 * len(FIELDS)))
        self.file.flush()
        self.memory = mmap.mmap(self.file.fileno(), 8 * len(FIELDS))
        self.environment = {
            "LD_PRELOAD": library,
            "BELLBOARD_FAULTS": self.file.name,
            "BELLBOARD_FAULTS_DIR": folder,
        }

    def __getitem__(self, name):
        return struct.unpack_from("=q", self.memory, 8 * FIELDS.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("=q", self.memory, 8 * FIELDS.index(name), value)

    def fail(self, kinds, error, after=0, count=-1):
        """From now on, after so many calls of these kinds that go well, so many fail."""
        self["kinds"] = 0
        self["error"], self["after"], self["count"] = error, after, count
        self["seen"] = self["failed"] = 0
        self["kinds"] = kinds

    def fill_disk(self):
        self.fail(GROW, errno.ENOSPC)

    def make_read_only(self):
        self.fail(WRITE | TRUNCATE | OPEN, errno.EROFS)

    def heal(self):
        self["kinds"] = 0

    def journals(self):
        return [pathlib.Path(path) for path in glob.glob(glob.escape(self.file.name) + ".journal.*")]

    def changes(self):
        """What all processes wrote down, oldest first."""
        changes = []
        for journal in self.journals():
            data, at = journal.read_bytes(), 0
            while at + RECORD.size <= len(data):
                fields = RECORD.unpack_from(data, at)
                assert fields[0][:1] in b"CUWTSD", f"{journal} cannot be read at {at}"
                at += RECORD.size
                if at + sum(fields[2:5]) > len(data):
                    # The process was killed while it wrote this down, so before it did it.
                    break
                parts = []
                for length in fields[2:5]:
                    parts.append(data[at : at + length])
                    at += length
                changes.append(Change(fields, parts[0].decode(), *parts[1:]))
        return sorted(changes, key=lambda change: change.order)

    def cut_power(self, chance):
        """Every process has ended: what was not synced is lost, all of it or some. Returns how many changes were not synced.

        Sectors are lost one by one; that a file was made or removed is lost unless its folder was synced after.
        """
        lost = unsynced(self.changes())
        # Of changes to the folder, a file system keeps a beginning; of written sectors, any.
        keep = chance.choice((0.0, 0.5, 0.9, 1.0))
        for path in {change.path for change in lost}:
            of_path = [change for change in lost if change.path == path]
            for change in reversed(of_path):
                undo(change)
            entries = sum(change.operation in "CU" for change in of_path)
            redo(of_path, chance.randint(0, entries) if keep else 0, keep, chance)
        shm = os.path.join(self.folder, "bellboard.db-shm")
        if os.path.exists(shm):
            os.remove(shm)
        for journal in self.journals():
            journal.unlink()
        return len(lost)

    def close(self):
        for journal in self.journals():
            journal.unlink()
        self.file.close()


def unsynced(changes):
    """The changes that no finished sync covers, oldest first."""
    pending, begun = [], {}
    for number, change in enumerate(changes):
        if change.operation == "S":
            begun[change.process, change.sequence] = number
        elif change.operation == "D":
            start = begun[change.process, change.sequence]
            pending = [(n, c) for n, c in pending if n > start or not covers(change.path, c)]
        else:
            pending.append((number, change))
    return [change for _, change in pending]


def covers(synced, change):
    """Whether a sync of that path makes the change durable: of a folder, what was made and removed in it."""
    if change.operation in "CU":
        return os.path.dirname(change.path) == synced
    return change.path == synced


def undo(change):
    path = change.path
    if change.operation == "C":
        if os.path.exists(path):
            os.remove(path)
    elif change.operation == "U":
        pathlib.Path(path).write_bytes(change.old)
        os.chmod(path, 0o600)
    elif os.path.exists(path):
        with open(path, "r+b") as file:
            file.seek(change.offset)
            file.write(change.old)
            file.truncate(change.old_size)


def redo(changes, entries, keep, chance):
    """Makes some of the changes again: the first `entries` of those to the folder, and each sector with probability `keep`."""
    for change in changes:
        path = change.path
        if change.operation in "CU":
            if not entries:
                return
            entries -= 1
            if change.operation == "C":
                pathlib.Path(path).write_bytes(change.new)
                os.chmod(path, 0o600)
            elif os.path.exists(path):
                os.remove(path)
        elif not os.path.exists(path):
            continue
        elif change.operation == "T":
            if chance.random() < keep:
                os.truncate(path, change.offset)
        else:
            with open(path, "r+b") as file:
                for start in range(0, len(change.new), SECTOR):
                    if chance.random() < keep:
                        file.seek(change.offset + start)
                        file.write(change.new[start : start + SECTOR])
