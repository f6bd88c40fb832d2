"""Calls in functions that `torch.compile` compiles: TorchDynamo leaves them to Python, as graph breaks.

Dynamo follows calls into Python functions, to turn them into a graph of torch operations. It would replace
NumPy's functions by torch's, and cannot follow kernels. It asks each function that it meets whether
``_torchdynamo_disable`` is true, which ``torch.compiler.disable`` makes so. That decorator needs torch, which
this package does not import, and adds a call to each call. Here the attribute is an object. Dynamo asks
whether it is true, and is then told the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

__all__ = ["leave_untraced"]


class _Disable:
    """A true value that makes Dynamo skip the frames of this package, and of all that they call.

    Otherwise, Dynamo would compile these frames one by one when they run after the graph break.
    """

    def __init__(self) -> None:
        self.codes: list[CodeType] = []

    def __bool__(self) -> bool:
        frames: Any = sys.modules.get("torch._dynamo.eval_frame")
        if hasattr(frames, "set_code_exec_strategy"):  # torch 2.7 or newer
            skip = frames.FrameAction.SKIP
            while self.codes:
                frames.set_code_exec_strategy(self.codes.pop(), frames.FrameExecStrategy(skip, skip))
        return True


def leave_untraced(package: str, *, but: str = "") -> None:
    """Tell Dynamo not to trace the functions and methods of the modules of a package that are loaded.

    `but` is a package within it whose functions are torch's operations, which Dynamo may trace.
    """
    modules = {name for name in sys.modules if f"{name}.".startswith(f"{package}.")}
    modules -= {name for name in modules if but and f"{name}.".startswith(f"{but}.")}
    disable = _Disable()
    for name in modules:
        for thing in list(vars(sys.modules[name]).values()):
            for function in _functions(thing):
                if function.__module__ in modules and "_torchdynamo_disable" not in vars(function):
                    reason = "equipoise draws with NumPy and its own kernels"
                    vars(function).update(_torchdynamo_disable=disable, _torchdynamo_disable_msg=reason)
                    disable.codes.append(function.__code__)


def _functions(thing: object) -> Iterator[FunctionType]:
    """Yield a function, or the functions of a class: methods, properties, static and class methods."""
    for member in vars(thing).values() if isinstance(thing, type) else [thing]:
        function = getattr(member, "fget", getattr(member, "__func__", member))
        if isinstance(function, FunctionType):
            yield function
