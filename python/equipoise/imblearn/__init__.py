"""Drop-in classes for imbalanced-learn that run on equipoise's kernels.

The classes are subclasses of imbalanced-learn's, with the same names, arguments, attributes and messages
(messages about too few rows give more details). The same integer `random_state` gives the same rows where no
distances are equal; float32 rows agree up to their last digits. Change the import and nothing else:

>>> import numpy as np
>>> from imblearn.pipeline import make_pipeline
>>> from sklearn.naive_bayes import GaussianNB
>>> from equipoise.imblearn import SMOTE
>>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [90, 10])
>>> model = make_pipeline(SMOTE(random_state=0), GaussianNB()).fit(X, y)

Rows and labels may be arrays, lists, SciPy's sparse matrices and arrays, and frames and series of pandas or
polars, and come back as the same. Columns may be nullable or backed by pyarrow.

Where distances are equal (categories, counts, duplicates), the order of neighbors in imbalanced-learn depends
on details of its search. Here it is the order of the indices. Known defects of imbalanced-learn are kept, so
that a `random_state` gives the same rows, and the docstring of each class lists them.
:class:`equipoise.SmoteSampler` does not have these defects.

The modules, and what they use::

    _combined.py     SMOTEENN, SMOTETomek                       _smote, _selection, _containers
    _mixed.py        SMOTENC, SMOTEN                            _smote, _containers, _nearest,
                                                                _synthesis, equipoise.neighbors
    _smote.py        SMOTE, BorderlineSMOTE, SVMSMOTE,          _containers, _nearest,
                     KMeansSMOTE, ADASYN                        _synthesis
    _selection.py    random over- and under-sampling,           _containers, _nearest
                     TomekLinks, EditedNearestNeighbours,
                     NearMiss
    _nearest.py      NearestNeighbors, and how samplers         equipoise.neighbors
                     query any estimator
    _containers.py   frames, sparse rows and byte orders,       equipoise
                     in and out
    _synthesis.py    draws in imbalanced-learn's order,         equipoise.smote
                     and the new rows
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
