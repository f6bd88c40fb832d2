"""Class labels of any kind and in any container: what is read, what is refused, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from equipoise import ClassReservoir
from equipoise.reservoirs import codes, labels

WORDS = ["b", "a", "é", "b", "", "a\U0001f600", "b", "é", "a", "b"]
NUMBERS = [2, 1, 7, 2, -3, 100, 2, 7, 1, 2]
FLAGS = [True, False, True, True, False, False, True, True, False, True]
NO_ARROW = "pyarrow is not installed (extra 'arrow')"
KINDS = {"strings": WORDS, "integers": NUMBERS, "booleans": FLAGS}


def filled(classes, **settings):
    reservoir = ClassReservoir(2, seed=3, **settings)
    reservoir.update(classes, np.arange(10) + 1.0, np.arange(10))
    return reservoir


def string_dtype(x):
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    return np.array(x, np.dtypes.StringDType())


def pandas(make):
    return lambda x: make(pytest.importorskip("pandas", reason="pandas is not installed"), x)


def polars(make):
    return lambda x: make(pytest.importorskip("polars", reason="polars is not installed"), x)


def arrow(make):
    return lambda x: make(pytest.importorskip("pyarrow", reason=NO_ARROW), x)


def in_two_dictionaries(pa, x):
    return pa.chunked_array([pa.array(x[:4]).dictionary_encode(), pa.array(x[4:]).dictionary_encode()])


def null_in_the_dictionary(pa, x):
    """A dictionary may hold a null, to which a row may point."""
    entries = [*dict.fromkeys(label for label in x if label is not None), None]
    return pa.DictionaryArray.from_arrays([entries.index(label) for label in x], pa.array(entries))


# name -> (function that puts a list of labels into the container, kinds of labels, whether it can hold None)
CONTAINERS = {
    "list": (list, KINDS, True),
    "tuple": (tuple, KINDS, True),
    "array": (np.array, KINDS, False),
    "array of objects": (lambda x: np.array(x, object), KINDS, True),
    "array with strides": (lambda x: np.repeat(x, 2)[::2], KINDS, False),
    "array of NumPy's strings": (string_dtype, ["strings"], False),
    "list of NumPy's scalars": (lambda x: list(np.array(x)), KINDS, False),
    "big-endian array": (lambda x: np.array(x, ">i8"), ["integers"], False),
    "series": (pandas(lambda pd, x: pd.Series(x)), KINDS, True),
    "series with an index": (pandas(lambda pd, x: pd.Series(x, index=range(30, 40))), KINDS, False),
    "index": (pandas(lambda pd, x: pd.Index(x)), KINDS, True),
    "series of objects": (pandas(lambda pd, x: pd.Series(x, dtype=object)), KINDS, True),
    "string series": (pandas(lambda pd, x: pd.Series(x, dtype="string")), ["strings"], True),
    "Int64 series": (pandas(lambda pd, x: pd.Series(x, dtype="Int64")), ["integers"], True),
    "boolean series": (pandas(lambda pd, x: pd.Series(x, dtype="boolean")), ["booleans"], True),
    "categorical series": (pandas(lambda pd, x: pd.Series(x, dtype="category")), KINDS, True),
    "categorical": (pandas(lambda pd, x: pd.Categorical(x)), KINDS, True),
    "categorical index": (pandas(lambda pd, x: pd.CategoricalIndex(x)), KINDS, True),
    "unused categories": (
        pandas(lambda pd, x: pd.Categorical(x, ["z", *dict.fromkeys(WORDS), *"xyw"])),
        ["strings"],
        True,
    ),
    "polars": (polars(lambda pl, x: pl.Series(x)), KINDS, True),
    "polars categorical": (polars(lambda pl, x: pl.Series(x, dtype=pl.Categorical)), ["strings"], True),
    "polars enum": (
        polars(lambda pl, x: pl.Series(x, dtype=pl.Enum([*dict.fromkeys(WORDS)]))),
        ["strings"],
        True,
    ),
    "polars int8": (polars(lambda pl, x: pl.Series(x, dtype=pl.Int8)), ["integers"], True),
    "Arrow": (arrow(lambda pa, x: pa.array(x)), KINDS, True),
    "Arrow chunks": (
        arrow(lambda pa, x: pa.chunked_array([x[:3], [], x[3:]], pa.array(x).type)),
        KINDS,
        True,
    ),
    "Arrow slice": (arrow(lambda pa, x: pa.array([*x[:2], *x]).slice(2)), KINDS, True),
    "Arrow dictionary": (arrow(lambda pa, x: pa.array(x).dictionary_encode()), ["strings", "integers"], True),
    "Arrow dictionaries": (arrow(in_two_dictionaries), ["strings", "integers"], True),
    "null in a dictionary": (arrow(null_in_the_dictionary), ["strings", "integers"], True),
    "Arrow large_string": (arrow(lambda pa, x: pa.array(x, pa.large_string())), ["strings"], True),
    "Arrow string_view": (arrow(lambda pa, x: pa.array(x, pa.string_view())), ["strings"], True),
    "Arrow int8": (arrow(lambda pa, x: pa.array(x, pa.int8())), ["integers"], True),
}
CROSSED = [(name, kind) for name, (_, kinds, _) in CONTAINERS.items() for kind in kinds]
MISSING = [(name, kind) for name, (_, kinds, none) in CONTAINERS.items() for kind in kinds if none]


@pytest.mark.parametrize(("name", "kind"), CROSSED)
def test_a_container_gives_the_sample_of_its_list(name, kind):
    put, x = CONTAINERS[name][0], KINDS[kind]
    reservoir, wanted = filled(put(x)), filled(x)
    assert reservoir.counts == wanted.counts == {label: x.count(label) for label in sorted(set(x))}
    assert {type(label) for label in reservoir.counts} == {type(x[0])}
    sample = reservoir.sample()
    assert sample.classes.dtype.kind == {"strings": "U", "integers": "i", "booleans": "b"}[kind]
    assert sample.classes.tolist() == [x[i] for i in sample.ids.tolist()]
    assert sample.classes.tolist() == sorted(sample.classes.tolist())
    assert reservoir.to_bytes() == wanted.to_bytes()


@pytest.mark.parametrize(("name", "kind"), MISSING)
def test_a_missing_label_is_refused_with_its_place(name, kind):
    put, x = CONTAINERS[name][0], list(KINDS[kind])
    reservoir = filled(x)
    before = reservoir.to_bytes()
    x[6] = None
    with pytest.raises(ValueError, match=r"^classes\[6\] must not be null$"):
        reservoir.update(put(x), np.arange(10) + 1.0, np.arange(10))
    assert reservoir.to_bytes() == before
    y, X = put(x), np.arange(20.0).reshape(10, 2)
    with pytest.raises(ValueError, match=r"^y\[6\] must not be null$"):
        equipoise.safe_level_weights(X, y, x[0], k_neighbors=2)


@pytest.mark.parametrize(("name", "kind"), CROSSED)
def test_parent_weights_read_labels_alike(name, kind):
    put, x = CONTAINERS[name][0], KINDS[kind]
    X = np.random.default_rng(0).random((10, 2))
    for cls in [label for label in set(x) if x.count(label) > 1]:
        mine = np.array(x, object) == cls
        wanted = equipoise.safe_level_weights(X, mine.astype(int), 1, k_neighbors=9)
        assert equipoise.safe_level_weights(X, put(x), cls, k_neighbors=9).tolist() == wanted.tolist()
    other = 1 if kind == "strings" else "1"
    with pytest.raises(TypeError, match=f"^cls must be one of the {kind} in y, got (int 1|str '1')$"):
        equipoise.safe_level_weights(X, put(x), other, k_neighbors=2)


BAD = [
    ([1, "a"], TypeError, r"classes\[1\] must be an integer, like classes\[0\], got a string"),
    (["a", "b", True], TypeError, r"classes\[2\] must be a string, like classes\[0\], got a boolean"),
    ([True, 1], TypeError, r"classes\[1\] must be a boolean, like classes\[0\], got an integer"),
    (np.array([1, True], object), TypeError, r"classes\[1\] must be an integer, like .*, got a boolean"),
    ([1, 2.0], TypeError, "classes must be integers, booleans or strings, got float and int"),
    (["a", 2.0], TypeError, "classes must be integers, booleans or strings, got float and str"),
    ([b"a"], TypeError, "classes must be integers, booleans or strings, got"),
    (np.array([1.0]), TypeError, "classes must be integers, booleans or strings, got float64 array"),
    (np.array(["2020"], "M8[D]"), TypeError, "classes must be integers, .*, got datetime64"),
    ([1, float("nan")], ValueError, r"classes\[1\] must not be null"),
    (np.array([1.0, np.nan]), ValueError, r"classes\[1\] must not be null"),
    (np.array(["NaT"], "M8[D]"), ValueError, r"classes\[0\] must not be null"),
    ([2**63], IndexError, r"classes\[0\] must be in"),
    ([["a"], ["b"]], ValueError, "classes must be 1-D, not 2-D"),
    (np.array([["a"]]), ValueError, "classes must be 1-D, not 2-D"),
    ("a", ValueError, "classes must be 1-D, not 0-D"),
    (7, ValueError, "classes must be 1-D, not 0-D"),
    (None, ValueError, "classes must be 1-D, not 0-D"),
]


@pytest.mark.parametrize(("classes", "error", "text"), BAD)
def test_bad_labels_are_refused(classes, error, text):
    with pytest.raises(error, match=f"^{text}"):
        ClassReservoir(1).update(classes)


def test_bad_columns_are_refused():
    pa = pytest.importorskip("pyarrow", reason=NO_ARROW)
    for column, error, text in [
        (pa.array([1.5]), TypeError, "classes must be integers, booleans or strings, got float64 array"),
        (pa.array([[1]]), TypeError, "classes must be integers, booleans or strings, got Arrow list"),
        (pa.array([None, None]), ValueError, r"classes\[0\] must not be null"),
        (pa.chunked_array([["a"], ["b", None]]), ValueError, r"classes\[2\] must not be null"),
        (pa.table({"a": [1]}), ValueError, "classes must be 1-D, not 2-D"),
        (
            pa.table({"a": ["b"]}),
            TypeError,
            "classes must be integers, booleans or strings, got Arrow string",
        ),
    ]:
        with pytest.raises(error, match=text):
            ClassReservoir(1).update(column)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_reservoir_has_one_kind_of_labels(kind, other):
    reservoir, before = filled(KINDS[kind]), filled(KINDS[kind]).to_bytes()
    more = ClassReservoir(2, seed=3)
    more.update(KINDS[other][:3], [1.0, 2.0, 3.0], [20, 21, 22])
    if kind == other:
        reservoir.merge(more)
        assert reservoir.n_seen == 13
        return
    with pytest.raises(TypeError, match=f"^classes must be {kind}, like those before, got {other}$"):
        reservoir.update(KINDS[other], np.ones(10), np.arange(10))
    with pytest.raises(TypeError, match=f"^classes of other must be {kind}, like those before, got {other}$"):
        reservoir.merge(more)
    assert reservoir.to_bytes() == before
    for empty in ([], np.array([], np.int64), np.array([], str), np.array([], object)):
        reservoir.update(empty, [], [])
    assert reservoir.to_bytes() == before


def test_known_classes_are_integers_or_booleans():
    flags, numbers = ClassReservoir(2, num_classes=2), ClassReservoir(2, num_classes=2)
    flags.update(FLAGS)
    numbers.update(np.array(FLAGS).astype(int))
    assert flags.counts == {False: 4, True: 6}
    assert flags.sample().classes.tolist() == [False, False, True, True]
    assert flags.sample().ids.tolist() == numbers.sample().ids.tolist()
    assert ClassReservoir.from_bytes(flags.to_bytes()).sample().classes.dtype == bool
    for some in (ClassReservoir(2, num_classes=2), ClassReservoir([2, 2])):
        text = "classes must be integers or booleans, as the classes are numbered, got strings"
        with pytest.raises(TypeError, match=text):
            some.update(["a", "b"])


# ---- codes ------------------------------------------------------------------------------------------------


def test_codes_of_strings_never_change():
    """The digests are those of ``b2sum --length 64``, read from the lowest byte up."""
    digests = {"": "e4a6a0577479b2b4", "a": "40f89e395b66422f", "é": "cb1abf8beff3192f"}
    known = {text: int.from_bytes(bytes.fromhex(x), "little", signed=True) for text, x in digests.items()}
    known["\ud800"] = 7497787021708494914
    assert {text: codes.text_code(text) for text in known} == known


def test_integers_with_the_codes_of_strings_give_their_sample():
    strings = filled(WORDS)
    numbers = filled([codes.text_code(word) for word in WORDS])
    for word in set(WORDS):
        mine = strings.sample().classes == word
        theirs = numbers.sample().classes == codes.text_code(word)
        assert strings.sample().ids[mine].tolist() == numbers.sample().ids[theirs].tolist()


def test_two_strings_of_one_code_are_refused(monkeypatch):
    monkeypatch.setattr(codes, "text_code", len)
    reservoir = ClassReservoir(1)
    reservoir.update(["one", "three"])
    before = reservoir.to_bytes()
    with pytest.raises(ValueError, match="classes must have different digests, got 'one' and 'two'"):
        reservoir.update(["four", "two"])
    other = ClassReservoir(1, stream=1)
    other.update(["six"])
    with pytest.raises(ValueError, match="classes must have different digests, got 'one' and 'six'"):
        reservoir.merge(other)
    assert reservoir.to_bytes() == before


def test_strings_that_end_in_a_null_character_stay_apart():
    reservoir = ClassReservoir(5)
    reservoir.update(["a\0", "a", "a\0"])
    assert reservoir.counts == {"a": 1, "a\0": 2}
    assert reservoir.sample().classes.tolist() == ["a", "a\0", "a\0"]
    assert ClassReservoir.from_bytes(reservoir.to_bytes()).counts == reservoir.counts


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_labels_does_not_matter(kind):
    """Neither to the sample and its order, nor to the bytes. Merging parts is a third way to read them."""
    x, wanted = KINDS[kind], filled(KINDS[kind])
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(10)
        parts = [ClassReservoir(2, seed=3) for _ in range(3)]
        one = ClassReservoir(2, seed=3)
        for part, rows in zip(parts, np.array_split(order, 3), strict=True):
            for reservoir in (part, one):
                reservoir.update([x[i] for i in rows], rows + 1.0, rows)
        parts[seed % 3].merge(parts[(seed + 1) % 3])
        parts[seed % 3].merge(parts[(seed + 2) % 3])
        for reservoir in (one, parts[seed % 3]):
            assert reservoir.to_bytes() == wanted.to_bytes()
            for policy in ("equal", "sqrt", "proportional"):
                sample = reservoir.sample(total=7, policy=policy)
                assert sample.ids.tolist() == wanted.sample(total=7, policy=policy).ids.tolist()


def test_a_failed_call_leaves_no_label():
    reservoir = filled(WORDS)
    before = reservoir.to_bytes()
    for classes in (["new", "newer"], np.array(["new"] * 2)):
        with pytest.raises(ValueError, match=r"weights\[1\] must"):
            reservoir.update(classes, [1.0, -1.0], [1, 2])
    assert reservoir.to_bytes() == before
    assert "new" not in reservoir.counts
    assert reservoir.sample().ids.tolist() == filled(WORDS).sample().ids.tolist()
    empty = ClassReservoir(1)
    with pytest.raises(ValueError, match=r"weights\[0\] must"):
        empty.update(["a"], [-1.0])
    empty.update([5])
    assert empty.counts == {5: 1}


# ---- the table of labels ----------------------------------------------------------------------------------

MASK64 = 2**64 - 1


def mixed(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK64
    return z ^ (z >> 31)


def unmixed(z):
    """Return the word of which `z` is the mix."""
    z ^= (z >> 31) ^ (z >> 62)
    z = z * pow(0x94D049BB133111EB, -1, 2**64) & MASK64
    z ^= (z >> 27) ^ (z >> 54)
    z = z * pow(0xBF58476D1CE4E5B9, -1, 2**64) & MASK64
    return z ^ (z >> 30) ^ (z >> 60)


def colliding(count, slots):
    """Return labels that have the same slot and the same step in a table without a private word."""
    words = [unmixed((5 << 32) + i * slots + 3) for i in range(2 * count)]
    return [word - (word >> 63 << 64) for word in words if word >= slots][:count]


def placed(known, word, size):
    """Return {slot: label} as the kernel should place labels, and the number of steps that it takes."""
    table, steps = {}, 0
    for label in known:
        hashed = mixed((label & MASK64) ^ word)
        at = label if 0 <= label < size else hashed % size
        while at in table:
            at = (at + (hashed >> 32 | 1)) % size
            steps += 1
        table[at] = label
    return table, steps


def test_labels_cannot_be_chosen_to_collide():
    """In a table of 4,096 slots they would take 499,500 steps; with a random word they take some 150.

    This fails for less than one word in 10^9.
    """
    numbers = labels.ClassNumbers(np.arange(0))
    numbers.learn(np.arange(10**6, 10**6 + 1000))
    size = numbers.slots.labels.size
    chosen = colliding(1000, size)
    assert placed(chosen, 0, size)[1] == 1000 * 999 // 2
    assert placed(chosen, int(numbers.slots.word), size)[1] < 2000
    table = labels.ClassNumbers(np.array(chosen))
    slots = table.slots
    assert table.labels().tolist() == chosen
    wanted, _ = placed(chosen, int(slots.word), slots.labels.size)
    assert {int(at): int(slots.labels[at]) for at in np.flatnonzero(slots.numbers >= 0)} == wanted


def test_each_table_has_its_own_word_and_the_same_answers():
    chosen = colliding(300, 1 << 11)
    words, answers = set(), set()
    for _ in range(20):
        reservoir = filled(KINDS["integers"])
        reservoir.update(chosen, np.arange(300) + 1.0, np.arange(300))
        words.add(int(labels.ClassNumbers(np.array(chosen)).slots.word))
        answers.add(reservoir.to_bytes())
    assert len(words) == 20
    assert len(answers) == 1


# ---- calls of few rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [None, 5000])
def test_a_call_of_few_rows_gives_the_same_answers(known):
    """It has a table of its own labels. One call of all rows uses the table of the reservoir."""
    rng = np.random.default_rng(0)
    classes, weights = rng.integers(0, 5000, 20_000), rng.random(20_000)
    ids = rng.permutation(20_000)
    one, many = (ClassReservoir(2, num_classes=known, seed=1) for _ in range(2))
    one.update(classes, weights, ids)
    for rows in np.split(np.arange(20_000), [9000, 9001, 9010, 9500, 9900, 19_000, 19_300]):
        many.update(classes[rows], weights[rows], ids[rows], n_threads=2)
    assert many.counts == one.counts
    for policy in ("equal", "sqrt", "proportional"):
        mine, wanted = (r.sample(total=6000, policy=policy) for r in (many, one))
        assert mine.ids.tolist() == wanted.ids.tolist()
        assert mine.inclusion.tolist() == wanted.inclusion.tolist()
        assert mine.classes.tolist() == wanted.classes.tolist()


@pytest.mark.parametrize("known", [None, 300_000])
def test_a_call_of_few_rows_needs_little_memory(known):
    """It allocates nothing that grows with the number of classes, except now and then."""
    import tracemalloc

    reservoir = ClassReservoir(1, num_classes=known)
    reservoir.update(np.arange(300_000))
    rng = np.random.default_rng(0)
    for n in (1000, 1000):  # the first call after a large one makes room
        reservoir.update(rng.integers(0, 300_000, n))
    sizes = []
    for call in range(20):
        chunk = rng.integers(0, 300_000 + (0 if known else 100 * call), 100)
        tracemalloc.start()
        reservoir.update(chunk)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sorted(sizes)[15] < 100_000  # one array with 8 bytes for each class has 2.4 MB
