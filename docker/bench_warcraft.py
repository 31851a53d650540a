#!/usr/bin/env python3
"""Seconds of an epoch of the Warcraft experiment, 12 x 12 tiles, beside PyEPO's.

    docker compose run --rm lab bench-warcraft [--maps N] [--rounds N] [--methods ours-identity,DBB]

The same maps, the same network on the same libtorch, the same optimiser and batches of 70, one thread
for each. Ours is notebooks/03_warcraft.ipynb, built as a program; PyEPO's paths are linear programmes,
by OR-Tools' GLOP, the fastest of its solvers that need no licence. Ours and PyEPO's methods alternate;
the table holds medians over the rounds, of N maps, as seconds of the 10 000 maps of an epoch. PyEPO's
network gets channels-last pictures, as ours does, which its users have to know of. The first run
installs PyEPO and PyTorch (5.4 GB) in $SOLVERGRAD_PEERS, or /var/tmp/solvergrad-peers.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from bench_solvers import PYEPO, THREADS, environment, machine, steps, write_rows

HERE = os.path.dirname(os.path.abspath(__file__))
EPOCH, BATCH, TESTED = 10_000, 70, 70
OURS = {"ours-identity": "identity", "ours-blackbox": "blackbox"}
PEERS = {"Identity": "negativeIdentity", "DBB": "blackboxOpt", "SPO+": "SPOPlus", "PFY": "perturbedFenchelYoung"}
COLUMNS = ["method", "version", "round", "maps", "epoch_seconds", "solver_seconds"]


def ours(program, rule, options, scratch):
    """Seconds for the maps, and the share of them in the solver, of our program."""
    settings = {"epochs": 1, "train_maps": options.maps, "test_maps": TESTED, "variants": [[rule, "none", 0.0]]}
    command = [program, "--out", f"{scratch}/out"]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    log = subprocess.run(command, env=os.environ | dict.fromkeys(THREADS, "1"), check=True, text=True, stdout=subprocess.PIPE).stdout
    # What the progress says after the epoch, its tests included, and the table of steps at the end.
    rate, = re.findall(r"epoch +1/1 .* (\d+) items/s", log)
    *_, share = re.findall(rf"│ {rule} .*┆ ([\d.e-]+) +│$", log, re.MULTILINE)
    return options.maps / float(rate), options.maps / float(rate) * float(share) / 100


def tile_model(k):
    """PyEPO's model of shortest paths on k x k tiles; `solving` are the seconds that it has solved for."""
    import numpy as np
    import pyepo
    import torch
    from pyepo.model import ort

    ways = steps({"cost": np.empty((1, k, k))})
    heads = np.array(ways)[:, 1]

    class Arcs(ort.shortestPathModel):
        """PyEPO's own grids lead right and down only, but its model takes any arcs."""
        arcs = property(lambda self: ways, lambda self, value: None)

    class Map(pyepo.model.opt.optModel):
        """Costs and solutions of tiles: an arc costs what the tile at its head does."""
        modelSense = pyepo.EPO.MINIMIZE
        solving = 0.0

        def _getModel(self):
            return Arcs((k, k), solver="glop"), list(range(k * k))

        def setObj(self, c):
            self.tiles = np.asarray(c.detach() if torch.is_tensor(c) else c, dtype=float)
            self._model.setObj(self.tiles[heads])

        def solve(self):
            start = time.perf_counter()
            taken, objective = self._model.solve()
            self.solving += time.perf_counter() - start
            visited = np.zeros(k * k, dtype=np.float32)
            visited[[0, *heads[taken > 0.5]]] = 1
            return visited, objective + self.tiles[0]

    return Map()


def trunk(k):
    """The network of the experiment, in PyTorch: costs of k x k tiles."""
    import torch
    from torch import nn

    def normed(inputs, kernel, stride):
        return nn.Sequential(nn.Conv2d(inputs, 64, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(64))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(normed(3, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
            self.blocks = nn.ModuleList(nn.Sequential(normed(64, 3, 1), nn.ReLU(), normed(64, 3, 1)) for _ in range(2))

        def forward(self, maps):
            hidden = self.stem(maps)
            for block in self.blocks:
                hidden = torch.relu(hidden + block(hidden))
            return nn.functional.softplus(nn.functional.adaptive_max_pool2d(hidden, k).mean(1).flatten(1))

    return Network()


def pictures(pixels, mean, deviation):
    """Normalised, channels last in memory, as ours are."""
    return ((pixels.float() - mean) / deviation).permute(0, 3, 1, 2)


def peer(method, folder, count):
    """In PyEPO's environment: trains on the first maps of the folder, prints seconds and those of solving."""
    import numpy as np
    import pyepo
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    pixels, paths, costs = (torch.from_numpy(np.load(f"{folder}/train_{name}.npy")[:count])
                            for name in ("maps", "shortest_paths", "vertex_weights"))
    paths, costs = (array.reshape(count, -1).float() for array in (paths, costs))
    k = round(costs.shape[1] ** 0.5)
    model, network = tile_model(k), trunk(k)
    options = {"blackboxOpt": {"lambd": 20}, "perturbedFenchelYoung": {"n_samples": 1, "sigma": 1.0}}.get(method, {})
    layer = getattr(pyepo.func, method)(model, processes=1, **options)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3, fused=True)
    mean, deviation = (f(pixels.float(), dim=(0, 1, 2)) for f in (torch.mean, torch.std))
    start, model.solving = time.perf_counter(), 0.0
    for batch in torch.randperm(count).split(BATCH):
        predicted, truth, true_costs = network(pictures(pixels[batch], mean, deviation)), paths[batch], costs[batch]
        if method == "SPOPlus":
            loss = layer(predicted, true_costs, truth, (truth * true_costs).sum(1, keepdim=True))
        elif method == "perturbedFenchelYoung":
            loss = layer(predicted, truth)
        else:
            loss = (layer(predicted) - truth).abs().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(json.dumps([time.perf_counter() - start, model.solving]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=2100, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--methods", default=",".join([*OURS, *PEERS]))
    parser.add_argument("--out", default=os.path.join(os.environ.get("SOLVERGRAD_OUT", "data"), "results"))
    options = parser.parse_args()
    methods = options.methods.split(",")
    if unknown := [name for name in methods if name not in OURS | PEERS]:
        parser.error(f"unknown methods: {', '.join(unknown)}; there are {', '.join(OURS | PEERS)}")
    data = os.environ.get("SOLVERGRAD_DATA", "data")
    counts = ["--train", options.maps, "--validation", TESTED, "--test", TESTED]
    made = subprocess.run(["solvergrad", "data", "make", "warcraft", *map(str, counts), "--folder", data],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    folder = made.splitlines()[-1].split(": ")[-1]
    python, rows = environment("pyepo", PYEPO), []
    with tempfile.TemporaryDirectory() as scratch:
        program = f"{scratch}/warcraft"
        subprocess.run(["solvergrad", "notebook", "build", f"{HERE}/../notebooks/03_warcraft.ipynb", "-o", program], check=True)
        for turn in range(options.rounds):
            for name in methods:
                if name in OURS:
                    seconds, solver = ours(program, OURS[name], options, scratch)
                else:
                    # Python's packages bring their libraries; those of the image may be others.
                    answer = subprocess.run([python, __file__, "--peer", PEERS[name], folder, str(options.maps)], check=True,
                                            env=os.environ | dict.fromkeys(THREADS, "1") | {"LD_LIBRARY_PATH": ""},
                                            text=True, stdout=subprocess.PIPE).stdout
                    seconds, solver = json.loads(answer.splitlines()[-1])
                scale = EPOCH / options.maps
                version = "" if name in OURS else f"pyepo {PYEPO['pyepo']}"
                rows.append(dict(zip(COLUMNS, (name, version, turn, options.maps, seconds * scale, solver * scale))))
                print(name, f"{seconds * scale:.1f} s an epoch, {solver * scale:.2f} s of them solving", file=sys.stderr, flush=True)
    path = f"{options.out}/03_warcraft_epoch.csv"
    write_rows(path, COLUMNS, rows)
    print(f"{machine()}, one thread, medians of {options.rounds} rounds of {options.maps} maps, as of {EPOCH}; "
          f"load average {os.getloadavg()[0]:.2f}\n\n| method | epoch [s] | solving [s] | solving [%] |\n|---|---|---|---|")
    for name in methods:
        seconds, solver = (statistics.median(row[column] for row in rows if row["method"] == name) for column in COLUMNS[-2:])
        print(f"| {name if name in OURS else f'PyEPO {name}'} | {seconds:.1f} | {solver:.2f} | {100 * solver / seconds:.1f} |")
    print(f"\nEach measurement: {path}")


if __name__ == "__main__":
    peer(*sys.argv[2:4], int(sys.argv[4])) if sys.argv[1:2] == ["--peer"] else main()
