"""A cluster of two processes returns the sample of one machine, whatever happens to its tasks."""

from __future__ import annotations

import decimal
import doctest
import importlib
import os

import numpy as np
import pytest

import equipoise
from support.clusters import Engine, check, cut, on_one_machine, rows, with_nulls


def test_the_cluster_has_two_processes(engine):
    """Neither of them is this one."""
    if engine.name == "ray":
        import ray

        assert ray.cluster_resources()["CPU"] == 2
        pid = ray.remote(lambda: os.getpid())  # noqa: PLW0108 (Ray takes no builtin)
        assert ray.get(pid.remote()) != os.getpid()
    else:
        import distributed

        distributed.get_client().wait_for_workers(2, timeout=60)
        assert len(set(distributed.get_client().run(os.getpid).values()) - {os.getpid()}) == 2


@pytest.mark.parametrize("parts", [1, 3, 50])
def test_partitions_do_not_change_the_sample(engine, parts):
    table = rows()
    check(engine.sample(engine.data(cut(table, parts, seed=parts)), 200, seed=5), table, 200, seed=5)


@pytest.mark.parametrize("by", ["label", "word"])
def test_each_class_has_its_quota(engine, by):
    table = rows()
    check(engine.sample(engine.data(cut(table, 3)), 40, by=by, seed=2**64 - 1), table, 40, by, 2**64 - 1)


@pytest.mark.parametrize("step", ["before", "_prune", "_sketch", "_take"])
def test_a_task_that_dies_does_not_change_the_sample(engine, step, tmp_path, monkeypatch):
    """It dies in a step or before it, and everything that its worker has kept is lost."""
    mark = str(tmp_path / "died")

    def die():
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os._exit(1)

    before = die
    if step != "before":
        as_it_was = getattr(engine.adapter, step)

        def first_dies(*arguments):
            die()
            return as_it_was(*arguments)

        monkeypatch.setattr(engine.adapter, step, first_dies)
        before = lambda: None  # noqa: E731
    table = rows()
    check(engine.sample(engine.data(cut(table, 5), before), 100), table, 100)
    assert os.path.exists(mark)


def test_repeated_rows_count_once(engine):
    table = rows()
    check(engine.sample(engine.data([*cut(table, 2), *cut(table, 3)]), 100), table, 100)


def test_unsigned_keys_and_integer_weights_are_accepted(engine):
    table = rows(500)
    table |= {"id": np.arange(500, dtype=np.uint64) + 2**62, "w": np.arange(500, dtype=np.uint16)}
    check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)
    table |= {"id": np.arange(500, dtype=np.int16), "w": np.arange(500, dtype=np.float32)}
    check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)


def test_boolean_classes_and_decimal_weights_are_accepted(engine):
    table = rows(500)
    if engine.name != "bag":
        import pandas
        import pyarrow

        prices = [decimal.Decimal(i % 50) / 100 for i in range(500)]
        table["w"] = pandas.array(prices, pandas.ArrowDtype(pyarrow.decimal128(5, 2)))
    check(engine.sample(engine.data(cut(table, 3)), 20, by="flag"), table, 20, "flag")


def test_there_may_be_fewer_rows_than_k(engine):
    table = rows(30)
    check(engine.sample(engine.data(cut(table, 3)), 1000), table, 1000)


def test_there_may_be_no_rows(engine):
    table = rows(30)
    weightless = cut({**table, "w": np.zeros(30)}, 3)
    empty = [{name: column[:0] for name, column in table.items()}] * 2
    for parts in (weightless, empty):
        got = engine.sample(engine.data(parts), 5)
        assert len(got) == 0
        if engine.name == "frame":
            assert list(got) == [*table, "inclusion"]
        if engine.name == "ray":  # Ray does not always keep the schema if there are no rows
            assert list(got) in ([*table, "inclusion"], ["inclusion"])


def test_nulls_in_other_columns_stay(engine):
    got = engine.sample(with_nulls(engine), 2, key="one", weight="two")
    assert list(got["one"]) == [7, 8]
    assert int(got["id"][0]) == 2**53 + 1
    missing = [got[name][1] for name in ("id", "w", "c")]
    assert all(x is None or str(x) in ("nan", "<NA>") for x in missing)


def test_frames_keep_index_and_categories(dask_cluster):
    import dask.dataframe
    import pandas

    table = rows(400)
    frame = pandas.DataFrame(table).set_index("text")
    frame["word"] = frame["word"].astype("category")
    data = dask.dataframe.from_pandas(frame, npartitions=3, sort=False)
    adapter = importlib.import_module("equipoise.dask")
    got = adapter.weighted_sample(data, 10, weight="w", key="id", by="word")
    wanted = on_one_machine(table, 10, "word")
    assert got["id"].tolist() == wanted.ids.tolist()
    assert got.index.tolist() == [f"row {i}" for i in wanted.ids.tolist()]
    assert got["word"].dtype == frame["word"].dtype


# Old versions of Dask warn.
@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler:UserWarning")
@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_dask_works_without_a_cluster(dask_cluster, scheduler):
    import dask

    table = rows(400)
    for name in ("frame", "bag"):
        engine = Engine(name)
        with dask.config.set(scheduler=scheduler):
            check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)


def test_ray_keeps_tensors(ray_cluster):
    import ray.data

    images = np.arange(100 * 6).reshape(100, 2, 3)
    data = ray.data.from_numpy(images).map_batches(
        lambda batch: {**batch, "id": batch["data"][:, 0, 0] // 6, "w": np.ones(len(batch["data"]))}
    )
    got = Engine("ray").sample(data, 5)
    wanted = equipoise.Reservoir(5)
    wanted.update(np.ones(100), ids=np.arange(100))
    assert got["id"].tolist() == wanted.sample().ids.tolist()
    for i, image in zip(got["id"], got["data"], strict=True):
        assert np.asarray(image).tolist() == images[i].tolist()


def test_the_examples_in_the_docstrings_run(engine):
    result = doctest.testmod(engine.adapter, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted > 3
