"""Test whether resampling helps a gradient booster, with every sampler, on real imbalanced tables.

``python -m bench.minority`` reads keel_dev and online_shoppers in the folder that EQUIPOISE_DATA names, and
writes bench/minority.md. ``--library imblearn`` uses imbalanced-learn's classes. They give the same rows if
no distances are equal, but in these tables some are.

Training folds are resampled, and test folds are not. Folds and seeds are the same for all samplers, so
differences are taken fold by fold.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_curve
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

FALSE_ALARMS = 0.01
SPLITS, SEED = 5, 0
CODED = ["Month", "OperatingSystems", "Browser", "Region", "TrafficType", "VisitorType", "Weekend"]
BY_CODES = "SMOTENC, SMOTEN"
SAMPLERS = (
    *("RandomOverSampler", "SMOTE", "BorderlineSMOTE", "ADASYN", "KMeansSMOTE", "SVMSMOTE", BY_CODES),
    *("RandomUnderSampler", "NearMiss", "TomekLinks", "EditedNearestNeighbours", "SMOTEENN", "SMOTETomek"),
)
DETERMINISTIC = ("NearMiss", "TomekLinks", "EditedNearestNeighbours")
NOTHING = "none"


@dataclass
class Table:
    """A table with numbers in the first columns and codes of categories in the others."""

    name: str
    x: np.ndarray
    y: np.ndarray
    num_numbers: int

    @property
    def categories(self) -> list[int]:
        return list(range(self.num_numbers, self.x.shape[1]))


@dataclass
class Scores:
    """The scores of a sampler on a table: one for each test fold, or None if the sampler refused it."""

    precision: list[float | None] = field(default_factory=list)
    recall: list[float | None] = field(default_factory=list)
    seconds: float = 0.0
    refusal: str = ""


def read_tables(folder: Path) -> Iterator[Table]:
    keel = pd.read_csv(folder / "keel_dev" / "index.csv")
    for name in keel["name"]:
        frame = pd.read_csv(folder / "keel_dev" / f"{name}.csv.gz")
        y = frame.pop("target").to_numpy()
        coded = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
        yield table(name, frame, y, coded)
    frame = pd.read_csv(folder / "online_shoppers" / "online_shoppers.csv")
    y = frame.pop("Revenue").astype(int).to_numpy()
    yield table("online_shoppers", frame, y, CODED)


def table(name: str, frame: pd.DataFrame, y: np.ndarray, coded: list[str]) -> Table:
    numbers = frame.drop(columns=coded).to_numpy(np.float64)
    codes = [pd.Categorical(frame[c]).codes.astype(np.float64)[:, None] for c in coded]
    return Table(name, np.hstack([numbers, *codes]), y, numbers.shape[1])


def fit_resample(
    find: Callable[[str], Any], name: str, this: Table, encode: Callable[[np.ndarray], np.ndarray],
    train: np.ndarray, seed: int,
) -> tuple[np.ndarray, np.ndarray] | None:  # fmt: skip
    """Return the resampled training fold, one-hot. Samplers of codes work before the encoding.

    Return None if a sampler of codes has none to work with.
    """
    x, y = this.x[train], this.y[train]
    if name == NOTHING:
        return encode(x), y
    if name == BY_CODES:
        if not this.categories:
            return None
        if this.num_numbers:
            sampler = find("SMOTENC")(this.categories, random_state=seed)
        else:
            sampler = find("SMOTEN")(random_state=seed)
        x, y = sampler.fit_resample(x, y)
        return encode(x), y
    if (
        name == "KMeansSMOTE"
    ):  # the default asks for clusters that are half minority, which a rare class hardly has
        sampler = find(name)(random_state=seed, cluster_balance_threshold=float(y.mean()))
    else:
        sampler = find(name)(**({} if name in DETERMINISTIC else {"random_state": seed}))
    return sampler.fit_resample(encode(x), y)


def judge(y: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Return average precision, and recall at the threshold that keeps false alarms within 1 %."""
    false_alarms, recall, _ = roc_curve(y, score, drop_intermediate=False)
    return average_precision_score(y, score), float(recall[false_alarms <= FALSE_ALARMS].max())


def score(find: Callable[[str], Any], this: Table, name: str, repeats: int) -> Scores | None:
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    if this.categories:
        encoder.fit(this.x[:, this.num_numbers :])  # learns which categories exist, and nothing about y

    def encode(x: np.ndarray) -> np.ndarray:
        if not this.categories:
            return x
        return np.hstack([x[:, : this.num_numbers], encoder.transform(x[:, this.num_numbers :])])

    folds = RepeatedStratifiedKFold(n_splits=SPLITS, n_repeats=repeats, random_state=SEED)
    scores = Scores()
    for seed, (train, test) in enumerate(folds.split(this.x, this.y)):
        start = time.perf_counter()
        try:
            resampled = fit_resample(find, name, this, encode, train, seed)
        except (ValueError, RuntimeError) as refusal:
            scores.refusal = str(refusal).partition("\n")[0]
            scores.precision.append(None)
            scores.recall.append(None)
            continue
        scores.seconds += time.perf_counter() - start
        if resampled is None:
            return None
        booster = HistGradientBoostingClassifier(random_state=SEED).fit(*resampled)
        precision, recall = judge(this.y[test], booster.predict_proba(encode(this.x[test]))[:, 1])
        scores.precision.append(precision)
        scores.recall.append(recall)
    return scores


# ---- the table --------------------------------------------------------------------------------------------


def spread(values: list[float]) -> str:
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def differences(some: list[float | None], plain: list[float | None]) -> list[float]:
    """Return the differences fold by fold, where both have a number."""
    return [a - b for a, b in zip(some, plain, strict=True) if a is not None and b is not None]


def spell(scores: Scores | None, plain: Scores) -> list[str]:
    """Return the cells: average precision, its difference, recall, its difference."""
    if scores is None:
        return ["no categories", "", "", ""]
    cells = []
    for some, none in ((scores.precision, plain.precision), (scores.recall, plain.recall)):
        kept = [value for value in some if value is not None]
        if not kept:
            cells += ["refused", ""]
            continue
        change = "" if scores is plain else f"{mean(differences(some, none)):+.3f}"
        cells += [spread(kept), change]
    if refused := scores.precision.count(None):
        cells[0] += f", {refused} of {len(scores.precision)} folds refused"
    return cells


def change(scores: list[Scores | None], plain: list[Scores], which: str) -> str:
    """Return the mean difference over tables, its standard error, and how many tables gained and lost."""
    means = [
        mean(found)
        for s, p in zip(scores, plain, strict=True)
        if s is not None and (found := differences(getattr(s, which), getattr(p, which)))
    ]
    if not means:
        return ""
    error = f" ± {stdev(means) / len(means) ** 0.5:.3f}" if len(means) > 1 else ""
    gained, lost = (sum(sign * m >= 0.0005 for m in means) for sign in (1, -1))
    return f"{mean(means):+.3f}{error}, {gained} up, {lost} down of {len(means)}"


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def report(found: dict[str, dict[str, Scores | None]], about: str) -> str:
    names = [NOTHING, *SAMPLERS]
    plain = {t: s[NOTHING] for t, s in found.items()}
    rows = [line(["table", "sampler", "average precision", "change", "recall at 1 % false alarms", "change"])]
    rows.append(line(["---"] * 6))
    everywhere = list(found)
    for name in SAMPLERS:
        some = [found[t][name] for t in everywhere]
        none = [p for t in everywhere if (p := plain[t]) is not None]
        rows.append(
            line(["all", name, "", change(some, none, "precision"), "", change(some, none, "recall")])
        )
    for t in everywhere:
        none = plain[t]
        assert none is not None
        rows += [line([t, name, *spell(found[t][name], none)]) for name in names]
    refusals = {
        f"- {t}, {name}: {s.refusal}"
        for t, by_name in found.items()
        for name, s in by_name.items()
        if s is not None and s.refusal
    }
    return "\n".join(
        ["# Resampling before a gradient booster, on real tables", "", about, "", *rows, "", "Refusals:", ""]
        + (sorted(refusals) or ["- none"])
        + [""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=("equipoise", "imblearn"), default="equipoise")
    parser.add_argument("--repeats", type=int, default=2, help="of the cross-validation")
    parser.add_argument("--only", action="append", help="this table; may be repeated")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    if not (folder := os.environ.get("EQUIPOISE_DATA")):
        raise SystemExit("EQUIPOISE_DATA must name the folder of keel_dev and online_shoppers")
    if options.library == "equipoise":
        modules = [importlib.import_module("equipoise.imblearn")]
    else:
        modules = [importlib.import_module(f"imblearn.{part}_sampling") for part in ("over", "under")]
        modules.append(importlib.import_module("imblearn.combine"))
    warnings.simplefilter(
        "ignore"
    )  # these are about clusters and names of features, and do not change a score

    def find(name: str) -> Any:
        return next(getattr(module, name) for module in modules if hasattr(module, name))

    found: dict[str, dict[str, Scores | None]] = {}
    for this in read_tables(Path(folder)):
        if options.only and this.name not in options.only:
            continue
        found[this.name] = {}
        for name in (NOTHING, *SAMPLERS):
            start = time.perf_counter()
            with threadpool_limits(1):  # the tables are so small that threads would only wait for each other
                found[this.name][name] = score(find, this, name, options.repeats)
            print(f"{this.name}, {name}: {time.perf_counter() - start:.1f} s", flush=True)
    library = {"equipoise": "equipoise.imblearn", "imblearn": "imbalanced-learn's own classes"}
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("equipoise", "imbalanced-learn", "scikit-learn")
    )
    about = (
        f"Made by `python -m bench.minority` with {library[options.library]} ({versions}).\n"
        f"`HistGradientBoostingClassifier(random_state={SEED})` on `RepeatedStratifiedKFold({SPLITS}, "
        f"n_repeats={options.repeats}, random_state={SEED})`; the sampler of fold i has `random_state=i`.\n"
        "Other arguments have their defaults, except that the `cluster_balance_threshold` of KMeansSMOTE is\n"
        "the share of the minority. A score is the mean ± standard deviation over test folds. A change is\n"
        'the mean over folds of the difference to "none", the same fold without a sampler. Rows "all" have\n'
        "the mean over tables ± its standard error, and how many tables changed by 0.0005 or more.\n"
        "Categories are one-hot, encoded after sampling for SMOTENC and SMOTEN (which is for tables of\n"
        "categories only) and before it for the others."
    )
    options.output.write_text(report(found, about))


if __name__ == "__main__":
    main()
