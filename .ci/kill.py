"""kill -9 at random moments of a grid, a search and a halving, run again to the end: the table must be that of a sweep nobody
killed, and no file unreadable at any moment. It must also be the same with one trial after the other and with two at once.

usage: kill.py RUNNER [KILLS]     kills of each sweep, default 10 (Python with pyarrow and safetensors)
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet as parquet
from safetensors import safe_open

RUNNER = str(pathlib.Path(sys.argv[1]).resolve())
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
TOGETHER = 5
"""Kills of a sweep before it is run to its end and begun anew."""

BASE = """
seeds = 2
[dataset]
name = "moons"
train = 1_000
validation = 200
test = 500
[model]
width = 16
[training]
steps = {steps}
batch_size = 128
evaluate_every = 50
log_every = 10
"""
SPACE = """
[sweep.parameters]
"model.depth" = [2, 4]
"optimizer.learning_rate" = { min = 1e-4, max = 1e-1, scale = "log" }
"""
SWEEPS = {
    "grid": BASE.format(steps=1_000) + '[sweep.parameters]\n"model.depth" = [2, 4]\n',
    "tpe": BASE.format(steps=300) + '[sweep]\nmethod = "tpe"\ntrials = 9\nstartup = 3\nround = 3\n' + SPACE,
    "halving": BASE.format(steps=600)
    + '[sweep]\nmethod = "halving"\ncandidates = "tpe"\ntrials = 12\nstartup = 6\nround = 6\nfirst_rung = 50\n'
    + SPACE,
}


def start(name, results, jobs=None):
    """Starts a sweep in a process group of its own."""
    command = [RUNNER, f"{name}.toml", "--results", results, "--quiet"] + (["--jobs", str(jobs)] if jobs else [])
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def to_the_end(name, results, jobs=None):
    code = start(name, results, jobs).wait()
    assert code == 0, f"{name}: exit code {code}"


def read_all(folder):
    """Reads every file that claims to be whole."""
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            parquet.read_table(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy") as file:
                for key in file.keys():
                    file.get_tensor(key)


def numbers(folder):
    """All that a sweep found out, without times."""
    found = {}
    for path in sorted(folder.rglob("*.parquet")):
        table = parquet.read_table(path)
        kept = [name for name in table.column_names if name not in ("seconds", "samples_per_second")]
        found[str(path.relative_to(folder))] = table.select(kept).to_pydict()
    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            found[str(path.relative_to(folder))] = {key: file.get_tensor(key).tobytes() for key in file.keys()}
    for path in folder.glob("*/plan.json"):
        found[path.name] = json.loads(path.read_text()).get("told")
    return found


def same(name, found, expected):
    differing = [path for path in expected.keys() | found.keys() if found.get(path) != expected.get(path)]
    assert not differing, f"{name}: not the same: {differing}"


def kill_often(name, expected, whole):
    """Kills so many times in all, and compares whenever the sweep has come to its end."""
    chance = random.Random(name)
    killed = pathlib.Path("killed")
    kills = 0
    # Whatever the machine: between just started and nearly done.
    longest = min(2.0, 0.5 * whole)
    while kills < KILLS:
        shutil.rmtree(killed, ignore_errors=True)
        until = min(KILLS, kills + TOGETHER)
        while kills < until:
            process = start(name, "killed")
            time.sleep(chance.uniform(0.05, max(0.1, longest)))
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if process.wait() != -signal.SIGKILL:
                # It was done already: from nothing again.
                same(name, numbers(killed), expected)
                shutil.rmtree(killed)
                continue
            kills += 1
            if killed.exists():
                read_all(killed)
        to_the_end(name, "killed")
        same(name, numbers(killed), expected)
    shutil.rmtree(killed)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, spec in SWEEPS.items():
        pathlib.Path(f"{name}.toml").write_text(spec)
        begin = time.monotonic()
        to_the_end(name, f"{name}-whole")
        whole = time.monotonic() - begin
        expected = numbers(pathlib.Path(f"{name}-whole"))
        for jobs in (1, 2):
            to_the_end(name, f"{name}-{jobs}", jobs)
            same(f"{name} --jobs {jobs}", numbers(pathlib.Path(f"{name}-{jobs}")), expected)
        kill_often(name, expected, whole)
        print(f"{name}: {KILLS} kills of a sweep of {whole:.1f} s, --jobs 1 and 2: {len(expected)} files are the same", flush=True)
