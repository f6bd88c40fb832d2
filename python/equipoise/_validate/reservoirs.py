"""Checks of streams of weighted rows, and of reservoirs that are merged or read from bytes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_count
from equipoise._validate.arrays import as_array, booleans, check_range, integers, is_kind, refuse_dtype
from equipoise._validate.wording import Int64s


def as_keys(x: Any, name: str, length: int) -> Int64s:
    """Return integers as int64 keys. A copy is not needed, since keys are never used as indices."""
    a = integers(x, name, (1,))
    if a.size != length:
        raise ValueError(f"{name} must have {length} entries, one for each row, got {a.size}")
    if a.dtype in (np.dtype(object), np.dtype(np.uint64)):
        check_range(a, name, -(2**63), 2**63)
    return np.ascontiguousarray(a, np.int64)


def _is_plain_date(x: Any) -> bool:
    return isinstance(x, datetime.date) and getattr(x, "tzinfo", None) is None


def as_times(x: Any, length: int) -> NDArray[np.float64]:
    """Return times as float64: datetimes as seconds since 1970, other numbers as they are."""
    wanted = "numbers or datetimes without time zones"
    a = as_array(x, "times", wanted)
    if a.dtype == object and a.size and a.ndim == 1 and all(map(_is_plain_date, a)):
        a = a.astype("M8[us]")
    if not is_kind(a, "fiuM"):
        refuse_dtype(a, x, "times", wanted)
    if a.ndim != 1:
        raise ValueError(f"times must be 1-D, not {a.ndim}-D (shape {a.shape})")
    if a.size != length:
        raise ValueError(f"times must have {length} entries, one for each row, got {a.size}")
    if a.dtype.kind == "M":
        if np.datetime_data(a.dtype)[0] in ("Y", "M", "generic"):  # not a fixed number of seconds
            a = a.astype("M8[D]")
        seconds: NDArray[np.float64] = (a - np.array(0, a.dtype)) / np.timedelta64(1, "s")
    else:
        seconds = a.astype(np.float64)
    if not np.isfinite(seconds).all():
        at = int(np.isfinite(seconds).argmin())
        raise ValueError(f"times[{at}] must be finite, got {a[at]}")
    return seconds


def are_exponents(times: NDArray[np.float64], rate: float) -> bool:
    """Return whether times, multiplied by a rate of decay, are small enough to be exponents."""
    # Python's floats give no warnings.
    return not times.size or all(abs(float(time) * rate) < 1e300 for time in (times.min(), times.max()))


def check_exponents(times: NDArray[np.float64], rate: float) -> None:
    """Check that times, in half-lives, are small enough for their differences to be exponents."""
    if not are_exponents(times, rate):
        with np.errstate(all="ignore"):
            at = int((np.abs(times * rate) < 1e300).argmin())
        raise ValueError(f"times[{at}] must be less than 1e300 half-lives, got {times[at]}")


def check_keying(before: str | None, now: str, other: str | None = None) -> str:
    """Check that either all rows have ids or none do."""
    if before is not None and before != now:
        with_ids = "with ids" if before == "ids" else "without ids"
        if other is not None:
            raise ValueError(f"{other} must hold rows {with_ids}, like this reservoir, got {now}")
        raise ValueError(f"ids must be given for all rows or for none: rows came {with_ids} before")
    return now


def check_own_stream(stream: int, merged: Iterable[int]) -> None:
    """Refuse to continue a stream after rows of it were merged."""
    if stream in merged:
        raise ValueError(f"stream={stream} must not be continued after rows of it were merged")


def check_same_kind(other: Any, kind: type) -> None:
    """Refuse to merge anything but a reservoir of the same class."""
    if not isinstance(other, kind):
        raise TypeError(f"other must be a {kind.__name__}, got {type(other).__name__}")


def check_setting(name: str, mine: Any, theirs: Any) -> None:
    """Refuse to merge a reservoir with a different setting."""
    if mine != theirs:
        if name == "half_life":  # stored in hexadecimal
            mine, theirs = (None if x is None else float.fromhex(x) for x in (mine, theirs))
        raise ValueError(f"other must have {name}={mine!r}, like this reservoir, got {theirs!r}")


def check_streams_apart(mine: set[int], theirs: set[int]) -> None:
    """Refuse to merge reservoirs that have read the same stream."""
    both = mine & theirs
    if both:
        raise ValueError(
            f"other must have read other streams than this reservoir, got stream={min(both)} in both: "
            f"parts without ids take different stream= numbers"
        )


def as_bytes(x: Any, name: str) -> bytes:
    """Return a bytes-like object as bytes."""
    if not isinstance(x, bytes | bytearray | memoryview):
        raise TypeError(f"{name} must be bytes, got {type(x).__name__}")
    return bytes(x)


def check_written(good: bool, what: str) -> None:
    """Check a value read from bytes. The checksum may be right even though the bytes were forged."""
    if not good:
        raise ValueError(f"invalid {what}")


def refuse_bytes(wanted: str, got: str) -> NoReturn:
    """Refuse bytes that `to_bytes` did not write."""
    raise ValueError(f"data must be {wanted}, got {got}")


def as_values(x: Any, name: str, length: int) -> NDArray[np.float64]:
    """Return float64 values, one for each row of a sample."""
    a = as_array(x, name, "real numbers")
    if not is_kind(a, "fiub"):
        refuse_dtype(a, x, name, "real numbers")
    if a.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), one for each row of the sample, got {a.shape}")
    return a.astype(np.float64)


def as_mask(x: Any, name: str, length: int) -> NDArray[np.bool_]:
    """Return a bool array with one entry for each row of the sample."""
    a = booleans(x, name)
    if a.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), one for each row of the sample, got {a.shape}")
    return a


def check_finite_values(values: NDArray[np.float64], good: NDArray[np.bool_], name: str) -> None:
    """Check that every value of a domain is finite."""
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"{name}[{at}] must be finite, got {values[at]}")


def check_sampled(count: int, size: int) -> None:
    """Refuse a mean over a domain of which no row was sampled."""
    if not size:
        raise ValueError("a mean or ratio needs a row of positive weight, got none")
    if not count:
        raise ValueError(f"where must hold for a row of the sample, got none of {size}")


def check_denominator(total: float, name: str) -> None:
    """Refuse a ratio to a sum that is estimated as 0."""
    if not total:
        raise ValueError(f"{name} must have a sum other than 0 over the rows sampled, got {total}")


def check_half_life(half_life: float | None, times: Any) -> None:
    """Refuse times without a half-life, and a half-life without times."""
    if half_life is None and times is not None:
        raise ValueError("times must come with half_life, got half_life=None")
    if half_life is not None and times is None:
        raise ValueError("times must be given with half_life, got None")


def as_quotas(k: Any, num_classes: int | None) -> tuple[int | list[int], int | None]:
    """Return the number of rows to keep of each class, as one number or a list, and the number of classes."""
    if num_classes is not None:
        num_classes = as_count(num_classes, "num_classes", least=1, most=2**31)
    wanted = "an integer, or an array of one integer for each class"
    if as_array(k, "k", wanted).ndim == 0:
        return as_count(k, "k", least=1, most=2**40, wanted=wanted), num_classes
    quotas = integers(k, "k", (1,))
    if num_classes is not None and quotas.size != num_classes:
        raise ValueError(f"k must have {num_classes} entries, one for each class, got {quotas.size}")
    if not quotas.size:
        raise ValueError("k must have an entry for each class, got none")
    return [as_count(q, f"k[{c}]", least=1, most=2**40) for c, q in enumerate(quotas.tolist())], quotas.size


def refuse_reentry(method: str, kind: str) -> NoReturn:
    """Refuse a call that changes a reservoir in the middle of another call, as in a signal handler."""
    raise RuntimeError(
        f"{method} must not be called while another method of the same {kind} is running in this thread, "
        f"as in a signal handler"
    )


def refuse_changed_labels() -> NoReturn:
    """Refuse labels that another thread changes while they are read."""
    raise ValueError("classes must not change while update reads them")
