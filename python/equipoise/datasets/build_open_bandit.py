"""Rebuild the embedded Open Bandit log, byte for byte, from the wheel that contains the original.

    pip download --no-deps obp==0.4.1
    python -m equipoise.datasets.build_open_bandit obp-0.4.1-py3-none-any.whl            # compare
    python -m equipoise.datasets.build_open_bandit obp-0.4.1-py3-none-any.whl -o FILE    # write

The exit status is 0 if the file was written or is equal, 1 if it differs, and 2 for bad input.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.datasets.open_bandit import CAMPAIGNS, FIELDS, FILE, NUM_ITEMS, POLICIES, ROWS_PER_ARM, START

__all__ = ["main", "pack"]


def pack(wheel: str | Path) -> bytes:
    """Return the bytes of the embedded file, made from the wheel of obp 0.4.1.

    Parameters
    ----------
    wheel : str or Path

    Returns
    -------
    bytes

    Raises
    ------
    OSError, zipfile.BadZipFile
        If the wheel cannot be read.
    ValueError
        If it does not hold the expected files, rows or values.
    """
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(wheel) as archive:
        for policy in POLICIES:
            for campaign in CAMPAIGNS:
                name = f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv"
                if name not in archive.namelist():
                    raise ValueError(f"wheel must hold {name}, but {wheel} does not")
                with archive.open(name) as file:
                    arm = list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))
                if len(arm) != ROWS_PER_ARM:
                    raise ValueError(f"{name} must have {ROWS_PER_ARM} rows, got {len(arm)}")
                rows += arm

    try:
        columns = _columns(rows)
    except KeyError as error:
        raise ValueError(f"the wheel's files must have a column {error}") from None
    planes = bytearray()
    for field, size in FIELDS:
        digit = columns[field]
        if digit.min() < 0 or digit.max() >= size:
            raise ValueError(f"{field} must be in [0, {size}), got {digit.min()} to {digit.max()}")
        for bit in range((size - 1).bit_length()):
            planes += np.packbits(digit >> bit & 1).tobytes()
    return bytes(planes)


def _columns(rows: list[dict[str, str]]) -> dict[str, NDArray[np.int64]]:
    """Return an array of integers for each field in FIELDS."""
    arm = np.arange(len(rows)) // ROWS_PER_ARM
    columns = {
        "is_bts": arm // len(CAMPAIGNS),
        "campaign": arm % len(CAMPAIGNS),
        "item_id": np.array([int(row["item_id"]) for row in rows]),
        "position": np.array([int(row["position"]) - 1 for row in rows]),
        "click": np.array([int(row["click"]) for row in rows]),
    }

    times = np.array([row["timestamp"][: len("2019-11-24 00:00:00")] for row in rows], dtype="datetime64[s]")
    since_start = (times - START).astype(np.int64).reshape(-1, ROWS_PER_ARM)
    columns["seconds"] = np.diff(since_start, axis=1, prepend=0).ravel()

    propensity = np.array([float(row["propensity_score"]) for row in rows])
    uniform = 1 / np.array([NUM_ITEMS[name] for name in CAMPAIGNS])[columns["campaign"]]
    millionths = np.rint(propensity * 1e6)
    # Propensities are relative frequencies in simulations of the policy, some with rounding errors.
    off = np.abs(millionths / 1e6 - propensity) > 2e-16
    if np.any(off & (propensity != uniform)):
        raise ValueError("propensity_score must be a multiple of 1e-6 or one over the number of items")
    columns["propensity"] = np.where(propensity == uniform, 0, millionths).astype(np.int64)

    for j in range(4):
        labels = np.array([row[f"user_feature_{j}"] for row in rows])
        columns[f"user_feature_{j}"] = np.unique(labels, return_inverse=True)[1]

    affinity = [
        [float(row[f"user-item_affinity_{i}"]) for i in range(NUM_ITEMS[CAMPAIGNS[campaign]])]
        for row, campaign in zip(rows, columns["campaign"], strict=True)
    ]
    columns["affinity_sum"] = np.array([int(sum(past)) for past in affinity])
    shown = zip(affinity, columns["item_id"], strict=True)
    columns["affinity_shown"] = np.array([int(past[item]) for past, item in shown])
    return columns


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of this module and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m equipoise.datasets.build_open_bandit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("wheel", help="path of obp-0.4.1-py3-none-any.whl")
    parser.add_argument("-o", "--output", help="file to write (default: compare with the embedded file)")
    options = parser.parse_args(argv)
    try:
        built = pack(options.wheel)
        if options.output is not None:
            Path(options.output).write_bytes(built)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"build_open_bandit: {error}", file=sys.stderr)
        return 2
    if options.output is not None:
        print(f"{options.output}: {len(built)} bytes")
        return 0
    equal = built == resources.files("equipoise.datasets").joinpath(FILE).read_bytes()
    print(f"{FILE}: {'equal' if equal else 'NOT EQUAL'}, {len(built)} bytes")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
