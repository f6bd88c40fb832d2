"""The main job on real data: measure an unbalanced log, draw negatives, weight it back, keep a sample.

``run`` computes and returns plain numbers, ``render`` makes a page of them; ``equipoise demo`` is the two.
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
from equipoise._cli.pages import Row, _note, _table
from equipoise.datasets.open_bandit import CAMPAIGNS, NUM_ITEMS, POLICIES, OpenBandit, load_open_bandit

__all__ = ["effective_sample_size", "gini", "render", "run"]


POWER = 0.75  # of the popularity, after word2vec (Mikolov et al., 2013)
NEGATIVES_PER_CLICK = 10_000
DRAWS = 1_000_000
BATCH = (8192, 16)  # rows, negatives a row
KEPT, CHUNKS = 1000, 24  # rows of each class; parts in which the log is read
REPEATS = 7
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def gini(x: Iterable[float]) -> float:
    """Gini coefficient of n non-negative numbers: 0 if all are equal, (n - 1) / n if one has everything.

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
    """Kish's (sum w)^2 / sum w^2: the number of equally weighted rows that are worth as much.

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 1.0, 1.0])), effective_sample_size(np.array([1.0, 0.0]))
    (4.0, 1.0)
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def run(seed: int = 0, progress: Callable[[str], object] = lambda line: None) -> dict[str, Any]:
    """Everything that the demo shows, as numbers, strings, lists and dicts that JSON can hold.

    All but ``throughput`` is a function of the seed, an int in [0, 2^64). ``progress`` is told each step.
    """
    rng = np.random.default_rng(seed)
    progress("1/5 how unbalanced the log is")
    log = load_open_bandit()
    about = {
        "rows": len(log),
        "clicks": int(log.click.sum()),
        "first": str(log.timestamp.min()),
        "last": str(log.timestamp.max()),
    }
    classes, exposure = class_balance(log, rng), item_exposure(log)
    progress("2/5 negatives that are none of the segment's clicks")
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
    """The two classes, and rows drawn with the balanced weight n / (2 n_class)."""
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
    """For each arm: how unevenly its items were shown, and popularity^POWER would propose them."""
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
    """Negatives for every click: by popularity^POWER, never an item that the click's user segment clicked.

    Returns one row of checks for each campaign, and the shares of the items shown most and least. ``log_q``
    is checked twice: against NumPy's log(p_i / (1 - q)), and against what was drawn, by Pearson's chi-square
    over every segment and item that it can draw.
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
        log_q.flat[cell] = answer.log_q.ravel()  # an item that a segment never drew has no log_q to check
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
                "z": _standardized(chi_square, degrees),
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
    """Rows of the Thompson sampling arms drawn by (1 / items) / propensity, as if items were shown uniformly.

    Each arm twice: with its weights as they are, and cut at sqrt(rows) (Ionides, "Truncated importance
    sampling", 2008).
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
    """At most KEPT rows of each class in one pass, seldom shown items first, and what they say of all.

    Clicks and rows of a campaign are estimated by Horvitz and Thompson; their ratio, the click rate, has the
    standard error of its linear approximation.
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
        rate = reservoir.estimate(sample.classes, where=mine)[0] / rows
        _, error = reservoir.estimate(sample.classes - rate, where=mine)
        rates.append(
            {
                "campaign": campaign,
                "kept": int(mine.sum()),
                "rows": int((log.campaign == c).sum()),
                "rows_estimated": rows,
                "rows_error": rows_error,
                "click_rate": float(log.click[log.campaign == c].mean()),
                "click_rate_estimated": rate,
                "click_rate_error": error / rows,
            }
        )
    return {"k": KEPT, "chunks": CHUNKS, "classes": classes, "click_rates": rates}


def throughput(log: OpenBandit, seed: int) -> list[Row]:
    """Draws per second beside NumPy's: medians of REPEATS calls, the two taking turns, one thread each."""
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
        # On a catalogue this small nothing in NumPy answers "is it clicked?" faster than a dense matrix.
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
    for name, draws, ours, numpys in cases:
        seconds, numpy_seconds = _median_seconds(ours, numpys)
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
    return np.bincount(arm.item_id, minlength=NUM_ITEMS[campaign])


def _inverse_propensities(arm: OpenBandit, campaign: str) -> Floats:
    return 1 / NUM_ITEMS[campaign] / arm.propensity


def _training_pairs(log: OpenBandit, campaign: str) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """How often bts showed each item [n], the segment of each click [b], what each segment clicked [s, n].

    A segment is a combination of the four user features; only segments that clicked are numbered.
    """
    rows = log.where(campaign=campaign)
    clicks = rows.click == 1
    _, inverse = np.unique(rows.user_features[clicks], axis=0, return_inverse=True)
    segments = inverse.ravel().astype(np.int64)  # NumPy 2.0 alone gives shape (b, 1)
    clicked = np.zeros((segments.max() + 1, NUM_ITEMS[campaign]), dtype=np.bool_)
    clicked[segments, rows.item_id[clicks]] = True
    return _times_shown(rows.where(policy="bts"), campaign), segments, clicked


def _csr(pattern: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """(indptr, indices) of a dense pattern."""
    return np.concatenate(([0], pattern.sum(axis=1).cumsum())), np.nonzero(pattern)[1]


def _log_q(shown: Ints, clicked: NDArray[np.bool_]) -> Floats:
    """log(p_i / (1 - q)) for each segment and item [s, n], q what it clicked of p; -inf where clicked."""
    left = np.where(clicked, 0.0, shown**POWER)
    log_q: Floats = np.full(clicked.shape, -np.inf)
    np.log(left / left.sum(axis=1, keepdims=True), out=log_q, where=~clicked)
    return log_q


def _standardized(chi_square: float, degrees: int) -> float:
    """A chi-square as a standard normal number, by Wilson and Hilferty (1931)."""
    spread = 2 / (9 * degrees)
    return float(((chi_square / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def _median_seconds(*calls: Callable[[], object]) -> list[float]:
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(REPEATS):
        for call, times in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [median(times) for times in seconds]


def render(result: dict[str, Any]) -> str:
    """The result of ``run`` as a page of ASCII text, lines of at most 100 characters."""
    log, classes, drawn = result["log"], result["classes"], result["negatives"]
    weighted, kept, speed = result["inverse_propensity"], result["reservoir"], result["throughput"]
    worst = max(abs(check["z"]) for check in drawn["checks"])
    outweighing = [arm for arm in weighted["arms"] if arm["heaviest_row_share"] > 0.5]
    lines = [
        f"equipoise {result['version']} demo, backend {result['backend']}, seed {result['seed']}",
        f"Open Bandit log, {log['first'][:10]} to {log['last'][:10]}: {log['rows']:,} impressions "
        f"in a fashion shop, {log['clicks']} clicked",
        "",
        "1. HOW UNBALANCED THE LOG IS",
        "",
        *_table(
            classes["rows"],
            ("class", "class", "s"),
            ("rows", "rows", ",d"),
            ("share", "share", ".2%"),
            ("balanced_weight", "balanced weight", ".3f"),
            ("drawn_share", "share drawn", ".2%"),
        ),
        *_note(
            f"{classes['ratio']:.0f} to 1. Of {classes['draws']:,} rows drawn by the balanced "
            f"weight half are clicks. They are worth {classes['effective_sample_size']:,.0f} equally "
            f"weighted rows: the same {log['clicks']} clicks come again and again."
        ),
        "",
        *_table(
            result["exposure"],
            ("campaign", "campaign", "s"),
            ("policy", "policy", "s"),
            ("clicks", "clicks", "d"),
            ("click_rate", "rate", ".2%"),
            ("items", "items", "d"),
            ("top_tenth_share", "top tenth's share", ".1%"),
            ("gini", "Gini of exposure", ".3f"),
            ("proposal_gini", f"of exposure^{drawn['power']}", ".3f"),
        ),
        *_note(
            "Policy random shows items uniformly, bts by Thompson sampling. Last column: negatives drawn by "
            f"popularity to the power {drawn['power']} are flatter than the log, and still led by what was "
            "shown most."
        ),
        "",
        f"2. NEGATIVES BY POPULARITY^{drawn['power']}, NEVER WHAT THE USER SEGMENT CLICKED",
        "",
        *_table(
            drawn["items"],
            ("campaign", "campaign", "s"),
            ("item", "item", "d"),
            ("logged_share", "logged", ".2%"),
            ("proposal_share", "proposed", ".2%"),
            ("excluded_for", "excluded for", ".1%"),
            ("expected_share", "expected", ".3%"),
            ("drawn_share", "drawn", ".3%"),
        ),
        *_note(
            "The three items shown most and the two shown least. Excluded for: the share of draws whose "
            f"segment clicked the item. Expected: the mean of exp(log_q). {drawn['per_click']:,} negatives a "
            "click."
        ),
        "",
        *_table(
            drawn["checks"],
            ("campaign", "campaign", "s"),
            ("segments", "segments", "d"),
            ("excluded_pairs", "excluded", "d"),
            ("draws", "draws", ",d"),
            ("excluded_drawn", "excluded drawn", "d"),
            ("log_q_error", "error of log_q", ".1e"),
            ("chi_square", "chi-square", ",.0f"),
            ("degrees_of_freedom", "d.f.", ",d"),
            ("z", "z", "+.2f"),
        ),
        *_note(
            "Error: the largest difference from NumPy's log(p / (1 - q)); rounding to float32 makes 2.4e-07. "
            "Chi-square: how often each segment drew each item, against exp(log_q); z is standard normal if "
            f"the two agree. Largest |z|: {worst:.2f}; above 4 by chance in one run of 5,000."
        ),
        "",
        "3. THE LOG WEIGHTED BACK: ROWS DRAWN BY (1 / ITEMS) / PROPENSITY",
        "",
        *_table(
            weighted["arms"],
            ("campaign", "campaign", "s"),
            ("clip", "cut at", ".0f"),
            ("rows_clipped", "rows cut", "d"),
            ("gini_logged", "Gini logged", ".3f"),
            ("gini_by_weight", "by weight", ".3f"),
            ("gini_drawn", "drawn", ".3f"),
            ("gini_random_arm", "random arm", ".3f"),
            ("heaviest_row_share", "heaviest row", ".1%"),
            ("effective_sample_size", "worth rows", ",.0f"),
        ),
        *_note(
            f"{weighted['draws']:,} draws from the {weighted['arms'][0]['rows']:,} bts rows of "
            "each campaign, with the weights as they are and cut at sqrt(rows). Random arm: the rows that "
            "were logged uniformly, the Gini to reach. Worth rows: the effective sample size."
        ),
        *(
            line
            for arm in outweighing
            for line in _note(
                f"Campaign {arm['campaign']}: one row, of propensity {arm['least_propensity']:.0e}, "
                "outweighs all the others together."
            )
        ),
        "",
        "4. A CLASS-BALANCED RESERVOIR, IN ONE PASS",
        "",
        *_table(
            kept["classes"],
            ("class", "class", "s"),
            ("seen", "seen", ",d"),
            ("kept", "kept", ",d"),
            ("least_inclusion", "least inclusion", ".4f"),
            ("greatest_inclusion", "greatest", ".4f"),
        ),
        *_note(
            f"At most {kept['k']:,} rows of each class, read in {kept['chunks']} parts. Weights as in 3, "
            "cut, so what was seldom shown is kept more often. Inclusion is the probability of being kept."
        ),
        "",
        *_table(
            kept["click_rates"],
            ("campaign", "campaign", "s"),
            ("kept", "kept", ",d"),
            ("rows_estimated", "rows estimated", ",.0f"),
            ("rows_error", "error", ",.0f"),
            ("rows", "true", ",d"),
            ("click_rate_estimated", "click rate estimated", ".3%"),
            ("click_rate_error", "error", ".3%"),
            ("click_rate", "true", ".3%"),
        ),
        *_note(
            "The log's own figures from the kept rows, each counted 1 / inclusion times; standard errors."
        ),
        "",
        "5. MILLIONS OF DRAWS PER SECOND, ONE THREAD",
        "",
        *_table(
            speed["cases"],
            ("case", "one call", "s"),
            ("draws", "draws", ",d"),
            ("million_per_second", "equipoise", ".1f"),
            ("numpy_million_per_second", "NumPy", ".1f"),
            ("ratio", "ratio", ".1f"),
        ),
        *_note(
            f"Medians of {speed['repeats']} calls, taking turns. NumPy: Generator.choice with p; for "
            "negatives also rejection by a dense matrix of what each segment clicked, and a table of log_q."
        ),
    ]
    return "\n".join(lines)
