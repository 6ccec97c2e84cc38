#!/usr/bin/env python3
"""Scores translators by the length of what they translate, and keeps the figures in results/.

    scripts/by_length.py NAME SOURCE REFERENCE TITLE=MODEL ...

Cuts SOURCE, a text a line, into five parts of about equal size by its lines' numbers of words, lets `qkv translate`
score every model on every part (lower-cased sacreBLEU, greedy), and writes results/NAME.json.  $QKV_PROGRAM is the
program, by default build/release/qkv.  Then run scripts/plot_results.py.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

import figures
import record

PARTS = 5
PROGRAM = os.environ.get("QKV_PROGRAM", os.path.join(figures.ROOT, "build", "release", "qkv"))


def read(path):
    """The lines of a text."""
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def parts_of(source, reference):
    """[(least words, most words, pairs)] with every length in one part only."""
    pairs = sorted(zip(source, reference), key=lambda pair: len(pair[0].split()))
    parts, begin = [], 0
    for n in range(PARTS):
        end = max(begin + 1, len(pairs) * (n + 1) // PARTS)
        while end < len(pairs) and len(pairs[end][0].split()) == len(pairs[end - 1][0].split()):
            end += 1
        if begin < len(pairs):
            part = pairs[begin:end]
            parts.append((len(part[0][0].split()), len(part[-1][0].split()), part))
        begin = end
    return parts


def score(model, pairs):
    """Lower-cased BLEU of a model's greedy translations."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("source", "reference")]
        for path, side in zip(paths, (0, 1)):
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(pair[side] + "\n" for pair in pairs)
        done = subprocess.run([PROGRAM, "translate", "--model", model, "--beam", "1", "--file", paths[0], "--reference",
                               paths[1], "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"by_length: {done.stderr.strip()}")
    return json.loads(done.stdout)["scores"]["bleu_lower_case"]


def seed_of(model):
    """What the model's training drew from."""
    done = subprocess.run([PROGRAM, "inspect", model, "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"by_length: {done.stderr.strip()}")
    return json.loads(done.stdout)["training"]["seed"]


def main():
    if len(sys.argv) < 5 or any("=" not in argument for argument in sys.argv[4:]):
        sys.exit(__doc__)
    name, source, reference = sys.argv[1:4]
    models = [argument.split("=", 1) for argument in sys.argv[4:]]
    seeds = {seed_of(model) for _, model in models}
    if len(seeds) != 1:
        sys.exit(f"by_length: expected models of one seed; found {', '.join(map(str, sorted(seeds)))}")
    rows = []
    for least, most, pairs in parts_of(read(source), read(reference)):
        row = {"name": f"{least} to {most} words", "words": sum(len(pair[0].split()) for pair in pairs) / len(pairs),
               "texts": len(pairs)}
        for number, (_, model) in enumerate(models):
            row[f"model{number}"] = score(model, pairs)
        rows.append(row)
        print(json.dumps(row))
    columns = [{"key": "words", "title": "words, mean", "digits": 1}, {"key": "texts", "title": "texts"}]
    columns += [{"key": f"model{number}", "title": title, "digits": 1} for number, (title, _) in enumerate(models)]
    command = ["scripts/by_length.py", name, os.path.basename(source), os.path.basename(reference)]
    command += [f"{title}={os.path.basename(os.path.normpath(model))}" for title, model in models]
    result = {"what": "lower-cased sacreBLEU (13a), greedy, by the length of the source", "columns": columns, "rows": rows,
              "command": shlex.join(command), "instruction_set": os.environ.get("QKV_ISA", "the widest of the machine"),
              "threads": int(os.environ.get("QKV_THREADS", len(os.sched_getaffinity(0)))), "seed": seeds.pop()}
    record.keep(name, result | record.surroundings())


if __name__ == "__main__":
    main()
