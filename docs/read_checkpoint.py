"""The density of a flow from its checkpoint alone, with numpy and safetensors: docs/checkpoint.md in code.

usage: read_checkpoint.py best.safetensors ROWS.npy     one log_prob a line; rows as `runner score --continuous` takes them,
of a conditional flow with the values of the context behind the features
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
# The least share of a bin in the whole width or height of a spline, and its least slope.
LEAST = 1e-3


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
        self.features = len(self.space["columns"])
        self.layers = 1 + max(int(name.split(".")[1]) for name in self.tensors if name.startswith("layers."))

    def map(self, name, h):
        """The affine map h·W + b called `name`."""
        bias = self.tensors[f"{name}.bias"]
        # Where nothing is kept there are no inputs, and no weight.
        return h @ self.tensors.get(f"{name}.weight", np.zeros((0, len(bias)))) + bias

    def convolution(self, name, image):
        """The 3×3 convolution called `name` of images [rows, height, width, channels]; pixels outside are 0."""
        weight, (height, width) = self.tensors[f"{name}.weight"], image.shape[1:3]
        if f"{name}.magnitude" in self.tensors:
            weight = self.tensors[f"{name}.magnitude"] * weight / np.sqrt((weight**2).sum((0, 1, 2)))
        padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
        taps = ((dy, dx) for dy in range(3) for dx in range(3))
        return sum(padded[:, dy : dy + height, dx : dx + width] @ weight[dy, dx] for dy, dx in taps) + self.tensors[f"{name}.bias"]

    def images(self, name, own, h):
        """The convolutional network called `name`: list behind list, of the changed values in their order."""
        height, width = own["image"]
        image = np.zeros((len(h), height * width, h.shape[1] // len(own["kept_pixels"])))
        image[:, own["kept_pixels"]] = h.reshape(len(h), len(own["kept_pixels"]), -1)

        def relu(norm, h):
            if f"{norm}.beta" in self.tensors:
                gamma, beta, mean, variance = (
                    self.tensors[f"{norm}.{value}"] for value in ("log_gamma", "beta", "running_mean", "running_variance")
                )
                h = (h - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) * np.exp(gamma) + beta
            return ACTIVATIONS["relu"](h)

        h = self.convolution(f"{name}.first", image.reshape(len(h), height, width, -1))
        for block in range(self.model["blocks"]):
            inner = f"{name}.{block}.0", f"{name}.{block}.1"
            h = h + self.convolution(inner[1], relu(f"{inner[1]}.norm", self.convolution(inner[0], relu(f"{inner[0]}.norm", h))))
        pixels = relu(f"{name}.norm", h).reshape(len(h), height * width, -1)[:, own["changed_pixels"]]
        channels = len(own["changed"]) // len(own["changed_pixels"])
        said = self.map(f"{name}.last", pixels).reshape(len(h), len(own["changed_pixels"]), -1, channels)
        return said.transpose(0, 2, 1, 3).reshape(len(h), -1)

    def network(self, name, h, own):
        """The network called `name`, such as `layers.0.s`, of a layer that has its `own` tensors."""
        if f"{name}.first.weight" in self.tensors and self.tensors[f"{name}.first.weight"].ndim == 4:
            return self.images(name, own, h)
        activate = ACTIVATIONS[self.model["activation"]]
        maps = [key.removesuffix(".bias") for key in self.tensors if key.startswith(f"{name}.") and key.endswith(".bias")]
        if f"{name}.first" not in maps:
            for j in range(len(maps)):
                h = self.map(f"{name}.{j}", activate(h) if j else h)
            return h
        h = self.map(f"{name}.first", h)
        for block in range((len(maps) - 2) // 2):
            h = h + self.map(f"{name}.{block}.1", activate(self.map(f"{name}.{block}.0", activate(h))))
        return self.map(f"{name}.last", h)

    def spline(self, x, said):
        """Splines of x, shape [rows, changed], by what the network said, shape [rows, 3K − 1, changed]; and ln of their slopes."""
        bins, bound = self.model["bins"], self.model["tail_bound"]
        knots = []
        for logits in said[:, :bins], said[:, bins : 2 * bins]:
            share = np.exp(logits - logits.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            lengths = 2.0 * bound * (LEAST + (1.0 - LEAST * bins) * share)
            knots.append(np.concatenate([np.full_like(x, -bound)[:, None], -bound + np.cumsum(lengths, axis=1)], axis=1))
        offset = np.log(np.expm1(1.0 - LEAST))
        slopes = 1.0 + np.logaddexp(0.0, said[:, 2 * bins :] + offset) - np.logaddexp(0.0, offset)
        ones = np.ones_like(x)[:, None]
        slopes = np.concatenate([ones, slopes, ones], axis=1)
        near = np.clip(x, -bound, bound)
        bin_ = (near[:, None] >= knots[0][:, 1:bins]).sum(axis=1)[:, None]
        x0, y0, d0 = (np.take_along_axis(of, bin_, 1)[:, 0] for of in (*knots, slopes))
        x1, y1, d1 = (np.take_along_axis(of, bin_ + 1, 1)[:, 0] for of in (*knots, slopes))
        secant, at = (y1 - y0) / (x1 - x0), (near - x0) / (x1 - x0)
        rest = at * (1.0 - at)
        divisor = secant + (d0 + d1 - 2.0 * secant) * rest
        z = y0 + (y1 - y0) * (secant * at**2 + d0 * rest) / divisor
        slope = secant**2 * (d1 * at**2 + 2.0 * secant * rest + d0 * (1.0 - at) ** 2) / divisor**2
        inside = np.abs(x) <= bound
        return np.where(inside, z, x), np.where(inside, np.log(slope), 0.0)

    def layer(self, i, x):
        """One layer x → z, and log|det dz/dx| of every row."""
        own = {name.split(".", 2)[2]: tensor for name, tensor in self.tensors.items() if name.startswith(f"layers.{i}.")}
        z = x.copy()
        if "order" in own:
            return x[:, own["order"]], np.zeros(len(x))
        if "kept" in own:
            kept, changed = own["kept"], own["changed"]
            networks = {name.split(".")[0] for name in own if "." in name}
            if "spline" in networks:
                said = self.network(f"layers.{i}.spline", x[:, kept], own).reshape(len(x), -1, len(changed))
                z[:, changed], slopes = self.spline(x[:, changed], said)
                return z, slopes.sum(axis=1)
            if networks == {"t"}:
                z[:, changed] += self.network(f"layers.{i}.t", x[:, kept], own)
                return z, np.zeros(len(x))
            if "st" in networks:
                a, t = np.split(self.network(f"layers.{i}.st", x[:, kept], own), 2, axis=1)
            else:
                a, t = (self.network(f"layers.{i}.{name}", x[:, kept], own) for name in "st")
            # Earlier releases had one bound, and did not name it.
            bound = BOUNDS[self.model.get("scale", "tanh")]
            s = own.get("scale", 1.0) * bound(a)
            z[:, changed] = x[:, changed] * np.exp(s) + t
            return z, s.sum(axis=1)
        if self.features < x.shape[1]:
            # What follows is done to the features; a context stays as it is.
            context = x[:, self.features :]
            z, log_det = self.to_features(own, x[:, : self.features])
            return np.hstack([z, context]), log_det
        return self.to_features(own, x)

    def to_features(self, own, x):
        """A layer that does something to every feature."""
        z = x.copy()
        # Of an image these layers do the same with every pixel; plain features are one.
        places = own.get("places", np.arange(x.shape[1]))
        count = len(next(own[name] for name in ("bias", "log_gamma") if name in own))
        pixels = x[:, places].reshape(len(x), -1, count)
        if "matrix" in own:
            diagonal = np.diag(own["matrix"])
            lower = np.tril(own["matrix"], -1) + np.eye(count)
            upper = np.triu(own["matrix"], 1) + np.diag(np.exp(diagonal))
            pixels, log_scale = pixels @ (lower @ upper).T + own["bias"], diagonal
        elif "log_scale" in own:
            pixels, log_scale = pixels * np.exp(own["log_scale"]) + own["bias"], own["log_scale"]
        else:
            log_scale = own["log_gamma"] - 0.5 * np.log(own["running_variance"] + BATCH_NORM_EPSILON)
            pixels = (pixels - own["running_mean"]) * np.exp(log_scale) + own["beta"]
        z[:, places] = pixels.reshape(len(x), -1)
        return z, np.full(len(x), pixels.shape[1] * log_scale.sum())

    def preprocess(self, x):
        """Data space to model space, and the log-determinant of that."""
        preprocessing, log_det = self.space["preprocessing"], np.zeros(len(x))
        context, x = x[:, self.features :], x[:, : self.features]
        if logit := preprocessing.get("logit"):
            low, high, slope = logit["low"], logit["high"], 1.0 - 2.0 * logit["alpha"]
            p = logit["alpha"] + slope * (x - low) / (high - low)
            x = np.log(p / (1.0 - p))
            log_det += (np.log(slope / (high - low)) - np.log(p * (1.0 - p))).sum(axis=1)
        x = x.copy()
        for column, transform in enumerate(preprocessing.get("transforms", [])[: self.features]):
            if transform:
                numbers = {name: value for name, value in transform.items() if name != "kind"}
                x[:, column], more = TRANSFORMS[transform["kind"]](x[:, column], **numbers)
                log_det += more
        mean, scale = np.array(preprocessing["mean"]), np.array(preprocessing["scale"])
        x = np.hstack([x, context])
        return (x - mean) / scale, log_det - np.log(scale[: self.features]).sum()

    def forward(self, x):
        """x → z for rows x in data space, shape [rows, features and context], and log|det dz/dx| in nats, shape [rows]."""
        z, log_det = self.preprocess(np.asarray(x, float))
        for i in range(self.layers):
            z, more = self.layer(i, z)
            log_det += more
        return z, log_det

    def log_prob(self, x):
        """log p(x) in nats, shape [rows]."""
        z, log_det = self.forward(x)
        return log_det + self.base(z[:, : self.features]).sum(axis=1)

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
