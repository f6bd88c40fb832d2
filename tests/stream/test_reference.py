"""Words, elementary functions and keys of the stream equal known answers and the reference."""

from __future__ import annotations

import importlib
import math
import random
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from equipoise import AliasTable, NegativeSampler, UniformTable
from equipoise import rng as contract
from support import reference

BIT_GENERATORS = (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)


def known_answers():
    lines = (Path(__file__).parent / "kat_vectors.txt").read_text(encoding="ascii").splitlines()
    rows = [[int(word, 16) for word in line.split()] for line in lines if not line.startswith("#")]
    return [(row[:4], row[4:6], row[6:]) for row in rows]


# ---- words ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["_core", "_numba"])
def kernels(request):
    """Return the kernels of each backend, since the known answers hold for both."""
    try:
        return importlib.import_module(f"equipoise.{request.param}")
    except ImportError as error:
        pytest.skip(f"this installation has no {request.param}: {error}")


def kernel_philox(kernels, counters, keys):
    out = np.empty((len(counters), 4), dtype=np.uint32)
    kernels.philox(np.array(counters, dtype=np.uint32), np.array(keys, dtype=np.uint32), out)
    return out.tolist()


def test_philox_gives_the_known_answers():
    answers = known_answers()
    assert len(answers) >= 3
    for counter, key, answer in answers:
        assert list(reference.philox(counter, key)) == answer


def test_kernel_philox_gives_the_known_answers(kernels):
    counters, keys, answers = zip(*known_answers(), strict=True)
    assert kernel_philox(kernels, counters, keys) == list(answers)


def test_kernel_philox_equals_the_reference(kernels):
    draw = np.random.default_rng(1)
    counters, keys = draw.integers(0, 2**32, (200, 4)).tolist(), draw.integers(0, 2**32, (200, 2)).tolist()
    wanted = [list(reference.philox(c, k)) for c, k in zip(counters, keys, strict=True)]
    assert kernel_philox(kernels, counters, keys) == wanted


def test_mix64_equals_splitmix64():
    """Compare with the first five numbers of SplitMix64 with seed 1234567, as published."""
    run = reference.Run(0, 0)
    run.s, run.m = 1234567, 0
    assert [run.word(j) for j in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_purposes_and_versions_never_share_a_call_key():
    assert tuple(
        purpose + 2**16 for purpose in (reference.TABLE, reference.KEYED, reference.COUNTED, reference.SHARED)
    ) == (contract.TABLE, contract.KEYED, contract.COUNTED, contract.SHARED)
    addresses = [
        (seed, epoch, purpose, stream)
        for seed in (0, 1, 2**32, 2**64 - 1)
        for epoch in (0, 1, 2**32 - 1)
        for purpose in (1, 2, 3, 4)
        for stream in (0, 1, 2**32, 2**64 - 1)
    ]
    assert len({reference.call_key(*address) for address in addresses}) == len(addresses)


def test_the_reference_reaches_both_ends_of_each_interval():
    """The intervals are [0, n) for below() and (0, 1] for real()."""
    top = 2**64 - 1
    for n in (1, 2, 3, 2**32 - 1, 2**64 - 1):
        assert reference.below(0, n) == 0
        assert reference.below(top, n) == n - 1
    assert reference.real(0) == 2.0**-53
    assert reference.real(top) == 1.0


# ---- logarithm and exponential ----------------------------------------------------------------------------


def ulps(got, exact):
    """Return the error of `got`, in units of the last place of the exact value."""
    return float(abs(Decimal(got) - exact) / Decimal(math.ulp(float(exact))))


# The largest errors over about 10^5 arguments, rounded up. In log, f / (2 + f) has two rounding errors.
@pytest.mark.parametrize(
    ("name", "exact", "arguments", "bound"),
    [
        ("log", Decimal.ln, lambda r: math.ldexp(r.uniform(0.5, 1), r.randint(-1073, 1024)), 2.0),
        ("log", Decimal.ln, lambda r: 1 + r.choice((-1, 1)) * 2 ** r.uniform(-50, -1), 2.5),
        ("exp", Decimal.exp, lambda r: r.uniform(-708, 709), 1.5),
        ("exp", Decimal.exp, lambda r: r.uniform(-1, 1), 1.5),
        ("log1p", lambda x: (1 + x).ln(), lambda r: r.choice((-1, 1)) * 2 ** r.uniform(-80, -0.01), 4.0),
        ("log1p", lambda x: (1 + x).ln(), lambda r: 2 ** r.uniform(0, 100), 4.0),
        ("expm1", lambda x: x.exp() - 1, lambda r: r.choice((-1, 1)) * 2 ** r.uniform(-80, 6), 4.0),
    ],
)
def test_elementary_functions_are_within_a_few_ulps(name, exact, arguments, bound):
    draw = random.Random(name)
    with localcontext() as context:
        context.prec = 50
        for _ in range(3000):
            x = arguments(draw)
            if x in (0, 1):
                continue
            assert ulps(getattr(reference, name)(x), exact(Decimal(x))) <= bound, x.hex()


def test_elementary_functions_at_the_ends_of_their_domains():
    inf = math.inf
    assert reference.log(0.0) == -inf
    assert reference.log(1.0) == 0.0
    assert reference.log(inf) == inf
    assert math.isnan(reference.log(-1.0))
    assert math.isnan(reference.log(math.nan))
    assert reference.exp(0.0) == 1.0
    assert reference.exp(-708.5) == 0.0 < reference.exp(-708.0)
    assert reference.exp(709.5) == inf > reference.exp(709.0)
    assert reference.log1p(0.0) == 0.0
    assert reference.log1p(-1.0) == -inf
    assert reference.log1p(1e-300) == 1e-300
    assert reference.expm1(-inf) == -1.0
    assert reference.expm1(-1e-300) == -1e-300


@pytest.mark.parametrize("name", ["log", "exp", "log1p", "expm1"])
def test_kernel_elementary_functions_equal_the_reference(kernels, name):
    """The results are equal to the last bit. A float32 log q would hide most differences."""
    draw = random.Random(name)
    x = [draw.uniform(0, 4) for _ in range(4000)] + [2 ** draw.uniform(-60, 9) for _ in range(4000)]
    x += [
        0.0,
        1.0,
        0.5,
        2.0,
        math.sqrt(0.5),
        math.nextafter(math.sqrt(0.5), 0),
        math.nextafter(1, 0),
        2.0**-1074,
    ]
    if name != "log":
        x += [-y for y in x if y < 1 or name != "log1p"] + [-1.0, -708.0, -708.5, 709.0, 709.5, -math.inf]
    if name == "log1p":
        x = [y for y in x if y >= -1]
    if name in ("log", "exp"):
        x.append(math.inf)
    if name == "expm1":
        x = [y for y in x if y < 709]
    got, wanted = np.empty(len(x)), np.array([getattr(reference, name)(y) for y in x])
    getattr(kernels, name)(np.array(x), got)
    wrong = got.view(np.uint64) != wanted.view(np.uint64)
    assert not wrong.any(), np.array(x)[wrong][:5]


# ---- rng= and seed= ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", BIT_GENERATORS, ids=lambda bits: bits.__name__)
def test_every_bit_generator_gives_a_key(bits):
    first, second = bits(5), bits(5)
    raw = [int(x) for x in second.random_raw(4)]
    if bits is np.random.MT19937:
        raw = [raw[0] + (raw[1] << 32), raw[2] + (raw[3] << 32)]
    assert [int(contract.key_from_rng(first)) for _ in range(2)] == raw[:2]
    assert int(contract.key_from_rng(bits(5))) == reference.key_from_rng(bits(5))
    assert int(contract.key_from_rng(np.random.Generator(bits(5)))) == raw[0]


def test_seeds_and_seed_sequences_give_the_same_key():
    key = contract.key_from_rng
    assert key(11) == key(11) == key(np.int64(11)) == reference.key_from_rng(11)
    assert key(11) != key(12)
    assert key(np.random.SeedSequence(11)) == key(11)
    assert key(None) != key(None)
    assert 0 <= key(None) < 2**64


@pytest.mark.parametrize("rng", ["seven", 1.5, np.random])
def test_rng_of_a_wrong_type_is_refused(rng):
    with pytest.raises(TypeError):
        contract.key_from_rng(rng)


def test_seed_must_fit_in_64_bits():
    for seed in (0, np.uint64(2**64 - 1)):
        NegativeSampler(3, seed=seed, stream=seed)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed"):
            NegativeSampler(3, seed=seed)
        with pytest.raises(ValueError, match="stream"):
            NegativeSampler(3, stream=seed)
    for seed in (1.0, "1", None, True):
        with pytest.raises(TypeError, match="seed"):
            NegativeSampler(3, seed=seed)


# ---- what is stable ---------------------------------------------------------------------------------------


def test_version_2_of_the_stream_never_changes():
    """A change here breaks the promise in rng.py under "What is stable"."""
    assert AliasTable([1, 2, 3, 4]).sample(12, rng=0).tolist() == [0, 3, 2, 3, 2, 3, 0, 0, 3, 3, 1, 1]
    assert UniformTable(10**9).sample(3, rng=0).tolist() == [90585996, 885576280, 583727335]
    sampler = NegativeSampler([1, 2, 3, 4, 5, 6], exclude=([0, 1, 3], [5, 0, 1]), seed=7, stream=1)
    sampler.set_epoch(2)
    keyed = sampler.sample([0, 1], 4, unique=True, row_keys=[10, -10])
    assert keyed.ids.tolist() == [[2, 3, 4, 1], [5, 3, 4, 2]]
    log_q = "1002cebf549f8cbf51a4f0be1f99cfbe549f8cbf549f8cbf51a4f0be00000000"
    assert keyed.log_q.astype("<f4").tobytes().hex() == log_q
    assert sampler.sample([0, 1], 4).ids.tolist() == [[4, 4, 2, 4], [3, 4, 2, 4]]
    shared = sampler.sample_shared(4)
    assert (shared.ids.tolist(), shared.num_tries) == ([4, 5, 2, 0], 9)
