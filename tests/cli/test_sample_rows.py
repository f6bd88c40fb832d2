"""``equipoise sample`` chooses the rows that reservoirs in memory choose, with every option."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pytest

import equipoise
from equipoise._cli.main import main
from support.sample_files import CASES, cut, log, pa, pq, reference, sample, write

pa_csv = pytest.importorskip("pyarrow.csv", reason="pyarrow writes the files (extra 'arrow')")


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_rows_match_a_reservoir_in_memory(tmp_path, capsys, name, parts):
    table, case = log(5000), CASES[name]
    pieces = cut(table, parts)
    rows, inclusion = reference(pieces, 50, seed=9, **case)
    files = write(tmp_path, pieces, row_group_size=333)
    got = sample(files, tmp_path / "out.parquet", 50, seed=9, **case)
    assert got.drop_columns("inclusion").equals(table.take(pa.array(rows)))
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)
    assert got.schema.names == [*table.schema.names, "inclusion"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("by", [None, "label"])
def test_file_order_does_not_matter_with_ids(tmp_path, by):
    pieces = cut(log(4000), 4)
    files = write(tmp_path, pieces)
    one = sample(files, tmp_path / "one.parquet", 30, weight="weight", ids="id", by=by)
    other = sample(files[::-1], tmp_path / "other.parquet", 30, weight="weight", ids="id", by=by)
    assert one.sort_by("id").equals(other.sort_by("id"))


def test_repeated_ids_are_kept_once(tmp_path):
    """A repeated row is kept once, at its first place. With another weight it is a different row."""
    table = log(500)
    again = table.take(pa.array(np.arange(0, 500, 5)))
    again = again.set_column(again.schema.get_field_index("text"), "text", pa.array(["again"] * 100))
    heavy = again.set_column(1, "weight", pa.array(np.full(100, 1e3)))
    files = write(tmp_path, [table, again], row_group_size=77)
    once = sample(files[:1], tmp_path / "once.parquet", 60, weight="weight", ids="id")
    twice = sample(files, tmp_path / "twice.parquet", 60, weight="weight", ids="id")
    assert twice.equals(once)
    assert "again" not in twice["text"].to_pylist()
    files = write(tmp_path, [table, heavy], row_group_size=77)
    got = sample(files, tmp_path / "heavy.parquet", 60, weight="weight", ids="id")
    whole = pa.concat_tables([table, heavy])
    reservoir = equipoise.Reservoir(60)
    reservoir.update(whole["weight"].to_numpy(), whole["id"].to_numpy())
    wanted = sorted(zip(reservoir.sample().ids.tolist(), reservoir.sample().weights.tolist(), strict=True))
    assert sorted(zip(got["id"].to_pylist(), got["weight"].to_pylist(), strict=True)) == wanted
    assert {row["text"] for row in got.to_pylist() if row["weight"] == 1e3} == {"again"}


@pytest.mark.parametrize("by", [None, "label"])
@pytest.mark.parametrize("ids", [None, "id"])
def test_one_pass_is_enough_when_every_column_decides(tmp_path, monkeypatch, by, ids):
    monkeypatch.setattr("equipoise._cli.sample.held._HELD_ROWS", 500)
    monkeypatch.setattr("equipoise._cli.files.rows._BATCH_ROWS", 100)
    monkeypatch.setattr("equipoise._cli.files.rows.ParquetRows.take", None)  # must not be called
    columns = [name for name in ("weight", by, ids) if name]
    pieces = cut(log(9000).select(columns), 3)
    rows, inclusion = reference(pieces, 20, weight="weight", by=by, ids=ids)
    got = sample(write(tmp_path, pieces), tmp_path / "out.parquet", 20, weight="weight", by=by, ids=ids)
    assert got.drop_columns("inclusion").equals(pa.concat_tables(pieces).take(pa.array(rows)))
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)


@pytest.mark.parametrize("seed", range(5))
def test_one_pass_over_a_single_column_of_weights(tmp_path, monkeypatch, seed):
    """A row of an incomplete block may enter the sample after its batch was examined."""
    monkeypatch.setattr("equipoise._cli.sample.held._HELD_ROWS", 1000)
    monkeypatch.setattr("equipoise._cli.files.rows._BATCH_ROWS", 999)
    weights = np.random.default_rng(seed).integers(0, 100, 10_000)
    log, out = tmp_path / "log.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"w": weights}), log)
    assert main(["sample", str(log), "-k", "500", "--weight", "w", "--seed", str(seed), "-o", str(out)]) == 0
    reservoir = equipoise.Reservoir(500, seed=seed)
    reservoir.update(weights)
    sample = reservoir.sample()
    order = np.argsort(sample.ids)
    got = pq.read_table(out)
    assert got["w"].to_pylist() == weights[sample.ids[order]].tolist()
    assert got["inclusion"].to_pylist() == sample.inclusion[order].tolist()


def test_rows_of_weight_zero_are_never_kept(tmp_path):
    table = pa.table({"w": np.zeros(100), "x": np.arange(100)})
    assert sample(write(tmp_path, [table]), tmp_path / "out.parquet", 5, weight="w").num_rows == 0


def test_files_may_have_their_columns_in_another_order(tmp_path):
    pieces = cut(log(600), 2)
    rows, _ = reference(pieces, 20, weight="weight")
    files = write(tmp_path, [pieces[0], pieces[1].select(pieces[1].schema.names[::-1])])
    got = sample(files, tmp_path / "out.parquet", 20, weight="weight").drop_columns("inclusion")
    assert got.equals(log(600).take(pa.array(rows)))


def test_thread_count_does_not_change_the_sample(tmp_path, monkeypatch):
    files = write(tmp_path, [log(20_000)])
    one = sample(files, tmp_path / "out.parquet", 50, weight="weight")
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    assert sample(files, tmp_path / "out.parquet", 50, weight="weight").equals(one)


@pytest.mark.parametrize("zone", ["", "Z"])
def test_timestamps_dates_and_iso_8601_match_seconds(tmp_path, zone):
    n, start = 400, datetime.datetime(2024, 5, 1)
    days = [start + datetime.timedelta(days=i % 50) for i in range(n)]
    seconds = np.array([(d - datetime.datetime(1970, 1, 1)).total_seconds() for d in days])
    x = np.arange(n)
    kinds = {
        "s": seconds,
        "us": pa.array(days, pa.timestamp("us", "UTC")),
        "day": pa.array(days, pa.date32()),
    }
    got = []
    for name, times in kinds.items():
        files = write(tmp_path, [pa.table({"x": x, "t": times})], name)
        got.append(sample(files, tmp_path / "out.parquet", 30, half_life=86400.0, time="t")["x"])
    texts = [d.isoformat() + zone for d in days]
    pa_csv.write_csv(pa.table({"x": x, "t": texts}), tmp_path / "t.csv")
    got.append(sample([tmp_path / "t.csv"], tmp_path / "out.parquet", 30, half_life=86400.0, time="t")["x"])
    assert all(one.equals(got[0]) for one in got)
    assert np.mean(got[0].to_numpy() % 50) > 45


def test_decimal_weights_match_floats(tmp_path):
    money = pa.array([Decimal(i) / 4 for i in range(300)], pa.decimal128(9, 2))
    table = pa.table({"m": money, "f": np.arange(300) / 4})
    files = write(tmp_path, [table])
    one = sample(files, tmp_path / "one.parquet", 20, weight="m")
    assert one.equals(sample(files, tmp_path / "two.parquet", 20, weight="f"))


def test_inclusion_probabilities_estimate_the_total_weight(tmp_path, any_seed):
    """The mean of sum(w / p) over many seeds is the total weight."""
    table = log(2000, 5)
    files, weight = write(tmp_path, cut(table, 2)), table["weight"].to_numpy()
    estimates = []
    for seed in range(40):
        got = sample(files, tmp_path / "out.parquet", 200, weight="weight", seed=1000 * any_seed + seed)
        estimates.append((got["weight"].to_numpy() / got["inclusion"].to_numpy()).sum())
    # Each w / p is close to the total divided by k, so the estimates vary little. P(false alarm) is 1e-6.
    assert np.mean(estimates) == pytest.approx(weight.sum(), rel=0.03)
