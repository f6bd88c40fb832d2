"""The 64-bit codes of class labels. A row's address holds its label's code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate

__all__ = ["LabelCodes", "text_code"]


Int64s = NDArray[np.int64]


def text_code(text: str) -> int:
    """Return the code of a string, from the BLAKE2b digest of its UTF-8."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class LabelCodes(dict[str, int]):
    """The codes of strings, which are computed when they are first looked up.

    ``texts`` maps the codes back to their strings. Both only grow: strings of a call that fails stay.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, str] = {}

    def __missing__(self, label: str) -> int:
        text = str(label)  # not np.str_
        code = text_code(text)
        known = self.texts.setdefault(code, text)
        if known != text:
            _validate.refuse_same_code(known, text)
        self[text] = code
        return code

    def add(self, texts: Iterable[str]) -> None:
        """Find the codes of strings, so that ``texts`` has them."""
        for text in texts:
            self[text]

    def of(self, labels: _validate.Labels) -> Int64s:
        """Return one code for each row. Integers are their own codes, and False and True are 0 and 1."""
        values = labels.values
        if isinstance(values, list):
            values = np.fromiter(map(self.__getitem__, values), np.int64, len(values))
        codes: Int64s = values if labels.index is None else values[labels.index]
        return codes

    def decoded(self, kind: str | None, codes: Int64s) -> NDArray[Any]:
        """Return the labels of a kind that have these codes."""
        if kind == _validate.BOOLEANS:
            return codes.astype(np.bool_)
        if kind != _validate.STRINGS:
            return codes
        texts = [self.texts[code] for code in codes.tolist()]
        strings = np.array(texts, np.str_)
        # NumPy's strings drop null characters at the end.
        return strings if strings.tolist() == texts else np.array(texts, object)
