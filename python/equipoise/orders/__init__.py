"""Orders: which row, or batch of rows, comes at which position of an epoch.

The samplers of ``equipoise.torch`` iterate these orders; nothing here knows torch::

    weighted.py     WeightedOrder: rows by weight, drawn with replacement       tables
    race.py         RaceOrder: rows by weight, without replacement              race_band
    batches.py      ClassBatches: batches with given shares of their classes    class_quotas, class_rows,
                                                                                batch_shuffle
    classes.py      the classes of labels, and their shares                     unit_digest

An order is a pure function of its data, the seed, the epoch and the position, so a part of it can be read
without what comes before. ``equipoise.rng`` defines the stream of the draws.
"""

from equipoise.orders.batches import ClassBatches
from equipoise.orders.classes import Classes, find_classes, share_units
from equipoise.orders.race import RaceOrder
from equipoise.orders.weighted import WeightedOrder

__all__ = ["ClassBatches", "Classes", "RaceOrder", "WeightedOrder", "find_classes", "share_units"]
