"""A recommender trained on a log with the library's negatives, beside what recommends the most popular.

Matrix factorisation with pairwise loss: S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR:
Bayesian personalized ranking from implicit feedback", UAI 2009. ``run`` computes and returns plain numbers,
``render`` makes a page of them; ``equipoise demo --interactions FILE`` is the two.

The defaults were chosen on validation cuts inside the training parts of two logs (a shop's last month before
its test; Amazon's beauty products, each user's last item but one), for uniform negatives, and are the same
for what is compared with them. Dimensions and epochs are what two minutes allow: more still help slowly.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import AliasTable, NegativeSampler, __version__, _validate, backend
from equipoise._cli.demo.bpr import DIM, EPOCHS, POWER, Model, Recipe, _popularity, train
from equipoise._cli.demo.interactions import Positives, Split
from equipoise._cli.pages import _note, _table

__all__ = ["Metrics", "evaluate", "most_popular", "render", "run"]


CUTOFF = 20  # how many items are recommended
RUNS = 3
SCORES = 1 << 23  # held at a time
Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Scorer = Callable[[Ints], Floats]


RECIPES = (
    Recipe("uniform", popular=False),
    Recipe(f"popularity^{POWER}", popular=True),
    Recipe(f"popularity^{POWER}, no exclusion", popular=True, exclude=False),
    Recipe(f"popularity^{POWER}, less log q", popular=True, correct=True),
)


# ---- how good it is --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metrics:
    """Of the k best items for every user with test positives T, among all but the training positives.

    Attributes
    ----------
    recall : float
        The mean of |hits| / |T|.
    ndcg : float
        The mean of DCG / ideal DCG: hits at ranks r = 1 .. k count 1 / log2(r + 1); ideal are hits at
        ranks 1 .. min(|T|, k).
    coverage : float
        The share of all items that are recommended to someone.
    """

    recall: float
    ndcg: float
    coverage: float


def evaluate(score: Scorer, split: Split, k: int = CUTOFF) -> Metrics:
    """Rank all items, never a sample of them, for every user of the test.

    Parameters
    ----------
    score : callable
        Takes users of shape (b,), gives a new array of shape (b, num_items): their scores, higher is better.
    split : Split
    k : int
        How many items are recommended.

    Returns
    -------
    Metrics

    Examples
    --------
    >>> from equipoise._cli.demo.interactions import Positives, Split
    >>> train = Positives(indptr=np.array([0, 1]), indices=np.array([0]))
    >>> test = Positives(indptr=np.array([0, 2]), indices=np.array([2, 3]))
    >>> split = Split(train, test, num_users=1, num_items=4, unknown=0, rule="")
    >>> evaluate(lambda users: np.array([[9.0, 3.0, 2.0, 1.0]]), split, k=2)  # recommends 1 and 2
    Metrics(recall=0.5, ndcg=0.38685280723454163, coverage=0.5)
    """
    k = min(k, split.num_items)
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([0.0], gain.cumsum()))
    tested = np.flatnonzero(np.diff(split.test.indptr))
    recall, ndcg = np.empty(tested.size), np.empty(tested.size)
    recommended = np.zeros(split.num_items, dtype=np.bool_)
    step = max(1, SCORES // split.num_items)
    for begin in range(0, tested.size, step):
        users, part = tested[begin : begin + step], slice(begin, begin + step)
        scores = score(users)
        scores[_cells(split.train, users)] = -np.inf
        positive = np.zeros(scores.shape, dtype=np.bool_)
        positive[_cells(split.test, users)] = True
        best = np.argpartition(scores, split.num_items - k, axis=1)[:, split.num_items - k :]
        descending = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, descending, axis=1)
        hits = np.take_along_axis(positive, best, axis=1)
        num_positive = positive.sum(axis=1)
        recall[part] = hits.sum(axis=1) / num_positive
        ndcg[part] = hits @ gain / ideal[np.minimum(num_positive, k)]
        recommended[best[np.take_along_axis(scores, best, axis=1) > -np.inf]] = True
    return Metrics(float(recall.mean()), float(ndcg.mean()), float(recommended.mean()))


def _cells(positives: Positives, users: Ints) -> tuple[Ints, Ints]:
    """Rows and columns of the users' positives in a matrix with a row for each of ``users``."""
    begins, lengths = positives.indptr[users], np.diff(positives.indptr)[users]
    rows = np.repeat(np.arange(users.size), lengths)
    within = np.arange(rows.size) - np.repeat(lengths.cumsum() - lengths, lengths)
    return rows, positives.indices[np.repeat(begins, lengths) + within]


def most_popular(split: Split) -> Scorer:
    """Scores an item, for everybody, by its training users; of equally popular ones the first is better.

    Examples
    --------
    >>> from equipoise._cli.demo.interactions import Positives, Split
    >>> train = Positives(np.array([0, 2, 4]), np.array([1, 2, 0, 2]))
    >>> split = Split(train, train, num_users=2, num_items=4, unknown=0, rule="")
    >>> most_popular(split)(np.array([0])).argsort()[0, ::-1]
    array([2, 0, 1, 3])
    """
    rank = np.empty(split.num_items)
    rank[np.argsort(-_popularity(split), kind="stable")] = np.arange(split.num_items)
    return lambda users: np.tile(-rank, (users.size, 1))


# ---- the comparison --------------------------------------------------------------------------------------


def run(
    split: Split,
    *,
    epochs: int = EPOCHS,
    dim: int = DIM,
    seed: int = 0,
    progress: Callable[[str, int, int], object] = lambda name, done, total: None,
) -> dict[str, Any]:
    """Everything that the comparison shows, as numbers, strings, lists and dicts that JSON can hold.

    All but the seconds and their shares is a function of the arguments, on one machine: NumPy and the library
    that multiplies its matrices may round in another way on another. ``progress`` is told the name of what is
    trained, and how many epochs of how many are done.
    """
    _load_kernels()
    epochs = _validate.as_count(epochs, "epochs", least=1)
    total = len(RECIPES) * RUNS * epochs
    rows: list[dict[str, Any]] = [
        {
            "name": "most popular",
            **_spread([evaluate(most_popular(split), split)] * RUNS),
            "training_seconds": None,
            "sampling_share": None,
        }
    ]
    done = 0
    for recipe in RECIPES:
        models: list[Model] = []
        metrics: list[Metrics] = []
        for r in range(RUNS):

            def advance(label: str = f"{recipe.name}, run {r + 1} of {RUNS}") -> None:
                nonlocal done
                done += 1
                progress(label, done, total)

            models.append(train(split, recipe, epochs=epochs, dim=dim, seed=seed, run=r, progress=advance))
            metrics.append(evaluate(models[-1].scores, split))
        seconds = sum(model.seconds for model in models)
        rows.append(
            {
                "name": recipe.name,
                **_spread(metrics),
                "training_seconds": seconds / RUNS,
                "sampling_share": sum(model.sampling_seconds for model in models) / seconds,
            }
        )
    return {
        "version": __version__,
        "backend": backend(),
        "seed": seed,
        "runs": RUNS,
        "cutoff": CUTOFF,
        "epochs": epochs,
        "dim": dim,
        "split": {
            "rule": split.rule,
            "users": split.num_users,
            "items": split.num_items,
            "train_pairs": split.train.indices.size,
            "test_users": int(np.count_nonzero(np.diff(split.test.indptr))),
            "test_pairs": split.test.indices.size,
            "unknown_pairs": split.unknown,
        },
        "negatives": rows,
    }


def _load_kernels() -> None:
    """So that the first training's sampling is not charged with it: Numba's take a second, or compile."""
    for items in (2, AliasTable([1, 1], power=POWER)):
        for exclude in (None, ([0, 1], [0])):
            NegativeSampler(items, exclude=exclude).sample([0], 1)


def _spread(metrics: list[Metrics]) -> dict[str, Any]:
    """Of each metric its mean, its standard deviation (divisor n - 1), and the n runs."""
    columns = {name: [getattr(m, name) for m in metrics] for name in ("recall", "ndcg", "coverage")}
    spread: dict[str, Any] = {}
    for name, values in columns.items():
        spread |= {name: mean(values), f"{name}_sd": stdev(values), f"{name}_runs": values}
    return spread


def render(result: dict[str, Any]) -> str:
    """The result of ``run`` as a page of ASCII text, lines of at most 100 characters.

    Examples
    --------
    See ``equipoise demo --interactions``.
    """
    split, k = result["split"], result["cutoff"]
    return "\n".join(
        [
            f"equipoise {result['version']} demo, backend {result['backend']}, seed {result['seed']}",
            *textwrap.wrap(
                f"{split['train_pairs']:,} pairs of {split['users']:,} users and {split['items']:,} items, "
                f"{split['rule']}: {split['test_pairs']:,} pairs of {split['test_users']:,} users; "
                f"{split['unknown_pairs']:,} more have a user or an item that is new.",
                width=98,
            ),
            "",
            *_table(
                result["negatives"],
                ("name", "negatives", "s"),
                ("recall", f"Recall@{k}", ".4f"),
                ("recall_sd", "sd", ".4f"),
                ("ndcg", f"NDCG@{k}", ".4f"),
                ("ndcg_sd", "sd", ".4f"),
                ("coverage", "coverage", ".1%"),
                ("coverage_sd", "sd", ".1%"),
                ("training_seconds", "time", ".1f"),
                ("sampling_share", "sampling", ".1%"),
            ),
            *_note(
                f"BPR matrix factorisation, {result['dim']} dimensions, "
                f"{result['epochs']} epoch{'' if result['epochs'] == 1 else 's'}, one negative a pair. "
                f"Means and standard deviations of {result['runs']} runs; all items are ranked, less the "
                "user's training positives. Time: seconds of training; sampling: its share."
            ),
        ]
    )
