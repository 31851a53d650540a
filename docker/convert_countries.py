#!/usr/bin/env python3
"""Makes plain arrays of the pickled `countries.npy` of the globe TSP data set, once.

    convert_countries.py FOLDER...

FOLDER is one of globe_tsp/{5,10,20,40}_countries_from_100. Needs numpy (`pip install numpy`), on any
machine. Written beside `countries.npy`: `countries_flags.npy` (uint8, [n, 20, 40, 3]),
`countries_places.npy` (float64, [n, 2], longitude and latitude in degrees), `countries_names.txt`.

A pickle can run any code. This one is read by an unpickler that makes arrays and plain values only
and refuses everything else.
"""
import pathlib
import pickle
import sys

try:
    import numpy as np
except ImportError:
    sys.exit("convert_countries.py: numpy is missing: `pip install numpy`, here or on another machine")

ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (module, name) for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which no array needs")
        return super().find_class(module, name)


def load(path):
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.hasobject:
            # Arrays of Python 2 hold bytes; latin1 keeps each of them.
            return Unpickler(file, encoding="latin1").load()
    raise ValueError(f"it holds {shape} numbers of type {kind}, no pickled objects")


def parts(record):
    """Name, place and flag of a record: by these keys, or the three in this order."""
    if isinstance(record, (dict, np.void)):
        return record["name"], record["gps"], record["flag"]
    name, place, flag = record
    return name, place, flag


def convert(folder):
    records = [parts(record) for record in load(folder / "countries.npy")]
    names = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name, _, _ in records]
    places = np.array([[float(x) for x in place] for _, place, _ in records], dtype="<f8")
    flags = np.stack([np.asarray(flag, dtype=float) for _, _, flag in records])
    if flags.max() <= 1.0:
        flags *= 255.0
    if flags.shape[1:] != (20, 40, 3) or places.shape != (len(records), 2):
        raise ValueError(f"flags {flags.shape} and places {places.shape}; expected [n, 20, 40, 3] and [n, 2]")
    np.save(folder / "countries_flags.npy", np.ascontiguousarray(flags.round().clip(0, 255).astype("u1")))
    np.save(folder / "countries_places.npy", places)
    lines = (" ".join(name.split()) or "?" for name in names)
    (folder / "countries_names.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{folder}: {len(records)} countries")


def main(folders):
    if not folders or folders[0] in ("-h", "--help"):
        sys.exit(__doc__)
    for folder in map(pathlib.Path, folders):
        try:
            convert(folder)
        except (OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
            sys.exit(f"convert_countries.py: {folder / 'countries.npy'}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
