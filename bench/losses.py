"""Losses: forward and backward, against torch's own functions and the formulas that people copy.

Run ``python -m bench.run --only losses``. Both sides get the same tensors, and return the gradients of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .harness import Budget, Row, alternate, optional, timer

CROSS_ENTROPY = "torch.nn.functional.cross_entropy(weight=)"
TORCHVISION = "the formula of torchvision.ops.sigmoid_focal_loss"
CONCATENATED = "cross_entropy over the concatenated scores, less log q"


def duel(
    row: Row,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    inputs: list[Any],
    budget: Budget,
) -> Row:
    """Fill in a row by the times of a loss and its gradients for the inputs."""
    grad = optional("torch").autograd.grad  # type: ignore[union-attr]
    sides = {
        "ours": timer(lambda: grad(ours(), inputs)),
        "rival": timer(lambda: grad(theirs(), inputs)),
    }
    return alternate(sides, budget).fill(row, "ours", "rival")


def sigmoid_focal_of_torchvision(x: Any, t: Any, alpha: float, gamma: float) -> Any:
    torch = optional("torch")
    assert torch is not None
    p = torch.sigmoid(x)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    loss = loss * ((1 - (p * t + (1 - p) * (1 - t))) ** gamma)
    return ((alpha * t + (1 - alpha) * (1 - t)) * loss).mean()


def of_classes(rows: int, budget: Budget) -> Iterator[Row]:
    """Yield the losses of 1,000 classes."""
    from equipoise import losses

    torch = optional("torch")
    assert torch is not None
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, 1_000, generator=g, requires_grad=True)
    target = torch.randint(0, 1_000, (rows,), generator=g)
    weights = torch.rand(1_000, generator=g) + 0.1
    hot = (torch.rand(rows, 1_000, generator=g) < 0.005).float()
    shape = f"{rows:,} x 1,000 float32, forward and backward"

    def theirs() -> Any:
        return torch.nn.functional.cross_entropy(logits, target, weight=weights)

    row = Row("losses", f"weighted_cross_entropy, {shape}", "torch", CROSS_ENTROPY, goal=0.6)
    mine = lambda: losses.weighted_cross_entropy(logits, target, weights)  # noqa: E731
    yield duel(row, mine, theirs, [logits], budget)
    row = Row("losses", f"focal_loss, softmax, {shape}", "torch", CROSS_ENTROPY, goal=0.3)
    mine = lambda: losses.focal_loss(logits, target, alpha=weights)  # noqa: E731
    yield duel(row, mine, theirs, [logits], budget)
    row = Row("losses", f"focal_loss, sigmoid, {shape}", "torchvision's formula", TORCHVISION, goal=0.4)
    mine = lambda: losses.focal_loss(logits, hot, alpha=0.25)  # noqa: E731
    rival = lambda: sigmoid_focal_of_torchvision(logits, hot, 0.25, 2.0)  # noqa: E731
    yield duel(row, mine, rival, [logits], budget)


def of_samples(rows: int, negatives: int, width: int, budget: Budget) -> Iterator[Row]:
    """Yield the losses of sampled negatives: each row's own, and shared ones."""
    from equipoise.losses import sampled_softmax

    torch = optional("torch")
    assert torch is not None
    g = torch.Generator().manual_seed(0)
    none, cross_entropy = torch.zeros(rows, dtype=torch.int64), torch.nn.functional.cross_entropy
    for shared in (False, True):
        leading = (negatives,) if shared else (rows, negatives)
        query, own = (torch.randn(rows, width, generator=g, requires_grad=True) for _ in range(2))
        others = torch.randn(*leading, width, generator=g, requires_grad=True)
        log_q = torch.randn(leading, generator=g) - 5

        def theirs(q: Any = query, p: Any = own, n: Any = others, lq: Any = log_q) -> Any:
            scores = q @ n.T if n.ndim == 2 else (n @ q[:, :, None]).squeeze(2)
            return cross_entropy(torch.cat([(q * p).sum(1, keepdim=True), scores - lq], 1), none)

        mine = lambda a=(query, own, others, log_q): sampled_softmax(*a)  # noqa: E731
        shape = (
            f"{rows:,} rows with {negatives}" + (" shared" if shared else "") + f" negatives of width {width}"
        )
        job = f"sampled_softmax, {shape}, forward and backward"
        row = Row("losses", job, "torch", CONCATENATED, goal=0.8)
        yield duel(row, mine, theirs, [query, own, others], budget)


def run(budget: Budget) -> Iterator[Row]:
    if optional("torch") is None:
        yield Row("losses", "losses, forward and backward", "torch", note="not installed: torch")
        return
    yield from of_classes(1_024 if budget.quick else 8_192, budget)
    yield from of_samples(512 if budget.quick else 4_096, 256, 64, budget)
