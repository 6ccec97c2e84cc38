#!/usr/bin/env python3
"""Every example runs, and prints what examples/README.md and the README say it prints.

Words must be equal; numbers may differ in their last digits, for instruction sets round differently; times and counts
of tiles are those of a machine, and only have to be there.
"""
import glob
import os
import re
import subprocess
import unittest

import house

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
OF_A_MACHINE = re.compile(r"[\d.]+ ms +\d+ of +\d+ tiles")


def blocks(text):
    """{name of an example: what a document says it prints}."""
    return dict(re.findall(r"^```text\n\$ build/release/example_(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def plain(text):
    """A text without what differs from machine to machine."""
    return re.sub(r" +", " ", OF_A_MACHINE.sub("ms, of tiles", text)).strip()


def complaint(expected, found):
    """What two outputs differ in, or None."""
    expected, found = plain(expected), plain(found)
    if NUMBER.sub("#", expected).split() != NUMBER.sub("#", found).split():
        return f"expected\n{expected}\nfound\n{found}"
    for a, b in zip(NUMBER.findall(expected), NUMBER.findall(found)):
        one, other = float(a.replace(",", "")), float(b.replace(",", ""))
        if abs(one - other) > 2e-3 * max(abs(one), 1):
            return f"expected {a}, found {b}, in\n{found}"
    return None


class Examples(unittest.TestCase):
    def test_every_example_prints_what_its_page_says(self):
        folder = os.environ.get("QKV_BUILD_DIR")
        if not folder or not glob.glob(os.path.join(folder, "example_*")):
            self.skipTest("no examples are built; $QKV_BUILD_DIR says where")
        said = blocks(house.read("examples/README.md"))
        names = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(house.ROOT, "examples", "*.cpp")))
        self.assertEqual(sorted(said), names, "examples/README.md must show the output of every example")
        for name in names:
            with self.subTest(name):
                done = subprocess.run([os.path.join(folder, "example_" + name)], capture_output=True, text=True,
                                      timeout=300)
                self.assertEqual(done.returncode, 0, done.stderr)
                found = complaint(said[name], done.stdout)
                if found:
                    self.fail(found)

    def test_the_readmes_code_is_an_example(self):
        sources = [house.read(os.path.relpath(path, house.ROOT))
                   for path in glob.glob(os.path.join(house.ROOT, "examples", "*.cpp"))]
        for code in re.findall(r"^```cpp\n(.*?)^```", house.read("README.md"), re.MULTILINE | re.DOTALL):
            self.assertTrue(any(code in source for source in sources),
                            f"this code of the README is not part of an example, so nothing compiles it:\n{code}")

    def test_the_readmes_output_is_that_of_the_examples(self):
        said = blocks(house.read("examples/README.md"))
        for name, text in blocks(house.read("README.md")).items():
            self.assertEqual(text, said.get(name))


class Comparison(unittest.TestCase):
    def test_last_digits_and_times_may_differ(self):
        self.assertIsNone(complaint("a  1.0000 -2", "a 1.0001 -2"))
        self.assertIsNone(complaint("full  648.3 ms  10944 of 10944 tiles visited", "full 1.0 ms 5 of 9 tiles visited"))

    def test_other_differences_are_found(self):
        self.assertIn("expected 1.0, found 1.1", complaint("a 1.0", "a 1.1"))
        self.assertIn("found\nb", complaint("a 1.0", "b 1.0"))
        self.assertIn("found", complaint("a 1.0", "a 1.0 2.0"))


if __name__ == "__main__":
    house.run()
