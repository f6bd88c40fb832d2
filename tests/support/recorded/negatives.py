"""Recorded answers of samplers of negatives."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from support.recorded.digests import cases
from support.recorded.inputs import below, exclusions, weights_of, words

ITEMS = ("count", "weights", "power", "log-uniform", "uniform", "heavy")


def items_of(kind):
    heavy = np.ones(1000)
    heavy[below(1000, 1000, 8)[:50]] = 1e9
    return {
        "count": 1000,
        "weights": weights_of("zeros"),
        "power": equipoise.AliasTable(weights_of("int32"), power=0.75, smoothing=1.0),
        "log-uniform": equipoise.LogUniformTable(1000),
        "uniform": equipoise.UniformTable(1000),
        "heavy": heavy,  # most draws hit an exclusion, so that the exact draw is needed
    }[kind]


def negatives_sampler(kind, excluding=True, **settings):
    return equipoise.NegativeSampler(
        items_of(kind), exclude=exclusions(1000) if excluding else None, **settings
    )


@cases(*ITEMS)
def negatives(kind):
    sampler = negatives_sampler(kind, seed=9)
    rows = below(300, 200, 9)
    return [
        sampler.sample(rows, 8),
        sampler.sample(rows, 8),  # the stream goes on
        sampler.sample(rows[:1], 16),
        sampler.sample(rows, 5, unique=True),
        sampler.sample(rows, 5, row_keys=words(300, 10).astype(np.int64)),
        sampler.sample(rows, 0),
        sampler.sample(rows[:0], 3),
        sampler.sample(rows, 4, exclude_ids=below(300, 1001, 11) - 1),
        sampler.sample(rows, 4, exclude_ids=below(900, 1001, 12).reshape(300, 3) - 1, unique=True),
        sampler.log_prob(np.arange(1000)),
        sampler.state_dict(),
    ]


@cases(*ITEMS)
def negatives_without_exclusions(kind):
    sampler = negatives_sampler(kind, excluding=False, seed=2**64 - 1, stream=5)
    rows = words(50, 13).astype(np.int64)
    return [
        sampler.sample(rows, 8),
        sampler.sample(rows, 8, unique=True, exclude_ids=below(50, 1000, 14)),
        sampler.accidental_hits(rows, np.arange(30)),
        sampler.state_dict(),
    ]


@cases("mask", "mask unique", "replace unique")
def negatives_of_exhausted_rows(options):
    policy, _, unique = options.partition(" ")
    exclude = np.array([0, 0, 8, 15, 20, 26]), np.concatenate([np.arange(m) for m in (8, 7, 5, 6)])
    answers = []
    for items in (8, [4, 3, 2, 1, 9, 8, 7, 0], [1, 1, 1, 1, 1, 1, 0, 1]):
        sampler = equipoise.NegativeSampler(items, exclude=exclude, seed=1)
        # A row with nothing left is refused under "replace".
        rows = [0, 4, 3, 0, 3] if policy == "replace" else [0, 1, 2, 3, 4, 1, 0]
        more = {"exclude_ids": np.arange(len(rows)) % 2 * 2 - 1}
        for extra in ({}, more):
            answers.append(sampler.sample(rows, 6, unique=bool(unique), on_exhausted=policy, **extra))
    return answers


@cases(1, 2)
def negatives_in_threads(threads):
    rows = below(6000, 200, 15)
    answers = []
    for kind in ("count", "power"):
        for unique in (False, True):
            sampler = negatives_sampler(kind, seed=4, stream=2)
            answers.append(sampler.sample(rows, 16, unique=unique, n_threads=threads))
    return answers


@cases("weights", "uniform")
def negatives_out(kind):
    shape = (40, 6)
    out = equipoise.Negatives(
        np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_)
    )
    same = negatives_sampler(kind, seed=4).sample(below(40, 200, 16), 6, out=out)
    return [same is out, out]


@cases(0, 1, 2**32 - 1)
def negatives_of_epoch(epoch):
    sampler = negatives_sampler("weights", seed=4, stream=2**63)
    sampler.sample([1, 2], 3)
    sampler.set_epoch(epoch)
    rows = below(40, 200, 17)
    answers = [
        sampler.sample(rows, 3),
        sampler.sample(rows, 3, row_keys=np.arange(40) - 20),
        sampler.sample_shared(20),
        sampler.state_dict(),
    ]
    resumed = negatives_sampler("weights", seed=4, stream=2**63)
    resumed.load_state_dict(answers[-1])
    return [*answers, resumed.sample(rows, 3), resumed.sample_shared(20)]


@cases()
def negatives_of_scipy_csr():
    sparse = pytest.importorskip("scipy.sparse")
    indptr, indices = exclusions(1000)
    matrix = sparse.csr_matrix((np.ones(indices.size), indices, indptr), shape=(200, 1000))
    sampler = equipoise.NegativeSampler(weights_of("zeros"), exclude=matrix, seed=9)
    return [sampler.sample(below(100, 200, 18), 8), sampler.state_dict()]


@cases(*ITEMS)
def shared_negatives(kind):
    sampler = negatives_sampler(kind, seed=6, stream=1)
    most = {"weights": int(np.count_nonzero(weights_of("zeros")))}.get(kind, 1000)
    return [
        *(sampler.sample_shared(count) for count in (0, 1, 100, 100, most)),
        *(sampler.sample_shared(count, unique=False) for count in (0, 1, 3000)),
        sampler.state_dict(),
    ]


@cases()
def accidental_hits():
    sampler = negatives_sampler("weights", seed=6)
    rows, candidates = below(64, 200, 19), below(64, 1000, 20)
    _, indices = exclusions(1000)
    candidates[::2] = indices[:32]
    return [
        sampler.accidental_hits(rows, candidates),
        sampler.accidental_hits(rows, candidates, keep=np.arange(64)),
        sampler.accidental_hits(np.arange(200), indices),
        sampler.accidental_hits(rows, candidates[:0]),
    ]
