"""Recorded answers of tables, and of the constants of the stream contract."""

from __future__ import annotations

import numpy as np

import equipoise
from equipoise import rng as contract
from support.recorded.digests import cases
from support.recorded.inputs import WEIGHTS, bytes_of, weights_of


def answers_of_table(table):
    ids = np.arange(min(len(table), 2000))
    out = np.empty((2, 9), np.int64)
    return [
        len(table),
        [table.sample(size, rng=7) for size in (0, 1, (), (3, 5, 7), 1000)],
        table.sample((2, 9), rng=7, out=out) is out,
        out,
        [table.sample(600, rng=11, n_threads=threads) for threads in (1, 2)],
        table.prob(ids),
        table.log_prob(ids),
        table.prob(ids[: len(ids) // 2 * 2].reshape(2, -1)),
        bytes_of(table.save),
    ]


@cases(*WEIGHTS)
def alias_table(kind):
    return answers_of_table(equipoise.AliasTable(weights_of(kind)))


@cases(0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 0.3, -1.0)
def alias_table_of_power(power):
    return [
        answers_of_table(equipoise.AliasTable(weights_of(kind), power=power, smoothing=smoothing))
        for kind in ("float64", "int32", "zeros")
        for smoothing in (0.0, 1.5)
    ]


@cases(1, 7, 1000, 2**32 - 1)
def uniform_table(n):
    return answers_of_table(equipoise.UniformTable(n))


@cases(1, 7, 1000)
def log_uniform_table(n):
    return answers_of_table(equipoise.LogUniformTable(n))


@cases(1, 2)
def long_draws(threads):
    tables = (equipoise.AliasTable(weights_of("zeros")), equipoise.UniformTable(12345))
    return [table.sample(600_001, rng=3, n_threads=threads) for table in tables]


@cases("int", "SeedSequence", "PCG64", "Generator", "MT19937")
def rng_argument(kind):
    rng = {
        "int": 5,
        "SeedSequence": np.random.SeedSequence(5),
        "PCG64": np.random.PCG64(5),
        "Generator": np.random.Generator(np.random.PCG64(5)),
        "MT19937": np.random.Generator(np.random.MT19937(5)),
    }[kind]
    table = equipoise.UniformTable(10**6)
    keys = [contract.key_from_rng(rng) for _ in range(3)]
    samples = [table.sample(5, rng=rng) for _ in range(3)]
    return [keys, samples, equipoise.weighted_sample(weights_of("float64"), 5, rng=rng)]


@cases()
def contract_constants():
    names = ("TABLE", "KEYED", "COUNTED", "SHARED", "IDS", "ROWS", "BLOCKS", "SMOTE")
    return [contract.worker_lane(), *(getattr(contract, name) for name in names)]
