"""Losses of classes at their edges: large logits, nothing to average, NaN, half precision, other devices."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise import losses  # noqa: E402
from support.losses import COUNTS, OF_CLASSES, ONE_LOGIT, PAIR, REDUCED, batch  # noqa: E402
from support.reference import losses as slow  # noqa: E402

FLOATS = [torch.float32, torch.float64]
GAMMAS = [0, 0.3, 0.5, 2]


def gradient(loss, z):
    (grad,) = torch.autograd.grad(loss.sum(), z)
    return grad


# ---- large logits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_logits_of_1e4(name, dtype):
    """A loss is as for float64, and no gradient is infinite or NaN."""
    z = torch.tensor(
        [[1e4, -1e4, 0, 0, 0], [-1e4, 1e4, 0, 0, 0], [1e4, 1e4 - 1, 0, 0, 0], [0, 0, 0, 0, -1e4]], dtype=dtype
    ).requires_grad_()
    y = torch.tensor([0, 0, 1, 4])
    exact = OF_CLASSES[name](z.detach().double(), y)
    loss = OF_CLASSES[name](z, y)
    assert loss.dtype == dtype
    torch.testing.assert_close(loss.double(), exact, rtol=1e-6, atol=1e-6)
    assert gradient(loss, z).isfinite().all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_cross_entropy_at_1e4(dtype):
    """One of two close logits keeps its digits: lse - z[y] would be wrong by 5e-4 in float32."""
    z = torch.tensor([[1e4, 1e4 - 1], [-1e4, 1e4], [1e4, -1e4]], dtype=dtype).requires_grad_()
    loss = losses.weighted_cross_entropy(z, torch.zeros(3, dtype=torch.int64), reduction="none")
    np.testing.assert_allclose(loss.detach(), [math.log1p(math.exp(-1)), 2e4, 0], rtol=1e-6)
    assert gradient(loss, z)[1].tolist() == [-1, 1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("x", [-1e4, -100.0, -89.0, -20.0, 0.5, 17.0, 30.0, 89.0, 100.0, 1e4])
def test_focal_losses_of_saturated_logits(x, gamma, dtype):
    """Where (1 - p)^gamma has NaN gradients (17 and more), and where exp(-x) overflows (-89 and less)."""
    wanted = slow.sigmoid_focal(x, 1.0, gamma)
    forms = {
        "bool": (torch.tensor([x]), torch.tensor([True])),
        "float": (torch.tensor([x]), torch.tensor([1.0])),
        "negative": (torch.tensor([-x]), torch.tensor([0.0])),
        "softmax": (torch.tensor([[0.0, x]]), torch.tensor([1])),
        "softmax of 3": (torch.tensor([[-math.log(2), x, -math.log(2)]]), torch.tensor([1])),
    }
    for form, (z, t) in forms.items():
        z = z.to(dtype).requires_grad_()  # noqa: PLW2901
        t = t.to(dtype) if t.is_floating_point() else t  # noqa: PLW2901
        loss = losses.focal_loss(z, t, gamma=gamma, reduction="none")
        rtol = 4e-6 if form == "softmax of 3" else 1e-6  # x + log(2) is rounded, too
        np.testing.assert_allclose(loss.item(), wanted, rtol=rtol, atol=1e-30, err_msg=form)
        grad = gradient(loss, z)
        assert grad.isfinite().all(), form
        if x <= -89:  # the row is wrong
            own = grad[0, 1] if z.ndim == 2 else -grad[0] if form == "negative" else grad[0]
            assert own.item() == pytest.approx(-1, rel=1e-6), form
        elif x >= 89:
            assert grad.abs().max() < 1e-30


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("base", ["softmax", "sigmoid", "focal"])
def test_class_balanced_losses_of_saturated_logits(base, gamma):
    z = torch.tensor([[100.0, -100], [-100, 100], [89, -89], [-89, 89]], requires_grad=True)
    y = torch.zeros(4, dtype=torch.int64)
    loss = losses.class_balanced_loss(z, y, [1, 1], base=base, gamma=gamma, reduction="none")
    np.testing.assert_allclose(loss.detach(), [0, 200, 0, 178], atol=1e-30)
    grad = gradient(loss, z)
    assert grad[[1, 3]].flatten().tolist() == pytest.approx([-1, 1] * 2, rel=1e-6)
    assert grad[[0, 2]].abs().max() < 1e-30


def test_soft_targets_of_saturated_logits():
    z = torch.tensor([100.0, -100.0, 1e4, -1e4], requires_grad=True)
    for gamma in GAMMAS:
        loss = losses.focal_loss(z, torch.full((4,), 0.25), gamma=gamma, reduction="none")
        wanted = [0.75**gamma * 75, 0.25**gamma * 25, 0.75**gamma * 7500, 0.25**gamma * 2500]
        np.testing.assert_allclose(loss.detach(), wanted, rtol=1e-6)
        np.testing.assert_allclose(
            gradient(loss, z), np.array([0.75, -0.25] * 2) * np.array([0.75, 0.25] * 2) ** gamma, rtol=1e-6
        )


# ---- nothing to average ----------------------------------------------------------------------------------


def of_all(z, y, **how):
    """Yield (name, loss) of all losses of classes, and of all reductions."""
    for name, loss in OF_CLASSES.items():
        for reduction in ("mean", "sum", "none") if name in REDUCED else (None,):
            yield name, loss(z, y, **how, **({"reduction": reduction} if reduction else {}))


def check_nothing(z, y, **how):
    """Check that losses and gradients are 0."""
    for name, loss in of_all(z, y, **how):
        assert (loss == 0).all(), name
        assert (gradient(loss, z) == 0).all(), name


def test_no_rows():
    check_nothing(torch.zeros(0, 5, requires_grad=True), torch.zeros(0, dtype=torch.int64))
    z, y = torch.zeros(0, requires_grad=True), torch.zeros(0, dtype=torch.int64)
    for loss in ONE_LOGIT.values():
        assert loss(z, y) == 0
    assert losses.focal_loss(torch.zeros(0, 3), torch.zeros(0, 3)) == 0


def test_all_rows_ignored():
    z, y, _ = batch()
    check_nothing(z, torch.full_like(y, -100))
    check_nothing(torch.full_like(z, torch.nan).requires_grad_(), torch.full_like(y, -100))


def test_all_weights_0():
    z, y, w = batch()
    check_nothing(z, y, sample_weights=torch.zeros_like(w))
    assert losses.weighted_cross_entropy(z, y, [0] * 5) == 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_nothing_of_an_ignored_row_reaches_a_result(bad):
    """Not even as 0 * NaN in a gradient. The weight of an ignored row may be NaN, too."""
    z, y, w = batch()
    keep = torch.arange(len(y)) % 3 != 0
    ignored = {"sample_weights": torch.where(keep, w, torch.nan)}
    spoiled = torch.where(keep[:, None], z.detach(), bad).requires_grad_()
    clean = z.detach()[keep].requires_grad_()
    with_them = of_all(spoiled, torch.where(keep, y, -100), **ignored)
    without = of_all(clean, y[keep], sample_weights=w[keep])
    for (name, found), (_, wanted) in zip(with_them, without, strict=True):
        inside = found[keep] if found.ndim else found
        torch.testing.assert_close(inside, wanted, rtol=1e-12, atol=0, msg=name)
        assert found.ndim == 0 or (found[~keep] == 0).all()
        grad = gradient(found, spoiled)
        assert (grad[~keep] == 0).all(), name
        torch.testing.assert_close(grad[keep], gradient(wanted, clean), rtol=1e-9, atol=1e-15)


def test_nothing_of_an_ignored_element_reaches_a_focal_loss():
    z = torch.tensor([[1.0, torch.nan], [torch.inf, -2.0]], requires_grad=True)
    for dtype in (torch.int64, torch.float32):
        t = torch.tensor([[1, -100], [-100, 0]]).to(dtype)
        loss = losses.focal_loss(z, t, alpha=0.3)
        wanted = losses.focal_loss(torch.tensor([1.0, -2.0]), torch.tensor([1, 0]), alpha=0.3)
        assert loss == wanted
        assert gradient(loss, z)[t == -100].tolist() == [0, 0]


@pytest.mark.parametrize("name", ONE_LOGIT)
def test_an_ignored_row_of_one_logit(name):
    z = torch.tensor([0.3, torch.nan, -0.7], requires_grad=True)
    for dtype in (torch.int64, torch.float32, torch.float64, torch.bfloat16):
        loss = ONE_LOGIT[name](z, torch.tensor([1, -100, 0]).to(dtype))
        assert loss == ONE_LOGIT[name](z[[0, 2]], torch.tensor([1, 0]))
        assert gradient(loss, z)[1] == 0


def test_another_ignore_index():
    z, y, _ = batch()
    for name, loss in OF_CLASSES.items():
        a = loss(z, y, ignore_index=2)
        torch.testing.assert_close(a, loss(z, torch.where(y == 2, -100, y)), msg=name)


# ---- classes without rows --------------------------------------------------------------------------------


def test_classes_that_the_batch_lacks():
    z, _, _ = batch()
    for target in (0, 4):
        for name, loss in of_all(z, torch.full((40,), target)):
            assert loss.isfinite().all(), name
            assert gradient(loss, z).isfinite().all(), name
    assert losses.imbalance_loss(z, torch.full((40,), 2)) == 0  # one class has no variance


def test_classes_that_the_data_lack():
    z, y, _ = batch()
    counts = [900, 0, 40, 9, 0]
    for make in (
        losses.class_balanced_loss,
        losses.ldam_loss,
        losses.balanced_softmax,
        losses.logit_adjusted,
    ):
        loss = make(z, y, counts, reduction="none")
        assert not loss.isnan().any()
        assert gradient(loss, z).isfinite().all()


def test_a_class_of_prior_0_leaves_the_softmax():
    z, y, _ = batch()
    kept = [0, 2, 3]
    prior = [900, 0, 40, 9, 0]
    there = torch.isin(y, torch.tensor(kept))
    loss = losses.logit_adjusted(z, y, prior, reduction="none")
    assert (loss[~there] == torch.inf).all()
    new = torch.tensor([0, -1, 1, 2, -1])[y[there]]
    torch.testing.assert_close(
        loss[there], losses.logit_adjusted(z[there][:, kept], new, [900, 40, 9], reduction="none")
    )
    grad = gradient(loss, z)
    assert grad.isfinite().all()
    assert (grad[:, [1, 4]] == 0).all()
    assert losses.logit_adjusted(z, y, prior) == torch.inf
    assert losses.logit_adjusted(z, y, prior, reduction="sum") == torch.inf
    # A weight of 0 does not make NaN of it.
    weights = there.double()
    mean = losses.logit_adjusted(z, y, prior, sample_weights=weights)
    torch.testing.assert_close(mean, loss[there].mean())
    assert (losses.logit_adjusted(z, y, prior, sample_weights=weights, reduction="none")[~there] == 0).all()
    assert losses.logit_adjusted(z, torch.where(there, y, -100), prior) == mean


def test_a_pair_with_prior_0():
    z = torch.tensor([0.5, -0.5], requires_grad=True)
    y = torch.tensor([1, 0])
    for prior, wanted in (([0, 1], [0, math.inf]), ([1, 0], [math.inf, 0])):
        loss = losses.logit_adjusted(z, y, prior, reduction="none")
        assert loss.tolist() == wanted
        assert gradient(loss, z).isfinite().all()


def test_one_class():
    z = torch.randn(4, 1, requires_grad=True)
    y = torch.zeros(4, dtype=torch.int64)
    for loss in (
        losses.weighted_cross_entropy(z, y),
        losses.balanced_loss(z, y),
        *(losses.focal_loss(z, y, gamma=gamma) for gamma in GAMMAS),
        losses.class_balanced_loss(z, y, [3]),
        losses.ldam_loss(z, y, [3]),
        losses.balanced_softmax(z, y, [3]),
    ):
        assert loss == 0
        assert (gradient(loss, z) == 0).all()


# ---- half precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_half_precision_is_computed_in_float32(name, dtype):
    z, y, w = batch(dtype=dtype)
    for how in ({}, {"sample_weights": w}):  # whose float64 does not change that
        loss = OF_CLASSES[name](z, y, **how)
        assert loss.dtype == torch.float32
        assert loss == OF_CLASSES[name](z.float(), y, **how)
        assert gradient(loss, z).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_focal_elements(dtype):
    z, _, _ = batch(dtype=dtype)
    for t in (torch.rand_like(z).detach(), z.detach() > 0):
        loss = losses.focal_loss(z, t, alpha=0.3)
        assert loss.dtype == torch.float32
        assert loss == losses.focal_loss(z.float(), t, alpha=0.3)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_autocast_changes_nothing(name, dtype):
    z, y, _ = batch(dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = OF_CLASSES[name](z, y)
        grad = gradient(loss, z)
    assert loss.dtype == dtype
    assert loss == OF_CLASSES[name](z, y)
    assert torch.equal(grad, gradient(OF_CLASSES[name](z, y), z))


# ---- other devices and transforms ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_nothing_is_read_from_another_device(name, weighted):
    """The device "meta" has no values: reading one is an error, as is a shape that depends on one."""
    z = torch.empty(8, 5, device="meta", requires_grad=True)
    y = torch.empty(8, dtype=torch.int64, device="meta")
    how = {"sample_weights": torch.empty(8, device="meta")} if weighted else {}
    for reduction in ("mean", "sum", "none") if name in REDUCED else (None,):
        loss = OF_CLASSES[name](z, y, **how, **({"reduction": reduction} if reduction else {}))
        assert loss.shape == ((8,) if reduction == "none" else ())
        assert gradient(loss, z).shape == (8, 5)


@pytest.mark.parametrize("name", ONE_LOGIT)
def test_nothing_is_read_from_another_device_of_one_logit(name):
    z = torch.empty(8, device="meta", requires_grad=True)
    for dtype in (torch.int64, torch.float32, torch.bool):
        loss = ONE_LOGIT[name](z, torch.empty(8, dtype=dtype, device="meta"))
        assert gradient(loss, z).shape == (8,)


def test_class_vectors_on_another_device():
    z = torch.empty(8, 2, device="meta", requires_grad=True)
    y = torch.empty(8, dtype=torch.int64, device="meta")
    for vector in (PAIR, np.array(PAIR), torch.tensor(PAIR), torch.empty(2, device="meta")):
        for loss in (
            losses.weighted_cross_entropy(z, y, vector),
            losses.focal_loss(z, y, alpha=vector),
            losses.class_balanced_loss(z, y, vector, base="focal"),
            losses.ldam_loss(z, y, vector),
            losses.logit_adjusted(z, y, vector),
            losses.adjust_logits(z, vector),
        ):
            assert gradient(loss, z).shape == (8, 2)
    t = torch.empty(8, 2, device="meta")
    assert gradient(losses.focal_loss(z, t, alpha=0.5, sample_weights=t), z).shape == (8, 2)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_vmap(name):
    """A batch of batches gives each one's loss, ignored rows included."""
    z, y, _ = batch(12, 5)
    y[3] = -100
    z, y = z.detach().view(3, 4, 5), y.view(3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operations that vmap does one by one
        found = torch.vmap(OF_CLASSES[name])(z, y)
    one_by_one = [OF_CLASSES[name](a, b) for a, b in zip(z, y, strict=True)]
    torch.testing.assert_close(found, torch.stack(one_by_one))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_compiled_without_a_graph_break(name):
    z, y, w = batch(dtype=torch.float32)
    y[3] = -100
    loss = OF_CLASSES[name]
    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    found = compiled(z, y, sample_weights=w)
    wanted = loss(z, y, sample_weights=w)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(gradient(found, z), gradient(wanted, z))


def test_compiled_after_the_samplers_were_imported():
    """These leave the functions of the package to Python. The losses are not among them."""
    import equipoise.torch  # noqa: F401

    z, y, _ = batch(dtype=torch.float32)
    for make in (losses.balanced_loss, losses.focal_loss, lambda a, b: losses.ldam_loss(a, b, COUNTS)):
        torch._dynamo.reset()
        compiled = torch.compile(make, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(z, y), make(z, y))
        torch._dynamo.reset()
        compiled = torch.compile(make, backend="eager", fullgraph=True, dynamic=True)
        torch.testing.assert_close(compiled(z, y), make(z, y))
