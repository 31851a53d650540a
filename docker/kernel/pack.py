#!/usr/bin/env python3
"""Packs files in place, or unpacks them, dates and modes kept: what the compiler remembers of the library.

    pack.py pack FILE...        FILE becomes FILE.xz
    pack.py unpack FILE.xz...   and back
"""
import lzma
import os
import shutil
import sys

command, *paths = sys.argv[1:]
for path in paths:
    target = f"{path}.xz" if command == "pack" else path.removesuffix(".xz")
    # Whatever the level, unpacked in a second or two.
    source, sink = (open(path, "rb"), lzma.open(target, "wb", preset=6)) if command == "pack" else (lzma.open(path), open(target, "wb"))
    with source, sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    shutil.copystat(path, target)
    os.remove(path)
