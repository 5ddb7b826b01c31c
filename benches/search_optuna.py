"""The functions of benches/search.rs, minimised by Optuna: mean over the seeds 100 to 119 of the best of 100 trials, with its standard error.

python benches/search_optuna.py            (pip install optuna numpy)
"""

import math

import numpy
import optuna

TRIALS, REPEATS, FIRST, BATCH = 100, 20, 100, 4


def bowl(trial):
    x = math.log10(trial.suggest_float("rate", 1e-5, 1.0, log=True)) + 2.7
    y = trial.suggest_float("dropout", 0.0, 0.9) - 0.3
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    return x * x + 4 * y * y + (0.5 if activation == "tanh" else 0.0)


def flow(trial):
    rate = math.log10(trial.suggest_float("rate", 1e-5, 1e-1, log=True))
    width = math.log2(trial.suggest_int("width", 8, 512, log=True)) - 7
    depth = (trial.suggest_int("depth", 1, 32) - 12) / 10
    batch = 2 ** trial.suggest_int("batch", 5, 9)
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    mask = trial.suggest_categorical("mask", ["alternating", "half", "random"])
    rate += 2.5 - 0.5 * math.log10(batch / 128)
    words = {"half": 0.0, "alternating": 0.05, "random": 0.15}[mask]
    words += 0.0 if activation == "relu" else 0.1 + 0.05 * abs(width)
    batch_cost = 0.02 * math.log2(batch / 128) ** 2
    return 0.3 * rate**2 + 0.05 * (width + depth) ** 2 + 0.1 * depth**2 + batch_cost + words


HEIGHTS = numpy.array([1.0, 1.2, 3.0, 3.2])
WIDTHS = numpy.array([
    [10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14],
])
CENTRES = numpy.array([
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
])


def hartmann6(trial):
    x = numpy.array([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(6)])
    return -float(HEIGHTS @ numpy.exp(-(WIDTHS * (x - CENTRES) ** 2).sum(axis=1)))


def branin(trial):
    x = -5 + 15 * trial.suggest_float("x", 0.0, 1.0)
    y = 15 * trial.suggest_float("y", 0.0, 1.0)
    mask = trial.suggest_categorical("mask", ["alternating", "half", "random"])
    moved, lifted = {"half": (0, 0), "alternating": (2, 1), "random": (-3, 3)}[mask]
    x += moved
    bent = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return bent * bent + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 + lifted


def rosenbrock(trial):
    x = [math.log10(trial.suggest_float(f"x{i}", 1e-2, 1e2, log=True)) for i in range(4)]
    return math.log1p(sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:])))


def levy(trial):
    u, v = (1 + (20 * trial.suggest_float(name, 0.0, 1.0) - 11) / 4 for name in ("x", "y"))
    depth = (trial.suggest_int("depth", 1, 21) - 7) / 5
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    first, last = math.sin(math.pi * u) ** 2, (v - 1) ** 2 * (1 + math.sin(2 * math.pi * v) ** 2)
    middle = (u - 1) ** 2 * (1 + 10 * math.sin(math.pi * u + 1) ** 2)
    return first + middle + last + (depth * depth if activation == "tanh" else 2)


def best(function, seed, multivariate, batch):
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=10, multivariate=multivariate, constant_liar=batch > 1
    )
    study = optuna.create_study(sampler=sampler)
    done = 0
    while done < TRIALS:
        asked = [study.ask() for _ in range(min(batch, TRIALS - done))]
        values = [function(trial) for trial in asked]
        for trial, value in zip(asked, values):
            study.tell(trial, value)
        done += len(asked)
    return study.best_value


optuna.logging.set_verbosity(optuna.logging.ERROR)
for function in (bowl, flow, hartmann6, branin, rosenbrock, levy):
    for multivariate, batch in ((True, 1), (True, BATCH), (False, BATCH)):
        found = numpy.array([best(function, seed, multivariate, batch) for seed in range(FIRST, FIRST + REPEATS)])
        how = f"{'multivariate' if multivariate else 'univariate'}, {batch} at once"
        print(f"{function.__name__} optuna ({how}) {found.mean():.4f} {found.std(ddof=1) / REPEATS**0.5:.4f}", flush=True)
