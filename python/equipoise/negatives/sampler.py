"""The sampler of negatives: arguments, counters and state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.state import Sampler
from equipoise.negatives.exclusions import Exclusions, find_hits, read_exclude
from equipoise.negatives.rows import POLICIES, Batch, Negatives, draw_rows, result_arrays
from equipoise.negatives.shared import SharedNegatives, draw_shared
from equipoise.rng import COUNTED, KEYED, SHARED, worker_lane
from equipoise.tables.alias import AliasTable
from equipoise.tables.base import Table
from equipoise.tables.uniform import UniformTable

__all__ = ["NegativeSampler"]

_NO_KEYS = np.empty(0, np.uint64)


class NegativeSampler(Sampler):
    """A sampler of negatives that excludes each row's positives exactly.

    An id whose mask is True is never an excluded one. A slot whose proposal is excluded is redrawn at most 32
    times, and then drawn exactly, in integers, from the ids that are left. ``log_q`` is the log of the
    probability of each id that was drawn, in the table's whole units, and accounts for the exclusions.
    Results depend only on the arguments and on (seed, stream, epoch, row key or counter), not on threads, on
    how rows are split into batches, or on the backend.

    Parameters
    ----------
    items : int, array of weights, or table
        The distribution that proposes ids: an int n for a uniform table over n items, weights for an alias
        table, or a table.
    exclude : (indptr, indices) or SciPy CSR matrix, optional
        Row r never gets ``indices[indptr[r]:indptr[r + 1]]``, usually each user's positives. Indices may be
        unsorted and repeated. For a CSR matrix, only the positions of the stored entries matter. The
        sampler's copy takes 4 bytes per pair and 16 per row. Without ``exclude``, any int64 is a valid row.
    unknown_rows : {"raise", "none"}
        What to do for rows that ``exclude`` does not have, such as users without a history. "raise" raises
        IndexError. With "none", nothing is excluded for them; any int64 is then a valid row, also a negative
        one. It makes no difference without ``exclude``.
    seed : int
        In [0, 2^64).
    stream : int
        In [0, 2^64). Samplers with the same seed and different streams, such as those of the ranks of a
        distributed job, are independent. So are samplers with different tables.

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument has the wrong type or dtype, or the wrong value or shape, or if an excluded id is
        outside [0, n).

    Notes
    -----
    The address of each word contains the seed, the stream, the epoch and a digest of the table. Samplers with
    equal tables and equal seeds draw the same words, whatever their exclusions.

    Without ``row_keys``, rows are keyed by the number of rows drawn since the epoch began, so consecutive
    calls continue the stream; ``state_dict`` holds this counter. In a torch DataLoader worker, the address
    also contains ``get_worker_info().seed``, so workers differ from each other and from epoch to epoch. With
    ``row_keys``, the address contains neither the counter nor the worker: the same key gives the same words
    in every worker and every process.

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
    _derived = ("_keys", "_exclusions")
    _made_from = "items, exclude, seed and stream"
    if TYPE_CHECKING:  # made by `_derive_keys`
        _keys: dict[int, np.uint64]
        _exclusions: Exclusions

    def __init__(
        self,
        items: Any,
        *,
        exclude: Any = None,
        unknown_rows: str = "raise",
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        if isinstance(items, Table):
            self._table: Table = items
        else:
            read = _validate.as_items(items)
            self._table = UniformTable(read) if isinstance(read, int) else AliasTable(read)
        self._table.check_file()
        self._any_row = _validate.as_choice(unknown_rows, "unknown_rows", ("raise", "none")) == "none"
        self._seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        self._stream = _validate.as_count(stream, "stream", most=2**64 - 1)
        self._indptr, self._excluded, self._excluded_units = read_exclude(exclude, self._table, self._any_row)
        self._longest = int(np.diff(self._indptr).max(initial=0))
        self.set_epoch(0)

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
        """Draw negatives for a batch of rows.

        Parameters
        ----------
        rows : integer array of shape (B,), or of any other number of dimensions >= 1
            Rows of ``exclude``, or any int64 without it. Rows of shape (B, T) are drawn like the B * T rows
            of the flattened array, and each array of the result has the shape (B, T, k).
        num_negatives : int
            Number of negatives per row, k >= 0.
        exclude_ids : int, or integer array of shape (B,), (B, m) or (1, m), optional
            Further ids that each row must not get, where -1 means none. A single id, or m ids in an array of
            shape (1, m), are for all rows. An id that is already excluded counts once. For rows of shape (B,
            T), the shapes are (B, T) or (B, T, m) instead of (B,) or (B, m).
        unique : bool
            If True, draw the ids of a row one after another without replacement. This is meant for k up to a
            few thousand, since the time grows with k^2.
        on_exhausted : {"raise", "mask", "replace"}
            What to do for a row with no id of positive weight left or, with ``unique``, with fewer than k.
            "raise" raises ValueError. "mask" fills the first slots with the ids that are left; the others get
            id -1, log_q 0 and mask False. "replace", which needs ``unique``, draws the other slots with
            replacement from the ids that the row may get; if there are none, it raises.
        row_keys : integer array of the shape of ``rows``, optional
            Keys for the rows' words in place of the counter, such as the index of an example. Equal keys get
            equal words in every call until ``set_epoch``. Keys that contain the epoch never repeat.
        out : Negatives, optional
            A result to fill and return. Its three arrays must be C-contiguous and writable.
        n_threads : int, optional
            Number of threads. By default, the value of the environment variable ``EQUIPOISE_NUM_THREADS``, or
            1 if it is not set. The result does not depend on it.

        Returns
        -------
        Negatives
            ids int64, log_q float32 and mask bool, each of shape (B, k) or, for rows of shape (B, T), of
            shape (B, T, k). ``log_q[b, j] = log(p_i / (1 - q))``, where i is the id and q the probability of
            all ids that slot j could not get: the row's exclusions, ``exclude_ids`` and, with ``unique``, the
            ids in earlier slots. It is never clipped.

        Raises
        ------
        IndexError
            If a row is outside ``exclude``, or an id in ``exclude_ids`` is outside [-1, n).
        TypeError, ValueError
            If an argument has the wrong type, value or shape, if a row is exhausted and ``on_exhausted`` asks
            for an error, or if the file of a mapped table has changed. The counter is then unchanged.

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
        self._table.check_file()
        rows = self._as_rows(rows)
        size, k = rows.size, _validate.as_count(num_negatives, "num_negatives")
        _validate.check_addressable(max(size, 1) * k, "num_negatives")
        more = self._as_exclude_ids(exclude_ids, rows.shape)
        unique = _validate.as_flag(unique, "unique")
        policy = POLICIES[_validate.as_policy(on_exhausted, unique, POLICIES)]
        keyed = row_keys is not None
        keys = _validate.as_row_keys(row_keys, rows.shape) if keyed else _NO_KEYS
        threads = _validate.as_threads(n_threads)
        out = result_arrays(out, (*rows.shape, k))
        taken: list[int] = []
        try:
            first = 0 if keyed else self._take("_rows_drawn", size, taken)
            key, lane = self._keys[KEYED if keyed else COUNTED], 0 if keyed else worker_lane()
            at = self._places(rows)
            batch = Batch(key, np.uint64(lane), np.uint64(first), keys, at, more, unique, policy)
            draw_rows(self._table, self._exclusions, self._longest, batch, rows, out, threads)
            return out
        except BaseException:
            self._give_back("_rows_drawn", taken, size)
            raise

    def _as_rows(self, rows: Any) -> NDArray[np.int64]:
        known = self._indptr.size - 1
        return _validate.as_batch_rows(rows, None if self._any_row or known < 0 else known)

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each row in the exclusions. Unknown rows share the last one, which is empty."""
        flat = rows.reshape(-1)
        if self._any_row and self._indptr.size:
            last = self._indptr.size - 2
            flat = np.where((flat >= 0) & (flat < last), flat, last)
        return flat

    def _as_exclude_ids(self, exclude_ids: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the user's ``exclude_ids`` as m sorted ids per row: the kernel then moves none of them."""
        if exclude_ids is None:
            return np.empty((math.prod(shape), 0), np.int64)
        ids = _validate.as_exclude_ids(exclude_ids, shape, len(self._table))
        ids.sort(axis=1)
        return ids

    def sample_shared(self, num_samples: int, *, unique: bool = True) -> SharedNegatives:
        """Draw one set of negatives for a whole batch, like TensorFlow's candidate samplers.

        No row's positives are excluded. Mask them with :meth:`accidental_hits`.

        Parameters
        ----------
        num_samples : int
            The number of negatives, C >= 0.
        unique : bool
            If True, draw until there are C distinct ids, and count the tries. To avoid long waits, ids that
            are hard to find are drawn exactly, and the number of tries that finding them would have taken is
            drawn too.

        Returns
        -------
        SharedNegatives
            ids int64 of shape (C,); log_q float32 of shape (C,), the log of the expected count, which is
            ``log(C p)`` or, with ``unique``, ``log(-expm1(num_tries * log1p(-p)))``; num_tries.

        Raises
        ------
        TypeError, ValueError
            If ``num_samples`` is not an integer, is negative or, with ``unique``, exceeds the number of ids
            of positive weight, or if the file of a mapped table has changed.

        Examples
        --------
        >>> import equipoise
        >>> shared = equipoise.NegativeSampler([5, 3, 1, 1, 0]).sample_shared(4)
        >>> sorted(shared.ids.tolist())
        [0, 1, 2, 3]
        """
        self._table.check_file()
        count = _validate.as_count(num_samples, "num_samples")
        _validate.check_addressable(count, "num_samples")
        unique = _validate.as_flag(unique, "unique")
        if unique:
            _validate.check_enough(count, self._table.num_positive())
        taken: list[int] = []
        try:
            call = self._take("_calls_shared", 1, taken)
            address = (self._keys[SHARED], np.uint64(call), np.uint64(worker_lane()))
            return draw_shared(self._table, address, count, unique)
        except BaseException:
            self._give_back("_calls_shared", taken, 1)
            raise

    def accidental_hits(
        self, rows: Any, candidate_ids: Any, *, keep: Any = None, mask: Any = None
    ) -> NDArray[np.bool_]:
        """Return which candidates are known positives of which rows.

        A loss over shared or in-batch negatives masks these.

        Parameters
        ----------
        rows : integer array of shape (B,), or of any other number of dimensions >= 1
            Rows of ``exclude``. Without it, any int64 is accepted, and nothing is a hit.
        candidate_ids : integer array of shape (C,)
            In [0, n). Duplicates are allowed.
        keep : integer array of the shape of ``rows``, optional
            The column of each row's own positive, which is left False. For in-batch negatives it is
            ``np.arange(B)``.
        mask : bool array of shape (C,), optional
            Candidates where the mask is False are not checked, and are no hits. A loss over ids that
            :meth:`sample` masked leaves out ``hits | ~mask``.

        Returns
        -------
        bool ndarray of shape (B, C), or (B, T, C) for rows of shape (B, T)
            True if the candidate is one of the row's excluded ids. All of these are tested.

        Raises
        ------
        IndexError
            If a row, candidate or column is out of range.
        TypeError, ValueError
            If an argument has the wrong type or shape.

        Examples
        --------
        >>> import equipoise
        >>> sampler = equipoise.NegativeSampler(6, exclude=([0, 2, 3], [1, 4, 5]))
        >>> sampler.accidental_hits([0, 1], [4, 5, 1], keep=[0, 1])
        array([[False, False,  True],
               [False, False, False]])
        """
        rows = self._as_rows(rows)
        candidates, kept = _validate.as_masked_ids(
            candidate_ids, mask, "candidate_ids", len(self._table), ndim=(1,)
        )
        columns = None if keep is None else _validate.as_kept_columns(keep, rows.shape, candidates.size)
        hits = find_hits(self._exclusions, self._longest, self._places(rows), candidates)
        if kept is not None:
            hits[:, ~kept] = False
        if columns is not None:
            hits[np.arange(rows.size), columns] = False
        return hits.reshape(*rows.shape, candidates.size)

    def log_prob(self, ids: Any, *, mask: Any = None) -> NDArray[np.float64]:
        """Return the log of the probability that the table proposes each id, without exclusions.

        In-batch negatives come in proportion to popularity. For a table of the counts themselves (power 1),
        ``logits - log_prob`` corrects for that.

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).
        mask : bool array of the shape of ``ids``, optional
            Ids where the mask is False are not checked, and their result is 0, like ``log_q`` in
            :class:`Negatives`.

        Returns
        -------
        float64 ndarray of the shape of ``ids``
            ``-inf`` for a weight of zero.

        Raises
        ------
        TypeError, IndexError
            If the ids are not integers, or are outside [0, n).
        ValueError
            If the mask has another shape than the ids, or the file of a mapped table has changed.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.NegativeSampler([1, 1, 2]).log_prob([2]).round(4)
        array([-0.6931])
        """
        return self._table.log_prob(ids, mask=mask)

    def _derive_keys(self, epoch: int) -> dict[str, Any]:
        seed, call_key = np.uint64(self._seed), kernels().call_key
        stream = np.uint64(self._stream ^ self._table.digest())  # other tables draw other words
        return {
            "_exclusions": Exclusions(self._indptr, self._excluded, self._excluded_units),
            "_keys": {
                purpose: np.uint64(call_key(seed, epoch, purpose, stream))
                for purpose in (KEYED, COUNTED, SHARED)
            },
        }

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield self._table.fingerprint()
        yield self._seed.to_bytes(8, "little") + self._stream.to_bytes(8, "little")
        # Unknown rows change no draw of the others, so a state does not depend on what is done for them.
        yield self._indptr[: self._indptr.size - self._any_row]
        yield self._excluded

    def __repr__(self) -> str:
        rows = ""
        if self._indptr.size:
            rows = f", {self._indptr.size - 1 - self._any_row} rows of exclusions"
        return f"NegativeSampler({self._table!r}{rows}, seed={self._seed}, stream={self._stream})"
