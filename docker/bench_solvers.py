#!/usr/bin/env python3
"""Times Python's solvers of the same problems beside ours, in one run, and compares what they find.

    docker compose run --rm lab bench --only grid,tsp         # with all other comparisons, in one table
    docker compose run --rm lab bench-solvers [--rounds N] [--only grid,tsp] [--pyepo] [--out FOLDER]

Each solver runs in a process of its own, on one thread and on the same files; ours and the others
alternate, and the table holds medians over the rounds. Starting, reading and writing is not timed.
The first run installs Python's packages (0.5 GB) in $SOLVERGRAD_PEERS, or /var/tmp/solvergrad-peers
(`run -e SOLVERGRAD_PEERS=/lab/data/peers` keeps them); --pyepo adds PyEPO with its PyTorch (5 GB),
for grids of 12 x 12. All solutions are checked: where one of ours is none, or an exact solver or
anyone else beats what we call optimal, the program ends with 1.
"""
import argparse
import collections
import csv
import importlib
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
except ImportError:  # The program starts itself again where numpy is installed.
    np = None

FOLDER = os.environ.get("SOLVERGRAD_PEERS") or "/var/tmp/solvergrad-peers"
PINS = {"numpy": "2.4.6", "scipy": "1.17.1", "rustworkx": "0.18.1", "networkx": "3.6.1", "lapx": "0.11.1",
        "ortools": "9.15.6755", "highspy": "1.16.0", "elkai": "2.0.1", "pygmtools": "0.6.0"}
# OR-Tools' GLOP is the fastest of PyEPO's solvers that need no licence.
PYEPO = {"pyepo": "2.2.7", "torch": "2.11.0", "ortools": PINS["ortools"], "numpy": PINS["numpy"]}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
COLUMNS = ["case", "instances", "solver", "version", "exact", "round", "microseconds", "objective", "note"]
TOLERANCE = 1e-6
CASES, PEERS = {}, {}


# Cases: lists of parts, each the arrays that one call of our program solves as a batch.

def case(problem, title, *sizes):
    def register(build):
        CASES[build] = (problem, title, sizes)
        return build
    return register


@case("grid", "grid {0} x {0}", 12, 18, 24, 30)
def terrain(rng, n):
    """Costs of five kinds of terrain; the noise leaves one cheapest path."""
    return [{"cost": rng.choice([0.8, 1.2, 5.3, 7.7, 9.2], (70, n, n)) + 1e-3 * rng.random((70, n, n))}]


@case("assignment", "assignment {0}", 8, 64, 256)
def assignment(rng, n):
    return [{"cost": rng.random(({8: 256, 64: 64, 256: 8}[n], n, n))}]


@case("matching", "matching of {0}", 16, 64)
def matching(rng, n):
    """Whole numbers, for which Python's blossom algorithms are exact."""
    return [{"cost": rng.integers(1, 1000, ({16: 64, 64: 16}[n], n * (n - 1) // 2)).astype(float)}]


@case("tsp", "tour of {0}", 5, 10, 20, 40)
def tour(rng, n):
    """Distances in the plane, rounded: CP-SAT wants whole numbers."""
    points = rng.random(({5: 20, 10: 20, 20: 10, 40: 5}[n], n, 1, 2))
    return [{"cost": np.rint(1000 * np.linalg.norm(points - points.swapaxes(1, 2), axis=-1))}]


@case("graph-matching", "quadratic assignment {0}", 8, 10, 12)
def quadratic_assignment(rng, n):
    """Random flows and distances between all pairs; their products are the costs of edges."""
    flows, distances = rng.integers(0, 10, (2, 8, n, n)) * (1.0 - np.eye(n))
    edges = np.array(list(itertools.permutations(range(n), 2)))
    a, b = edges.T
    products = (flows[:, a, b, None] * distances[:, None, a, b]).reshape(8, -1)
    return [{"cost": np.hstack([np.zeros((8, n * n)), products]), "edges1": edges, "edges2": edges,
             "nodes": np.array([n, n]), "complete": np.array(1), "flows": flows, "distances": distances}]


@case("graph-matching", "key points, 10 to {0}", 20)
def key_points(rng, n):
    """Like key points of two pictures, most of which are the same; each edge counts both ways."""
    from scipy.spatial import Delaunay
    parts = []
    for _ in range(8):
        sizes = rng.integers(10, n + 1, 2)
        common = np.arange(sizes.min() - rng.integers(0, 4))
        points = [rng.random((size, 2)) for size in sizes]
        points[1][common] = points[0][common] + 0.04 * rng.standard_normal((len(common), 2))
        order = rng.permutation(sizes[1])
        points[1], true = points[1][order], common[:, None] == order
        edges = [np.array(sorted({pair for corners in Delaunay(p).simplices.tolist()
                                  for pair in itertools.permutations(corners, 2)})) for p in points]
        first, second = (p[e[:, 1]] - p[e[:, 0]] for p, e in zip(points, edges))
        # Wrong pairs are unlike on the whole: not every point is worth a match.
        unary = 0.5 * rng.standard_normal(sizes) - 0.5
        unary[common] += true
        alike = np.exp(-20 * np.sum((first[:, None] - second) ** 2, axis=-1)) - 0.6
        alike += 0.3 * rng.standard_normal(alike.shape)
        parts.append({"cost": -np.concatenate([unary.ravel(), 0.5 * alike.ravel()])[None],
                      "edges1": edges[0], "edges2": edges[1], "nodes": sizes})
    return parts


@case("subset", "subset, 10 of {0}", 400)
def subset(rng, n):
    return [{"cost": rng.random((70, n)).astype(np.float32)}]


@case("ranking", "ranking {0}", 448)
def ranking(rng, n):
    return [{"cost": rng.random((n, n)).astype(np.float32)}]


# Python's solvers. Each gets its module and a part, prepares what does not depend on costs, and
# returns a function of one array of costs (of all, if `batch`), which finds a path, columns of rows,
# pairs, a tour, a 0/1 matrix, indices or ranks.

def peer(builders, module, title, exact=True, sizes=range(1000), batch=False):
    def register(prepare):
        PEERS[prepare.__name__] = (builders, module, title, exact, sizes, batch, prepare)
        return prepare
    return register


def steps(part):
    """Pairs of neighbouring cells of a grid, in the order of the first."""
    n = part["cost"].shape[1]
    cells = list(itertools.product(range(n), repeat=2))
    return [(i * n + j, (i + a) * n + j + b) for i, j in cells for a, b in itertools.product((-1, 0, 1), repeat=2)
            if (a or b) and 0 <= i + a < n and 0 <= j + b < n]


def backwards(before, last):
    """The path to `last` that the predecessors tell of."""
    path = [last]
    while path[-1] != 0:
        path.append(before[path[-1]])
    return path


@peer([terrain], "scipy.sparse", "csgraph.dijkstra")
def scipy_grid(sparse, part):
    dijkstra = importlib.import_module("scipy.sparse.csgraph").dijkstra
    size = part["cost"][0].size
    tails, heads = np.array(steps(part), dtype=np.int32).T
    starts = np.searchsorted(tails, np.arange(size + 1)).astype(np.int32)

    def solve(cost):
        graph = sparse.csr_array((cost.ravel()[heads], heads, starts), shape=(size, size))
        return backwards(dijkstra(graph, indices=0, return_predecessors=True)[1].tolist(), size - 1)
    return solve


@peer([terrain], "rustworkx", "dijkstra_shortest_paths")
def rustworkx_grid(rustworkx, part):
    last = part["cost"][0].size - 1
    graph = rustworkx.PyDiGraph()
    graph.add_nodes_from(range(last + 1))
    graph.add_edges_from([(tail, head, head) for tail, head in steps(part)])
    return lambda cost: list(rustworkx.dijkstra_shortest_paths(
        graph, 0, target=last, weight_fn=cost.ravel().tolist().__getitem__)[last])


@peer([terrain], "networkx", "dijkstra_path", sizes=[12])
def networkx_grid(networkx, part):
    graph = networkx.DiGraph(steps(part))

    def solve(cost):
        cells = cost.ravel().tolist()
        return networkx.dijkstra_path(graph, 0, len(cells) - 1, weight=lambda _, head, __: cells[head])
    return solve


@peer([terrain], "heapq", "heap, no packages")
def python_grid(heapq, part):
    neighbours = collections.defaultdict(list)
    for tail, head in steps(part):
        neighbours[tail].append(head)

    def solve(cost):
        cells = cost.ravel().tolist()
        distance, before, heap = {0: cells[0]}, {}, [(cells[0], 0)]
        while heap[0][1] != len(cells) - 1:
            far, cell = heapq.heappop(heap)
            if far > distance[cell]:
                continue
            for head in neighbours[cell]:
                length = far + cells[head]
                if length < distance.get(head, float("inf")):
                    distance[head], before[head] = length, cell
                    heapq.heappush(heap, (length, head))
        return backwards(before, len(cells) - 1)
    return solve


@peer([terrain], "pyepo.model.ort", "linear programme by GLOP", sizes=[12])
def pyepo_grid(ort, part):
    ways = steps(part)
    heads = np.array(ways)[:, 1]

    class Grid(ort.shortestPathModel):
        # PyEPO's own grids lead right and down only, but its model takes any arcs.
        arcs = property(lambda self: ways, lambda self, value: None)

    model = Grid(part["cost"].shape[1:], solver="glop")

    def solve(cost):
        model.setObj(cost.ravel()[heads])
        return [0, *heads[model.solve()[0] > 0.5]]
    return solve


@peer([assignment], "scipy.optimize", "linear_sum_assignment")
def scipy_assignment(optimize, part):
    return lambda cost: optimize.linear_sum_assignment(cost)[1]


@peer([assignment], "lap", "lapjvh_batch", batch=True)
def lapx_assignment(lap, part):
    return lambda costs: lap.lapjvh_batch(costs, return_cost=False, n_threads=1)[1]


def complete_graph(part):
    edges = part["cost"].shape[1]
    return list(itertools.combinations(range(round((1 + (1 + 8 * edges) ** 0.5) / 2)), 2))


@peer([matching], "rustworkx", "max_weight_matching")
def rustworkx_matching(rustworkx, part):
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(complete_graph(part)[-1][1] + 1))
    graph.add_edges_from([(a, b, edge) for edge, (a, b) in enumerate(complete_graph(part))])
    return lambda cost: rustworkx.max_weight_matching(
        graph, True, weight_fn=(-cost).astype(int).tolist().__getitem__)


@peer([matching], "networkx", "max_weight_matching", sizes=[16])
def networkx_matching(networkx, part):
    pairs = complete_graph(part)

    def solve(cost):
        graph = networkx.Graph()
        graph.add_weighted_edges_from((a, b, c) for (a, b), c in zip(pairs, (-cost).astype(int).tolist()))
        return networkx.max_weight_matching(graph, maxcardinality=True)
    return solve


def cycles(pairs):
    """The cycles of a graph in which every vertex has two neighbours."""
    neighbours = collections.defaultdict(list)
    for a, b in pairs:
        neighbours[a].append(b)
        neighbours[b].append(a)
    found = []
    while neighbours:
        found.append([next(iter(neighbours))])
        while ahead := [b for b in neighbours.pop(found[-1][-1]) if b in neighbours]:
            found[-1].append(ahead[0])
    return found


@peer([tour], "highspy", "MIP, subtour rows as needed")
def highs_tour(highspy, part):
    pairs = list(itertools.combinations(range(part["cost"].shape[1]), 2))

    def solve(cost):
        highs = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
            highs.setOptionValue(option, value)
        highs.addBinaries(len(pairs), obj=[cost[pair] for pair in pairs])
        for vertex in range(len(cost)):
            edges = [edge for edge, pair in enumerate(pairs) if vertex in pair]
            highs.addRow(2, 2, len(edges), np.array(edges), np.ones(len(edges)))
        while True:
            highs.run()
            assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
            found = cycles(itertools.compress(pairs, np.array(highs.getSolution().col_value) > 0.5))
            if len(found) == 1:
                return found[0]
            for cycle in map(set, found):
                edges = [edge for edge, pair in enumerate(pairs) if cycle.issuperset(pair)]
                highs.addRow(0, len(cycle) - 1, len(edges), np.array(edges), np.ones(len(edges)))
    return solve


@peer([tour], "ortools.sat.python.cp_model", "CP-SAT circuit", sizes=range(21))
def cp_sat_tour(cp_model, part):
    def solve(cost):
        model, solver = cp_model.CpModel(), cp_model.CpSolver()
        arcs = [(i, j, model.new_bool_var("")) for i, j in itertools.permutations(range(len(cost)), 2)]
        model.add_circuit(arcs)
        model.minimize(sum(int(cost[i, j]) * taken for i, j, taken in arcs))
        solver.parameters.num_workers = 1
        assert solver.solve(model) == cp_model.OPTIMAL
        before = {j: i for i, j, taken in arcs if solver.boolean_value(taken)}
        return backwards(before, before[0])
    return solve


@peer([tour], "elkai", "Lin-Kernighan-Helsgaun", exact=False)
def elkai_tour(elkai, part):
    return lambda cost: elkai.DistanceMatrix(cost.astype(int).tolist()).solve_tsp()[:-1]


@peer([quadratic_assignment], "scipy.optimize", "better of FAQ and 2opt", exact=False, batch=True)
def scipy_graph(optimize, part):
    def best(flows, distances):
        found = [optimize.quadratic_assignment(flows, distances, method, {"rng": np.random.default_rng(0)})
                 for method in ("faq", "2opt")]
        return np.eye(len(flows))[min(found, key=lambda result: result.fun).col_ind]
    return lambda _: [best(*pair) for pair in zip(part["flows"], part["distances"])]


def affinity(part, cost):
    """pygmtools' matrix: a row and a column for each pair of nodes, the first graph's the faster."""
    (n1, n2), (a, b), (c, d) = part["nodes"], part["edges1"].T, part["edges2"].T
    edges = -cost[n1 * n2:].reshape(len(a), len(c))
    # It wants nothing below zero. Complete matchings all gain the same from a constant; for others
    # both methods find more with zeros than with a constant.
    edges = edges - edges.min() if "complete" in part else np.maximum(edges, 0)
    matrix = np.zeros((n1 * n2, n1 * n2))
    matrix[c * n1 + a[:, None], d * n1 + b[:, None]] = edges
    nodes = np.maximum(-cost[:n1 * n2], 0).reshape(n1, n2).T
    return (matrix + matrix.T) / 2 + np.diag(nodes.ravel())


@peer([quadratic_assignment, key_points], "pygmtools", "RRWM", exact=False, batch=True)
def rrwm_graph(pygmtools, part, method="rrwm"):
    matrices, solve = [affinity(part, cost) for cost in part["cost"]], getattr(pygmtools, method)
    return lambda _: [pygmtools.hungarian(solve(matrix, *part["nodes"])) for matrix in matrices]


@peer([quadratic_assignment, key_points], "pygmtools", "IPFP", exact=False, batch=True)
def ipfp_graph(pygmtools, part):
    return rrwm_graph(pygmtools, part, "ipfp")


@peer([subset], "numpy", "argpartition", batch=True)
def numpy_subset(numpy, part):
    return lambda costs: numpy.argpartition(costs, 9, axis=1)[:, :10]


@peer([ranking], "numpy", "argsort of argsort", batch=True)
def numpy_ranking(numpy, part):
    return lambda costs: numpy.argsort(numpy.argsort(-costs, axis=1), axis=1) + 1


# Solutions in the form of ours, and whether they are ones.

def products(x, part):
    """1 for each pair of edges whose ends are matched."""
    (a, b), (c, d) = part["edges1"].T, part["edges2"].T
    return (x[a][:, c] * x[b][:, d]).ravel()


def solution(problem, part, found):
    y = np.zeros(part["cost"].shape[1:])
    if problem in ("grid", "subset"):
        y.flat[found] = 1
    elif problem == "assignment":
        y[range(len(y)), found] = 1
    elif problem == "matching":
        pairs = {frozenset(pair) for pair in found}
        y[:] = [frozenset(pair) in pairs for pair in complete_graph(part)]
    elif problem == "tsp":
        y[found, np.roll(found, -1)] = 1
        y += y.T
    elif problem == "graph-matching":
        y[:] = np.concatenate([found.ravel(), products(found, part)])
    else:
        y[:] = found
    return y


def connected(near):
    return np.linalg.matrix_power(near | np.eye(len(near), dtype=bool), len(near)).all()


def is_solution(problem, part, y):
    if problem == "ranking":
        return (np.sort(y) == np.arange(1, len(y) + 1)).all()
    if not np.isin(y, (0, 1)).all():
        return False
    if problem == "grid":
        cells = np.argwhere(y)
        return y[0, 0] and y[-1, -1] and connected(abs(cells[:, None] - cells).max(axis=-1) <= 1)
    if problem == "assignment":
        return (y.sum(0) == 1).all() and (y.sum(1) == 1).all()
    if problem == "matching":
        pairs = complete_graph(part)
        return sorted(sum(itertools.compress(pairs, y), ())) == list(range(pairs[-1][1] + 1))
    if problem == "tsp":
        return (y == y.T).all() and not y.diagonal().any() and (y.sum(0) == 2).all() and connected(y > 0)
    if problem == "graph-matching":
        x = y[:part["nodes"].prod()].reshape(part["nodes"])
        sums = np.concatenate([x.sum(0), x.sum(1)])
        enough = "complete" not in part or sums.all()
        return enough and (sums <= 1).all() and (products(x, part) == y[x.size:]).all()
    return y.sum() == 10


def objectives(problem, folder, parts):
    """Objectives of the solutions that were just written, one for each instance."""
    values = []
    for number, part in enumerate(parts):
        solutions = np.load(f"{folder}/{number}/solution.npy")
        os.remove(f"{folder}/{number}/solution.npy")
        if solutions.shape != part["cost"].shape or not all(is_solution(problem, part, y) for y in solutions):
            raise ValueError("NO SOLUTION of the problem")
        values += [float(np.sum(cost.astype(float) * y)) for cost, y in zip(part["cost"], solutions)]
    return np.array(values)


# Measurements.

def repeats(seconds):
    """How often fits in about a second: one rule for all."""
    return max(1, min(25, int(1 / seconds)))


def child(name, problem, folder):
    """Solves a case with one of Python's solvers and prints the microseconds of an instance."""
    _, module, _, _, _, batch, prepare = PEERS[name]
    module, parts, solvers = importlib.import_module(module), [], []
    while os.path.isdir(f"{folder}/{len(parts)}"):
        with os.scandir(f"{folder}/{len(parts)}") as files:
            parts.append({file.name.removesuffix(".npy"): np.load(file.path) for file in files})
        solvers.append(prepare(module, parts[-1]))

    def timed():
        start = time.perf_counter()
        found = [solve(part["cost"]) if batch else [solve(cost) for cost in part["cost"]]
                 for solve, part in zip(solvers, parts)]
        return time.perf_counter() - start, found

    first, found = timed()
    seconds = [first] if first > 1 else [timed()[0] for _ in range(repeats(first))]
    for number, part in enumerate(parts):
        solutions = [solution(problem, part, one) for one in found[number]]
        np.save(f"{folder}/{number}/solution.npy", np.array(solutions))
    print(statistics.median(seconds) / sum(len(part["cost"]) for part in parts) * 1e6)


def called(command, limit, **environment):
    """What a command prints."""
    environment = os.environ | dict.fromkeys(THREADS, "1") | environment
    try:
        done = subprocess.run(command, env=environment, timeout=limit, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise ValueError(f"stopped after {limit:g} s") from None
    if done.returncode:
        raise ValueError(f"FAILED: {(done.stderr.strip() or 'without a word').splitlines()[-1]}")
    return done.stdout


def run_ours(program, problem, folder, parts, counts, limit):
    """Microseconds of an instance, objectives and what is proved of them; sets the repeats in `counts`."""
    total, printed, proofs = 0, 0, []
    for number, part in enumerate(parts):
        at, more = f"{folder}/{number}", {"grid": ["--neighbours", "8"], "subset": ["--k", "10"]}.get(problem, [])
        if problem == "graph-matching":
            more = ["--nodes", "{},{}".format(*part["nodes"]), "--edges1", f"{at}/edges1.npy",
                    "--edges2", f"{at}/edges2.npy", *["--complete"] * ("complete" in part)]
        text = called([program, "solve", problem, *more, "--cost", f"{at}/cost.npy", "--out", f"{at}/solution.npy",
                       "--threads", "1", "--repeat", str(counts[number])], limit)
        said = dict(re.findall(r"^(objective|time|proof) +(.*)$", text, re.MULTILINE))
        if len(said) < 3:
            raise ValueError(f"FAILED: it says {text!r}")
        seconds = float(said["time"].split()[0]) * len(part["cost"]) / 1e6
        counts[number] = repeats(seconds)
        total += seconds
        printed += float(said["objective"].split()[0]) * len(part["cost"])
        proofs.append(said["proof"])
    values = objectives(problem, folder, parts)
    if abs(printed - values.sum()) > TOLERANCE * max(1, abs(values).sum()):
        raise ValueError(f"WRONG OBJECTIVE: {printed / len(values)} is said, {values.mean()} is true")
    proof = proofs[0]
    if gaps := [float(proof.split()[-1]) for proof in proofs if "gap" in proof] if len(proofs) > 1 else []:
        proof = f"{len(proofs) - len(gaps)} of {len(proofs)} optimal, largest gap {max(gaps):.3g}"
    return total / len(values) * 1e6, values, proof


def environment(name, pins):
    """Python of an environment with these packages, which is made where it is missing."""
    folder = f"{FOLDER}/{name}"
    wanted, marker = "\n".join(f"{name}=={version}" for name, version in pins.items()), f"{folder}/installed"
    if not os.path.exists(marker) or open(marker).read() != wanted:
        print(f"installing {', '.join(pins)} in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "--quiet", *wanted.split()], check=True)
        with open(marker, "w") as file:
            file.write(wanted)
    return f"{folder}/bin/python"


def bench(title, problem, folder, parts, peers, options):
    """Rows of a case, for each solver and round, and the objectives that each solver found last."""
    counts, rows, found = [1] * len(parts), [], {}
    for turn in range(options.rounds + 1):  # The first, of ours alone, tells how often to repeat.
        for name in ["ours", *(peers if turn else [])]:
            if name in found and found[name] is None:
                continue  # Once stopped is enough.
            try:
                if name == "ours":
                    microseconds, found[name], note = run_ours(
                        options.program, problem, folder, parts, counts, options.limit)
                else:
                    python = environment("pyepo", PYEPO) if name == "pyepo_grid" else sys.executable
                    # Python's packages bring their libraries; those of the image may be others.
                    command = [python, __file__, "--child", name, problem, folder]
                    told = called(command, options.limit, LD_LIBRARY_PATH="")
                    microseconds, note = float(told.splitlines()[-1]), ""
                    found[name] = objectives(problem, folder, parts)
            except (OSError, ValueError) as error:
                microseconds, found[name], note = None, None, str(error)
            if turn or microseconds is None:
                instances = sum(len(part["cost"]) for part in parts)
                objective = None if found[name] is None else found[name].mean()
                values = (title, instances, *about(name), turn, microseconds, objective, note)
                rows.append(dict(zip(COLUMNS, values)))
    return rows, found


def about(name):
    """Title of a solver, its version, and whether it is exact."""
    if name == "ours":
        return "SolverGrad", "", ""
    module, title, exact = PEERS[name][1:4]
    package = {"lap": "lapx", "heapq": "Python"}.get(module, module.split(".")[0])
    version = (PINS | PYEPO).get(package, sys.version.split()[0])
    return f"{package} {title}" + ("" if exact else " (not exact)"), version, exact


def verdicts(title, proof, found):
    """What does not fit together, and whether that is a fault of ours."""
    ours = found.pop("ours")
    if ours is None and not proof.startswith("stopped"):
        yield True, f"{title}: ours: {proof}"
    for name, theirs in found.items():
        if ours is None or theirs is None:
            continue
        more, exact = (theirs - ours) / np.maximum(1, abs(theirs)), PEERS[name][3]
        if more.min() < -TOLERANCE and (exact or " of " not in proof):
            yield True, f"{title}: {about(name)[0]} IS BETTER than ours, by {-more.min():.3g} of its objective"
        if more.max() > TOLERANCE and exact:
            yield False, f"{title}: ours is better than {about(name)[0]}, which should be exact"


def table_lines(rows):
    """Lines of the table for the rows of one case."""
    def summary(solver):
        mine = [row for row in rows if row["solver"] == solver]
        times = [row["microseconds"] for row in mine if row["microseconds"] is not None]
        whole = times if len(times) == len(mine) else []  # A solver stopped in one round has no time.
        return statistics.median(whole) if whole else None, mine[-1]["objective"], mine[-1]["note"]

    def short(value, digits):
        return "-" if value is None else f"{value:,.0f}" if value >= 10 ** digits else f"{value:.{digits}g}"

    time_ours, objective_ours, proof = summary("SolverGrad")
    for solver in list(dict.fromkeys(row["solver"] for row in rows))[1:]:
        time_peer, objective, note = summary(solver)
        ratio = None if None in (time_ours, time_peer) else time_peer / time_ours
        cells = [rows[0]["case"], short(time_ours, 4), solver, note or short(time_peer, 4), short(ratio, 3),
                 short(objective_ours, 7), short(objective, 7), proof]
        yield f"| {' | '.join(cells)} |"


def write_rows(path, columns, rows):
    """A table whole or not at all: written beside, then moved."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(f"{path}.part", "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(f"{path}.part", path)


def machine():
    with open("/proc/cpuinfo") as file:
        models = {line.split(":", 1)[1].strip() for line in file if line.startswith("model name")}
    return f"{', '.join(models) or os.uname().machine}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    problems = list(dict.fromkeys(problem for problem, _, _ in CASES.values()))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(problems), help="problems, of %(default)s")
    parser.add_argument("--pyepo", action="store_true", help="PyEPO, too")
    parser.add_argument("--limit", type=float, default=120, help="seconds for each process [%(default)s]")
    parser.add_argument("--program", default="solvergrad", help="our program [%(default)s]")
    parser.add_argument("--out", default="/lab/data" if os.path.isdir("/lab/data") else ".",
                        help="folder of solver_benchmark.csv [%(default)s]")
    options = parser.parse_args()
    options.rounds = max(options.rounds, 1)
    if unknown := set(options.only.split(",")) - set(problems):
        parser.error(f"no problem {', '.join(sorted(unknown))}: take some of {', '.join(problems)}")
    if not shutil.which(options.program):
        parser.error(f"there is no program {options.program}")
    python = environment("solvers", PINS)
    if not os.path.samefile(sys.prefix, f"{FOLDER}/solvers"):
        os.execv(python, [python, *sys.argv])
    if options.pyepo:
        environment("pyepo", PYEPO)
    os.makedirs(options.out, exist_ok=True)
    load, rows, table, wrong = os.getloadavg(), [], [], []
    for build, (problem, title, sizes) in CASES.items():
        for size in sizes if problem in options.only.split(",") else ():
            peers = [name for name, (builders, *_, fits, _, _) in PEERS.items()
                     if build in builders and size in fits and (options.pyepo or name != "pyepo_grid")]
            parts = build(np.random.default_rng(size), size)
            with tempfile.TemporaryDirectory() as folder:
                for number, part in enumerate(parts):
                    os.mkdir(f"{folder}/{number}")
                    for name, array in part.items():
                        np.save(f"{folder}/{number}/{name}.npy", np.ascontiguousarray(array))
                print(title.format(size), file=sys.stderr, flush=True)
                new, found = bench(title.format(size), problem, folder, parts, peers, options)
            rows += new
            table += table_lines(new)
            proof = [row["note"] for row in new if row["solver"] == "SolverGrad"][-1]
            wrong += verdicts(title.format(size), proof, found)
            write_rows(f"{options.out}/solver_benchmark.csv", COLUMNS, rows)
    print(f"{machine()}, one thread for each solver, median of {options.rounds} rounds; load average "
          f"{load[0]:.2f} before, {os.getloadavg()[0]:.2f} after\n")
    print(called([options.program, "--version"], options.limit).strip(), f"Python {sys.version.split()[0]}",
          *(f"{name} {version}" for name, version in (PINS | (PYEPO if options.pyepo else {})).items()), sep=", ")
    titles = ["case", "ours us", "peer", "peer us", "ratio", "objective ours", "objective peer", "proof"]
    print(f"\n| {' | '.join(titles)} |\n|{'---|' * len(titles)}", *table, sep="\n")
    print(f"\nTimes are microseconds of an instance, objectives are means; a tour counts both ways. "
          f"Each measurement: {options.out}/solver_benchmark.csv")
    for _, line in wrong:
        print(f"MISMATCH: {line}")
    sys.exit(any(ours for ours, _ in wrong))


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main()
