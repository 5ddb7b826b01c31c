"""kill -9 at random moments of a sweep, run again to the end: the table must be that of a sweep nobody killed, and no file
unreadable at any moment.

usage: kill.py RUNNER     (Python with pyarrow and safetensors)
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet as parquet
from safetensors import safe_open

RUNNER = str(pathlib.Path(sys.argv[1]).resolve())
KILLS = 20
SPEC = """
seeds = 2
[dataset]
name = "moons"
train = 2_000
validation = 500
test = 1_000
[model]
width = 32
[training]
steps = 2_000
evaluate_every = 100
log_every = 20
[sweep.parameters]
"model.depth" = [2, 4]
"""


def start(results):
    return subprocess.Popen(
        [RUNNER, "sweep.toml", "--results", results, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


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
    return found


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / "sweep.toml").write_text(SPEC)
    os.chdir(folder)
    begin = time.monotonic()
    assert start("whole").wait() == 0
    whole = time.monotonic() - begin
    expected = numbers(folder / "whole")
    chance = random.Random(0)
    kills = 0
    while kills < KILLS:
        process = start("killed")
        time.sleep(chance.uniform(0.02, 0.5 * whole))
        process.kill()
        if process.wait() == -9:
            kills += 1
            read_all(folder / "killed")
        if kills % 5 == 0:
            # To the end from here, and once more from nothing.
            assert start("killed").wait() == 0
            assert numbers(folder / "killed") == expected, "the numbers differ"
            if kills < KILLS:
                subprocess.run(["rm", "-rf", "killed"], check=True)
    print(f"{KILLS} kills of a sweep of {whole:.1f} s; {len(expected)} files are the same")
