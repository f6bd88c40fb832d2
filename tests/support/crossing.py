"""Cross array arguments with containers, with or without some libraries."""

from __future__ import annotations

import re
import sys

import numpy as np

from support.array_arguments import ARGUMENTS, Argument
from support.containers import CONTAINERS, SAME, Container, is_there


def applies(container: Container, argument: Argument) -> bool:
    """Return whether a container has a known outcome for an argument."""
    good = argument.good
    if container.kinds == "w":  # weights, which must not be negative
        return argument.name in ("weights", "items", "parent_weights")
    if good.dtype.kind not in container.kinds:
        return False
    if argument.label and container.outcome is not SAME:
        return False  # labels may be of many types, which their own tests name
    if container.dims == (-1,):  # one column where a vector is wanted
        return good.shape == (4,) and not argument.any_shape and argument.name != "exclude_ids"
    return good.ndim in container.dims


def plain(result):
    """Return what a call returned as something that can be compared, bytes and dtypes included."""
    if isinstance(result, tuple):
        return tuple(map(plain, result))
    if isinstance(result, np.ndarray):
        return type(result), result.dtype.str, result.shape, result.tobytes()
    return result


def complaint(argument: Argument, container: Container) -> str | None:
    """Return what is wrong with the outcome of a call, or None."""
    given = container.make(argument.good.copy())
    try:
        got = plain(argument.call(given))
    except Exception as error:
        if container.outcome is SAME:
            return f"{type(error).__name__}: {error}"
        wanted, text = container.outcome
        if type(error) is wanted and re.match(re.escape(argument.name) + text, str(error)):
            return None
        return f"{type(error).__name__}: {error}, not {wanted.__name__}: {argument.name}{text}"
    if container.outcome is not SAME:
        return f"no error, but {container.outcome}"
    same = got == plain(argument.call(argument.good.copy()))
    return None if same else "another result than the plain array's"


def complaints(library: str, argument_name: str) -> list[str]:
    """Return what is wrong with an argument, given all containers of a library."""
    argument, wrong = ARGUMENTS[argument_name], []
    for name, container in CONTAINERS[library].items():
        there = not container.needs or is_there(container.needs)
        if there and applies(container, argument) and (said := complaint(argument, container)):
            wrong.append(f"{argument_name}, {library} {name}: {said}")
    return wrong


def main(without: list[str], libraries: list[str]) -> None:
    """Cross everything, and print how many arguments were crossed and what is wrong."""
    crossed, wrong = 0, []
    for library in libraries:
        for name in ARGUMENTS:
            wrong += complaints(library, name)
            crossed += 1
    loaded = [name for name in without if sys.modules.get(name) is not None]
    print(crossed, *loaded, *wrong, sep="\n")
