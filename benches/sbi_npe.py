#!/usr/bin/env python3
"""Neural posterior estimation by sbi (PyPI `sbi`) on the rows of a run, to compare its test NLL with.

Usage: sbi_npe.py FOLDER FEATURES [--estimator nsf|maf|zuko_nsf] [--threads 2] [--seed 0]

FOLDER is what `runner split RUN -o FOLDER` wrote: the first FEATURES columns are parameters, the others what they are given. sbi trains
on train.csv and validation.csv together and holds out the share that the latter has, with its defaults otherwise: batches of 200,
Adam at 5e-4, until 20 epochs bring nothing. Prints one JSON object: mean NLL of test.csv in nats, its standard error, seconds.
"""
import argparse, json, time
from pathlib import Path

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("folder", type=Path)
ap.add_argument("features", type=int)
ap.add_argument("--estimator", default="nsf")
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--seed", type=int, default=0)
args = ap.parse_args()

import numpy as np, torch
from sbi.inference import NPE

torch.set_num_threads(args.threads)
torch.manual_seed(args.seed)


def read(part):
    rows = torch.as_tensor(np.loadtxt(args.folder / f"{part}.csv", delimiter=",", skiprows=1), dtype=torch.float32)
    return rows[:, : args.features], rows[:, args.features :]


train, validation, test = map(read, ("train", "validation", "test"))
theta, x = (torch.cat(parts) for parts in zip(train, validation))
start = time.perf_counter()
inference = NPE(density_estimator=args.estimator, show_progress_bars=False)
share = len(validation[0]) / len(theta)
estimator = inference.append_simulations(theta, x).train(validation_fraction=share)
seconds = time.perf_counter() - start
with torch.no_grad():
    nll = -estimator.log_prob(test[0].unsqueeze(0), condition=test[1]).squeeze(0)
print(json.dumps({"estimator": args.estimator, "nll": round(nll.mean().item(), 4),
                  "stderr": round((nll.std() / len(nll) ** 0.5).item(), 4), "seconds": round(seconds, 1)}))
