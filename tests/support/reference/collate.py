"""What a collate function returns, row by row."""

from __future__ import annotations

from support.reference.negatives import negatives
from support.reference.stream import GOLDEN, M64, mix64

OCCURRENCE = 0xD1342543DE82EF95


def keys_by_index(indices):
    """Return the key of each row: its index, or a hash if the index has come before."""
    came, keys = {}, []
    for index in indices:
        o = came.get(index, 0)
        keys.append(mix64((index + o * OCCURRENCE) & M64) if o else index & M64)
        came[index] = o + 1
    return keys


def keys_by_batch(indices):
    """Return the key of each row: a hash of all indices and of the row's place."""
    h = sum(mix64((index + (b + 1) * OCCURRENCE) & M64) for b, index in enumerate(indices))
    return [mix64((h + (b + 1) * GOLDEN) & M64) for b in range(len(indices))]


def collated(table, rows, k, key, **how):
    """Return the dict of a batch of (index, user, item), as lists. `how` is for `negatives`."""
    index, user, item = (list(column) for column in zip(*rows, strict=True))
    keys = (keys_by_index if key == "index" else keys_by_batch)(index)
    how |= {"exclude_ids": [[i] for i in item], "on_exhausted": "mask", "row_keys": keys}
    ids, log_q, mask = negatives(table, user, k, **how)
    arrays = {"negatives": ids, "log_q": log_q, "mask": mask}
    return {"index": index, "user": user, "item": item} | {n: a.tolist() for n, a in arrays.items()}
