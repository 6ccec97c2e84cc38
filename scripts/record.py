#!/usr/bin/env python3
"""Adds to a measurement what it was measured on, and keeps it in results/.

    scripts/record.py table NAME FILE.json       a table that a benchmark wrote: `what`, `columns`, `rows`,
                                                 `instruction_set`, `threads`, `command`
    scripts/record.py output NAME COMMAND ...    run a command and keep what it prints; the first word `qkv` means
                                                 $QKV_PROGRAM, by default build/release/qkv
    scripts/record.py again                      run every command that was kept so, again

Writes results/NAME.json; results/README.md describes it.  Then run scripts/figures.py.
"""
import datetime
import json
import os
import re
import shlex
import subprocess
import sys

import figures

ROOT = figures.ROOT


def first_match(pattern, path, otherwise):
    """The first group of the first match in a file."""
    try:
        with open(path, encoding="utf-8") as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        match = None
    return match.group(1).strip() if match else otherwise


def surroundings():
    """What a measurement is worth nothing without."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "qkv", "apps", "benchmarks")
    memory = int(first_match(r"^MemTotal:\s+(\d+)", "/proc/meminfo", "0"))
    return {
        "machine": {
            "processor": first_match(r"^model name\s*: (.+)$", "/proc/cpuinfo", "unknown processor"),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory / 2**20),
        },
        "commit": git("rev-parse", "--short=10", "HEAD") + (" with changes" if changed else ""),
        "date": datetime.date.today().isoformat(),
    }


def keep(name, result):
    """Writes results/NAME.json, if it is as it should be."""
    figures.check_result(name, result)
    path = os.path.join(ROOT, "results", name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(f"wrote results/{name}.json")


def output_of(command):
    """Runs a command; gives a result that holds what it printed."""
    program = os.environ.get("QKV_PROGRAM") or os.path.join(ROOT, "build", "release", "qkv")
    words = [program] + command[1:] if command[0] == "qkv" else command
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"record: {words[0]}: {error.strerror}")
    if done.returncode != 0:
        sys.exit(f"record: {shlex.join(command)} failed: {done.stderr.strip()}")
    return {"what": "what a command prints", "command": shlex.join(command), "output": done.stdout,
            "instruction_set": os.environ.get("QKV_ISA", "the widest of the machine"),
            "threads": int(os.environ.get("QKV_THREADS", len(os.sched_getaffinity(0))))}


def recorded_outputs():
    """{name: command} of the outputs in results/."""
    names = [file[:-5] for file in sorted(os.listdir(os.path.join(ROOT, "results"))) if file.endswith(".json")]
    results = {name: figures.load(name, ROOT) for name in names}
    return {name: shlex.split(result["command"]) for name, result in results.items() if "output" in result}


def main():
    match sys.argv[1:]:
        case ["table", name, path]:
            with open(path, encoding="utf-8") as file:
                found = {name: json.load(file)}
        case ["output", name, *command] if command:
            found = {name: output_of(command)}
        case ["again"]:
            found = {name: output_of(command) for name, command in recorded_outputs().items()}
        case _:
            sys.exit(__doc__.strip())
    try:
        for name, result in found.items():
            keep(name, result | surroundings())
    except figures.Mistake as mistake:
        sys.exit(f"record: {mistake}")


if __name__ == "__main__":
    main()
