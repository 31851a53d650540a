#!/usr/bin/env python3
"""Values and gradients of PyTorch Geometric's SplineConv, for crate/tests/spline_convolution.rs.

    python3 docker/spline_reference.py [--out FILE]     # writes crate/tests/spline_convolution.json, or FILE

The first run installs the packages (5 GB, PyTorch brings CUDA) in $SOLVERGRAD_PEERS/spline, or in
/var/tmp/solvergrad-peers/spline, and compiles torch-spline-conv (4 minutes; it takes g++ and Python's
headers, which the image does not have). Later versions of torch-geometric take the kernels from pyg-lib,
which is not on PyPI. All is drawn from fixed seeds, in double precision.
"""
import argparse
import json
import os
import subprocess
import sys

from bench_solvers import FOLDER, environment

PINS = {"torch": "2.11.0", "numpy": "2.4.6", "torch-geometric": "2.7.0", "setuptools": "80.9.0", "wheel": "0.45.1"}
SPLINE = "1.2.2"
HERE = os.path.dirname(os.path.abspath(__file__))


def case(nodes, inputs, outputs, edges, seed):
    """A layer with weights of its own initialisation on a random graph, and its gradients."""
    import torch
    from torch_geometric.nn import SplineConv
    torch.manual_seed(seed)

    def rounded(tensor):  # Few digits: what is stored is what was used.
        return (tensor.double() * 1e4).round() / 1e4
    layer = SplineConv(inputs, outputs, dim=2, kernel_size=5, aggr="max").double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(rounded(parameter if parameter.dim() > 1 else torch.randn(parameter.shape)))
    x = rounded(torch.randn(nodes, inputs)).requires_grad_()
    # The last node has no edge that leads to it.
    pairs = [(i, j) for i in range(nodes) for j in range(nodes - 1) if i != j]
    chosen = sorted(torch.randperm(len(pairs))[:edges].tolist())
    edge_index = torch.tensor([pairs[i] for i in chosen]).T
    pseudo = rounded(torch.rand(edges, 2))
    # At knots, and at both ends.
    special = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.25], [0.0, 1.0], [0.75, 0.3], [0.6, 0.5]])
    pseudo[:len(special)] = special.double()[:edges]
    upstream = rounded(torch.randn(nodes, outputs))
    value = layer(x, edge_index, pseudo)
    (value * upstream).sum().backward()

    def plain(tensor):
        return [round(number, 12) for number in tensor.detach().flatten().tolist()]
    return {
        "nodes": nodes, "inputs": inputs, "outputs": outputs, "edges": edge_index.T.tolist(), "pseudo": pseudo.tolist(),
        "x": plain(x), "weight": plain(layer.weight), "root": plain(layer.lin.weight.T), "bias": plain(layer.bias),
        "upstream": plain(upstream), "value": plain(value), "gradient_x": plain(x.grad),
        "gradient_weight": plain(layer.weight.grad), "gradient_root": plain(layer.lin.weight.grad.T),
        "gradient_bias": plain(layer.bias.grad),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.normpath(f"{HERE}/../crate/tests/spline_convolution.json"),
                        help="file [%(default)s]")
    options = parser.parse_args()
    python = environment("spline", PINS)
    if not os.path.samefile(sys.prefix, f"{FOLDER}/spline"):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
                        f"torch-spline-conv=={SPLINE}"], check=True)
        os.execv(python, [python, "-W", "ignore:We do not recommend", *sys.argv])
    cases = [case(6, 3, 4, 14, 1), case(5, 2, 3, 16, 2), case(2, 3, 2, 1, 3)]
    versions = json.dumps(PINS | {"torch-spline-conv": SPLINE, "python": sys.version.split()[0]})
    lines = ",\n".join(json.dumps(one) for one in cases)
    with open(f"{options.out}.part", "w") as file:
        file.write(f'{{"versions": {versions},\n"cases": [\n{lines}\n]}}\n')
    os.replace(f"{options.out}.part", options.out)
    print(f"{len(cases)} cases in {options.out}")


if __name__ == "__main__":
    main()
