"""Argument checks, and the text of every error that users see.

An error message names the argument, the first bad position, what was expected and what was given. Wrong types
and dtypes raise ``TypeError``, wrong values and shapes ``ValueError``, and ids out of range ``IndexError``.
A call at a wrong moment raises ``RuntimeError``.
The checks run before either backend is called, so both backends give the same errors.

- ``as_...`` converts an argument, or raises an error.
- ``check_...`` raises an error if a condition doesn't hold.
- ``refuse_...`` always raises an error.

There is one module per subject, and a module imports only those above it::

    wording                                     names of types and positions in errors
    arguments  files                            numbers and flags; paths
    containers                                  what an object holds: NumPy, torch, pandas, polars, Arrow
    arrays  columns                             arrays, shapes, ids, out=; columns and data sets
    labels                                      class labels
    weights  negatives  points  reservoirs      one subject each
    smote
"""

from equipoise._validate.arguments import (
    as_bit_generator,
    as_choice,
    as_count,
    as_flag,
    as_positive,
    as_progress,
    as_real,
    as_state,
    as_threads,
)
from equipoise._validate.arrays import (
    as_array,
    as_ids,
    as_row_keys,
    as_shape,
    check_addressable,
    check_apart,
    check_out,
    check_parts,
    check_range,
    integers,
)
from equipoise._validate.columns import (
    as_name,
    check_column,
    check_dataset,
    check_no_column,
    refuse_again,
)
from equipoise._validate.containers.unread import refuse_null, refuse_without
from equipoise._validate.files import as_file_path, as_path, check_file_size, refuse_changed_file, refuse_file
from equipoise._validate.labels import (
    BOOLEANS,
    INTEGERS,
    STRINGS,
    Labels,
    as_labels,
    check_kind,
    refuse_same_code,
)
from equipoise._validate.negatives import as_exclude, as_policy, check_enough, refuse_exhausted
from equipoise._validate.points import (
    Matrix,
    as_codes,
    as_found,
    as_neighbor_count,
    as_neighbors,
    as_points,
    as_rows,
    check_deviations,
    check_enough_rows,
    check_unchanged,
)
from equipoise._validate.reservoirs import (
    are_exponents,
    as_bytes,
    as_keys,
    as_mask,
    as_quotas,
    as_times,
    as_values,
    check_exponents,
    check_half_life,
    check_keying,
    check_own_stream,
    check_same_kind,
    check_setting,
    check_streams_apart,
    check_written,
    refuse_bytes,
    refuse_changed_labels,
    refuse_reentry,
)
from equipoise._validate.smote import (
    as_categorical,
    as_class_rows,
    as_csr,
    as_gaps,
    as_parent_weights,
    check_span,
    refuse_no_danger,
    refuse_no_safety,
)
from equipoise._validate.weights import (
    Weights,
    as_row_weights,
    as_weights,
    check_powers,
    check_some,
    check_steady,
    check_sum,
    check_total,
    check_weights,
    refuse_sum,
)
from equipoise._validate.wording import Int64s, first_bad, kind_of, place

__all__ = [
    "BOOLEANS",
    "INTEGERS",
    "STRINGS",
    "Int64s",
    "Labels",
    "Matrix",
    "Weights",
    "are_exponents",
    "as_array",
    "as_bit_generator",
    "as_bytes",
    "as_categorical",
    "as_choice",
    "as_class_rows",
    "as_codes",
    "as_count",
    "as_csr",
    "as_exclude",
    "as_file_path",
    "as_flag",
    "as_found",
    "as_gaps",
    "as_ids",
    "as_keys",
    "as_labels",
    "as_mask",
    "as_name",
    "as_neighbor_count",
    "as_neighbors",
    "as_parent_weights",
    "as_path",
    "as_points",
    "as_policy",
    "as_positive",
    "as_progress",
    "as_quotas",
    "as_real",
    "as_row_keys",
    "as_row_weights",
    "as_rows",
    "as_shape",
    "as_state",
    "as_threads",
    "as_times",
    "as_values",
    "as_weights",
    "check_addressable",
    "check_apart",
    "check_column",
    "check_dataset",
    "check_deviations",
    "check_enough",
    "check_enough_rows",
    "check_exponents",
    "check_file_size",
    "check_half_life",
    "check_keying",
    "check_kind",
    "check_no_column",
    "check_out",
    "check_own_stream",
    "check_parts",
    "check_powers",
    "check_range",
    "check_same_kind",
    "check_setting",
    "check_some",
    "check_span",
    "check_steady",
    "check_streams_apart",
    "check_sum",
    "check_total",
    "check_unchanged",
    "check_weights",
    "check_written",
    "first_bad",
    "integers",
    "kind_of",
    "place",
    "refuse_again",
    "refuse_bytes",
    "refuse_changed_file",
    "refuse_changed_labels",
    "refuse_exhausted",
    "refuse_file",
    "refuse_no_danger",
    "refuse_no_safety",
    "refuse_null",
    "refuse_reentry",
    "refuse_same_code",
    "refuse_sum",
    "refuse_without",
]
