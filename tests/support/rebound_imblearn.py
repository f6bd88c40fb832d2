"""A pytest plugin that runs imbalanced-learn's own suite with equipoise's classes.

The suite's tests, `all_estimators` and the tables of checks import samplers from three namespaces only, so it
is enough to replace the names there before anything is collected. REBOUND_CALLS may name a file. The plugin
writes to it how often each class of equipoise resampled, so that a suite that tests other classes does not
pass.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from pathlib import Path

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling

import equipoise.imblearn

CALLS: Counter[str] = Counter()


def counted(name, method):
    @functools.wraps(method)
    def wrapper(self, *arguments):
        CALLS[name] += 1
        return method(self, *arguments)

    return wrapper


for space in (imblearn.over_sampling, imblearn.under_sampling, imblearn.combine):
    for name in set(space.__all__) & set(equipoise.imblearn.__all__):
        sampler = getattr(equipoise.imblearn, name)
        sampler._fit_resample = counted(name, sampler._fit_resample)
        setattr(space, name, sampler)


def pytest_sessionfinish():
    if "REBOUND_CALLS" in os.environ:
        Path(os.environ["REBOUND_CALLS"]).write_text(json.dumps(CALLS))
