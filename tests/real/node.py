"""Scripts of the tests on Node: started with one argument, heard line by line."""

import json
import pathlib
import queue
import subprocess
import threading

from rig import PATIENCE, program, wait_until


class Node:
    """A script of this folder that prints a JSON line for each thing that happens, its port first."""

    def __init__(self, script, **given):
        self.process = subprocess.Popen(
            [program("node"), str(pathlib.Path(__file__).with_name(script)), json.dumps(given)], stdout=subprocess.PIPE
        )
        self.heard = []
        lines = queue.Queue()
        threading.Thread(target=self.listen, args=(lines,), daemon=True).start()
        self.port = lines.get(timeout=PATIENCE)["port"]

    def listen(self, first):
        for line in self.process.stdout:
            thing = json.loads(line)
            if "port" in thing:
                first.put(thing)
            else:
                self.heard.append(thing)

    def wait(self, count):
        """The first `count` things that were heard."""
        wait_until(lambda: len(self.heard) >= count)
        return self.heard[:count]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
