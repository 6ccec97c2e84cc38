#!/usr/bin/env python3
"""The Python package: pip makes its wheel, the wheel is small, and its tests, doctests and examples pass.

It is built in a folder of its own, $QKV_BUILD_DIR/python, against the library that is already there.  What building it
needs comes from PyPI the first time; without a network the tests are skipped, aloud.
"""
import glob
import os
import shutil
import subprocess
import sys
import unittest

import house

NEEDED = ["nanobind>=2.4", "scikit-build-core>=0.10", "ninja", "numpy>=1.23"]
USEFUL = ["ml_dtypes"]
LARGEST_WHEEL = 15 << 20


def run(arguments, **more):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=850, **more)


class PythonPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        build = os.environ.get("QKV_BUILD_DIR", "")
        library = os.path.join(build, "libqkv.a")
        if not os.path.exists(library):
            raise unittest.SkipTest("the library is not built; $QKV_BUILD_DIR says where")
        if "QKV_SANITIZERS:STRING=\n" not in house.read(os.path.join(build, "CMakeCache.txt")):
            raise unittest.SkipTest("a module with sanitizers does not load into a Python without them")
        cls.folder = os.path.join(build, "python")
        cls.python = os.path.join(cls.folder, "venv", "bin", "python")
        cls.make_environment()
        cls.install(build)

    @classmethod
    def make_environment(cls):
        ready = os.path.join(cls.folder, "venv", "ready")
        if os.path.exists(ready):
            return
        shutil.rmtree(os.path.join(cls.folder, "venv"), ignore_errors=True)
        # PyTorch is not fetched for a test, but where the system has it, the tests use it.
        made = run([sys.executable, "-m", "venv", "--system-site-packages", os.path.dirname(os.path.dirname(cls.python))])
        if made.returncode != 0:
            raise unittest.SkipTest("python3 -m venv does not work here (on Debian: apt-get install python3-venv)")
        pip = [cls.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        got = run(pip + NEEDED)
        if got.returncode != 0:
            lines = got.stderr.strip().splitlines() or ["no reason given"]
            raise unittest.SkipTest(f"pip cannot get {', '.join(NEEDED)}: {lines[-1]}")
        run(pip + USEFUL)
        with open(ready, "w", encoding="utf-8"):
            pass

    @classmethod
    def install(cls, build):
        wheels = os.path.join(cls.folder, "wheels")
        shutil.rmtree(wheels, ignore_errors=True)
        settings = [f"build-dir={cls.folder}/build", f"cmake.define.QKV_BUILT={build}"]
        made = run([cls.python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--disable-pip-version-check",
                    "-w", wheels, *(f"--config-settings={s}" for s in settings), os.path.join(house.ROOT, "python")],
                   env=dict(os.environ, PATH=os.path.dirname(cls.python) + os.pathsep + os.environ["PATH"]))
        if made.returncode != 0:
            raise AssertionError(f"pip wheel ./python failed:\n{made.stdout[-4000:]}\n{made.stderr[-4000:]}")
        cls.wheel, = glob.glob(os.path.join(wheels, "qkv-*.whl"))
        done = run([cls.python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", cls.wheel])
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def test_the_wheel_is_small_and_needs_numpy_alone(self):
        self.assertLess(os.path.getsize(self.wheel), LARGEST_WHEEL)
        found = run([self.python, "-c", "import importlib.metadata as m; print([r for r in m.requires('qkv') if 'extra' not in r])"])
        self.assertRegex(found.stdout, r"^\['numpy[^,]*'\]\n$")

    def test_its_own_tests_pass(self):
        # From another folder: the package under test is the installed one, not python/qkv.
        done = run([self.python, "-m", "unittest", "discover", "-s", os.path.join(house.ROOT, "python", "tests"), "-v"],
                   cwd=self.folder, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        self.assertEqual(done.returncode, 0, done.stderr[-8000:])
        for line in done.stderr.splitlines():
            if " skipped " in line:
                print(line, flush=True)


if __name__ == "__main__":
    house.run()
