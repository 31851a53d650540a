#!/usr/bin/env python3
"""Values and gradients of Python's peers on stored inputs and noise, for crate/tests/peers.rs.

    docker compose run --rm lab cross-check                  # computes them anew, then compares ours
    python3 docker/cross_check.py [--out FILE]               # writes crate/tests/peers.json, or FILE

The first run installs the peers (5.4 GB, PyTorch brings CUDA) in $SOLVERGRAD_PEERS, or
/var/tmp/solvergrad-peers. All is drawn from fixed seeds, in double precision, and costs have no near ties,
so that single precision finds the same solutions. Tensors are lists of rows; noise is [samples,
batch, n]; inputs are in the peer's terms: scores where it maximises.
"""
import argparse
import contextlib
import json
import os
import sys
import zlib

from bench_solvers import FOLDER, environment

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_X64", "1")
PINS = {"pyepo": "2.2.7", "torch": "2.11.0", "numpy": "2.4.6", "clarabel": "0.11.1", "jax": "0.10.2",
        "jaxlib": "0.10.2", "optax": "0.2.8"}
HERE = os.path.dirname(os.path.abspath(__file__))
N, K, BATCH = 7, 3, 4
CASES = []

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    import pyepo
    import torch
    from scipy.optimize import nnls
except ImportError:  # The program starts itself again where they are installed.
    pyepo = None


class Unfit(ValueError):
    """A draw that would test little, or not the same in single precision."""


def case(method, **parameters):
    return method, parameters


def cases(*listed):
    """Registers cases of a function, which computes them from a generator, the method and its parameters."""
    def register(compute):
        CASES.extend((compute, *one) for one in listed)
        return compute
    return register


def normal(rng, *shape):
    """Few digits: what is stored is what was used."""
    return np.round(rng.standard_normal(shape), 4)


def cheapest(costs):
    """The K cheapest of each row, marked by 1."""
    order = np.sort(costs, axis=-1)
    if np.min(order[..., K] - order[..., K - 1]) < 5e-5:
        raise Unfit("a near tie")
    return (costs <= order[..., K - 1:K]).astype(float)


# PyEPO.

def subset_model(maximise=False):
    """PyEPO's model of the K cheapest (or best) of N, by sorting."""
    sign = -1.0 if maximise else 1.0

    class Subset(pyepo.model.opt.optModel):
        modelSense = pyepo.EPO.MAXIMIZE if maximise else pyepo.EPO.MINIMIZE

        def _getModel(self):
            return None, list(range(N))

        def setObj(self, c):
            self.costs = np.asarray(c, dtype=float)

        def solve(self):
            y = cheapest(sign * self.costs)
            return y, float(self.costs @ y)
    return Subset()


@contextlib.contextmanager
def given_noise(noise):
    """Lets PyTorch draw `noise`, [samples, batch, n], which PyEPO wants with the batch first."""
    drawn, randn = torch.tensor(noise.swapaxes(0, 1).copy()), torch.randn

    def given(size, **_):
        assert tuple(size) == tuple(drawn.shape), (size, drawn.shape)
        return drawn.clone()
    torch.randn = given
    try:
        yield
    finally:
        torch.randn = randn


class GivenDistribution:
    """Stands in for PyEPO's sum of gammas, of which one sample is drawn and kept."""

    def __init__(self, rng, samples):
        real = pyepo.func.utils.sumGammaDistribution(kappa=K, seed=int(rng.integers(1 << 30)))
        self.noise = np.round(real.sample((samples, BATCH, N)), 4)

    def sample(self, size, **_):
        assert tuple(size) == (BATCH, len(self.noise), N), size
        return self.noise.swapaxes(0, 1).copy()


def torch_answer(function, costs, upstream):
    """Value of a PyTorch function at `costs`, and the gradient of ⟨upstream, value⟩."""
    leaf = torch.tensor(costs, requires_grad=True)
    value = function(leaf)
    (value * torch.tensor(upstream)).sum().backward()
    return {"value": value.detach().numpy(), "gradient": leaf.grad.numpy()}


@cases(
    case("negativeIdentity"),
    case("negativeIdentity", maximise=True),
    case("blackboxOpt", lambd=2.5),
    case("blackboxOpt", lambd=0.8, maximise=True),
)
def rule(rng, method, maximise=False, **parameters):
    layer = getattr(pyepo.func, method)(subset_model(maximise), **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": normal(rng, BATCH, N)}
    return {"inputs": inputs, **torch_answer(layer, **inputs)}


@cases(
    case("perturbedOpt", sigma=0.7, n_samples=5, variance_reduction=False),
    case("perturbedOpt", sigma=1.9, n_samples=3, variance_reduction=True),
    case("perturbedOpt", sigma=0.4, n_samples=1, variance_reduction=True),
    case("perturbedOpt", sigma=0.7, n_samples=4, variance_reduction=True, maximise=True),
    case("perturbedOptMul", sigma=0.7, n_samples=5, variance_reduction=False),
    case("perturbedOptMul", sigma=1.3, n_samples=3, variance_reduction=True),
)
def perturbed(rng, method, maximise=False, **parameters):
    layer = getattr(pyepo.func, method)(subset_model(maximise), **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": normal(rng, BATCH, N)}
    noise = normal(rng, parameters["n_samples"], BATCH, N)
    with given_noise(noise):
        return {"inputs": inputs, "noise": noise, **torch_answer(layer, **inputs)}


@cases(
    case("perturbedFenchelYoung", sigma=0.7, n_samples=5, reduction="none"),
    case("perturbedFenchelYoung", sigma=1.9, n_samples=3, reduction="mean"),
    case("perturbedFenchelYoung", sigma=0.7, n_samples=4, reduction="none", maximise=True),
    case("perturbedFenchelYoungMul", sigma=0.7, n_samples=5, reduction="none"),
)
def fenchel_young(rng, method, maximise=False, **parameters):
    loss = getattr(pyepo.func, method)(subset_model(maximise), **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": upstream(rng, parameters)}
    solutions = cheapest(normal(rng, BATCH, N))
    noise = normal(rng, parameters["n_samples"], BATCH, N)
    with given_noise(noise):
        answer = torch_answer(lambda costs: loss(costs, torch.tensor(solutions)), **inputs)
    return {"inputs": inputs | {"solutions": solutions}, "noise": noise, **answer}


def upstream(rng, parameters):
    """dL/d(value), for each instance where the loss is not reduced to one number."""
    return normal(rng, BATCH) if parameters["reduction"] == "none" else normal(rng)


@cases(
    case("implicitMLE", sigma=0.7, n_samples=5, lambd=2.5),
    case("implicitMLE", sigma=1.6, n_samples=3, lambd=1.2, two_sides=True),
    case("implicitMLE", sigma=0.7, n_samples=4, lambd=1.7, maximise=True),
)
def implicit_mle(rng, method, maximise=False, n_samples=1, **parameters):
    distribution = GivenDistribution(rng, n_samples)
    layer = pyepo.func.implicitMLE(
        subset_model(maximise), n_samples=n_samples, distribution=distribution, **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": normal(rng, BATCH, N)}
    return {"inputs": inputs, "noise": distribution.noise, **torch_answer(layer, **inputs)}


@cases(
    case("adaptiveImplicitMLE", sigma=0.7, n_samples=4, alpha=1.0),
    case("adaptiveImplicitMLE", sigma=1.6, n_samples=3, alpha=0.6, two_sides=True),
)
def adaptive(rng, method, n_samples, alpha, **parameters):
    """One step from a given alpha."""
    distribution = GivenDistribution(rng, n_samples)
    layer = pyepo.func.adaptiveImplicitMLE(
        subset_model(), n_samples=n_samples, distribution=distribution, **parameters)
    layer.alpha = alpha
    inputs = {"costs": normal(rng, BATCH, N), "upstream": normal(rng, BATCH, N)}
    return {"inputs": inputs, "noise": distribution.noise, **torch_answer(layer, **inputs)}


@cases(
    case("SPOPlus", reduction="none"),
    case("SPOPlus", reduction="mean"),
    case("SPOPlus", reduction="sum"),
    case("SPOPlus", reduction="none", maximise=True),
)
def spo_plus(rng, method, maximise=False, **parameters):
    model = subset_model(maximise)
    loss = pyepo.func.SPOPlus(model, **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": upstream(rng, parameters)}
    true = normal(rng, BATCH, N)
    solutions = cheapest(-true if maximise else true)
    objectives = (true * solutions).sum(-1, keepdims=True)
    labels = [torch.tensor(array) for array in (true, solutions, objectives)]
    answer = torch_answer(lambda costs: loss(costs, *labels), **inputs)
    return {"inputs": inputs | {"true_costs": true, "solutions": solutions}, **answer}


@cases(
    case("perturbationGradient", sigma=0.6, two_sides=False, reduction="none"),
    case("perturbationGradient", sigma=1.7, two_sides=True, reduction="none"),
    case("perturbationGradient", sigma=0.6, two_sides=False, reduction="none", maximise=True),
)
def perturbation_gradient(rng, method, maximise=False, **parameters):
    loss = pyepo.func.perturbationGradient(subset_model(maximise), **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": upstream(rng, parameters)}
    true = normal(rng, BATCH, N)
    answer = torch_answer(lambda costs: loss(costs, torch.tensor(true)), **inputs)
    return {"inputs": inputs | {"true_costs": true}, **answer}


@cases(
    case("noiseContrastiveEstimation", reduction="none"),
    case("noiseContrastiveEstimation", reduction="none", maximise=True),
    case("contrastiveMAP", reduction="none"),
    case("contrastiveMAP", reduction="mean"),
    case("listwiseLearningToRank", reduction="none"),
    case("listwiseLearningToRank", reduction="none", maximise=True),
    case("pairwiseLearningToRank", reduction="none"),
    case("pointwiseLearningToRank", reduction="none"),
)
def pool_loss(rng, method, maximise=False, **parameters):
    """A loss over a pool that holds the true solutions and others, and is not refreshed."""
    model, true = subset_model(maximise), normal(rng, BATCH + 5, N)
    pool = pyepo.data.dataset.optDataset(model, true, true)
    loss = getattr(pyepo.func, method)(model, solve_ratio=0.0, dataset=pool, **parameters)
    true = true[:BATCH]
    solutions = cheapest(-true if maximise else true)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": upstream(rng, parameters)}
    label = torch.tensor(solutions if method in ("noiseContrastiveEstimation", "contrastiveMAP") else true)
    answer = torch_answer(lambda costs: loss(costs, label), **inputs)
    known = {"true_costs": true, "solutions": solutions, "pool": loss.solpool.numpy().astype(float)}
    return {"inputs": inputs | known, **answer}


@cases(case("coneAlignedCosine", max_iter=200, reduction="none"))
def cone_aligned(rng, method, **parameters):
    """Projected by as many steps as it takes; the constraints are those that bind at the solution."""
    loss = pyepo.func.coneAlignedCosine(subset_model(), **parameters)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": upstream(rng, parameters)}
    solutions = cheapest(normal(rng, BATCH, N))
    # <a, y> <= b: y_i <= 1 or -y_i <= 0, and both sides of the sum.
    bounds = np.eye(N) * (2 * solutions[:, None] - 1)
    sides = np.broadcast_to([[1.0], [-1.0]], (BATCH, 2, N))
    binding = np.concatenate([bounds, sides], axis=1)
    for cost, rows in zip(inputs["costs"], binding):
        exact = rows.T @ nnls(rows.T, -cost)[0]
        found = pyepo.func.cave._project_one(-cost, rows, parameters["max_iter"])
        np.testing.assert_allclose(found, exact, atol=2e-6)
    answer = torch_answer(lambda costs: loss(costs, torch.tensor(binding)), **inputs)
    return {"inputs": inputs | {"solutions": solutions, "constraints": binding}, **answer}


# Optax.

@cases(
    case("make_perturbed_fun", noise="normal", sigma=0.7, num_samples=5, use_baseline=True),
    case("make_perturbed_fun", noise="normal", sigma=1.9, num_samples=3, use_baseline=False),
    case("make_perturbed_fun", noise="gumbel", sigma=0.7, num_samples=5, use_baseline=True),
    case("make_perturbed_fun", noise="gumbel", sigma=1.4, num_samples=4, use_baseline=False),
)
def make_perturbed_fun(rng, method, noise, sigma, num_samples, use_baseline):
    distribution = {"normal": optax.perturbations.Normal, "gumbel": optax.perturbations.Gumbel}[noise]()

    def solve(costs):
        return (costs <= jnp.sort(costs)[K - 1]).astype(costs.dtype)

    layer = optax.perturbations.make_perturbed_fun(solve, num_samples, sigma, distribution, use_baseline)
    inputs = {"costs": normal(rng, BATCH, N), "upstream": normal(rng, BATCH, N)}
    costs, keys = jnp.asarray(inputs["costs"]), jax.random.split(jax.random.key(rng.integers(1 << 30)), BATCH)
    value, back = jax.vjp(jax.vmap(lambda cost, key: layer(key, cost), in_axes=(0, 0)), costs, keys)

    # Its keys lead to its noise; that they do shows in the value.
    def draw(cost, key):
        return jax.vmap(lambda one: optax.tree.random_like(one, cost, sampler=distribution.sample))(
            jax.random.split(key, num_samples))
    drawn = np.asarray(jax.vmap(draw, out_axes=1)(costs, keys))
    cheapest(inputs["costs"])  # The baseline.
    solutions = cheapest(inputs["costs"] + sigma * drawn)
    np.testing.assert_allclose(solutions.mean(0), value)
    return {"inputs": inputs, "noise": drawn, "value": np.asarray(value),
            "gradient": np.asarray(back(jnp.asarray(inputs["upstream"]))[0])}


def record(compute, method, parameters):
    """A case as it is stored."""
    peer = "optax" if compute is make_perturbed_fun else "pyepo"
    name = json.dumps([peer, method, parameters])
    for attempt in range(100):
        try:
            answer = compute(np.random.default_rng(zlib.crc32(f"{name} {attempt}".encode())), method, **parameters)
            if 2 * np.sum(np.abs(answer["gradient"]).max(axis=-1) > 1e-3) < BATCH:
                raise Unfit("no gradient")
            break
        except Unfit:
            continue
    else:
        raise ValueError(f"no draw is fit for {name}")
    settings = dict(parameters)
    maximise = settings.pop("maximise", False)

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return np.round(np.asarray(value, dtype=float), 12).tolist()
    return {"peer": f"{peer} {PINS[peer]}", "method": method, "maximise": maximise,
            "parameters": settings, **{key: plain(value) for key, value in answer.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.normpath(f"{HERE}/../crate/tests/peers.json"),
                        help="file [%(default)s]")
    options = parser.parse_args()
    python = environment("cross-check", PINS)
    if not os.path.samefile(sys.prefix, f"{FOLDER}/cross-check"):
        os.execv(python, [python, *sys.argv])
    records = [record(*one) for one in CASES]
    lines = ",\n".join(json.dumps(one) for one in records)
    versions = json.dumps(PINS | {"python": sys.version.split()[0]})
    with open(f"{options.out}.part", "w") as file:
        file.write(f'{{"versions": {versions},\n"n": {N}, "k": {K},\n"cases": [\n{lines}\n]}}\n')
    os.replace(f"{options.out}.part", options.out)
    print(f"{len(records)} cases of {len({one['method'] for one in records})} methods in {options.out}")


if __name__ == "__main__":
    main()
