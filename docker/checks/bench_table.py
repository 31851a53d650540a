#!/usr/bin/env python3
"""The table of data/results/bench.csv, and whether bench.md and README.md hold it.

    python3 docker/checks/bench_table.py [--root FOLDER] [--write]

bench.csv has a measurement a row. bench.md is made of it, and the block of README.md between
`<!-- bench -->` and `<!-- /bench -->` is bench.md below its title. --write puts both in order.
"""
import argparse
import csv
import os
import pathlib
import re
import statistics
import sys

COLUMNS = ["group", "case", "size", "who", "version", "exact", "round", "value", "unit", "note", "date", "commit",
           "machine", "load"]
OURS = "SolverGrad"
TITLE = "# Beside other implementations\n\n"
CAPTION = ("Medians. Ratio: ours / the fastest peer of the same task, < 1 is ahead. One thread unless said; peers that prove nothing "
           "are in italics, with what their solutions cost more, and * is not proved optimal.")
BLOCK = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path, text):
    with open(f"{path}.part", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(f"{path}.part", path)


def short(value):
    """Three digits, thousands apart."""
    if value is None:
        return "-"
    return f"{value:,.0f}".replace(",", " ") if value >= 999.5 else f"{value:.3g}"


def median(rows):
    """Of the rounds; none where one of them has no value (a solver was stopped)."""
    values = [row["value"] for row in rows]
    return statistics.median(map(float, values)) if values and all(str(value) != "" for value in values) else None


def ratio(ours, peers):
    """Ours / the least of the peers that have a value; none where there is nothing to compare."""
    peers = [value for value in peers if value is not None]
    return ours / min(peers) if ours is not None and peers else None


def unique(values):
    return list(dict.fromkeys(values))


def line(rows):
    """The line of one case: a number for each of its sizes, ours and the peers', and the ratios."""
    sizes = unique(row["size"] for row in rows)

    def of(who):
        return [[row for row in rows if row["who"] == who and row["size"] == size] for size in sizes]

    def numbers(who):
        return " / ".join(short(median(cell)) + "*" * (who == OURS and any(row["exact"] == "no" for row in cell)) for cell in of(who))

    names = unique(row["who"] for row in rows)
    variants = [f"{name[len(OURS) + 2:]} {numbers(name)}" for name in names if name.startswith(f"{OURS}, ")]
    peers = [name for name in names if not name.startswith(OURS)]
    told = []
    for name in peers:
        notes = [cell[-1]["note"] if cell else "" for cell in of(name)]
        text = f"{name} {numbers(name)}" + (f" ({' / '.join(note or '-' for note in notes)})" if any(notes) else "")
        told.append(text if any(row["exact"] == "yes" for row in rows if row["who"] == name) else f"*{text}*")
    ratios = []
    for place in range(len(sizes)):
        cells = [of(name)[place] for name in peers]
        ratios.append(ratio(median(of(OURS)[place]), [median(cell) for cell in cells if cell and cell[0]["exact"] == "yes"]))
    sized = f": {' / '.join(sizes)}" if any(sizes) else ""
    ours = numbers(OURS) + (f" ({', '.join(variants)})" if variants else "")
    return f"| {rows[0]['case']}{sized} | {rows[0]['unit']} | {ours} | {', '.join(told) or '-'} | {' / '.join(map(short, ratios))} |"


def body(rows):
    """What bench.md holds below its title."""
    measured = [row for row in rows if row["case"]]
    cases = unique((row["group"], row["case"]) for row in measured)
    table = ["| task | unit | ours | peers | ratio |", "|---|---|---|---|---|",
             *(line([row for row in measured if (row["group"], row["case"]) == case]) for case in cases)]
    runs = []
    for machine, commit, date in unique((row["machine"], row["commit"], row["date"]) for row in measured):
        part = [row for row in measured if (row["machine"], row["commit"], row["date"]) == (machine, commit, date)]
        loads = [float(row["load"]) for row in part if row["load"]]
        load = f", load average {min(loads):.1f} to {max(loads):.1f}" if loads else ""
        rounds = len(unique(row["round"] for row in part))
        runs.append(f"{', '.join(unique(row['group'] for row in part))}: {date}{f', commit {commit}' if commit else ''}"
                    f"{f', {machine}' if machine else ''}, {rounds} round{'s' * (rounds > 1)}{load}.")
    versions = unique(f"{row['who'].split(',')[0].split(' ')[0]} {row['version']}" for row in measured if row["version"])
    left_out = [f"{row['group']}, {row['note']}" for row in rows if not row["case"]]
    told = [CAPTION, f"Versions: {', '.join(versions)}.", "Measured:", *runs] + [f"Left out: {'; '.join(left_out)}."] * bool(left_out)
    return "\n".join([*table, "", " ".join(told)]) + "\n"


def problems(root, repair=False):
    """What is not as bench.csv has it."""
    results, readme = root / "data/results", root / "README.md"
    wanted = body(read(results / "bench.csv"))
    if repair:
        write(results / "bench.md", TITLE + wanted)
    page = results / "bench.md"
    if not page.exists() or page.read_text(encoding="utf-8") != TITLE + wanted:
        yield "data/results/bench.md is not the table of bench.csv: python3 docker/checks/bench_table.py --write"
    text = readme.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        yield "README.md has no block between <!-- bench --> and <!-- /bench -->"
    elif repair:
        write(readme, BLOCK.sub(lambda _: wanted, text))
    elif BLOCK.search(text)[0] != wanted:
        yield "README.md quotes another table than data/results/bench.md: python3 docker/checks/bench_table.py --write"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2])
    parser.add_argument("--write", action="store_true", help="write bench.md and the block of README.md")
    options = parser.parse_args()
    try:
        wrong = list(problems(options.root, options.write))
    except (OSError, KeyError, ValueError) as error:
        wrong = [f"data/results/bench.csv: {error!r}: `lab bench` makes it"]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
