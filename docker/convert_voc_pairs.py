#!/usr/bin/env python3
"""Makes text files of the pickled split of the Pascal VOC keypoints, `voc2011_pairs.npz`, once.

    convert_voc_pairs.py FILE

On any machine. Written beside FILE: `train.txt` and `test.txt`, a line for each thing, category by
category, like `aeroplane/2008_008467_1.xml`. The file has to be the published one, by its SHA-256, and to
hold as many things of each category as were counted in it; else nothing is written.

A pickle can run any code. This one is read by an unpickler that makes lists and texts only, and in the
place of arrays and their kinds plain records; it refuses everything else and needs no numpy.
"""
import hashlib
import io
import os
import pathlib
import pickle
import re
import sys
import zipfile

SHA256 = "ef2f8767c15a13db9694268e6a00fd8ddaf06687b733d4d50d9acf4f87469179"

# Things to train on and to test on.
COUNTS = {
    "aeroplane": (703, 208), "bicycle": (597, 156), "bird": (935, 184), "boat": (705, 145),
    "bottle": (1084, 245), "bus": (535, 103), "car": (1637, 467), "cat": (1015, 251),
    "chair": (1486, 404), "cow": (524, 118), "diningtable": (354, 114), "dog": (1247, 324),
    "horse": (593, 167), "motorbike": (606, 157), "person": (3326, 842), "pottedplant": (840, 215),
    "sheep": (706, 172), "sofa": (465, 101), "train": (510, 118), "tvmonitor": (685, 154)}

NAME = re.compile(r"[a-z]+/[0-9A-Za-z_]+_[0-9]+\.xml")


class Kind:
    """In the place of a numpy dtype."""
    def __init__(self, *_):
        pass

    def __setstate__(self, _):
        pass


class Array:
    """In the place of a numpy array of objects."""
    content = None

    def __setstate__(self, state):
        _, self.shape, _, _, self.content = state


def reconstruct(*_):
    return Array()


ALLOWED = {("numpy", "ndarray"): Array, ("numpy", "dtype"): Kind} | {
    (module, "_reconstruct"): reconstruct
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which no list of names needs")
        return ALLOWED[module, name]


def lists(npy):
    """The lists of an array of objects in numpy's own format: a header, then a pickle."""
    if npy[:6] != b"\x93NUMPY":
        raise ValueError("a part of it is no array of numpy")
    width = 2 if npy[6] == 1 else 4
    start = 8 + width + int.from_bytes(npy[8:8 + width], "little")
    if b"|O" not in npy[8 + width:start]:
        raise ValueError("a part of it holds no pickled objects")
    # Texts of Python 2 are bytes; latin1 keeps each of them.
    array = Unpickler(io.BytesIO(npy[start:]), encoding="latin1").load()
    content = array.content if isinstance(array, Array) else None
    if not isinstance(content, list) or not all(isinstance(names, list) for names in content):
        raise ValueError("it holds no lists of names")
    return content


def split(data):
    """{"train": names, "test": names} of the bytes of the file."""
    parts = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for place, part in enumerate(("train", "test")):
            found = lists(archive.read(f"{part}.npy"))
            names = [name for of_category in found for name in of_category]
            for name in names:
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    raise ValueError(f"{part} holds {name!r}, which is no name like aeroplane/2008_008467_1.xml")
            for category, expected in COUNTS.items():
                count = sum(name.split("/")[0] == category for name in names)
                if count != expected[place]:
                    raise ValueError(f"{part} holds {count} of {category}; expected {expected[place]}")
            if len(names) != sum(expected[place] for expected in COUNTS.values()):
                raise ValueError(f"{part} holds {len(names)} names, some of them of other categories")
            parts[part] = names
    return parts


def write(path, text):
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def convert(path):
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise ValueError(f"its SHA-256 is {digest}; expected {SHA256}: get it again")
    for part, names in split(data).items():
        target = path.with_name(f"{part}.txt")
        write(target, "".join(f"{name}\n" for name in names))
        print(f"{target}: {len(names)} names")


def main(arguments):
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        sys.exit(__doc__)
    path = pathlib.Path(arguments[0])
    try:
        convert(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError,
            zipfile.BadZipFile, pickle.UnpicklingError) as error:
        sys.exit(f"convert_voc_pairs.py: {path}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
