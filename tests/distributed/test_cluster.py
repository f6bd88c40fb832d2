"""Samples of distributed collections: the same rows as on one machine, on real clusters of two processes."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import _distributed

ENGINES = ["frame", "bag", "ray"]

pytestmark = [
    # Ray Data's own, of settings that nobody here has made: their defaults are set, too.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
    # Logs and a process that old versions of Ray leave to be collected.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <(_io.FileIO|function Popen.__del__)"
        ":pytest.PytestUnraisableExceptionWarning"
    ),
]


@pytest.fixture(autouse=True)
def in_time(request):
    """A cluster that hangs fails its test."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_):
        raise TimeoutError("the cluster hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(600 if "slow" in request.keywords else 120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# ---- rows -------------------------------------------------------------------------------------------------


def rows(n=3000, seed=0):
    """Keys of all sizes and signs, payload of several types, in an order that means nothing."""
    rng = np.random.default_rng(seed)
    ids = np.unique(np.concatenate([rng.integers(-(2**63), 2**63, n), np.arange(-n, n)]))
    ids = rng.choice(ids, n, replace=False)
    ids[:2] = -(2**63), 2**63 - 1
    return {
        "id": ids,
        "w": np.where(rng.random(n) < 0.1, 0.0, rng.pareto(1.5, n)),
        "label": rng.choice(5, n, p=[0.6, 0.3, 0.07, 0.02, 0.01]) - 2,
        "word": np.array([f"é{i}" if i else "" for i in rng.integers(0, 4, n)], object),
        "text": np.array([f"row {i}" for i in ids.tolist()], object),
        "big": ids ^ 1,
        "flag": ids % 2 == 0,
        "small": (ids % 100).astype(np.int8),
    }


def cut(table, parts, seed=0):
    """A shuffled table in parts of different sizes, one of which is empty if there are several."""
    rng = np.random.default_rng(seed)
    n = len(table["id"])
    order = rng.permutation(n)
    at = np.sort(rng.integers(0, n, parts - 1))
    if parts > 2:
        at[1] = at[0]
    return [{name: column[some] for name, column in table.items()} for some in np.split(order, at)]


def on_one_machine(table, k, by=None, seed=0):
    if by is None:
        reservoir = equipoise.Reservoir(k, seed=seed)
        reservoir.update(table["w"], ids=table["id"])
        return reservoir.sample()
    reservoir = equipoise.ClassReservoir(k, seed=seed)
    reservoir.update(np.unique(table[by], return_inverse=True)[1], table["w"], ids=table["id"])
    return reservoir.sample()


def check(got, table, k, by=None, seed=0):
    """The rows, their order, all of their columns, and the inclusion to the last bit."""
    wanted = on_one_machine(table, k, by, seed)
    assert list(got) == [*table, "inclusion"]
    assert [int(i) for i in got["id"]] == wanted.ids.tolist()
    assert list(got["inclusion"]) == wanted.inclusion.tolist()
    where = {i: at for at, i in enumerate(table["id"].tolist())}
    at = [where[i] for i in wanted.ids.tolist()]
    for name, column in table.items():
        assert list(got[name]) == column[at].tolist(), name
        assert {isinstance(x, bool | np.bool_) for x in got[name]} <= {column.dtype == bool}, name


# ---- the core, without any engine -------------------------------------------------------------------------


def sample(parts, k, by=None, seed=0, calls=None):
    """As an engine does it; everything goes through pickle."""
    plan = pickle.loads(pickle.dumps(_distributed.Plan(k, "w", "id", by, seed)))
    pick = lambda part, at: {name: column[at] for name, column in part.items()}  # noqa: E731
    kept = [pick(part, plan.prune(part.__getitem__)) for part in parts]
    calls = [] if calls is None else calls

    def merged(wanted):
        level = [plan.sketch(part.__getitem__) for part in kept]
        calls.append((wanted, sum(map(len, level))))
        while len(level) > 1:
            level = [_distributed.merge(level[i : i + 3], wanted) for i in range(0, len(level), 3)]
        return _distributed.merge(level, wanted)

    def taken(limits):
        some = [pick(part, plan.take(part.__getitem__, pickle.loads(pickle.dumps(limits)))) for part in kept]
        calls.append(sum(len(part["id"]) for part in some))
        return {name: np.concatenate([part[name] for part in some]) for name in some[0]}

    batch, at, inclusion = plan.collect(merged, taken, lambda batch: batch.__getitem__)
    return {**pick(batch, at), "inclusion": inclusion}


@pytest.mark.parametrize("by", [None, "label", "word"])
@pytest.mark.parametrize("k", [1, 7, 60, 5000])
@pytest.mark.parametrize("parts", [1, 3, 50])
def test_core(parts, k, by):
    table = rows()
    check(sample(cut(table, parts), k, by, seed=k), table, k, by, seed=k)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from("abc"))),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 5),
    st.sampled_from([None, "c"]),
)
def test_core_with_rows_that_come_again(parts, k, by):
    """Rows of one key, in one part or in several, of the same weight and class or of others."""
    tables = []
    for part in parts:
        ids, w, c = ([row[i] for row in part] for i in range(3))
        tables.append({"id": np.array(ids, np.int64), "w": np.array(w), "c": np.array(c, object)})
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    wanted = on_one_machine(whole, k, by)
    got = sample(tables, k, by)
    assert got["id"].tolist() == wanted.ids.tolist()
    assert got["w"].tolist() == wanted.weights.tolist()
    assert got["inclusion"].tolist() == wanted.inclusion.tolist()
    if by:
        assert got["c"].tolist() == [np.unique(whole["c"])[c] for c in wanted.classes]


def test_core_reads_nothing_again_but_what_it_needs():
    """Rows that all parts have are counted once for each: the threshold is looked for again, further up."""
    table, calls = rows(), []
    check(sample([table] * 20, 50, calls=calls), table, 50)
    assert [call[0] for call in calls[::2]] == [51, 204, 816, 3264]
    assert calls[-1] < 1.2 * 3264


def test_core_needs_no_luck_with_empty_parts():
    none = {name: column[:0] for name, column in rows(10).items()}
    for by in (None, "label", "word"):
        assert sample([none, none], 5, by)["inclusion"].size == 0
        one = {**rows(10), "w": np.zeros(10)}
        assert sample([none, one], 5, by)["inclusion"].size == 0


def test_what_crosses_the_network():
    """The figures of the docstrings, with fewer parts: 2.2 KB a sketch, and hardly more than k rows."""
    rng, k, parts = np.random.default_rng(1), 10_000, 100
    tables = [{"id": np.arange(p, 1_200_000, parts), "w": rng.pareto(1.5, 12_000)} for p in range(parts)]
    calls = []
    sample(tables, k, calls=calls)
    (_, sketches), taken = calls
    assert sketches < 2200 * parts
    assert k < taken < 1.1 * k
    # Skewed: a part has nearly all of the sample, the others nothing of it.
    tables[3]["w"] *= 1e12
    calls.clear()
    sample(tables, k, calls=calls)
    assert k < calls[1] <= 1.125 * (k + 1) + parts


def test_a_hundred_thousand_of_a_thousand_parts():
    rng, k = np.random.default_rng(0), 100_000
    weights = rng.pareto(1.5, k + 1)
    plan = _distributed.Plan(k, "w", "id", None, 0)
    data = plan.sketch({"id": np.arange(k + 1), "w": weights}.__getitem__)
    assert 2000 < len(data) < 2300


def test_labels_of_every_kind():
    def classes(x):
        words, numbers = _distributed._classes(x, "by column 'c'")
        return words, numbers.tolist()

    assert classes(np.array([3, -1], np.int8)) == (None, [3, -1])
    assert classes([3, 2**63 - 1]) == (None, [3, 2**63 - 1])
    assert classes(np.array([3, 2], object)) == (None, [3, 2])
    assert classes(["b", "a", "b"]) == (["a", "b"], [1, 0, 1])
    assert classes(np.array(["b", "a\0"])) == (["a", "b"], [1, 0])  # NumPy drops it
    assert classes(["a\0", "a"]) == (["a", "a\0"], [1, 0])
    assert classes(["\ud800", ""]) == (["", "\ud800"], [1, 0])
    assert classes([]) == ([], [])
    for bad, error, text in [
        ([1.0], TypeError, "must be integers or strings, got float"),
        ([1, "a"], TypeError, "must be integers or strings, got int and str"),
        ([True], TypeError, "got bool"),
        (["a", None], ValueError, r"by column 'c'\[1\] must not be null"),
        (np.array([1, np.nan]), ValueError, r"\[1\] must not be null"),
        (np.array([2**63], np.uint64), IndexError, r"by column 'c'\[0\] must be in"),
    ]:
        with pytest.raises(error, match=text):
            classes(bad)


def test_labels_of_two_kinds_in_two_parts():
    words = {"id": np.arange(2), "w": np.ones(2), "c": np.array(["a", "b"], object)}
    with pytest.raises(TypeError, match="by column must be integers or strings, got both"):
        sample([words, {**words, "c": np.arange(2)}], 1, "c")


def test_sketches_are_checked():
    good = _distributed.Plan(1, "w", "id", None, 0).sketch({"w": np.ones(3), "id": np.arange(3)}.__getitem__)
    for bad in (good[:-1], b"", good.replace(b"labels", b"lapels"), equipoise.Reservoir(1).to_bytes()):
        with pytest.raises(ValueError, match="data must be"):
            _distributed.merge([bad], 2)


def test_a_refusal_is_found_in_what_an_engine_says():
    text = "blue\nTypeError: key column 'id' must be integers, got float64 array\n\nThe above exception was"
    with pytest.raises(TypeError, match=r"^key column 'id' must be integers, got float64 array$"):
        _distributed.refusal(text)
    assert _distributed.refusal("ValueError: the user's own") is None


# ---- clusters ---------------------------------------------------------------------------------------------


def children():
    """Processes of this one that a cluster may have left, by command."""
    found = {}
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                # Not what is dead already, nor multiprocessing's, which stays as long as this one does.
                if command and "resource_tracker" not in command:
                    found[pid] = command
    return found


@contextlib.contextmanager
def nothing_left():
    """No processes, and no variables: Dask leaves the process with one thread a pool and an eager malloc."""
    before = children()
    with mock.patch.dict(os.environ):
        yield
    end = time.monotonic() + 30
    while set(children()) - set(before) and time.monotonic() < end:
        time.sleep(0.1)
    assert {pid: c for pid, c in children().items() if pid not in before} == {}


@pytest.fixture(scope="module")
def dask_cluster():
    distributed = pytest.importorskip("distributed", reason="dask is not installed (extra 'dask')")
    import dask

    # A worker that is not there 15 s after another's death in its place would be given up: several die here.
    patience = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    with (
        nothing_left(),
        dask.config.set(patience),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as cluster,
        distributed.Client(cluster, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray_cluster():
    with nothing_left():
        # Without telemetry, progress bars, and a token in the user's home.
        os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        ray = pytest.importorskip("ray", reason="ray is not installed (extra 'ray')")
        pytest.importorskip("ray.data", reason="ray[data] is not installed (extra 'ray')")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**28)
        try:
            ray.data.DataContext.get_current().enable_progress_bars = False
            yield ray
        finally:
            ray.shutdown()


class Engine:
    """Parts, as columns -> a data set -> its sample as columns. ``before`` runs in the task of each part."""

    def __init__(self, name):
        self.name = name
        self.adapter = importlib.import_module("equipoise.ray" if name == "ray" else "equipoise.dask")

    def data(self, parts, before=lambda: None):
        def touch(part):
            before()
            return part

        if self.name == "ray":
            import pyarrow
            import ray.data

            return ray.data.from_arrow([pyarrow.table(part) for part in parts]).map_batches(
                touch, batch_size=None, batch_format="pyarrow"
            )
        import dask.bag
        import dask.dataframe
        import pandas

        if self.name == "frame":
            frames = [pandas.DataFrame(part) for part in parts]
            return dask.dataframe.from_map(touch, frames, meta=frames[0].iloc[:0])
        lists = [
            [
                dict(zip(part, row, strict=True))
                for row in zip(*(c.tolist() for c in part.values()), strict=True)
            ]
            for part in parts
        ]
        return dask.bag.from_delayed([dask.delayed(part) for part in lists]).map_partitions(touch)

    def sample(self, data, k, **settings):
        got = self.adapter.weighted_sample(data, k, **{"weight": "w", "key": "id", **settings})
        if self.name != "bag":
            assert type(got).__module__.startswith("pandas")
            return got
        assert type(got) is list
        return {name: [row[name] for row in got] for name in got[0]} if got else {}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    request.getfixturevalue("ray_cluster" if request.param == "ray" else "dask_cluster")
    return Engine(request.param)


def test_the_cluster_is_one(engine):
    """Two processes, and neither of them is this one."""
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
def test_partitions(engine, parts):
    table = rows()
    check(engine.sample(engine.data(cut(table, parts, seed=parts)), 200, seed=5), table, 200, seed=5)


@pytest.mark.parametrize("by", ["label", "word"])
def test_quotas_of_classes(engine, by):
    table = rows()
    check(engine.sample(engine.data(cut(table, 3)), 40, by=by, seed=2**64 - 1), table, 40, by, 2**64 - 1)


@pytest.mark.parametrize("step", ["before", "_prune", "_sketch", "_take"])
def test_a_task_that_dies_once(engine, step, tmp_path, monkeypatch):
    """In each of the steps, and before; with it goes all that its worker has kept."""
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


def test_rows_that_come_again(engine):
    table = rows()
    check(engine.sample(engine.data([*cut(table, 2), *cut(table, 3)]), 100), table, 100)


def test_unsigned_keys_and_integer_weights(engine):
    table = rows(500)
    table |= {"id": np.arange(500, dtype=np.uint64) + 2**62, "w": np.arange(500, dtype=np.uint16)}
    check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)
    table |= {"id": np.arange(500, dtype=np.int16), "w": np.arange(500, dtype=np.float32)}
    check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)


def test_all_rows_where_there_are_no_more(engine):
    table = rows(30)
    check(engine.sample(engine.data(cut(table, 3)), 1000), table, 1000)


def test_no_rows(engine):
    table = rows(30)
    weightless = cut({**table, "w": np.zeros(30)}, 3)
    empty = [{name: column[:0] for name, column in table.items()}] * 2
    for parts in (weightless, empty):
        got = engine.sample(engine.data(parts), 5)
        assert len(got) == 0
        if engine.name == "frame":
            assert list(got) == [*table, "inclusion"]
        if engine.name == "ray":  # which does not always keep the schema of no rows
            assert list(got) in ([*table, "inclusion"], ["inclusion"])


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
    ({"by": "w"}, {}, TypeError, "by column 'w' must be integers or strings, got float"),
    ({}, {"w": [1.0, -1.0]}, ValueError, r"weight column 'w'\[1\] must be finite and >= 0, got -1.0"),
    ({}, {"w": [1.0, math.inf]}, ValueError, r"weight column 'w'\[1\] must be finite and >= 0, got inf"),
    ({}, {"w": [1.0, math.nan]}, ValueError, r"weight column 'w'\[1\] must (be finite|not be null)"),
    ({}, {"id": np.array([1, 2**63], np.uint64)}, IndexError, r"key column 'id'\[1\] must be in"),
    ({}, {"inclusion": [1, 2]}, ValueError, "dataset must not have 'inclusion' already"),
]


@pytest.mark.parametrize(("settings", "columns", "error", "text"), WRONG)
def test_what_is_refused(engine, settings, columns, error, text):
    """By workers, and yet as this library says it."""
    table = {name: column[:2] for name, column in rows(10).items()}
    table |= {name: np.array(column) for name, column in columns.items()}
    with pytest.raises(error, match=text) as caught:
        engine.sample(engine.data([table, table]), **{"k": 2, **settings})
    assert type(caught.value) is error


def with_nulls(engine):
    """One partition; nulls in every column but "one" and "two"."""
    columns = {"id": [2**53 + 1, None], "w": [1.0, None], "c": ["a", None], "one": [7, 8], "two": [1.0, 1e-9]}
    if engine.name == "ray":
        import pyarrow
        import ray.data

        return ray.data.from_arrow(pyarrow.table(columns))
    if engine.name == "bag":
        import dask.bag

        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return dask.bag.from_sequence(records, npartitions=1)
    import dask.dataframe
    import pandas

    frame = pandas.DataFrame({**columns, "id": pandas.array(columns["id"], "Int64")})
    return dask.dataframe.from_pandas(frame, npartitions=1)


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


def test_nulls_of_the_payload_stay(engine):
    got = engine.sample(with_nulls(engine), 2, key="one", weight="two")
    assert list(got["one"]) == [7, 8]
    assert int(got["id"][0]) == 2**53 + 1
    missing = [got[name][1] for name in ("id", "w", "c")]
    assert all(x is None or str(x) in ("nan", "<NA>") for x in missing)


# ---- what one engine has ----------------------------------------------------------------------------------


def test_dataset_of_another_kind(dask_cluster):
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


def test_dataset_of_another_kind_for_ray(ray_cluster):
    adapter = importlib.import_module("equipoise.ray")
    with pytest.raises(TypeError, match="dataset must be a Ray Dataset, got dict"):
        adapter.weighted_sample({}, 3, weight="w", key="id")


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


@pytest.mark.filterwarnings(
    "ignore:Running on a single-machine scheduler:UserWarning"
)  # once more by old ones
@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_dask_without_a_cluster(dask_cluster, scheduler):
    import dask

    table = rows(400)
    for name in ("frame", "bag"):
        engine = Engine(name)
        with dask.config.set(scheduler=scheduler):
            check(engine.sample(engine.data(cut(table, 3)), 20), table, 20)


def test_a_callers_own_error_comes_through(dask_cluster):
    engine = Engine("bag")

    def fail():
        raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        engine.sample(engine.data(cut(rows(30), 2), before=fail), 3)


def test_a_callers_own_error_comes_through_ray(ray_cluster):
    engine = Engine("ray")

    def fail():
        raise KeyError("theirs")

    with pytest.raises(ray_cluster.exceptions.RayError, match="theirs"):
        engine.sample(engine.data(cut(rows(30), 2), before=fail), 3)


def test_tensors_come_through_ray(ray_cluster):
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


def test_the_examples(engine):
    result = doctest.testmod(engine.adapter, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted > 3


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_without_the_engine(name):
    program = f"import sys; sys.modules[{name!r}] = None; import equipoise.{name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"equipoise.{name} needs {name}: python -m pip install 'equipoise[{name}]'" in done.stderr


# ---- the driver's memory ----------------------------------------------------------------------------------

# 250 partitions of 100,000 rows of 40 bytes: 1 GB, of which the driver may take 100 MB.
DRIVER = """
import re
import numpy as np, pandas as pd

def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

def part(p, n=100_000):
    ids = np.arange(p * n, (p + 1) * n)
    return pd.DataFrame({{"id": ids, "w": 1.0 + ids % 7, "a": ids + 1, "b": ids + 2, "c": ids + 3}})

def main():
    {start}
    for parts in (4, 250):  # first all that is imported and connected
        open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
        before = memory("VmRSS")
        got = weighted_sample(make(parts), 10_000, weight="w", key="id")
    print("took", memory("VmHWM") - before)
    assert len(got) == 10_000 and (got["c"] - got["id"] == 3).all()
    assert got["id"].max() > 0.99 * 25_000_000
    {stop}

if __name__ == "__main__":
    main()
"""
DASK = {
    "start": """
    import distributed, dask.dataframe
    from equipoise.dask import weighted_sample
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0)
    client = distributed.Client(cluster)
    make = lambda parts: dask.dataframe.from_map(part, range(parts))
""",
    "stop": "client.close(); cluster.close()",
}
RAY = {
    "start": """
    import ray.data
    from equipoise.ray import weighted_sample
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**30)
    make = lambda parts: ray.data.range(parts, override_num_blocks=parts).map_batches(
        lambda batch: pd.concat([part(p) for p in batch["id"]]), batch_size=None)
""",
    "stop": "ray.shutdown()",
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "program"), [("dask", DASK), ("ray", RAY)])
def test_memory_of_the_driver(name, program, tmp_path):
    """A data set of 1 GB costs the driver under 100 MB, once one of 16 MB has been there."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("only Linux measures a peak from a moment on")
    pytest.importorskip("distributed" if name == "dask" else "ray.data", reason=f"{name} is not installed")
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(**program))
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, env=environment, timeout=500
    )
    took = float(done.stdout.split("took")[1].split()[0])
    print(f"{name}: {took:.0f} MB")
    assert took < 100
