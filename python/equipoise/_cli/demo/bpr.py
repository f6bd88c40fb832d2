"""Matrix factorization trained with BPR, in NumPy.

S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian personalized ranking from
implicit feedback", UAI 2009.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import AliasTable, NegativeSampler, _validate
from equipoise._cli.demo.splits import Split

__all__ = ["Adam", "Model", "Recipe", "pair_gradients", "train"]


Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
EPOCHS, DIM = 30, 64
BATCH = 1024  # pairs
LEARNING_RATE, REGULARIZATION = 0.005, 0.02
INITIAL_NORM = 0.1  # the approximate norm of a vector before training
POWER = 0.75  # exponent of the popularity, after word2vec (Mikolov et al., 2013)


@dataclass(frozen=True)
class Recipe:
    """A way to draw negatives, one for each positive pair, and to use them in the loss.

    Attributes
    ----------
    name : str
    popular : bool
        Whether items are drawn in proportion to popularity^POWER, where the popularity is the number of
        training users, instead of uniformly.
    exclude : bool
        Whether the user's training positives are excluded.
    correct : bool
        Whether the loss uses s - log q instead of the score s of an item, where q is the probability that
        the item is proposed. The loss drives its argument to log p(item | user) - log q, up to a constant.
        With the correction, s becomes log p(item | user); without it, s has the popularity divided out.
        (X. Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations",
        RecSys 2019.)
    """

    name: str
    popular: bool
    exclude: bool = True
    correct: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, whose scores are users @ items.T.

    The last column of ``users`` is 1, and that of ``items`` is the item's bias.

    Attributes
    ----------
    users : float32 ndarray of shape (num_users, dim + 1)
    items : float32 ndarray of shape (num_items, dim + 1)
    seconds : float
        The duration of the training.
    sampling_seconds : float
        The part of it spent on constructing the sampler and drawing.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    seconds: float
    sampling_seconds: float

    def scores(self, users: Ints) -> Floats:
        """Return the scores of all items for users of shape (b,), as float32 of shape (b, num_items)."""
        return self.users[users] @ self.items.T


def pair_gradients(
    user: Floats, positive: Floats, negative: Floats, log_q: Floats | float, regularization: float
) -> tuple[Floats, Floats, Floats]:
    """Return the gradients of the BPR loss for each pair.

    The loss is -log sigmoid(m) + regularization / 2 (|u|^2 + |i|^2 + |j|^2).

    Parameters
    ----------
    user, positive, negative : ndarray of shape (b, d)
        Vectors u, i and j; the margin is m = u . (i - j) - log_q.
    log_q : ndarray of shape (b,), or 0
        log(q_i / q_j) for proposal probabilities q, or 0 for no correction.
    regularization : float

    Returns
    -------
    tuple of three ndarrays of shape (b, d)
        The gradients of u, i and j.

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
    """Adam (D. P. Kingma and J. Ba, ICLR 2015), applied to the rows that a batch touches and to no others.

    Parameters
    ----------
    values : float ndarray of shape (n, d)
        The parameters, which each step changes in place.
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
        """Take a step, given gradients of shape (b, d) for ``rows``. Gradients of the same row are added."""
        row, gradient = _sum_by_row(rows, gradients)
        self._steps += 1
        mean = self.MEAN_DECAY * self._mean[row] + (1 - self.MEAN_DECAY) * gradient
        square = self.SQUARE_DECAY * self._square[row] + (1 - self.SQUARE_DECAY) * gradient**2
        self._mean[row], self._square[row] = mean, square
        unbias = (1 - self.SQUARE_DECAY**self._steps) ** 0.5 / (1 - self.MEAN_DECAY**self._steps)
        self._values[row] -= self._learning_rate * unbias * mean / (np.sqrt(square) + self.EPSILON)


def _sum_by_row(rows: Ints, gradients: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    """Return the distinct rows in ascending order, and the sum of each row's gradients."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    times = np.diff(begins, append=rows.size)
    total = gradients[order[begins]]
    # Few rows repeat in a batch, so this loop takes a sixth of np.add.reduceat's time.
    for k in range(1, times.max()):
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
        Passes over the positives, each in a new order; at least 1.
    dim : int
        Dimensions of the vectors; at least 1.
    seed, run : int
        In [0, 2^64). Runs with the same seed differ. All recipes with the same seed and run start from the
        same vectors and see the positives in the same order.
    progress : callable
        A function without arguments that is called after each epoch.

    Returns
    -------
    Model
        The same model, bit for bit, for the same arguments on the same machine.

    Raises
    ------
    TypeError, ValueError
        If epochs, dim, seed or run is not an integer, or is out of range.

    Examples
    --------
    >>> from equipoise._cli.demo.splits import Positives, Split
    >>> six_of_twelve = Positives(np.arange(0, 25, 6), np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] * 2))
    >>> split = Split(six_of_twelve, six_of_twelve, num_users=4, num_items=12, unknown=0, rule="")
    >>> model = train(split, Recipe("uniform", popular=False), epochs=60, dim=4)
    >>> np.sort(model.scores(np.array([0])).argsort()[0, -6:])  # the items of user 0
    array([0, 1, 2, 3, 4, 5])
    """
    epochs, dim = (_validate.as_count(epochs, "epochs", least=1), _validate.as_count(dim, "dim", least=1))
    seed, run = (_validate.as_count(x, name, most=2**64 - 1) for x, name in ((seed, "seed"), (run, "run")))
    rng = np.random.default_rng([seed, run])
    users = _vectors(rng, split.num_users, dim, bias=1)
    items = _vectors(rng, split.num_items, dim, bias=0)
    user_optimizer, item_optimizer = Adam(users, LEARNING_RATE), Adam(items, LEARNING_RATE)
    row = np.repeat(np.arange(split.num_users), np.diff(split.train.indptr))
    # A user who has taken every item has no negatives.
    trainable = np.flatnonzero(np.diff(split.train.indptr)[row] < split.num_items)

    start = time.perf_counter()
    table = AliasTable(split.popularity(), power=POWER) if recipe.popular else split.num_items
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
            grad_u, grad_i, grad_j = pair_gradients(
                users[u], items[i], items[j], log_q[i] - log_q[j] if recipe.correct else 0.0, REGULARIZATION
            )
            grad_u[:, -1] = 0  # keeps the 1 that multiplies an item's bias
            user_optimizer.step(u, grad_u)
            item_optimizer.step(np.concatenate((i, j)), np.concatenate((grad_i, grad_j)))
        progress()
    return Model(users, items, time.perf_counter() - start, sampling)


def _vectors(rng: np.random.Generator, n: int, dim: int, bias: float) -> NDArray[np.float32]:
    """Return n random vectors whose last column is ``bias``."""
    vectors = rng.normal(0, INITIAL_NORM / dim**0.5, (n, dim)).astype(np.float32)
    return np.hstack((vectors, np.full((n, 1), bias, np.float32)))
