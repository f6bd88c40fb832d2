"""Splits of a log into a training and a test part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._cli.demo.interactions import Interactions, Ints, microseconds
from equipoise._cli.errors import BadInput

__all__ = ["Positives", "Split", "leave_one_out", "split_by_time"]


LEAST_TEST_USERS = 10  # a metric over fewer users is meaningless
LAST_SHARE = 0.2  # the share of the log that is the test part, if no time is given


class Positives(NamedTuple):
    """The items of each user, in the form of ``NegativeSampler(exclude=...)``.

    Row u is ``indices[indptr[u]:indptr[u + 1]]``, in ascending order.

    Attributes
    ----------
    indptr : int64 ndarray of shape (num_users + 1,)
    indices : int64 ndarray of shape (pairs,)
    """

    indptr: Ints
    indices: Ints


@dataclass(frozen=True, eq=False)
class Split:
    """The training and test positives of the users and items that are in the training part.

    Attributes
    ----------
    train, test : Positives
        Rows are users 0 .. num_users - 1, ids are items 0 .. num_items - 1.
    num_users, num_items : int
    unknown : int
        The number of test pairs left out because their user or item is not in the training part.
    rule : str
        The rule of the split in words.
    """

    train: Positives
    test: Positives
    num_users: int
    num_items: int
    unknown: int
    rule: str

    def popularity(self) -> Ints:
        """Return the number of training users of each item, as an array of shape (num_items,)."""
        return np.bincount(self.train.indices, minlength=self.num_items)


def split_by_time(log: Interactions, time: str | float | None = None) -> Split:
    """Train on interactions before a time, and test on those at that time or later.

    Parameters
    ----------
    log : Interactions
    time : str or number, optional
        A number, or an ISO 8601 date, in UTC unless it states another offset. For a column of numbers, a date
        is converted to Unix seconds. By default, the time at which the last fifth of the interactions begins.

    Returns
    -------
    Split

    Raises
    ------
    BadInput
        If the time is neither a number nor a date, if it is a number and the log has dates, or if
        either part would be too small.

    Examples
    --------
    >>> times, users = np.divmod(np.arange(60), 12)  # user u takes item u first, then u + 1, .. u + 4
    >>> items = (users + times) % 12
    >>> log = Interactions(users, items, times, np.arange(12), np.arange(12), False, 60)
    >>> split = split_by_time(log, 3)
    >>> split.train.indices[:3], split.test.indices[:2], split.rule
    (array([0, 1, 2]), array([3, 4]), 'trained on time < 3, tested on the rest')
    """
    times = log.times
    at: int | float
    if time is None:
        at = np.sort(times)[int(times.size * (1 - LAST_SHARE))].item()
        shown = _format_time(at, log.dates)
    else:
        at, shown = _as_time(time, log.dates), str(time)
    if not times.min() < at <= times.max():
        seconds = "" if log.dates or shown == str(at) else f" ({at:.0f} in Unix seconds)"
        first, last = (_format_time(t.item(), log.dates) for t in (times.min(), times.max()))
        raise BadInput(
            f"the split time must have interactions before it and after it, got {shown}{seconds}; "
            f"times run from {first} to {last}"
        )
    return _split(log, times < at, f"trained on time < {shown}, tested on the rest")


def leave_one_out(log: Interactions) -> Split:
    """Test on each user's last item, and train on the others.

    Among equal times, the row that comes last in the file counts as the last. A user with a single item has
    nothing in the training part and is left out.

    Raises
    ------
    BadInput
        If fewer than LEAST_TEST_USERS users can be tested.

    Examples
    --------
    >>> times, users = np.divmod(np.arange(60), 12)  # user u takes item u first, then u + 1, .. u + 4
    >>> items = (users + times) % 12
    >>> log = Interactions(users, items, times, np.arange(12), np.arange(12), False, 60)
    >>> leave_one_out(log).test.indices
    array([ 4,  5,  6,  7,  8,  9, 10, 11,  0,  1,  2,  3])
    """
    last = np.zeros(log.users.size, dtype=np.bool_)
    last[log.users.size - 1 - np.unique(log.users[::-1], return_index=True)[1]] = True
    return _split(log, ~last, "trained on all but each user's last item, tested on that")


def _as_time(time: str | float, dates: bool) -> int | float:
    """Return a split time in the unit of the log's times."""
    wanted = "an ISO 8601 date, such as 2011-11-01" if dates else "a number, or an ISO 8601 date"
    number: int | float = math.nan
    for kind in (int, float):
        try:
            number = kind(time)
            break
        except (ValueError, OverflowError):
            pass
    if math.isfinite(number) and not dates:
        return number
    try:
        # fromisoformat accepts any character between date and time.
        since = microseconds(str(time)) if math.isnan(number) and str(time).isascii() else None
    except ValueError:
        since = None
    if since is None:
        raise BadInput(f"the split time must be {wanted}, got {str(time)!r}")
    return since if dates else since / 1e6


def _format_time(time: float, dates: bool) -> str:
    """Return a log's time as text for a message."""
    return str(np.datetime64(int(time), "us")) if dates else str(time)


def _split(log: Interactions, training: NDArray[np.bool_], rule: str) -> Split:
    """Split a log by a mask of its training rows."""
    train_users, train_items = log.users[training], log.items[training]
    users, items = np.unique(train_users), np.unique(train_items)
    known = np.isin(log.users, users) & np.isin(log.items, items)
    tested = ~training & known
    test_users = np.unique(log.users[tested]).size
    if test_users < LEAST_TEST_USERS or items.size < 2:
        raise BadInput(
            f"the split must leave at least {LEAST_TEST_USERS} users with something in both parts, and 2 "
            f"items to train on, got {test_users} and {items.size}: {rule}"
        )

    def positives(part: NDArray[np.bool_]) -> Positives:
        row, column = np.searchsorted(users, log.users[part]), np.searchsorted(items, log.items[part])
        order = np.lexsort((column, row))
        indptr = np.searchsorted(row[order], np.arange(users.size + 1))
        return Positives(indptr.astype(np.int64), column[order].astype(np.int64))

    unknown = int((~training & ~known).sum())
    return Split(positives(training), positives(tested), users.size, items.size, unknown, rule)
