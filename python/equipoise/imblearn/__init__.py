"""Drop-in classes for imbalanced-learn that run on equipoise's kernels.

The classes are subclasses of imbalanced-learn's, with the same names, arguments, attributes and messages
(messages about too few rows say more). The same integer `random_state` gives the same rows where no
distances are equal; float32 rows agree up to their last digits. Change the import and nothing else:

>>> import numpy as np
>>> from imblearn.pipeline import make_pipeline
>>> from sklearn.naive_bayes import GaussianNB
>>> from equipoise.imblearn import SMOTE
>>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [90, 10])
>>> model = make_pipeline(SMOTE(random_state=0), GaussianNB()).fit(X, y)

Where distances are equal (categories, counts, duplicates), imbalanced-learn's order of neighbors is an
accident of its search. Here it is the order of the indices. Known defects of imbalanced-learn are kept, so
that a `random_state` gives its rows, and each class names its own; the stream of
:class:`equipoise.SmoteSampler` is free of them.

Who calls whom::

    _combined.py   SMOTEENN, SMOTETomek: SMOTE, then cleaning
        |       | |       +--> _selection.py   random over- and under-sampling, TomekLinks,
        EditedNearestNeighbours, NearMiss |                | +--> _smote.py   |           SMOTE,
        BorderlineSMOTE, SVMSMOTE, KMeansSMOTE, ADASYN |      |   ^     | |      |   +-----|-- _mixed.py
        SMOTENC, SMOTEN |      v         v |    _nearest.py             NearestNeighbors, and how samplers
        ask any estimator --> equipoise.neighbors v
    _synthesis.py                    draws in imbalanced-learn's order, then the rows     --> equipoise.smote
"""

try:
    import imblearn as _theirs  # noqa: F401
except ImportError as failure:
    raise ImportError(
        "equipoise.imblearn needs imbalanced-learn: python -m pip install 'equipoise[imblearn]'"
    ) from failure

from equipoise.imblearn._combined import SMOTEENN, SMOTETomek
from equipoise.imblearn._mixed import SMOTEN, SMOTENC
from equipoise.imblearn._nearest import NearestNeighbors
from equipoise.imblearn._selection import (
    EditedNearestNeighbours,
    NearMiss,
    RandomOverSampler,
    RandomUnderSampler,
    TomekLinks,
)
from equipoise.imblearn._smote import ADASYN, SMOTE, SVMSMOTE, BorderlineSMOTE, KMeansSMOTE

__all__ = [
    "ADASYN",
    "SMOTE",
    "SMOTEENN",
    "SMOTEN",
    "SMOTENC",
    "SVMSMOTE",
    "BorderlineSMOTE",
    "EditedNearestNeighbours",
    "KMeansSMOTE",
    "NearMiss",
    "NearestNeighbors",
    "RandomOverSampler",
    "RandomUnderSampler",
    "SMOTETomek",
    "TomekLinks",
]
