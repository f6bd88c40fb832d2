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
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import AliasTable, NegativeSampler, __version__, _validate, backend
from equipoise.demo import _note, _table
from equipoise.interactions import Positives, Split

__all__ = [
    "Adam",
    "Metrics",
    "Model",
    "Recipe",
    "evaluate",
    "most_popular",
    "pair_gradients",
    "render",
    "run",
    "train",
]

CUTOFF = 20  # how many items are recommended
RUNS = 3
EPOCHS, DIM = 30, 64
BATCH = 1024  # pairs
LEARNING_RATE, REGULARIZATION = 0.005, 0.02
INITIAL_NORM = 0.1  # of a vector, about
POWER = 0.75  # of the popularity, after word2vec (Mikolov et al., 2013)
SCORES = 1 << 23  # held at a time

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Scorer = Callable[[Ints], Floats]


# ---- the model -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How negatives are drawn, one for each positive pair, and used.

    Attributes
    ----------
    name : str
    popular : bool
        In proportion to popularity^POWER, the number of training users of an item; else uniformly.
    exclude : bool
        Never a training positive of the user.
    correct : bool
        Give the loss s - log q for the score s of an item, q the probability that it is proposed. The loss
        makes what it is given log p(item | user) - log q, up to a constant, so that s becomes
        log p(item | user); uncorrected, s itself has the popularity taken out. (X. Yi et al.,
        "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019.)
    """

    name: str
    popular: bool
    exclude: bool = True
    correct: bool = False


RECIPES = (
    Recipe("uniform", popular=False),
    Recipe(f"popularity^{POWER}", popular=True),
    Recipe(f"popularity^{POWER}, no exclusion", popular=True, exclude=False),
    Recipe(f"popularity^{POWER}, less log q", popular=True, correct=True),
)


@dataclass(frozen=True, eq=False)
class Model:
    """Scores are users @ items.T: inner product and, by the last column (1 for a user), the item's bias.

    Attributes
    ----------
    users : float32 ndarray of shape (num_users, dim + 1)
    items : float32 ndarray of shape (num_items, dim + 1)
    seconds, sampling_seconds : float
        Training took, and of these the sampler's construction and its draws.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    seconds: float
    sampling_seconds: float

    def scores(self, users: Ints) -> Floats:
        """Of all items, for users of shape (b,): float32 of shape (b, num_items)."""
        return self.users[users] @ self.items.T


def pair_gradients(
    user: Floats, positive: Floats, negative: Floats, log_q: Floats | float, regularization: float
) -> tuple[Floats, Floats, Floats]:
    """Gradients of BPR's loss of each pair: -log sigmoid(m) + regularization / 2 (|u|^2 + |i|^2 + |j|^2).

    Parameters
    ----------
    user, positive, negative : ndarray of shape (b, d)
        Vectors u, i and j; the margin is m = u . (i - j) - log_q.
    log_q : ndarray of shape (b,), or 0
        log(q_i / q_j) for proposals q; 0 leaves q in what the scores mean.
    regularization : float

    Returns
    -------
    tuple of three ndarrays of shape (b, d)
        For u, i and j.

    Examples
    --------
    >>> u, i, j = np.array([[2.0, 1.0]]), np.array([[0.5, 1.0]]), np.array([[1.0, 0.0]])
    >>> pair_gradients(u, i, j, 0.0, 0.0)[0]  # m = 0: half of j - i
    array([[ 0.25, -0.5 ]])
    """
    difference = positive - negative
    margin = np.einsum("bd,bd->b", user, difference) - log_q
    slope = (np.tanh(margin / 2) - 1)[:, np.newaxis] / 2  # -sigmoid(-m), without overflow
    pull = slope * user
    return (
        slope * difference + regularization * user,
        regularization * positive + pull,
        regularization * negative - pull,
    )


class Adam:
    """Adam (D. P. Kingma and J. Ba, ICLR 2015) on the rows that a batch touches; the others stay as they are.

    Parameters
    ----------
    values : float ndarray of shape (n, d)
        Changed in place.
    learning_rate : float

    Examples
    --------
    >>> values = np.zeros((4, 2))
    >>> Adam(values, 0.5).step(np.array([3, 1, 3]), np.array([[1.0, 0.0], [0.0, -4.0], [1.0, 0.0]]))
    >>> values.round(6)
    array([[ 0. ,  0. ],
           [ 0. ,  0.5],
           [ 0. ,  0. ],
           [-0.5,  0. ]])
    """

    MEAN_DECAY, SQUARE_DECAY, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, values: NDArray[Any], learning_rate: float) -> None:
        self._values, self._learning_rate = values, learning_rate
        self._mean, self._square, self._steps = np.zeros_like(values), np.zeros_like(values), 0

    def step(self, rows: Ints, gradients: NDArray[Any]) -> None:
        """Descend by gradients of shape (b, d), each of one of ``rows``; those of one row are added up."""
        row, gradient = _sum_by_row(rows, gradients)
        self._steps += 1
        mean = self.MEAN_DECAY * self._mean[row] + (1 - self.MEAN_DECAY) * gradient
        square = self.SQUARE_DECAY * self._square[row] + (1 - self.SQUARE_DECAY) * gradient**2
        self._mean[row], self._square[row] = mean, square
        unbias = (1 - self.SQUARE_DECAY**self._steps) ** 0.5 / (1 - self.MEAN_DECAY**self._steps)
        self._values[row] -= self._learning_rate * unbias * mean / (np.sqrt(square) + self.EPSILON)


def _sum_by_row(rows: Ints, gradients: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    """The distinct rows, ascending, and the sum of each one's gradients: its first, its second, and so on."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    times = np.diff(begins, append=rows.size)
    total = gradients[order[begins]]
    for k in range(1, times.max()):  # rows rarely meet in a batch: a sixth of the time of np.add.reduceat
        again = np.flatnonzero(times > k)
        total[again] += gradients[order[begins[again] + k]]
    return ordered[begins], total


def train(
    split: Split,
    recipe: Recipe,
    *,
    epochs: int = EPOCHS,
    dim: int = DIM,
    seed: int = 0,
    run: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> Model:
    """Fit the model to a split's training positives.

    Parameters
    ----------
    split : Split
    recipe : Recipe
    epochs : int
        >= 1, passes over the positives, each in a new order.
    dim : int
        >= 1, of the vectors.
    seed, run : int
        In [0, 2^64). Runs of one seed differ; recipes of one seed and run start from the same vectors and see
        the positives in the same order.
    progress : callable
        Called after each epoch.

    Returns
    -------
    Model
        The same bits for the same arguments on the same machine.

    Raises
    ------
    TypeError, ValueError
        epochs, dim, seed or run no integer, or out of range.

    Examples
    --------
    >>> from equipoise.interactions import Positives, Split
    >>> six_of_twelve = Positives(np.arange(0, 25, 6), np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] * 2))
    >>> split = Split(six_of_twelve, six_of_twelve, num_users=4, num_items=12, unknown=0, rule="")
    >>> model = train(split, Recipe("uniform", popular=False), epochs=60, dim=4)
    >>> np.sort(model.scores(np.array([0])).argsort()[0, -6:])  # what user 0 has
    array([0, 1, 2, 3, 4, 5])
    """
    epochs, dim = (_validate.as_count(epochs, "epochs", least=1), _validate.as_count(dim, "dim", least=1))
    seed, run = (_validate.as_count(x, name, most=2**64 - 1) for x, name in ((seed, "seed"), (run, "run")))
    rng = np.random.default_rng([seed, run])
    users = _vectors(rng, split.num_users, dim, bias=1)
    items = _vectors(rng, split.num_items, dim, bias=0)
    steps_of_users, steps_of_items = Adam(users, LEARNING_RATE), Adam(items, LEARNING_RATE)
    row = np.repeat(np.arange(split.num_users), np.diff(split.train.indptr))
    trainable = np.flatnonzero(np.diff(split.train.indptr)[row] < split.num_items)  # has some negative

    start = time.perf_counter()
    table = AliasTable(_popularity(split), power=POWER) if recipe.popular else split.num_items
    exclude = split.train if recipe.exclude else None
    sampler = NegativeSampler(table, exclude=exclude, seed=seed, stream=run)
    sampling = time.perf_counter() - start
    log_q = sampler.log_prob(np.arange(split.num_items)).astype(np.float32)

    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        order = rng.permutation(trainable)
        for pairs in np.split(order, range(BATCH, order.size, BATCH)):
            u, i = row[pairs], split.train.indices[pairs]
            before = time.perf_counter()
            j = sampler.sample(u, 1).ids[:, 0]
            sampling += time.perf_counter() - before
            of_u, of_i, of_j = pair_gradients(
                users[u], items[i], items[j], log_q[i] - log_q[j] if recipe.correct else 0.0, REGULARIZATION
            )
            of_u[:, -1] = 0  # the 1 that an item's bias is multiplied by
            steps_of_users.step(u, of_u)
            steps_of_items.step(np.concatenate((i, j)), np.concatenate((of_i, of_j)))
        progress()
    return Model(users, items, time.perf_counter() - start, sampling)


def _vectors(rng: np.random.Generator, n: int, dim: int, bias: float) -> NDArray[np.float32]:
    vectors = rng.normal(0, INITIAL_NORM / dim**0.5, (n, dim)).astype(np.float32)
    return np.hstack((vectors, np.full((n, 1), bias, np.float32)))


def _popularity(split: Split) -> Ints:
    return np.bincount(split.train.indices, minlength=split.num_items)


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
    >>> from equipoise.interactions import Positives, Split
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
    >>> from equipoise.interactions import Positives, Split
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
