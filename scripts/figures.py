#!/usr/bin/env python3
"""Fills the figures of the documents from results/*.json, so that no figure is typed by hand.

    scripts/figures.py            fill every marked region of README.md, docs/ and the rooms' READMEs
    scripts/figures.py --check    change nothing; exit 1 and say where text and results differ

A region is one of

    <!-- figures:NAME -->...<!-- end -->           the table of results/NAME.json, and what it was measured on
    <!-- output:NAME -->...<!-- end -->            the recorded output in results/NAME.json, with its command
    <!-- figure:NAME:ROW:COLUMN -->...<!-- end --> one figure, within a line

With a question mark, `figures?:NAME` or `output?:NAME`, the region says "not measured yet" where there is no such file.

results/README.md describes the files.
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REGION = re.compile(r"(<!-- (figures\??|figure|output\??):(\S+) -->)(.*?)(<!-- end -->)", re.DOTALL)
ALWAYS = {"what": str, "machine": dict, "instruction_set": str, "threads": int, "commit": str, "date": str,
          "command": str}


class Mistake(Exception):
    """A results file or a region that is not as it should be; the message says what and where."""


def check_result(name, result):
    """Throws Mistake if a results file is not as results/README.md says."""
    where = f"results/{name}.json"
    for key, kind in ALWAYS.items():
        if not isinstance(result.get(key), kind) or result[key] == "":
            raise Mistake(f"{where}: `{key}` is missing or is not a {kind.__name__}")
    if not {"processor", "cores"} <= set(result["machine"]):
        raise Mistake(f"{where}: `machine` lacks `processor` or `cores`")
    if name.startswith("learning_") and not isinstance(result.get("seed"), int):
        raise Mistake(f"{where}: `seed` is missing or is not an int; what is learned depends on it")
    if "output" not in result and "rows" not in result:
        raise Mistake(f"{where}: there is neither `rows` nor `output`")
    if "rows" in result:
        keys = [column["key"] for column in result.get("columns", [])]
        if not keys or not all({"key", "title"} <= set(column) for column in result["columns"]):
            raise Mistake(f"{where}: `columns` must say a `key` and a `title` for every column")
        names = [row.get("name") for row in result["rows"]]
        if None in names or len(set(names)) != len(names):
            raise Mistake(f"{where}: every row needs a `name` of its own")
        for row in result["rows"]:
            for key in row:
                if key != "name" and key not in keys:
                    raise Mistake(f"{where}: the row {row['name']} has `{key}`, which no column describes")


def load(name, root):
    """The checked contents of results/NAME.json."""
    path = os.path.join(root, "results", name + ".json")
    if not os.path.exists(path):
        raise Mistake(f"there is no results/{name}.json")
    with open(path, encoding="utf-8") as file:
        try:
            result = json.load(file)
        except ValueError as error:
            raise Mistake(f"results/{name}.json: {error}") from error
    check_result(name, result)
    return result


def shown(value, column):
    """A figure as text: as many digits as its column asks for."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,.{column.get('digits', 0)}f}" + column.get("unit", "")


def origin(result):
    """One line: what was measured on what."""
    machine = result["machine"]
    seed = f"seed {result['seed']}; " if "seed" in result else ""
    return (f"{machine['processor']}, {machine['cores']} cores; instruction set {result['instruction_set']}, "
            f"{result['threads']} threads; {seed}commit {result['commit']}, {result['date']}; `{result['command']}`")


def table(result):
    """A Markdown table of the rows, and its origin."""
    columns = result["columns"]
    lines = ["| " + " | ".join([result["what"]] + [column["title"] for column in columns]) + " |",
             "|---" + "|--:" * len(columns) + "|"]
    for row in result["rows"]:
        lines.append("| " + " | ".join([row["name"]] + [shown(row.get(c["key"]), c) for c in columns]) + " |")
    return "\n" + "\n".join(lines) + "\n\nMeasured on: " + origin(result) + ".\n"


def output(result):
    """A fenced block: the command and what it printed."""
    return f"\n```text\n$ {result['command']}\n{result['output'].strip(chr(10))}\n```\n"


def contents(kind, argument, root):
    """What belongs into a region."""
    name, *rest = argument.split(":")
    if kind.endswith("?"):
        kind = kind[:-1]
        if not os.path.exists(os.path.join(root, "results", name + ".json")):
            return f"\nNot measured yet: `{name}`.\n"
    result = load(name, root)
    if kind == "figures":
        if "rows" not in result:
            raise Mistake(f"results/{name}.json has no `rows`")
        return table(result)
    if kind == "output":
        if "output" not in result:
            raise Mistake(f"results/{name}.json has no `output`")
        return output(result)
    if len(rest) != 2:
        raise Mistake(f"`figure:{argument}` must be figure:NAME:ROW:COLUMN, with _ for each space of ROW")
    rows = {row["name"].replace(" ", "_"): row for row in result.get("rows", [])}
    columns = {column["key"]: column for column in result.get("columns", [])}
    if rest[0] not in rows or rest[1] not in columns or rest[1] not in rows[rest[0]]:
        raise Mistake(f"results/{name}.json has no figure {rest[0]} : {rest[1]}")
    return shown(rows[rest[0]][rest[1]], columns[rest[1]])


def filled(text, root):
    """A document with every region as it should be."""
    return REGION.sub(lambda m: m.group(1) + contents(m.group(2), m.group(3), root) + m.group(5), text)


def documents(root):
    """The documents that may have regions, relative to root."""
    found = ["README.md"]
    for top in ("docs", "qkv", "benchmarks"):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            found += [os.path.relpath(os.path.join(folder, f), root) for f in sorted(files) if f.endswith(".md")]
    return [path for path in found if os.path.exists(os.path.join(root, path))]


def differences(root, mend=False):
    """Sentences about documents that differ from the results; with mend, the documents are changed."""
    found = []
    for name in sorted(os.listdir(os.path.join(root, "results"))):
        if name.endswith(".json"):
            try:
                load(name[:-5], root)
            except Mistake as mistake:
                found.append(str(mistake))
    for path in documents(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        try:
            right = filled(text, root)
        except Mistake as mistake:
            found.append(f"{path}: {mistake}")
            continue
        if right == text:
            continue
        if mend:
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(right)
            continue
        for old, new in zip(REGION.finditer(text), REGION.finditer(right)):
            if old.group(4) != new.group(4):
                found.append(f"{path}: {old.group(1)} differs from results/; run scripts/figures.py")
    return found


def main():
    found = differences(ROOT, mend="--check" not in sys.argv[1:])
    for sentence in found:
        print(sentence)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
