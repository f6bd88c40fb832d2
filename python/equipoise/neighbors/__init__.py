"""Exact nearest neighbors.

How a search runs, from the top::

    nearest_neighbors (public) ----+
    mixed_neighbors (numbers and   +--> search.py --> blocks.py   rows to blocks: knn_split, knn_pack
      category codes; internal) ---+        |
                                            +-------> knn_search  up to 128 queries a call, in threads

    table.py: the table of each row's k neighbors that SmoteSampler draws from

``search`` handles the arguments, the scales and the threads, and ``blocks`` the layout that the kernels read.
The definition of a distance is in the docstring of :func:`nearest_neighbors`. The kernels find candidates in
float32, with bounds on the error, and rank the few that remain by that definition; see
``cpp/neighbors/search.hpp`` and its twin ``_numba/neighbors/search.py``. ``smote`` and ``imblearn`` call
``mixed_neighbors`` and the functions of ``table``.
"""

from equipoise.neighbors.search import Neighbors, nearest_neighbors

__all__ = ["Neighbors", "nearest_neighbors"]
