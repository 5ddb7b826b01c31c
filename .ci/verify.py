#!/usr/bin/env python3
"""Opens everything an experiment left behind with the programs users have for it.

    python .ci/verify.py RESULTS_EXPERIMENT_DIR

Needs tensorboard, pyarrow, safetensors and numpy. One line a check; exit 1 where any fails.
"""

import io
import json
import struct
import sys
import tomllib
import traceback
import zlib
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

INTEGER, FLOAT, TEXT, FLAG = pyarrow.int64(), pyarrow.float64(), pyarrow.large_string(), pyarrow.bool_()

METRICS = {"step": INTEGER} | dict.fromkeys(
    "epoch seconds train_nll validation_nll learning_rate gradient_norm samples_per_second inverse_error scale_max".split(),
    FLOAT,
)
TRIALS = {
    "experiment": TEXT, "trial": TEXT, "seed": INTEGER, "status": TEXT, "test_nll": FLOAT, "test_nll_stderr": FLOAT,
    "test_nll_standardized": FLOAT, "validation_nll": FLOAT, "train_nll": FLOAT, "gap": FLOAT, "gap_stderr": FLOAT,
    "bits_per_dim": FLOAT, "steps": INTEGER, "seconds": FLOAT, "samples_per_second": FLOAT,
    "parameters": INTEGER, "device": TEXT, "static_shape": FLAG, "git_commit": TEXT, "spec_hash": TEXT,
}  # fmt: skip
CURVES = {
    "nll/train": "train_nll",
    "nll/validation": "validation_nll",
    "optim/learning_rate": "learning_rate",
    "optim/gradient_norm": "gradient_norm",
    "health/inverse_error": "inverse_error",
    "health/scale_max": "scale_max",
    "speed/samples_per_second": "samples_per_second",
}
POSITIVE = {"speed/samples_per_second"}
NOT_NEGATIVE = {"optim/learning_rate", "optim/gradient_norm", "health/inverse_error", "health/scale_max"}
# How many features the data have decides which pictures can be drawn.
PICTURES = {1: [], 2: ["density", "samples"]}

failures = 0


def check(name, test, *arguments):
    """Runs one check and prints how it went; what the test returns, or None where it failed."""
    global failures
    try:
        result, note = test(*arguments)
        print(f"ok    {name}: {note}")
        return result
    except Exception as error:  # whatever a reader throws is a finding
        failures += 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"FAIL  {name}: {type(error).__name__}: {error} (line {where.lineno})")
        return None


def require(condition, message):
    if not condition:
        raise ValueError(message)


def table(path, columns):
    """A Parquet file whose first columns are `columns`, in that order."""
    found = pyarrow.parquet.read_table(path)
    names = list(columns)
    require(found.column_names[: len(names)] == names, f"columns are {found.column_names}")
    for name, kind in columns.items():
        actual = found.schema.field(name).type
        text = pyarrow.types.is_string(actual) or pyarrow.types.is_large_string(actual) or actual == pyarrow.string_view()
        require(actual == kind or (kind == TEXT and text), f"column {name} is {actual}, not {kind}")
    require(found.num_rows > 0, "no rows")
    return found, f"{found.num_rows} rows, {found.num_columns} columns"


def metrics(path):
    found, note = table(path, METRICS)
    for name in ["step", "seconds", "epoch"]:
        values = found[name].to_numpy()
        least = 1 if name == "step" else 0
        require((numpy.diff(values) >= least).all(), f"{name} does not increase")
    require(found["train_nll"].null_count < found.num_rows, "no train_nll")
    require(found["validation_nll"].null_count < found.num_rows, "no validation_nll")
    return found, note


def samples(path):
    found = pyarrow.parquet.read_table(path)
    require(found.num_rows > 0 and found.num_columns > 0, "empty")
    for name in found.column_names:
        require(pyarrow.types.is_floating(found.schema.field(name).type), f"column {name} is no float")
        require(numpy.isfinite(found[name].to_numpy()).all(), f"column {name} is not finite")
    return found.num_columns, f"{found.num_rows} rows of {found.num_columns} features"


def checkpoint(path):
    tensors = load_file(path)
    require(tensors, "no tensors")
    for name, tensor in tensors.items():
        if numpy.issubdtype(tensor.dtype, numpy.floating):
            require(numpy.isfinite(tensor).all(), f"{name} is not finite")
    return tensors, f"{len(tensors)} tensors, {sum(tensor.size for tensor in tensors.values())} numbers"


def png(data):
    """Decodes as far as every byte is accounted for: chunk checksums and the length of the unpacked rows."""
    stream = io.BytesIO(data)
    require(stream.read(8) == b"\x89PNG\r\n\x1a\n", "no PNG signature")
    header, packed, kind = None, b"", None
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", stream.read(8))
        body = stream.read(length)
        (checksum,) = struct.unpack(">I", stream.read(4))
        require(zlib.crc32(kind + body) == checksum, f"checksum of {kind}")
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
    width, height, depth, color, _, _, interlace = header
    require(interlace == 0, "interlaced")
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color] * depth
    require(len(zlib.decompress(packed)) == height * (1 + (width * bits + 7) // 8), "rows missing")
    return (width, height), f"{width}x{height}"


def manifest(path):
    found = json.loads(path.read_text())
    require(found["status"] == "finished", f"status is {found['status']}: {found.get('reason')}")
    for key in ["experiment", "trial", "seed", "spec_hash", "device", "host", "started", "ended", "parameters"]:
        require(found[key] is not None, f"no {key}")
    require(found["trial"] == path.parent.parent.name, "trial is not its folder's name")
    require(path.parent.name == f"seed-{found['seed']}", "seed is not its folder's name")
    return found, f"{found['status']}, runner {found['runner']}, {found['parameters']} parameters"


def spec(path):
    found = tomllib.loads(path.read_text())
    for key in ["dataset", "model", "optimizer", "training"]:
        require(key in found, f"no [{key}]")
    return found, ", ".join(found)


def events(directory):
    # 0: keep every point.
    found = EventAccumulator(str(directory), size_guidance=dict.fromkeys(["scalars", "images", "tensors"], 0))
    found.Reload()
    return found, f"{len(found.Tags()['scalars'])} scalars, {len(found.Tags()['images'])} images"


def scalar(log, tag):
    points = log.Scalars(tag)
    require(points, "no points")
    steps, values = [point.step for point in points], numpy.array([point.value for point in points])
    require(all(a < b for a, b in zip(steps, steps[1:])), f"steps do not increase: {steps}")
    require(numpy.isfinite(values).all(), "not finite")
    require(tag not in POSITIVE or (values > 0).all(), "not positive")
    require(tag not in NOT_NEGATIVE or (values >= 0).all(), "negative")
    return (steps, values), f"{len(points)} points, last {values[-1]:.6g}"


def curve(log, tag, curves):
    """A scalar that shows every point of its Parquet column."""
    (steps, values), note = scalar(log, tag)
    column = curves[CURVES[tag]].to_numpy(zero_copy_only=False)
    known = numpy.isfinite(column)
    require(steps == list(curves["step"].to_numpy()[known]), "other steps than metrics.parquet")
    require(numpy.allclose(values, column[known], rtol=1e-6, atol=1e-30), "other values than metrics.parquet")
    return values, note


def image(log, tag):
    """Few pictures while the run goes on, where it pays for them, and the one of its end, all of one size."""
    found = log.Images(tag)
    require(1 <= len(found) <= 8, f"{len(found)} images")
    steps = [picture.step for picture in found]
    require(all(a < b for a, b in zip(steps, steps[1:])), f"steps do not increase: {steps}")
    for picture in found:
        size, note = png(picture.encoded_image_string)
        require(size == (picture.width, picture.height), f"is {note}, says {picture.width}x{picture.height}")
    require(len({(picture.width, picture.height) for picture in found}) == 1, "sizes differ")
    return found, f"{note} at steps {steps}"


def spec_text(log):
    require(log.SummaryMetadata("spec").plugin_data.plugin_name == "text", "no text")
    text = log.Tensors("spec")[0].tensor_proto.string_val[0].decode()
    require(text.startswith("```toml\n") and text.endswith("\n```"), "no code block")
    return tomllib.loads(text[8:-4]), f"{len(text)} characters"


def hparams_data(log, tag, kind):
    plugin = log.SummaryMetadata(tag).plugin_data
    require(plugin.plugin_name == "hparams", f"plugin is {plugin.plugin_name}")
    data = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
    require(data.WhichOneof("data") == kind, f"holds {data.WhichOneof('data')}")
    return getattr(data, kind)


def session(log, trial, experiment):
    start = hparams_data(log, "_hparams_/session_start_info", "session_start_info")
    end = hparams_data(log, "_hparams_/session_end_info", "session_end_info")
    require(start.group_name == trial, f"group is {start.group_name}")
    require(start.hparams and not {"seed", "seeds"} & set(start.hparams), f"hparams are {sorted(start.hparams)}")
    require(end.status == api_pb2.STATUS_SUCCESS, f"status is {api_pb2.Status.Name(end.status)}")
    require(end.end_time_secs >= start.start_time_secs > 1.7e9, "times")
    if experiment is not None:
        for info in experiment.hparam_infos:
            value = start.hparams.get(info.name)
            listed = not info.HasField("domain_discrete") or value in list(info.domain_discrete.values)
            require(value is None or listed, f"{info.name} is outside its domain")
    return start, ", ".join(sorted(start.hparams))


def experiment_record(log):
    found = hparams_data(log, "_hparams_/experiment", "experiment")
    metrics = [info.name.tag for info in found.metric_infos]
    require(metrics == ["nll/validation", "nll/test", "nll/gap", "cost/seconds", "cost/parameters"], f"metrics are {metrics}")
    require(found.hparam_infos, "no hparams")
    require(all(info.type != api_pb2.DATA_TYPE_UNSET for info in found.hparam_infos), "an hparam without a type")
    return found, ", ".join(info.name for info in found.hparam_infos)


def run(directory, row, experiment):
    name = f"{directory.parent.name}/{directory.name}"
    about = check(f"{name} manifest.json", manifest, directory / "manifest.json")
    check(f"{name} spec.toml", spec, directory / "spec.toml")
    curves = check(f"{name} metrics.parquet", metrics, directory / "metrics.parquet")
    features = check(f"{name} samples.parquet", samples, directory / "samples.parquet")
    for which in ["last", "best"]:
        check(f"{name} checkpoints/{which}.safetensors", checkpoint, directory / f"checkpoints/{which}.safetensors")

    pictures = PICTURES.get(features, ["pairs"])
    for path in sorted({*directory.glob("*.png"), *(directory / f"{picture}.png" for picture in pictures)}):
        check(f"{name} {path.name}", lambda path=path: png(path.read_bytes()))

    log = check(f"{name} events", events, directory)
    if log is None:
        return
    if curves is not None:
        for tag in CURVES:
            check(f"{name} tag {tag}", curve, log, tag, curves)
    results = {"nll/test": "test_nll"} | ({"nll/gap": "gap"} if row and row["gap"] is not None else {})
    for tag, column in results.items():
        found = check(f"{name} tag {tag}", scalar, log, tag)
        if found and row:
            same = len(found[1]) == 1 and numpy.isclose(found[1][0], row[column], rtol=1e-6)
            check(f"{name} tag {tag} in trials.parquet", lambda: (require(same, row[column]), row[column]))
    for tag in pictures:
        check(f"{name} tag {tag}", image, log, tag)
    check(f"{name} tag spec", spec_text, log)
    check(f"{name} hparams", session, log, about["trial"] if about else directory.parent.name, experiment)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1])
    directories = sorted(path for path in root.glob("*/seed-*") if path.is_dir())
    check("runs", lambda: (require(directories, f"no run directories in {root}"), len(directories)))
    trials = check("trials.parquet", table, root / "trials.parquet", TRIALS)
    rows = {(row["trial"], row["seed"]): row for row in trials.to_pylist()} if trials is not None else {}
    same = set(rows) == {(path.parent.name, int(path.name.removeprefix("seed-"))) for path in directories}
    check("trials.parquet has one row a run", lambda: (require(same, f"rows are {sorted(rows)}"), len(rows)))

    log = check("experiment events", events, root / "aggregate")
    check("no events in the folder of the experiment itself", lambda: (require(not list(root.glob("events.*")), "a run named ."), "none"))
    # `EventAccumulator` reads the files of one folder, not those of the trials' bands below.
    experiment = check("experiment hparams", experiment_record, log) if log is not None else None
    for directory in directories:
        run(directory, rows.get((directory.parent.name, int(directory.name.removeprefix("seed-")))), experiment)
    print(f"{failures} failed" if failures else "all well")
    sys.exit(1 if failures else 0)


main()
