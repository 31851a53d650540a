#!/usr/bin/env python3
"""Hands the runs of a sweep to a Dask scheduler, until all have ended.

    sweep_client.py tcp://HOST:8786 PATIENCE < RUNS.json      # [{"folder": ..., "resources": {...}}, ...]

PATIENCE: seconds until a sweep without a worker that fits ends.

Called by `solvergrad sweep --on`. The engine only spreads: what is done stands in the runs' folders, which
all workers see under the same path, and a lock there lets one process at a run (crate/src/sweep/run.rs). So
whatever the engine loses, workers or the scheduler itself, is handed out again without being done twice.
"""
import collections
import json
import logging
import os
import pathlib
import sys
import time
import uuid

import dask
from distributed import Client

# Seconds to the first answer of the scheduler; while it restarts; until a result has to be there.
FIRST, RESTART, ANSWER = 10, 600, 30
# How often a run is handed out again after workers were lost with it, or broke.
TRIES = 10
# Workers that have to refuse a run, if there are as many; runs a worker may refuse with none done between.
REFUSALS = 3
NEEDS = ("threads", "gpus", "memory_gb")


class GivenUp(Exception):
    """The sweep cannot go on; the text says why."""


def execute(folder):
    """On a worker: does one run, as `solvergrad sweep` itself does it.

    The process that does it waits for the next one: it takes a quarter of a second to begin.
    """
    import json
    import subprocess
    from distributed import get_worker

    idle = get_worker().__dict__.setdefault("solvergrad_processes", [])
    try:
        process = idle.pop()
    except IndexError:
        process = subprocess.Popen(["solvergrad", "sweep", "run", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        process.wait()
        return {"killed": True}
    idle.append(process)
    return json.loads(answer) | {"worker": get_worker().address}


def needs(run):
    """What a run takes of a worker's resources."""
    return {name: run["resources"].get(name, 0) for name in NEEDS if run["resources"].get(name, 0) > 0}


def places(workers, need):
    """How many such runs fit on the workers at once."""
    return sum(int(min(worker["resources"].get(name, 0) // value for name, value in need.items()))
               for worker in workers.values())


class Spread:
    """The runs that are left, and where they are."""

    def __init__(self, runs, patience):
        self.left = {run["folder"]: run for run in runs}
        self.patience = patience
        self.tries = collections.Counter()
        self.refused, self.broke = {}, {}
        # Who refused a run; how many a worker refused one after the other, and why.
        self.refused_by, self.in_a_row, self.reasons = collections.defaultdict(set), collections.Counter(), {}
        self.workers, self.without = {}, None

    def until_lost(self, client):
        """Hands out runs until all have ended, or the scheduler is gone."""
        futures, looked, free = {}, 0.0, 0
        while self.left:
            if client.status != "running":
                return
            if time.monotonic() - looked > 1:
                looked, free = time.monotonic(), self.fitting(client)
            for folder, (future, only) in list(futures.items()):
                # Written by whoever did it: the answer may be lost with a worker, or not come through.
                if pathlib.Path(folder, "done.json").exists():
                    futures.pop(folder)
                    self.left.pop(folder)
                elif future.status != "pending":
                    self.look(folder, futures.pop(folder)[0])
                elif only and not only.intersection(self.workers):
                    futures.pop(folder)
            for folder in self.left:
                if len(futures) >= free:
                    break
                if folder not in futures and (whom := self.trusted() - self.refused_by[folder]):
                    futures[folder] = self.hand_out(client, folder, whom)
            time.sleep(0.02)

    def hand_out(self, client, folder, whom):
        """The future of a run, and the workers it is kept to, if not to all there are."""
        self.tries[folder] += 1
        if self.tries[folder] > TRIES:
            why = self.broke.get(folder, "its workers were lost each time")
            raise GivenUp(f"{folder} was handed out {TRIES} times: {why}")
        only = whom if whom != set(self.workers) else None
        future = client.submit(
            execute, folder, resources=needs(self.left[folder]), pure=False, workers=only and list(only),
            key=f"run-{os.path.basename(folder)}-{uuid.uuid4()}")
        return future, only

    def look(self, folder, future):
        """What became of a run; it stays where it has to be handed out again."""
        if future.status == "error":
            self.broke[folder] = f"{type(future.exception()).__name__}: {future.exception()}"
        if future.status != "finished":
            return
        try:
            answer = future.result(timeout=ANSWER)
        except TimeoutError:
            self.broke[folder] = "the scheduler does not reach its worker"
            return
        if "killed" in answer:
            return
        worker = answer["worker"]
        if "refused" not in answer:
            self.in_a_row[worker] = 0
            self.left.pop(folder)
            return
        self.in_a_row[worker] += 1
        self.refused_by[folder].add(worker)
        self.reasons[worker] = answer["refused"]
        if len(self.refused_by[folder]) >= REFUSALS or self.refused_by[folder].issuperset(self.workers):
            self.refused[folder] = answer["refused"]
            self.left.pop(folder)

    def trusted(self):
        """The workers that may have more runs: one with another `data/` would soon have refused all of them."""
        return {worker for worker in self.workers if self.in_a_row[worker] < REFUSALS}

    def fitting(self, client):
        """Places for runs; ends the sweep where there are none for long."""
        self.workers = client.scheduler_info(n_workers=-1)["workers"]
        trusted = self.trusted()
        if self.workers and not trusted:
            raise GivenUp(f"every worker refuses: {one_line(next(iter(self.reasons.values())))}")
        need = needs(next(iter(self.left.values())))
        free = places({worker: self.workers[worker] for worker in trusted}, need)
        if free:
            self.without = None
        elif self.without is None:
            self.without = time.monotonic()
            print(f"waiting for a worker with {need}; there are {len(self.workers)}", flush=True)
        elif time.monotonic() - self.without > self.patience:
            raise GivenUp(f"no worker has {need} after {self.patience:.0f} s: start one, ask for less in [resources], "
                          "or wait longer with --wait")
        return free


def one_line(text):
    """As a message to a person has it."""
    return " ".join(text.split())


def main():
    address, patience = sys.argv[1], float(sys.argv[2])
    # What the engine says of its connections is not for the person who waits for results.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    dask.config.set({"distributed.comm.timeouts.connect": f"{FIRST}s"})
    spread = Spread(json.load(sys.stdin), patience)
    answered, stuck = None, 0
    while spread.left:
        left = len(spread.left)
        try:
            with Client(address, timeout=FIRST, set_as_default=False) as client:
                answered = time.monotonic()
                try:
                    spread.until_lost(client)
                finally:
                    answered = time.monotonic()
                    stuck = stuck + 1 if len(spread.left) == left else 0
        except GivenUp:
            raise
        # Of many types: the engine's own way to say that its scheduler is gone.
        except Exception as error:
            if answered is None:
                raise GivenUp(f"no scheduler answers there ({error}); start one with `docker compose --profile "
                               "cluster up`, or correct the address") from error
            if stuck > TRIES:
                raise GivenUp(f"the scheduler is lost again and again: {type(error).__name__}: {error}") from error
            if time.monotonic() - answered > RESTART:
                raise GivenUp(f"the scheduler did not come back within {RESTART} s") from error
        if spread.left:
            time.sleep(1)
    if spread.refused:
        folder, why = next(iter(spread.refused.items()))
        print(f"{len(spread.refused)} runs were refused; {os.path.basename(folder)}: {one_line(why)}", file=sys.stderr)
    sys.exit(1 if spread.refused else 0)


if __name__ == "__main__":
    try:
        main()
    except GivenUp as problem:
        sys.exit(one_line(str(problem)))
