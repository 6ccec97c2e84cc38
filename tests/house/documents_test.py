#!/usr/bin/env python3
"""The documents name only what exists: files, tests, links; their tables are well formed."""
import fnmatch
import functools
import glob
import os
import re
import subprocess
import tempfile
import unittest

import house
import figures

NOT_YET = "not yet"
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)+/?|CMakeLists\.txt|Makefile)`")
TEST = re.compile(r"`((?:\w+/)?[A-Z]\w+\.\w+)`")
FILTER = re.compile(r"test_(\w+)\s+--gtest_filter='([^']+)'")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
COLUMNS = {"docs/notions.md": 5, "docs/papers.md": 4}


def rows_of(text):
    """The rows of the tables of a document as lists of cells, without heads; and mistakes of form."""
    rows, mistakes, width, previous = [], [], None, None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            width = previous = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if set(line) <= set("|-: "):
            width = len(cells)
            if previous:
                rows.pop()
        else:
            if width is not None and len(cells) != width:
                mistakes.append(f"line {number}: {len(cells)} cells where the table has {width}")
            if width is not None and "" in cells:
                mistakes.append(f"line {number}: an empty cell; write \"{NOT_YET}\" for what is not there yet")
            rows.append(cells)
        previous = line
    return rows, mistakes


def known_tests(root):
    """Names of all tests as the documents write them: Suite.Name."""
    found = set()
    for path in glob.glob(os.path.join(root, "tests", "*", "*.cpp")):
        with open(path, encoding="utf-8") as file:
            for suite, name in re.findall(r"\bTEST(?:_[PF])?\(\s*(\w+),\s*(\w+)\)", file.read()):
                found.add(f"{suite}.{name}")
    for path in glob.glob(os.path.join(root, "tests", "house", "*_test.py")):
        found.add("House." + os.path.basename(path)[:-3])
    return found


def filters_without_a_test(path, text, tests_of):
    """The patterns of documented --gtest_filter options that match no test; tests_of(room): names of its tests."""
    return [f"{path} runs test_{room} with the filter {pattern}, which matches no test"
            for room, patterns in FILTER.findall(text) for pattern in patterns.split(":")
            if not any(fnmatch.fnmatchcase(test, pattern) for test in tests_of(room))]


def listed_tests(program):
    """Full names of a test program's tests, as --gtest_filter knows them."""
    names, suite = [], ""
    listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name = line.split("#")[0].rstrip()
        if line.startswith("  "):
            names.append(suite + name.strip())
        elif name.endswith("."):
            suite = name
    return names


def complaints(path, text, root):
    """What a document says that is not so."""
    found = []
    base = os.path.dirname(os.path.join(root, path))
    for name in PATH.findall(text):
        if name.split("/")[0] in ("build", "out") or "NAME" in name:  # made by a build; a name that the reader gives
            continue
        if not (glob.glob(os.path.join(root, name)) or glob.glob(os.path.join(base, name))):
            found.append(f"{path} names `{name}`, which does not exist")
    for target, _ in LINK.findall(text):
        if "://" not in target and not os.path.exists(os.path.join(base, target)):
            found.append(f"{path} links to {target}, which does not exist")
    if path in COLUMNS:
        rows, mistakes = rows_of(text)
        found += [f"{path}, {mistake}" for mistake in mistakes]
        tests = known_tests(root)
        for cells in rows:
            if len(cells) != COLUMNS[path]:
                found.append(f"{path}: the row \"{cells[0]}\" has {len(cells)} cells, not {COLUMNS[path]}")
                continue
            last = cells[-1]
            if last == NOT_YET:
                continue
            if path == "docs/papers.md" and not PATH.search(last):
                found.append(f"{path}: the row \"{cells[0]}\" names no file and does not say \"{NOT_YET}\"")
            if path == "docs/notions.md":
                named = TEST.findall(last)
                if not named:
                    found.append(f"{path}: the row \"{cells[0]}\" names no test and does not say \"{NOT_YET}\"")
                found += [f"{path}: the row \"{cells[0]}\" names the test `{name}`, which does not exist"
                          for name in named if name not in tests]
    return found


def all_documents(root):
    """Every Markdown file that is part of the project."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=root, capture_output=True,
                            text=True)
    if listed.returncode == 0:
        return [path for path in listed.stdout.split() if os.path.exists(os.path.join(root, path))]
    return figures.documents(root) + ["CONTRIBUTING.md", "CHANGELOG.md"]


class Documents(unittest.TestCase):
    def test_everything_they_name_exists(self):
        found = []
        for path in all_documents(house.ROOT):
            found += complaints(path, house.read(path), house.ROOT)
        if found:
            self.fail("\n" + "\n".join(found))

    def test_every_filter_matches_a_test(self):
        folder = os.path.join(os.environ.get("QKV_BUILD_DIR", "build/release"), "tests")
        tests_of = functools.cache(lambda room: listed_tests(os.path.join(folder, "test_" + room)))
        sources = [os.path.relpath(path, house.ROOT)
                   for path in glob.glob(os.path.join(house.ROOT, "tests", "**", "*.cpp"), recursive=True)]
        found = []
        for path in all_documents(house.ROOT) + sources:
            text = house.read(path)
            missing = [room for room, _ in FILTER.findall(text)
                       if not os.access(os.path.join(folder, "test_" + room), os.X_OK)]
            if missing:
                self.skipTest(f"{path} runs test_{missing[0]}, which is not built; $QKV_BUILD_DIR says where")
            found += filters_without_a_test(path, text, tests_of)
        self.assertEqual(found, [])

    def test_both_tables_have_rows(self):
        self.assertGreaterEqual(len(rows_of(house.read("docs/notions.md"))[0]), 35)
        self.assertGreaterEqual(len(rows_of(house.read("docs/papers.md"))[0]), 20)

    def test_every_decision_is_in_the_index(self):
        index = house.read("docs/decisions/README.md")
        for path in sorted(glob.glob(os.path.join(house.ROOT, "docs", "decisions", "[0-9]*.md"))):
            self.assertIn(os.path.basename(path), index, "docs/decisions/README.md does not list this decision")

    def test_no_folder_of_a_machine_is_named(self):
        listed = subprocess.run(["git", "grep", "-nIE", r"(^|[ \"'=(])/(home|root|work|Users)/\w", "--", ".",
                                 ":!tests/house/documents_test.py"], cwd=house.ROOT, capture_output=True, text=True)
        self.assertEqual(listed.stdout, "")


class Complaints(unittest.TestCase):
    """The test itself finds each kind of mistake."""

    HEAD = "| notion | field's name | here | command or call | test |\n|---|---|---|---|---|\n"

    def about(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "tests", "attention"))
            os.makedirs(os.path.join(root, "docs"))
            with open(os.path.join(root, "tests", "attention", "mask_test.cpp"), "w", encoding="utf-8") as file:
                file.write("TEST(Mask, HidesTheFuture) {}\n")
            return complaints(path, text, root)

    def test_a_good_row_passes(self):
        row = "| the future is hidden | causal mask | `causal` | `attention(q, k, v, causal)` | `Mask.HidesTheFuture` |\n"
        self.assertEqual(self.about("docs/notions.md", self.HEAD + row), [])
        self.assertEqual(self.about("docs/notions.md", self.HEAD + "| a | b | c | d | not yet |\n"), [])

    def test_a_test_that_does_not_exist_is_named(self):
        self.assertIn("`Mask.HidesThePast`, which does not exist",
                      self.about("docs/notions.md", self.HEAD + "| a | b | c | d | `Mask.HidesThePast` |\n")[0])

    def test_a_row_must_name_a_test_or_say_not_yet(self):
        self.assertIn("names no test", self.about("docs/notions.md", self.HEAD + "| a | b | c | d | soon |\n")[0])

    def test_a_filter_that_matches_nothing_is_named(self):
        def about(text):
            return filters_without_a_test("README.md", text, {"ops": ["Sets/Softmax.Sums/avx2", "Scale.One"]}.get)
        self.assertEqual(about("test_ops --gtest_filter='Scale.*:*Softmax*'"), [])
        self.assertIn("the filter Softmax*, which", about("`test_ops\n--gtest_filter='Scale.*:Softmax*'`")[0])

    def test_a_malformed_row_is_found(self):
        self.assertIn("3 cells", self.about("docs/notions.md", self.HEAD + "| a | b | c |\n")[0])
        self.assertIn("empty cell", self.about("docs/notions.md", self.HEAD + "| a |  | c | d | not yet |\n")[0])

    def test_a_file_that_does_not_exist_is_named(self):
        self.assertIn("`qkv/ops/gelu.h`", self.about("README.md", "See `qkv/ops/gelu.h`.")[0])
        self.assertIn("links to docs/x.md", self.about("README.md", "See [this](docs/x.md).")[0])
        self.assertEqual(self.about("README.md", "See `tests/attention/mask_test.cpp` and [docs](docs/)."), [])


if __name__ == "__main__":
    house.run()
