#!/usr/bin/env python3
"""Object files of the wide instruction sets must not leak code into the rest of the program.

A function that several object files define (a template, an inline function) is kept once by the linker, from
whichever file comes first.  If that file was compiled for AVX-512, a machine without it dies in, say,
std::vector's code.  So every such (weak) symbol of a wide object must carry the set's namespace in its name,
and no such object may run code when the program starts, before the set was chosen.
"""
import os
import re
import subprocess
import tempfile
import unittest

import house

WIDE_SETS = ("avx2", "avx512")
# One pointer or guard, the same bytes whatever the instruction set.
HARMLESS = re.compile(r"^(DW\.ref\.|vtable for __cxxabiv|typeinfo (name )?for (char|int|float|double))")


def symbols(path):
    """Yields (type, demangled name) for every symbol of an object file."""
    nm = os.environ.get("QKV_NM") or "nm"
    output = subprocess.run([nm, "--demangle", path], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        match = re.match(r"^[0-9a-f ]*\s([A-Za-z])\s(.+)$", line)
        if match:
            yield match.group(1), match.group(2)


def leaks(path, instruction_set):
    """What in an object file compiled for an instruction set could run on a machine without it."""
    found = []
    for kind, name in symbols(path):
        if kind in "WVu" and f"qkv::{instruction_set}::" not in name and not HARMLESS.match(name):
            found.append(f"{os.path.basename(path)}: the symbol `{name}` is weak and not in namespace "
                         f"qkv::{instruction_set}; the linker may give this copy to code for every machine.  "
                         "Use a plain loop or a function of the instruction set's own namespace instead.")
        if name.startswith("_GLOBAL__sub_I") or name.startswith("global constructors"):
            found.append(f"{os.path.basename(path)}: runs code when the program starts ({name}), before an "
                         "instruction set is chosen.  Make its globals constexpr or constinit.")
    return found


class KernelSymbols(unittest.TestCase):
    def test_wide_objects_leak_nothing(self):
        listed = os.path.join(os.environ["QKV_BUILD_DIR"], "kernel_objects.txt")
        with open(listed, encoding="utf-8") as lines:
            objects = [line.strip() for line in lines if line.strip()]
        if not objects:
            self.skipTest("this build has no kernels for wide instruction sets, or has sanitizers")
        found = []
        for instruction_set in WIDE_SETS:
            mine = [path for path in objects if f"/qkv_{instruction_set}.dir/" in path]
            self.assertTrue(mine, f"no object files for {instruction_set}")
            for path in mine:
                self.assertTrue(os.path.exists(path), f"not built: {path}")
                found += leaks(path, instruction_set)
        if found:
            self.fail("\n" + "\n".join(found))

    def test_a_leak_is_found(self):
        compiler = os.environ.get("QKV_CXX") or "g++"
        with tempfile.TemporaryDirectory() as folder:
            source, result = os.path.join(folder, "bad.cpp"), os.path.join(folder, "bad.o")
            with open(source, "w", encoding="utf-8") as file:
                file.write("template <class T> [[gnu::noinline]] T larger(T a, T b) { return a > b ? a : b; }\n"
                           "namespace qkv::avx2 {\n"
                           "template <class T> [[gnu::noinline]] T smaller(T a, T b) { return a > b ? b : a; }\n"
                           "int f(int a) { return larger(a, 3) + smaller(a, 4); }\n"
                           "extern int g(); int h = g();\n"
                           "}\n")
            subprocess.run([compiler, "-O1", "-c", source, "-o", result], check=True)
            found = leaks(result, "avx2")
        self.assertEqual(len(found), 2, found)
        self.assertIn("larger", found[0] + found[1])
        self.assertIn("when the program starts", found[0] + found[1])


if __name__ == "__main__":
    house.run()
