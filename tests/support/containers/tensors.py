"""Containers of torch, JAX and SciPy."""

from __future__ import annotations

import numpy as np

from support.containers.container import DTYPE, REFUSED, Container, quiet, refused


def torch():
    import torch

    return torch


def negated(a):
    """Return a tensor that equals `a` and holds its negatives, with the sign pending."""
    t = torch()
    pending = t.complex(t.zeros(a.shape, dtype=t.float64), t.tensor(-a)).conj().imag
    assert pending.is_neg()
    return pending


def fake(a):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch().ones(a.shape)


def freed(a):
    tensor = torch().tensor(a)
    tensor.untyped_storage().resize_(0)
    return tensor


def narrow(name):
    return Container(
        lambda a: torch().tensor(a).to(getattr(torch(), name)),
        refused(rf"a torch.{name} tensor: {DTYPE}"),
    )


TORCH = {
    "tensor": Container(lambda a: torch().tensor(a)),
    "strided tensor": Container(lambda a: torch().tensor(np.stack([a, a], -1))[..., 0]),
    "parameter": Container(lambda a: torch().nn.Parameter(torch().tensor(a), requires_grad=False)),
    "negative bit": Container(negated, kinds="f"),
    "negative bit, negative values": Container(
        lambda a: negated(-a), (ValueError, r"\[\d\] must be finite and >= 0, got -"), kinds="w"
    ),
    "conjugate bit": Container(
        lambda a: torch().tensor(a.astype(complex)).conj(), refused("complex128 array")
    ),
    "requires grad": Container(
        lambda a: torch().tensor(a.astype(float), requires_grad=True),
        refused(r"a Tensor that requires grad: call \.detach\(\)"),
    ),
    "bfloat16": narrow("bfloat16"),
    "float8": narrow("float8_e4m3fn"),
    "meta": Container(
        lambda a: torch().ones(a.shape, device="meta"), refused(r"a Tensor .*\.cpu\(\)", "in CPU memory")
    ),
    "fake": Container(fake, refused("a FakeTensor without values in memory")),
    "freed": Container(freed, refused("a Tensor without values in memory")),
    "sparse": Container(
        lambda a: torch().tensor(a).to_sparse(), refused(r"a sparse tensor: use \.to_dense", "dense")
    ),
    "sparse CSR": Container(
        lambda a: quiet(lambda: torch().tensor(a).to_sparse_csr()),
        refused(r"a sparse tensor", "dense"),
        dims=(2,),
    ),
    "quantized": Container(
        lambda a: quiet(lambda: torch().quantize_per_tensor(torch().ones(a.shape), 0.1, 0, torch().quint8)),
        refused(r"a torch.quint8 tensor: use \.dequantize"),
    ),
    "nested": Container(
        lambda a: quiet(lambda: torch().nested.nested_tensor([torch().ones(2), torch().ones(1)])),
        refused("a nested tensor", "dense"),
    ),
    "list of negative bits": Container(lambda a: [negated(a)], REFUSED, kinds="f"),
    "list of tensors": Container(lambda a: list(torch().tensor(a)), dims=(1,)),
}


def jnp():
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.numpy


JAX = {
    "array": Container(lambda a: jnp().asarray(a)),
    "bfloat16": Container(
        lambda a: jnp().asarray(a).astype(jnp().bfloat16),
        refused(f"a bfloat16 ArrayImpl: {DTYPE}"),
    ),
    "NumPy's bfloat16": Container(
        lambda a: np.asarray(jnp().asarray(a).astype(jnp().bfloat16)),
        refused(f"bfloat16 array: {DTYPE}"),
    ),
    "NumPy's float8": Container(
        lambda a: np.asarray(jnp().asarray(a).astype(jnp().float8_e5m2)),
        refused(f"float8_e5m2 array: {DTYPE}"),
    ),
}


def scipy_csr(a):
    import scipy.sparse

    return scipy.sparse.csr_array(a)


SCIPY = {"CSR": Container(scipy_csr, refused(r"a sparse csr_array: use \.toarray", "dense"), dims=(2,))}
