"""Over-sample with SMOTE, then clean the result by under-sampling."""

from __future__ import annotations

import imblearn.combine as theirs

from equipoise.imblearn._containers import Containers
from equipoise.imblearn._selection import EditedNearestNeighbours, TomekLinks
from equipoise.imblearn._smote import SMOTE

__all__ = ["SMOTEENN", "SMOTETomek"]


class SMOTEENN(Containers, theirs.SMOTEENN):
    """A drop-in `SMOTEENN` that combines this package's :class:`SMOTE` and :class:`EditedNearestNeighbours`.

    Parameters and attributes are those of :class:`imblearn.combine.SMOTEENN`. The notes of the two classes on
    equal distances, threads, sparse `X` and defects apply here, too. `n_jobs` is the number of threads of the
    cleaning step. Samplers that are passed in are used as they are, so imbalanced-learn's own samplers do not
    become faster.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SMOTEENN
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [60, 40])
    >>> np.bincount(SMOTEENN(random_state=0).fit_resample(X, y)[1])
    array([12, 18])
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if self.smote is None:
            self.smote_ = SMOTE(sampling_strategy=self.sampling_strategy, random_state=self.random_state)
        if self.enn is None:
            self.enn_ = EditedNearestNeighbours(sampling_strategy="all", n_jobs=self.n_jobs)


class SMOTETomek(Containers, theirs.SMOTETomek):
    """A drop-in `SMOTETomek` that combines this package's :class:`SMOTE` and :class:`TomekLinks`.

    Parameters and attributes are those of :class:`imblearn.combine.SMOTETomek`. The notes of the two classes
    on equal distances, threads, sparse `X` and defects apply here, too. `n_jobs` is the number of threads of
    the cleaning step. Samplers that are passed in are used as they are, so imbalanced-learn's own samplers do
    not become faster.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SMOTETomek
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [60, 40])
    >>> np.bincount(SMOTETomek(random_state=0).fit_resample(X, y)[1])
    array([52, 52])
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if self.smote is None:
            self.smote_ = SMOTE(sampling_strategy=self.sampling_strategy, random_state=self.random_state)
        if self.tomek is None:
            self.tomek_ = TomekLinks(sampling_strategy="all", n_jobs=self.n_jobs)
