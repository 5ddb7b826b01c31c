"""A real TensorBoard server over a sweep: its HPARAMS endpoints return every session with its seeds grouped and both metrics,
its scalars endpoint the curves, its custom-scalars endpoint the layout of the seed bands.

usage: dashboard.py EXPERIMENT_FOLDER     (Python with tensorboard and pyarrow)
"""

import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pyarrow.parquet as parquet

folder = pathlib.Path(sys.argv[1])
trials = parquet.read_table(folder / "trials.parquet").to_pylist()
server = subprocess.Popen(
    [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", "0", "--host", "127.0.0.1", "--reload_interval", "1"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
)


def address():
    for line in server.stderr:
        if "http://" in line:
            return line[line.index("http://") :].split()[0].rstrip("/")
    raise SystemExit("TensorBoard did not start")


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/data/{path}", data, headers)) as answer:
        return json.load(answer)


def eventually(what, check):
    for _ in range(60):
        try:
            if check():
                return
        except (urllib.error.HTTPError, KeyError):
            pass
        time.sleep(0.5)
    raise SystemExit(f"TensorBoard does not show {what}")


def groups():
    body = {"startIndex": 0, "sliceSize": 1000, "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"], "colParams": [{"metric": {"tag": tag}} for tag in ("nll/validation", "nll/test")]}
    return ask("plugin/hparams/session_groups", body)["sessionGroups"]


try:
    base = address()
    names = {trial["trial"] for trial in trials}
    eventually("all sessions", lambda: {group["name"] for group in groups()} == names)
    eventually("the seeds", lambda: sum(len(group["sessions"]) for group in groups()) == len(trials))
    for group in groups():
        runs = [trial for trial in trials if trial["trial"] == group["name"]]
        assert len(group["sessions"]) == len(runs), group["name"]
        assert all(session["status"] == "STATUS_SUCCESS" for session in group["sessions"]), group
        shown = {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}
        mean = sum(run["test_nll"] for run in runs) / len(runs)
        assert abs(shown["nll/test"] - mean) < 1e-5, (shown, mean)
        assert "nll/validation" in shown
        keys = [key for key in runs[0] if "." in key]
        assert {key: group["hparams"][key] for key in keys} == {key: runs[0][key] for key in keys}, group["hparams"]
    experiment = ask("plugin/hparams/experiment", {})
    assert {info["name"]["tag"] for info in experiment["metricInfos"]} == {"nll/validation", "nll/test", "nll/gap", "cost/seconds", "cost/parameters"}

    run = f"{trials[0]['trial']}/seed-{trials[0]['seed']}"
    points = ask("plugin/scalars/scalars?" + urllib.parse.urlencode({"tag": "nll/validation", "run": run}))
    curve = parquet.read_table(folder / run / "metrics.parquet").to_pylist()
    expected = [(row["step"], row["validation_nll"]) for row in curve if row["validation_nll"] is not None]
    assert [step for _, step, _ in points] == [step for step, _ in expected]
    assert all(abs(point[2] - nll) < 1e-5 for point, (_, nll) in zip(points, expected)), points

    # No run without anything to see, and every curve says what it shows.
    assert "." not in ask("runs"), ask("runs")
    assert ask("plugin/text/tags")["aggregate"] == ["experiment"]
    curves = {run: tags for run, tags in ask("plugin/scalars/tags").items() if not run.startswith("aggregate/")}
    assert all(told["description"] for tags in curves.values() for told in tags.values()), curves

    layout = ask("plugin/custom_scalars/layout")
    assert layout["category"][0]["chart"][0]["margin"]["series"][0]["value"] == "nll/validation/mean", layout
    band = ask("plugin/scalars/scalars?" + urllib.parse.urlencode({"tag": "nll/validation/hi", "run": f"aggregate/{trials[0]['trial']}"}))
    assert len(band) == len(expected), band
    if len(sys.argv) > 2:
        # For a look: chromium --headless --screenshot=hparams.png URL
        print(base, flush=True)
        time.sleep(float(sys.argv[2]))
    print(f"{len(names)} groups with {len(trials)} sessions")
finally:
    server.terminate()
    server.wait()
