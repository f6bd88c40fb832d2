"""Both backends find the same neighbors and refuse the same arguments."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.neighbors.blocks import Blocks, Points
from support.backends import MISSING, both, check
from support.points import digest

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


def test_neighbors_of_all_named_points_agree():
    check(digest)


def search_arguments():
    """Return the arguments of a search among 200 rows of 3 columns and 2 codes, by name."""
    n, d, c, k = 200, 3, 2, 4
    points = Points(np.ones((n, d)), np.zeros((n, c), np.int32), 1.0, 1.0, 0.0)
    blocks = Blocks(
        np.arange(n), *(np.zeros(size, np.float32) for size in (2 * 128 * d, 2 * 128)),
        *np.zeros((3, 2 * d)), np.zeros(2), np.zeros(2, np.int64),
    )  # fmt: skip
    return {
        "points": points,
        "blocks": blocks,
        "queries": points,
        "query_order": np.arange(n),
        "begin": 0,
        "end": 128,
        "self_join": True,
        "indices": np.zeros((n, k), np.int64),
        "distances": np.zeros((n, k)),
    }


def refuse(kernel, *args):
    """Require that both backends refuse a call with the same text."""
    texts = set()
    for kernels in both():
        with pytest.raises(ValueError) as caught:
            getattr(kernels, kernel)(*args)
        texts.add(str(caught.value))
    assert len(texts) == 1, (kernel, texts)


def test_kernels_refuse_bad_searches_alike():
    """Users never see these errors. They protect memory."""
    good = search_arguments()
    points, blocks = good["points"], good["blocks"]
    bad = [{"points": points._replace(codes=points.codes[:-1])}]
    bad += [{"queries": points._replace(x=points.x[:, :2].copy())}]
    bad += [{"queries": points._replace(codes=points.codes[:, :1].copy())}]
    bad += [{"blocks": blocks._replace(**{name: getattr(blocks, name)[:-1]})} for name in blocks._fields]
    bad += [{"query_order": good["query_order"][:-1]}, {"begin": -1}, {"begin": 129}, {"end": 129}]
    bad += [{"begin": 100, "end": 201}, {"distances": good["distances"][:, :3].copy()}]
    bad += [{name: good[name][:-1] for name in ("indices", "distances")}]
    for k in (0, 200):
        bad.append({"indices": np.zeros((200, k), np.int64), "distances": np.zeros((200, k))})
    for change in bad:
        refuse("knn_search", *{**good, **change}.values())
    for kernels in both():
        kernels.knn_search(*{**good, "end": 0}.values())


def test_kernels_refuse_bad_blocks_alike():
    x, blocks = np.ones((200, 3)), search_arguments()["blocks"]
    for begin, end in ((-1, 1), (1, 0), (0, 3)):
        refuse("knn_pack", x, 1.0, begin, end, blocks)
        refuse("knn_split", x, begin * 100, end * 100, 128, blocks.order)
    refuse("knn_pack", x[:-1], 1.0, 0, 1, blocks)
    refuse("knn_split", x, 0, 100, 128, blocks.order[:-1])
    for name in blocks._fields:
        refuse("knn_pack", x, 1.0, 0, 1, blocks._replace(**{name: getattr(blocks, name)[:-1]}))


def test_kernels_refuse_wrong_types_alike():
    """Nothing is converted, because the answer would then be written into a copy."""
    good, x = search_arguments(), np.ones((200, 3))
    blocks = good["blocks"]
    for change in (
        {"points": good["points"]._replace(x=x.astype(np.float32))},
        {"points": good["points"]._replace(x=np.asfortranarray(x))},
        {"blocks": blocks._replace(radii=blocks.radii.astype(np.float32))},
        {"query_order": np.arange(200, dtype=np.int32)},
        {"distances": np.zeros((200, 4), np.float32)},
    ):
        for kernels in both():
            with pytest.raises((TypeError, ValueError)):
                kernels.knn_search(*{**good, **change}.values())
