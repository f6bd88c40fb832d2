"""Weighted samples of streams: bottom-k sketches of exponential ranks.

Each row of weight w has the rank E / w, where the exponential random number E is a function of the row's
address alone. The k rows of smallest rank are a weighted sample without replacement. The rank of row k + 1 is
the threshold, which gives the inclusion probability 1 - exp(-w * threshold). The smallest ranks of two
streams together are among the smallest ranks of each, so samples merge exactly.

::

    Reservoir   ClassReservoir   weighted_sample        the public API
        |             |                |                (reservoir, class_reservoir, draw)
        +------+------+----------------+
               v
         BaseReservoir  ---> serialize                  locks, sample, merge; the byte format
               |
               v
         StreamReader  ----> threshold                  keys, decay, totals; a guess at the threshold
               |             (reading)
               v
            Reading  ------> kernels                    rows in, candidates out, on threads:
               |             (scan)                     reservoir_blocks, reservoir_rows
               v
            BottomK  ------> kernels                    candidates in, the smallest ranks of each class out:
                             (bottom_k)                 reservoir_select, reservoir_equal

    codes    64-bit codes of class labels, which are integers, booleans or strings
    labels   numbers and counts of classes (kernel class_lookup)
    ranks    ranks that are out of float64's range
    quotas   rows of a sample, divided among classes
    sample   what a reservoir returns: samples and candidate rows
    estimates, intervals    estimates from a sample, and their 95 % intervals
    hooks    access for the command line and the cluster adapters

A call of ``update`` works on a copy of the sketch that shares its memory, and commits in one assignment. An
error or an interrupt therefore leaves the reservoir unchanged.
"""

from equipoise.reservoirs.class_reservoir import ClassReservoir
from equipoise.reservoirs.draw import weighted_sample
from equipoise.reservoirs.estimates import Estimate
from equipoise.reservoirs.reservoir import Reservoir
from equipoise.reservoirs.sample import CandidateRows, ReservoirSample

__all__ = ["CandidateRows", "ClassReservoir", "Estimate", "Reservoir", "ReservoirSample", "weighted_sample"]
