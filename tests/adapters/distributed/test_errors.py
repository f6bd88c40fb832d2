"""Errors that workers raise reach the user as errors of this library."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys

import numpy as np
import pytest

from support.clusters import Engine, cut, rows, with_nulls

WRONG = [
    ({"k": 0}, {}, ValueError, r"k must be in \[1, .*\], got 0"),
    ({"k": 1.5}, {}, TypeError, "k must be an integer, got float"),
    ({"seed": -1}, {}, ValueError, "seed must be in"),
    ({"weight": 3}, {}, TypeError, "weight must be a string, the name of a column, got int"),
    ({"weight": "x"}, {}, ValueError, "weight must name one of 'id', 'w'.*, got 'x'"),
    ({"key": "x"}, {}, ValueError, "key must name one of 'id', 'w'.*, got 'x'"),
    ({"by": "x"}, {}, ValueError, "by must name one of 'id', 'w'.*, got 'x'"),
    ({"key": "w"}, {}, TypeError, "key column 'w' must be integers, got float64 array"),
    ({"key": "flag"}, {}, TypeError, "key column 'flag' must be integers, got bool array"),
    ({"key": "text"}, {}, TypeError, "key column 'text' must be "),
    ({"weight": "text"}, {}, TypeError, "weight column 'text' must be "),
    ({"by": "w"}, {}, TypeError, "by column 'w' must be integers, booleans or strings, got float"),
    ({}, {"w": [1.0, -1.0]}, ValueError, r"weight column 'w'\[1\] must be finite and >= 0, got -1.0"),
    ({}, {"w": [1.0, math.inf]}, ValueError, r"weight column 'w'\[1\] must be finite and >= 0, got inf"),
    ({}, {"w": [1.0, math.nan]}, ValueError, r"weight column 'w'\[1\] must (be finite|not be null)"),
    ({}, {"id": np.array([1, 2**63], np.uint64)}, IndexError, r"key column 'id'\[1\] must be in"),
    ({}, {"inclusion": [1, 2]}, ValueError, "dataset must not have a column 'inclusion'"),
]


@pytest.mark.parametrize(("settings", "columns", "error", "text"), WRONG)
def test_bad_arguments_and_columns_are_refused(engine, settings, columns, error, text):
    table = {name: column[:2] for name, column in rows(10).items()}
    table |= {name: np.array(column) for name, column in columns.items()}
    with pytest.raises(error, match=text) as caught:
        engine.sample(engine.data([table, table]), **{"k": 2, **settings})
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"key": "id"}, r"key column 'id'(\[1\] must not be null| must be integers, got object array)"),
        ({"weight": "w"}, r"weight column 'w'(\[1\] must (not be null|be finite)| must be .* got object)"),
        ({"by": "c"}, r"by column 'c'\[1\] must not be null"),
    ],
)
def test_nulls_are_refused(engine, settings, text):
    with pytest.raises((TypeError, ValueError), match=text):
        engine.sample(with_nulls(engine), 1, **{"key": "one", "weight": "two", **settings})


def test_dask_refuses_a_dataset_of_another_type(dask_cluster):
    import dask.bag

    adapter = importlib.import_module("equipoise.dask")
    with pytest.raises(TypeError, match="dataset must be a Dask DataFrame or Bag, got list"):
        adapter.weighted_sample([], 3, weight="w", key="id")
    data = dask.bag.from_sequence([{"w": 1.0, "id": 1}, (1.0, 2)], npartitions=1)
    with pytest.raises(TypeError, match="dataset must be a Bag of dicts, got tuple"):
        adapter.weighted_sample(data, 3, weight="w", key="id")
    data = dask.bag.from_sequence([{"w": 1.0, "id": 1}, {"w": 1.0}], npartitions=1)
    with pytest.raises(ValueError, match="key must name one of 'w', got 'id'"):
        adapter.weighted_sample(data, 3, weight="w", key="id")


def test_ray_refuses_a_dataset_of_another_type(ray_cluster):
    adapter = importlib.import_module("equipoise.ray")
    with pytest.raises(TypeError, match="dataset must be a Ray Dataset, got dict"):
        adapter.weighted_sample({}, 3, weight="w", key="id")


def test_dask_passes_on_a_callers_own_error(dask_cluster):
    engine = Engine("bag")

    def fail():
        raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        engine.sample(engine.data(cut(rows(30), 2), before=fail), 3)


def test_ray_passes_on_a_callers_own_error(ray_cluster):
    engine = Engine("ray")

    def fail():
        raise KeyError("theirs")

    with pytest.raises(ray_cluster.exceptions.RayError, match="theirs"):
        engine.sample(engine.data(cut(rows(30), 2), before=fail), 3)


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_missing_engine_names_the_extra(name):
    program = f"import sys; sys.modules[{name!r}] = None; import equipoise.{name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"equipoise.{name} needs {name}: python -m pip install 'equipoise[{name}]'" in done.stderr
