#!/usr/bin/env python3
"""Milliseconds of forward and backward passes and of training steps, ours beside PyTorch's.

    docker compose run --rm lab bench --only layer,recall,vae,network

Ours are benchmarks of crate/benches, run as the compiled program; the peers' are below, each in a
process of its own on the libtorch of the same version. They alternate, and each time is the median of
some samples. Where both print a loss and the norm of its gradient, these have to agree.
"""
import argparse
import collections
import glob
import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types

from bench_solvers import PYEPO, THREADS, environment, write_rows

Case = collections.namedtuple("Case", "group case size threads entries")
COLUMNS = ["group", "case", "size", "who", "version", "round", "milliseconds"]
# Freed memory stays with the process instead of going back to the system with each large tensor.
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
N, LAMBDA, MARGIN = 448, 0.2, 0.02
RECALL = "/bbb", "/lab/data/peers/blackbox-backprop"


def cases():
    """What is measured: for each name an entry (program, its argument, environment), ours first."""
    for threads in (1, 2):
        for size, method in (("Identity", "identity"), ("Blackbox", "blackbox"), ("I-MLE of 10 samples", "i-mle")):
            yield Case("layer", f"layer of 70 paths, 12 x 12 tiles, {threads} thread{'s' * (threads > 1)}", size, threads, {
                "SolverGrad": ("rust", f"layer step/{method}", {}), "PyEPO": ("python", f"layer {method}", {})})
    yield Case("recall", "recall loss, forward and backward", "448 x 448", 1, {
        "SolverGrad": ("rust", "recall loss/blackbox", {}), "SolverGrad, Identity": ("rust", "recall loss/identity", {}),
        "blackbox-backprop": ("python", "recall", {})})
    for group, case, bench in (("vae", "training step, discrete VAE", "training step/identity, std"),
                               ("network", "training step, Warcraft network", "network step/warcraft")):
        for size, more in (("as it comes", {}), ("freed memory kept", KEPT)):
            yield Case(group, case, size, 1, {
                "SolverGrad": ("rust", bench, more), "PyTorch, fused Adam": ("python", f"{group} fused", more),
                "PyTorch": ("python", f"{group} plain", more)})


def built():
    """The executable of the benchmarks."""
    command = ["mold", "-run", "cargo", "--offline", "bench", "--quiet", "--profile", "dev", "-p", "solvergrad",
               "--bench", "solver", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, cwd="/lab").stdout.splitlines()
    return benchmark(map(json.loads, lines))


def benchmark(messages):
    """The benchmarks' among the executables that cargo tells of: the command line's is one of them, too."""
    return next(message["executable"] for message in messages
                if message.get("executable") and message["target"]["kind"] == ["bench"])


def surroundings(threads, more):
    """The environment of a measurement; what the lab sets for memory is ours only."""
    kept = {name: value for name, value in os.environ.items() if name not in KEPT or more is None}
    return kept | dict.fromkeys(THREADS, str(threads)) | (more or {})


def ours(program, name, threads, more):
    """Milliseconds, loss and norm of the gradient (None where not printed) of one benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        log = subprocess.run([program, "--bench", f"^{name}$", "--noplot"], check=True, text=True, stdout=subprocess.PIPE,
                             env=surroundings(threads, more or None) | {"CRITERION_HOME": folder}, cwd=folder).stdout
        found = glob.glob(f"{folder}/*/*/new/estimates.json")
        if len(found) != 1:
            raise ValueError(f"{len(found)} benchmarks are named {name}")
        with open(found[0]) as file:
            nanoseconds = json.load(file)["median"]["point_estimate"]
    said = re.search(rf"^{name} is (\S+), norm of its gradient (\S+)$", log, re.MULTILINE)
    return nanoseconds / 1e6, *(map(float, said.groups()) if said else (None, None))


def theirs(argument, threads, more, folder):
    """The same of a peer, and its version."""
    # Python's packages bring their libraries; those of the image may be others.
    command = [environment("pyepo", PYEPO), __file__, "--peer", *argument.split(), str(threads), folder or ""]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          env=surroundings(threads, more) | {"LD_LIBRARY_PATH": ""})
    return json.loads(done.stdout.splitlines()[-1])


# In the environment of PyTorch. Each returns a step and whether its loss can be compared with ours.

def places(part, *shape):
    """As in crate/benches: multiples of the golden ratio in 0 to 1."""
    import numpy as np
    import torch
    count = int(np.prod(shape))
    values = np.arange(part * count, (part + 1) * count, dtype=np.uint64) * 2_654_435_769 % 2**32 >> 8
    return torch.from_numpy((values.astype(np.float32) / 16_777_216).reshape(shape))


def layer(method, threads, _):
    import pyepo
    import torch
    from bench_warcraft import tile_model
    name, options = {"identity": ("negativeIdentity", {}), "blackbox": ("blackboxOpt", {"lambd": 20}),
                     "i-mle": ("implicitMLE", {"n_samples": 10, "sigma": 1.0, "lambd": 10})}[method]
    module = getattr(pyepo.func, name)(tile_model(12), processes=int(threads), **options)
    costs, weights = (5 + 10 * places(0, 70, 144)).requires_grad_(), (places(1, 70, 144) - 0.5) / 70

    def step():
        loss = (module(costs) * weights).sum()
        return loss, torch.autograd.grad(loss, costs)[0]
    return step, method != "i-mle"


def recall(_, folder):
    import torch
    # Its package also imports solvers that are not needed here, and have to be compiled.
    package = types.ModuleType("blackbox_backprop")
    package.__path__ = [os.path.join(folder, "blackbox_backprop")]
    sys.modules["blackbox_backprop"] = package
    module = importlib.import_module("blackbox_backprop.recall")
    scores = (2 * places(0, N, N) - 1).requires_grad_()
    classes = torch.arange(N) // 4
    relevant = (classes[:, None] == classes).float()
    loss = module.RecallLoss(LAMBDA, MARGIN, lambda d: torch.log(1 + torch.log(1 + d)))

    def step():
        value = loss(scores, relevant)
        return value, torch.autograd.grad(value, scores)[0]
    return step, True


def trained(parameters, rate, kind, loss):
    import torch
    optimizer = torch.optim.Adam(parameters, rate, fused=True if kind == "fused" else None)

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return step, False


def vae(kind, *_):
    """As in crate/benches/solver/training_step.rs."""
    import torch
    from torch import nn

    class Subset(torch.autograd.Function):
        """The ten cheapest of each row; backward the Identity rule for costs."""
        @staticmethod
        def forward(_, costs):
            chosen = costs.topk(10, largest=False, sorted=False).indices
            return torch.zeros_like(costs).scatter_(-1, chosen, 1.0)

        @staticmethod
        def backward(_, gradient):
            return -gradient

    def dense(*widths):
        layers = [part for pair in zip(widths, widths[1:]) for part in (nn.Linear(*pair), nn.ReLU(inplace=True))]
        return nn.Sequential(*layers[:-1])

    encoder, decoder = dense(784, 512, 256, 400), dense(400, 256, 512, 784)
    images = torch.rand(100, 784)

    def loss():
        costs = encoder(images).view(-1, 20, 20)
        centred = costs - costs.mean(-1, keepdim=True)
        codes = Subset.apply(centred / torch.linalg.vector_norm(centred, dim=-1, keepdim=True))
        logits = decoder(codes.flatten(1))
        return nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / 100
    return trained([*encoder.parameters(), *decoder.parameters()], 1e-3, kind, loss)


def network(kind, *_):
    """As in crate/benches/solver/network_step.rs."""
    import torch
    from bench_warcraft import pictures, trunk
    model, target = trunk(12), torch.rand(70, 144)
    pixels = torch.randint(256, (70, 96, 96, 3), dtype=torch.uint8)
    mean, deviation = (f(pixels.float(), dim=(0, 1, 2)) for f in (torch.mean, torch.std))
    return trained(model.parameters(), 5e-3, kind,
                   lambda: (model(pictures(pixels, mean, deviation)) - target).abs().sum() / 70)


def peer(name, *arguments):
    """Prints milliseconds, loss and norm of the gradient."""
    import torch
    torch.set_num_threads(int(arguments[-2]))
    torch.manual_seed(1)
    step, comparable = {"layer": layer, "recall": recall, "vae": vae, "network": network}[name](*arguments)
    said = [value.item() for value in (lambda loss, gradient: (loss, gradient.norm()))(*step())] if comparable else [None, None]
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() < start + 0.3:
        step()
        count += 1
    each = (time.perf_counter() - start) / count
    samples, repeats = max(3, min(20, int(2 / each))), max(1, int(0.05 / each))
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        times.append((time.perf_counter() - start) / repeats)
    print(json.dumps([1e3 * statistics.median(times), *said]))


def recall_folder(asked):
    """The checkout of blackbox-backprop, and its commit; None where there is none."""
    for folder in [asked] if asked else RECALL:
        if os.path.isfile(os.path.join(folder, "blackbox_backprop", "recall.py")):
            return folder, commit(os.path.join(folder, ".git"))
    return None


def commit(git):
    """The commit that a repository stands at, in short; nothing where it cannot be read."""
    try:
        with open(f"{git}/HEAD") as file:
            head = file.read().strip()
        if head.startswith("ref: "):
            with open(f"{git}/{head[5:]}") as file:
                head = file.read().strip()
        return head[:7]
    except OSError:
        return ""


def agree(case, name, said, wanted):
    if None not in (*said, *wanted) and any(abs(a - b) > 1e-3 * max(abs(b), 1e-3) for a, b in zip(said, wanted)):
        raise ValueError(f"{case.case}: {name} computes something else: loss and norm of the gradient {said}, ours {wanted}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    groups = list(dict.fromkeys(case.group for case in cases()))
    parser.add_argument("--only", default=",".join(groups), metavar="GROUP,...")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--recall-peer", metavar="FOLDER", help="a checkout of github.com/martius-lab/blackbox-backprop")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="folder of steps.csv")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(groups):
        parser.error(f"no group {', '.join(sorted(unknown))}: take some of {', '.join(groups)}")
    chosen = [case for case in cases() if case.group in options.only.split(",")]
    folder, at = recall_folder(options.recall_peer) or (None, "")
    if not folder and any(case.group == "recall" for case in chosen):
        parser.error("recall: no checkout of its peer: git clone https://github.com/martius-lab/blackbox-backprop "
                     f"{RECALL[-1].removeprefix('/lab/')}, or --recall-peer FOLDER")
    versions = {"PyEPO": PYEPO["pyepo"], "blackbox-backprop": f"{at or 'unknown'}"}
    environment("pyepo", PYEPO)
    program, rows = built(), []
    for case in chosen:
        for turn in range(1, options.rounds + 1):
            wanted = None
            for name, (kind, argument, more) in case.entries.items():
                if kind == "rust":
                    milliseconds, *said = ours(program, argument, case.threads, more)
                else:
                    milliseconds, *said = theirs(argument, case.threads, more, folder)
                wanted = wanted or said
                if kind != "rust":
                    agree(case, name, said, wanted)
                version = "" if kind == "rust" else versions.get(name, PYEPO["torch"])
                rows.append(dict(zip(COLUMNS, (*case[:3], name, version, turn, milliseconds))))
                print(f"{case.case} {case.size}: {name} {milliseconds:.3f} ms", file=sys.stderr, flush=True)
    path = f"{options.out}/steps.csv"
    write_rows(path, COLUMNS, rows)


if __name__ == "__main__":
    peer(*sys.argv[2:]) if sys.argv[1:2] == ["--peer"] else main()
