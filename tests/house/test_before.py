"""Files of version 1 are refused with a text that names both versions; their draws have changed since."""

from __future__ import annotations

import contextlib
import json
import pickle

import pytest

import equipoise
from support.recorded import BEFORE
from support.recorded.before import REFUSED
from support.recorded.negatives import negatives_sampler
from support.recorded.smote import smote_sampler


@pytest.mark.parametrize(("name", "kind"), REFUSED.items())
def test_a_pickle_of_version_1_is_refused(name, kind):
    with (
        contextlib.chdir(BEFORE),
        pytest.raises(ValueError, match=f"a pickled {kind} must be of version 2, got version 1"),
    ):
        pickle.loads((BEFORE / f"{name}.pickle").read_bytes())


@pytest.mark.parametrize("mmap", [True, False])
def test_a_table_of_version_1_is_refused(mmap):
    for kind, name in ((equipoise.AliasTable, "alias"), (equipoise.UniformTable, "uniform")):
        with pytest.raises(ValueError, match="path must name a table of version 2, got version 1"):
            kind.load(BEFORE / f"table.{name}", mmap=mmap)


def test_a_state_of_version_1_is_refused():
    states = json.loads((BEFORE / "states.json").read_text(encoding="utf-8"))
    for sampler in (negatives_sampler("log-uniform", seed=14), smote_sampler("categorical")):
        with pytest.raises(ValueError, match=r"state\['version'\] must be 2, that of this sampler, got 1"):
            sampler.load_state_dict(states[type(sampler).__name__])
