"""Recorded answers of weights and of repeated rows."""

from __future__ import annotations

import numpy as np

import equipoise
from support.recorded.digests import cases
from support.recorded.inputs import below, uniform


@cases(0, 2**64)
def repeated_rows(rng):
    """Draw rows of whole factors, of factors below 1, and of more rows than a chunk has."""
    factors = np.concatenate((np.arange(4.0), uniform(70_000, 70) * 3, [1e-17, 1.01]))
    return equipoise.repeat_rows(factors, rng=rng)


@cases("balanced", "inverse", "sqrt", "effective")
def class_weights(scheme):
    counts = {label: int(n) for label, n in enumerate(below(6, 10**9, 71))}
    return [equipoise.class_weights(counts, scheme, beta=beta) for beta in (0.0, 0.999, 1 - 1e-10)]


@cases()
def progressive_probs():
    return [equipoise.progressive_probs([900, 90, 0, 1], epoch, 7) for epoch in range(8)]
