#!/usr/bin/env python3
"""scripts/prove names its rows, holds figures against goals, and skips aloud what has no data."""
import importlib.machinery
import importlib.util
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

import house

PROVE = os.path.join(house.ROOT, "scripts", "prove")


def as_module():
    loader = importlib.machinery.SourceFileLoader("prove", PROVE)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("prove", loader))
    loader.exec_module(module)
    return module


def run(*arguments, **environment):
    return subprocess.run([sys.executable, PROVE, *arguments], capture_output=True, text=True,
                          env=os.environ | environment)


class Prove(unittest.TestCase):
    def test_it_lists_every_row_with_its_goal(self):
        done = run("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("copy", "reverse", "addition", "recall", "induction", "dates", "multi30k_fr_en"):
            self.assertRegex(done.stdout, rf"(?m)^{name} .+: \S")
        self.assertRegex(done.stdout, "(?m)^multi30k_fr_en .+: no goal, for comparison")

    def test_it_refuses_a_row_that_is_none(self):
        done = run("chess")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("expected names of copy, reverse", done.stderr)

    def test_it_skips_aloud_what_has_no_data(self):
        done = run("multi30k_de_en", QKV_TEST_DATA="/no/such/folder")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("multi30k_de_en: SKIPPED, there is no /no/such/folder/multi30k", done.stdout)

    def test_it_holds_figures_against_goals(self):
        prove = as_module()
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "qkv")
            with open(program, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho '" + json.dumps({"accuracy": 0.995, "parameters": 7, "step": 3}) + "'\n")
            os.chmod(program, os.stat(program).st_mode | stat.S_IXUSR)
            os.environ["QKV_PROGRAM"] = program
            row = prove.Row("a row", [], threads=1)
            for goal, first, expected in ((99, None, True), (99.9, None, False)):
                line = prove.answers("copy", goal, "a goal")
                result, figure, reached = prove.measure(line, row, first)
                self.assertEqual((figure, reached), (99.5, expected))
                self.assertEqual(result["command"], "`QKV_THREADS=1 qkv train --task copy --out out/prove/copy`")
    def test_a_line_about_a_model_that_is_there_has_the_minutes_of_its_training(self):
        prove = as_module()
        spent = {"train": 26.0, "translate": 0.5, "export": 0.1}
        scores = {"scores": {"bleu": 41, "bleu_lower_case": 42, "chrf": 60}}
        prove.minutes_of = lambda command, threads: (scores, spent[command[0]])
        row = prove.ROWS["multi30k_de_en"]
        trained = None
        for line in row.lines:
            result, _, _ = prove.measure(line, row, None, trained)
            trained = result["minutes"]
            self.assertEqual((result["minutes"], result["minutes_of_use"]), (26.0, 0.5), line.name)

    def test_every_row_that_is_recorded_is_measured_again(self):
        prove = as_module()
        for name in ("multi30k_de_en", "multi30k_fr_en", "multi30k_words", "multi30k_gru"):
            with open(os.path.join(house.ROOT, "results", f"learning_{name}.json"), encoding="utf-8") as file:
                recorded = [row["name"] for row in json.load(file)["rows"]]
            self.assertEqual([line.name for line in prove.ROWS[name].lines], recorded)

    def test_comparisons(self):
        prove = as_module()
        self.assertTrue(prove.below_first(1, 2))
        self.assertFalse(prove.below_first(2, 2))


if __name__ == "__main__":
    unittest.main()
