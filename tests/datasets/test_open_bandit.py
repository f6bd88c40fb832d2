"""The embedded log has the documented contents, and can be built again from its source, byte for byte."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import FrozenInstanceError
from importlib import resources

import numpy as np
import pytest

from equipoise.datasets.build_open_bandit import main, pack
from equipoise.datasets.open_bandit import CAMPAIGNS, FILE, NUM_ITEMS, POLICIES, load_open_bandit

CLICKS = {
    ("random", "all"): 38,
    ("random", "men"): 46,
    ("random", "women"): 46,
    ("bts", "all"): 42,
    ("bts", "men"): 69,
    ("bts", "women"): 46,
}
DTYPES = {
    "is_bts": "bool",
    "campaign": "int8",
    "timestamp": "datetime64[s]",
    "item_id": "int64",
    "position": "int8",
    "click": "int8",
    "propensity": "float64",
    "user_features": "int8",
    "affinity_shown": "int8",
    "affinity_sum": "int8",
}
INTEGERS = ("item_id", "position", "click", "affinity_shown", "affinity_sum")


@pytest.fixture(scope="module")
def log():
    return load_open_bandit()


@pytest.fixture(scope="module")
def embedded():
    return resources.files("equipoise.datasets").joinpath(FILE).read_bytes()


@pytest.fixture(scope="module")
def open_bandit_dir(data_dir):
    folder = data_dir / "open_bandit_small"
    if not folder.is_dir():
        pytest.skip("EQUIPOISE_DATA holds no folder open_bandit_small")
    return folder


# ---- contents -------------------------------------------------------------------------------------------


def test_each_arm_has_its_rows_and_clicks(log):
    assert len(log) == 60_000
    assert log.click.sum() == 287
    for (policy, campaign), clicks in CLICKS.items():
        arm = log.where(policy=policy, campaign=campaign)
        assert (len(arm), arm.click.sum()) == (10_000, clicks)


@pytest.mark.parametrize("name", DTYPES)
def test_columns_are_new_arrays_of_the_documented_dtype(log, name):
    column = getattr(log, name)
    assert column.dtype == DTYPES[name]
    assert column.shape == ((60_000, 4) if name == "user_features" else (60_000,))
    assert column.flags.writeable
    assert not np.shares_memory(column, getattr(load_open_bandit(), name))


def test_values_are_in_their_ranges(log):
    num_items = np.array([NUM_ITEMS[name] for name in CAMPAIGNS])[log.campaign]
    assert np.all((log.item_id >= 0) & (log.item_id < num_items))
    assert set(log.position) == {1, 2, 3}
    assert set(log.click) == {0, 1}
    assert np.all((log.propensity > 0) & (log.propensity < 1))
    assert np.array_equal(log.propensity[~log.is_bts], 1 / num_items[~log.is_bts])
    assert [len(set(column)) for column in log.user_features.T] == [3, 5, 9, 10]
    assert np.all(log.affinity_shown <= log.affinity_sum)
    assert np.all(
        (log.timestamp >= np.datetime64("2019-11-24")) & (log.timestamp < np.datetime64("2019-12-01"))
    )
    for policy in POLICIES:
        for campaign in CAMPAIGNS:
            assert np.all(np.diff(log.where(policy=policy, campaign=campaign).timestamp) >= np.timedelta64(0))


def test_where_keeps_the_order_of_rows(log):
    women = log.where(campaign="women")
    assert np.array_equal(women.item_id, log.item_id[log.campaign == CAMPAIGNS.index("women")])
    assert len(log.where()) == len(log)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"policy": "egreedy"}, "policy must be one of random, bts, got 'egreedy'"),
        ({"campaign": "kids"}, "campaign must be one of all, men, women, got 'kids'"),
    ],
)
def test_where_refuses_unknown_names(log, argument, message):
    with pytest.raises(ValueError, match=message):
        log.where(**argument)


def test_the_log_is_frozen(log):
    with pytest.raises(FrozenInstanceError):
        log.click = None


def test_the_file_is_small_and_its_hash_is_in_the_notice(embedded):
    notice = resources.files("equipoise.datasets").joinpath("NOTICE").read_text(encoding="utf-8")
    assert len(embedded) < 500_000
    assert hashlib.sha256(embedded).hexdigest() in notice
    assert "Copyright 2020 Yuta Saito, Yusuke Narita, and ZOZO Technologies, Inc." in notice


def test_importing_equipoise_does_not_import_the_datasets():
    code = "import sys, equipoise; print([m for m in sys.modules if m.startswith('equipoise.d')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- the same as the source -----------------------------------------------------------------------------


def test_the_log_equals_the_csv_file_with_six_digits(log, open_bandit_dir):
    with gzip.open(open_bandit_dir / "embed" / "open_bandit_small.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert np.array_equal(log.is_bts, [row["is_bts"] == "1" for row in rows])
    assert np.array_equal(np.array(CAMPAIGNS)[log.campaign], [row["campaign"] for row in rows])
    assert np.array_equal(log.timestamp.astype(np.int64), [int(row["timestamp"]) for row in rows])
    for name in INTEGERS:
        assert np.array_equal(getattr(log, name), [int(row[name]) for row in rows]), name
    for j in range(4):
        assert np.array_equal(log.user_features[:, j], [int(row[f"user_feature_{j}"]) for row in rows])
    np.testing.assert_allclose(log.propensity, [float(row["propensity"]) for row in rows], rtol=5e-6)


def test_the_log_equals_the_parquet_file(log, open_bandit_dir):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads the parquet file")
    table = parquet.read_table(open_bandit_dir / "impressions.parquet")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    assert np.array_equal(log.is_bts, columns["policy"] == "bts")
    assert np.array_equal(np.array(CAMPAIGNS)[log.campaign], columns["campaign"])
    assert np.array_equal(log.timestamp, columns["timestamp"].astype("datetime64[s]"))
    for name in INTEGERS:
        assert np.array_equal(getattr(log, name), columns[name]), name
    for j in range(4):
        _, rank = np.unique(columns[f"user_feature_{j}"].astype(str), return_inverse=True)
        assert np.array_equal(log.user_features[:, j], rank)
    assert np.all(np.abs(log.propensity - columns["propensity"]) <= np.spacing(columns["propensity"]))


def test_the_original_wheel_gives_the_same_bytes(embedded, capsys):
    wheel = os.environ.get("EQUIPOISE_OBP_WHEEL")
    if not wheel:
        pytest.skip("EQUIPOISE_OBP_WHEEL is not set: it names obp-0.4.1-py3-none-any.whl")
    assert pack(wheel) == embedded
    assert main([wheel]) == 0
    assert capsys.readouterr().out == f"{FILE}: equal, {len(embedded)} bytes\n"


# ---- the builder, on a wheel made from the log itself ---------------------------------------------------


def arm_csv(arm, num_items):
    """Return an arm as the source writes it: an index, hashed labels, and an affinity for each item."""
    names = ["", "timestamp", "item_id", "position", "click", "propensity_score"]
    names += [f"user_feature_{j}" for j in range(4)] + [f"user-item_affinity_{i}" for i in range(num_items)]
    lines = [",".join(names)]
    for r in range(len(arm)):
        affinity = ["0.0"] * num_items
        item, shown = int(arm.item_id[r]), int(arm.affinity_shown[r])
        affinity[item] = f"{shown}.0"
        affinity[item - 1] = f"{int(arm.affinity_sum[r]) - shown}.0"
        time = f"{arm.timestamp[r]}.987654+00:00".replace("T", " ")
        numbers = [item, arm.position[r], arm.click[r], float(arm.propensity[r])]
        labels = [f"{label:032x}" for label in arm.user_features[r]]
        lines.append(",".join([str(r), time, *map(str, numbers), *labels, *affinity]))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def members(log):
    return {
        f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv": arm_csv(
            log.where(policy=policy, campaign=campaign), NUM_ITEMS[campaign]
        )
        for policy in POLICIES
        for campaign in CAMPAIGNS
    }


def write_wheel(path, members):
    """Write a wheel with these files and return its path."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return str(path)


def test_packing_the_log_again_gives_the_same_bytes(members, embedded, tmp_path, capsys):
    wheel = write_wheel(tmp_path / "obp.whl", members)
    assert main([wheel, "-o", str(tmp_path / FILE)]) == 0
    assert (tmp_path / FILE).read_bytes() == embedded
    assert capsys.readouterr().err == ""


def test_a_single_changed_value_is_reported(members, tmp_path, capsys):
    name, text = next(iter(members.items()))
    first, second, *rest = text.split("\n")
    fields = second.split(",")
    fields[4] = str(1 - int(fields[4]))
    changed = {**members, name: "\n".join([first, ",".join(fields), *rest])}
    assert main([write_wheel(tmp_path / "obp.whl", changed)]) == 1
    assert "NOT EQUAL" in capsys.readouterr().out


BAD = {
    "a missing row": (lambda text: text.rstrip("\n").rpartition("\n")[0], "must have 10000 rows, got 9999"),
    "a missing column": (
        lambda text: text.replace("propensity_score", "pscore", 1),
        "have a column 'propensity_score'",
    ),
    "an unknown propensity": (
        lambda text: text.replace(",0.0125,", ",0.01234567,", 1),
        "propensity_score must be",
    ),
    "a position out of range": (
        lambda text: text.replace(",3,0,0.0125,", ",4,0,0.0125,", 1),
        "position must be in",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_wheels_are_refused(members, tmp_path, capsys, case):
    change, message = BAD[case]
    name = "obp/dataset/obd/random/all/all.csv"
    wheel = write_wheel(tmp_path / "obp.whl", {**members, name: change(members[name])})
    assert main([wheel]) == 2
    assert message in capsys.readouterr().err


def test_other_files_are_refused(tmp_path, capsys):
    (tmp_path / "text.whl").write_text("not a zip file")
    empty = write_wheel(tmp_path / "empty.whl", {})
    assert main([str(tmp_path / "absent.whl")]) == 2
    assert main([str(tmp_path / "text.whl")]) == 2
    assert main([empty]) == 2
    assert "must hold obp/dataset/obd/random/all/all.csv" in capsys.readouterr().err
