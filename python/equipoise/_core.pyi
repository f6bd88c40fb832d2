"""The kernels of cpp/, as they are bound; equipoise._numba has the same names and arguments."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

def cpu_path() -> tuple[str, str]: ...
def call_key(seed: int, epoch: int, purpose: int, stream: int) -> int: ...
def philox(counters: NDArray[np.uint32], keys: NDArray[np.uint32], out: NDArray[np.uint32]) -> None: ...
def log(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def exp(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def log1p(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def expm1(x: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
@overload
def unit_sum(weights: NDArray[np.float64], grid: int) -> tuple[int, int]: ...
@overload
def unit_sum(weights: NDArray[np.int64], grid: int) -> tuple[int, int]: ...
@overload
def unit_floor(
    weights: NDArray[np.float64], high: int, low: int, point: int, units: NDArray[np.uint64]
) -> tuple[int, int]: ...
@overload
def unit_floor(
    weights: NDArray[np.int64], high: int, low: int, point: int, units: NDArray[np.uint64]
) -> tuple[int, int]: ...
def unit_settle(units: NDArray[np.uint64], surplus: int) -> None: ...
def alias_build(units: NDArray[np.uint64], cells: NDArray[np.uint64]) -> None: ...
def alias_draw(key: int, cells: NDArray[np.uint64], start: int, out: NDArray[np.int64]) -> None: ...
def uniform_draw(key: int, n: int, start: int, out: NDArray[np.int64]) -> None: ...
def exclusion_sort(indptr: NDArray[np.int64], ids: NDArray[np.uint32]) -> int: ...
def exclusion_units(
    indptr: NDArray[np.int64], ids: NDArray[np.uint32], units: NDArray[np.uint64], sums: NDArray[np.uint64]
) -> None: ...
def exclusion_hits(
    indptr: NDArray[np.int64],
    ids: NDArray[np.uint32],
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    order: NDArray[np.int64],
    out: NDArray[np.bool_],
) -> None: ...
def negatives_draw(
    key: int,
    lane: int,
    first: int,
    row_keys: NDArray[np.uint64],
    rows: NDArray[np.int64],
    exclude_ids: NDArray[np.int64],
    indptr: NDArray[np.int64],
    excluded: NDArray[np.uint32],
    excluded_units: NDArray[np.uint64],
    n: int,
    cells: NDArray[np.uint64],
    units: NDArray[np.uint64],
    prefix: NDArray[np.uint64],
    unique: bool,
    on_exhausted: int,
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
    n: int,
    cells: NDArray[np.uint64],
    units: NDArray[np.uint64],
    start: int,
    ids: NDArray[np.int64],
) -> None: ...
def shared_unique(
    key: int,
    call: int,
    lane: int,
    n: int,
    cells: NDArray[np.uint64],
    units: NDArray[np.uint64],
    seen: NDArray[np.int64],
    ids: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> bool: ...
def shared_exact(
    key: int,
    call: int,
    lane: int,
    n: int,
    cells: NDArray[np.uint64],
    units: NDArray[np.uint64],
    tree: NDArray[np.uint64],
    ids: NDArray[np.int64],
    state: NDArray[np.uint64],
) -> None: ...
@overload
def reservoir_blocks(
    key: int,
    start: int,
    weights: NDArray[np.float32],
    threshold: float,
    most: int,
    total: float,
    rows: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[int, int, int, float]: ...
@overload
def reservoir_blocks(
    key: int,
    start: int,
    weights: NDArray[np.float64],
    threshold: float,
    most: int,
    total: float,
    rows: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[int, int, int, float]: ...
@overload
def reservoir_rows(
    key: int,
    start: int,
    ids: NDArray[np.int64],
    classes: NDArray[np.int64],
    slot_labels: NDArray[np.int64],
    slot_numbers: NDArray[np.int64],
    weights: NDArray[np.float32],
    shifts: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    counts: NDArray[np.int64],
    most: int,
    total: float,
    rows: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[int, int, int, float]: ...
@overload
def reservoir_rows(
    key: int,
    start: int,
    ids: NDArray[np.int64],
    classes: NDArray[np.int64],
    slot_labels: NDArray[np.int64],
    slot_numbers: NDArray[np.int64],
    weights: NDArray[np.float64],
    shifts: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    counts: NDArray[np.int64],
    most: int,
    total: float,
    rows: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> tuple[int, int, int, float]: ...
def reservoir_select(
    classes: NDArray[np.int64],
    ranks: NDArray[np.float64],
    ids: NDArray[np.int64],
    quotas: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    scratch: NDArray[np.int64],
    sorted: NDArray[np.float64],
    keep: NDArray[np.int64],
) -> int: ...
def class_lookup(
    labels: NDArray[np.int64],
    slot_labels: NDArray[np.int64],
    slot_numbers: NDArray[np.int64],
    known: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> int: ...
@overload
def knn_split(x: NDArray[np.float32], begin: int, end: int, depth: int, order: NDArray[np.int64]) -> None: ...
@overload
def knn_split(x: NDArray[np.float64], begin: int, end: int, depth: int, order: NDArray[np.int64]) -> None: ...
@overload
def knn_pack(
    x: NDArray[np.float32],
    coarse: float,
    begin: int,
    end: int,
    order: NDArray[np.int64],
    panels: NDArray[np.float32],
    halves: NDArray[np.float32],
    centres: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    radii: NDArray[np.float64],
    first: NDArray[np.int64],
) -> None: ...
@overload
def knn_pack(
    x: NDArray[np.float64],
    coarse: float,
    begin: int,
    end: int,
    order: NDArray[np.int64],
    panels: NDArray[np.float32],
    halves: NDArray[np.float32],
    centres: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    radii: NDArray[np.float64],
    first: NDArray[np.int64],
) -> None: ...
@overload
def knn_search(
    x: NDArray[np.float32],
    codes: NDArray[np.int32],
    scale: float,
    coarse: float,
    mismatch: float,
    order: NDArray[np.int64],
    panels: NDArray[np.float32],
    halves: NDArray[np.float32],
    centres: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    radii: NDArray[np.float64],
    first: NDArray[np.int64],
    queries: NDArray[np.float32],
    query_codes: NDArray[np.int32],
    query_order: NDArray[np.int64],
    begin: int,
    end: int,
    itself: bool,
    indices: NDArray[np.int64],
    distances: NDArray[np.float32],
) -> None: ...
@overload
def knn_search(
    x: NDArray[np.float64],
    codes: NDArray[np.int32],
    scale: float,
    coarse: float,
    mismatch: float,
    order: NDArray[np.int64],
    panels: NDArray[np.float32],
    halves: NDArray[np.float32],
    centres: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    radii: NDArray[np.float64],
    first: NDArray[np.int64],
    queries: NDArray[np.float64],
    query_codes: NDArray[np.int32],
    query_order: NDArray[np.int64],
    begin: int,
    end: int,
    itself: bool,
    indices: NDArray[np.int64],
    distances: NDArray[np.float64],
) -> None: ...
@overload
def interpolate(
    X: NDArray[np.float32],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None: ...
@overload
def interpolate(
    X: NDArray[np.float64],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def interpolate_csr_count(
    indices: NDArray[np.int64],
    indptr: NDArray[np.int64],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None: ...
@overload
def interpolate_csr(
    data: NDArray[np.float32],
    indices: NDArray[np.int64],
    indptr: NDArray[np.int64],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float32],
    out_indptr: NDArray[np.int64],
    out_data: NDArray[np.float32],
    out_indices: NDArray[np.int64],
) -> None: ...
@overload
def interpolate_csr(
    data: NDArray[np.float64],
    indices: NDArray[np.int64],
    indptr: NDArray[np.int64],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float64],
    out_indptr: NDArray[np.int64],
    out_data: NDArray[np.float64],
    out_indices: NDArray[np.int64],
) -> None: ...
@overload
def column_moments(
    X: NDArray[np.float32],
    centre: NDArray[np.float64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> None: ...
@overload
def column_moments(
    X: NDArray[np.float64],
    centre: NDArray[np.float64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> None: ...
@overload
def smote_draw(
    key: int,
    lane: int,
    first: int,
    X: NDArray[np.float32],
    table: NDArray[np.int32],
    cells: NDArray[np.uint64],
    categorical: NDArray[np.int64],
    votes: NDArray[np.float32],
    out: NDArray[np.float32],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float32],
) -> None: ...
@overload
def smote_draw(
    key: int,
    lane: int,
    first: int,
    X: NDArray[np.float64],
    table: NDArray[np.int32],
    cells: NDArray[np.uint64],
    categorical: NDArray[np.int64],
    votes: NDArray[np.float64],
    out: NDArray[np.float64],
    parents: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    gaps: NDArray[np.float64],
) -> None: ...
