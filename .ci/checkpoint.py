"""docs/read_checkpoint.py, which knows a checkpoint from its documentation alone, gives the log_prob that `runner score` does, for
every kind of flow.

usage: checkpoint.py RUNNER     (Python with numpy and safetensors)
"""

import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from read_checkpoint import Checkpoint  # noqa: E402

RUNNER = str(pathlib.Path(sys.argv[1]).resolve())
# The runner computes in float32, the reader in float64: a rounding of 6e-8 a number, times the numbers of a row and the slopes of
# the layers it goes through. A misread file is wrong by far more.
TOLERANCE = 1e-4

SPEC = """
[dataset]
path = "{data}"
{dataset}
[model]
{words}
depth = {depth}
width = 16
{inner} = {hidden_layers}
[optimizer]
learning_rate = 5e-3
[training]
steps = 150
batch_size = 64
"""


def rows(features):
    """Bent and correlated, so that every feature tells something of the others."""
    chance = np.random.default_rng(features)
    x = chance.normal(size=(600, features))
    x[:, 1:] += 0.7 * x[:, :-1] ** 2
    return x * 3.0 + 1.0


def runner(*arguments):
    subprocess.run([RUNNER, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def compare(name, x, dataset="", scored=None, **model):
    """Trains on `x`, scores, and compares; the largest difference, relative where log_prob is above 1."""
    np.save(f"{name}.npy", x)
    model = {"depth": 4, "inner": "hidden_layers", "hidden_layers": 2, "words": ""} | model
    for word in ["mask", "activation", "normalization"]:
        if word in model:
            model["words"] += f'\n{word} = "{model.pop(word)}"'
    for word, plain in [("coupling", "affine"), ("mixing", "none")]:
        if f"{word} =" not in model["words"]:
            model["words"] += f'\n{word} = "{plain}"'
    pathlib.Path(f"{name}.toml").write_text(SPEC.format(data=f"{name}.npy", dataset=dataset, **model))
    runner(f"{name}.toml", "--quiet")
    (run,) = pathlib.Path("results", name).glob("*/seed-0")
    x = x if scored is None else scored
    np.save("rows.npy", x)
    runner("score", run, "--data", "rows.npy", "--continuous", "-o", "score.npy")
    theirs, ours = np.load("score.npy").ravel(), Checkpoint(run / "checkpoints/best.safetensors").log_prob(x.reshape(len(x), -1))
    apart = np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))
    assert np.isfinite(ours).all() and apart.max() < TOLERANCE, f"{name}: {apart.max()} at row {apart.argmax()}"
    return apart.max()


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    worst = []
    kinds = itertools.product(["alternating", "half", "random"], ["relu", "tanh"], ["none", "batch"], [3, 4])
    for mask, activation, normalization, depth in kinds:
        model = {"mask": mask, "activation": activation, "normalization": normalization, "depth": depth}
        name = f"{mask}-{activation}-{normalization}-{depth}"
        worst.append(compare(name, rows(5), hidden_layers=depth - 2, **model))
    for features in [1, 5]:
        for name, words in [("additive", 'coupling = "additive"'), ("atan", 'scale = "atan"'), ("sigmoid", 'scale = "sigmoid"')]:
            worst.append(compare(f"{name}-{features}", rows(features), words=words))
    for mixing, normalization in itertools.product(["reverse", "permutation"], ["none", "batch", "act"]):
        name = f"{mixing}-{normalization}"
        worst.append(compare(name, rows(5), words=f'mixing = "{mixing}"', mask="random", normalization=normalization))
    for features, mixing in itertools.product([1, 2, 5], ["none", "lu"]):
        words = f'coupling = "spline"\nbins = 5\ntail_bound = 2.5\nmixing = "{mixing}"'
        worst.append(compare(f"spline-{features}-{mixing}", rows(features), words=words, mask="half"))
        worst.append(compare(f"all-{features}-{mixing}", rows(features), words=words + '\nkept = "spline"'))
    for activation, words in itertools.product(["relu", "tanh"], ["joint = true", 'coupling = "spline"', 'coupling = "additive"']):
        model = {"inner": "blocks", "words": f'network = "residual"\n{words}'}
        worst.append(compare(f"residual-{activation}-{len(words)}", rows(5), activation=activation, **model))
    worst.append(compare("joint", rows(5), words="joint = true"))
    for normalization in ["none", "batch", "act"]:
        worst.append(compare(f"one-feature-{normalization}", rows(1), normalization=normalization))
    for name, degrees in [("given", "3.5"), ("learned", '"learned"')]:
        words = f'base = "student-t"\ndegrees_of_freedom = {degrees}'
        worst.append(compare(f"student-t-{name}", rows(5), words=words))
    for shape, words in [
        ((4, 4), 'mask = "checkerboard"'),
        ((4, 6, 3), 'mask = "channel"\nmixing = "permutation"'),
        ((8, 8), 'mask = "multiscale"\nscales = 3\nwiden = true\nnormalization = "act"'),
        ((4, 4, 2), 'mask = "multiscale"\nnormalization = "batch"\nmixing = "lu"'),
        ((4, 6), 'mask = "multiscale"\ncoupling = "spline"\nbins = 4'),
        ((4, 4), 'mask = "checkerboard"\nnetwork_batch_norm = true'),
        ((4, 6), 'mask = "multiscale"\nnetwork_batch_norm = true\nnetwork_weight_norm = true'),
    ]:
        images = rows(np.prod(shape)).reshape(-1, *shape)
        words = f'network = "conv"\n{words}'
        worst.append(compare(f"image-{len(words)}", images, words=words, depth=1, inner="blocks", hidden_layers=1))
    for name, words in [("affine", ""), ("spline", 'coupling = "spline"\nbins = 5\ntail_bound = 2.5'), ("lu", 'mixing = "lu"'), ("permuted", 'mixing = "permutation"')]:
        for normalization, inner in [("none", "hidden_layers"), ("batch", "hidden_layers"), ("act", "blocks")]:
            network = words if inner == "hidden_layers" else f'network = "residual"\n{words}'
            model = {"words": network, "normalization": normalization, "inner": inner}
            worst.append(compare(f"given-{name}-{normalization}", rows(5), 'context = ["x4", "x5"]', **model))
    for name, words in [("affine", 'network = "residual"'), ("additive", 'coupling = "additive"'), ("spline", 'coupling = "spline"\nbins = 5\ntail_bound = 2.5\nmixing = "lu"')]:
        model = {"words": f"{words}\nconditional_base = true", "inner": "blocks" if name == "affine" else "hidden_layers"}
        worst.append(compare(f"base-given-{name}", rows(5), 'context = ["x4", "x5"]', **model))
    levels = np.clip(np.round(rows(4) * 3.0 + 100.0), 0, 255)
    noise = np.random.default_rng(0).uniform(size=levels.shape)
    for name, extra in [("noise", ""), ("logit", "\nlogit = 1e-3\nbounds = [0, 256]")]:
        worst.append(compare(name, levels, f"dequantize = 1.0{extra}", levels + noise))
    worst.append(compare("as-it-is", rows(3), "standardize = false", mask="random"))
    print(f"{len(worst)} flows are read as documented; the largest difference is {max(worst):.1e}")
