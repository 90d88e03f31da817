"""A long text in a person's own editor, from a form, in a real tmux: the terminal is the editor's meanwhile, and then ours again."""

import os
import shutil
import unittest

from rig import BINARY, Store, wait_until
from terminal import Tmux

# An editor that says where its file is and who may read it, asks for a line, and puts that into the file.
EDITOR = """#!/bin/sh
echo "editing $(stat -c %a "$1"): $(cat "$1")"
echo "$1" > "$(dirname "$0")/file"
printf 'new text: '
read -r line
[ -n "$line" ] || exit 1
printf '%s\\n' "$line" > "$1"
"""


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Editor(unittest.TestCase):
    def test_the_text_goes_there_and_comes_back(self):
        with Store() as store:
            store.acme()
            editor = os.path.join(store.folder, "editor")
            with open(editor, "w") as file:
                file.write(EDITOR)
            os.chmod(editor, 0o700)
            environment = {name: value for name, value in store.environment.items() if name != "VISUAL"}
            with Tmux(BINARY, environment | {"EDITOR": editor}) as tmux:
                tmux.wait_for("Acme Ltd")
                tmux.keys("Enter")
                tmux.wait_for("provisioned ok")
                tmux.keys("m", "o")
                tmux.wait_for("Reason")
                tmux.keys("Tab", "Tab")
                tmux.text("while")
                tmux.keys("C-n")
                tmux.wait_for("editing 600: while")
                # Keys are the editor's now: none of them reaches the form.
                tmux.text("the receiver is being moved")
                tmux.keys("Enter")
                tmux.wait_for("the receiver is being moved")
                tmux.wait_for("enter save")
                self.assertNotIn("new text", tmux.screen())
                with open(os.path.join(store.folder, "file")) as file:
                    name = file.read().strip()
                wait_until(lambda: not os.path.exists(name))
                # An editor that ends badly changes nothing.
                tmux.keys("C-n")
                tmux.wait_for("editing 600: the receiver is being moved")
                tmux.keys("Enter")
                tmux.wait_for("the text is as it was")
                tmux.keys("BTab", "BTab")
                tmux.text("2h")
                tmux.keys("Enter")
                tmux.wait_for("is muted until")
                tmux.keys("q")
                tmux.wait_for("accounts")
                tmux.keys("q")
                tmux.wait_for("ended with 0")
            self.assertIn("the receiver is being moved", store.ok("audit", "list", "--json"))


if __name__ == "__main__":
    unittest.main()
