"""Weights, measures and calibration, from their formulas: slow, in Python's floats and exact fractions."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

from support.reference.stream import REPEAT, Run, call_key, key_from_rng


def class_counts(y, classes=None):
    """Return the classes and the number of rows of each."""
    classes = sorted(set(y)) if classes is None else list(classes)
    return classes, [sum(label == c for label in y) for c in classes]


def class_weights(counts, scheme, beta=0.999):
    """Return the weight of each class, 0 for one without rows."""
    some = [n for n in counts if n]
    total, size = sum(some), len(some)
    if scheme == "balanced":
        weight = lambda n: total / (size * n)  # noqa: E731
    elif scheme == "inverse":
        weight = lambda n: 1 / n  # noqa: E731
    elif scheme == "sqrt":
        s = total / math.fsum(map(math.sqrt, some))
        weight = lambda n: s / math.sqrt(n)  # noqa: E731
    else:
        with localcontext() as context:
            context.prec = 60
            b = Decimal(beta)
            raw = {n: (1 - b) / (1 - b**n) for n in some}
            scale = size / sum(raw[n] for n in some)
            found = {n: float(scale * w) for n, w in raw.items()}
        weight = found.__getitem__
    return [weight(n) if n else 0.0 for n in counts]


def sample_weights(y, scheme, normalize=True):
    classes, counts = class_counts(y)
    weights = dict(zip(classes, class_weights(counts, scheme), strict=True))
    rows = [weights[label] for label in y]
    total = math.fsum(rows)
    return [w / total for w in rows] if normalize else rows


def deferred_weights(counts, epoch, start, beta=0.9999):
    return [1.0 for _ in counts] if epoch < start else class_weights(counts, "effective", beta)


def progressive_probs(counts, epoch, num_epochs):
    t = Fraction(0) if num_epochs == 1 else min(Fraction(epoch, num_epochs - 1), Fraction(1))
    n, some = sum(counts), sum(count > 0 for count in counts)
    return [float((1 - t) * Fraction(c, n) + t * Fraction(int(c > 0), some)) for c in counts]


def repeat_factors(rows, threshold):
    """Return the factor of each row, which is a list of labels."""
    rows = [set(row) for row in rows]

    def factor(label):
        share = sum(label in row for row in rows) / len(rows)
        return max(1.0, math.sqrt(threshold / share))

    return [max((factor(label) for label in row), default=1.0) for row in rows]


def repeat_rows(factors, rng):
    key = call_key(key_from_rng(rng), 0, REPEAT, 0)
    out = []
    for i, f in enumerate(factors):
        run, j = Run(key, i // 64, 0), i % 64
        coin = (run.word(2 * j) >> 33 << 22) + (run.word(2 * j + 1) >> 42)
        whole = math.floor(f)
        more = Fraction(coin, 2**53) < Fraction(f) - whole
        out += [i] * (whole + more)
    return out


def imbalance(counts):
    """Return the measures of classes by name."""
    n, size = sum(counts), len(counts)
    p = [c / n for c in counts]
    entropy = -math.fsum(x * math.log(x) for x in p if x)
    ordered = sorted(counts)
    gini = Fraction(sum((2 * i - size - 1) * c for i, c in enumerate(ordered, 1)), size * n)
    return {
        "proportions": p,
        "ratio": max(counts) / min(counts) if min(counts) else math.inf,
        "difference": float(Fraction(max(counts) - min(counts), n)),
        "entropy": entropy / math.log(size) if size > 1 else 1.0,
        "gini": float(gini),
        "effective_classes": float(1 / sum(Fraction(c, n) ** 2 for c in counts)),
        "class_weights": class_weights(counts, "balanced"),
    }


def top_share(counts, fraction):
    """`fraction` is an exact fraction."""
    top = sorted(counts, reverse=True)[: math.ceil(fraction * len(counts))]
    return sum(top) / sum(counts)


def multilabel(matrix):
    counts = [sum(column) for column in zip(*matrix, strict=True)]
    irlbl = [max(counts) / c if c else math.inf for c in counts]
    finite = [x for x in irlbl if x < math.inf]
    mean = math.fsum(finite) / len(finite)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in finite) / (len(finite) - 1))
    return {
        "counts": counts,
        "proportions": [c / len(matrix) for c in counts],
        "irlbl": irlbl,
        "mean_ir": mean,
        "cvir": deviation / mean,
    }


def prior_correct(p, train, true):
    """Return the corrected probabilities of a row of classes."""
    scaled = [Fraction(x) * Fraction(b) / Fraction(a) for x, a, b in zip(p, train, true, strict=True)]
    return [float(x / sum(scaled)) for x in scaled]


def quantile(ordered, q):
    """Return NumPy's quantile of sorted numbers, to the last bit."""
    rank = (len(ordered) - 1) * q
    below = min(math.floor(rank), max(len(ordered) - 2, 0))
    a, b, t = ordered[below], ordered[min(below + 1, len(ordered) - 1)], rank - below
    return a + (b - a) * t if t < 0.5 else b - (b - a) * (1 - t)


def calibration(y, p, w, bins):
    """Return the measures of calibration by name."""
    total = math.fsum(w)
    positives = math.fsum(a * b for a, b in zip(w, y, strict=True))
    predicted = math.fsum(a * b for a, b in zip(w, p, strict=True))
    losses = []
    for yi, pi, wi in zip(y, p, w, strict=True):
        wrong = pi == (0 if yi else 1)
        if wi:
            losses.append(math.inf if wrong else -wi * (math.log(pi) if yi else math.log1p(-pi)))
    base = positives / total
    entropy = -(base * math.log(base) + (1 - base) * math.log1p(-base)) if 0 < base < 1 else math.nan
    ordered = sorted(p)
    edges = [quantile(ordered, b * (1 / bins)) for b in range(1, bins)]
    gaps = [0.0] * bins
    for yi, pi, wi in zip(y, p, w, strict=True):
        gaps[sum(edge < pi for edge in edges)] += wi * (pi - yi)
    log_loss = math.fsum(losses) / total
    return {
        "rows": len(y),
        "positives": positives,
        "predicted": predicted,
        "ratio": predicted / positives if positives else math.nan,
        "log_loss": log_loss,
        "normalized_entropy": log_loss / entropy,
        "ece": math.fsum(map(abs, gaps)) / total,
    }
