#!/usr/bin/env python3
"""Runs a notebook in the real kernel; a failing cell ends it with exit status 1.

    notebook.py NOTEBOOK [--out FILE | --in-place] [--timeout SECONDS]
"""
import argparse
import json
import os
import re
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Failure(Exception):
    """A cell failed."""


def tidy(cell):
    """Joins what a cell printed and drops what only this run can know."""
    outputs = []
    for output in cell.get("outputs", []):
        if (outputs and output.output_type == "stream" == outputs[-1].output_type
                and output.name == outputs[-1].name):
            outputs[-1].text += output.text
            continue
        output.pop("transient", None)
        outputs.append(output)
    cell.outputs = outputs
    cell.metadata.pop("execution", None)


def execute(client, cell, index, count):
    """Runs one code cell; raises Failure when it failed in any way."""
    try:
        client.execute_cell(cell, index, execution_count=count)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        traces = [line for output in cell.get("outputs", []) for line in output.get("traceback", [])]
        text = "\n".join(traces or [str(error)])
        raise Failure(COLOUR.sub("", f"cell {index}:\n{text}")) from error


def client_of(book, folder, timeout):
    """A client for `book` whose kernel runs in `folder`."""
    return NotebookClient(book, timeout=timeout, startup_timeout=300, kernel_name="solvergrad",
                          resources={"metadata": {"path": folder}})


def run(path, timeout):
    """Executes the notebook at `path`; returns it with its outputs, or raises Failure."""
    book = nbformat.read(path, as_version=4)
    client = client_of(book, os.path.dirname(os.path.abspath(path)), timeout)
    codes = [(index, cell) for index, cell in enumerate(book.cells) if cell.cell_type == "code"]
    with client.setup_kernel():
        for count, (index, cell) in enumerate(codes, start=1):
            start = time.time()
            try:
                execute(client, cell, index, count)
            except Failure as failure:
                failure.book = book
                raise
            print(f"cell {index:2} ok {time.time() - start:7.1f} s", flush=True)
            tidy(cell)
    book.metadata["kernelspec"] = {
        "display_name": "Rust (SolverGrad)", "language": "rust", "name": "solvergrad"}
    book.metadata["language_info"] = {
        "codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/rust", "name": "Rust"}
    return book


def text_of(book):
    """The notebook as JSON, with every figure's data on one line instead of a line per number."""
    figures = []

    def folded(value):
        if isinstance(value, dict):
            for key, entry in value.items():
                if key == "application/vnd.plotly.v1+json":
                    figures.append(json.dumps(entry, separators=(",", ":")))
                    value[key] = f"figure-{len(figures) - 1}-of-this-notebook"
                else:
                    folded(entry)
        elif isinstance(value, list):
            for entry in value:
                folded(entry)
        return value

    text = json.dumps(folded(json.loads(nbformat.writes(book))), indent=1, ensure_ascii=False)
    for number, figure in enumerate(figures):
        text = text.replace(f'"figure-{number}-of-this-notebook"', figure)
    return text + "\n"


def save(book, target):
    """Writes `book` beside `target` and moves it there."""
    with tempfile.NamedTemporaryFile(
            "w", dir=os.path.dirname(os.path.abspath(target)), delete=False) as file:
        file.write(text_of(book))
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    parser.add_argument("--out")
    parser.add_argument("--in-place", action="store_true")
    parser.add_argument("--timeout", type=int, default=24 * 3600, help="per cell, in seconds")
    arguments = parser.parse_args()
    try:
        book = run(arguments.notebook, arguments.timeout)
    except Failure as failure:
        print(f"{arguments.notebook}: {failure}", file=sys.stderr)
        if arguments.out and not arguments.in_place:
            # Under a name that nobody takes for a result.
            target = f"{os.path.splitext(arguments.out)[0]}.failed.ipynb"
            save(failure.book, target)
            print(f"what was executed: {target}", file=sys.stderr)
        sys.exit(1)
    target = arguments.notebook if arguments.in_place else arguments.out
    if target:
        save(book, target)
    print(f"{arguments.notebook}: ok")


if __name__ == "__main__":
    main()
