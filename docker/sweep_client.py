#!/usr/bin/env python3
"""Hands the runs of a sweep to a Dask scheduler, until all have ended.

    sweep_client.py tcp://HOST:8786 < RUNS.json      # [{"folder": ..., "resources": {...}}, ...]

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

import dask
from distributed import Client

# Seconds to the first answer of the scheduler; while it restarts; until a sweep without a worker that fits ends.
FIRST, RESTART, NO_WORKER = 10, 600, 120
# How often a run is handed out again after workers were lost with it, or broke.
TRIES = 10
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
    return json.loads(answer)


def needs(run):
    """What a run takes of a worker's resources."""
    return {name: run["resources"].get(name, 0) for name in NEEDS if run["resources"].get(name, 0) > 0}


def places(workers, need):
    """How many such runs fit on the workers at once."""
    return sum(int(min(worker["resources"].get(name, 0) // value for name, value in need.items()))
               for worker in workers.values())


class Spread:
    """The runs that are left, and where they are."""

    def __init__(self, runs):
        self.left = {run["folder"]: run for run in runs}
        self.tries = collections.Counter()
        self.refused = {}
        self.without = None

    def until_lost(self, client):
        """Hands out runs until all have ended, or the scheduler is gone."""
        futures, looked, free = {}, 0.0, 0
        while self.left:
            if client.status != "running":
                return
            if time.monotonic() - looked > 1:
                looked, free = time.monotonic(), self.fitting(client)
            for folder, future in list(futures.items()):
                # Written by whoever did it: the answer may be lost with a worker.
                if future.status == "pending" and not pathlib.Path(folder, "done.json").exists():
                    continue
                self.look(folder, futures.pop(folder))
            for folder, run in self.left.items():
                if len(futures) >= free:
                    break
                if folder not in futures:
                    self.tries[folder] += 1
                    if self.tries[folder] > TRIES:
                        raise GivenUp(f"{folder} was handed out {TRIES} times, and its workers were lost each time")
                    futures[folder] = client.submit(
                        execute, folder, resources=needs(run), pure=False,
                        key=f"run-{os.path.basename(folder)}-{os.getpid()}-{self.tries[folder]}")
            time.sleep(0.02)

    def look(self, folder, future):
        """What became of a run; it stays where it has to be handed out again."""
        if future.status == "finished":
            answer = future.result()
            if "refused" in answer:
                self.refused[folder] = answer["refused"]
            if "killed" not in answer:
                self.left.pop(folder)
        elif pathlib.Path(folder, "done.json").exists():
            self.left.pop(folder)

    def fitting(self, client):
        """Places for runs; ends the sweep where there are none for long."""
        workers = client.scheduler_info(n_workers=-1)["workers"]
        need = needs(next(iter(self.left.values())))
        free = places(workers, need)
        if free:
            self.without = None
        elif self.without is None:
            self.without = time.monotonic()
            print(f"waiting for a worker with {need}; there are {len(workers)}", flush=True)
        elif time.monotonic() - self.without > NO_WORKER:
            raise GivenUp(f"no worker has {need} after {NO_WORKER} s: start one, or ask for less in [resources]")
        return free


def main():
    address = sys.argv[1]
    # What the engine says of its connections is not for the person who waits for results.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    dask.config.set({"distributed.comm.timeouts.connect": f"{FIRST}s"})
    spread = Spread(json.load(sys.stdin))
    answered = None
    while spread.left:
        try:
            with Client(address, timeout=FIRST, set_as_default=False) as client:
                answered = time.monotonic()
                spread.until_lost(client)
        except GivenUp:
            raise
        # Of many types: the engine's own way to say that its scheduler is gone.
        except Exception as error:
            if answered is None:
                raise GivenUp(f"no scheduler answers there ({error}); start one with `docker compose --profile "
                               "cluster up`, or correct the address") from error
            if time.monotonic() - answered > RESTART:
                raise GivenUp(f"the scheduler did not come back within {RESTART} s") from error
        if spread.left:
            time.sleep(1)
    for folder, why in spread.refused.items():
        print(f"{os.path.basename(folder)}: {why}", file=sys.stderr)
    sys.exit(1 if spread.refused else 0)


if __name__ == "__main__":
    try:
        main()
    except GivenUp as problem:
        sys.exit(str(problem))
