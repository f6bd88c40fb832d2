"""imbalanced-learn's own tests, which its wheel contains, pass with equipoise's classes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
pytest.importorskip("imblearn.tests", reason="this imbalanced-learn comes without its tests")

import equipoise.imblearn as ours

# These tests use samplers by themselves, in pipelines and in ensembles.
SUITE = [
    *("imblearn.over_sampling", "imblearn.under_sampling", "imblearn.combine"),
    *("imblearn.tests.test_common", "imblearn.tests.test_pipeline", "imblearn.ensemble"),
]
# The wheel has no configuration of pytest. These are the suite's filters for warnings, and one for pytest 9.
WARNINGS = ["error::FutureWarning", "error::DeprecationWarning", "ignore:Passing a non-Collection iterable"]
OPTIONS = ["-q", "-p", "no:cacheprovider", *(part for warning in WARNINGS for part in ("-W", warning))]


def run(tmp_path, *options, plugin, calls=None):
    """Run the suite in a fresh interpreter and an empty folder, without our configuration."""
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path), OMP_NUM_THREADS="1")
    if calls is not None:
        environment["REBOUND_CALLS"] = str(calls)
    chosen = ["-p", "support.rebound_imblearn"] if plugin else []
    command = [sys.executable, "-m", "pytest", *OPTIONS, *chosen, *options, "--pyargs", *SUITE]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def collected(tmp_path, *, plugin):
    done = run(tmp_path, "--collect-only", plugin=plugin)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return sorted(line for line in done.stdout.splitlines() if "::" in line)


@pytest.mark.slow
def test_both_sets_of_classes_collect_the_same_tests(tmp_path):
    """A missing tag of a class would hide some tests."""
    own, rebound = collected(tmp_path, plugin=False), collected(tmp_path, plugin=True)
    assert len(own) > 1400
    # Ids of tests contain the names of the estimators, which are the same for both.
    assert rebound == own


@pytest.mark.slow
def test_imbalanced_learns_suite_passes(tmp_path):
    report, calls = tmp_path / "report.xml", tmp_path / "calls.json"
    done = run(tmp_path, f"--junitxml={report}", plugin=True, calls=calls)
    failures = []
    for case in ElementTree.parse(report).iter("testcase"):
        for problem in [*case.findall("failure"), *case.findall("error")]:
            name = f"{case.get('classname')}::{case.get('name')}"
            failures.append(f"{name}\n{(problem.text or '')[-1500:]}")
    assert not failures, f"{len(failures)} failed:\n\n" + "\n\n".join(failures[:20])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[-1]) > 1400
    made = json.loads(calls.read_text())
    assert set(made) == set(ours.__all__) - {"NearestNeighbors"}
    assert min(made.values()) >= 10, made
