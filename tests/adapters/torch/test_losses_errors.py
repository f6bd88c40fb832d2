"""What losses refuse: an error names the argument, the first bad position, what was wanted and what came."""

# ruff: noqa: E501 (a row of the table is a line)

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from equipoise import losses  # noqa: E402

Z = torch.zeros(3, 4)
Y = torch.tensor([0, 3, 1])
X, T = torch.zeros(3), torch.tensor([0, 1, 1])
Q, N, LOG_Q = torch.zeros(2, 5), torch.zeros(2, 3, 5), torch.zeros(2, 3)

wce, focal, balanced = losses.weighted_cross_entropy, losses.focal_loss, losses.balanced_loss
cb, ldam, adjusted = losses.class_balanced_loss, losses.ldam_loss, losses.logit_adjusted
softmax, bpr = losses.sampled_softmax, losses.bpr_loss

ERRORS = {
    # ---- logits and targets
    "no tensor": (lambda: wce([[0.0]], Y), TypeError, "logits must be a tensor of float16, bfloat16, float32 or float64, got list"),
    "int logits": (lambda: wce(Z.long(), Y), TypeError, "got a torch.int64 tensor"),
    "3-D logits": (lambda: wce(Z[None], Y), ValueError, "logits must be 1-D [N] or 2-D [N, K], not 3-D (shape (1, 3, 4))"),
    "0-D logits": (lambda: wce(Z[0, 0], Y), ValueError, "logits must be 1-D [N] or 2-D [N, K], not 0-D"),
    "no class": (lambda: wce(Z[:, :0], Y), ValueError, "logits must have at least one class, got shape (3, 0)"),
    "one logit of counts": (lambda: cb(X, T, [1, 2]), ValueError, "logits must be 2-D [N, K], not 1-D (shape (3,))"),
    "target list": (lambda: wce(Z, [0, 3, 1]), TypeError, "target must be a tensor of integers, got list"),
    "float target": (lambda: wce(Z, Y.float()), TypeError, "target must be a tensor of integers, the classes of logits [N, K], got a torch.float32 tensor"),
    "bool target": (lambda: wce(Z, Y > 0), TypeError, "got a torch.bool tensor"),
    "one-hot target": (lambda: wce(Z, torch.zeros(3, 4).long()), ValueError, "target must have shape (3,), one class for each row of logits, got (3, 4)"),
    "short target": (lambda: wce(Z, Y[:2]), ValueError, "target must have shape (3,), one class for each row of logits, got (2,)"),
    "target too large": (lambda: wce(Z, Y + 1), IndexError, "target[1] must be in [0, 4), or ignore_index, got 4"),
    "negative target": (lambda: wce(Z, Y - 1), IndexError, "target[0] must be in [0, 4), or ignore_index, got -1"),
    "target 2 of one logit": (lambda: wce(X, T + 1), IndexError, "target[1] must be 0 or 1, or ignore_index, got 2"),
    "target 0.5 of one logit": (lambda: wce(X, T * 0.5), IndexError, "target[1] must be 0 or 1, or ignore_index, got 0.5"),
    "NaN target of one logit": (lambda: wce(X, T * torch.nan), IndexError, "target[0] must be 0 or 1"),
    "ignore_index": (lambda: wce(Z, Y, ignore_index=1.5), TypeError, "ignore_index must be an integer, got float"),
    "reduction": (lambda: wce(Z, Y, reduction="avg"), ValueError, "reduction must be 'none', 'sum' or 'mean', got 'avg'"),
    "reduction type": (lambda: focal(Z, Y, reduction=None), TypeError, "reduction must be a string, got NoneType"),
    # ---- vectors of classes and of rows
    "short weights": (lambda: wce(Z, Y, [1, 2, 3]), ValueError, "class_weights must have shape (4,), one number for each class, got (3,)"),
    "3 weights of one logit": (lambda: wce(X, T, [1, 2, 3]), ValueError, "class_weights must have shape (2,)"),
    "negative weight": (lambda: wce(Z, Y, [1, -2, 3, 4]), ValueError, "class_weights[1] must be finite and >= 0, got -2.0"),
    "NaN weight": (lambda: wce(Z, Y, torch.tensor([1, 2, torch.nan, 4])), ValueError, "class_weights[2] must be finite and >= 0, got nan"),
    "infinite weight": (lambda: wce(Z, Y, np.array([1, 2, 3, np.inf])), ValueError, "class_weights[3] must be finite and >= 0, got inf"),
    "text weights": (lambda: wce(Z, Y, ["a"] * 4), TypeError, "class_weights must be a tensor or an array of floats or integers"),
    "bool weights": (lambda: wce(Z, Y, torch.ones(4) > 0), TypeError, "got a torch.bool tensor"),
    "sample weight": (lambda: wce(Z, Y, sample_weights=[1, 2, -3]), ValueError, "sample_weights[2] must be finite and >= 0, got -3.0"),
    "short sample weights": (lambda: wce(Z, Y, sample_weights=[1, 2]), ValueError, "sample_weights must have shape (3,), one weight for each row, got (2,)"),
    "counts": (lambda: cb(Z, Y, [1, 2, 3]), ValueError, "counts must have shape (4,), one number for each class, got (3,)"),
    "no counts": (lambda: ldam(Z, Y, [0] * 4), ValueError, "counts must be positive for at least one class, got none"),
    "prior": (lambda: adjusted(Z, Y, [1, 2, 3, -1]), ValueError, "prior[3] must be finite and >= 0, got -1.0"),
    "counts of a softmax": (lambda: losses.balanced_softmax(Z, Y, [1] * 5), ValueError, "counts must have shape (4,)"),
    "post hoc": (lambda: losses.adjust_logits(Z, [1, 0, 1, 1]), ValueError, "prior[1] must be > 0, got 0.0: a class without prior would win every row"),
    # ---- numbers
    "lam": (lambda: balanced(Z, Y, lam=-0.1), ValueError, "lam must be finite and >= 0, got -0.1"),
    "gamma": (lambda: focal(Z, Y, gamma=-1), ValueError, "gamma must be finite and >= 0, got -1.0"),
    "gamma of counts": (lambda: cb(Z, Y, [1] * 4, base="focal", gamma=-1), ValueError, "gamma must be finite and >= 0"),
    "beta": (lambda: cb(Z, Y, [1] * 4, beta=1), ValueError, "beta must be in [0, 1), got 1.0"),
    "base": (lambda: cb(Z, Y, [1] * 4, base="hinge"), ValueError, "base must be 'softmax', 'sigmoid' or 'focal', got 'hinge'"),
    "max_margin": (lambda: ldam(Z, Y, [1] * 4, max_margin=-1), ValueError, "max_margin must be finite and >= 0"),
    "scale": (lambda: ldam(Z, Y, [1] * 4, scale=0), ValueError, "scale must be > 0, got 0.0"),
    "tau": (lambda: adjusted(Z, Y, [1] * 4, tau=-1), ValueError, "tau must be finite and >= 0, got -1.0"),
    "post hoc tau": (lambda: losses.adjust_logits(Z, [1] * 4, tau="1"), TypeError, "tau must be a real number, got str"),
    # ---- focal
    "focal target": (lambda: focal(Z, torch.zeros(2, 4)), ValueError, "target must have shape (3,), or (3, 4), that of the logits, got (2, 4)"),
    "focal float classes": (lambda: focal(Z, Y.float()), TypeError, "target must be a tensor of integers"),
    "soft target": (lambda: focal(X, torch.tensor([0, 1.5, 1])), ValueError, "target[1] must be in [0, 1], or ignore_index, got 1.5"),
    "hard target": (lambda: focal(Z, Z.long() + 2), IndexError, "target[0, 0] must be 0 or 1, or ignore_index, got 2"),
    "focal class": (lambda: focal(Z, Y + 1), IndexError, "target[1] must be in [0, 4), or ignore_index, got 4"),
    "alpha": (lambda: focal(X, T, alpha=2), ValueError, "alpha must be in [0, 1], got 2.0"),
    "alphas": (lambda: focal(X, T, alpha=[0.2, 0.8]), TypeError, "alpha must be a real number, got list"),
    "one alpha": (lambda: focal(Z, Y, alpha=0.25), ValueError, "alpha must have shape (4,), one number for each class, got ()"),
    "element weights": (lambda: focal(Z, Z, sample_weights=torch.ones(4, 3)), ValueError, "sample_weights must have shape (3, 4)"),
    "row weights": (lambda: focal(Z, Z, sample_weights=[1, 2]), ValueError, "sample_weights must have shape (3,), one weight for each row, got (2,)"),
    # ---- sampled negatives
    "query": (lambda: softmax(Q[0], Q, N, LOG_Q), ValueError, "query must be [B, D], not 1-D (shape (5,))"),
    "positive": (lambda: softmax(Q, Q[:1], N, LOG_Q), ValueError, "positive must have shape (2, 5), that of query, got (1, 5)"),
    "negatives": (lambda: softmax(Q, Q, N[0, 0], LOG_Q), ValueError, "negatives must be [B, k, D] or [C, D], not 1-D"),
    "rows of negatives": (lambda: softmax(Q, Q, N[:1], LOG_Q), ValueError, "negatives must have shape (2, 3, 5), rows and width as query, got (1, 3, 5)"),
    "width of shared negatives": (lambda: softmax(Q, Q, N[0, :, :4], LOG_Q[0]), ValueError, "negatives must have shape (3, 5), rows and width as query, got (3, 4)"),
    "log_q": (lambda: softmax(Q, Q, N, LOG_Q[0]), ValueError, "log_q must have shape (2, 3), one number for each negative, got (3,)"),
    "shared log_q": (lambda: softmax(Q, Q, N[0], LOG_Q), ValueError, "log_q must have shape (3,), one number for each negative, got (2, 3)"),
    "pos_log_q": (lambda: softmax(Q, Q, N, LOG_Q, pos_log_q=[0.0]), ValueError, "pos_log_q must have shape (2,), one number for each row, got (1,)"),
    "log_q of an item that is never drawn": (lambda: softmax(Q, Q, N, torch.tensor([[0, 0, 0], [0, 0, -torch.inf]])), ValueError, "log_q[1, 2] must be finite, got -inf: an item of probability 0 is never drawn"),
    "NaN log_q": (lambda: softmax(Q, Q, N[0], [0, np.nan, 0]), ValueError, "log_q[1] must be finite, got nan"),
    "infinite pos_log_q": (lambda: softmax(Q, Q, N, LOG_Q, pos_log_q=[0, -np.inf]), ValueError, "pos_log_q[1] must be finite, got -inf"),
    "bpr pos_log_q": (lambda: bpr(Q[:, 0], LOG_Q, pos_log_q=[-np.inf, 0]), ValueError, "pos_log_q[0] must be finite, got -inf"),
    "mask": (lambda: softmax(Q, Q, N, LOG_Q, mask=LOG_Q), TypeError, "mask must be a tensor or an array of bools, got a torch.float32 tensor"),
    "mask array": (lambda: softmax(Q, Q, N, LOG_Q, mask=LOG_Q.numpy()), TypeError, "mask must be a tensor or an array of bools, got float32 array"),
    "shape of mask": (lambda: softmax(Q, Q, N, LOG_Q, mask=np.ones(3, bool)), ValueError, "mask must have shape (2, 3), one flag for each row and negative, got (3,)"),
    "hits": (lambda: softmax(Q, Q, N, LOG_Q, accidental_hits=np.ones((2, 2), bool)), ValueError, "accidental_hits must have shape (2, 3)"),
    "temperature": (lambda: softmax(Q, Q, N, LOG_Q, temperature=0), ValueError, "temperature must be > 0, got 0.0"),
    "learned temperature": (lambda: softmax(Q, Q, N, LOG_Q, temperature=torch.tensor(-1.0)), ValueError, "temperature must be > 0, got -1.0"),
    "temperatures": (lambda: softmax(Q, Q, N, LOG_Q, temperature=torch.ones(2)), ValueError, "temperature must have shape (), a single number, got (2,)"),
    "num_draws": (lambda: softmax(Q, Q, N, LOG_Q, num_draws=0), ValueError, "num_draws must be > 0, got 0.0"),
    "softmax weights": (lambda: softmax(Q, Q, N, LOG_Q, sample_weights=[1, -1]), ValueError, "sample_weights[1] must be finite and >= 0"),
    "softmax reduction": (lambda: softmax(Q, Q, N, LOG_Q, reduction="max"), ValueError, "reduction must be"),
    "bpr positive": (lambda: bpr(Q, LOG_Q), ValueError, "positive must be [B], not 2-D (shape (2, 5))"),
    "bpr negatives": (lambda: bpr(Q[:, 0], LOG_Q[:1]), ValueError, "negatives must have shape (2, 3), as many rows as positive, got (1, 3)"),
    "bpr scores": (lambda: bpr(Q[:, 0].long(), LOG_Q), TypeError, "positive must be a tensor of float16"),
    "bpr mask": (lambda: bpr(Q[:, 0], LOG_Q, mask=[True, False]), ValueError, "mask must have shape (2, 3)"),
    "bpr log_q": (lambda: bpr(Q[:, 0], LOG_Q, log_q=[[0, 0]]), ValueError, "log_q must have shape (2, 3)"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_was_wrong(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=re.escape(text)) as caught:
        call()
    assert type(caught.value) is kind


def test_no_value_is_looked_at_on_another_device():
    """Shapes and dtypes are checked there, too."""
    z = torch.empty(3, 4, device="meta")
    y = torch.empty(3, dtype=torch.int64, device="meta")
    with pytest.raises(ValueError, match=r"target must have shape \(3,\)"):
        wce(z, y[:2])
    with pytest.raises(TypeError, match="target must be a tensor of integers"):
        wce(z, y.float())
    with pytest.raises(ValueError, match=r"class_weights\[1\] must be finite"):
        wce(z, y, [1, -1, 1, 1])  # in host memory


def test_the_classes_of_ignored_rows_are_not_checked():
    assert wce(Z, torch.tensor([0, -100, 3])).isfinite()
    assert wce(Z, torch.tensor([0, 255, 3], dtype=torch.uint8), ignore_index=255).isfinite()


WITHOUT = """
import sys
sys.modules["torch"] = None
import equipoise
try:
    import equipoise.losses
except ImportError as error:
    print(error)
"""


def test_without_torch_the_error_says_how_to_get_it():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "equipoise.losses needs torch: python -m pip install 'equipoise[torch]'"
