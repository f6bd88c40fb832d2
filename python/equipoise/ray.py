"""Weighted samples of Ray Datasets (extra ``ray``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equipoise import _validate
from equipoise._distributed import INCLUSION, Limits, Plan, merge, refusal

try:
    import pyarrow
    import ray.data
    import ray.exceptions
except ImportError:
    _validate.refuse_without("ray", "ray", "equipoise.ray")

if TYPE_CHECKING:
    import pandas

__all__ = ["weighted_sample"]

_MERGED = 64  # sketches by the driver at a time


def weighted_sample(
    dataset: Any, k: int, *, weight: str, key: str, by: str | None = None, seed: int = 0
) -> pandas.DataFrame:
    """A weighted sample of k rows of a Ray Dataset, without replacement, in one pass over the data.

    Whatever the blocks, their order, the workers and the retries, it is that of one machine:
    ``Reservoir(k, seed=seed)`` updated with the columns ``weight`` and, as ids, ``key``; with ``by`` that of
    ``ClassReservoir(k, seed=seed)``. Workers need this package, too.

    Parameters
    ----------
    dataset : ray.data.Dataset
    k : int
        Rows to keep, >= 1; with ``by`` of each class.
    weight : str
        Column of numbers, finite and >= 0. Rows of weight 0 are never kept.
    key : str
        Column of integers that names a row, in the range of int64. Rows of the same key, weight and class are
        one row, which is kept once, from any of the blocks that have it.
    by : str, optional
        Column of classes, integers or strings.
    seed : int
        In [0, 2^64).

    Returns
    -------
    pandas.DataFrame
        The rows with all of their columns and ``inclusion``, the probability of being in the sample, whose
        inverse is an unbiased weight: by rank, which is the order of successive draws; with ``by`` by
        ascending class, then by rank. Integers beside nulls stay integers, in a column of objects.

    Raises
    ------
    TypeError, ValueError, IndexError
        Arguments or columns of the wrong type, or out of range; nulls. Positions are those in a block.

    Notes
    -----
    Each block is read once, by a streaming task, which leaves the k + 1 rows of smallest rank in the object
    store, or spilled, until the call returns. Of these ranks 79 and how many rows each stands for, 2.2 KB,
    are streamed to the driver and merged there to a threshold, a rank that k + 1 rows of the whole are
    certainly not above. Only the rows up to it go to the driver, where a reservoir reads them.

    With 10^10 rows of 100 bytes, 1,000 blocks and k = 10^5 that is 2.2 MB of sketches and 1.06 k rows, 11
    MB. Without the threshold, sketches of a rank, an id and a weight for each of k + 1 rows would be 2.4
    GB, and these rows, which stay where they are, 10 GB; shuffling keys and weights would be 160 GB. If
    blocks have hardly more than k rows each, most of the data stays in memory or is spilled.

    Examples
    --------
    >>> import ray.data, equipoise.ray
    >>> items = [{"id": i, "weight": i % 10} for i in range(1000)]
    >>> rows = ray.data.from_items(items, override_num_blocks=4)
    >>> sample = equipoise.ray.weighted_sample(rows, 3, weight="weight", key="id", seed=1)
    >>> sample["id"].tolist()
    [227, 584, 925]
    """
    plan = Plan(k, weight, key, by, seed)
    _validate.check_dataset(dataset, ray.data.Dataset, "a Ray Dataset")
    blocks: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}

    def sketches(wanted: int) -> bytes:
        some: list[bytes] = []
        for table in parts.map_batches(_sketch, fn_args=(plan,), **blocks).iter_batches(**blocks):
            some += table["sketch"].to_pylist()
            if len(some) >= _MERGED:
                some = [merge(some, wanted)]
        return merge(some, wanted)

    def rows(limits: Limits) -> Any:
        taken = parts.map_batches(_take, fn_args=(plan, limits), **blocks).iter_batches(**blocks)
        some = [table for table in taken if table.num_rows]
        return pyarrow.concat_tables(some, promote_options="permissive") if some else None

    try:
        parts = dataset.map_batches(_prune, fn_args=(plan,), zero_copy_batch=True, **blocks).materialize()
        batch, sample, inclusion = plan.collect(sketches, rows, lambda table: table.column)
    except ray.exceptions.RayError as failure:
        refusal(str(failure))
        raise
    if batch is None:
        schema = parts.schema()  # none if no block has a row
        batch = schema.base_schema.empty_table() if schema else pyarrow.table({})
    got = batch.take(pyarrow.array(sample)).append_column(INCLUSION, pyarrow.array(inclusion))
    return got.to_pandas(integer_object_nulls=True)


def _prune(table: Any, plan: Plan) -> Any:
    if not table.num_rows:
        return table
    plan.check(table.column_names)
    return table.take(pyarrow.array(plan.prune(table.column)))


def _sketch(table: Any, plan: Plan) -> Any:
    return pyarrow.table({"sketch": [plan.sketch(table.column)] if table.num_rows else []})


def _take(table: Any, plan: Plan, limits: Limits) -> Any:
    return table.take(pyarrow.array(plan.take(table.column, limits))) if table.num_rows else table
