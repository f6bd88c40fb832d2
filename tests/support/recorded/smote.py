"""Recorded synthetic rows and parent weights."""

from __future__ import annotations

import os
from unittest import mock

import numpy as np

import equipoise
from support.recorded.digests import cases
from support.recorded.inputs import below, labeled, points, two_threads, weights_of

SMOTE_KINDS = ("plain", "weighted", "categorical", "categories alone", "copies", "border")


def smote_sampler(kind, dtype=np.float64, **settings):
    x = points(150, 4, 36, dtype)
    codes = below(300, 4, 37).reshape(150, 2)
    if kind == "weighted":
        settings["parent_weights"] = weights_of("zeros", 150)
    elif kind == "categorical":
        x, settings["categorical"] = np.column_stack([codes[:, 0], x, codes[:, 1]]).astype(dtype), [0, 5]
    elif kind == "categories alone":
        x, settings["categorical"] = np.column_stack([codes, codes[::-1] * 7]).astype(dtype), range(4)
    elif kind == "copies":
        x = np.concatenate([x, x[:30], x[:10]])
    elif kind == "border":
        x, y = labeled(dtype)
        settings["parent_weights"] = equipoise.borderline_weights(x, y, 1)
        x = x[y == 1]
    return equipoise.SmoteSampler(x, **{"k_neighbors": 5, "seed": 12, **settings})


@cases(*(f"{kind} {dtype}" for kind in SMOTE_KINDS for dtype in ("float64", "float32")))
def smote(case):
    kind, _, dtype = case.rpartition(" ")
    sampler = smote_sampler(kind, dtype)
    first = sampler.sample(700, return_parents=True)
    out = np.empty((65, first.rows.shape[1]), dtype)
    same = sampler.sample(65, out=out) is out
    state = sampler.state_dict()
    with two_threads():
        second = sampler.sample(300, return_parents=True)
    sampler.set_epoch(2**32 - 1)
    epoch = sampler.sample(3)
    sampler.load_state_dict(state)
    return [first, same, out, state, second, epoch, sampler.sample(9), sampler.sample(0)]


@cases(1, 2)
def smote_in_threads(threads):
    """Draw enough rows for two threads. The number of threads comes from the environment."""
    with mock.patch.dict(os.environ, {"EQUIPOISE_NUM_THREADS": str(threads)}):
        sampler = smote_sampler("weighted", np.float32, k_neighbors=20, seed=2**64 - 1)
        return sampler.sample(200_000, return_parents=True)


@cases("float64", "float32")
def parent_weights(dtype):
    x, y = labeled(dtype)
    return [
        equipoise.borderline_weights(x, y, 1),
        equipoise.borderline_weights(x, y, 1, m_neighbors=3),
        equipoise.safe_level_weights(x, y, 1),
        equipoise.safe_level_weights(x, y, 0, k_neighbors=9),
    ]
