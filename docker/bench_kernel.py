#!/usr/bin/env python3
"""Times a fresh kernel against vanilla evcxr_jupyter with the same crates, in one run.

    docker compose run --rm lab bench --only kernel [--rounds N] [--no-vanilla]

Both are warm: everything is compiled, nothing but cells is built while the clock runs. Vanilla
means evcxr's default, static linking, with `:dep` lines in the first cell. The two alternate.
"""
import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from bench_solvers import FOLDER, write_rows

FIRST = "let t = Tensor::randn([3, 4], (Kind::Float, Device::Cpu));"
CELLS = [
    "let u = &t * 2;",
    'println!("{:?}", u.size());',
    "let s = f64::try_from(u.sum(Kind::Double))?;",
    "let xs: Vec<f64> = (0..100).map(|i| i as f64 * s).collect();",
    'println!("{}", xs.len());',
    'let frame = df!("x" => &xs, "y" => &xs)?;',
    'let long = frame.clone().lazy().filter(col("x").gt(lit(1.0))).collect()?;',
    'println!("{}", long.height());',
    "fn double(x: f64) -> f64 { 2.0 * x }",
    "let v = t.matmul(&t.transpose(0, 1)).softmax(-1, None);",
]
VANILLA_IMPORTS = """
:offline 1
:dep tch = { version = "=0.24.0", default-features = false }
:dep polars = { version = "=0.55.2", default-features = false, features = ["lazy", "csv", "fmt"] }
:dep plotly = { version = "=0.14.1", features = ["plotly_embed_js"] }
:dep serde_json = "1"
use tch::{Tensor, Kind, Device};
use polars::prelude::*;
"""
# Vanilla compiles the crates itself, before the clock runs: the image keeps their static form
# without machine code. The directory stays, so only the first session pays (about 20 minutes).
VANILLA = os.environ.get("VANILLA") or f"{FOLDER}/vanilla"
VANILLA_START = f"""
own='{VANILLA}'; mkdir -p "$own/config"
[ -f "$own/Cargo.lock" ] || cp /lab/Cargo.lock "$own/"
EVCXR_TMPDIR=$own EVCXR_CONFIG_DIR=$own/config exec evcxr_jupyter --control_file "$0"
"""


def timed(client, code):
    """Seconds until `code` has been answered; ends the program when it fails."""
    problems = []

    def collect(message):
        content = message["content"]
        if message["msg_type"] == "error":
            problems.append(content["evalue"])
        elif message["msg_type"] == "stream" and content["name"] == "stderr":
            problems.append(content["text"])

    start = time.perf_counter()
    client.execute_interactive(code, timeout=3600, output_hook=collect)
    seconds = time.perf_counter() - start
    if any("error" in text or "panicked" in text for text in problems):
        sys.exit(f"{code}\n{''.join(problems)}")
    return seconds


def resident(process):
    """Memory of the kernel process in GB."""
    with open(f"/proc/{process}/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e6


def session(spec_folder, name, imports):
    """Times of one session: start, first answer since start, further cells, memory in MB."""
    manager = KernelManager(
        kernel_name=name, kernel_spec_manager=KernelSpecManager(kernel_dirs=spec_folder))
    start = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=600)
    ready = time.perf_counter() - start
    if imports:
        timed(client, imports)
    timed(client, FIRST)
    first = time.perf_counter() - start
    cells = [timed(client, code) for code in CELLS]
    plain = timed(client, "1 + 1")
    memory = resident(manager.provisioner.pid)
    client.stop_channels()
    manager.shutdown_kernel()
    return {"memory": memory, "ready": ready, "first": first, "cell": statistics.median(cells), "1 + 1": plain}


TITLES = {"ready": ("fresh kernel", "ready", "s"), "first": ("fresh kernel", "first tensor shown", "s"),
          "cell": ("fresh kernel", "a further cell", "s"), "1 + 1": ("fresh kernel", "`1 + 1`", "s"),
          "memory": ("memory of the kernel's process", "", "GB")}
COLUMNS = ["case", "size", "who", "version", "round", "value", "unit"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours-only", action="store_true", help="leave vanilla out")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="folder of kernel.csv")
    arguments = parser.parse_args()
    with open("/lab/Cargo.lock") as file:
        version = re.search(r'name = "evcxr"\nversion = "([\d.]+)"', file.read())
    version, rows = version[1] if version else "", []
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/vanilla")
        with open(f"{folder}/vanilla/kernel.json", "w") as file:
            json.dump({"argv": ["bash", "-c", VANILLA_START, "{connection_file}"],
                       "display_name": "vanilla", "language": "rust"}, file)
        specs = [folder, "/opt/jupyter/share/jupyter/kernels"]
        session(specs, "solvergrad", "")  # Compiles the library, where it was edited.
        if not arguments.ours_only:
            if not os.path.isdir(VANILLA):
                print(f"vanilla evcxr compiles its crates in {VANILLA}, once, about 20 minutes", file=sys.stderr, flush=True)
            session(specs, "vanilla", VANILLA_IMPORTS)
        for turn in range(1, max(arguments.rounds, 1) + 1):
            for who, name, at, imports in (("SolverGrad", "solvergrad", "", ""),
                                           ("evcxr_jupyter", "vanilla", version, VANILLA_IMPORTS))[:1 if arguments.ours_only else 2]:
                times = session(specs, name, imports)
                rows += [dict(zip(COLUMNS, (case, size, who, at, turn, times[key], unit))) for key, (case, size, unit) in TITLES.items()]
                print(who, ", ".join(f"{key} {value:.2f}" for key, value in times.items()), file=sys.stderr, flush=True)
    write_rows(f"{arguments.out}/kernel.csv", COLUMNS, rows)


if __name__ == "__main__":
    main()
