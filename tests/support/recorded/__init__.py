"""Every public draw and answer whose digest is recorded in ``tests/house/same_bytes.json``.

There is one module per subject. A function decorated with ``cases`` gives its name to the digest of what it
returns, so its name must stay. To record a new case, run this from the folder ``tests``::

    python -m support.recorded

It adds the missing digests and never changes one that is recorded. A digest that must change, because the
stream contract has a new version, is first deleted by hand.
"""

from support.recorded import (
    balance,
    before,
    drop_ins,
    negatives,
    neighbors,
    orders,
    reservoirs,
    smote,
    tables,
)
from support.recorded.digests import BEFORE, CASES, RECORDED, digest_of, recorded_digests

__all__ = [
    "BEFORE", "CASES", "RECORDED", "balance", "before", "digest_of", "drop_ins", "negatives", "neighbors",
    "orders", "recorded_digests", "reservoirs", "smote", "tables",
]  # fmt: skip
