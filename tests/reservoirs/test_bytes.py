"""Damaged and forged bytes are refused, or give a reservoir that works."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import ClassReservoir, Reservoir
from support.reservoirs import small_reservoirs

NAN, INF = float("nan"), float("inf")
SOME = [reservoir for _, reservoir, _ in small_reservoirs(seed=7)]
SOME.append(ClassReservoir(5, seed=7))
SOME[-1].update(["b", "a", "c", "b"])
BYTES = [reservoir.to_bytes() for reservoir in SOME]
which = st.integers(0, len(SOME) - 1)
SIGNED = 16


def read_or_refuse(cls, data):
    """Return the reservoir, which must work, or None if the bytes are refused."""
    try:
        reservoir = cls.from_bytes(data)
    except ValueError as error:
        said = str(error)
    else:
        return works(reservoir)
    assert said.startswith("data must be ")
    return None


def works(reservoir):
    with np.errstate(all="ignore"):
        sample = reservoir.sample()
        assert sample.ids.size == sample.weights.size == sample.inclusion.size
        if isinstance(reservoir, ClassReservoir):
            assert reservoir.sample(total=3, policy="sqrt").ids.size <= 3
            assert all(count > 0 for count in reservoir.counts.values())
        again = type(reservoir).from_bytes(reservoir.to_bytes())
        assert again.to_bytes() == reservoir.to_bytes()
        columns = {}
        if isinstance(reservoir, ClassReservoir):
            columns["classes"] = (list(reservoir.counts) or [0])[:1] * 100
        said = "ids"
        try:
            reservoir.update(weights=np.ones(100), **columns)
        except ValueError as error:
            said = str(error)
        assert any(word in said for word in ("ids", "times", "sum", "stream"))
        repr(reservoir)
    return reservoir


@given(which, st.data())
@settings(max_examples=300)
def test_truncated_bytes_are_refused(i, data):
    whole = BYTES[i]
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="data must be"):
        type(SOME[i]).from_bytes(whole[:size])
    with pytest.raises(ValueError, match="data must be"):
        type(SOME[i]).from_bytes(whole + whole[size:])


@pytest.mark.parametrize("i", range(len(SOME)))
def test_a_changed_byte_is_refused(i):
    whole = BYTES[i]
    for at in range(len(whole)):
        for mask in (1, 0x80, 0xFF):
            data = bytearray(whole)
            data[at] ^= mask
            with pytest.raises(ValueError, match="data must be"):
                type(SOME[i]).from_bytes(data)


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_foreign_bytes_are_refused(noise, with_magic):
    data = BYTES[0][:16] * with_magic + noise
    for cls in (Reservoir, ClassReservoir):
        with pytest.raises(ValueError, match="data must be"):
            cls.from_bytes(data)


def signed(body):
    return bytes(body) + hashlib.blake2b(bytes(body), digest_size=SIGNED).digest()


def parts(data):
    length = struct.unpack_from("<I", data, 20)[0]
    return json.loads(data[24 : 24 + length]), data[24 + length : -SIGNED]


def built(header, columns):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return signed(BYTES[0][:20] + struct.pack("<I", len(text)) + text + columns)


def test_forging_reproduces_the_bytes_when_nothing_is_changed():
    for reservoir, data in zip(SOME, BYTES, strict=True):
        assert type(reservoir).from_bytes(built(*parts(data))).to_bytes() == data


@given(which, st.data())
@settings(max_examples=600)
def test_random_changes_with_a_valid_checksum_are_refused_or_work(i, data):
    """Change bytes of the header, the lengths and the columns, and cut off the end."""
    body = bytearray(BYTES[i][:-SIGNED])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(16, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.one_of(st.just(len(body)), st.integers(24, len(body))))]
    read_or_refuse(type(SOME[i]), signed(body))


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.integers(-3, 8),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["f8", "i8", "u8", "ids", "positions", "nan", "inf", "0x1p+2"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["k", "ids", "settings"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


@given(which, st.data())
@settings(max_examples=800)
def test_random_headers_with_a_valid_checksum_are_refused_or_work(i, data):
    """Change or remove values of the header."""
    header, columns = parts(BYTES[i])
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(paths(header))))
        if not path:
            header = data.draw(json_values)
            break
        inner = header
        for key in path[:-1]:
            inner = inner[key]
        if data.draw(st.booleans()) and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            value = data.draw(json_values)
            if path[-2:] == ("settings", "k") and isinstance(value, int) and value > 1000:
                value = 1000  # with replacement, memory for that many is allocated
            inner[path[-1]] = value
    read_or_refuse(type(SOME[i]), built(header, columns))


def changed(i, path, value):
    header, columns = parts(BYTES[i])
    inner = header
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return built(header, columns)


def with_column(i, name, values):
    """Return bytes in which the first values of a column are replaced."""
    header, columns = parts(BYTES[i])
    at = 0
    for other, (dtype, size) in header["columns"].items():
        if other == name:
            new = np.asarray(values, {"f8": "<f8", "i8": "<i8", "u8": "<u8"}[dtype]).tobytes()
            assert 0 < len(new) <= 8 * size
            return built(header, columns[:at] + new + columns[at + len(new) :])
        at += 8 * size
    raise AssertionError(name)


POSITIONS, IDS, REPLACEMENT, DECAY, CLASSES, KNOWN, WORDS = range(7)
FORGED = [
    built(b"", b""),
    built(b"[]", b""),
    built(b"7", b""),
    built(b"null", b""),
    built(b'"Reservoir"', b""),
    built(b"{", b""),
    built(b"\xff\xfe", b""),
    built(b"[" * 100_000, b""),
    built(b'{"what":' * 100_000, b""),
    built({"what": "Reservoir"}, b""),
    built({"what": ["Reservoir"]}, b""),
    built({"what": "Reservoir", "columns": []}, b""),
    built({"what": "Reservoir", "columns": {"ids": ["i8", -1]}}, bytes(8)),
    built({"what": "Reservoir", "columns": {"ids": ["i8", 2**62]}}, bytes(8)),
    signed(BYTES[0][:20] + struct.pack("<I", 2**32 - 1) + BYTES[0][24:-SIGNED]),
    *(changed(POSITIONS, ("settings", "k"), k) for k in (0, -1, 2**41, 2**70, 1.5, True, None, [5], "5")),
    *(
        changed(i, ("settings", "k"), k)
        for i in (CLASSES, WORDS)
        for k in (0, [1, 2], [True, 2, 1], [], [[5]], {})
    ),
    *(changed(KNOWN, ("settings", "num_classes"), n) for n in (0, 8, 10, 2**31, 2**62, -1, "9")),
    *(
        changed(DECAY, ("settings", "half_life"), h)
        for h in (None, "0x0p+0", "-0x1p+1", "nan", "inf", "x", 3.0)
    ),
    *(changed(POSITIONS, ("settings", "replacement"), r) for r in (1, None, "yes")),
    *(changed(POSITIONS, ("settings", "seed"), s) for s in (-1, 2**64, 0.5, None)),
    *(changed(POSITIONS, ("stream",), s) for s in (-1, 2**64, "0")),
    *(changed(POSITIONS, ("keyed",), v) for v in (None, "ids", "id", 0, [], {})),
    *(changed(IDS, ("keyed",), v) for v in (None, "positions ", 1)),
    *(changed(POSITIONS, ("position",), p) for p in (-1, 0, 69, 71, 2**63, 2**70, None, 7.0)),
    *(changed(IDS, ("position",), p) for p in (1, 64)),
    *(
        changed(POSITIONS, ("merged",), m)
        for m in (None, 3, [3], [[1]], [[1, 2, 3]], [[-1, 2]], [[2**64, 1]], "ab")
    ),
    *(changed(POSITIONS, ("n_seen",), n) for n in (-1, None, 1.0, "70")),
    *(
        changed(POSITIONS, ("total",), t)
        for t in ([], ["0x1p+0"], ["nan", "0x0p+0"], ["inf", "0x0p+0"], [1.0, 2.0])
    ),
    *(changed(POSITIONS, ("total",), t) for t in (["-0x1p+3", "0x0p+0"], ["0x1p+99999", "0x0p+0"], None)),
    *(changed(DECAY, ("latest",), t) for t in ("nan", "inf", "-inf", None, 3)),
    *(
        changed(POSITIONS, ("columns", "ranks"), c)
        for c in (["i8", 6], ["f8", 5], ["f4", 6], ["f8"], None, "f8")
    ),
    *(with_column(IDS, "ranks", [r]) for r in (NAN, INF, 0.0, -0.0, -0.5, 1e-300)),
    *(with_column(DECAY, "ranks", [r]) for r in (NAN, INF)),
    *(with_column(IDS, "weights", [w]) for w in (NAN, -1.0, INF, 0.0)),
    *(with_column(DECAY, "times", [t]) for t in (NAN, INF, -INF)),
    *(with_column(POSITIONS, "tail", [w]) for w in (NAN, -1.0, INF)),
    *(with_column(IDS, "thresholds", [t]) for t in (NAN, 0.0, -1.0)),
    *(with_column(CLASSES, "classes", [c]) for c in (-1, 3, 2**62, -(2**63))),
    *(with_column(CLASSES, "labels", [c]) for c in (2, 3)),
    *(with_column(KNOWN, "labels", [c]) for c in (1, 7)),
    *(with_column(CLASSES, "counts", [c]) for c in (0, -1, -(2**63))),
    *(changed(CLASSES, ("kind",), k) for k in (None, "strings", "booleans", "floats", 1, [])),
    *(changed(CLASSES, ("texts",), t) for t in ([], ["a", "b", "c"], "abc", 1)),
    *(changed(KNOWN, ("texts",), t) for t in ([], ["a"])),
    *(changed(WORDS, ("kind",), k) for k in (None, "integers", "booleans", "texts", 1)),
    *(changed(WORDS, ("texts",), t) for t in (None, [], ["a", "b"], ["b", "a", "c"], ["a", "a", "c"])),
    *(changed(WORDS, ("texts",), t) for t in (["a", "b", "d"], ["a", "b", 3], "abc", 7, {"a": 1})),
    with_column(WORDS, "labels", [5]),
]


@pytest.mark.parametrize("i", range(len(FORGED)))
def test_forged_bytes_are_refused(i):
    for cls in (Reservoir, ClassReservoir):
        with pytest.raises(ValueError, match="data must be"):
            cls.from_bytes(FORGED[i])


def test_plausible_forgeries_are_refused_or_work():
    """Try rows in another order, equal ranks, the largest ones and thresholds that cannot be reached."""
    for data in (
        with_column(IDS, "ranks", [5.0, 4.0, 3.0, 2.0, 1.0]),
        with_column(IDS, "ranks", [2.0] * 6),
        with_column(IDS, "ranks", [-INF, -1e50, -1.0, 1.0, 1e300, 1.7e308]),
        with_column(IDS, "ids", [3] * 6),
        with_column(IDS, "thresholds", [0.0]),
        with_column(IDS, "thresholds", [-1.0]),
        with_column(DECAY, "ranks", [-INF, 1e308]),
        changed(IDS, ("n_seen",), 0),
        changed(POSITIONS, ("merged",), [[5, 100]]),
    ):
        try:
            reservoir = Reservoir.from_bytes(data)
        except ValueError:
            continue
        assert works(reservoir)
    assert works(ClassReservoir.from_bytes(with_column(CLASSES, "counts", [2**62])))
