"""Two trials.parquet hold the same trials and numbers, but for times, host and speed.

usage: same_trials.py ONE OTHER
"""

import sys

import pyarrow.parquet as parquet

TIMES = {"seconds", "samples_per_second"}


def rows(path):
    table = parquet.read_table(path)
    kept = [name for name in table.column_names if name not in TIMES]
    return table.select(kept).to_pylist()


one, other = (rows(path) for path in sys.argv[1:])
assert one, "no trials"
for a, b in zip(one, other, strict=True):
    assert a == b, f"\n{a}\n{b}"
print(f"{len(one)} trials are the same")
