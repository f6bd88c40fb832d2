"""Recommenders trained with different kinds of negatives, compared with the most popular items.

``run`` computes plain numbers, and ``render`` renders them as a page.

The defaults of ``bpr`` were tuned for uniform negatives, and are used for all recipes. They gave the best
results on validation splits within the training parts of two logs: a shop's last month before the test part,
and each user's second-to-last item among Amazon's beauty products. Dimensions and epochs are limited so that
a run takes two minutes. More of either still helps, but only slowly.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from statistics import mean, stdev
from typing import Any

import numpy as np

from equipoise import AliasTable, NegativeSampler, __version__, _validate, backend
from equipoise._cli.demo.bpr import DIM, EPOCHS, POWER, Model, Recipe, train
from equipoise._cli.demo.metrics import CUTOFF, Metrics, evaluate, most_popular
from equipoise._cli.demo.splits import Split
from equipoise._cli.pages import Row, note, table

__all__ = ["RECIPES", "render", "run"]


RUNS = 3
RECIPES = (
    Recipe("uniform", popular=False),
    Recipe(f"popularity^{POWER}", popular=True),
    Recipe(f"popularity^{POWER}, no exclusion", popular=True, exclude=False),
    Recipe(f"popularity^{POWER}, less log q", popular=True, correct=True),
)


def run(
    split: Split,
    *,
    epochs: int = EPOCHS,
    dim: int = DIM,
    seed: int = 0,
    progress: Callable[[str, int, int], object] = lambda name, done, total: None,
) -> dict[str, Any]:
    """Train and compare all recipes.

    Parameters
    ----------
    split : Split
    epochs, dim, seed : int
        As for :func:`bpr.train`.
    progress : callable
        Called after each epoch with the name of the training, the number of epochs done, and their total.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts that JSON can hold. Everything but the seconds and their shares is
        a function of the arguments on one machine; on another, NumPy's matrix products may round
        differently.
    """
    _load_kernels()
    epochs = _validate.as_count(epochs, "epochs", least=1)
    total = len(RECIPES) * RUNS * epochs
    done = 0

    def advance(label: str) -> None:
        nonlocal done
        done += 1
        progress(label, done, total)

    baseline = [evaluate(most_popular(split), split)] * RUNS
    rows: list[Row] = [
        {"name": "most popular", **_spread(baseline), "training_seconds": None, "sampling_share": None}
    ]
    for recipe in RECIPES:
        models: list[Model] = []
        for r in range(RUNS):
            label = f"{recipe.name}, run {r + 1} of {RUNS}"
            step = partial(advance, label)
            models.append(train(split, recipe, epochs=epochs, dim=dim, seed=seed, run=r, progress=step))
        seconds = sum(model.seconds for model in models)
        rows.append(
            {
                "name": recipe.name,
                **_spread([evaluate(model.scores, split) for model in models]),
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
        "split": _describe(split),
        "negatives": rows,
    }


def _load_kernels() -> None:
    """Load all kernels, so that the first training time does not include it. Numba can take seconds."""
    for items in (2, AliasTable([1, 1], power=POWER)):
        for exclude in (None, ([0, 1], [0])):
            NegativeSampler(items, exclude=exclude).sample([0], 1)


def _describe(split: Split) -> Row:
    """Return the rule and the sizes of a split."""
    return {
        "rule": split.rule,
        "users": split.num_users,
        "items": split.num_items,
        "train_pairs": split.train.indices.size,
        "test_users": int(np.count_nonzero(np.diff(split.test.indptr))),
        "test_pairs": split.test.indices.size,
        "unknown_pairs": split.unknown,
    }


def _spread(metrics: list[Metrics]) -> Row:
    """Return each metric's mean, its standard deviation (divisor n - 1), and its values in the n runs."""
    columns = {name: [getattr(m, name) for m in metrics] for name in ("recall", "ndcg", "coverage")}
    spread: Row = {}
    for name, values in columns.items():
        spread |= {name: mean(values), f"{name}_sd": stdev(values), f"{name}_runs": values}
    return spread


def render(result: dict[str, Any]) -> str:
    """Return the result of ``run`` as a page of ASCII text, with lines of at most 100 characters.

    Examples
    --------
    See ``equipoise demo --interactions``.
    """
    split, k = result["split"], result["cutoff"]
    lines = [
        f"equipoise {result['version']} demo, backend {result['backend']}, seed {result['seed']}",
        *textwrap.wrap(
            f"{split['train_pairs']:,} pairs of {split['users']:,} users and {split['items']:,} items, "
            f"{split['rule']}: {split['test_pairs']:,} pairs of {split['test_users']:,} users; "
            f"{split['unknown_pairs']:,} more have a user or an item that is new.",
            width=98,
        ),
        "",
        *table(
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
        *note(
            f"BPR matrix factorization, {result['dim']} dimensions, "
            f"{result['epochs']} epoch{'' if result['epochs'] == 1 else 's'}, one negative for each pair. "
            f"Means and standard deviations (sd) of {result['runs']} runs. All items are ranked, except the "
            "user's training positives. Time: seconds of one training. Sampling: the share of that time "
            "spent on drawing negatives."
        ),
    ]
    return "\n".join(lines)
