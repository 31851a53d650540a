#!/usr/bin/env python3
"""Empties the sources of crates that this platform never compiles (half of all bytes), and the
tests of those that it does.

`cargo metadata`, which the notebook kernel asks for, wants the manifest of every crate in the lock
file, those of other operating systems included, and rust-analyzer reads all sources it is shown.
Manifests and empty target files satisfy both.
"""
import json
import os
import pathlib
import shutil
import subprocess

TARGET = "x86_64-unknown-linux-gnu"


def metadata(*arguments):
    command = ["cargo", "metadata", "--offline", "--format-version=1", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


# What is never compiled of the crates that are: emptied, since cargo wants to see target files.
UNUSED = ("tests", "test-macros", "benches", "examples", "testdata", "fuzz")
# Sources for other processors, which the one crate with many of them keeps in folders of their name.
OTHER_PROCESSORS = ("linux-raw-sys", "x86_64")

everything = metadata()["packages"]
here = metadata("--filter-platform", TARGET)
needs = {node["id"]: node["dependencies"] for node in here["resolve"]["nodes"]}
# The kernel is compiled elsewhere: its crates are not wanted here.
used = {package["id"] for package in here["packages"] if package["name"] in ("solvergrad", "stack")}
queue = list(used)
while queue:
    new = set(needs[queue.pop()]) - used
    used |= new
    queue += new
for package in everything:
    if not package["source"]:
        continue
    manifest = pathlib.Path(package["manifest_path"])
    if package["id"] in used:
        for path in manifest.parent.glob("*/**/*"):
            if path.relative_to(manifest.parent).parts[0] in UNUSED and path.is_file():
                path.write_bytes(b"")
        if package["name"] == OTHER_PROCESSORS[0]:
            for folder in manifest.parent.glob("src/*/"):
                if folder.is_dir() and folder.name != OTHER_PROCESSORS[1]:
                    shutil.rmtree(folder)
        continue
    for entry in manifest.parent.iterdir():
        if entry.name in ("Cargo.toml", ".cargo-ok"):
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for target in package["targets"]:
        path = pathlib.Path(target["src_path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

# Archives that have been unpacked: cargo counts a crate as present while its file is not empty.
for archive in pathlib.Path(os.environ["CARGO_HOME"]).glob("registry/cache/*/*.crate"):
    archive.write_bytes(b"unpacked")
