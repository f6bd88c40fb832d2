"""Every container of an array that a user may have, made from a plain array, and what becomes of it.

The outcome is either ``SAME``, the result of the plain array, or the class of an error and a pattern of what
follows the argument's name.
"""

from support.containers.arrow import ARROW
from support.containers.container import SAME, Container, is_there
from support.containers.frames import PANDAS, POLARS
from support.containers.plain import PLAIN
from support.containers.tensors import JAX, SCIPY, TORCH

__all__ = ["CONTAINERS", "SAME", "Container", "is_there"]

CONTAINERS = {
    "numpy": PLAIN,
    "pandas": PANDAS,
    "polars": POLARS,
    "pyarrow": ARROW,
    "torch": TORCH,
    "jax": JAX,
    "scipy": SCIPY,
}
