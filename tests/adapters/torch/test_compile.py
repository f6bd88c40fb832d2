"""In a function that torch.compile compiles, calls are graph breaks and return what they always return."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import equipoise
from support.backends import pack

torch = pytest.importorskip("torch", reason="torch is not installed")

EXCLUDE = ([0, 2, 3], [1, 4, 5])
POINTS = np.random.default_rng(0).normal(size=(40, 3))


def negatives():
    return equipoise.NegativeSampler([8, 4, 2, 1, 1, 1], exclude=EXCLUDE, seed=5)


def fives():
    ids, log_q = torch.zeros((2, 3), dtype=torch.int64), torch.zeros((2, 3))
    return equipoise.Negatives(ids.numpy(), log_q.numpy(), torch.zeros((2, 3), dtype=torch.bool).numpy())


def reservoir(**settings):
    made = equipoise.Reservoir(3, seed=1, **settings)
    made.update([1.0, 2.0, 3.0, 4.0, 5.0])
    return made


def by_class():
    made = equipoise.ClassReservoir(2, seed=1)
    made.update([3, 3, 3, 7])
    return made


def synthetic():
    return equipoise.SmoteSampler(POINTS, seed=3)


def resumed(sampler, state):
    sampler.load_state_dict(state)
    return sampler.sample_shared(3)


def of_epoch(sampler, epoch):
    sampler.set_epoch(epoch)
    return sampler.sample_shared(3)


def read(made, *args, **kwargs):
    made.update(*args, **kwargs)
    return made.to_bytes()


def merged(made, other):
    made.merge(other)
    return made.to_bytes()


def rows(x):
    """Return the rows 0 and 1 as a tensor that the compiled function has computed."""
    return torch.arange(2) + (x[:2] * 0).long()


def labels(x):
    return torch.arange(40) % 2 + (x[0] * 0).long()


# name -> (function that makes the object, call of the object and a float tensor of ones)
CALLS = {
    "AliasTable": (lambda: None, lambda _, x: equipoise.AliasTable(x * 3).sample(50, rng=1)),
    "AliasTable.sample": (lambda: equipoise.AliasTable([1, 2, 3]), lambda t, _: t.sample((5, 9), rng=2)),
    "AliasTable.prob": (lambda: equipoise.AliasTable([1, 2, 3]), lambda t, x: (t.prob(rows(x)), len(t))),
    "AliasTable.log_prob": (lambda: equipoise.AliasTable([1, 2, 3]), lambda t, x: t.log_prob(rows(x))),
    "UniformTable.sample": (lambda: equipoise.UniformTable(9), lambda t, _: t.sample(20, rng=3)),
    "LogUniformTable.sample": (lambda: equipoise.LogUniformTable(9), lambda t, _: t.sample(20, rng=3)),
    "NegativeSampler": (lambda: None, lambda _, x: equipoise.NegativeSampler(x).sample([1], 3)),
    "NegativeSampler.sample": (negatives, lambda s, x: s.sample(rows(x), 4)),
    "NegativeSampler.sample, keyed": (negatives, lambda s, x: s.sample(rows(x), 4, row_keys=rows(x) + 7)),
    "NegativeSampler.sample, unique": (negatives, lambda s, x: s.sample(rows(x), 3, unique=True)),
    "NegativeSampler.sample, excluding": (negatives, lambda s, x: s.sample([0, 1], 4, exclude_ids=rows(x))),
    "NegativeSampler.sample, threads": (negatives, lambda s, _: s.sample([0] * 40_000, 2, n_threads=2)),
    "NegativeSampler.sample, out": (
        lambda: (negatives(), fives()),
        lambda s, x: s[0].sample(rows(x), 3, out=s[1]),
    ),
    "NegativeSampler.sample_shared": (negatives, lambda s, _: s.sample_shared(3)),
    "NegativeSampler.accidental_hits": (negatives, lambda s, x: s.accidental_hits(rows(x), [1, 2, 5])),
    "NegativeSampler.log_prob": (negatives, lambda s, x: s.log_prob(rows(x))),
    "NegativeSampler.set_epoch": (negatives, lambda s, _: of_epoch(s, 4)),
    "NegativeSampler.load_state_dict": (negatives, lambda s, _: resumed(s, negatives().state_dict())),
    "weighted_sample": (lambda: None, lambda _, x: equipoise.weighted_sample(x + 1, 7, rng=3)),
    "weighted_sample, inclusion": (
        lambda: None,
        lambda _, x: equipoise.weighted_sample(x + 1, 7, rng=3, replacement=True, return_inclusion=True),
    ),
    "Reservoir": (lambda: None, lambda _, x: read(equipoise.Reservoir(4, half_life=2.0), x, times=x)),
    "Reservoir.update": (reservoir, lambda r, x: read(r, x * 2)),
    "Reservoir.sample": (reservoir, lambda r, _: (r.sample(), r.n_seen, r.total_weight)),
    "Reservoir.estimate": (reservoir, lambda r, _: r.estimate()),
    "Reservoir.merge": (lambda: (reservoir(), reservoir(stream=1)), lambda r, _: merged(*r)),
    "Reservoir.from_bytes": (reservoir, lambda r, _: equipoise.Reservoir.from_bytes(r.to_bytes()).sample()),
    "ClassReservoir.update": (by_class, lambda r, x: read(r, labels(x)[:12], x)),
    "ClassReservoir.sample": (by_class, lambda r, _: (r.sample(total=3), r.counts)),
    "nearest_neighbors": (lambda: None, lambda _, x: equipoise.nearest_neighbors(x.reshape(-1, 1) * x, 3)),
    "SmoteSampler.sample": (synthetic, lambda s, _: s.sample(9)),
    "SmoteSampler.sample, parents": (synthetic, lambda s, _: s.sample(9, return_parents=True)),
    "borderline_weights": (lambda: None, lambda _, x: equipoise.borderline_weights(POINTS, labels(x), 1)),
    "safe_level_weights": (lambda: None, lambda _, x: equipoise.safe_level_weights(POINTS, labels(x), 1)),
    "backend": (lambda: None, lambda *_: equipoise.backend()),
}


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_a_graph_break(name, backend):
    make, call = CALLS[name]
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph if backend == "eager" else torch._dynamo.lookup_backend(backend)(graph, inputs)

    def step(made, x):
        x = torch.sin(x) ** 2 + torch.cos(x) ** 2 * 0  # work for a graph before the call, and after it
        answer = call(made, x)
        return answer, x + 2

    x = torch.ones(12)
    expected, after = step(make(), x)
    torch._dynamo.reset()
    compiled = torch.compile(step, backend=counting)
    for _ in range(2):
        answer, y = compiled(make(), x)
        assert pack(answer) == pack(expected)
        assert torch.equal(y, after)
    assert len(graphs) >= 2


def test_methods_and_functions_may_be_compiled_themselves():
    torch._dynamo.reset()
    rows = torch.tensor([0, 1])
    expected, sampler = negatives().sample(rows, 4), negatives()
    assert pack(torch.compile(sampler.sample, backend="eager")(rows, 4)) == pack(expected)
    weights = torch.arange(1.0, 30.0)
    expected = equipoise.weighted_sample(weights, 5, rng=1)
    assert pack(torch.compile(equipoise.weighted_sample, backend="eager")(weights, 5, rng=1)) == pack(
        expected
    )


def test_a_function_that_cannot_be_compiled_may_still_draw():
    """Dynamo leaves the whole function to Python, and meets the sampler's frames when they run."""

    def step(sampler, x):
        try:
            torch._dynamo.graph_break()
            return sampler.sample(x.long(), 4)
        finally:
            x += 1

    torch._dynamo.reset()
    compiled = torch.compile(step, backend="eager")
    assert pack(compiled(negatives(), torch.zeros(2))) == pack(negatives().sample([0, 0], 4))


def test_fullgraph_says_what_is_not_traced():
    torch._dynamo.reset()
    sampler = negatives()
    compiled = torch.compile(lambda rows: sampler.sample(rows, 2), backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="equipoise draws with NumPy and its own kernels"):
        compiled(torch.tensor([0, 1]))
    assert sampler.state_dict()["rows_drawn"] == 0


def public():
    for name in equipoise.__all__:
        thing = getattr(equipoise, name)
        members = vars(thing).items() if inspect.isclass(thing) else [("", thing)]
        for member, value in members:
            function = getattr(value, "fget", getattr(value, "__func__", value))
            if inspect.isfunction(function):
                yield f"{name}.{member}", function


def test_no_public_function_is_traced():
    seen = dict(public())
    assert len(seen) > 50
    assert [name for name, function in seen.items() if not hasattr(function, "_torchdynamo_disable")] == []


COLD = """
import torch, equipoise
def step(x):
    return equipoise.UniformTable(9).sample(5, rng=1), x + 1
got, y = torch.compile(step, backend="eager")(torch.ones(3))
assert y.tolist() == [2, 2, 2]
assert got.tolist() == equipoise.UniformTable(9).sample(5, rng=1).tolist()
"""


def test_kernels_may_be_compiled_inside_a_compiled_function(tmp_path):
    """Without this, Dynamo would follow Numba's compiler."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", "-c", COLD], env=environment, check=True)
