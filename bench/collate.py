"""NegativeCollate: 16 negatives for each of 8192 rows (index, user, item), alone and in a DataLoader.

Run ``python -m bench.run --only collate``. There are 1,000,000 items, and each of 50,000 users has 50 known
positives, one of which is the row's own item. All sides give the same tensors, log q included.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain, cycle
from typing import Any

import numpy as np

import equipoise

from .harness import Budget, Row, Timer, alternate, optional, positives, timer, zipf
from .negatives import EACH, NEGATIVES, NumpyRejection
from .two_threads import duel, print_rows, rows_of

ITEMS, USERS, BATCH = 1_000_000, 50_000, 8192
IN_A_PASS = 32  # batches
AMOUNT = BATCH * NEGATIVES
ALONE = f"{BATCH} rows x {NEGATIVES} negatives, one call"
LOADED = f"{BATCH} rows x {NEGATIVES} negatives, a batch of a DataLoader with 2 workers"
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
SETS = "the user's positives in a set; a slot is drawn by int(random.random() * n) until it is not in the set"
BULK = "the same sets; one call of NumPy proposes for all slots, and a loop over rows calls isdisjoint"
CDF = "proposals from a kept CDF, by searchsorted; the batch's pairs in sorted keys; redraws of the rejected"
ALIAS = "the same with a kept alias table instead of the CDF"


def tensors(index: Any, user: Any, item: Any, ids: Any, log_q: Any) -> dict[str, Any]:
    import torch

    columns = {"index": index, "user": user, "item": item, "negatives": ids, "log_q": log_q}
    made = {name: torch.from_numpy(column) for name, column in columns.items()}
    return made | {"mask": torch.ones(made["log_q"].shape, dtype=torch.bool)}


class Sets:
    """Loops of Python over sets. Items are drawn uniformly, and log q is -log(n - 50) in every slot."""

    def __init__(self, known: np.ndarray) -> None:
        self.known = [set(row) for row in known.tolist()]
        self.log_q = np.full((BATCH, NEGATIVES), -np.log(ITEMS - EACH), np.float32)
        self.rng = np.random.default_rng(1)

    def by_slot(self, users: list[int]) -> list[list[int]]:
        drawn, draw = [], random.random
        for user in users:
            known, row = self.known[user], []
            for _ in range(NEGATIVES):
                item = int(draw() * ITEMS)
                while item in known:
                    item = int(draw() * ITEMS)
                row.append(item)
            drawn.append(row)
        return drawn

    def in_bulk(self, users: list[int]) -> np.ndarray:
        ids = self.rng.integers(0, ITEMS, (len(users), NEGATIVES))
        for at, (user, row) in enumerate(zip(users, ids.tolist(), strict=True)):
            known = self.known[user]
            if not known.isdisjoint(row):
                for slot, item in enumerate(row):
                    while item in known:
                        item = ids[at, slot] = int(random.random() * ITEMS)  # noqa: PLW2901
        return ids

    def collate(self, batch: list[tuple[int, int, int]] | Batch, draw: Callable[..., Any]) -> dict[str, Any]:
        columns = batch if isinstance(batch, tuple) else np.array(list(chain(*batch))).reshape(-1, 3).T.copy()
        users = batch[1].tolist() if isinstance(batch, tuple) else [row[1] for row in batch]
        return tensors(*columns, np.array(draw(users)), self.log_q)

    def slots(self, batch: Any) -> dict[str, Any]:
        return self.collate(batch, self.by_slot)

    def bulk(self, batch: Any) -> dict[str, Any]:
        return self.collate(batch, self.in_bulk)


class Vectorized:
    """The code of a careful NumPy user, as in the benchmark of negatives."""

    def __init__(self, known: np.ndarray) -> None:
        p = zipf(ITEMS) ** 0.75
        self.rival = NumpyRejection(known, p / p.sum())

    def cdf(self, batch: Batch) -> dict[str, Any]:
        return tensors(*batch, *self.rival.batch_keys(batch[1], self.rival.propose_cdf))

    def alias(self, batch: Batch) -> dict[str, Any]:
        return tensors(*batch, *self.rival.batch_keys(batch[1], self.rival.propose_alias))


class Data:
    """A data set whose ``__getitems__`` returns three arrays."""

    def __init__(self, known: np.ndarray) -> None:
        rng = np.random.default_rng(2)
        self.users = rng.integers(0, USERS, IN_A_PASS * BATCH)
        self.items = known[self.users, rng.integers(0, EACH, self.users.size)].astype(np.int64)

    def __len__(self) -> int:
        return self.users.size

    def __getitems__(self, indices: Any) -> Batch:
        at = np.array(indices)
        return at, self.users[at], self.items[at]


def draw_nothing(batch: Batch) -> dict[str, Any]:
    ids, log_q = np.zeros((BATCH, NEGATIVES), np.int64), np.zeros((BATCH, NEGATIVES), np.float32)
    return tensors(*batch, ids, log_q)


def draw_nothing_shared(batch: Batch) -> dict[str, Any]:
    """Do the same in one piece of shared memory, as NegativeCollate does."""
    import torch

    room = torch.zeros(BATCH * (3 * 8 + NEGATIVES * 13), dtype=torch.uint8).share_memory_()
    *columns, ids, log_q, mask = room.split([BATCH * 8] * 3 + [AMOUNT * size for size in (8, 4, 1)])
    made = [part.view(torch.int64) for part in columns]
    for part, column in zip(made, batch, strict=True):
        part.numpy()[:] = column
    each = [part.view(kind).view(BATCH, -1) for part, kind in ((ids, torch.int64), (log_q, torch.float32))]
    parts = [*made, *each, mask.fill_(1).view(torch.bool).view(BATCH, -1)]
    names = ("index", "user", "item", "negatives", "log_q", "mask")
    return dict(zip(names, parts, strict=True))


def ours(known: np.ndarray, items: Any) -> Any:
    from equipoise.torch import NegativeCollate

    exclude = np.arange(0, known.size + 1, EACH), known.ravel()
    return NegativeCollate(equipoise.NegativeSampler(items, exclude=exclude), NEGATIVES, key="batch")


def check(made: dict[str, Any], known: np.ndarray, log_q: float | None) -> None:
    """Assert that a batch has the tensors that all sides make, and no positive."""
    assert [str(tensor.dtype) for tensor in made.values()] == [f"torch.{x}" for x in KINDS]
    ids, users = made["negatives"][:200].numpy(), made["user"][:200].numpy()
    assert not (known[users][:, :, None] == ids[:, None, :]).any()
    assert log_q is None or np.allclose(made["log_q"], log_q, atol=1e-4)


KINDS = ("int64", "int64", "int64", "int64", "float32", "bool")


def alone(budget: Budget) -> Iterator[Row]:
    known = positives(USERS, ITEMS, EACH)
    data, sets, vectorized = Data(known), Sets(known), Vectorized(known)
    uniform, weighted = ours(known, ITEMS), ours(known, equipoise.AliasTable(zipf(ITEMS), power=0.75))
    columns = [data.__getitems__(range(at, at + BATCH)) for at in range(0, len(data), BATCH)]
    rows = [list(zip(*(column.tolist() for column in batch), strict=True)) for batch in columns]
    for collate in (uniform, sets.slots, sets.bulk):
        check(collate(rows[0]), known, -np.log(ITEMS - EACH))
    for collate in (weighted, vectorized.cdf, vectorized.alias):
        check(collate(columns[0]), known, None)

    def clock(collate: Callable[[Any], object], batches: list[Any]) -> Timer:
        given = cycle(batches)
        return timer(lambda: collate(next(given)))

    for given, name in ((columns, "three arrays"), (rows, "a list of rows")):
        forms = {"slots": clock(sets.slots, given), "bulk": clock(sets.bulk, given)}
        rounds = alternate({"ours": clock(uniform, given)} | forms, budget)
        row = Row("collate", f"{ALONE}, uniform, {name}", "Python loop over sets", SETS, amount=AMOUNT)
        if given is columns:
            row.goal = 20
        yield rounds.fill(row, "ours", "slots")
        rival = "Python loop over sets, NumPy's proposals"
        row = Row("collate", f"{ALONE}, uniform, {name}", rival, BULK, amount=AMOUNT)
        yield rounds.fill(row, "ours", "bulk")

    forms = {"cdf": clock(vectorized.cdf, columns), "alias": clock(vectorized.alias, columns)}
    rounds = alternate({"ours": clock(weighted, columns)} | forms, budget)
    work = f"{ALONE}, popularity^0.75, three arrays"
    row = Row("collate", work, "NumPy, kept CDF", CDF, goal=10, amount=AMOUNT)
    yield rounds.fill(row, "ours", "cdf")
    yield rounds.fill(Row("collate", work, "NumPy, kept alias table", ALIAS, amount=AMOUNT), "ours", "alias")


def passes(data: Data, collate: Callable[[Any], object]) -> Callable[[], None]:
    """Return a function that takes all batches of a loader, whose workers are kept."""
    from torch.utils.data import DataLoader

    settings: dict[str, Any] = {"num_workers": 2, "persistent_workers": True, "timeout": 300}
    settings["multiprocessing_context"] = "fork"
    loader: Any = DataLoader(data, BATCH, collate_fn=collate, **settings)  # type: ignore[arg-type]

    def run() -> None:
        for batch in loader:
            assert len(batch) == len(KINDS)

    run()
    return run


def loaded(budget: Budget) -> Iterator[Row]:
    import torch

    torch.set_num_threads(1)
    known = positives(USERS, ITEMS, EACH)
    data, sets, vectorized = Data(known), Sets(known), Vectorized(known)
    nothing, nothing_shared = passes(data, draw_nothing), passes(data, draw_nothing_shared)
    uniform = passes(data, ours(known, ITEMS))
    weighted = passes(data, ours(known, equipoise.AliasTable(zipf(ITEMS), power=0.75)))

    def row(items: str, rival: str, setting: str, measure: str, goal: float | None) -> Row:
        return Row("collate", f"{LOADED}, {items}", rival, setting, measure, goal, AMOUNT)

    each = "popularity^0.75"
    for made, mine, rival in (
        (row("uniform", "Python loop over sets", SETS, "speedup", 5), uniform, sets.slots),
        (
            row("uniform", "Python loop over sets, NumPy's proposals", BULK, "speedup", None),
            uniform,
            sets.bulk,
        ),
        (row(each, "NumPy, kept CDF", CDF, "speedup", 4), weighted, vectorized.cdf),
        (row(each, "NumPy, kept alias table", ALIAS, "speedup", None), weighted, vectorized.alias),
    ):
        yield a_batch(duel(made, mine, passes(data, rival), budget))
    least = "a collate function that draws nothing"
    for items, mine in (("uniform", uniform), (each, weighted)):
        made = row(items, least, "six tensors of zeros", "slowdown", 1.5)
        yield a_batch(duel(made, mine, nothing, budget))
        made = row(items, f"{least}, shared memory", "the same in one piece of it", "slowdown", None)
        yield a_batch(duel(made, mine, nothing_shared, budget))


def a_batch(row: Row) -> Row:
    """Return a row of passes as one of batches. The CPU time of the workers is not known here."""
    assert row.ours is not None
    assert row.theirs is not None
    row.ours, row.theirs, row.cpu = row.ours / IN_A_PASS, row.theirs / IN_A_PASS, None
    return row


def run(budget: Budget) -> Iterator[Row]:
    if optional("torch") is None:
        yield Row("collate", ALONE, "Python loop over sets", note="torch is not installed")
        return
    yield from alone(budget)
    yield from rows_of("collate", budget)


if __name__ == "__main__":
    print_rows(loaded)
