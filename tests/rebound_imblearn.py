"""A pytest plugin for imbalanced-learn's own suite: equipoise's classes stand where it looks for its own.

Its tests, `all_estimators` and the tables of checks import samplers from three namespaces alone, so binding
the names there anew, before anything is collected, is enough.
"""

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling

import equipoise.imblearn

for space in (imblearn.over_sampling, imblearn.under_sampling, imblearn.combine):
    for name in set(space.__all__) & set(equipoise.imblearn.__all__):
        setattr(space, name, getattr(equipoise.imblearn, name))
