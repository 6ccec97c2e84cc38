#!/usr/bin/env python3
"""qkv_benchmark measures, writes tables as results/README.md says, and answers mistakes in one sentence."""
import json
import os
import subprocess
import tempfile
import unittest

import house
import figures
import record

PROGRAM = os.path.join(os.environ.get("QKV_BUILD_DIR", "build/release"), "qkv_benchmark")


def benchmark(*arguments, **environment):
    """Runs the program without PyTorch."""
    return subprocess.run([PROGRAM, "--pytorch", "none", *arguments], capture_output=True, text=True, timeout=300,
                          env=os.environ | environment)


@unittest.skipUnless(os.path.exists(PROGRAM), "qkv_benchmark is not built")
class BenchmarkCommand(unittest.TestCase):
    def test_a_table_is_as_results_must_be(self):
        with tempfile.TemporaryDirectory() as folder:
            done = benchmark("attention", "--quick", "--filter", "64 x 8 x 32", "--json", folder, QKV_ISA="portable")
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(folder, "attention_portable.json"), encoding="utf-8") as file:
                result = json.load(file)
            figures.check_result("attention_portable", result | record.surroundings())
            self.assertEqual(len(result["rows"]), 4)
            for row in result["rows"]:
                self.assertGreater(row["gflops"], 0)
                self.assertIn(row["name"], done.stdout)

    def test_help_names_every_group_and_option(self):
        done = benchmark("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("peak", "attention", "growth", "linear_attention", "matmul", "training", "--filter", "--quick",
                     "--json", "--patience"):
            self.assertIn(word, done.stdout)

    def test_mistakes_are_one_sentence_and_an_exit_status(self):
        for arguments, words in [(("nonsense",), "nonsense"), (("--filter", "no such row", "peak"), "no such row"),
                                 (("training", "--thorough"), "--text"), (("--text", "/no/such/file"), "/no/such/file")]:
            done = benchmark(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(words, done.stderr)
            self.assertLessEqual(len(done.stderr.splitlines()), 2)


if __name__ == "__main__":
    house.run()
