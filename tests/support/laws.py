"""Statistical tests of draws, with a stated budget of false alarms.

Every check has a level of at most ALPHA = 1e-8, and one run of a test file makes at most 100 checks. So a
correct library fails such a file with a probability of at most 1e-6 for a given seed, and of at most 1e-4 for
any of the seeds 0-99 (``--seeds 0-99``). Counts are tested by G = 2 sum O log(O / E), which for
N multinomial draws in k cells obeys, for every N and every law,

    P(G >= 2 t) <= exp(-t) (e t / (k - 1))^(k - 1)    for t > k - 1

(R. Agrawal, "Finite-sample concentration of the multinomial in relative entropy", IEEE Transactions on
Information Theory, 2020), so no cell needs a large expectation, and no chi-square approximation is used.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter

import numpy as np

ALPHA, MAX_CHECKS = 1e-8, 100


checks = Counter()


def threshold(cells):
    """Return the smallest G with a tail bound of ALPHA, by bisection of the bound's logarithm."""
    d = cells - 1
    low, high = float(d), 10.0 * d + 200
    for _ in range(60):
        t = (low + high) / 2
        low, high = (t, high) if d - t + d * math.log(t / d) > math.log(ALPHA) else (low, t)
    return 2 * high


def count_check(seed):
    """Count a check with this seed against the budget of the test file that runs."""
    file = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
    checks[file, seed] += 1
    assert checks[file, seed] <= MAX_CHECKS, "more checks than the budget at the top of this file allows"


def check_counts(counts, law, seed):
    """Check counts of draws against their exact law; both are {outcome: number}."""
    count_check(seed)
    assert math.isclose(math.fsum(law.values()), 1, rel_tol=1e-12)
    total = sum(counts.values())
    impossible = [outcome for outcome in counts if law.get(outcome, 0) == 0]
    assert not impossible, f"impossible: {impossible}"
    g = 2 * math.fsum(o * math.log(o / (total * law[outcome])) for outcome, o in counts.items())
    assert g < threshold(sum(p > 0 for p in law.values())), f"G = {g}"


def counted(ids):
    """Return {id: count}, or {tuple of ids: count} for the rows of a matrix."""
    values, counts = np.unique(ids, return_counts=True, axis=0 if ids.ndim == 2 else None)
    return dict(
        zip(map(tuple, values.tolist()) if ids.ndim == 2 else values.tolist(), counts.tolist(), strict=True)
    )


def law_of(table):
    """Return the law given by a table's units, which other tests compare with the weights."""
    return normalized(table.prob(np.arange(len(table))).tolist())


def normalized(weights):
    total = math.fsum(weights)
    return {i: w / total for i, w in enumerate(weights) if w > 0}


def without_replacement(weights, k, blocked=()):
    """Return the law of ordered k-tuples that are drawn one by one, in proportion to what is left."""
    law = {}
    alive = [i for i, w in enumerate(weights) if w > 0 and i not in blocked]
    for ids in itertools.permutations(alive, k):
        p, left = 1.0, math.fsum(weights[i] for i in alive)
        for j, i in enumerate(ids):
            p *= weights[i] / left
            left = math.fsum(weights[o] for o in alive if o not in ids[: j + 1])
        law[ids] = p
    return law


def independent(law, k):
    return {ids: math.prod(law[i] for i in ids) for ids in itertools.product(law, repeat=k)}
