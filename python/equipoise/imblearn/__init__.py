"""Drop-in classes for imbalanced-learn, with the time going to equipoise's kernels.

The same names, arguments, attributes and messages (of too few rows they say more) as imbalanced-learn's, of
whose classes these are subclasses; the same integer `random_state` gives the same rows where no distances are
equal, float32 ones up to their last digits. Change the import, and nothing else:

>>> import numpy as np
>>> from imblearn.pipeline import make_pipeline
>>> from sklearn.naive_bayes import GaussianNB
>>> from equipoise.imblearn import SMOTE
>>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [90, 10])
>>> model = make_pipeline(SMOTE(random_state=0), GaussianNB()).fit(X, y)

Where distances are equal (categories, counts, duplicates) imbalanced-learn's order of neighbors is an
accident of its search, and here it is by the smaller index. imbalanced-learn's defects are kept under a
`random_state`, and each class names its own; the stream of :class:`equipoise.SmoteSampler` is without them.
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
