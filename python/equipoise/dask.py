"""Weighted samples of Dask DataFrames and Bags. Needs the extra ``dask``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from equipoise import _validate
from equipoise._distributed import INCLUSION, Limits, Plan, merge

try:
    import dask
    import dask.bag
    import dask.dataframe
    from dask.dataframe.dispatch import concat
except ImportError:
    _validate.refuse_without("dask", "dask", "equipoise.dask")

if TYPE_CHECKING:
    import pandas

__all__ = ["weighted_sample"]

_MERGED = 16  # sketches merged by one task


def weighted_sample(
    dataset: Any, k: int, *, weight: str, key: str, by: str | None = None, seed: int = 0
) -> pandas.DataFrame | list[dict[str, Any]]:
    """Draw a weighted sample of k rows of a Dask DataFrame or Bag without replacement, in one pass.

    The sample does not depend on the partitions, their order, the workers or retries. It is the sample of
    ``Reservoir(k, seed=seed)`` on one machine, updated with the column ``weight`` and with the column ``key``
    as ids; with ``by`` it is that of ``ClassReservoir(k, seed=seed)``. The workers need this package as well.

    Parameters
    ----------
    dataset : dask.dataframe.DataFrame or dask.bag.Bag
        The elements of a Bag must be dicts. Their items are called columns here.
    k : int
        The number of rows to keep, >= 1; with ``by``, of each class.
    weight : str
        A column of finite numbers >= 0. Rows of weight 0 are never kept.
    key : str
        A column of integers in the range of int64. Equal rows (same key, class and weight) count once, so
        keys must tell rows apart. Such a row may come from any of the partitions that have it.
    by : str, optional
        A column of class labels: integers, booleans or strings.
    seed : int
        In [0, 2^64).

    Returns
    -------
    pandas.DataFrame, or list of dicts
        The rows with all of their columns and a column ``inclusion``: the probability of being in the sample,
        whose inverse is an unbiased weight. Rows are in order of rank, which is the order of successive
        draws; with ``by``, in order of class and then of rank. For a Bag, each element has an additional item
        ``inclusion``.

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument or a column has the wrong type, is out of range or has nulls. Error messages give
        positions within a partition.

    Notes
    -----
    Each partition is read once, by the worker that has it. The worker keeps the k + 1 rows of smallest
    rank, in memory or spilled to disk, until the call returns. Without a ``distributed.Client`` they are in
    the memory of this process. A sketch of a partition holds 79 of these ranks and the number of rows that
    each stands for, 2.2 KB. Tasks merge 16 sketches each until one sketch is left. It gives the threshold:
    a rank that is guaranteed to be at least as large as the k + 1 smallest ranks of the whole dataset. Only
    the rows up to the threshold go to the driver, where a reservoir reads them.

    With 10^10 rows of 100 bytes, 1,000 partitions and k = 10^5, the driver receives 2.2 MB of sketches and
    1.06 k rows (11 MB). Without the threshold, it would receive a rank, an id and a weight of k + 1 rows
    of each partition (2.4 GB); those rows themselves, which stay on the workers, take 10 GB. Shuffling keys
    and weights would move 160 GB. If partitions have hardly more than k rows each, most of the data stays
    in memory or is spilled.

    Examples
    --------
    >>> import dask.bag, equipoise.dask
    >>> rows = dask.bag.range(1000, npartitions=4).map(lambda i: {"id": i, "weight": i % 10})
    >>> sample = equipoise.dask.weighted_sample(rows, 3, weight="weight", key="id", seed=1)
    >>> [row["id"] for row in sample]
    [958, 143, 218]
    """
    plan = Plan(k, weight, key, by, seed)
    _validate.check_dataset(dataset, (dask.dataframe.DataFrame, dask.bag.Bag), "a Dask DataFrame or Bag")
    empty: Any = []
    if isinstance(dataset, dask.dataframe.DataFrame):
        empty = dask.dataframe.utils.make_meta(dataset)
        plan.check(empty.columns)
        plan.prune(_column(empty))
    prune, sketch, take, merged = (dask.delayed(f) for f in (_prune, _sketch, _take, merge))
    parts = dask.persist(*(prune(part, plan) for part in dataset.to_delayed()))

    def sketches(wanted: int) -> bytes:
        level = [sketch(part, plan) for part in parts]
        while len(level) > 1:
            level = [merged(level[i : i + _MERGED], wanted) for i in range(0, len(level), _MERGED)]
        return merge(dask.compute(*level), wanted)

    def rows(limits: Limits) -> Any:
        shared = dask.delayed(limits, traverse=False)
        some = [part for part in dask.compute(*(take(part, plan, shared) for part in parts)) if len(part)]
        if not some:
            return None
        return [row for part in some for row in part] if isinstance(empty, list) else concat(some)

    batch, sample, inclusion = plan.collect(sketches, rows, _column)
    got = _rows(empty if batch is None else batch, sample)
    if isinstance(got, list):
        return [{**row, INCLUSION: p} for row, p in zip(got, inclusion.tolist(), strict=True)]
    return got.assign(**{INCLUSION: inclusion})


def _column(part: Any) -> Callable[[str], Any]:
    return (lambda name: [row[name] for row in part]) if isinstance(part, list) else part.__getitem__


def _rows(part: Any, positions: Any) -> Any:
    return [part[i] for i in positions.tolist()] if isinstance(part, list) else part.iloc[positions]


def _prune(part: Any, plan: Plan) -> Any:
    if hasattr(part, "iloc"):
        plan.check(part.columns)
    else:
        part = list(part)
        for row in part:
            _validate.check_dataset(row, dict, "a Bag of dicts")
            plan.check(row)
    return _rows(part, plan.prune(_column(part))) if len(part) else part  # noqa: PLC1802


def _sketch(part: Any, plan: Plan) -> bytes:
    return plan.sketch(_column(part)) if len(part) else merge((), 1)


def _take(part: Any, plan: Plan, limits: Limits) -> Any:
    return _rows(part, plan.take(_column(part), limits)) if len(part) else part
