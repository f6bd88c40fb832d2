"""What each loss of a row is, in float64 and in the words of its formula. Sums go over rows one by one."""

from __future__ import annotations

import math

import numpy as np


def lse(z):
    """Return log(sum(exp(z))), or -inf without numbers."""
    z = [float(v) for v in z]
    top = max(z, default=-math.inf)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(v - top) for v in z))


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def two(logits):
    """Return logits [N, K]. One logit x a row stands for (0, x)."""
    z = np.asarray(logits, np.float64)
    return np.stack([np.zeros_like(z), z], 1) if z.ndim == 1 else z


def excess(z, y):
    """Return by how much the log of the other classes' sum is above the logit of y."""
    return lse(v - z[y] for c, v in enumerate(z) if c != y)


def cross_entropies(logits, target):
    """Return lse(z) - z_y of each row: softplus of the excess, which keeps its digits if the row is right."""
    return [softplus(excess(z, int(y))) for z, y in zip(two(logits), target, strict=True)]


def mean_of(losses, weights, divisors):
    """Return sum(w l) / sum(d), or 0 if that is 0 / 0."""
    total = math.fsum(divisors)
    return math.fsum(w * v for w, v in zip(weights, losses, strict=True)) / total if total else 0.0


def spread(losses, target, weights):
    """Return the variance of the mean losses of the classes that have weight."""
    means = []
    for c in sorted(set(map(int, target))):
        rows = [i for i, y in enumerate(target) if int(y) == c]
        mass = math.fsum(weights[i] for i in rows)
        if mass > 0:
            means.append(math.fsum(weights[i] * losses[i] for i in rows) / mass)
    m = math.fsum(means) / max(len(means), 1)
    return math.fsum((value - m) ** 2 for value in means) / max(len(means), 1)


def softmax_focal(z, y, gamma):
    """Return (1 - p)^gamma (-log p). The log of 1 - p is minus the softplus of minus the excess."""
    over = excess(z, y)
    return 0.0 if over == -math.inf else math.exp(-gamma * softplus(-over)) * softplus(over)


def sigmoid_focal(x, t, gamma, alpha=None):
    """Return alpha_t (1 - p_t)^gamma BCE of one element."""
    p, q = math.exp(-softplus(-x)), math.exp(-softplus(x))
    weight = 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return weight * (q * t + p * (1 - t)) ** gamma * (t * softplus(-x) + (1 - t) * softplus(x))


def effective_weights(counts, beta):
    """Return (1 - beta) / (1 - beta^n), scaled so that they sum to the number of classes with rows."""
    weights = [(1 - beta) / -math.expm1(n * math.log(beta)) if n else 0.0 for n in counts]
    scale = sum(n > 0 for n in counts) / math.fsum(weights)
    return [w * scale for w in weights]


def margins(counts, most):
    """Return the margin of each class: most (n_min / n)^(1/4), and `most` without rows."""
    least = min(n for n in counts if n > 0)
    return [most * (least / n) ** 0.25 if n else most for n in counts]


def ldam(logits, target, counts, most, scale):
    shifts = margins(counts, most)
    rows = two(logits).copy()
    for z, y in zip(rows, target, strict=True):
        z[int(y)] -= shifts[int(y)]
    return cross_entropies(scale * rows, target)


def adjusted(logits, target, prior, tau):
    """Return the cross-entropy of z + tau log(prior). Classes of prior 0 are left out."""
    losses = []
    for z, y in zip(two(logits), map(int, target), strict=True):
        if prior[y] == 0:
            losses.append(math.inf)
            continue
        there = [c for c in range(len(z)) if prior[c] > 0]
        row = [z[c] + tau * math.log(prior[c]) for c in there]
        losses.append(softplus(excess(row, there.index(y))))
    return losses


def sampled(own, others, log_q, draws=None, pos_log_q=None):
    """Return the sampled softmax of a row from its score and those of the negatives that it uses."""
    m = len(others) if draws is None else draws
    if pos_log_q is not None:
        own = own - pos_log_q - math.log(m)
    return softplus(lse(s - q - math.log(m) - own for s, q in zip(others, log_q, strict=True)))


def bpr(own, others, log_q=None, pos_log_q=0.0):
    """Return the BPR loss of a row from its score and those of the negatives that it uses."""
    log_q = [0.0] * len(others) if log_q is None else log_q
    each = [softplus((s - q) - (own - pos_log_q)) for s, q in zip(others, log_q, strict=True)]
    return math.fsum(each) / max(len(each), 1)
