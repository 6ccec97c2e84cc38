"""Doctests, examples and the package's pages."""

import ast
import doctest
import glob
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import unittest

import qkv

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Documents(unittest.TestCase):
    def test_doctests(self):
        tried = 0
        for module in pkgutil.iter_modules(qkv.__path__):
            if module.name in ("torch", "_native"):
                continue
            found = doctest.testmod(importlib.import_module("qkv." + module.name))
            self.assertEqual(found.failed, 0, module.name)
            tried += found.attempted
        self.assertGreater(tried, 15)

    def test_every_public_function_says_what_it_does(self):
        for name, value in vars(qkv).items():
            if not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
                self.assertTrue((value.__doc__ or "").strip(), name)

    def test_the_stubs_name_what_there_is_with_its_arguments(self):
        with open(os.path.join(os.path.dirname(qkv.__file__), "__init__.pyi"), encoding="utf-8") as file:
            stubs = {n.name: n for n in ast.parse(file.read()).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        public = {n: x for n, x in vars(qkv).items() if not n.startswith("_") and inspect.isfunction(x)}
        classes = {n for n, x in vars(qkv).items() if inspect.isclass(x) and n == x.__name__}
        self.assertEqual(classes - set(stubs), set())
        functions = {name for name, node in stubs.items() if isinstance(node, ast.FunctionDef)}
        self.assertEqual(functions, set(public))
        for name in functions:
            a = stubs[name].args
            told = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)}
            taken = {
                p.name
                for p in inspect.signature(public[name], follow_wrapped=False).parameters.values()
                if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            }
            if a.kwarg is not None and isinstance(a.kwarg.annotation, ast.Subscript):  # named once: Unpack[...]
                told |= {x.target.id for x in stubs[a.kwarg.annotation.slice.id].body}
            self.assertEqual(told, taken, name)

    def test_asking_for_torch_is_quiet_where_it_is_not(self):
        code = (
            "import sys; sys.modules['torch'] = None; import qkv; assert not hasattr(qkv, 'torch'); "
            "assert hasattr(qkv, 'flex') and hasattr(qkv, 'onnx') and not hasattr(qkv, 'tensorflow')\n"
            "try: qkv.torch\n"
            "except AttributeError as problem: print(problem)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("qkv.torch needs the package torch, which is not installed: pip install torch", done.stdout)

    def test_examples_run(self):
        paths = sorted(glob.glob(os.path.join(ROOT, "examples", "python", "*.py")))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(os.path.basename(path)):
                done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
                self.assertEqual(done.returncode, 0, done.stderr)
                with open(path, encoding="utf-8") as file:
                    expected = re.search(r"^# prints\n((?:# ?.*\n)+)", file.read(), re.MULTILINE)
                lines = [line[2:].rstrip() for line in expected.group(1).splitlines()]
                self.assertEqual(done.stdout.rstrip().splitlines(), lines)

    def test_the_code_of_the_page_runs(self):
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
            page = file.read()
        scope = {}
        for code in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
            if "import torch" in code and importlib.util.find_spec("torch") is None:
                continue
            exec(compile(code, "docs/python.md", "exec"), scope)


if __name__ == "__main__":
    unittest.main()
