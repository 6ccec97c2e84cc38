#!/usr/bin/env python3
"""Checks that the rooms of qkv/ keep to their floors, and says in words what does not.

A room includes itself and rooms on lower floors, nothing else; so every room can be read, built and tested with
only what lies below it.  Also: include paths start at the root of the project and exist, a file of qkv/attention
has at most 300 lines, and no file is named after nothing in particular.

    scripts/check_floors.py [ROOT]      exit 0: all is well; 1: the lines printed say what is not
"""
import os
import re
import sys

# From the ground up.  Rooms of one floor do not include each other; EXCEPT says what may.
FLOORS = [
    ["base", "numbers"],
    ["kernels"],
    ["tensor"],
    ["attention", "linear_attention", "ops", "io"],
    ["autograd", "tokens", "tasks", "traced"],
    ["nn"],
    ["models", "distributed"],
    ["train", "generate"],
]
EXCEPT = {("numbers", "base")}
ABOVE = ["apps", "examples", "tests", "benchmarks"]  # include any room; no room includes them

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_ATTENTION_FILE = 300
EMPTY_NAMES = {"utils", "util", "utilities", "common", "misc", "helpers", "helper", "stuff"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def sources(root):
    """Paths of all C++ files of the project, relative to root, in order."""
    found = []
    for top in ["qkv"] + ABOVE:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            found += [os.path.relpath(os.path.join(folder, file), root)
                      for file in sorted(files) if file.endswith((".h", ".cpp", ".inl"))]
    return found


def room_of(path):
    """The room of a path qkv/<room>/..., else None."""
    parts = path.split("/")
    return parts[1] if parts[0] == "qkv" and len(parts) > 2 else None


def complaint_about_include(root, path, line, included):
    """A sentence, or None if the include is as it should be."""
    where = f"{path}:{line} includes \"{included}\""
    if included.split("/")[0] not in ["qkv"] + ABOVE:
        return (f"{where}, which does not start at the root of the project.  Write the whole path, for example "
                f"\"{os.path.normpath(os.path.join(os.path.dirname(path), included))}\".")
    if not os.path.exists(os.path.join(root, included)):
        return f"{where}, and there is no such file.  Is the name right, and is the file added?"
    room, other = room_of(path), room_of(included)
    if room is None or room == other:
        return None
    if room not in FLOOR_OF:
        return None  # said once, by complaints()
    if other is None:
        return (f"{where}: qkv/ is below {included.split('/')[0]}/ and does not know it.  Move what is needed into a "
                f"room, or pass it in as a callback.")
    if other not in FLOOR_OF:
        return None
    mine, its = FLOOR_OF[room], FLOOR_OF[other]
    if its < mine or (room, other) in EXCEPT:
        return None
    if its == mine:
        return (f"{where}: {room} and {other} are both on floor {mine}, and rooms of one floor do not include each "
                f"other.  Move what both need to a lower floor, or let a room above pass it from one to the other.")
    return (f"{where}: {room} is on floor {mine} and {other} on floor {its}, above it.  What a lower floor needs from "
            f"above arrives as a callback or an argument; or the function belongs on a higher floor.")


def complaints(root):
    """Everything that is not as it should be, a sentence each."""
    found = []
    rooms_unknown = set()
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            lines = file.read().splitlines()
        room = room_of(path)
        if room and room not in FLOOR_OF and room not in rooms_unknown:
            rooms_unknown.add(room)
            found.append(f"qkv/{room}/ has no floor.  Give it one in scripts/check_floors.py and in CONTRIBUTING.md.")
        stem = os.path.splitext(os.path.basename(path))[0]
        for name in [stem] + path.split("/")[:-1]:
            if name in EMPTY_NAMES:
                found.append(f"{path}: the name \"{name}\" says nothing about what is inside.  Name it after what it "
                             f"does, or move its functions to where they are used.")
        if room == "attention" and len(lines) > LONGEST_ATTENTION_FILE:
            found.append(f"{path} has {len(lines)} lines; a file of qkv/attention has at most "
                         f"{LONGEST_ATTENTION_FILE}, so that it can be read in one sitting.  Which part of it has a "
                         f"name of its own?")
        for number, text in enumerate(lines, 1):
            match = INCLUDE.match(text)
            if match:
                complaint = complaint_about_include(root, path, number, match.group(1))
                if complaint:
                    found.append(complaint)
    return found


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = complaints(root)
    for sentence in found:
        print(sentence)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
