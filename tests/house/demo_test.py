#!/usr/bin/env python3
"""The demo runs from beginning to end, in small, and writes what it says it writes; what it proposes works."""
import os
import re
import shlex
import subprocess
import tempfile
import unittest

import house

PROGRAM = os.environ.get("QKV_PROGRAM", "")


def demo(folder, **more):
    """Runs the demo on a small text with small numbers; gives what it printed and its exit status."""
    text = os.path.join(folder, "text.txt")
    with open(text, "w", encoding="utf-8") as file:
        file.write("ROMEO. To be, or not to be: that is the question.  JULIET. Your own words, by yesterday; he likes school!\n" * 50)
    small = {"QKV_DEMO_SECONDS": "1", "QKV_DEMO_TOKENS": "512", "QKV_DEMO_TEXT": text, "QKV_DEMO_OUT": folder}
    return subprocess.run([os.path.join(house.ROOT, "scripts", "demo"), PROGRAM], capture_output=True, text=True,
                          env=os.environ | small | more, timeout=600, stdin=subprocess.DEVNULL)


@unittest.skipUnless(os.path.exists(PROGRAM), "the program qkv is not built")
class Demo(unittest.TestCase):
    def expect_all_of_it(self, folder, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for step in ("1 of 3", "2 of 3", "3 of 3", "Where everything is", "What to try next"):
            self.assertIn(step, done.stdout)
        named = re.findall(r"^  (\S+\.(?:html|svg|safetensors)) ", done.stdout, re.MULTILINE)
        self.assertEqual(len(named), 3)
        for path in named:
            self.assertGreater(os.path.getsize(path), 1000, path)

    def test_it_runs_to_its_end_and_what_it_proposes_works(self):
        with tempfile.TemporaryDirectory() as folder:
            done = demo(folder)
            self.expect_all_of_it(folder, done)
            proposed = [line.strip() for line in done.stdout.partition("What to try next")[2].splitlines()]
            proposed = [line for line in proposed if line.startswith(PROGRAM)]
            self.assertGreaterEqual(len(proposed), 4)
            for line in proposed:
                words = shlex.split(line.replace("600", "1").replace("FILE", os.path.join(folder, "text.txt")))
                with self.subTest(line):
                    tried = subprocess.run(words, cwd=house.ROOT if "models/" in line else folder, capture_output=True,
                                           text=True, timeout=300, stdin=subprocess.DEVNULL)
                    self.assertEqual(tried.returncode, 0, tried.stderr)

    def test_without_a_model_it_trains_one_first(self):
        with tempfile.TemporaryDirectory() as folder:
            done = demo(folder, QKV_DEMO_MODEL=os.path.join(folder, "none.safetensors"))
            self.assertIn("0 of 3", done.stdout)
            self.expect_all_of_it(folder, done)

    def test_without_a_program_it_says_so(self):
        done = subprocess.run([os.path.join(house.ROOT, "scripts", "demo"), "none"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected the program none; found none", done.stderr)


if __name__ == "__main__":
    house.run()
