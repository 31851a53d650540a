#!/usr/bin/env python3
"""Sixty runs on three worker containers, which are killed, cut off and restarted under way.

    python3 docker/test_cluster.py [--runs N]      # where Docker is; the image is built

A worker is killed, another cut off the network for 30 s, the scheduler restarted, and a fourth worker has
none of the data: all results arrive, each exactly once, and are those of a serial run, byte for byte. Then
what is refused: an address without a scheduler, and a worker with another program.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = "solvergrad-cluster-test"
STRANGER = f"{PROJECT}-stranger"
SWEEP = """notebook = "/lab/notebooks/01_discrete_vae.ipynb"
seeds = {seeds}
[fixed]
epochs = 3
train_images = 1000
test_images = 100
[grid]
variants = [[["identity", "std"]], [["identity", "none"]], [["i-mle", "none"]]]
temperature = [5.0, 10.0]
learning_rate = [1e-3, 3e-3]
[resources]
memory_gb = 2
[objective]
metric = "n_elbo"
goal = "lowest"
"""
CUT_OFF = 30
LIMIT = 1800


def compose(*arguments, **options):
    """A command of Compose in a project of its own, with the lab's folders."""
    command = ["docker", "compose"]
    if subprocess.run([*command, "version"], capture_output=True).returncode:
        command = ["docker-compose"]
    return subprocess.run([*command, "-p", PROJECT, "--profile", "cluster", *arguments], cwd=ROOT, check=True,
                          text=True, **options)


def docker(*arguments):
    """What a command of Docker prints."""
    return subprocess.run(["docker", *arguments], check=True, text=True, capture_output=True).stdout.strip()


def containers(service):
    """Names of the running containers of a service."""
    found = docker("ps", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.project={PROJECT}",
                   "--filter", f"label=com.docker.compose.service={service}")
    return sorted(found.split())


def lab(name, *arguments, **options):
    """`solvergrad sweep` of the file with this name, in a container of the project."""
    return compose("run", "--rm", "-T", "lab", "sweep", f"/lab/data/{name}.toml", *arguments,
                   stdin=subprocess.DEVNULL, **options)


class Runs:
    """The folders of a sweep's runs."""

    def __init__(self, name):
        self.folder = ROOT / "data/sweeps" / name

    def done(self):
        """Rows of the finished runs, by hash."""
        return {end.parent.name: (end.parent / "rows.csv").read_bytes() for end in self.folder.glob("runs/*/done.json")}

    def attempts(self):
        """How often runs were begun."""
        return sum(len(path.read_text().splitlines()) for path in self.folder.glob("runs/*/attempts"))

    def wait(self, count, process):
        """Until so many are done."""
        start = time.monotonic()
        while len(self.done()) < count:
            if process.poll() is not None:
                sys.exit(f"the sweep ended with {len(self.done())} of {count} runs: exit status {process.returncode}")
            if time.monotonic() - start > LIMIT:
                sys.exit(f"{len(self.done())} of {count} runs after {LIMIT} s")
            time.sleep(0.2)


def disturbed(runs, total, process):
    """What happens to a cluster, while the sweep runs."""
    workers = containers("worker")
    runs.wait(total // 6, process)
    # It has a process for runs once it was asked.
    processes = docker("exec", STRANGER, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sweep run -" in processes, "the worker without data was never asked"
    docker("rm", "--force", STRANGER)
    print(f"{len(runs.done())} done: killing {workers[0]}", flush=True)
    docker("kill", "--signal", "KILL", workers[0])
    runs.wait(total // 3, process)
    network = f"{PROJECT}_default"
    print(f"{len(runs.done())} done: {workers[1]} is off the network", flush=True)
    docker("network", "disconnect", network, workers[1])
    time.sleep(CUT_OFF)
    docker("network", "connect", network, workers[1])
    runs.wait(2 * total // 3, process)
    print(f"{len(runs.done())} done: restarting the scheduler", flush=True)
    docker("restart", "--time", "0", *containers("scheduler"))


def refused(name, *arguments):
    """The message of a sweep that has to fail."""
    result = subprocess.run([sys.executable, __file__, "--sweep", name, *arguments], capture_output=True, text=True)
    if result.returncode == 0:
        sys.exit(f"{name} {arguments} was not refused")
    lines = (result.stdout + result.stderr).splitlines()
    return [line for line in lines if line.startswith("solvergrad: ")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60)
    total = parser.parse_args().runs
    names = ("cluster-test-serial", "cluster-test")
    serial, spread = map(Runs, names)
    for name in names:
        shutil.rmtree(ROOT / "data/sweeps" / name, ignore_errors=True)
        (ROOT / f"data/{name}.toml").write_text(SWEEP.format(seeds=total // 12))
    try:
        start = time.monotonic()
        lab(names[0], "--jobs", "1")
        print(f"serial: {len(serial.done())} runs in {time.monotonic() - start:.0f} s", flush=True)
        assert len(serial.done()) == serial.attempts() == total

        compose("up", "-d", "--scale", "worker=3", "scheduler", "worker")
        docker("run", "--detach", "--name", STRANGER, "--network", f"{PROJECT}_default", "--env", "WORKER_THREADS=1",
               "solvergrad:cpu", "worker")
        start = time.monotonic()
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen([sys.executable, __file__, "--sweep", names[1], "--on", "tcp://scheduler:8786"],
                                       stdout=log, stderr=subprocess.STDOUT)
            try:
                disturbed(spread, total, process)
                status = process.wait(LIMIT)
            finally:
                process.kill()
                log.seek(0)
                print(*log.read().splitlines()[-12:], sep="\n", flush=True)
        assert status == 0, f"exit status {status}"
        print(f"disturbed: {len(spread.done())} runs in {time.monotonic() - start:.0f} s, begun {spread.attempts()} times")
        assert spread.done() == serial.done(), "the rows differ from those of the serial run"
        # What was broken off is begun again, nothing else.
        assert total <= spread.attempts() <= total + 8, f"{spread.attempts()} attempts"

        before = {path: path.stat().st_mtime_ns for path in spread.folder.glob("runs/*/done.json")}
        lab(names[1], "--on", "tcp://scheduler:8786", stdout=subprocess.DEVNULL)
        assert before == {path: path.stat().st_mtime_ns for path in spread.folder.glob("runs/*/done.json")}
        print("again: nothing repeated")

        lost = next(spread.folder.glob("runs/*"))
        card = json.loads((lost / "run.json").read_text())
        shutil.rmtree(lost)
        compose("stop", "scheduler", "worker", stderr=subprocess.DEVNULL)
        message = refused(names[1], "--on", "tcp://scheduler:8786")
        assert len(message) == 1 and "no scheduler answers" in message[0], message
        print("refused:", message[0])

        # A worker sees the folder of another program: this run's card is of one that never was.
        (lost / "run.json").write_text(json.dumps(card | {"program": "0" * 64}))
        result = compose_run_of(lost)
        assert result.returncode == 1 and "hash" in result.stderr, result
        print("refused:", result.stderr.strip().splitlines()[-1])
        assert len(spread.done()) == total - 1 and not (lost / "out").exists()
    finally:
        subprocess.run(["docker", "rm", "--force", STRANGER], capture_output=True)
        compose("down", "--volumes", stderr=subprocess.DEVNULL)
        for name in names:
            (ROOT / f"data/{name}.toml").unlink(missing_ok=True)
            shutil.rmtree(ROOT / "data/sweeps" / name, ignore_errors=True)
    print("ok")


def compose_run_of(folder):
    """One run, as a worker begins it."""
    place = f"/lab/{folder.relative_to(ROOT)}"
    command = ["docker", "run", "--rm", "-v", f"{ROOT}/data:/lab/data", "-v", f"{ROOT}/notebooks:/lab/notebooks",
               "solvergrad:cpu", "sweep", "run", place]
    return subprocess.run(command, capture_output=True, text=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sweep"]:
        try:
            lab(sys.argv[2], *sys.argv[3:])
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
    else:
        main()
