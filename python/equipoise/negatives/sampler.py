"""Negative samples for recommenders and retrieval, never a row's own positives, with the log q of each."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise._runtime.state import Sampler
from equipoise.rng import COUNTED, KEYED, SHARED, worker_lane
from equipoise.tables.alias import AliasTable
from equipoise.tables.base import Proposer, _Table
from equipoise.tables.uniform import UniformTable

__all__ = ["NegativeSampler", "Negatives", "SharedNegatives"]


_POLICIES = {"raise": 0, "mask": 1, "replace": 2}
_NEEDS_PREFIX, _EXHAUSTED = 1, 2


# A kernel returns to Python after about this much work (a draw, a redraw, a lookup each), some milliseconds,
# so that Ctrl-C is seen.
_BUDGET = 1 << 17
_PAUSED_WORDS = 5  # at the scratch's end: where a row was left that is longer than a budget
_ROWS_CHUNK = 1 << 15  # negatives that one thread takes at a time
_SHARED_CHUNK = 1 << 18
_HIT_CHUNK = 1 << 20  # steps of looking up candidates between two looks


@dataclass(frozen=True, eq=False)
class Negatives:
    """What :meth:`NegativeSampler.sample` returns, and takes as ``out``.

    Attributes
    ----------
    ids : int64 ndarray of shape (B, k)
        -1 where the mask is False.
    log_q : float32 ndarray of shape (B, k)
        Natural logarithm of the probability that the slot had of giving its id; 0 where the mask is False.
    mask : bool ndarray of shape (B, k)
        False where a row had no id left (``on_exhausted="mask"``).

    Examples
    --------
    >>> import equipoise
    >>> equipoise.NegativeSampler(10).sample([0, 1], 3).ids.shape
    (2, 3)
    """

    ids: NDArray[np.int64]
    log_q: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SharedNegatives:
    """What :meth:`NegativeSampler.sample_shared` returns.

    Attributes
    ----------
    ids : int64 ndarray of shape (C,)
    log_q : float32 ndarray of shape (C,)
        Natural logarithm of the expected count of each id in the set.
    num_tries : int
        Draws that it took to get C distinct ids; C if they need not be distinct.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.NegativeSampler(10).sample_shared(4).num_tries >= 4
    True
    """

    ids: NDArray[np.int64]
    log_q: NDArray[np.float32]
    num_tries: int


class NegativeSampler(Sampler):
    """Draws negatives for rows of a batch, excluding each row's positives exactly.

    An id marked valid is never an excluded one: a slot that hits an exclusion is redrawn at most 32 times,
    then drawn exactly, in integers, from what is left. ``log_q`` is exact for what was done, including the
    exclusions. The answer depends on the arguments and (seed, stream, epoch, row key or counter) alone: not
    on threads, on how batches are cut, or on the backend.

    Parameters
    ----------
    items : int, array of weights, or table
        What proposes: a uniform table over n items, an alias table over weights, or a table with its power
        and smoothing.
    exclude : (indptr, indices) or SciPy CSR matrix, optional
        Row r must never get ``indices[indptr[r]:indptr[r + 1]]``: usually each user's positives. Unsorted and
        with duplicates allowed; of a CSR matrix the pattern counts. Held in 4 bytes a pair and 16 a row.
        Without it any int64 is a row.
    seed : int
        In [0, 2^64).
    stream : int
        In [0, 2^64): tells copies with the same seed apart, such as the ranks of a distributed job.

    Raises
    ------
    TypeError, ValueError, IndexError
        As the rest of the library: wrong type or dtype, wrong value or shape, an excluded id outside [0, n).

    Notes
    -----
    Without ``row_keys`` a counter of rows since the epoch began keys them, so consecutive calls go on
    in the stream; ``state_dict`` carries it. In a torch DataLoader worker ``get_worker_info().seed`` is part
    of the address as well, so that workers differ from each other and from epoch to epoch. With ``row_keys``
    nothing else is: the same key gives the same words in every worker and every process.

    References
    ----------
    - T. Mikolov et al., "Distributed representations of words and phrases and their compositionality",
      NeurIPS 2013 (popularity^0.75).
    - Y. Bengio and J.-S. Senecal, "Adaptive importance sampling to accelerate training of a neural
      probabilistic language model", IEEE Transactions on Neural Networks 19, 2008 (log q).

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> clicks = np.array([50, 30, 15, 4, 1])
    >>> positives = (np.array([0, 2, 3]), np.array([0, 1, 4]))  # row 0: items 0 and 1; row 1: item 4
    >>> table = equipoise.AliasTable(clicks, power=0.75)
    >>> sampler = equipoise.NegativeSampler(table, exclude=positives, seed=3)
    >>> negatives = sampler.sample([0, 1, 1], 4)
    >>> bool(np.isin(negatives.ids[0], [0, 1]).any())
    False
    """

    _kind = "NegativeSampler"
    _counters = ("rows_drawn", "calls_shared")
    _derived = ("_keys",)
    _made_from = "items, exclude, seed and stream"

    def __init__(self, items: Any, *, exclude: Any = None, seed: int = 0, stream: int = 0) -> None:
        if isinstance(items, _Table):
            self._table: _Table = items
        elif _validate.as_array(items, "items").ndim == 0:
            self._table = UniformTable(_validate.as_count(items, "items", least=1, most=2**32 - 1))
        else:
            self._table = AliasTable(_validate.as_weights(items, "items"))
        self._seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        self._stream = _validate.as_count(stream, "stream", most=2**64 - 1)
        self._indptr = np.empty(0, np.int64)
        self._excluded = np.empty(0, np.uint32)
        self._excluded_units = np.empty(0, np.uint64)
        self._longest = 0
        if exclude is not None:
            self._indptr, excluded = _validate.as_exclude(exclude, len(self._table))
            kept = kernels().exclusion_sort(self._indptr, excluded)
            self._excluded = excluded if kept == excluded.size else excluded[:kept].copy()
            if self._table._units.size:
                self._excluded_units = np.empty(self._indptr.size - 1, np.uint64)
                kernels().exclusion_units(
                    self._indptr, self._excluded, self._table._units, self._excluded_units
                )
            self._longest = int(np.diff(self._indptr).max(initial=0))
        self.set_epoch(0)

    def _derive_keys(self) -> None:
        self._keys = {
            purpose: np.uint64(
                kernels().call_key(np.uint64(self._seed), self._epoch, purpose, np.uint64(self._stream))
            )
            for purpose in (KEYED, COUNTED, SHARED)
        }

    def sample(
        self,
        rows: Any,
        num_negatives: int,
        *,
        exclude_ids: Any = None,
        unique: bool = False,
        on_exhausted: str = "raise",
        row_keys: Any = None,
        out: Negatives | None = None,
        n_threads: int | None = None,
    ) -> Negatives:
        """Negatives for a batch of rows.

        Parameters
        ----------
        rows : integer array of shape (B,)
            Rows of ``exclude``; any int64 without it.
        num_negatives : int
            k >= 0, a row.
        exclude_ids : integer array of shape (B,) or (B, m), optional
            More ids that the row must not get, -1 = none; one that is excluded already counts once.
        unique : bool
            Sequential sampling without replacement within the row. Made for k up to some thousands (time
            grows with k^2).
        on_exhausted : {"raise", "mask", "replace"}
            For a row that has no id (with ``unique``: fewer than k ids) of positive weight left. "raise":
            ValueError. "mask": what is left fills the first slots, the others get id -1, log_q 0 and mask
            False. "replace" (with ``unique`` only): the others are drawn with replacement from what is left;
            a row with nothing left raises.
        row_keys : integer array of shape (B,), optional
            What keys each row's words instead of the counter: an example's index, say. Equal keys get equal
            words, in every call until ``set_epoch``; keys that hold the epoch as well never repeat.
        out : Negatives, optional
            Three C-contiguous, writable arrays, filled in place and returned.
        n_threads : int, optional
            Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

        Returns
        -------
        Negatives
            ids int64, log_q float32, mask bool, each of shape (B, k). ``log_q[b, j] = log(p_i / (1 - q))``, i
            the id and q the probability of all that slot j could not give: the row's exclusions,
            ``exclude_ids`` and, with ``unique``, the ids in the slots before. Never clipped.

        Raises
        ------
        IndexError
            A row outside ``exclude``; an id in ``exclude_ids`` outside [-1, n).
        TypeError, ValueError
            Arguments of the wrong type, or of the wrong value or shape; an exhausted row, as ``on_exhausted``
            says. The counter is then where it was.

        Examples
        --------
        >>> import equipoise
        >>> sampler = equipoise.NegativeSampler([8, 4, 2, 1, 1], exclude=([0, 1], [0]))
        >>> got = sampler.sample([0, 0], 4, unique=True, exclude_ids=[4, -1], on_exhausted="mask")
        >>> got.mask
        array([[ True,  True,  True, False],
               [ True,  True,  True,  True]])
        >>> sorted(got.ids[0].tolist())
        [-1, 1, 2, 3]
        """
        rows = self._as_rows(rows)
        size, k = rows.size, _validate.as_count(num_negatives, "num_negatives")
        _validate.check_addressable(max(size, 1) * k, "num_negatives")
        more = self._as_exclude_ids(exclude_ids, size)
        unique = _validate.as_flag(unique, "unique")
        on_exhausted = _validate.as_policy(on_exhausted, unique, _POLICIES)
        keys = _validate.as_row_keys(row_keys, size) if row_keys is not None else np.empty(0, np.uint64)
        threads = _validate.as_threads(n_threads)
        if out is None:
            out = Negatives(
                np.empty((size, k), np.int64), np.empty((size, k), np.float32), np.empty((size, k), np.bool_)
            )
        else:
            dtypes = {"ids": np.int64, "log_q": np.float32, "mask": np.bool_}
            _validate.check_parts(out, Negatives, dtypes, (size, k))
        keyed = row_keys is not None
        first = 0 if keyed else self._take("_rows_drawn", size)
        try:
            self._fill(rows, more, keys, first, keyed, unique, on_exhausted, out, threads)
        except BaseException:
            if not keyed:
                self._give_back("_rows_drawn", first, size)
            raise
        return out

    def _as_rows(self, rows: Any) -> NDArray[np.int64]:
        if self._indptr.size:
            return _validate.as_ids(rows, "rows", upper=self._indptr.size - 1)
        return _validate.as_ids(rows, "rows", lower=-(2**63))

    def _as_exclude_ids(self, exclude_ids: Any, size: int) -> NDArray[np.int64]:
        if exclude_ids is None:
            return np.empty((size, 0), np.int64)
        ids = _validate.as_ids(
            exclude_ids, "exclude_ids", lower=-1, upper=len(self._table), ndim=(1, 2), length=size
        )
        # Sorted, each row's ids are taken in without moving any.
        return np.sort(ids.reshape(size, -1), axis=1) if size else np.empty((0, 0), np.int64)

    def _fill(
        self,
        rows: NDArray[np.int64],
        more: NDArray[np.int64],
        keys: NDArray[np.uint64],
        first: int,
        keyed: bool,
        unique: bool,
        on_exhausted: str,
        out: Negatives,
        threads: int,
    ) -> None:
        table = self._table
        size, k = out.ids.shape
        if not size or not k:
            return
        draw, policy = kernels().negatives_draw, _POLICIES[on_exhausted]
        key, lane = self._keys[KEYED if keyed else COUNTED], np.uint64(0 if keyed else worker_lane())
        counter, n = np.uint64(first), np.uint64(len(table))
        room = self._longest + 2 * (more.shape[1] + k) + 2 + _PAUSED_WORDS
        exhausted: list[tuple[int, int]] = []

        rooms = threading.local()

        def settle(begin: int, end: int) -> int:
            if not hasattr(rooms, "scratch"):
                rooms.scratch = np.empty(room, np.uint64)
                rooms.scratch[-_PAUSED_WORDS:] = 0
            begin, status, left = draw(
                key, lane, counter, keys, rows, more, self._indptr, self._excluded, self._excluded_units,
                n, table._cells, table._units, table._prefix, unique, policy, begin, end, _BUDGET,
                rooms.scratch, out.ids, out.log_q, out.mask,
            )  # fmt: skip
            if status == _NEEDS_PREFIX:
                table._prefix_sums()
            elif status == _EXHAUSTED:
                exhausted.append((begin, left))
                return end
            return int(begin)

        for_chunks(size, size if threads == 1 else max(1, _ROWS_CHUNK // k), threads, settle)
        if exhausted:
            row, left = min(exhausted)
            _validate.refuse_exhausted(row, int(rows[row]), left, k, unique)

    def sample_shared(self, num_samples: int, *, unique: bool = True) -> SharedNegatives:
        """One set of negatives for a whole batch, as TensorFlow's candidate samplers make it.

        No row's positives are excluded: mask them with :meth:`accidental_hits`.

        Parameters
        ----------
        num_samples : int
            C >= 0.
        unique : bool
            Draw until C ids are distinct, and count the tries. An id that is hard to find is drawn exactly,
            and the tries that finding it would have taken are drawn as well, so there is no long wait.

        Returns
        -------
        SharedNegatives
            ids int64 of shape (C,); log_q float32 of shape (C,), the log of the expected count: ``log(C p)``,
            with ``unique`` ``log(-expm1(num_tries * log1p(-p)))``; num_tries.

        Raises
        ------
        TypeError, ValueError
            ``num_samples`` no integer, negative, or (unique) above the number of ids of positive weight.

        Examples
        --------
        >>> import equipoise
        >>> shared = equipoise.NegativeSampler([5, 3, 1, 1, 0]).sample_shared(4)
        >>> sorted(shared.ids.tolist())
        [0, 1, 2, 3]
        """
        count = _validate.as_count(num_samples, "num_samples")
        _validate.check_addressable(count, "num_samples")
        unique = _validate.as_flag(unique, "unique")
        table = self._table
        if unique:
            _validate.check_enough(count, table._num_positive())
        ids, log_q = np.empty(count, np.int64), np.empty(count, np.float32)
        call = self._take("_calls_shared", 1)
        address = (self._keys[SHARED], np.uint64(call), np.uint64(worker_lane()))
        try:
            tries = self._draw_shared(address, table.proposer(), ids, unique)

            def log_expected(begin: int, end: int) -> None:
                p = table._units_of(ids[begin:end]).astype(np.float64) / float(table._total)
                if unique:
                    kernels().log1p(-p, p)
                    kernels().expm1(p * float(tries), p)
                    p = -p
                else:
                    p *= float(count)
                kernels().log(p, p)
                log_q[begin:end] = p

            for_chunks(count, _SHARED_CHUNK, 1, log_expected)
        except BaseException:
            self._give_back("_calls_shared", call, 1)
            raise
        return SharedNegatives(ids, log_q, tries)

    def _draw_shared(
        self, address: tuple[Any, ...], proposer: Proposer, ids: NDArray[np.int64], unique: bool
    ) -> int:
        if not unique:
            draw = kernels().shared_draw
            part = _SHARED_CHUNK
            for_chunks(ids.size, part, 1, lambda begin, end: draw(*address, proposer, begin, ids[begin:end]))
            return ids.size
        state = np.zeros(4, np.uint64)
        seen = np.full(1 << (2 * ids.size).bit_length(), -1, np.int64)
        exact = False
        while state[0] < ids.size and not exact:
            exact = kernels().shared_unique(*address, proposer, seen, ids, state)
        if exact:
            tree = np.zeros(len(self._table) + 1, np.uint64)
            while state[0] < ids.size:
                kernels().shared_exact(*address, proposer, tree, ids, state)
        return int(state[2])

    def accidental_hits(self, rows: Any, candidate_ids: Any, *, keep: Any = None) -> NDArray[np.bool_]:
        """Which candidates are known positives of which rows: what a loss over shared negatives masks out.

        Parameters
        ----------
        rows : integer array of shape (B,)
            Rows of ``exclude``; any int64 without it (then nothing is a hit).
        candidate_ids : integer array of shape (C,)
            In [0, n); duplicates allowed.
        keep : integer array of shape (B,), optional
            The column of each row's own positive, left False: ``np.arange(B)`` for in-batch negatives.

        Returns
        -------
        bool ndarray of shape (B, C)
            True: the candidate is one of the row's excluded ids, all of which are tested.

        Raises
        ------
        IndexError
            A row, candidate or column out of range.
        TypeError, ValueError
            Arguments of the wrong type or shape.

        Examples
        --------
        >>> import equipoise
        >>> sampler = equipoise.NegativeSampler(6, exclude=([0, 2, 3], [1, 4, 5]))
        >>> sampler.accidental_hits([0, 1], [4, 5, 1], keep=[0, 1])
        array([[False, False,  True],
               [False, False, False]])
        """
        rows = self._as_rows(rows)
        candidates = _validate.as_ids(candidate_ids, "candidate_ids", upper=len(self._table))
        columns = (
            None if keep is None else _validate.as_ids(keep, "keep", upper=candidates.size, length=rows.size)
        )
        if not self._indptr.size:
            return np.zeros((rows.size, candidates.size), np.bool_)
        hits = np.empty((rows.size, candidates.size), np.bool_)
        order = np.argsort(candidates, kind="stable").astype(np.int64, copy=False)
        in_order = candidates[order]

        def test(begin: int, end: int) -> None:
            kernels().exclusion_hits(
                self._indptr, self._excluded, rows[begin:end], in_order, order, hits[begin:end]
            )

        longest = min(self._longest, candidates.size)  # the shorter list is looked up in the longer
        for_chunks(rows.size, max(1, _HIT_CHUNK // max(64, candidates.size // 8, 16 * longest)), 1, test)
        if columns is not None:
            hits[np.arange(rows.size), columns] = False
        return hits

    def log_prob(self, ids: Any) -> NDArray[np.float64]:
        """Log of the probability that the table proposes each id, without any exclusion.

        Of a table of the counts themselves (power 1) this corrects in-batch negatives, which come by
        popularity: ``logits - log_prob``.

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).

        Returns
        -------
        float64 ndarray of the shape of ``ids``
            ``-inf`` for a weight of zero.

        Raises
        ------
        TypeError, IndexError
            Ids that are no integers, or outside [0, n).

        Examples
        --------
        >>> import equipoise
        >>> equipoise.NegativeSampler([1, 1, 2]).log_prob([2]).round(4)
        array([-0.6931])
        """
        return self._table.log_prob(ids)

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield self._table._fingerprint()
        yield self._seed.to_bytes(8, "little") + self._stream.to_bytes(8, "little")
        yield self._indptr
        yield self._excluded

    def __repr__(self) -> str:
        rows = f", {self._indptr.size - 1} rows of exclusions" if self._indptr.size else ""
        return f"NegativeSampler({self._table!r}{rows}, seed={self._seed}, stream={self._stream})"
