"""Small logs written as CSV and Parquet files."""

from __future__ import annotations

import pytest


def arrow():
    """Return pyarrow, or skip the test."""
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")


def write_parquet(path, **columns):
    """Write columns to a Parquet file and return its path."""
    arrow()
    from pyarrow import parquet, table

    parquet.write_table(table(columns), path)
    return path


def write_csv(path, **columns):
    """Write columns to a CSV file and return its path."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
