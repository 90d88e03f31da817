"""The hostile texts of `tests/it/hostile.json`, and more made at random; and how it is told that what was printed of them is tame."""

import json
import os
import pathlib
import random
import re
import unicodedata
import unittest

CORPUS = json.loads((pathlib.Path(__file__).parents[1] / "it/hostile.json").read_text())

# What a text would have a line of its own begin with.
FORGED = "FORGED"
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x1b[2K\x1b[G", "\x9bE", "\x08" * 200]
LIKE_OURS = ["error: all is well", "dlv_1  2026-11-03 14:02:07Z  delivered", "-- its end --", "<3>bellboard: forged", "\t=1+1", "\uff1d1+1"]

SEED = int(os.environ.get("BELLBOARD_RANDOM_SEED", random.randrange(1 << 32)))
AT_RANDOM = 10

# Format characters that show nothing (category Cf and the like), beside those that `acts` finds by category.
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
                       "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]")
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def texts():
    """The corpus, what would begin a line, and some at random."""
    chance = random.Random(SEED)
    ranges = ((1, 0xA0), (0x2000, 0x2070), (0xE000, 0x10FFFF))
    pieces = [lambda: chance.choice(CORPUS), lambda: chance.choice(BREAKS) + FORGED, lambda: chance.choice(LIKE_OURS),
              lambda: "".join(chr(chance.randrange(*chance.choice(ranges))) for _ in range(8))]
    at_random = ["y" + "".join(chance.choice(pieces)() for _ in range(chance.randrange(1, 4))) for _ in range(AT_RANDOM)]
    return CORPUS + [f"x{end}{FORGED} y" for end in BREAKS] + LIKE_OURS + at_random


def argument(text):
    """As an argument or a variable can have it: without NUL."""
    return text.replace("\0", "")


def acts(character):
    """Whether a terminal would do something for it, or show it elsewhere than where it stands."""
    return unicodedata.category(character) in ("Cc", "Zl", "Zp") or INVISIBLE.match(character) is not None


class Tame(unittest.TestCase):
    """What every output is looked through for."""

    def tame(self, printed, what, own=None):
        """The lines of an output; each is bellboard's own, and nothing in it acts."""
        text = printed.decode() if isinstance(printed, bytes) else printed
        found = [character for character in text if character != "\n" and acts(character)]
        self.assertEqual(found, [], f"{what}: {text!r}")
        lines = text.splitlines()
        for line in lines:
            # Told only where it fails: all of the text once for each of its lines takes minutes.
            if line.startswith(FORGED) or not re.match(own or "", line):
                self.fail(f"{what}: {line!r} in {text!r}")
        return lines

    def run_tame(self, *arguments, own=None, said=1, input=None, store=None, **environment):
        """A command with what it prints: tame, and on stderr so many lines at most."""
        code, out, err = (store or self.store).run(*arguments, input=input, **environment)
        self.tame(out, arguments, own)
        errors = self.tame(err, arguments)
        self.assertLessEqual(len(errors), said, f"{arguments}: {err!r}")
        self.assertNotIn("panicked", err, arguments)
        return code, out, err
