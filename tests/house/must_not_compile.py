#!/usr/bin/env python3
"""Passes when a file fails to compile and the compiler says the sentence in the file's first line.

    must_not_compile.py FILE COMPILER [FLAG ...]

The first line of FILE is `// says: SENTENCE`.
"""
import re
import subprocess
import sys


def main():
    file, *compiler = sys.argv[1:]
    with open(file, encoding="utf-8") as lines:
        first = lines.readline()
    match = re.match(r"// says: (.+)", first)
    if not match:
        sys.exit(f"{file}: the first line must be `// says: SENTENCE`; it is {first!r}")
    sentence = match.group(1).strip()
    result = subprocess.run(compiler + [file], capture_output=True, text=True)
    if result.returncode == 0:
        sys.exit(f"{file}: compiles, and must not.  Expected the compiler to say: {sentence}")
    if sentence not in result.stderr:
        sys.exit(f"{file}: fails to compile, but not with the sentence: {sentence}\nThe compiler says:\n{result.stderr}")
    print(f"the compiler says: {sentence}")


if __name__ == "__main__":
    main()
