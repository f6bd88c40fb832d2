"""Orders: which row comes at which position of an epoch.

The parts and what they call::

    ClassBatches (batches.py)                     batches with given shares of their classes
        |            |
        |            +--> class_quotas            (kernel) rows of each class in each batch
        |            +--> class_rows              (kernel) the next rows of each class
        |            +--> batch_shuffle           (kernel) places in the batch
        v
    classes.py   find_classes, share_units        the classes of labels, and their shares

Nothing here imports torch: ``equipoise.torch`` has the samplers that yield these orders to loaders.
``equipoise.rng`` defines the words.
"""

from equipoise.orders.batches import ClassBatches
from equipoise.orders.classes import Classes, find_classes, share_units

__all__ = ["ClassBatches", "Classes", "find_classes", "share_units"]
