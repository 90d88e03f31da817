"""Runs the real tests, all or those whose file has the argument in its name, and closes with one line that counts them."""

import faulthandler
import os
import pathlib
import sys
import unittest

# A run that takes longer hangs: it ends, and says where.
SECONDS_MAX = 3000


def main(part=""):
    faulthandler.dump_traceback_later(SECONDS_MAX, exit=True)
    folder = str(pathlib.Path(__file__).parent)
    tests = unittest.defaultTestLoader.discover(folder, pattern=f"test_*{part}*.py")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"real: {max(result.testsRun - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped", flush=True)
    if result.testsRun == 0:
        return f"no file in tests/real has `{part}` in its name"
    if skipped and os.environ.get("CI"):
        return "with CI set, nothing may be skipped"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
