#!/usr/bin/env python3
"""The figures in the documents are those of results/, and a figure typed by hand is found."""
import json
import os
import tempfile
import unittest

import house
import figures

RESULT = {
    "what": "attention", "machine": {"processor": "abacus", "cores": 2}, "instruction_set": "avx2", "threads": 2,
    "commit": "abc", "date": "2025-01-01", "command": "make bench",
    "columns": [{"key": "rate", "title": "GFLOP/s"}, {"key": "ratio", "title": "to PyTorch", "digits": 2, "unit": " x"}],
    "rows": [{"name": "forward full", "rate": 1155.4, "ratio": 1.414}, {"name": "backward", "rate": 140}],
}


class Project:
    """A project in a temporary folder, with one results file and one document."""

    def __init__(self, test, document, result=None):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.root = folder.name
        os.mkdir(os.path.join(self.root, "results"))
        with open(os.path.join(self.root, "results", "speed.json"), "w", encoding="utf-8") as file:
            json.dump(result or RESULT, file)
        with open(os.path.join(self.root, "README.md"), "w", encoding="utf-8") as file:
            file.write(document)

    def document(self):
        with open(os.path.join(self.root, "README.md"), encoding="utf-8") as file:
            return file.read()


class Figures(unittest.TestCase):
    def test_the_documents_agree_with_the_results(self):
        found = figures.differences(house.ROOT)
        if found:
            self.fail("\n" + "\n".join(found))

    def test_a_table_is_filled_in(self):
        project = Project(self, "before\n<!-- figures:speed --><!-- end -->\nafter\n")
        self.assertEqual(len(figures.differences(project.root)), 1)
        figures.differences(project.root, mend=True)
        self.assertEqual(figures.differences(project.root), [])
        text = project.document()
        self.assertIn("| forward full | 1,155 | 1.41 x |\n| backward | 140 |  |\n", text)
        self.assertIn("Measured on: abacus, 2 cores; instruction set avx2, 2 threads; commit abc", text)
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))

    def test_what_is_learned_says_its_seed(self):
        with self.assertRaisesRegex(figures.Mistake, "learning_it.json: `seed` is missing"):
            figures.check_result("learning_it", RESULT)
        figures.check_result("learning_it", RESULT | {"seed": 1})
        project = Project(self, "<!-- figures:speed --><!-- end -->\n", RESULT | {"seed": 7})
        figures.differences(project.root, mend=True)
        self.assertIn("2 threads; seed 7; commit abc", project.document())

    def test_one_figure_is_filled_in(self):
        project = Project(self, "It is <!-- figure:speed:forward_full:ratio -->9<!-- end --> as fast.\n")
        figures.differences(project.root, mend=True)
        self.assertIn("-->1.41 x<!--", project.document())

    def test_a_figure_typed_by_hand_is_found(self):
        project = Project(self, "<!-- figure:speed:backward:rate -->150<!-- end -->\n")
        found = figures.differences(project.root)
        self.assertEqual(found, ["README.md: <!-- figure:speed:backward:rate --> differs from results/; "
                                 "run scripts/figures.py"])

    def test_recorded_output_is_quoted(self):
        project = Project(self, "<!-- output:speed --><!-- end -->\n", RESULT | {"output": "fast\n"})
        figures.differences(project.root, mend=True)
        self.assertIn("```text\n$ make bench\nfast\n```", project.document())

    def test_a_region_may_wait_for_its_results(self):
        project = Project(self, "<!-- figures?:growth --><!-- end -->\n<!-- figures?:speed --><!-- end -->\n")
        figures.differences(project.root, mend=True)
        self.assertIn("Not measured yet: `growth`.", project.document())
        self.assertIn("| backward | 140 |", project.document())
        self.assertEqual(figures.differences(project.root), [])

    def test_missing_things_are_named(self):
        def says(document, result=None):
            return figures.differences(Project(self, document, result).root)[0]
        self.assertIn("no results/sped.json", says("<!-- figures:sped --><!-- end -->"))
        self.assertIn("no figure forward : rate", says("<!-- figure:speed:forward:rate --><!-- end -->"))
        self.assertIn("`commit` is missing", says("", {k: v for k, v in RESULT.items() if k != "commit"}))
        self.assertIn("`speed`, which no column describes", says("", RESULT | {"rows": [{"name": "a", "speed": 1}]}))


if __name__ == "__main__":
    house.run()
