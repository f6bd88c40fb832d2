"""C++ and Numba raise the same errors, and give the same bytes in two processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import equipoise
from support.backends import MISSING, MODULES, both, check, frozen, proposer_of

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


def test_kernels_refuse_the_same_arguments():
    """The class of the error is the same, and the text, too, if it is ours. Users never see these errors."""
    i, u, f = np.zeros(3, np.int64), np.zeros(3, np.uint64), np.zeros(3)
    ids = np.zeros(2, np.uint32)
    none, scratch = (i[:0], ids[:0], u[:0]), np.zeros(40, np.uint64)
    batch = (1, 1, 1, u[:0], i, np.zeros((3, 0), np.int64), False, 0)
    out = [np.zeros((3, 4), dtype) for dtype in (np.int64, np.float32, np.bool_)]
    calls = [
        ("philox", np.zeros(4, np.uint32), np.zeros(1, np.uint32), np.zeros(4, np.uint32)),
        ("log", f, f[:2]),
        ("unit_floor", f, 1, 1, 1, u[:2]),
        ("alias_build", u, u[:2]),
        ("alias_check", u, u[:2]),
        ("unit_digest", 4, u),
        ("alias_draw", 1, u[:0], 0, i),
        ("alias_draw", 1, u, 1, i),
        ("alias_draw", 1, u, -128, i),
        ("uniform_draw", 1, 0, 0, i),
        ("uniform_draw", 1, 2**32, 0, i),
        ("uniform_draw", 1, 5, 64, i),
        ("exclusion_sort", i[:0], ids),
        ("exclusion_sort", i, ids),
        ("exclusion_units", i, ids, u, u),
        ("exclusion_hits", (i, ids, u[:0]), i, i, i[:2], np.zeros((3, 2), np.bool_)),
        ("exclusion_hits", (i, ids, u), i, i, i, np.zeros((3, 3), np.bool_)),
        ("exclusion_hits", (i[:0], ids, u[:0]), i, i, i, np.zeros((3, 3), np.bool_)),
        ("negatives_draw", proposer_of(3, u, u), none, batch, 0, 4, 9, scratch, *out),
        ("negatives_draw", proposer_of(3, u, u), none, batch, -1, 3, 9, scratch, *out),
        ("negatives_draw", proposer_of(3, u, u), none, batch, 0, 3, 9, u[:2], *out),
        ("negatives_draw", proposer_of(3, u, u), none, batch, 0, 3, 9, scratch, out[0][:2], *out[1:]),
        ("negatives_draw", proposer_of(3, u, u), none, batch, 0, 3, 9, scratch, *out[:2], out[2][:2]),
        ("negatives_draw", proposer_of(3, u, u), (i, ids, u), batch, 0, 3, 9, scratch, *out),
        ("negatives_draw", proposer_of(3, u[:2], u), none, batch, 0, 3, 9, scratch, *out),
        ("negatives_draw", (3, 3, u, u, u[:0]), none, batch, 0, 3, 9, scratch, *out),
        ("negatives_draw", proposer_of(3, u, u, u), none, batch, 0, 3, 9, scratch, *out),
        ("negatives_draw", proposer_of(3, u, u), none, (1, 1, 1, u[:2], *batch[4:]), 0, 3, 9, scratch, *out),
        (
            "negatives_draw",
            proposer_of(3, u, u),
            none,
            (*batch[:4], i[:2], *batch[5:]),
            0,
            3,
            9,
            scratch,
            *out,
        ),
        ("shared_draw", 1, 1, 1, proposer_of(0, u[:0], u[:0]), 0, i),
        ("shared_draw", 1, 1, 1, proposer_of(4, u, u), 0, i),
        ("shared_draw", 1, 1, 1, proposer_of(3, u, u[:2]), 0, i),
        ("shared_unique", 1, 1, 1, proposer_of(3, u, u), 1, i, i[:2], np.zeros(4, np.uint64)),
        ("shared_unique", 1, 1, 1, proposer_of(3, u, u), 1, np.zeros(4, np.int64), i[:2], u),
        ("shared_exact", 1, 1, 1, proposer_of(3, u, u), u, i, np.zeros(4, np.uint64)),
    ]
    for name, *args in calls:
        texts = set()
        for kernels in both():
            with pytest.raises(ValueError) as caught:
                getattr(kernels, name)(*args)
            texts.add(str(caught.value))
        assert len(texts) == 1, (name, texts)
    wrong_types = [
        ("alias_draw", 1, u.astype(np.int64), 0, i),
        ("alias_draw", 1, u, 0, i.astype(np.int32)),
        ("alias_draw", 1, u, 0, frozen(i.copy())),
        ("alias_draw", 1, u, 0, np.zeros(6, np.int64)[::2]),
        ("unit_sum", f.astype(np.float32), 0),
        ("log", f, np.zeros(6)[::2]),
        ("shared_draw", 1, 1, 1, (3, 3 << 32, u, i, u[:0]), 0, i),
    ]
    for name, *args in wrong_types:
        for kernels in both():
            with pytest.raises((TypeError, ValueError)):
                getattr(kernels, name)(*args)
    other_records = [
        ("shared_draw", 1, 1, 1, (3, 3 << 32, u, u), 0, i),
        ("shared_draw", 1, 1, 1, (3, 3 << 32, u, u, u[:0], 0), 0, i),
        ("exclusion_hits", (), i, i, i, np.zeros((3, 3), np.bool_)),
        ("negatives_draw", proposer_of(3, u, u), none, batch[:-1], 0, 3, 9, scratch, *out),
    ]
    for name, *args in other_records:
        for kernels in both():
            with pytest.raises(TypeError):
                getattr(kernels, name)(*args)


def test_errors_agree():
    sampler = lambda **how: equipoise.NegativeSampler(  # noqa: E731
        [3, 2, 1, 0], exclude=([0, 3, 3], [0, 1, 2]), **how
    )
    bad = [
        lambda: equipoise.AliasTable([1, -1]),
        lambda: equipoise.AliasTable([0, 0]),
        lambda: equipoise.AliasTable([1.0, np.nan]),
        lambda: equipoise.AliasTable(["a"]),
        lambda: equipoise.AliasTable([1, 100], power=1e308),
        lambda: equipoise.AliasTable([1]).sample(-1),
        lambda: equipoise.AliasTable([1]).sample(2, out=np.empty(2, np.int32)),
        lambda: equipoise.AliasTable([1]).prob([1]),
        lambda: equipoise.AliasTable.load("there is no such file"),
        lambda: equipoise.UniformTable(0),
        lambda: equipoise.LogUniformTable(1.5),
        lambda: sampler(seed=-1),
        lambda: sampler().sample([0], 1),
        lambda: sampler().sample([1, 0], 1),
        lambda: sampler().sample([1], 4, unique=True),
        lambda: sampler().sample([1, 1], 3, unique=True, exclude_ids=[3, 0]),
        lambda: sampler().sample([0], 1, unique=True, on_exhausted="replace"),
        lambda: sampler().sample([2], 1),
        lambda: sampler().sample([0.5], 1),
        lambda: sampler().sample([1], 1, exclude_ids=[4]),
        lambda: sampler().sample_shared(4),
        lambda: sampler().accidental_hits([5], [0]),
        lambda: sampler().load_state_dict({}),
        lambda: sampler().load_state_dict(sampler(seed=1).state_dict()),
        lambda: equipoise.SmoteSampler(np.full((9, 2), np.nan)),
        lambda: equipoise.SmoteSampler(np.eye(3)),
        lambda: equipoise.SmoteSampler(np.ones((9, 2))),
        lambda: equipoise.SmoteSampler(np.eye(9), categorical=[9]),
        lambda: equipoise.SmoteSampler(np.eye(9)).sample(3, out=np.empty((3, 8))),
        lambda: equipoise.borderline_weights(np.eye(20), np.zeros(20), 0),
        lambda: equipoise.safe_level_weights(np.eye(20), np.arange(20), 3),
    ]
    for make in bad:
        error, text = check(make)
        assert issubclass(error, TypeError | ValueError | IndexError | OSError)
        assert text


# ---- two processes, each with the backend of its environment ----------------------------------------------

PROGRAM = """
import sys
import numpy as np, equipoise
table = equipoise.AliasTable(1 / np.arange(1, 1001), power=0.75)
sampler = equipoise.NegativeSampler(table, exclude=([0, 3, 900], [7, 0, 7, *range(897)]), seed=3)
got = sampler.sample([0, 1] * 50, 20)
shared = sampler.sample_shared(990)
print(equipoise.backend(), "numba" in sys.modules)
for array in (table.sample(10_000, rng=1), got.ids, got.log_q, got.mask, shared.ids, shared.log_q):
    print(array.tobytes().hex())
X = np.random.default_rng(0).normal(size=(200, 9))
for rows in (X, X.astype(np.float32)):
    smote = equipoise.SmoteSampler(rows, parent_weights=np.arange(200), seed=1)
    drawn = smote.sample(777, return_parents=True)
    print(drawn.rows.tobytes().hex(), drawn.parents.tobytes().hex(), smote.state_dict())
print(shared.num_tries, sampler.state_dict())
"""


def test_two_processes_give_the_same_bytes():
    said = {}
    for backend in MODULES:
        env = {**os.environ, "EQUIPOISE_BACKEND": backend}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        first, _, said[backend] = done.stdout.partition("\n")
        assert first == f"{backend} {backend == 'numba'}"
    assert hashlib.sha256(said["cpp"].encode()).digest() == hashlib.sha256(said["numba"].encode()).digest()
