"""What the tests of the house share."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))


def read(path):
    """The text of a file of the project."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def run():
    """Runs the tests of the calling file; tells ctest of a skipped one, with the reason."""
    result = unittest.main(exit=False).result
    sys.stderr.flush()
    for test, reason in result.skipped:
        print(f"\n{test.id()}: Skipped\n{reason}", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)
