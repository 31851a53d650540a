#!/usr/bin/env python3
"""Whether the committed notebooks are tidy: small, free of one machine's traces, all in one form.

    python3 docker/checks/lint_notebooks.py [NOTEBOOK...]

Either no cell was executed, or all were, in order and without an error. `lab notebook run --in-place`
writes what this wants.
"""
import json
import pathlib
import re
import sys

KERNEL = {"display_name": "Rust (SolverGrad)", "language": "rust", "name": "solvergrad"}
LANGUAGE = {"codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/rust", "name": "Rust"}
CELLS, BYTES = 25, 300_000
FIGURE, PICTURE = "application/vnd.plotly.v1+json", "image/png"
# Folders outside the container's /lab, colours and redrawn lines of a terminal.
TRACES = {r"/(?:tmp|home|root|mnt|work)/\w": "a path of the machine", "\x1b": "a colour code",
          r"\r(?!\n)|\x08": "a redrawn line"}


def faults(text):
    """What is wrong with the notebook of this text, one line each."""
    book = json.loads(text)
    cells, metadata = book["cells"], book["metadata"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    if len(cells) > CELLS:
        yield f"{len(cells)} cells, {CELLS} are wanted at most"
    if len(text.encode()) > BYTES:
        yield f"{len(text.encode())} bytes, {BYTES} are wanted at most"
    if not text.startswith('{\n "cells": [\n') or not text.endswith("}\n"):
        yield "not written with an indent of 1 and a line break at the end"
    if (book["nbformat"], book["nbformat_minor"]) != (4, 5):
        yield f"format {book['nbformat']}.{book['nbformat_minor']}, not 4.5"
    if metadata.get("kernelspec") != KERNEL or metadata.get("language_info") != LANGUAGE:
        yield "not of the kernel 'Rust (SolverGrad)'"
    if not metadata.get("solvergrad", {}).get("smoke"):
        yield "no settings for a short run in metadata.solvergrad.smoke"
    if extra := set(metadata) - {"kernelspec", "language_info", "solvergrad"}:
        yield f"metadata of a tool: {', '.join(sorted(extra))}"
    if not cells or cells[0]["cell_type"] != "markdown" or not "".join(cells[0]["source"]).startswith("# "):
        yield "does not begin with a title"
    if len({cell.get("id") for cell in cells}) != len(cells):
        yield "cells without an id of their own"
    counts = [cell["execution_count"] for cell in codes]
    if counts != [None] * len(codes) and counts != list(range(1, len(codes) + 1)):
        yield f"executed in part or out of order: {counts}"
    for place, cell in enumerate(cells):
        for fault in cell_faults(cell):
            yield f"cell {place}: {fault}"


def cell_faults(cell):
    """What is wrong with one cell."""
    if cell["metadata"]:
        yield f"metadata of a tool: {', '.join(sorted(cell['metadata']))}"
    if not "".join(cell["source"]).strip():
        yield "empty"
    if cell.get("execution_count") is None and cell.get("outputs"):
        yield "outputs without an execution"
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            yield f"an error: {output['ename']}"
        if output.get("execution_count", cell["execution_count"]) != cell["execution_count"]:
            yield "an output of another execution"
        if output.get("metadata") or output.get("transient"):
            yield "metadata of an output"
        data = output.get("data", {})
        if any(kind.startswith("image/") and (kind != PICTURE or FIGURE not in data) for kind in data):
            yield "a picture without its figure"
        shown = "".join(output.get("text", [])) + "".join(map("".join, (
            value for kind, value in data.items() if kind.startswith("text/"))))
        for trace, words in TRACES.items():
            if found := re.search(trace, shown):
                yield f"{words}: {shown[max(0, found.start() - 20):found.end() + 20]!r}"


def main():
    folder = pathlib.Path(__file__).parents[2] / "notebooks"
    books = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(folder.glob("*.ipynb"))
    wrong = [f"{book.name}: {fault}" for book in books for fault in faults(book.read_text(encoding="utf-8"))]
    print("\n".join(wrong + [f"{len(books)} notebooks, {len(wrong)} faults"]))
    sys.exit(1 if wrong or not books else 0)


if __name__ == "__main__":
    main()
