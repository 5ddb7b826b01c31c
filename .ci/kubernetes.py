"""The Job that `runner plan --kubernetes` prints, against the schema of the oldest Kubernetes that has all it asks for and of the
newest that the validator knows. Faults that are planted in it must be refused.

usage: kubernetes.py RUNNER     (Python with kubernetes-validate and PyYAML)
"""

import copy
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

RUNNER = str(pathlib.Path(sys.argv[1]).resolve())
SPEC = '[dataset]\nname = "moons"\n[sweep.parameters]\n"model.depth" = [2, 4]\n'
NAMES = ["Moons_2.5 of the study", "a" * 80]
"""Of experiments, which are no names of Kubernetes."""

FIRST = "1.29"
"""Since it `backoffLimitPerIndex` is on by default."""

FAULTS = {
    "a misspelt key": lambda job: job["spec"].update(completionmode=job["spec"].pop("completionMode")),
    "a word for a number": lambda job: job["spec"].update(completions="all"),
    "a missing key": lambda job: job["spec"].pop("template"),
    "a container without a name": lambda job: job["spec"]["template"]["spec"]["containers"][0].pop("name"),
}


def problem(job, version):
    """What is wrong with it; `None` where nothing is."""
    try:
        kubernetes_validate.validate(job, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message


def versions():
    return [FIRST, ".".join(kubernetes_validate.latest_version().split(".")[:2])]


with tempfile.TemporaryDirectory() as folder:
    spec = pathlib.Path(folder) / "sweep.toml"
    spec.write_text(SPEC)
    for name in NAMES:
        command = [RUNNER, "plan", str(spec), "--set", f'name="{name}"', "--kubernetes", "--image", "a/b:1", "--claim", "c"]
        job = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        label = job["metadata"]["name"]
        assert label.strip("-") == label and len(label) <= 63 and label.replace("-", "a").isalnum() and label.islower(), label
        for version in versions():
            assert problem(job, version) is None, f"{version}: {problem(job, version)}"
            for fault, plant in FAULTS.items():
                wrong = copy.deepcopy(job)
                plant(wrong)
                assert problem(wrong, version), f"{version}: {fault} was accepted"
print(f"the Job is one of Kubernetes {' and '.join(versions())}; {len(FAULTS)} planted faults are refused")
