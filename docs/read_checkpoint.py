"""The density of a flow from its checkpoint alone, with numpy and safetensors: docs/checkpoint.md in code.

usage: read_checkpoint.py best.safetensors ROWS.npy     one log_prob a line; rows as `runner score --continuous` takes them
"""

import hashlib
import json
import re
import struct
import sys
from math import lgamma
from pathlib import Path

import numpy as np
from safetensors.numpy import load

ACTIVATIONS = {"relu": lambda h: np.maximum(h, 0.0), "tanh": np.tanh}
BOUNDS = {
    "tanh": np.tanh,
    "atan": lambda a: 2.0 / np.pi * np.arctan(np.pi / 2.0 * a),
    "sigmoid": lambda a: np.log(2.0) - np.logaddexp(0.0, -a),
}
# Of each kind y of x, and ln(dy/dx).
TRANSFORMS = {
    "log": lambda x, low: (np.log(x - low), -np.log(x - low)),
    "logit": lambda x, low, high: (
        np.log(x - low) - np.log(high - x),
        np.log(high - low) - np.log(x - low) - np.log(high - x),
    ),
    "symlog": lambda x, scale: (np.sign(x) * np.log1p(np.abs(x) / scale), -np.log(scale + np.abs(x))),
}
BATCH_NORM_EPSILON = 1e-5


def is_whole(file):
    """Whether the SHA-256 that the file holds is its own, taken with 64 zeros in the place of the digits."""
    found = re.search(rb'"sha256":"([0-9a-f]{64})"', file)
    return found and hashlib.sha256(file[: found.start(1)] + b"0" * 64 + file[found.end(1) :]).hexdigest().encode() == found[1]


class Checkpoint:
    def __init__(self, path):
        file = Path(path).read_bytes()
        (length,) = struct.unpack("<Q", file[:8])
        metadata = json.loads(file[8 : 8 + length])["__metadata__"]
        assert metadata["format"] == "realnvp-runner/2", metadata["format"]
        assert is_whole(file), f"{path} is damaged"
        self.tensors = {name: tensor.astype(float if tensor.dtype == np.float32 else int) for name, tensor in load(file).items()}
        self.model, self.space = json.loads(metadata["model"]), json.loads(metadata["space"])
        self.layers = 1 + max(int(name.split(".")[1]) for name in self.tensors if name.startswith("layers."))

    def network(self, name, h):
        """The network `layers.<i>.s` or `.t`: affine maps h·W + b, the activation between them."""
        maps = sum(key.startswith(f"{name}.") and key.endswith(".bias") for key in self.tensors)
        for j in range(maps):
            bias = self.tensors[f"{name}.{j}.bias"]
            # Where nothing is kept there are no inputs, and no weight.
            h = h @ self.tensors.get(f"{name}.{j}.weight", np.zeros((0, len(bias)))) + bias
            if j + 1 < maps:
                h = ACTIVATIONS[self.model["activation"]](h)
        return h

    def layer(self, i, x):
        """One layer x → z, and log|det dz/dx| of every row."""
        own = {name.split(".", 2)[2]: tensor for name, tensor in self.tensors.items() if name.startswith(f"layers.{i}.")}
        z = x.copy()
        if "order" in own:
            return x[:, own["order"]], np.zeros(len(x))
        if "kept" in own:
            kept, changed = own["kept"], own["changed"]
            t = self.network(f"layers.{i}.t", x[:, kept])
            if self.model["coupling"] == "additive":
                z[:, changed] += t
                return z, np.zeros(len(x))
            # Earlier releases had one bound, and did not name it.
            bound = BOUNDS[self.model.get("scale", "tanh")]
            s = own.get("scale", 1.0) * bound(self.network(f"layers.{i}.s", x[:, kept]))
            z[:, changed] = x[:, changed] * np.exp(s) + t
            return z, s.sum(axis=1)
        if "log_scale" in own:
            return x * np.exp(own["log_scale"]) + own["bias"], np.full(len(x), own["log_scale"].sum())
        log_scale = own["log_gamma"] - 0.5 * np.log(own["running_variance"] + BATCH_NORM_EPSILON)
        return (x - own["running_mean"]) * np.exp(log_scale) + own["beta"], np.full(len(x), log_scale.sum())

    def preprocess(self, x):
        """Data space to model space, and the log-determinant of that."""
        preprocessing, log_det = self.space["preprocessing"], np.zeros(len(x))
        if logit := preprocessing.get("logit"):
            low, high, slope = logit["low"], logit["high"], 1.0 - 2.0 * logit["alpha"]
            p = logit["alpha"] + slope * (x - low) / (high - low)
            x = np.log(p / (1.0 - p))
            log_det += (np.log(slope / (high - low)) - np.log(p * (1.0 - p))).sum(axis=1)
        x = x.copy()
        for column, transform in enumerate(preprocessing.get("transforms", [])):
            if transform:
                numbers = {name: value for name, value in transform.items() if name != "kind"}
                x[:, column], more = TRANSFORMS[transform["kind"]](x[:, column], **numbers)
                log_det += more
        mean, scale = np.array(preprocessing["mean"]), np.array(preprocessing["scale"])
        return (x - mean) / scale, log_det - np.log(scale).sum()

    def forward(self, x):
        """x → z for rows x in data space, shape [rows, features], and log|det dz/dx| in nats, shape [rows]."""
        z, log_det = self.preprocess(np.asarray(x, float))
        for i in range(self.layers):
            z, more = self.layer(i, z)
            log_det += more
        return z, log_det

    def log_prob(self, x):
        """log p(x) in nats, shape [rows]."""
        z, log_det = self.forward(x)
        return log_det + self.base(z).sum(axis=1)

    def base(self, z):
        """log-density of every latent coordinate, shape [rows, features]."""
        # Earlier releases had the normal alone, and did not name it.
        if self.model.get("base", "normal") == "normal":
            return -0.5 * (z**2 + np.log(2.0 * np.pi))
        given = self.model["degrees_of_freedom"]
        degrees = np.exp(self.tensors["base.log_degrees_of_freedom"]) if given == "learned" else np.full(z.shape[1], given)
        peak = [lgamma((nu + 1.0) / 2.0) - lgamma(nu / 2.0) - 0.5 * np.log(nu * np.pi) for nu in degrees]
        return np.array(peak) - (degrees + 1.0) / 2.0 * np.log1p(z**2 / degrees)


if __name__ == "__main__":
    np.savetxt(sys.stdout, Checkpoint(sys.argv[1]).log_prob(np.load(sys.argv[2])))
