"""The kernels of cpp/. `equipoise._numba` has the same names and arguments."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.negatives.exclusions import Exclusions
from equipoise.negatives.rows import Batch
from equipoise.neighbors.blocks import Blocks, Points
from equipoise.orders.batches import Shares
from equipoise.orders.classes import ClassRows
from equipoise.reservoirs.bottom_k import RankedRows
from equipoise.reservoirs.labels import Slots
from equipoise.reservoirs.scan import Candidates, Stream
from equipoise.smote.interpolation import Pairs
from equipoise.smote.sampler import Neighborhood
from equipoise.tables.base import Proposer

_Real = TypeVar("_Real", np.float32, np.float64)
_Weight = TypeVar("_Weight", np.float64, np.int64)

def cpu_path() -> tuple[str, str]: ...
def call_key(seed: int, epoch: int, purpose: int, stream: int) -> int: ...
def philox(counters: NDArray[np.uint32], keys: NDArray[np.uint32], out: NDArray[np.uint32]) -> None: ...
def log(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def exp(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def log1p(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def expm1(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def unit_sum(weights: NDArray[_Weight], grid: int) -> tuple[int, int]: ...
def unit_floor(
    weights: NDArray[_Weight], high: int, low: int, point: int, units: NDArray[np.uint64]
) -> tuple[int, int]: ...
def unit_settle(units: NDArray[np.uint64], surplus: int) -> None: ...
def unit_digest(n: int, units: NDArray[np.uint64]) -> int: ...
def alias_build(units: NDArray[np.uint64], cells: NDArray[np.uint64]) -> bool: ...
def alias_check(units: NDArray[np.uint64], cells: NDArray[np.uint64]) -> bool: ...
def alias_draw(key: int, cells: NDArray[np.uint64], start: int, out: NDArray[np.int64]) -> None: ...
def uniform_draw(key: int, n: int, start: int, out: NDArray[np.int64]) -> None: ...
def exclusion_sort(indptr: NDArray[np.int64], ids: NDArray[np.uint32]) -> int: ...
def exclusion_units(
    indptr: NDArray[np.int64], ids: NDArray[np.uint32], units: NDArray[np.uint64], sums: NDArray[np.uint64]
) -> None: ...
def exclusion_hits(
    exclusions: Exclusions,
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    order: NDArray[np.int64],
    out: NDArray[np.bool_],
) -> None: ...
def negatives_draw(
    table: Proposer,
    exclusions: Exclusions,
    batch: Batch,
    begin: int,
    end: int,
    budget: int,
    scratch: NDArray[np.uint64],
    ids: NDArray[np.int64],
    log_q: NDArray[np.float32],
    mask: NDArray[np.bool_],
) -> tuple[int, int, int]: ...
def shared_draw(
    key: int,
    call: int,
    lane: int,
    table: Proposer,
    start: int,
    ids: NDArray[np.int64],
) -> None: ...
def shared_unique(
    key: int,
    call: int,
    lane: int,
    table: Proposer,
    secret: int,
    seen: NDArray[np.int64],
    ids: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> bool: ...
def shared_exact(
    key: int,
    call: int,
    lane: int,
    table: Proposer,
    tree: NDArray[np.uint64],
    ids: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> None: ...
def reservoir_blocks(
    key: int,
    start: int,
    weights: NDArray[_Real],
    threshold: float,
    max_points: int,
    total: float,
    candidates: Candidates,
) -> tuple[int, int, int, float]: ...
def reservoir_rows(
    stream: Stream,
    weights: NDArray[_Real],
    classes: NDArray[np.int64],
    slots: Slots,
    thresholds: NDArray[np.float64],
    counts: NDArray[np.int64],
    max_points: int,
    total: float,
    candidates: Candidates,
) -> tuple[int, int, int, float]: ...
def reservoir_select(
    rows: RankedRows,
    quotas: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    scratch: NDArray[np.int64],
    sorted: NDArray[np.float64],
    keep: NDArray[np.int64],
) -> int: ...
def reservoir_equal(
    ranks: NDArray[np.float64],
    rows: NDArray[np.int64],
    seen: NDArray[np.uint64],
    room: NDArray[np.float64],
) -> bool: ...
def class_lookup(
    labels: NDArray[np.int64],
    slots: Slots,
    known: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> int: ...
def knn_split(x: NDArray[_Real], begin: int, end: int, max_points: int, order: NDArray[np.int64]) -> None: ...
def knn_pack(x: NDArray[_Real], candidate_scale: float, begin: int, end: int, blocks: Blocks) -> None: ...
def knn_search(
    points: Points,
    blocks: Blocks,
    queries: Points,
    query_order: NDArray[np.int64],
    begin: int,
    end: int,
    self_join: bool,
    indices: NDArray[np.int64],
    distances: NDArray[_Real],
) -> bool: ...
def interpolate(X: NDArray[_Real], pairs: Pairs, out: NDArray[_Real]) -> None: ...
def interpolate_csr_count(
    indices: NDArray[np.int64],
    indptr: NDArray[np.int64],
    parents: NDArray[np.int64],
    neighbors: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None: ...
def interpolate_csr(
    data: NDArray[_Real],
    indices: NDArray[np.int64],
    indptr: NDArray[np.int64],
    pairs: Pairs,
    out_indptr: NDArray[np.int64],
    out_data: NDArray[_Real],
    out_indices: NDArray[np.int64],
) -> None: ...
def column_moments(
    X: NDArray[_Real],
    center: NDArray[np.float64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> None: ...
def smote_draw(
    key: int,
    lane: int,
    first: int,
    source: Neighborhood,
    votes: NDArray[_Real],
    with_parents: bool,
    out: NDArray[_Real],
    pairs: Pairs,
) -> None: ...
def race_band(
    key: int,
    first: int,
    weights: NDArray[np.float64],
    low: float,
    high: float,
    rows: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[int, int]: ...
def class_group(
    codes: NDArray[np.int64],
    first: int,
    ends: NDArray[np.int64],
    places: NDArray[np.int64],
    rows: NDArray[np.uint32],
) -> int: ...
def class_quotas(
    batches: int,
    shares: Shares,
    lags: NDArray[np.int64],
    totals: NDArray[np.int64],
    scratch: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None: ...
def class_rows(
    key: int,
    source: ClassRows,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None: ...
def batch_shuffle(key: int, first: int, step: int, out: NDArray[np.int64]) -> None: ...
