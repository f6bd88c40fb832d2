"""The library's main tasks on real data: measure a log, draw negatives, reweight it, keep a sample.

``run`` computes plain numbers, and ``open_bandit_page.render`` renders them as a page.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import AliasTable, ClassReservoir, NegativeSampler, __version__, backend
from equipoise._cli.pages import Row
from equipoise.datasets.open_bandit import CAMPAIGNS, NUM_ITEMS, POLICIES, OpenBandit, load_open_bandit

__all__ = ["effective_sample_size", "gini", "run"]


POWER = 0.75  # exponent of the popularity, after word2vec (Mikolov et al., 2013)
NEGATIVES_PER_CLICK = 10_000
DRAWS = 1_000_000
BATCH = (8192, 16)  # rows, negatives for each row
KEPT, CHUNKS = 1000, 24  # rows kept of each class; parts in which the log is read
REPEATS = 7
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def gini(x: Iterable[float]) -> float:
    """Return the Gini coefficient of n non-negative numbers.

    The coefficient is 0 if all numbers are equal, and (n - 1) / n if all but one are 0.

    Examples
    --------
    >>> gini([5, 5, 5, 5]), gini([0, 0, 0, 9])
    (0.0, 0.75)
    """
    ascending = np.sort(np.asarray(x, dtype=np.float64))
    n = ascending.size
    rank = np.arange(1, n + 1)
    return float((2 * rank - n - 1) @ ascending / (n * ascending.sum()))


def effective_sample_size(weights: Floats) -> float:
    """Return Kish's effective sample size, (sum w)^2 / sum w^2.

    This is the number of equally weighted rows that would carry as much information.

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 1.0, 1.0])), effective_sample_size(np.array([1.0, 0.0]))
    (4.0, 1.0)
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def run(seed: int = 0, progress: Callable[[str], object] = lambda line: None) -> dict[str, Any]:
    """Compute everything that the demo shows.

    Parameters
    ----------
    seed : int
        In [0, 2^64).
    progress : callable
        Called with a line of text before each step.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts that JSON can hold. Everything but ``throughput`` is a function of
        the seed.
    """
    rng = np.random.default_rng(seed)
    progress("1/5 how imbalanced the log is")
    log = load_open_bandit()
    about = {
        "rows": len(log),
        "clicks": int(log.click.sum()),
        "first": str(log.timestamp.min()),
        "last": str(log.timestamp.max()),
    }
    classes, exposure = class_balance(log, rng), item_exposure(log)
    progress("2/5 negatives that the user segment has not clicked")
    checks, shares = negatives(log, seed)
    progress("3/5 weighting by inverse propensity")
    reweighting = inverse_propensity(log, rng)
    progress("4/5 a class-balanced reservoir, in one pass")
    kept = class_reservoir(log, seed)
    progress("5/5 draws per second")
    return {
        "version": __version__,
        "backend": backend(),
        "seed": seed,
        "log": about,
        "classes": classes,
        "exposure": exposure,
        "negatives": {"power": POWER, "per_click": NEGATIVES_PER_CLICK, "items": shares, "checks": checks},
        "inverse_propensity": {"draws": DRAWS, "arms": reweighting},
        "reservoir": kept,
        "throughput": {"repeats": REPEATS, "cases": throughput(log, seed)},
    }


def class_balance(log: OpenBandit, rng: np.random.Generator) -> dict[str, Any]:
    """Count the two classes, and draw rows with the balanced weight n / (2 n_class)."""
    counts = np.bincount(log.click, minlength=2)
    balanced = len(log) / (2 * counts)
    weights = balanced[log.click]
    drawn = np.bincount(log.click[AliasTable(weights).sample(DRAWS, rng=rng)], minlength=2)
    rows = [
        {
            "class": name,
            "rows": int(counts[c]),
            "share": float(counts[c] / len(log)),
            "balanced_weight": float(balanced[c]),
            "drawn_share": float(drawn[c] / DRAWS),
        }
        for c, name in enumerate(("no click", "click"))
    ]
    return {
        "ratio": float(counts.max() / counts.min()),
        "draws": DRAWS,
        "effective_sample_size": effective_sample_size(weights),
        "rows": rows,
    }


def item_exposure(log: OpenBandit) -> list[Row]:
    """Measure how unevenly each arm's items were shown, and how unevenly popularity^POWER proposes them."""
    rows: list[Row] = []
    for policy in POLICIES:
        for campaign in CAMPAIGNS:
            arm = log.where(policy=policy, campaign=campaign)
            shown = _times_shown(arm, campaign)
            head = math.ceil(shown.size / 10)
            rows.append(
                {
                    "campaign": campaign,
                    "policy": policy,
                    "clicks": int(arm.click.sum()),
                    "click_rate": float(arm.click.mean()),
                    "items": shown.size,
                    "top_tenth_share": float(np.sort(shown)[-head:].sum() / shown.sum()),
                    "gini": gini(shown),
                    "proposal_gini": gini(AliasTable(shown, power=POWER).prob(np.arange(shown.size))),
                }
            )
    return rows


def negatives(log: OpenBandit, seed: int) -> tuple[list[Row], list[Row]]:
    """Draw negatives for every click in proportion to popularity^POWER, and check them.

    An item that the click's user segment has clicked is never drawn. ``log_q`` is checked twice: against
    NumPy's log(p_i / (1 - q)), and against the draws, with Pearson's chi-square over every segment and item
    that can be drawn.

    Returns
    -------
    checks : list of dict
        One row for each campaign.
    shares : list of dict
        The shares of the items that were shown most and least.
    """
    checks: list[Row] = []
    shares: list[Row] = []
    for campaign in CAMPAIGNS:
        shown, segments, clicked = _training_pairs(log, campaign)
        num_segments, n = clicked.shape
        sampler = NegativeSampler(AliasTable(shown, power=POWER), exclude=_csr(clicked), seed=seed)
        answer = sampler.sample(segments, NEGATIVES_PER_CLICK)

        cell = (segments[:, np.newaxis] * n + answer.ids).ravel()
        drawn = np.bincount(cell, minlength=clicked.size).reshape(clicked.shape)
        draws = drawn.sum(axis=1)
        reference = _log_q(shown, clicked)
        log_q = reference.copy()
        # Items that were never drawn for a segment keep the reference.
        log_q.flat[cell] = answer.log_q.ravel()
        error = np.abs(answer.log_q.ravel() - reference.flat[cell])

        allowed = ~clicked
        expected = draws[:, np.newaxis] * np.exp(log_q)
        chi_square = float(((drawn - expected)[allowed] ** 2 / expected[allowed]).sum())
        degrees = int(allowed.sum()) - num_segments
        checks.append(
            {
                "campaign": campaign,
                "segments": num_segments,
                "clicks": segments.size,
                "excluded_pairs": int(clicked.sum()),
                "draws": int(draws.sum()),
                "excluded_drawn": int(drawn[clicked].sum()),
                "log_q_error": float(error[allowed.flat[cell]].max()),
                "least_expected": float(expected[allowed].min()),
                "chi_square": chi_square,
                "degrees_of_freedom": degrees,
                "z": standardized(chi_square, degrees),
            }
        )
        order = np.argsort(-shown, kind="stable")
        proposal = shown**POWER / np.sum(shown**POWER)
        shares += [
            {
                "campaign": campaign,
                "item": int(i),
                "logged_share": float(shown[i] / shown.sum()),
                "proposal_share": float(proposal[i]),
                "excluded_for": float(draws[clicked[:, i]].sum() / draws.sum()),
                "expected_share": float(expected[allowed[:, i], i].sum() / draws.sum()),
                "drawn_share": float(drawn[:, i].sum() / draws.sum()),
            }
            for i in (*order[:3], *order[-2:])
        ]
    return checks, shares


def inverse_propensity(log: OpenBandit, rng: np.random.Generator) -> list[Row]:
    """Draw rows of the Thompson sampling arms as if their items had been shown uniformly.

    A row has the weight (1 / items) / propensity. Each arm is drawn twice: with its weights as they are, and
    with weights clipped at sqrt(rows) (Ionides, "Truncated importance sampling", 2008).
    """
    rows: list[Row] = []
    for campaign in CAMPAIGNS:
        arm = log.where(policy="bts", campaign=campaign)
        uniform = log.where(policy="random", campaign=campaign)
        weights = _inverse_propensities(arm, campaign)
        limit = math.sqrt(len(arm))
        for clip in (None, limit):
            used = weights if clip is None else np.minimum(weights, clip)
            by_weight = np.bincount(arm.item_id, weights=used, minlength=NUM_ITEMS[campaign])
            drawn = arm.item_id[AliasTable(used).sample(DRAWS, rng=rng)]
            rows.append(
                {
                    "campaign": campaign,
                    "clip": clip,
                    "rows": len(arm),
                    "rows_clipped": int((used < weights).sum()),
                    "least_propensity": float(arm.propensity.min()),
                    "heaviest_row_share": float(used.max() / used.sum()),
                    "gini_logged": gini(_times_shown(arm, campaign)),
                    "gini_by_weight": gini(by_weight),
                    "gini_drawn": gini(np.bincount(drawn, minlength=by_weight.size)),
                    "gini_random_arm": gini(_times_shown(uniform, campaign)),
                    "effective_sample_size": effective_sample_size(used),
                }
            )
    return rows


def class_reservoir(log: OpenBandit, seed: int) -> dict[str, Any]:
    """Keep at most KEPT rows of each class in one pass, and estimate figures of the whole log from them.

    Rows of rarely shown items are more likely to be kept. The numbers of rows and clicks of a campaign are
    Horvitz-Thompson estimates, and the click rate is their ratio.
    """
    weights = np.empty(len(log))
    for c, campaign in enumerate(CAMPAIGNS):
        arm = log.campaign == c
        limit = math.sqrt(arm.sum() / len(POLICIES))
        weights[arm] = np.minimum(1 / NUM_ITEMS[campaign] / log.propensity[arm], limit)
    reservoir = ClassReservoir(KEPT, num_classes=2, seed=seed)
    for chunk in np.array_split(np.arange(len(log)), CHUNKS):
        reservoir.update(log.click[chunk], weights[chunk])
    sample = reservoir.sample()
    assert sample.classes is not None
    classes = []
    for c, name in enumerate(("no click", "click")):
        inclusion = sample.inclusion[sample.classes == c]
        classes.append(
            {
                "class": name,
                "seen": reservoir.counts[c],
                "kept": inclusion.size,
                "least_inclusion": float(inclusion.min()),
                "greatest_inclusion": float(inclusion.max()),
            }
        )
    rates = []
    for c, campaign in enumerate(CAMPAIGNS):
        mine = log.campaign[sample.ids] == c
        rows, rows_error = reservoir.estimate(where=mine)
        rate, rate_error = reservoir.estimate_mean(sample.classes, where=mine)
        rates.append(
            {
                "campaign": campaign,
                "kept": int(mine.sum()),
                "rows": int((log.campaign == c).sum()),
                "rows_estimated": rows,
                "rows_error": rows_error,
                "click_rate": float(log.click[log.campaign == c].mean()),
                "click_rate_estimated": rate,
                "click_rate_error": rate_error,
            }
        )
    return {"k": KEPT, "chunks": CHUNKS, "classes": classes, "click_rates": rates}


def throughput(log: OpenBandit, seed: int) -> list[Row]:
    """Compare the speed of draws with NumPy's: medians of REPEATS alternating calls, on one thread."""
    rng, numpy_rng = np.random.default_rng(seed), np.random.default_rng(seed)
    shown, segments, clicked = _training_pairs(log, "all")
    weights = _inverse_propensities(log.where(policy="bts", campaign="all"), "all")
    proposal = shown**POWER / np.sum(shown**POWER)
    propensity_share = weights / weights.sum()
    items, rows = AliasTable(shown, power=POWER), AliasTable(weights)
    sampler = NegativeSampler(items, exclude=_csr(clicked), seed=seed)
    batch = np.resize(segments, BATCH[0])
    log_q = _log_q(shown, clicked).astype(np.float32)

    def choice_with_exclusion() -> tuple[Ints, NDArray[np.float32]]:
        # For so few items, a dense matrix is the fastest way to look up clicks in NumPy.
        row = np.repeat(batch, BATCH[1])
        ids = numpy_rng.choice(proposal.size, size=row.size, p=proposal)
        redo = np.flatnonzero(clicked[row, ids])
        while redo.size:
            ids[redo] = numpy_rng.choice(proposal.size, size=redo.size, p=proposal)
            redo = redo[clicked[row[redo], ids[redo]]]
        return ids, log_q[row, ids]

    cases: list[tuple[str, int, Callable[[], object], Callable[[], object]]] = [
        (
            f"items by popularity^{POWER}, n = {proposal.size}",
            DRAWS,
            lambda: items.sample(DRAWS, rng=rng, n_threads=1),
            lambda: numpy_rng.choice(proposal.size, size=DRAWS, p=proposal),
        ),
        (
            f"log rows by inverse propensity, n = {weights.size:,}",
            DRAWS,
            lambda: rows.sample(DRAWS, rng=rng, n_threads=1),
            lambda: numpy_rng.choice(weights.size, size=DRAWS, p=propensity_share),
        ),
        (
            f"negatives with log_q, {BATCH[0]} rows x {BATCH[1]}",
            BATCH[0] * BATCH[1],
            lambda: sampler.sample(batch, BATCH[1], n_threads=1),
            choice_with_exclusion,
        ),
    ]
    table = []
    for name, draws, our_call, numpy_call in cases:
        seconds, numpy_seconds = _median_seconds(our_call, numpy_call)
        table.append(
            {
                "case": name,
                "draws": draws,
                "million_per_second": draws / seconds / 1e6,
                "numpy_million_per_second": draws / numpy_seconds / 1e6,
                "ratio": numpy_seconds / seconds,
            }
        )
    return table


def _times_shown(arm: OpenBandit, campaign: str) -> Ints:
    """Return the number of times that each item was shown."""
    return np.bincount(arm.item_id, minlength=NUM_ITEMS[campaign])


def _inverse_propensities(arm: OpenBandit, campaign: str) -> Floats:
    """Return the row weights under which all items are equally frequent."""
    return 1 / NUM_ITEMS[campaign] / arm.propensity


def _training_pairs(log: OpenBandit, campaign: str) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the popularity of the items, the user segment of each click, and what each segment clicked.

    A segment is a combination of the four user features. Only segments with clicks are numbered.

    Returns
    -------
    shown : int64 ndarray of shape (n,)
        The number of times that the policy bts showed each item.
    segments : int64 ndarray of shape (b,)
    clicked : bool ndarray of shape (s, n)
    """
    rows = log.where(campaign=campaign)
    clicks = rows.click == 1
    _, inverse = np.unique(rows.user_features[clicks], axis=0, return_inverse=True)
    segments = inverse.ravel().astype(np.int64)  # NumPy 2.0.0 returns the shape (b, 1)
    clicked = np.zeros((segments.max() + 1, NUM_ITEMS[campaign]), dtype=np.bool_)
    clicked[segments, rows.item_id[clicks]] = True
    return _times_shown(rows.where(policy="bts"), campaign), segments, clicked


def _csr(pattern: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return (indptr, indices) of a dense pattern."""
    return np.concatenate(([0], pattern.sum(axis=1).cumsum())), np.nonzero(pattern)[1]


def _log_q(shown: Ints, clicked: NDArray[np.bool_]) -> Floats:
    """Return log(p_i / (1 - q)) for each segment and item, where q is the probability of its clicked items.

    The value for clicked items is -inf.
    """
    left = np.where(clicked, 0.0, shown**POWER)
    log_q: Floats = np.full(clicked.shape, -np.inf)
    np.log(left / left.sum(axis=1, keepdims=True), out=log_q, where=~clicked)
    return log_q


def standardized(chi_square: float, degrees: int) -> float:
    """Transform a chi-square into a standard normal number (Wilson and Hilferty, 1931)."""
    spread = 2 / (9 * degrees)
    return float(((chi_square / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def _median_seconds(*calls: Callable[[], object]) -> list[float]:
    """Return the median time of each call, after one untimed call of each."""
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(REPEATS):
        for call, times in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [median(times) for times in seconds]
