"""Losses of sampled negatives: formulas, the law of the gradient, masks, what to pass for which sampler."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest

import equipoise

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F  # noqa: E402

from equipoise.losses import bpr_loss, sampled_softmax  # noqa: E402
from support.losses import vectors  # noqa: E402
from support.reference import losses as slow  # noqa: E402

# The law: five items, the positive is 2, and the others are drawn in proportion to these.
SCORES = torch.tensor([0.5, -0.3, 2.0, 0.1, -1.0], dtype=torch.float64)
PROPOSAL = torch.tensor([0.4, 0.25, 0.0, 0.1, 0.05], dtype=torch.float64)
POSITIVE, OTHERS = 2, [0, 1, 3, 4]


def close(found, wanted, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(found.detach()), wanted, rtol=rtol, atol=1e-15)


def gradients(loss, *inputs):
    return torch.autograd.grad(loss.sum(), inputs)


def scores_of(own, others):
    """Return the arguments of a sampled softmax whose scores are there already: one dimension."""
    return torch.ones(len(own), 1, dtype=own.dtype), own[:, None], others[..., None]


# ---- by the formula --------------------------------------------------------------------------------------


def slow_rows(q, p, n, log_q, used=None, temperature=1.0, **how):
    """Return the sampled softmax row by row."""
    q, p, n, log_q = (x.detach().numpy() for x in (q, p, n, log_q))
    rows = []
    for b in range(len(q)):
        own_negatives = n[b] if n.ndim == 3 else n
        own_log_q = log_q[b] if log_q.ndim == 2 else log_q
        at = [j for j in range(len(own_negatives)) if used is None or used[b][j]]
        mine = {name: x[b] if name == "pos_log_q" else x for name, x in how.items()}
        rows.append(
            slow.sampled(
                q[b] @ p[b] / temperature,
                [q[b] @ own_negatives[j] / temperature for j in at],
                [own_log_q[j] for j in at],
                **mine,
            )
        )
    return rows


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("masked", ["", "mask", "hits", "both"])
@pytest.mark.parametrize("how", [{}, {"temperature": 0.3}, {"num_draws": 7}, {"pos_log_q": 1}], ids=str)
def test_the_sampled_softmax_is_its_formula(shared, masked, how):
    q, p, n, log_q = vectors(shared=shared)
    g = torch.Generator().manual_seed(4)
    flags = [torch.rand(6, 4, generator=g) < 0.6 for _ in range(2)]
    flags[0][2] = True
    used, given = None, {}
    if masked in ("mask", "both"):
        used, given["mask"] = flags[0], flags[0]
    if masked in ("hits", "both"):
        given["accidental_hits"] = ~flags[1].numpy()
        used = flags[1] if used is None else used & flags[1]
    used = torch.ones(6, 4, dtype=torch.bool) if used is None else used
    used[:, 0] = True  # no row without negatives, of which log(m) is not defined
    if "mask" in given:
        given["mask"] = given["mask"] | ~used.any(1, keepdim=True) | (torch.arange(4) == 0)
    if "accidental_hits" in given:
        given["accidental_hits"] = given["accidental_hits"] & (np.arange(4) != 0)
    how = {"pos_log_q": torch.linspace(-3, -1, 6, dtype=torch.float64)} if "pos_log_q" in how else how
    slowly = {{"num_draws": "draws"}.get(name, name): x for name, x in how.items()}
    wanted = slow_rows(q, p, n, log_q, used, **slowly)
    found = sampled_softmax(q, p, n, log_q, **given, **how, reduction="none")
    close(found, wanted)
    w = torch.rand(6, generator=g, dtype=torch.float64)
    mean = sampled_softmax(q, p, n, log_q.numpy(), **given, **how, sample_weights=w.tolist())
    close(mean, slow.mean_of(wanted, w.tolist(), w.tolist()))
    close(sampled_softmax(q, p, n, log_q, **given, **how, reduction="sum"), math.fsum(wanted))


def test_a_value_that_can_be_checked_by_hand():
    """Two draws of score 0 with probability 1/2 each count as two items, beside a positive of score log 2."""
    own, others = torch.tensor([math.log(2)]), torch.zeros(1, 2)
    log_half = np.log([[0.5, 0.5]])
    close(sampled_softmax(*scores_of(own, others), log_half), math.log(4 / 2), 1e-6)
    close(sampled_softmax(*scores_of(own, others), log_half, num_draws=1), math.log(6 / 2), 1e-6)
    classic = sampled_softmax(*scores_of(own, others), log_half, pos_log_q=np.log([0.25]))
    close(classic, math.log((4 + 2) / 4), 1e-6)


def test_scores_that_are_already_there():
    q, p, n, log_q = vectors()
    own, others = (q * p).sum(1), (n @ q[:, :, None]).squeeze(2)
    close(sampled_softmax(*scores_of(own, others), log_q), sampled_softmax(q, p, n, log_q).item())


def test_the_temperature_may_be_learned():
    q, p, n, log_q = vectors()
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    close(
        sampled_softmax(q, p, n, log_q, temperature=t),
        sampled_softmax(q, p, n, log_q, temperature=0.3).item(),
    )
    assert torch.autograd.gradcheck(lambda a: sampled_softmax(q, p, n, log_q, temperature=a), (t,))


# ---- the law ---------------------------------------------------------------------------------------------


def gradient_of_all_draws(k, **how):
    """Return the expected gradient for the five scores, from every way to draw k negatives."""
    q = PROPOSAL / PROPOSAL.sum()
    draws = torch.tensor(list(itertools.product(OTHERS, repeat=k)))
    scores = SCORES.clone().requires_grad_()
    own = scores[POSITIVE].expand(len(draws))
    loss = sampled_softmax(
        *scores_of(own, scores[draws]),
        q.log()[draws],
        sample_weights=q[draws].prod(1),
        reduction="sum",
        **how,
    )
    return gradients(loss, scores)[0]


def full_gradient():
    grad = torch.softmax(SCORES, 0)
    grad[POSITIVE] -= 1
    return grad


BIASES = [(1, 0.0301, 0.030), (2, 0.0174, 0.152), (4, 0.0094, 0.324), (6, 0.0064, 0.409)]


@pytest.mark.parametrize(("k", "bias", "without"), BIASES)
def test_the_bias_of_the_gradient(k, bias, without):
    """It falls as 1 / k. Without log m, which is a usual mistake, it grows."""
    full = full_gradient()
    assert (gradient_of_all_draws(k) - full).abs().max().item() == pytest.approx(bias, abs=5e-5)
    mistaken = gradient_of_all_draws(k, num_draws=1)
    assert (mistaken - full).abs().max().item() == pytest.approx(without, abs=5e-4)


def test_with_all_other_items_it_is_the_full_softmax():
    """Each item then has an expected count of 1."""
    scores = SCORES.clone().requires_grad_()
    loss = sampled_softmax(*scores_of(scores[[POSITIVE]], scores[OTHERS]), [0.0] * 4, num_draws=1)
    close(loss, F.cross_entropy(SCORES[None], torch.tensor([POSITIVE])).item())
    close(gradients(loss, scores)[0], full_gradient())
    q, p, n, _ = vectors(shared=True)
    logits = torch.cat([(q * p).sum(1, keepdim=True), q @ n.T], 1)
    wanted = F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64))
    found = sampled_softmax(q, p, n, torch.zeros(4), num_draws=1)
    close(found, wanted.item())
    for a, b in zip(gradients(found, q, p, n), gradients(wanted, q, p, n), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_the_gradient_is_that_of_the_correction_of_2025(k):
    """Their loss is sg(1 - P) (lse(s_j - log q_j) - s_p). The value of ours estimates the full softmax's."""
    q, p, n, log_q = vectors(negatives=k)
    own, corrected = (q * p).sum(1), (n @ q[:, :, None]).squeeze(2) - log_q
    among = torch.cat([own[:, None], corrected - math.log(k)], 1)
    theirs = (1 - torch.softmax(among, 1)[:, 0]).detach() * (torch.logsumexp(corrected, 1) - own)
    ours = sampled_softmax(q, p, n, log_q)
    for a, b in zip(gradients(ours, q, p, n), gradients(theirs.mean(), q, p, n), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-15)


def test_the_value_estimates_the_full_softmax():
    q = PROPOSAL / PROPOSAL.sum()
    draws = torch.tensor(list(itertools.product(OTHERS, repeat=6)))
    own = SCORES[POSITIVE].expand(len(draws))
    ours = sampled_softmax(*scores_of(own, SCORES[draws]), q.log()[draws], sample_weights=q[draws].prod(1))
    full = F.cross_entropy(SCORES[None], torch.tensor([POSITIVE]))
    assert abs(ours - full) < 0.05 * full


def test_classic_logq_has_a_bias_that_stays():
    """The factor 1 - P is lost: a row's weight tends to 1."""
    full = full_gradient()
    q = 0.2  # of the positive, in a proposal with it
    biases = [
        (gradient_of_all_draws(k, pos_log_q=np.full(4**k, math.log(q))) - full).abs().max().item()
        for k in (1, 2, 4, 6)
    ]
    assert biases[-1] > 5 * 0.0064


# ---- masks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_nothing_of_a_masked_negative_reaches_a_result(bad):
    q, p, n, log_q = vectors()
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[1, 2] = mask[4, 0] = mask[4, 1] = False
    spoiled = torch.where(mask[:, :, None], n.detach(), bad).requires_grad_()
    found = sampled_softmax(q, p, spoiled, torch.where(mask, log_q, bad), mask=mask)
    wanted = sampled_softmax(q, p, n, log_q, mask=mask)
    assert found == wanted
    for a, b in zip(gradients(found, q, p, spoiled), gradients(wanted, q, p, n), strict=True):
        assert torch.equal(a, b)
        assert a.isfinite().all()


def test_a_shared_negative_that_no_row_uses_may_be_nan():
    q, p, n, log_q = vectors(shared=True)
    hits = torch.zeros(6, 4, dtype=torch.bool)
    hits[:, 1] = True
    spoiled = n.detach().clone()
    spoiled[1] = torch.nan
    spoiled.requires_grad_()
    spoiled_log_q = torch.where(hits[0], torch.nan, log_q)
    found = sampled_softmax(q, p, spoiled, spoiled_log_q, num_draws=1, accidental_hits=hits)
    assert found == sampled_softmax(q, p, n[[0, 2, 3]], log_q[[0, 2, 3]], num_draws=1)
    assert all(x.isfinite().all() for x in gradients(found, q, p, spoiled))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("how", [{}, {"num_draws": 3}, {"pos_log_q": [-1.0] * 6}], ids=str)
def test_a_row_without_negatives(shared, how):
    """Its loss and its gradient are 0; it counts in a mean."""
    q, p, n, log_q = vectors(shared=shared)
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[[1, 4]] = False
    rows = sampled_softmax(q, p, n, log_q, mask=mask, reduction="none", **how)
    assert rows[[1, 4]].tolist() == [0, 0]
    for grad in gradients(rows, q, p):
        assert grad.isfinite().all()
        assert (grad[[1, 4]] == 0).all()
    close(sampled_softmax(q, p, n, log_q, mask=mask, **how), rows.sum().item() / 6)
    assert sampled_softmax(q, p, n, log_q, mask=torch.zeros_like(mask), **how) == 0
    none = (q, p, n[:0] if shared else n[:, :0], log_q[:0] if shared else log_q[:, :0])
    assert sampled_softmax(*none, **how) == 0
    assert sampled_softmax(*none, mask=np.zeros((6, 0), bool), **how) == 0


def test_no_rows_and_weights_of_0():
    q, p, n, log_q = vectors()
    assert sampled_softmax(q[:0], p[:0], n[:0], log_q[:0]) == 0
    assert sampled_softmax(q, p, n, log_q, sample_weights=[0] * 6) == 0
    assert bpr_loss(torch.zeros(0), torch.zeros(0, 3)) == 0
    assert bpr_loss(torch.zeros(2), torch.zeros(2, 3), sample_weights=[0, 0]) == 0


def test_log_q_that_is_very_small():
    """It is not clipped: an item of probability 1e-12 counts 1e12."""
    own, others = torch.zeros(1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    close(sampled_softmax(*scores_of(own, others), [[math.log(1e-12)]]), math.log(1 + 1e12))


# ---- what to pass for which sampler ----------------------------------------------------------------------


def test_negatives_of_a_sampler():
    sampler = equipoise.NegativeSampler(
        [8, 4, 2, 1, 1], exclude=([0, 1, 2, 7], [0, 3, 0, 1, 2, 3, 4]), seed=1
    )
    drawn = sampler.sample([0, 1, 2], 6, on_exhausted="mask")  # row 2 has no item left
    items, (q, _, _, _) = torch.randn(5, 3, dtype=torch.float64), vectors(rows=3)
    loss = sampled_softmax(
        q, items[[0, 3, 1]], items[drawn.ids], drawn.log_q, mask=drawn.mask, reduction="none"
    )
    wanted = slow_rows(q[:2], items[[0, 3]], items[drawn.ids[:2]], torch.tensor(drawn.log_q[:2]))
    close(loss, [*wanted, 0])


def test_shared_negatives_of_a_sampler():
    sampler = equipoise.NegativeSampler([8, 4, 2, 1, 1], exclude=([0, 1, 2], [0, 3]), seed=1)
    drawn = sampler.sample_shared(4)
    hits = sampler.accidental_hits([0, 1], drawn.ids)
    items, (q, _, _, _) = torch.randn(5, 3, dtype=torch.float64), vectors(rows=2)
    loss = sampled_softmax(
        q, items[[0, 3]], items[drawn.ids], drawn.log_q, num_draws=1, accidental_hits=hits, reduction="none"
    )
    close(loss, slow_rows(q, items[[0, 3]], items[drawn.ids], torch.tensor(drawn.log_q), ~hits, draws=1))


def test_in_batch_negatives():
    items = np.array([0, 3, 1, 0])
    table = equipoise.AliasTable([8, 4, 2, 1, 1])
    q, p, _, _ = vectors(rows=4)
    hits = items[:, None] == items  # the diagonal, and rows of the same item
    loss = sampled_softmax(
        q, p, p, table.log_prob(items), num_draws=3, accidental_hits=hits, reduction="none"
    )
    close(loss, slow_rows(q, p, p, torch.tensor(table.log_prob(items)), ~hits, draws=3))


# ---- BPR -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("corrected", [False, True])
def test_the_bpr_loss_is_its_formula(masked, corrected):
    g = torch.Generator().manual_seed(5)
    own, others = (
        torch.randn(6, generator=g, dtype=torch.float64),
        torch.randn(6, 4, generator=g, dtype=torch.float64),
    )
    log_q, pos_log_q = others.sin() - 3, own.sin() - 2
    used = torch.rand(6, 4, generator=g) < 0.6 if masked else torch.ones(6, 4, dtype=torch.bool)
    if masked:
        used[2] = False
    how = {"mask": used} if masked else {}
    how |= {"log_q": log_q, "pos_log_q": pos_log_q.numpy()} if corrected else {}
    wanted = [
        slow.bpr(
            own[b].item(),
            others[b][used[b]].tolist(),
            log_q[b][used[b]].tolist() if corrected else None,
            pos_log_q[b].item() if corrected else 0.0,
        )
        for b in range(6)
    ]
    close(bpr_loss(own, others, reduction="none", **how), wanted)
    w = torch.rand(6, generator=g, dtype=torch.float64)
    close(bpr_loss(own, others, sample_weights=w, **how), slow.mean_of(wanted, w.tolist(), w.tolist()))


def test_a_masked_negative_of_bpr_may_be_nan():
    own = torch.tensor([1.0, 2.0], requires_grad=True)
    others = torch.tensor([[torch.nan, 0.5], [torch.nan, torch.nan]], requires_grad=True)
    mask = torch.tensor([[False, True], [False, False]])
    loss = bpr_loss(own, others, log_q=others.detach(), mask=mask, reduction="none")
    assert loss[1] == 0
    torch.testing.assert_close(loss[0], F.softplus(torch.tensor(-1.0)))
    for grad in gradients(loss, own, others):
        assert grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_of_1e4(dtype):
    own = torch.tensor([1e4, -1e4], dtype=dtype, requires_grad=True)
    others = torch.tensor([[-1e4], [1e4]], dtype=dtype, requires_grad=True)
    for loss in (
        bpr_loss(own, others, reduction="none"),
        sampled_softmax(*scores_of(own, others), [[0.0]] * 2, reduction="none"),
    ):
        assert loss.tolist() == [0, 2e4]
        a, b = gradients(loss, own, others)
        assert a.tolist() == [0, -1]
        assert b.tolist() == [[0], [1]]


# ---- gradients, precision, devices -----------------------------------------------------------------------

MASK = torch.tensor([[True, False, True, True]] * 6)
CALLS = {
    "softmax": (False, {}),
    "softmax of used": (False, {"mask": MASK}),
    "shared": (True, {"num_draws": 1}),
    "shared of used": (True, {"num_draws": 1, "accidental_hits": MASK}),
    "classic": (False, {"pos_log_q": torch.linspace(-3, -1, 6)}),
}


@pytest.mark.parametrize("name", CALLS)
def test_gradients(name):
    shared, how = CALLS[name]
    q, p, n, log_q = vectors(shared=shared)
    loss = lambda *x: sampled_softmax(*x, log_q, **how)  # noqa: E731
    assert torch.autograd.gradcheck(loss, (q, p, n))
    assert torch.autograd.gradgradcheck(loss, (q, p, n), fast_mode=True)


def test_gradients_of_bpr():
    own, others = vectors(rows=3)[1][:, 0], vectors(rows=3)[2][:, :, 0]
    for how in ({}, {"mask": MASK[:3], "log_q": torch.zeros(3, 4)}):
        assert torch.autograd.gradcheck(lambda a, b, how=how: bpr_loss(a, b, **how), (own, others))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CALLS)
def test_half_precision_and_autocast(name, dtype):
    """Autocast would multiply matrices in bfloat16."""
    shared, how = CALLS[name]
    q, p, n, log_q = vectors(shared=shared, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = sampled_softmax(q, p, n, log_q, **how)
    assert loss.dtype == torch.float32
    assert loss == sampled_softmax(q, p, n, log_q, **how)
    half = [x.detach().to(dtype).requires_grad_() for x in (q, p, n)]
    loss = sampled_softmax(*half, log_q.double(), **how)
    assert loss.dtype == torch.float32
    assert loss == sampled_softmax(*(x.float() for x in half), log_q, **how)
    assert all(grad.dtype == dtype for grad in gradients(loss, *half))
    assert bpr_loss(half[0][:, 0], half[0]).dtype == torch.float32


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_read_from_another_device(name):
    shared, how = CALLS[name]
    q, p, n, log_q = vectors(shared=shared, dtype=torch.float32, device="meta")
    for given in (how, {key: x.to("meta") if isinstance(x, torch.Tensor) else x for key, x in how.items()}):
        for reduction in ("mean", "none"):
            loss = sampled_softmax(q, p, n, log_q, reduction=reduction, **given)
            assert [x.shape for x in gradients(loss, q, p, n)] == [q.shape, p.shape, n.shape]
    t = torch.empty((), device="meta", requires_grad=True)
    assert gradients(sampled_softmax(q, p, n, log_q, temperature=t), t)[0].shape == ()
    loss = bpr_loss(q[:, 0], p, mask=torch.empty(p.shape, dtype=torch.bool, device="meta"), log_q=p)
    assert gradients(loss, q)[0].shape == q.shape


@pytest.mark.parametrize("name", CALLS)
def test_compiled_without_a_graph_break(name):
    shared, how = CALLS[name]
    q, p, n, log_q = vectors(shared=shared, dtype=torch.float32)
    for dynamic in (False, True):
        torch._dynamo.reset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = torch.compile(sampled_softmax, backend="eager", fullgraph=True, dynamic=dynamic)
            found = compiled(q, p, n, log_q, **how)
        wanted = sampled_softmax(q, p, n, log_q, **how)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(gradients(found, q, p, n), gradients(wanted, q, p, n))


def test_bpr_compiled_without_a_graph_break():
    own, others = vectors(rows=3)[1].detach()[:, 0], vectors(rows=3)[2].detach()[:, :, 0]
    torch._dynamo.reset()
    compiled = torch.compile(bpr_loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(own, others, mask=MASK[:3]), bpr_loss(own, others, mask=MASK[:3]))
