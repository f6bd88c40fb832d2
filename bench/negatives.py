"""Negatives out of 1,000,000 items: 16 for each of 8192 rows, and 16 for one row.

Run ``python -m bench.run --only negatives``. The 1,000,000 users have 50 known positives each, which are
excluded, and log q is asked for. Items are proposed in proportion to popularity^0.75. Every batch has other
users, so their positives are not in the cache. All sides see the same batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import numpy as np

import equipoise

from .harness import Budget, Row, Timer, alternate, optional, positives, timer, zipf

ITEMS = USERS = 1_000_000
FEW_USERS = 100_000
EACH, BATCH, NEGATIVES = 50, 8192, 16
AMOUNT = BATCH * NEGATIVES
WORK = f"{BATCH} rows x {NEGATIVES} negatives"
Propose = Callable[[int], np.ndarray]
Answer = tuple[np.ndarray, np.ndarray]


class NumpyRejection:
    """The code of a careful NumPy user: propose for all slots, look up the pairs, redraw the rejected.

    Preparation is not timed: the tables of the proposals, the sorted keys, log p, and the log of each user's
    allowed mass.
    """

    def __init__(self, known: np.ndarray, p: np.ndarray) -> None:
        self.known, self.n = known, p.size
        self.log_p = np.log(p)
        excluded = np.concatenate([p[chunk].sum(axis=1) for chunk in np.array_split(known, 100)])
        self.log_allowed = np.log1p(-excluded)
        self.keys = (np.arange(known.shape[0])[:, None] * self.n + known).ravel()
        self.rng = np.random.default_rng(1)
        self.cdf = p.cumsum()
        self.cdf /= self.cdf[-1]
        self.threshold, self.alias = alias_table(p)

    def propose_cdf(self, size: int) -> np.ndarray:
        return self.cdf.searchsorted(self.rng.random(size), "right")

    def propose_alias(self, size: int) -> np.ndarray:
        """Draw from one random word each. Its high half picks the column, and its low half is the coin."""
        word = self.rng.integers(0, 2**64, size, dtype=np.uint64)
        column = ((word >> np.uint64(32)) * np.uint64(self.n) >> np.uint64(32)).view(np.int64)
        return np.where(word.astype(np.uint32) < self.threshold[column], column, self.alias[column])

    def all_keys(self, users: np.ndarray, propose: Propose) -> Answer:
        """Look up in the sorted keys user * n + item of all 50,000,000 pairs."""
        return self.answer(users, users * self.n, self.keys, propose)

    def batch_keys(self, users: np.ndarray, propose: Propose) -> Answer:
        """Look up among the pairs of this batch. Gathering 8192 x 50 costs less than searching 5e7."""
        offsets = np.arange(users.size) * self.n
        return self.answer(users, offsets, (offsets[:, None] + self.known[users]).ravel(), propose)

    def answer(self, users: np.ndarray, offsets: np.ndarray, keys: np.ndarray, propose: Propose) -> Answer:
        """Return ids (int64) and log q (float32), [len(users), 16]. ``keys`` are offset + excluded item."""
        offsets = np.repeat(offsets, NEGATIVES)
        ids = propose(offsets.size)
        todo = np.flatnonzero(among(offsets + ids, keys))
        while todo.size:
            ids[todo] = propose(todo.size)
            todo = todo[among(offsets[todo] + ids[todo], keys)]
        ids = ids.reshape(users.size, NEGATIVES)
        return ids, (self.log_p[ids] - self.log_allowed[users, None]).astype(np.float32)


def among(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return which of ``wanted`` are in the sorted ``keys``."""
    at = keys.searchsorted(wanted)
    at[at == keys.size] = 0
    return keys[at] == wanted


def alias_table(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return threshold (uint32 [n]) and alias (int64 [n]) for 2^32 units per cell.

    Each round works on whole arrays: the light cells, in order, are filled by the heavy items, in order. A
    heavy item that becomes light is a light cell of the next round.
    """
    share = p * p.size / p.sum()
    threshold, alias = np.ones(p.size), np.arange(p.size)
    light, heavy = np.flatnonzero(share < 1), np.flatnonzero(share > 1)
    while light.size and heavy.size:
        lacks = 1 - share[light]
        donor = (share[heavy] - 1).cumsum().searchsorted(lacks.cumsum() - lacks, "right")
        filled = donor < heavy.size
        rest, light, lacks, donor = light[~filled], light[filled], lacks[filled], donor[filled]
        threshold[light], alias[light] = 1 - lacks, heavy[donor]
        share[heavy] -= np.bincount(donor, lacks, heavy.size)
        light, heavy = np.concatenate([rest, heavy[share[heavy] < 1]]), heavy[share[heavy] > 1]
    return np.minimum(threshold * 2**32, 2**32 - 1).astype(np.uint32), alias


def pyg(known: np.ndarray, batches: list[np.ndarray], each: int) -> Timer | None:
    """Return PyG, which draws one negative for each edge it is given and excludes no other edges."""
    torch, geometric = optional("torch"), optional("torch_geometric.utils")
    if torch is None or geometric is None:
        return None
    torch.set_num_threads(1)
    pick = np.linspace(0, EACH - 1, each).astype(np.int64)
    edges = [np.stack([np.repeat(users, each), known[users][:, pick].ravel()]) for users in batches]
    edge_index = cycle([torch.from_numpy(pairs) for pairs in edges])
    return timer(lambda: geometric.structured_negative_sampling(next(edge_index), num_nodes=ITEMS))


PYG_SETTINGS = {
    NEGATIVES: "edge_index = 16 of each row's positives, as many edges as negatives (131,072); excludes only "
    "these 16, proposes uniformly, gives no log q",
    EACH: "edge_index = all 50 positives of each row, which it needs to exclude them (409,600 edges and "
    "negatives a call); proposes uniformly, gives no log q",
}


def check(sampler: equipoise.NegativeSampler, rival: NumpyRejection, users: np.ndarray) -> None:
    """Assert that neither side returns positives and that both mean the same by log q."""
    ours = sampler.sample(users, NEGATIVES)
    theirs = [way(users, rival.propose_alias)[0] for way in (rival.all_keys, rival.batch_keys)]
    for ids in (ours.ids, *theirs):
        assert not (rival.known[users][:, :, None] == ids[:, None, :]).any()
    np.testing.assert_allclose(ours.log_q, rival.log_p[ours.ids] - rival.log_allowed[users, None], atol=1e-4)


def new_sampler(known: np.ndarray) -> equipoise.NegativeSampler:
    table = equipoise.AliasTable(zipf(ITEMS), power=0.75)
    return equipoise.NegativeSampler(table, exclude=(np.arange(0, known.size + 1, EACH), known.ravel()))


def batches_of_rows(budget: Budget) -> Iterator[Row]:
    known = positives(USERS, ITEMS, EACH)
    sampler = new_sampler(known)
    p = zipf(ITEMS) ** 0.75
    rival = NumpyRejection(known, p / p.sum())
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, USERS, BATCH) for _ in range(32)]
    check(sampler, rival, batches[0][:100])

    def clock(work: Callable[[np.ndarray], object]) -> Timer:
        users = cycle(batches)
        return timer(lambda: work(next(users)))

    timers = {
        "ours": clock(lambda users: sampler.sample(users, NEGATIVES)),
        "alias": clock(lambda users: rival.all_keys(users, rival.propose_alias)),
        "CDF": clock(lambda users: rival.all_keys(users, rival.propose_cdf)),
        "batch": clock(lambda users: rival.batch_keys(users, rival.propose_alias)),
    }
    geometric = {each: pyg(known, batches, each) for each in (NEGATIVES, EACH)}
    timers |= {f"PyG {each}": ready for each, ready in geometric.items() if ready is not None}
    rounds = alternate(timers, budget)

    best = rounds.fastest(["alias", "CDF"])
    table = "alias table" if best == "alias" else best
    proposals = f"proposals from a kept {table}"
    setting = f"searchsorted in the sorted keys user * n + item of all 50,000,000 pairs; {proposals}"
    row = Row("negatives", WORK, "NumPy rejection, keys of all pairs", setting, goal=15, amount=AMOUNT)
    yield rounds.fill(row, "ours", best)
    setting = "the same with the keys of the batch's pairs, gathered in the call; a kept alias table"
    row = Row("negatives", WORK, "NumPy rejection, keys of the batch", setting, amount=AMOUNT)
    row.headline = (
        "8192 rows x 16 negatives of 1,000,000 items, 50 positives of each row excluded, with log q"
    )
    yield rounds.fill(row, "ours", "batch")
    for each, setting in PYG_SETTINGS.items():
        name = f"PyG structured_negative_sampling, {each} edges a row"
        row = Row("negatives", WORK, name, setting, goal=40, amount=AMOUNT)
        if geometric[each] is None:
            row.note = "not installed"
            yield row
        else:
            yield rounds.fill(row, "ours", f"PyG {each}")


def one_row(budget: Budget) -> Iterator[Row]:
    """Yield the cost of a small call: one user's negatives, as asked for by the __getitem__ of a Dataset."""
    known = positives(FEW_USERS, ITEMS, EACH)
    sampler = new_sampler(known)
    p = zipf(ITEMS) ** 0.75
    cdf = p.cumsum()
    cdf /= cdf[-1]
    log_p = np.log(p / p.sum())
    rng = np.random.default_rng(1)
    users = cycle(rng.integers(0, FEW_USERS, 10_000).tolist())

    def numpy_row(user: int) -> tuple[np.ndarray, np.ndarray]:
        """Do as little as possible in NumPy. Its log q ignores the excluded mass."""
        mine = known[user]
        ids = cdf.searchsorted(rng.random(NEGATIVES), "right")
        while (bad := mine[mine.searchsorted(ids).clip(max=EACH - 1)] == ids).any():
            ids[bad] = cdf.searchsorted(rng.random(int(bad.sum())), "right")
        return ids, log_p[ids]

    rounds = alternate(
        {
            "ours": timer(lambda: sampler.sample(np.array([next(users)]), NEGATIVES)),
            "numpy": timer(lambda: numpy_row(next(users))),
        },
        budget,
    )
    work = f"1 row x {NEGATIVES} negatives"
    yield rounds.fill_time(Row("negatives", work, "", measure="us", goal=25, amount=NEGATIVES), "ours")
    setting = (
        "searchsorted in a kept CDF and in the row's positives, redraws; log q without the excluded mass"
    )
    row = Row("negatives", work, "NumPy, one row", setting, amount=NEGATIVES)
    row.headline = "1 row x 16 negatives, the same exclusions"
    yield rounds.fill(row, "ours", "numpy")


def run(budget: Budget) -> Iterator[Row]:
    yield from batches_of_rows(budget)
    yield from one_row(budget)
