#!/usr/bin/env python3
"""Every comparison with other implementations, as one table: data/results/bench.csv and bench.md.

    docker compose run --rm lab bench [--only GROUP,...] [--rounds N] [--no-vanilla] [--out FOLDER]

Ours and the peers alternate, each in a process of its own, with pinned versions. A group that cannot
run is named in the table with the cure; where --only leaves one out, its earlier rows stay with their
date. The first run installs Python's peers (6 GB) in $SOLVERGRAD_PEERS, data/peers of the checkout,
and has vanilla evcxr compile its crates there (20 minutes; --no-vanilla). `-e SOLVERGRAD_COMMIT=...`
names the commit. `python3 docker/checks/bench_table.py --write` on the host takes the table into README.md.
"""
import argparse
import csv
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import bench_solvers
import bench_steps
from bench_solvers import FOLDER, PINS, PYEPO, environment, machine

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "checks"))
import bench_table  # noqa: E402  (its folder is named above)

# Titles of bench_solvers' cases, by their builder.
TITLES = {"terrain": "shortest path, n x n tiles", "assignment": "assignment of n", "matching": "perfect matching of n",
          "tour": "tour of n", "quadratic_assignment": "quadratic assignment of n",
          "key_points": "matching of 10 to n key points", "subset": "10 cheapest of n", "ranking": "ranks of n"}
MAPS = 420


class LeftOut(Exception):
    """Why a group cannot run, with the cure."""


class Failed(Exception):
    """What went wrong in a group that ran."""


def called(script, *arguments):
    """Runs one of the scripts beside this one, its progress shown."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        for text in process.stdout:
            sys.stderr.write(text)
            said = [*said[-200:], text.strip()]
    if process.returncode:
        mismatches = [text for text in said if text.startswith("MISMATCH")]
        last = next((text for text in reversed(said) if text), "without a word")
        raise Failed("; ".join(mismatches) or last.rstrip("."))


def solvers(problem, options, scratch):
    more = ["--pyepo"] if problem == "grid" and "pyepo" in options.installed else []
    called("bench_solvers.py", "--only", problem, "--rounds", options.rounds, "--out", scratch, *more)
    rows = bench_table.read(f"{scratch}/solver_benchmark.csv")
    cases = {title.format(size): (TITLES[build.__name__], size)
             for build, (_, title, sizes) in bench_solvers.CASES.items() for size in sizes}
    costs = {row["case"]: float(row["objective"]) for row in rows if row["solver"] == bench_table.OURS and row["objective"]}
    for row in rows:
        (case, size), who = cases[row["case"]], row["solver"].removesuffix(" (not exact)").replace("pyepo ", "PyEPO ")
        ours = who == bench_table.OURS
        exact = "gap" not in row["note"] if ours else not row["solver"].endswith(" (not exact)")
        note = row["note"] if not ours else ""
        if not exact and not ours and row["objective"] and row["case"] in costs:
            cost = costs[row["case"]]
            note = f"{100 * (float(row['objective']) - cost) / abs(cost):+.1f} %"
        yield {"case": case, "size": size, "who": who, "version": row["version"], "exact": "yes" if exact else "no",
               "round": row["round"], "value": row["microseconds"], "unit": "µs", "note": note}


def steps(group, options, scratch):
    found = bench_steps.recall_folder(options.recall_peer)
    if group == "recall" and not found:
        raise LeftOut("no checkout of its peer: git clone https://github.com/martius-lab/blackbox-backprop data/peers/blackbox-backprop, "
                      "or --recall-peer FOLDER")
    more = ["--recall-peer", found[0]] if found else []
    called("bench_steps.py", "--only", group, "--rounds", options.rounds, "--out", scratch, *more)
    for row in bench_table.read(f"{scratch}/steps.csv"):
        yield row | {"value": row["milliseconds"], "unit": "ms"}


def warcraft(_, options, scratch):
    methods = {"ours-identity": ("Identity", "SolverGrad"), "Identity": ("Identity", "PyEPO"),
               "ours-blackbox": ("Blackbox", "SolverGrad"), "DBB": ("Blackbox", "PyEPO")}
    called("bench_warcraft.py", "--maps", MAPS, "--rounds", options.rounds, "--methods", ",".join(methods), "--out", scratch)
    for row in bench_table.read(f"{scratch}/03_warcraft_epoch.csv"):
        size, who = methods[row["method"]]
        yield {"case": "epoch of Warcraft, 12 x 12 tiles", "size": size, "who": who, "version": row["version"].removeprefix("pyepo "),
               "round": int(row["round"]) + 1, "value": row["epoch_seconds"], "unit": "s"}


def kernel(_, options, scratch):
    called("bench_kernel.py", "--rounds", options.rounds, "--out", scratch, *["--ours-only"] * options.no_vanilla)
    yield from bench_table.read(f"{scratch}/kernel.csv")
    if options.no_vanilla:
        yield {"note": "vanilla evcxr: run without --no-vanilla"}


def image(*_):
    path = HERE.parent / "data/results/image.csv"
    if not path.exists():
        raise LeftOut("no data/results/image.csv: .ci/run measures and writes it")
    for row in bench_table.read(path):
        yield row | {"who": bench_table.OURS, "round": 1, "load": ""}


SOLVERS = list(dict.fromkeys(problem for problem, _, _ in bench_solvers.CASES.values()))
STEPS = list(dict.fromkeys(case.group for case in bench_steps.cases()))
GROUPS = dict.fromkeys(SOLVERS, solvers) | dict.fromkeys(STEPS, steps) | {"warcraft": warcraft, "kernel": kernel, "image": image}
NEEDS = dict.fromkeys(SOLVERS, "solvers") | dict.fromkeys([*STEPS, "warcraft"], "pyepo")


def installed(groups):
    """The environments of peers that are there, or could be installed."""
    found = []
    for name, pins in (("solvers", PINS), ("pyepo", PYEPO)):
        if any(NEEDS.get(group) == name for group in groups):
            try:
                environment(name, pins)
                found.append(name)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"peers {name}: {error}", file=sys.stderr)
    return found


def measured(group, options):
    """Rows of a group; one that tells why where it cannot run. And whether it failed."""
    common = {"group": group, "date": time.strftime("%Y-%m-%d"), "commit": os.environ.get("SOLVERGRAD_COMMIT", ""),
              "machine": machine(), "load": f"{os.getloadavg()[0]:.2f}", "exact": "yes"}
    print(f"== {group}", file=sys.stderr, flush=True)
    try:
        if NEEDS.get(group, "solvers") not in options.installed and group in NEEDS:
            raise LeftOut(f"its peers could not be installed from PyPI in {FOLDER}: connect to the network, or let "
                          "SOLVERGRAD_PEERS name a folder that has them")
        with tempfile.TemporaryDirectory() as scratch:
            return [common | row for row in GROUPS[group](group, options, scratch)], False
    except LeftOut as reason:
        return [common | {"note": str(reason)}], False
    except (Failed, OSError, ValueError, KeyError) as reason:
        return [common | {"note": f"failed: {reason}"}], True


def merged(earlier, new):
    """The rows of `new`, and the earlier ones of groups that are not in it, in the order of the groups."""
    again = {row["group"] for row in new}
    rows = [*new, *(row for row in earlier if row["group"] not in again)]
    return sorted(rows, key=lambda row: list(GROUPS).index(row["group"]) if row["group"] in GROUPS else len(GROUPS))


def write(rows, folder):
    text = io.StringIO()
    writer = csv.DictWriter(text, bench_table.COLUMNS, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    bench_table.write(f"{folder}/bench.csv", text.getvalue())
    page = bench_table.TITLE + bench_table.body(bench_table.read(f"{folder}/bench.csv"))
    bench_table.write(f"{folder}/bench.md", page)
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), metavar="GROUP,...", help="of %(default)s")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="[%(default)s]")
    parser.add_argument("--no-vanilla", action="store_true", help="leave vanilla evcxr out of the kernel's times")
    parser.add_argument("--recall-peer", metavar="FOLDER", help="a checkout of github.com/martius-lab/blackbox-backprop")
    parser.add_argument("--out", default="/lab/data/results" if os.path.isdir("/lab/data/results") else ".", metavar="FOLDER",
                        help="folder of bench.csv and bench.md [%(default)s]")
    options = parser.parse_args()
    groups, options.rounds = options.only.split(","), max(options.rounds, 1)
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}: take some of {', '.join(GROUPS)}")
    os.makedirs(options.out, exist_ok=True)
    path = f"{options.out}/bench.csv"
    rows, wrong, start = bench_table.read(path) if os.path.exists(path) else [], [], time.monotonic()
    options.installed = installed(groups)
    for group in GROUPS:
        if group in groups:
            new, failed = measured(group, options)
            wrong += [group] * failed
            rows = merged(rows, new)
            page = write(rows, options.out)  # After each, so that what was measured is kept.
    print(f"{page}\n{time.monotonic() - start:.0f} s; each measurement: {path}")
    sys.exit(f"failed: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
