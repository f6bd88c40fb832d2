"""Weighted samples of Ray Datasets. Needs the extra ``ray``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise import _validate
from equipoise._distributed import INCLUSION, Limits, Plan, merge, reraise

try:
    import pyarrow
    import ray.data
    import ray.exceptions

    from equipoise._arrow import take_rows
except ImportError:
    _validate.refuse_without("ray", "ray", "equipoise.ray")

if TYPE_CHECKING:
    import pandas

__all__ = ["weighted_sample"]

_MERGED = 64  # sketches merged by the driver at a time


def weighted_sample(
    dataset: Any, k: int, *, weight: str, key: str, by: str | None = None, seed: int = 0
) -> pandas.DataFrame:
    """Draw a weighted sample of k rows of a Ray Dataset without replacement, in one pass.

    The sample does not depend on the blocks, their order, the workers or retries. It is the sample of
    ``Reservoir(k, seed=seed)`` on one machine, updated with the column ``weight`` and with the column ``key``
    as ids; with ``by`` it is that of ``ClassReservoir(k, seed=seed)``. The workers need this package as well.

    Parameters
    ----------
    dataset : ray.data.Dataset
    k : int
        The number of rows to keep, >= 1; with ``by``, of each class.
    weight : str
        A column of finite numbers >= 0. Rows of weight 0 are never kept.
    key : str
        A column of integers in the range of int64. Equal rows (same key, class and weight) count once, so
        keys must tell rows apart. Such a row may come from any of the blocks that have it.
    by : str, optional
        A column of class labels: integers, booleans or strings.
    seed : int
        In [0, 2^64).

    Returns
    -------
    pandas.DataFrame
        The rows with all of their columns and a column ``inclusion``: the probability of being in the sample,
        whose inverse is an unbiased weight. Rows are in order of rank, which is the order of successive
        draws; with ``by``, in order of class and then of rank. A column of integers with nulls becomes a
        column of objects, so that its integers stay exact.

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument or a column has the wrong type, is out of range or has nulls. Error messages give
        positions within a block.

    Notes
    -----
    Each block is read once, by a streaming task. The k + 1 rows of smallest rank stay in the object store,
    or spilled to disk, until the call returns. A sketch of a block holds 79 of these ranks and the number
    of rows that each stands for, 2.2 KB. The driver merges the sketches into a threshold: a rank that is
    guaranteed to be at least as large as the k + 1 smallest ranks of the whole dataset. Only the rows up to
    the threshold go to the driver, where a reservoir reads them.

    With 10^10 rows of 100 bytes, 1,000 blocks and k = 10^5, the driver receives 2.2 MB of sketches and
    1.06 k rows (11 MB). Without the threshold, it would receive a rank, an id and a weight of k + 1 rows
    of each block (2.4 GB); those rows themselves, which stay on the workers, take 10 GB. Shuffling keys and
    weights would move 160 GB. If blocks have hardly more than k rows each, most of the data stays in memory
    or is spilled.

    Examples
    --------
    >>> import ray.data, equipoise.ray
    >>> items = [{"id": i, "weight": i % 10} for i in range(1000)]
    >>> rows = ray.data.from_items(items, override_num_blocks=4)
    >>> sample = equipoise.ray.weighted_sample(rows, 3, weight="weight", key="id", seed=1)
    >>> sample["id"].tolist()
    [958, 143, 218]
    """
    plan = Plan(k, weight, key, by, seed)
    _validate.check_dataset(dataset, ray.data.Dataset, "a Ray Dataset")
    blocks: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}

    def sketches(wanted: int) -> bytes:
        collected: list[bytes] = []
        for table in parts.map_batches(_sketch, fn_args=(plan,), **blocks).iter_batches(**blocks):
            collected += table["sketch"].to_pylist()
            if len(collected) >= _MERGED:
                collected = [merge(collected, wanted)]
        return merge(collected, wanted)

    def rows(limits: Limits) -> Any:
        taken = parts.map_batches(_take, fn_args=(plan, limits), **blocks).iter_batches(**blocks)
        tables = [table for table in taken if table.num_rows]
        return pyarrow.concat_tables(tables, promote_options="permissive") if tables else None

    try:
        parts = dataset.map_batches(_prune, fn_args=(plan,), zero_copy_batch=True, **blocks).materialize()
        batch, sample, inclusion = plan.collect(sketches, rows, lambda table: table.column)
    except ray.exceptions.RayError as failure:
        reraise(str(failure))
        raise
    if batch is None:
        schema = parts.schema()  # None if no block has a row
        batch = schema.base_schema.empty_table() if schema else pyarrow.table({})
    order = np.argsort(sample)
    got = take_rows(batch, sample[order]).append_column(INCLUSION, pyarrow.array(inclusion[order]))
    return got.to_pandas(integer_object_nulls=True).iloc[np.argsort(order)].reset_index(drop=True)


def _prune(table: Any, plan: Plan) -> Any:
    if not table.num_rows:
        return table
    plan.check(table.column_names)
    return take_rows(table, plan.prune(table.column))


def _sketch(table: Any, plan: Plan) -> Any:
    return pyarrow.table({"sketch": [plan.sketch(table.column)] if table.num_rows else []})


def _take(table: Any, plan: Plan, limits: Limits) -> Any:
    return take_rows(table, plan.take(table.column, limits)) if table.num_rows else table
