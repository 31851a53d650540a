#!/usr/bin/env python3
"""Runs a notebook in the real kernel and tells the truth about it.

    notebook.py NOTEBOOK [--out FILE | --in-place] [--timeout SECONDS]

evcxr reports a cell that panicked, or left through `?`, as a success with text on stderr. Here any
text on stderr ends the run with exit status 1, as an error does.
"""
import argparse
import inspect
import json
import os
import queue
import re
import sys
import tempfile
import time
import uuid

import nbformat
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

# Written by cargo while it works, not by the cell.
NOISE = re.compile(r"^\s*(Compiling|Finished|Blocking|Updating|Locking|Adding)\b.*$", re.MULTILINE)

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Failure(Exception):
    """A cell failed."""


def check(cell, index):
    """Raises Failure when the outputs of `cell` show that it failed."""
    outputs = cell.get("outputs", [])
    for output in outputs:
        if output.output_type == "error":
            raise Failure(f"cell {index}: {output.ename}: {output.evalue}")
    streams = [output for output in outputs if output.output_type == "stream"]
    text = "".join(output.text for output in streams if output.name == "stderr")
    text = NOISE.sub("", text).strip()
    if text:
        raise Failure(f"cell {index} wrote to stderr:\n{text}")


def awaited(method):
    """The next message, of a client that blocks or of one that does not."""
    return (run_sync(method) if inspect.iscoroutinefunction(method) else method)(timeout=120)


def late(client):
    """What the kernel still sends after it said that the cell is done.

    evcxr forwards stderr, and so the message of a panic, from a thread of its own, whenever that
    comes to run. It keeps the order: what stands before a mark of ours has arrived with it.
    """
    mark = f"end of cell {uuid.uuid4()}"
    request = client.execute(f'eprintln!("{mark}");', store_history=False)
    outputs, idle, marked = [], False, False
    while not (idle and marked):
        message = awaited(client.get_iopub_msg)
        content = message["content"]
        if message["msg_type"] == "stream":
            text, found, _ = content["text"].partition(mark)
            marked = marked or bool(found)
            if text.strip():
                outputs.append(nbformat.v4.new_output("stream", name=content["name"], text=text))
        elif message["msg_type"] == "error":
            raise Failure(f"the kernel does not answer any more: {content['evalue']}")
        elif message["parent_header"].get("msg_id") == request:
            idle = idle or content.get("execution_state") == "idle"
    awaited(client.get_shell_msg)
    return outputs


def tidy(cell):
    """Joins what a cell printed and drops what only this run can know."""
    outputs = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stderr":
            continue
        if outputs and output.output_type == "stream" == outputs[-1].output_type:
            outputs[-1].text += output.text
            continue
        outputs.append(output)
    cell.outputs = outputs
    cell.metadata.pop("execution", None)


def execute(client, cell, index, count):
    """Runs one code cell; raises Failure when it failed in any way."""
    try:
        client.execute_cell(cell, index, execution_count=count)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        traces = [line for output in cell.get("outputs", []) for line in output.get("traceback", [])]
        raise Failure(COLOUR.sub("", "\n".join([f"cell {index}: {error}", *traces]))) from error
    try:
        cell.outputs.extend(late(client.kc))
    except queue.Empty:
        raise Failure(f"cell {index}: the kernel fell silent") from None
    check(cell, index)


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
            execute(client, cell, index, count)
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
        sys.exit(1)
    target = arguments.notebook if arguments.in_place else arguments.out
    if target:
        with tempfile.NamedTemporaryFile(
                "w", dir=os.path.dirname(os.path.abspath(target)), delete=False) as file:
            file.write(text_of(book))
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
    print(f"{arguments.notebook}: ok")


if __name__ == "__main__":
    main()
