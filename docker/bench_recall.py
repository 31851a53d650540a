#!/usr/bin/env python3
"""Milliseconds of the recall loss of 448 queries over 448 items, forward and backward, beside RaMBO's.

    docker compose run --rm lab bench-recall --peer FOLDER [--rounds N]

FOLDER is a checkout of github.com/martius-lab/blackbox-backprop, within the container (data/ is
mounted): pip finds no package of that name (November 2026). The same scores, relevance, margin and
weight (loglog), the same libtorch, one thread for each, which alternate; loss and norm of the gradient
have to agree. A sample is the mean of some steps, a measurement the median of 20 samples, the table
holds medians over the rounds. Ours is `lab bench "recall loss"`. The first run installs PyTorch (with
PyEPO, 5.4 GB) in $SOLVERGRAD_PEERS, or /var/tmp/solvergrad-peers.
"""
import argparse
import csv
import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
import types

from bench_solvers import PYEPO, THREADS, environment, machine

N, LAMBDA, MARGIN, SAMPLES, STEPS = 448, 0.2, 0.02, 20, 3
OURS = {"ours-blackbox": "blackbox", "ours-identity": "identity"}
PEER = "blackbox-backprop"
COLUMNS = ["method", "version", "round", "milliseconds", "loss", "gradient_norm"]
MILLISECONDS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}


def built():
    """The executable of the benchmarks."""
    command = ["mold", "-run", "cargo", "--offline", "bench", "--quiet", "--profile", "dev", "-p", "solvergrad",
               "--bench", "solver", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd="/lab").stdout.splitlines()
    found = [message["executable"] for message in map(json.loads, lines) if message.get("executable")]
    return found[-1]


def ours(program, name):
    """Milliseconds, loss and norm of the gradient."""
    command = [program, "--bench", f"recall loss/{name}", "--noplot"]
    log = subprocess.run(command, env=os.environ | dict.fromkeys(THREADS, "1"), check=True, text=True,
                         stdout=subprocess.PIPE, cwd="/tmp").stdout
    time_, unit = re.search(r"time: +\[\S+ \S+ (\S+) (\S+)", log).groups()
    values = re.search(rf"recall loss/{name} is (\S+), norm of its gradient (\S+)", log).groups()
    return float(time_) * MILLISECONDS[unit], *map(float, values)


def peer(folder):
    """In the environment of PyTorch: prints milliseconds, loss and norm of the gradient."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    # Its package also imports solvers that are not needed here, and have to be compiled.
    package = types.ModuleType("blackbox_backprop")
    package.__path__ = [os.path.join(folder, "blackbox_backprop")]
    sys.modules["blackbox_backprop"] = package
    recall = importlib.import_module("blackbox_backprop.recall")

    # As in crate/benches/solver/recall.rs.
    places = np.arange(N * N, dtype=np.uint64) * 2_654_435_769 % 2**32 >> 8
    scores = torch.from_numpy((places.astype(np.float32) / 8_388_608 - 1).reshape(N, N)).requires_grad_()
    classes = torch.arange(N) // 4
    relevant = (classes[:, None] == classes).float()
    loss = recall.RecallLoss(LAMBDA, MARGIN, lambda d: torch.log(1 + torch.log(1 + d)))

    def step():
        value = loss(scores, relevant)
        return value, torch.autograd.grad(value, scores)[0]

    value, gradient = step()
    until = time.perf_counter() + 0.3
    while time.perf_counter() < until:
        step()
    samples = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        samples.append((time.perf_counter() - start) / STEPS)
    print(json.dumps([1e3 * statistics.median(samples), value.item(), gradient.norm().item()]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--out", default=os.path.join(os.environ.get("SOLVERGRAD_OUT", "/lab/data"), "results"))
    options = parser.parse_args()
    folder = os.path.abspath(options.peer)
    if not os.path.isfile(os.path.join(folder, "blackbox_backprop", "recall.py")):
        parser.error(f"{folder} holds no blackbox_backprop/recall.py: "
                     "git clone https://github.com/martius-lab/blackbox-backprop there")
    python, program, rows = environment("pyepo", PYEPO), built(), []
    for turn in range(options.rounds):
        for name in [*OURS, PEER]:
            if name in OURS:
                values, version = ours(program, OURS[name]), ""
            else:
                # Python's packages bring their libraries; those of the image may be others.
                answer = subprocess.run([python, __file__, "--measure", folder], check=True, text=True, stdout=subprocess.PIPE,
                                        env=os.environ | dict.fromkeys(THREADS, "1") | {"LD_LIBRARY_PATH": ""}).stdout
                values, version = json.loads(answer.splitlines()[-1]), f"torch {PYEPO['torch']}"
            rows.append(dict(zip(COLUMNS, (name, version, turn, *values))))
            print(name, f"{values[0]:.2f} ms, loss {values[1]:.6f}, gradient {values[2]:.6e}", file=sys.stderr, flush=True)
    median = {name: statistics.median(row["milliseconds"] for row in rows if row["method"] == name) for name in [*OURS, PEER]}
    (loss, norm), (peers, peers_norm) = ([next(row[column] for row in rows if row["method"] == name) for column in COLUMNS[-2:]]
                                         for name in ("ours-blackbox", PEER))
    if abs(loss - peers) > 1e-4 * peers or abs(norm - peers_norm) > 1e-3 * peers_norm:
        sys.exit(f"not the same: loss {loss} and {peers}, norm of the gradient {norm} and {peers_norm}")
    os.makedirs(options.out, exist_ok=True)
    path = f"{options.out}/06_recall_loss.csv"
    with open(f"{path}.part", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(f"{path}.part", path)
    print(f"{machine()}, one thread, medians of {options.rounds} rounds; load average {os.getloadavg()[0]:.2f}\n\n"
          "| recall loss, 448 x 448 | forward and backward [ms] | the peer's time, in ours |\n|---|---|---|")
    for name, time_ in median.items():
        print(f"| {name} | {time_:.2f} | {median[PEER] / time_:.2f} |")
    print(f"\nEach measurement: {path}")


if __name__ == "__main__":
    peer(sys.argv[2]) if sys.argv[1:2] == ["--measure"] else main()
