#!/usr/bin/env python3
"""The rooms keep to their floors, and the checker finds each kind of mistake and says it in words."""
import os
import tempfile
import unittest

import house
import check_floors


def complaints_about(files):
    """What the checker says about a project that has these files: {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return check_floors.complaints(root)


class Floors(unittest.TestCase):
    def test_the_project_keeps_to_them(self):
        found = check_floors.complaints(house.ROOT)
        if found:
            self.fail("\n" + "\n".join(found))

    def test_a_lower_room_and_the_same_room_are_fine(self):
        self.assertEqual(complaints_about({
            "qkv/base/error.h": "",
            "qkv/numbers/dual.h": '#include "qkv/base/error.h"\n',
            "qkv/nn/linear.h": '#include "qkv/nn/module.h"\n#include <vector>\n#include "qkv/base/error.h"\n',
            "qkv/nn/module.h": "",
            "tests/nn/linear_test.cpp": '#include "qkv/nn/linear.h"\n',
        }), [])

    def test_a_higher_floor_is_refused(self):
        found = complaints_about({"qkv/tensor/tensor.h": '\n#include "qkv/nn/linear.h"\n', "qkv/nn/linear.h": ""})
        self.assertEqual(len(found), 1)
        self.assertIn('qkv/tensor/tensor.h:2 includes "qkv/nn/linear.h": tensor is on floor 2 and nn on floor 5',
                      found[0])
        self.assertIn("callback", found[0])

    def test_the_same_floor_is_refused(self):
        found = complaints_about({"qkv/ops/gelu.h": '#include "qkv/io/file.h"\n', "qkv/io/file.h": ""})
        self.assertIn("ops and io are both on floor 3", found[0])
        found = complaints_about({"qkv/base/error.h": '#include "qkv/numbers/dual.h"\n', "qkv/numbers/dual.h": ""})
        self.assertIn("base and numbers are both on floor 0", found[0])

    def test_programs_are_above_every_room(self):
        found = complaints_about({"qkv/train/loop.h": '#include "apps/cli/bar.h"\n', "apps/cli/bar.h": ""})
        self.assertIn("qkv/ is below apps/", found[0])

    def test_a_path_that_does_not_start_at_the_root_is_refused(self):
        found = complaints_about({"qkv/nn/linear.h": '#include "module.h"\n', "qkv/nn/module.h": ""})
        self.assertIn('for example "qkv/nn/module.h"', found[0])

    def test_a_file_that_does_not_exist_is_refused(self):
        found = complaints_about({"qkv/nn/linear.h": '#include "qkv/base/eror.h"\n'})
        self.assertIn("no such file", found[0])

    def test_a_long_file_in_attention_is_refused(self):
        found = complaints_about({"qkv/attention/forward.h": "\n" * 301, "qkv/ops/gelu.h": "\n" * 301})
        self.assertEqual(len(found), 1)
        self.assertIn("qkv/attention/forward.h has 301 lines", found[0])

    def test_a_name_that_says_nothing_is_refused(self):
        found = complaints_about({"qkv/ops/utils.h": "", "qkv/nn/common/x.h": ""})
        self.assertEqual(len(found), 2)
        self.assertIn("says nothing", found[0])

    def test_a_room_without_a_floor_is_named(self):
        self.assertIn("qkv/cellar/ has no floor", complaints_about({"qkv/cellar/x.h": ""})[0])


if __name__ == "__main__":
    house.run()
