"""Losses of classes against their formulas, the values written down in papers and docs, and rivals."""

from __future__ import annotations

import inspect
import math
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F  # noqa: E402

from equipoise import losses  # noqa: E402
from support.losses import (  # noqa: E402
    CLASS_WEIGHTS,
    COUNTS,
    OF_CLASSES,
    ONE_LOGIT,
    REDUCED,
    batch,
)
from support.reference import losses as slow  # noqa: E402

LN3 = math.log(3)


def close(found, wanted, rtol=1e-12):
    """Compare with float64 numbers. Where a row is right, a log-softmax has an absolute error."""
    np.testing.assert_allclose(np.asarray(found.detach()), wanted, rtol=rtol, atol=2e-15)


def tensor(x, dtype=torch.float64):
    return torch.tensor(x, dtype=dtype)


def rows_and_factors(name, z, y):
    """Return the losses of rows, their factors, and what a mean divides by, without sample weights."""
    z, y, ones = z.detach().numpy(), y.tolist(), np.ones(len(y))
    ws = np.array(CLASS_WEIGHTS)[y]
    e = np.array(slow.effective_weights(COUNTS, 0.999))[y]
    prior = np.array(COUNTS) / sum(COUNTS)
    hot = [[float(c == t) for c in range(5)] for t in y]
    each = lambda gamma: [  # noqa: E731
        math.fsum(slow.sigmoid_focal(x, t, gamma) for x, t in zip(*row, strict=True))
        for row in zip(z, hot, strict=True)
    ]
    plain = slow.cross_entropies(z, y)
    return {
        "weighted": (plain, ws, ws),
        "plain": (plain, ones, ones),
        "focal": ([slow.softmax_focal(row, t, 2.0) for row, t in zip(z, y, strict=True)], ws, ones),
        "cb softmax": (plain, e, ones),
        "cb sigmoid": (each(0.0), e, ones),
        "cb focal": (each(2.0), e, ones),
        "ldam": (slow.ldam(z, y, COUNTS, 0.5, 3.0), ws, ws),
        "balanced softmax": (slow.adjusted(z, y, prior, 1.0), ones, ones),
        "adjusted": (slow.adjusted(z, y, prior, 1.3), ones, ones),
    }[name]


# ---- by the formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", REDUCED)
def test_a_loss_is_its_formula(name, weighted):
    z, y, w = batch()
    w = w if weighted else torch.ones_like(w)
    how = {"sample_weights": w} if weighted else {}
    rows, factors, divisors = rows_and_factors(name, z, y)
    weights = factors * w.numpy()
    close(REDUCED[name](z, y, reduction="none", **how), np.array(rows) * weights)
    close(REDUCED[name](z, y, reduction="sum", **how), math.fsum(np.array(rows) * weights))
    close(REDUCED[name](z, y, **how), slow.mean_of(rows, weights, divisors * w.numpy()))


def test_the_imbalance_loss_is_its_formula():
    z, y, w = batch()
    rows = slow.cross_entropies(z.detach().numpy(), y)
    close(losses.imbalance_loss(z, y, sample_weights=w), slow.spread(rows, y, w.tolist()))
    close(losses.imbalance_loss(z, y), slow.spread(rows, y, [1.0] * len(y)))


def test_the_imbalance_loss_is_over_the_classes_that_have_weight():
    """Class 1 has no row in the batch, and those of class 3 weigh 0."""
    z, y, w = batch()
    y = torch.where(y == 1, 0, y)
    w = torch.where(y == 3, 0.0, w)
    rows = slow.cross_entropies(z.detach().numpy(), y)
    close(losses.imbalance_loss(z, y, sample_weights=w), slow.spread(rows, y, w.tolist()))
    kept = (y != 3).nonzero()[:, 0]
    without = slow.cross_entropies(z.detach().numpy()[kept], y[kept])
    close(losses.imbalance_loss(z[kept], y[kept]), slow.spread(without, y[kept], [1.0] * len(kept)))


def test_the_balanced_loss_is_the_weighted_mean_and_lam_times_the_imbalance():
    z, y, w = batch()
    how = {"sample_weights": w}
    mean = losses.weighted_cross_entropy(z, y, CLASS_WEIGHTS, **how)
    spread = losses.imbalance_loss(z, y, **how)
    for lam in (0, 0.1, 2.5):
        close(losses.balanced_loss(z, y, CLASS_WEIGHTS, lam=lam, **how), (mean + lam * spread).item())
    close(
        losses.balanced_loss(z, y),
        (losses.weighted_cross_entropy(z, y) + 0.1 * losses.imbalance_loss(z, y)).item(),
    )


@pytest.mark.parametrize("gamma", [0, 0.3, 0.5, 1, 2.0, 5])
@pytest.mark.parametrize("alpha", [None, 0.25, 0, 1])
@pytest.mark.parametrize("kind", ["int", "bool", "float", "soft"])
def test_the_sigmoid_focal_loss_is_its_formula(gamma, alpha, kind):
    z, _, _ = batch(8, 3, spread=3.0)
    t = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t = (
        t
        if kind == "soft"
        else (t < 0.4).to({"int": torch.int32, "bool": torch.bool, "float": torch.float64}[kind])
    )
    wanted = [
        slow.sigmoid_focal(x, float(v), gamma, alpha)
        for x, v in zip(z.flatten().tolist(), t.flatten(), strict=True)
    ]
    found = losses.focal_loss(z, t, gamma=gamma, alpha=alpha, reduction="none")
    close(found, np.reshape(wanted, (8, 3)))
    close(losses.focal_loss(z, t, gamma=gamma, alpha=alpha), math.fsum(wanted) / 24)
    cube = losses.focal_loss(z.view(2, 4, 3), t.view(2, 4, 3), gamma=gamma, alpha=alpha, reduction="none")
    assert torch.equal(cube, found.view(2, 4, 3))


@pytest.mark.parametrize("gamma", [0, 0.3, 0.5, 1, 2.0, 5])
def test_the_softmax_focal_loss_is_its_formula(gamma):
    """Also where a row is right, so that 1 - p is small."""
    z, y, _ = batch(60, 5, spread=8.0)
    wanted = [
        slow.softmax_focal(row, t, gamma) for row, t in zip(z.detach().numpy(), y.tolist(), strict=True)
    ]
    close(losses.focal_loss(z, y, gamma=gamma, reduction="none"), wanted, 3e-12)


def test_focal_weights_of_elements_and_of_rows():
    z, _, w = batch(8, 3)
    t = torch.arange(24).view(8, 3) % 2
    rows = losses.focal_loss(z, t, reduction="none")
    by_row = losses.focal_loss(z, t, sample_weights=w)
    close(by_row, ((rows * w[:, None]).sum() / (3 * w.sum())).item())
    by_element = torch.rand(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    close(
        losses.focal_loss(z, t, sample_weights=by_element),
        ((rows * by_element).sum() / by_element.sum()).item(),
    )
    assert torch.equal(losses.focal_loss(z, t, sample_weights=w.tolist()), by_row)


@pytest.mark.parametrize("name", ONE_LOGIT)
@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.bool, torch.float32])
def test_one_logit_is_the_softmax_over_0_and_it(name, kind):
    z, y, w = batch(classes=1)
    both = torch.stack([torch.zeros_like(z), z], 1)
    for how in ({}, {"sample_weights": w}):
        found = ONE_LOGIT[name](z, y.to(kind), **how)
        close(found, ONE_LOGIT[name](both, y, **how).item())
        (a,) = torch.autograd.grad(found, z)
        (b,) = torch.autograd.grad(ONE_LOGIT[name](both, y, **how), z)
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-15)


def test_adjusted_logits():
    z, _, _ = batch()
    prior = torch.tensor(COUNTS, dtype=torch.float64) / 1000
    close(losses.adjust_logits(z, COUNTS, tau=0.5), (z - 0.5 * prior.log()).detach().numpy())
    one = z[:, 0].detach()
    close(losses.adjust_logits(one, [9, 1]), (one + math.log(9)).numpy())
    half = losses.adjust_logits(z.half(), prior.tolist())
    assert half.dtype == torch.float32
    # Training with the prior and adjusting afterwards are inverse to each other.
    y = torch.zeros(len(z), dtype=torch.int64)
    close(losses.logit_adjusted(losses.adjust_logits(z, COUNTS), y, COUNTS), F.cross_entropy(z, y).item())


def test_priors_are_up_to_a_factor():
    """Also a large one: float32 logits plus the log of a count of 1e9 would lose digits."""
    z, y, _ = batch(dtype=torch.float32)
    wanted = losses.logit_adjusted(z, y, np.array(COUNTS) / 1000)
    for factor in (1, 1e-30, 1e12):
        torch.testing.assert_close(
            losses.logit_adjusted(z, y, np.array(COUNTS) * factor), wanted, rtol=1e-6, atol=0
        )
    close(losses.balanced_softmax(z, y, COUNTS), losses.logit_adjusted(z, y, COUNTS).item(), 0)
    close(losses.logit_adjusted(z, y, COUNTS, tau=0), F.cross_entropy(z, y).item(), 1e-6)


# ---- written-down values ---------------------------------------------------------------------------------


def test_values_that_can_be_checked_by_hand():
    """Logits (log 3, 0) have probabilities 3/4 and 1/4."""
    z, y = tensor([[LN3, 0.0], [LN3, 0.0]]), torch.tensor([0, 1])
    a, b = math.log(4 / 3), math.log(4)
    close(losses.weighted_cross_entropy(z, y), (a + b) / 2)
    close(losses.weighted_cross_entropy(z, y, [1, 3]), (a + 3 * b) / 4)
    close(losses.weighted_cross_entropy(z, y, [1, 3], reduction="sum"), a + 3 * b)
    close(losses.imbalance_loss(z, y), (b - a) ** 2 / 4)  # = (ln 3)^2 / 4
    close(losses.imbalance_loss(z, y), LN3**2 / 4)
    close(losses.focal_loss(z, y, reduction="none"), [a / 16, b * 9 / 16])
    close(losses.focal_loss(tensor([LN3] * 2), tensor([1.0, 0.0]), reduction="none"), [a / 16, b * 9 / 16])
    close(losses.focal_loss(tensor([LN3]), tensor([1.0]), alpha=0.25, gamma=0), a / 4)
    close(losses.balanced_softmax(z, y, [1, 3], reduction="none"), [math.log(2)] * 2)
    close(losses.ldam_loss(z, y, [16, 1], max_margin=LN3, scale=1.0, reduction="none")[1], math.log(10))
    close(losses.adjust_logits(z, [3, 1])[0], [LN3 - math.log(3 / 4), math.log(4)])


def test_effective_weights():
    """1 - beta^n of n = 1 and 2 are 1/2 and 3/4 for beta = 1/2, so the weights are 6/5 and 4/5."""
    z, y = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([0, 1])
    found = losses.class_balanced_loss(z, y, [1, 2], beta=0.5, reduction="none")
    close(found, [math.log(2) * 1.2, math.log(2) * 0.8])
    close(losses.class_balanced_loss(z, y, [1, 2], beta=0.5), math.log(2))  # divided by the rows alone
    close(losses.class_balanced_loss(z, y, [7, 2], beta=0, reduction="none"), [math.log(2)] * 2)


@pytest.mark.parametrize("beta", [1 - 1e-10, 1 - 1e-12])
def test_effective_weights_near_beta_1(beta):
    """There 1 - beta**n loses digits: the weights tend to 1 / n."""
    z, y = torch.zeros(3, 3, dtype=torch.float64), torch.arange(3)
    counts = [3, 1000, 50]
    inverse = np.array([1 / -math.expm1(n * math.log1p(beta - 1)) for n in counts])
    found = losses.class_balanced_loss(z, y, counts, beta=beta, reduction="none") / math.log(3)
    close(found, inverse * 3 / inverse.sum(), 1e-13)


def test_a_class_without_rows_has_no_effective_weight():
    """In code without this case, its weight is infinite, and all become NaN."""
    z, y, _ = batch(6, 3)
    y = torch.tensor([0, 1, 0, 1, 0, 2])
    found = losses.class_balanced_loss(z, y, [4, 2, 0], reduction="none")
    two = losses.class_balanced_loss(z[:5, :2], y[:5], [4, 2], reduction="none")
    weights = found[:5] / losses.weighted_cross_entropy(z[:5], y[:5], reduction="none")
    close(weights, (two / losses.weighted_cross_entropy(z[:5, :2], y[:5], reduction="none")).detach(), 1e-11)
    assert found[5] == 0


def test_margins():
    """A class without rows has the largest margin. In the authors' code it makes all others 0."""
    z = torch.zeros(4, 4, dtype=torch.float64)
    y = torch.arange(4)
    found = losses.ldam_loss(z, y, [16, 256, 0, 1], max_margin=1.0, scale=1.0, reduction="none")
    close(found, [math.log(1 + 3 * math.exp(m)) for m in (0.5, 0.25, 1.0, 1.0)])


def test_the_default_alpha_weighs_nothing():
    """torchvision's default of 0.25 weighs the positives down."""
    z, t = tensor([0.0, 0.0]), torch.tensor([1, 0])
    close(losses.focal_loss(z, t, reduction="none"), [math.log(2) / 4] * 2)
    close(losses.focal_loss(z, t, alpha=0.25, reduction="none"), [math.log(2) / 16, math.log(2) * 3 / 16])


def test_the_batch_of_one_class_is_not_weighted_by_a_mean():
    """As with torch's rule; the sum is."""
    z, y = batch(6, 3)[0], torch.full((6,), 2)
    mean = losses.weighted_cross_entropy(z, y, [1, 1, 7])
    close(mean, losses.weighted_cross_entropy(z, y).item())
    close(losses.weighted_cross_entropy(z, y, [1, 1, 7], reduction="sum"), 7 * 6 * mean.item())


@pytest.mark.parametrize("lam", [0.1, 0.5])
def test_from_which_lam_on_easy_classes_are_unlearned(lam):
    """The coefficient of a class's mean is (1 + 2 lam (m_c - m)) / K, as the docs say."""
    means = torch.tensor([0.1, 3.0], dtype=torch.float64, requires_grad=True)
    m = means.mean()
    total = m + lam * ((means - m) ** 2).mean()
    (coefficients,) = torch.autograd.grad(total, means)
    close(coefficients, ((1 + 2 * lam * (means - m)) / 2).detach().numpy())
    # The same through the losses: the gradient of the easy row changes its sign beyond 1 / (2 lam).
    x = torch.tensor([math.log(math.expm1(0.1)), math.log(math.expm1(3.0))], dtype=torch.float64)
    z = (-x).requires_grad_()
    both = torch.stack([torch.stack([z[0], z[0] * 0]), torch.stack([z[1] * 0, z[1]])])
    (grad,) = torch.autograd.grad(losses.balanced_loss(both, torch.tensor([0, 1]), lam=lam), z)
    unlearned = 1 / (2 * lam) < (3.0 - 0.1) / 2
    assert (grad[0] > 0) == unlearned
    assert grad[1] < 0


# ---- rivals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weighted_cross_entropy_is_torchs(reduction, dtype):
    z, y, _ = batch(300, 5, dtype=dtype, spread=5.0)
    y[::7] = -100
    w = torch.tensor(CLASS_WEIGHTS, dtype=dtype)
    rtol = 1e-6 if dtype == torch.float32 else 1e-14
    for weight in (None, w):
        found = losses.weighted_cross_entropy(z, y, weight, reduction=reduction)
        wanted = F.cross_entropy(z, y, weight=weight, reduction=reduction)
        torch.testing.assert_close(found, wanted, rtol=rtol, atol=0)
        a, b = (torch.autograd.grad(x.sum(), z)[0] for x in (found, wanted))
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-9 if dtype == torch.float32 else 1e-16)


def test_another_ignore_index_is_torchs():
    z, y, _ = batch(300)
    close(losses.weighted_cross_entropy(z, y, ignore_index=3), F.cross_entropy(z, y, ignore_index=3).item())


def sigmoid_focal_of_torchvision(x, t, alpha, gamma):
    """Return the loss by the formula of torchvision.ops.sigmoid_focal_loss."""
    p = torch.sigmoid(x)
    loss = (
        F.binary_cross_entropy_with_logits(x, t, reduction="none")
        * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    )
    return loss if alpha < 0 else (alpha * t + (1 - alpha) * (1 - t)) * loss


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [-1, 0.25, 0.6])
def test_sigmoid_focal_is_torchvisions(gamma, alpha):
    z, _, _ = batch(50, 4, spread=3.0)
    t = torch.rand(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for target in (t, (t < 0.2).double()):
        found = losses.focal_loss(
            z, target, gamma=gamma, alpha=None if alpha < 0 else alpha, reduction="none"
        )
        wanted = sigmoid_focal_of_torchvision(z, target, alpha, gamma)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-13)
        a, b = (torch.autograd.grad(x.sum(), z)[0] for x in (found, wanted))
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)


def test_the_class_balanced_loss_is_cuis():
    """Its bases sum over the classes, and a mean divides by the rows."""
    z, y, _ = batch()
    e = torch.tensor(slow.effective_weights(COUNTS, 0.99), dtype=torch.float64)[y][:, None]
    hot = F.one_hot(y, 5).double()
    for base, gamma in (("sigmoid", 0.0), ("focal", 1.5)):
        wanted = (e * sigmoid_focal_of_torchvision(z, hot, -1, gamma)).sum() / len(y)
        found = losses.class_balanced_loss(z, y, COUNTS, beta=0.99, base=base, gamma=1.5)
        close(found, wanted.item(), 1e-11)


# ---- gradients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_CLASSES)
def test_gradients(name):
    z, y, w = batch(4, 5)
    y[2] = -100
    w.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: OF_CLASSES[name](a, y, sample_weights=b), (z, w))
    assert torch.autograd.gradgradcheck(
        lambda a: OF_CLASSES[name](a, y, sample_weights=w.detach()), (z,), fast_mode=True
    )


@pytest.mark.parametrize("name", ONE_LOGIT)
def test_gradients_of_one_logit(name):
    z, y, _ = batch(4, 1)
    assert torch.autograd.gradcheck(lambda a: ONE_LOGIT[name](a, y), (z,))


@pytest.mark.parametrize("gamma", [0, 0.3, 2])
def test_gradients_of_focal_losses(gamma):
    z, y, _ = batch(3, 3)
    t = torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for target in (t, (t < 0.5).double(), t < 0.5, y):
        assert torch.autograd.gradcheck(lambda a, t=target: losses.focal_loss(a, t, gamma=gamma), (z,))


def test_class_weights_may_be_learned():
    z, y, _ = batch(4, 5)
    w = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: losses.weighted_cross_entropy(z, y, b), (w,))


def test_at_a_logit_of_0():
    """A formula with |x| or max(x, 0) has the wrong gradient there, where training begins."""
    z = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for target in (torch.tensor([1, 0]), tensor([1.0, 0.0])):
        (grad,) = torch.autograd.grad(losses.focal_loss(z, target, gamma=0, reduction="sum"), z)
        assert grad.tolist() == [-0.5, 0.5]


# ---- docstrings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", losses.__all__)
def test_a_docstring_says_what_a_mean_divides_by_and_describes_each_argument(name):
    loss = getattr(losses, name)
    text = inspect.getdoc(loss)
    described = {w for line in re.findall(r"^([\w, ]+?) : ", text, re.M) for w in re.findall(r"\w+", line)}
    assert set(inspect.signature(loss).parameters) <= described
    assert "divides" in text or name == "adjust_logits"  # which is no loss
