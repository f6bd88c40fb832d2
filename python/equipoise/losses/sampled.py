"""Losses of a positive among sampled negatives, corrected by the negatives' log probability."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from equipoise import _validate
from equipoise.losses.inputs import (
    bools_on,
    check_reduction,
    floats_like,
    is_readable,
    reduce,
    values_of,
    weights_of_rows,
)

__all__ = ["bpr_loss", "sampled_softmax"]


def sampled_softmax(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor,
    log_q: Any,
    *,
    pos_log_q: Any = None,
    num_draws: float | None = None,
    mask: Any = None,
    accidental_hits: Any = None,
    temperature: float | Tensor = 1.0,
    sample_weights: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the softmax cross-entropy of positives among sampled negatives, corrected by log q.

    Scores s are dot products, divided by the temperature. With the negatives J that a row may use, and m
    draws, its loss is::

        log(exp(s_p) + sum_{j in J} exp(s_j - log_q_j - log(m))) - s_p

    The sum estimates that of all items but the positive, so the loss estimates the softmax over all items.

    Parameters
    ----------
    query, positive : tensors of float, shape (B, D)
        Vectors of the rows, and of the rows' own items. For scores that are already there: D = 1, and queries
        of ones.
    negatives : tensor of float, shape (B, k, D) or (C, D)
        Vectors of each row's own negatives, or of negatives that all rows share.
    log_q : array or tensor, shape (B, k) or (C,)
        Log probability of the draw that gave each negative, or log of its expected count: see the table.
    pos_log_q : array or tensor of shape (B,), optional
        The positives' log probability. ``s_p - pos_log_q - log(m)`` is then in the place of s_p, which is the
        classic correction. It makes no sense if the sampler excludes the positive, which then has no
        probability.
    num_draws : float, optional
        m. By default, the number of negatives that the row may use.
    mask : array or tensor of bool, optional
        True for the negatives to use, of shape (B, k) or (B, C). Others may be NaN.
    accidental_hits : array or tensor of bool, optional
        True for the negatives to leave out, of the same shape: the row's own item, or another positive.
    temperature : float or tensor of one number
        > 0.
    sample_weights : list, array or tensor of shape (B,), optional
        Weights >= 0 of the rows, by default 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights, and is 0 if that sum is 0. A row without negatives
        has loss 0, and counts. "none" returns the weighted losses of the rows.

    Returns
    -------
    tensor
        A number, or (B,) for "none". float64 for float64 vectors, else float32, also under autocast.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.

    Notes
    -----
    What to pass:

    ======================================  ============================================================
    negatives                               arguments
    ======================================  ============================================================
    ``NegativeSampler.sample``              its ``log_q`` and ``mask``. `num_draws` stays None
    ``NegativeSampler.sample_shared``       its ``log_q``, which are logs of expected counts, with
                                            ``num_draws=1``; ``accidental_hits`` of the sampler
    in-batch: ``negatives=positive``        ``log_q = AliasTable(counts).log_prob(items)``,
                                            ``num_draws=B - 1``, and `accidental_hits` with True on
                                            the diagonal
    ======================================  ============================================================

    A probability of one draw without the term log(m), or an expected count with it, is the usual mistake: the
    bias then grows with the number of negatives.

    **The correction of 2025** [1]_ is the loss ``sg(1 - P) * (logsumexp(s_j - log_q_j) - s_p)``, where sg
    stops the gradient, log_q is that of a proposal without the positive, and P is the softmax of s_p among
    s_p and all ``s_j - log_q_j - log(m)``. Its gradient is that of the default loss here:

    1. With ``a = logsumexp(s_j - log_q_j) - log(m)``, the default loss is ``log(1 + exp(a - s_p))``. Its
       gradient is ``sigmoid(a - s_p) = 1 - P`` times that of ``a - s_p``.
    2. log(m) is a constant, so ``a - s_p`` has the gradient of ``logsumexp(s_j - log_q_j) - s_p``.

    So there is no option for it. The value of the default is, unlike that of the other, an estimate of the
    full softmax's loss.

    The bias of the gradient falls as 1 / m. With `pos_log_q` it does not: the factor 1 - P is lost.

    References
    ----------
    .. [1] "Correcting the LogQ Correction: Revisiting Sampled Softmax for Large-Scale Retrieval",
       arXiv:2507.09331.

    X. Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019
    (the classic correction).

    Examples
    --------
    >>> import equipoise, torch
    >>> from equipoise.losses import sampled_softmax
    >>> sampler = equipoise.NegativeSampler([8, 4, 2, 1, 1], exclude=([0, 1, 2], [0, 3]), seed=1)
    >>> drawn = sampler.sample([0, 1], 3)
    >>> items, users = torch.eye(5), torch.ones(2, 5)
    >>> loss = sampled_softmax(users, items[[0, 3]], items[drawn.ids], drawn.log_q, mask=drawn.mask)
    >>> bool(0 < loss < 5)
    True
    """
    check_reduction(reduction)
    temperature, num_draws = _check_numbers(temperature, num_draws)
    if not torch.compiler.is_compiling():
        _check_vectors(query, positive, negatives)
    query, positive, negatives = _in_one_dtype(query, positive, negatives)
    shape, shared = (query.shape[0], negatives.shape[-2]), negatives.ndim == 2
    used = _used(mask, accidental_hits, query, shape)
    any_used = used.any(0) if used is not None and shared else used
    log_q = _log_q(log_q, query, shape[1:] if shared else shape, "log_q", any_used)
    if any_used is not None:  # what is not used must not spread, not even as 0 * NaN in a gradient
        negatives = torch.where(any_used[..., None], negatives, 0.0)
    with _full_precision(query):
        own = (query * positive).sum(1, keepdim=True) / temperature
        others = query @ negatives.T if shared else (negatives @ query[:, :, None]).squeeze(2)
    log_m = _log_draws(num_draws, used, own, shape[1])
    others = others / temperature - log_q - log_m
    if used is not None:
        others = torch.where(used, others, -torch.inf)
    if pos_log_q is not None:
        pos_log_q = _log_q(pos_log_q, query, shape[:1], "pos_log_q", None)
        own = own - pos_log_q[:, None] - log_m
    loss = -F.log_softmax(torch.cat([own, others], 1), 1)[:, 0]
    everyone = torch.ones(shape[0], dtype=torch.bool, device=query.device)
    return reduce(loss, weights_of_rows(sample_weights, everyone, loss), reduction)


def bpr_loss(
    positive: Tensor,
    negatives: Tensor,
    *,
    pos_log_q: Any = None,
    log_q: Any = None,
    mask: Any = None,
    sample_weights: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the BPR loss: how far a positive's score is above those of its negatives.

    The loss of a row is the mean of ``softplus((s_j - log_q_j) - (s_p - pos_log_q))`` over the negatives j
    that it may use.

    Parameters
    ----------
    positive : tensor of float, shape (B,)
        Scores s_p of the rows' own items.
    negatives : tensor of float, shape (B, k)
        Scores s_j of each row's negatives.
    pos_log_q, log_q : arrays or tensors of shape (B,) and (B, k), optional
        Log probabilities that are taken out of the scores, by default 0. Popularity negatives teach a model
        log p(item | user) - log q; with ``log_prob`` of the sampler for both, it learns log p.
    mask : array or tensor of bool, shape (B, k), optional
        True for the negatives to use. Others may be NaN.
    sample_weights : list, array or tensor of shape (B,), optional
        Weights >= 0 of the rows, by default 1.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights, and is 0 if that sum is 0. A row without negatives
        has loss 0, and counts. "none" returns the weighted losses of the rows.

    Returns
    -------
    tensor
        A number, or (B,) for "none". float64 for float64 scores, else float32.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.

    References
    ----------
    S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import bpr_loss
    >>> round(bpr_loss(torch.tensor([2.0]), torch.tensor([[0.0, 1.0]])).item(), 4)
    0.2201
    """
    check_reduction(reduction)
    if not torch.compiler.is_compiling():
        _validate.check_scores(positive, "positive")
        _validate.check_scores(negatives, "negatives")
        _validate.check_dimensions(positive, (1,), "positive", "[B]")
        _validate.check_dimensions(negatives, (2,), "negatives", "[B, k]")
        _validate.check_shape(
            negatives, (positive.shape[0], negatives.shape[1]), "negatives", "as many rows as positive"
        )
    positive, negatives = _in_one_dtype(positive, negatives)
    shape = negatives.shape
    used = _used(mask, None, positive, shape)
    difference = positive[:, None] - negatives
    if log_q is not None:
        difference = difference + _log_q(log_q, positive, shape, "log_q", used)
    if pos_log_q is not None:
        difference = difference - _log_q(pos_log_q, positive, shape[:1], "pos_log_q", None)[:, None]
    if used is not None:
        difference = torch.where(used, difference, 0.0)
    losses = -F.logsigmoid(difference)
    if used is None:
        loss = losses.sum(1) / max(shape[1], 1)
    else:
        loss = torch.where(used, losses, 0.0).sum(1) / used.sum(1).clamp(min=1)
    everyone = torch.ones(shape[0], dtype=torch.bool, device=positive.device)
    return reduce(loss, weights_of_rows(sample_weights, everyone, loss), reduction)


def _check_numbers(
    temperature: float | Tensor, num_draws: float | None
) -> tuple[float | Tensor, float | None]:
    """Check the numbers of the sampled softmax. A temperature that is learned stays a tensor."""
    if torch.compiler.is_compiling():
        return temperature, num_draws
    if isinstance(temperature, Tensor):
        _validate.check_scores(temperature, "temperature")
        _validate.check_shape(temperature, (), "temperature", "a single number")
        if is_readable(temperature):
            _validate.as_positive(temperature.item(), "temperature")
    else:
        temperature = _validate.as_positive(temperature, "temperature")
    return temperature, None if num_draws is None else _validate.as_positive(num_draws, "num_draws")


def _check_vectors(query: Tensor, positive: Tensor, negatives: Tensor) -> None:
    """Check the shapes of the vectors of the sampled softmax."""
    for x, name in ((query, "query"), (positive, "positive"), (negatives, "negatives")):
        _validate.check_scores(x, name)
    _validate.check_dimensions(query, (2,), "query", "[B, D]")
    _validate.check_shape(positive, tuple(query.shape), "positive", "that of query")
    _validate.check_dimensions(negatives, (2, 3), "negatives", "[B, k, D] or [C, D]")
    rows, width = query.shape
    wanted = (negatives.shape[0], width) if negatives.ndim == 2 else (rows, negatives.shape[1], width)
    _validate.check_shape(negatives, wanted, "negatives", "rows and width as query")


def _in_one_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return tensors in float64 if one of them is, else in float32."""
    dtype = torch.float64 if any(x.dtype == torch.float64 for x in tensors) else torch.float32
    return tuple(x.to(dtype) for x in tensors)


def _used(mask: Any, hits: Any, like: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Return which negatives are used, or None if all are, which may be unknown on other devices."""
    used = None
    if mask is not None:
        used = bools_on(mask, like, shape, "mask", "one flag for each row and negative")
    if hits is not None:
        kept = ~bools_on(hits, like, shape, "accidental_hits", "one flag for each row and negative")
        used = kept if used is None else used & kept
    if used is not None and is_readable(used) and bool(used.all()):
        return None
    return used


def _log_q(x: Any, like: Tensor, shape: tuple[int, ...], name: str, used: Tensor | None) -> Tensor:
    """Return log probabilities, which must be finite where they are used."""
    meaning = "one number for each row" if name == "pos_log_q" else "one number for each negative"
    log_q = floats_like(x, like, shape, name, meaning)
    if is_readable(log_q):
        _validate.check_log_q(values_of(log_q), name, None if used is None else values_of(used))
    return log_q


def _full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Return a context without autocast, which would multiply in half precision."""
    kind = like.device.type
    if torch.amp.is_autocast_available(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def _log_draws(num_draws: float | None, used: Tensor | None, like: Tensor, negatives: int) -> Tensor:
    """Return log(m), for all rows or for each."""
    if num_draws is None and used is not None:
        return used.sum(1, keepdim=True).clamp(min=1).to(like).log()
    return like.new_full((1, 1), max(negatives, 1) if num_draws is None else num_draws).log()
