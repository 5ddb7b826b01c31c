#!/usr/bin/env python3
"""Ways to search, at equal budgets of steps: those of `[sweep]`, and Optuna that drives `runner` as a process.

    cargo build --release; experiments/data/fetch power
    python3 -m venv venv && venv/bin/pip install optuna numpy pyarrow matplotlib
    venv/bin/python benches/search_study.py RESULTS [--repeats 5] [--jobs 2] [--only METHOD ...] [--page]

RESULTS is a folder for all runs: what is there is kept, so it goes on where it stopped. `--page` runs nothing: it prints the table and
writes the picture of results/reference/search.md from what is there.

The spaces are those of experiments/search-*.toml. A budget is the steps of 27 runs to their end. What counts is the test NLL of the
trial with the best validation NLL so far, against the steps spent. Optuna's pruned trials are run to their end and then told to it
value by value, so that a trial counts as many steps as its pruner let it have: it loses none to late signals.
"""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import tomllib

import numpy
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNNER = ROOT / "target/release/runner"
SETS = ["8gaussians", "power", "digits"]
TRIALS, STEPS, FIRST_RUNG = 27, 2700, 100


def halving(trials, candidates):
    return ["sweep.method=halving", f"sweep.trials={trials}", f"sweep.first_rung={FIRST_RUNG}", f"sweep.candidates={candidates}"]


METHODS = {
    "random": ["sweep.method=random"],
    "Sobol": ["sweep.method=sobol"],
    "TPE": ["sweep.method=tpe"],
    "halving, 27 candidates": halving(27, "sobol"),
    "halving, 81 candidates": halving(81, "sobol"),
    # Three rounds of 27, each halved by itself.
    "halving + TPE, 81 candidates": [*halving(81, "tpe"), "sweep.startup=27", "sweep.round=27"],
    "Optuna TPE": None,
    "Optuna TPE + median pruner": None,
    "halving, 243 candidates": halving(243, "sobol"),
}


def run(of, folder, overrides):
    sets = [word for override in overrides for word in ("--set", override)]
    command = [RUNNER, f"experiments/search-{of}.toml", *sets, "--results", folder, "--jobs", "1", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # 1: a trial diverged, which is a result.
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout)
    experiment = folder / f"search-{of}"
    rows = {row["spec_hash"]: row for row in pyarrow.parquet.read_table(experiment / "trials.parquet").to_pylist()}
    plan = json.loads((experiment / "plan.json").read_text())
    return experiment, [rows[trial["spec_hash"]] for trial in plan["trials"]]


def ours(of, method, repeat, folder):
    _, rows = run(of, folder, [*METHODS[method], f"sweep.seed={repeat}"])
    if method.startswith("halving"):
        finished = [row for row in rows if row["status"] == "finished"]
        best = min(finished, key=lambda row: row["validation_nll"])
        return [(sum(row["steps"] for row in rows), best["validation_nll"], best["test_nll"])]
    return incumbents([(row["steps"], row["validation_nll"], row["test_nll"]) for row in rows if row["status"] == "finished"])


def incumbents(trials):
    """(steps spent, validation NLL, test NLL) of the best so far, after each of `trials`."""
    spent, best, course = 0, None, []
    for steps, validation, test in trials:
        spent += steps
        if test is not None and (best is None or validation < best[0]):
            best = (validation, test)
        if best is not None:
            course.append((spent, *best))
    return course


def optuna_course(of, method, repeat, folder):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = tomllib.loads((ROOT / "experiments/search-8gaussians.toml").read_text())["sweep"]["parameters"]
    prunes = "pruner" in method
    pruner = optuna.pruners.MedianPruner() if prunes else optuna.pruners.NopPruner()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=repeat, multivariate=True), pruner=pruner)
    trials, spent = [], 0
    while spent < TRIALS * STEPS:
        trial = study.ask()
        words = []
        for key, values in space.items():
            if isinstance(values, list):
                value = trial.suggest_categorical(key, values)
            else:
                value = trial.suggest_float(key, values["min"], values["max"], log=values["scale"] == "log")
            words.append(f"{json.dumps(key)} = [{json.dumps(value)}]")
        asked = ["sweep.method=random", "sweep.trials=1", "sweep.parameters={" + ", ".join(words) + "}"]
        experiment, (row,) = run(of, folder / str(trial.number), asked)
        curve = pyarrow.parquet.read_table(experiment / row["trial"] / f"seed-{row['seed']}" / "metrics.parquet").to_pylist()
        steps, pruned, best = row["steps"], False, numpy.inf
        for point in curve:
            if prunes and point["validation_nll"] is not None:
                best = min(best, point["validation_nll"])
                trial.report(best, point["step"])
                if trial.should_prune():
                    steps, pruned = point["step"], True
                    break
        failed = row["status"] != "finished"
        if pruned or failed:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, row["validation_nll"])
        spent += steps
        trials.append((steps, row["validation_nll"], None if pruned or failed else row["test_nll"]))
    return incumbents(trials)


def course(results, of, method, repeat):
    folder = results / of / method.replace(" ", "-").replace(",", "") / str(repeat)
    path = folder / "course.json"
    if not path.exists():
        found = (ours if METHODS[method] else optuna_course)(of, method, repeat, folder)
        path.write_text(json.dumps(found))
        print(f"{of}, {method}, repeat {repeat}: {found[-1][2]:.4f} after {found[-1][0]:,} steps", flush=True)


def found(results, of, method):
    paths = sorted((results / of / method.replace(" ", "-").replace(",", "")).glob("*/course.json"))
    return [numpy.array(json.loads(path.read_text())) for path in paths]


def spread(values):
    error = numpy.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else numpy.nan
    return f"{numpy.mean(values):.4f} ± {error:.4f}"


def page(results):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plot

    figure, axes = plot.subplots(1, len(SETS), figsize=(15, 4.5), layout="constrained")
    print("| search | budget, runs | " + " | ".join(SETS) + " |\n|---|---|" + "---|" * len(SETS))
    for number, method in enumerate(METHODS):
        cells, budgets = [], []
        for axis, of in zip(axes, SETS):
            courses = found(results, of, method)
            if not courses:
                cells.append("")
                continue
            cells.append(f"{spread([course[-1, 2] for course in courses])} ({len(courses)})")
            budgets += [course[-1, 0] / STEPS for course in courses]
            color = f"C{number}"
            if len(courses[0]) == 1:
                ends = numpy.array([course[-1] for course in courses])
                error = ends[:, 2].std(ddof=1) / len(ends) ** 0.5 if len(ends) > 1 else 0
                axis.errorbar(ends[:, 0].mean() / STEPS, ends[:, 2].mean(), error, fmt="o", color=color, label=method, capsize=3)
            else:
                at = numpy.arange(3, TRIALS + 1)
                reached = numpy.array([[course[course[:, 0] <= STEPS * runs][-1, 2] for runs in at] for course in courses])
                mean, error = reached.mean(0), reached.std(0, ddof=1) / len(reached) ** 0.5
                axis.plot(at, mean, color=color, label=method)
                axis.fill_between(at, mean - error, mean + error, color=color, alpha=0.15, linewidth=0)
        print(f"| {method} | {numpy.mean(budgets):.0f} | " + " | ".join(cells) + " |" if budgets else f"| {method} | |")
    for axis, of in zip(axes, SETS):
        axis.set(title=of, xlabel="steps spent, in whole runs", ylabel="test NLL of the best, nats")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(ROOT / "results/reference/search.png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    if asked.page:
        return page(asked.results)
    tasks = [(of, method, repeat) for repeat in range(asked.repeats) for of in SETS for method in asked.only]
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        for done in [pool.submit(course, asked.results, *task) for task in tasks]:
            done.result()


main()
