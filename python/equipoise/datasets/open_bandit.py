"""The Open Bandit log, with 60,000 impressions from a shop and their propensities.

The log is the small version of the Open Bandit Dataset: Saito, Aihara, Matsutani and Narita, "Open Bandit
Dataset and Pipeline: Towards Realistic and Reproducible Off-Policy Evaluation", 2020, arXiv:2008.07146. The
license is Apache-2.0; see NOTICE in this folder. ``build_open_bandit`` rebuilds the file from its source.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["CAMPAIGNS", "NUM_ITEMS", "POLICIES", "OpenBandit", "load_open_bandit"]


POLICIES = ("random", "bts")
CAMPAIGNS = ("all", "men", "women")
NUM_ITEMS = {"all": 80, "men": 34, "women": 46}


# The file consists of bit planes. For each field, and for each of its bits from the lowest to the highest,
# the file holds that bit of every row, packed eight rows to a byte with the first row in the highest bit. The
# file is not compressed, so that a rebuild gives the same bytes with any version of zlib. The wheel is
# compressed, which halves the file's size.
FILE = "open_bandit_small.bits"
START = np.datetime64("2019-11-24T00:00:00", "s")
ROWS_PER_ARM = 10_000


FIELDS = (
    ("is_bts", 2),
    ("campaign", 3),
    ("seconds", 3_600),  # since the previous row of the arm, or since START
    ("item_id", 80),
    ("position", 3),  # minus 1
    ("click", 2),
    ("propensity", 1_000_000),  # in millionths; 0 stands for one over the number of items
    ("user_feature_0", 3),
    ("user_feature_1", 5),
    ("user_feature_2", 9),
    ("user_feature_3", 10),
    ("affinity_shown", 3),
    ("affinity_sum", 17),
)


@dataclass(frozen=True, eq=False)
class OpenBandit:
    """A log of impressions, one per row, ordered by time within an arm (a policy and a campaign).

    Attributes
    ----------
    is_bts : bool ndarray of shape (n,)
        Whether the item was chosen by Bernoulli Thompson sampling ("bts") instead of uniformly at random.
    campaign : int8 ndarray of shape (n,)
        Index into CAMPAIGNS. Each campaign has its own items and its own users.
    timestamp : datetime64[s] ndarray of shape (n,)
        UTC, 2019-11-24 to 2019-11-30.
    item_id : int64 ndarray of shape (n,)
        In [0, NUM_ITEMS[campaign]). The same number in two campaigns means two different items.
    position : int8 ndarray of shape (n,)
        Where on the page the item was shown: 1 left, 2 center, 3 right.
    click : int8 ndarray of shape (n,)
        1 if the item was clicked, else 0.
    propensity : float64 ndarray of shape (n,)
        Probability, in (0, 1), that the policy showed this item at this position.
    user_features : int8 ndarray of shape (n, 4)
        Anonymized categories, coded from 0, with 3, 5, 9 and 10 values.
    affinity_shown : int8 ndarray of shape (n,)
        The number of the user's past clicks on the item shown.
    affinity_sum : int8 ndarray of shape (n,)
        The number of the user's past clicks on all items of the campaign.
    """

    is_bts: NDArray[np.bool_]
    campaign: NDArray[np.int8]
    timestamp: NDArray[np.datetime64]
    item_id: NDArray[np.int64]
    position: NDArray[np.int8]
    click: NDArray[np.int8]
    propensity: NDArray[np.float64]
    user_features: NDArray[np.int8]
    affinity_shown: NDArray[np.int8]
    affinity_sum: NDArray[np.int8]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.item_id.size

    def where(self, *, policy: str | None = None, campaign: str | None = None) -> OpenBandit:
        """Return the rows of one policy, one campaign, or both (one arm).

        Parameters
        ----------
        policy : {"random", "bts"}, optional
        campaign : {"all", "men", "women"}, optional

        Returns
        -------
        OpenBandit
            A copy of the rows, in the same order.

        Raises
        ------
        ValueError
            If policy is not in POLICIES, or campaign is not in CAMPAIGNS.

        Examples
        --------
        >>> women = load_open_bandit().where(policy="bts", campaign="women")
        >>> len(women), int(women.click.sum()), float(women.propensity.min())
        (10000, 46, 1e-06)
        """
        keep = np.ones(len(self), dtype=np.bool_)
        if policy is not None:
            keep &= self.is_bts == bool(_index("policy", policy, POLICIES))
        if campaign is not None:
            keep &= self.campaign == _index("campaign", campaign, CAMPAIGNS)
        return OpenBandit(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})


def load_open_bandit() -> OpenBandit:
    """Load the embedded log: 60,000 impressions with 287 clicks, 10,000 for each policy and campaign.

    These are real impressions from the front page of a fashion shop in one week of November 2019. Times are
    truncated to whole seconds. A propensity equals the source's number to within one unit in the last place
    of a float64.

    Returns
    -------
    OpenBandit
        New arrays, which the caller may change.

    Examples
    --------
    >>> log = load_open_bandit()
    >>> len(log), int(log.click.sum())
    (60000, 287)
    """
    data = resources.files(__package__).joinpath(FILE).read_bytes()
    sizes = [(size - 1).bit_length() for _, size in FIELDS]
    planes = np.unpackbits(np.frombuffer(data, dtype=np.uint8).reshape(sum(sizes), -1), axis=1)
    column: dict[str, NDArray[np.int64]] = {}
    for (name, _), bits in zip(FIELDS, np.split(planes, np.cumsum(sizes)[:-1]), strict=True):
        column[name] = np.zeros(planes.shape[1], dtype=np.int64)
        for bit, plane in enumerate(bits):
            column[name] |= plane.astype(np.int64) << bit
    seconds = column["seconds"].reshape(-1, ROWS_PER_ARM).cumsum(axis=1).ravel()
    num_items = np.array([NUM_ITEMS[name] for name in CAMPAIGNS])[column["campaign"]]
    millionths = column["propensity"]
    return OpenBandit(
        is_bts=column["is_bts"].astype(np.bool_),
        campaign=column["campaign"].astype(np.int8),
        timestamp=START + seconds.astype("timedelta64[s]"),
        item_id=column["item_id"],
        position=(column["position"] + 1).astype(np.int8),
        click=column["click"].astype(np.int8),
        propensity=np.where(millionths == 0, 1 / num_items, millionths / 1e6),
        user_features=np.stack([column[f"user_feature_{j}"] for j in range(4)], axis=1).astype(np.int8),
        affinity_shown=column["affinity_shown"].astype(np.int8),
        affinity_sum=column["affinity_sum"].astype(np.int8),
    )


def _index(argument: str, name: str, names: tuple[str, ...]) -> int:
    """Return the index of a name, or raise an error if it is unknown."""
    if name not in names:
        raise ValueError(f"{argument} must be one of {', '.join(names)}, got {name!r}")
    return names.index(name)
