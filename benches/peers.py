#!/usr/bin/env python3
"""The work of benches/training_step.rs and benches/throughput.rs in the systems a user might pick instead.

    python benches/peers.py [--what step|score|sample] [--only jax,torch,torch-compile] [--device cpu|cuda] [--threads 2] [--repeats 5] [--case D,H,N,B ...]

All do the same: N affine couplings on D features with alternating masks, s and t separate perceptrons D-H-H-D with ReLU
(the masked features multiplied by zero, as is usual there), tanh on s, a standard normal base. `step`: one forward,
backward and Adam update on a batch of B. `score`, `sample`: log-densities, or draws, of B rows. One JSON object a line:
peer, device, what, case, threads, ms (median over the repeats), min, max. Peers that are not installed are left out.
`torch-compile` is torch.compile with CUDA graphs where there is a GPU; all compute in f32 without TF32.
"""
import argparse
import json
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--what", choices=["step", "score", "sample"], default="step")
parser.add_argument("--only", default="jax,torch")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--case", action="append")
options = parser.parse_args()
# Before the first import of a numeric library.
os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
os.environ["JAX_PLATFORMS"] = options.device
os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
if options.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

STEP_CASES = [(2, 64, 8, 256), (2, 128, 8, 256), (2, 256, 6, 100), (43, 512, 10, 256)]
ROWS_CASES = [(2, 64, 8, 65536), (43, 512, 10, 8192)]
cases = [tuple(map(int, case.split(","))) for case in options.case or []]
cases = cases or (STEP_CASES if options.what == "step" else ROWS_CASES)


def report(peer, case, once, wait=lambda: None):
    """Times `once`; `wait` waits for a device that works behind the program's back."""
    for _ in range(5):
        once()
    wait()
    start = time.perf_counter()
    once()
    wait()
    count = max(3, min(60, int(0.5 / (time.perf_counter() - start))))
    times = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        for _ in range(count):
            once()
        wait()
        times.append((time.perf_counter() - start) / count * 1e3)
    figures = {"ms": statistics.median(times), "min": min(times), "max": max(times)}
    figures = {key: round(value, 4) for key, value in figures.items()}
    print(json.dumps({"peer": peer, "device": options.device, "what": options.what, "case": case, "threads": options.threads} | figures), flush=True)


def run_jax():
    import jax
    import jax.numpy as jnp
    import numpy
    import optax

    jax.config.update("jax_default_matmul_precision", "highest")
    for case in cases:
        features, width, depth, batch = case
        rng = numpy.random.default_rng(0)

        def affine(inputs, outputs):
            bound = inputs**-0.5
            return jnp.asarray(rng.uniform(-bound, bound, (inputs, outputs)), jnp.float32), jnp.zeros(outputs)

        sizes = [(features, width), (width, width), (width, features)]
        weights = [{name: [affine(*size) for size in sizes] for name in "st"} for _ in range(depth)]
        masks = [jnp.asarray([(i + j) % 2 for j in range(features)], jnp.float32) for i in range(depth)]

        def network(maps, h):
            for weight, bias in maps[:-1]:
                h = jax.nn.relu(h @ weight + bias)
            return h @ maps[-1][0] + maps[-1][1]

        def parts(maps, mask, x):
            kept = x * mask
            return jnp.tanh(network(maps["s"], kept)) * (1 - mask), network(maps["t"], kept) * (1 - mask)

        def log_prob(weights, x):
            log_det = 0.0
            for mask, maps in zip(masks, weights):
                s, t = parts(maps, mask, x)
                x, log_det = x * jnp.exp(s) + t, log_det + s.sum(1)
            return log_det - 0.5 * (x**2).sum(1)

        def inverse(weights, z):
            for mask, maps in zip(masks[::-1], weights[::-1]):
                s, t = parts(maps, mask, z)
                z = (z - t) * jnp.exp(-s)
            return z

        x = jnp.asarray(rng.standard_normal((batch, features)), jnp.float32)
        if options.what == "step":
            optimizer = optax.adam(1e-3)
            state = [weights, optimizer.init(weights)]

            @jax.jit
            def update(weights, moments):
                gradient = jax.grad(lambda w: -log_prob(w, x).mean())(weights)
                change, moments = optimizer.update(gradient, moments)
                return optax.apply_updates(weights, change), moments

            def once():
                state[:] = update(*state)

            wait = lambda: jax.block_until_ready(state[0])
        elif options.what == "score":
            score = jax.jit(log_prob)
            once, wait = lambda: score(weights, x).block_until_ready(), lambda: None
        else:
            draw = jax.jit(lambda key: inverse(weights, jax.random.normal(key, (batch, features))))
            once, wait = lambda: draw(jax.random.key(0)).block_until_ready(), lambda: None
        report("jax", case, once, wait)


def run_torch(compiled=False):
    import torch

    torch.set_num_threads(options.threads)
    torch.set_default_device(options.device)
    synchronize = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    for case in cases:
        features, width, depth, batch = case
        torch.manual_seed(0)

        def network():
            linear = torch.nn.Linear
            relu = torch.nn.ReLU
            return torch.nn.Sequential(
                linear(features, width), relu(), linear(width, width), relu(), linear(width, features)
            )

        layers = torch.nn.ModuleList(torch.nn.ModuleDict({"s": network(), "t": network()}) for _ in range(depth))
        masks = [torch.tensor([float((i + j) % 2) for j in range(features)]) for i in range(depth)]

        def parts(maps, mask, x):
            kept = x * mask
            return torch.tanh(maps["s"](kept)) * (1 - mask), maps["t"](kept) * (1 - mask)

        def log_prob(x):
            log_det = 0.0
            for mask, maps in zip(masks, layers):
                s, t = parts(maps, mask, x)
                x, log_det = x * torch.exp(s) + t, log_det + s.sum(1)
            return log_det - 0.5 * (x**2).sum(1)

        @torch.no_grad()
        def draw():
            z = torch.randn(batch, features)
            for mask, maps in zip(masks[::-1], list(layers)[::-1]):
                s, t = parts(maps, mask, z)
                z = (z - t) * torch.exp(-s)
            return z

        if compiled:
            log_prob = torch.compile(log_prob, mode="reduce-overhead" if options.device == "cuda" else None)
        x = torch.randn(batch, features)
        optimizer = torch.optim.Adam(layers.parameters(), 1e-3, fused=True)

        def step():
            optimizer.zero_grad()
            (-log_prob(x).mean()).backward()
            optimizer.step()

        @torch.no_grad()
        def score():
            return log_prob(x)

        report("torch-compile" if compiled else "torch", case, {"step": step, "score": score, "sample": draw}[options.what], synchronize)


for name in options.only.split(","):
    try:
        {"jax": run_jax, "torch": run_torch, "torch-compile": lambda: run_torch(compiled=True)}[name]()
    except ImportError as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
