#!/usr/bin/env python3
"""Runs the Rust of README.md as a program, with what each block takes for granted put before it."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
# By the beginning of a block: what stands before it, and what must hold after it.
AROUND = {
    "let layer = SolverLayer::new(KSubset::new(20, 10)?, Identity);": ("""
let scores: Tensor = Tensor::randn([3, 20], (Kind::Float, Device::Cpu)).set_requires_grad(true);
let target: Tensor = Tensor::ones([3, 20], (Kind::Float, Device::Cpu));
let loss = |y: &Tensor| (y - &target).square().sum(Kind::Float);
""", """
assert_eq!(y.sum(Kind::Float).double_value(&[]), 30.0);
assert!(scores.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
"""),
    "// fn my_solver(costs: &[f64], solution: &mut [f64]) -> Result<()>": ("""
fn my_solver(costs: &[f64], solution: &mut [f64]) -> Result<()> {
    let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
    solution[best] = 1.0;
    Ok(())
}
let n: usize = 3;
""", """
let one: Tensor = layer.forward(&Tensor::from_slice(&[2.0, 1.0, 3.0]))?;
assert_eq!(Vec::<f64>::try_from(&one)?, [0.0, 1.0, 0.0]);
"""),
}


def cells():
    """The cells of a notebook with all blocks; every block has to have its surroundings."""
    blocks = re.findall(r"^```rust\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if len(blocks) != len(AROUND):
        sys.exit(f"README.md has {len(blocks)} blocks of Rust, {len(AROUND)} are known here")
    for block in blocks:
        around = [texts for start, texts in AROUND.items() if block.startswith(start)]
        if not around:
            sys.exit(f"what stands around this block of README.md?\n{block}")
        yield from (around[0][0], block, around[0][1])


def main():
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "execution_count": None, "outputs": [],
         "source": text.strip().splitlines(keepends=True)} for number, text in enumerate(cells())]}
    with tempfile.TemporaryDirectory() as folder:
        notebook, program = pathlib.Path(folder, "readme.ipynb"), pathlib.Path(folder, "readme")
        notebook.write_text(json.dumps(book), encoding="utf-8")
        for command in (["solvergrad", "notebook", "build", notebook, "-o", program], [program]):
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                sys.exit(f"{run.stdout}{run.stderr}\nREADME.md: its Rust failed")
    print(f"README.md: {len(AROUND)} blocks of Rust run")


if __name__ == "__main__":
    main()
