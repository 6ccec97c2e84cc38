#!/usr/bin/env python3
"""Every command in the README works.

A fenced block marked `sh` holds commands.  `make X` must be a target of the Makefile (the long ones run elsewhere);
`qkv ...` and `build/release/qkv ...` run here, with small numbers in place of large ones, in a folder of their own.
So do commands whose output the README shows: `$ qkv ...` at the start of a block marked `text`.
"""
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import house

# What makes a long command short.
SMALLER = [(r"(--tokens) \d+", r"\1 512"), (r"(--seconds) \d+", r"\1 1"), (r"(--steps) \d+", r"\1 2"), (r"(--epochs) \d+", r"\1 1")]
KNOWN = {"cd", "git"}  # told, not run: they get the project


def commands(text):
    """The commands of the `sh` blocks of a document, one a line; a line that ends in \\ goes on."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.split(" #")[0].strip()
            if line and not line.startswith("#"):
                found.append(line)
    return found + re.findall(r"^```text\n\$ (qkv .*)$", text, re.MULTILINE)


def targets(makefile):
    """The targets of a Makefile that are meant for people."""
    return set(re.findall(r"^(\w+):.*##", makefile, re.MULTILINE))


def smaller(command):
    """The same command with small numbers."""
    for pattern, replacement in SMALLER:
        command = re.sub(pattern, replacement, command)
    return command


class Readme(unittest.TestCase):
    def test_every_command_works(self):
        program = os.environ.get("QKV_PROGRAM")
        known = targets(house.read("Makefile"))
        left_out = []
        with tempfile.TemporaryDirectory() as folder:
            for name in ("models", "data"):
                if os.path.isdir(os.path.join(house.ROOT, name)):
                    os.symlink(os.path.join(house.ROOT, name), os.path.join(folder, name))
            os.mkdir(os.path.join(folder, "out"))
            with open(os.path.join(folder, "FILE"), "w", encoding="utf-8") as file:
                file.write("Shall I compare thee to a summer's day?\n" * 300)
            for language, line in ("de", "Ein Hund rennt durch den Schnee.\n"), ("en", "A dog runs through the snow.\n"):
                with open(os.path.join(folder, "FILE." + language), "w", encoding="utf-8") as file:
                    file.write(line * 60)
            with open(os.path.join(folder, "FILE.tsv"), "w", encoding="utf-8") as file:
                file.write("summer\tShall I compare thee to a summer's day?\nwinter\tNow is the winter of our discontent\n" * 20)
            for command in commands(house.read("README.md")):
                words = shlex.split(command)
                with self.subTest(command):
                    if words[0] == "make":
                        self.assertTrue(set(w for w in words[1:] if "=" not in w) <= known,
                                        f"the Makefile has no such target; it has {sorted(known)}")
                    elif os.path.basename(words[0]) == "qkv":
                        if not program or not os.path.exists(program):
                            left_out.append(command)
                            continue
                        done = subprocess.run([program] + shlex.split(smaller(command))[1:], cwd=folder,
                                              capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
                        self.assertEqual(done.returncode, 0, done.stderr)
                    else:
                        self.assertIn(words[0], KNOWN, "the README has a command that no test knows how to run")
        if left_out:
            self.skipTest("the program qkv is not built; not run: " + "; ".join(left_out))

    def test_blocks_are_read_as_people_read_them(self):
        text = "```sh\n# a remark\nmake test   # all of them\nqkv train --text FILE \\\n  --seconds 120\n```\n```text\nno\n```\n```text\n$ qkv info\nx\n```\n"
        self.assertEqual(commands(text), ["make test", "qkv train --text FILE    --seconds 120", "qkv info"])
        self.assertEqual(smaller("qkv race --tokens 16384"), "qkv race --tokens 512")
        self.assertEqual(targets("help:  ## this\nbuild/x: y\ntest: build  ## all\n"), {"help", "test"})


if __name__ == "__main__":
    house.run()
