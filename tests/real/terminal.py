"""Drives programs as a person does: keys into a real tmux or a bare pseudo terminal at 80x24, and a real sshd to log in through."""

import fcntl
import getpass
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

from rig import BINARY, PATIENCE, Receiver, Store, free_port, program, wait_until


class Tmux:
    """One window of a tmux of its own."""

    def __init__(self, command, environment, width=80, height=24):
        self.socket = f"bellboard-{os.getpid()}-{time.monotonic_ns()}"
        # The shell stays behind the command, so that what the command leaves on the screen can be seen.
        shell = ["env", "-i", *[f"{name}={value}" for name, value in environment.items()], "TERM=screen", "PS1=$ ",
                 "/bin/sh", "-c", f"{command}; echo ended with $?; exec /bin/sh"]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), *shell)
        self.tmux("set-option", "-g", "window-size", "manual")

    def tmux(self, *arguments):
        done = subprocess.run(["tmux", "-L", self.socket, *arguments], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def keys(self, *names):
        """Keys by tmux's names, one after the other."""
        self.tmux("send-keys", *names)

    def text(self, text):
        self.tmux("send-keys", "-l", text)

    def paste(self, text):
        """A bracketed paste."""
        self.tmux("set-buffer", "-b", "pasted", text)
        self.tmux("paste-buffer", "-p", "-b", "pasted")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def wait_for(self, *texts):
        """Waits until one screen shows all of it, and returns that screen; fails with what is shown."""
        shown = []

        def found():
            shown[:] = [self.screen()]
            return all(text in shown[0] for text in texts)

        try:
            wait_until(found)
        except AssertionError:
            raise AssertionError(f"{texts} is not on the screen:\n{shown[0]}") from None
        return shown[0]

    def wait_for_match(self, pattern):
        """Waits until the screen has a line, or a part of one, of that form."""
        try:
            wait_until(lambda: re.search(pattern, self.screen()))
        except AssertionError:
            raise AssertionError(f"nothing like `{pattern}` is on the screen:\n{self.screen()}") from None

    def settled(self):
        """The screen once it stands still: a picture may be taken in the middle of a frame."""
        shown = [None]

        def still():
            before, shown[0] = shown[0], self.screen()
            return shown[0] == before

        wait_until(still, every=0.5)
        return shown[0]

    def process(self, name):
        """The newest process of that name in this window, or nothing."""
        pane = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        for pid in reversed(descendants(pane)):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().strip() == name:
                        return pid
            except OSError:
                pass
        return None

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pty:
    """A program, the console by itself, in a pseudo terminal of its own; with `controlling` it gets the signals of one."""

    def __init__(self, environment, command=(BINARY,), controlling=True, width=80, height=24):
        self.master, slave = os.openpty()
        self.resize(width, height)
        self.before = termios.tcgetattr(slave)

        def own():
            os.setsid()
            if controlling:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own,
            env={"TERM": "screen", "EDITOR": "true", "VISUAL": "true"} | environment,
        )
        self.slave = slave
        self.output = b""
        # Where what has not been waited for yet begins.
        self.mark = 0

    def resize(self, width, height):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def send(self, data):
        """Writes, and takes what comes meanwhile, so that neither side waits for the other. Once the console has ended nobody
        reads, and a terminal that Ctrl-S stopped takes nothing more. What comes from here on is what `wait_for` looks at."""
        self.mark = len(self.output)
        while data and self.process.poll() is None:
            _, ready, _ = select.select([], [self.master], [], 0.05)
            if ready:
                data = data[os.write(self.master, data[:512]):]
            self.read(0)

    def take(self, seconds):
        """What comes until nothing has come for so long."""
        taken = self.read(seconds)
        self.mark = len(self.output)
        return taken

    def read(self, seconds):
        taken = b""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            taken += data
        self.output += taken
        return taken

    def wait_for(self, text, since=None):
        """Waits until it comes: after what was waited for last, at or after what was sent last, or since the output was so long."""
        start, end = self.mark if since is None else since, time.monotonic() + PATIENCE
        while (at := self.output.find(text.encode(), start)) < 0:
            assert time.monotonic() < end, f"no `{text}` in {self.output[start:][-3000:]!r}"
            self.read(0.05)
        self.mark = at + len(text.encode())
        return self.output[start:]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for end in (self.master, self.slave):
            try:
                os.close(end)
            except OSError:
                pass


def descendants(pid):
    """All processes below one, the nearest first."""
    below = []
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    for child in map(int, children):
        below += [child, *descendants(child)]
    return below


def gone(pid):
    """Whether a process has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def processor_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rests(pid, ticks=5, seconds=1.0):
    """Whether a process works for at most so many hundredths of a second within a while."""
    before = processor_ticks(pid)
    time.sleep(seconds)
    return processor_ticks(pid) - before <= ticks


def bytes_written(pid):
    with open(f"/proc/{pid}/io") as file:
        return int(file.read().split("wchar: ")[1].split()[0])


class Sshd:
    """A real sshd on loopback, with keys and a config of its own, for this user; `more` lines may stand in its config."""

    def __init__(self, more=""):
        self.folder = tempfile.mkdtemp(prefix="bellboard-sshd-")
        self.port = free_port()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.file(name)], check=True)
        shutil.copy(self.file("user.pub"), self.file("authorized"))
        with open(self.file("config"), "w") as config:
            config.write(
                f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.file('host')}\nPidFile none\n"
                f"AuthorizedKeysFile {self.file('authorized')}\nStrictModes no\nUsePAM no\n"
                f"PasswordAuthentication no\nPermitRootLogin prohibit-password\n{more}\n"
            )
        os.makedirs("/run/sshd", exist_ok=True) if os.getuid() == 0 else None
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", self.file("config")], stderr=subprocess.DEVNULL, start_new_session=True
        )
        # 255 is ssh's own; what else `true` ends with is up to a forced command.
        wait_until(lambda: subprocess.run(self.command("true"), shell=True, capture_output=True).returncode != 255)

    def file(self, name):
        return os.path.join(self.folder, name)

    def command(self, remote, *options):
        """The shell command that runs `remote` through this sshd."""
        return " ".join([
            "ssh", *options, "-F", "none", "-i", self.file("user"), "-p", str(self.port), "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            f"{getpass.getuser()}@127.0.0.1", f"'{remote}'",
        ])

    def close(self):
        for pid in descendants(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def remote_of(store):
    names = ("BELLBOARD_DB", "BELLBOARD_NETWORK_ALLOW", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return " ".join(["exec", "env", *[f"{name}={store.environment[name]}" for name in names], shlex.quote(BINARY)])


def console_of(sshd):
    for pid in descendants(sshd.process.pid):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == "bellboard":
                    return pid
        except OSError:
            pass
    return None


class LoggedIn:
    """What a TestCase over ssh stands on: an account, and the console on it in a tmux, through a real sshd."""

    def setUp(self):
        program("tmux"), program("sshd")
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.store = Store()
        self.addCleanup(self.store.close)
        self.store.acme()
        self.sshd = Sshd()
        self.addCleanup(self.sshd.close)
        self.tmux = Tmux(self.sshd.command(remote_of(self.store), "-tt"), self.store.environment)
        self.addCleanup(self.tmux.close)
        self.tmux.wait_for("Acme Ltd")
