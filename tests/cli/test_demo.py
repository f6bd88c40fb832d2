"""The demo prints correct numbers for the embedded log.

False alarms: every bound on drawn numbers is at least 5.5 standard errors wide, and a seed has about 150 of
them, so one seed in 10^5 fails by chance.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import equipoise
from equipoise._cli.demo import open_bandit, open_bandit_page
from equipoise._cli.main import main
from equipoise.datasets.open_bandit import load_open_bandit


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_bandit, "REPEATS", 1)
        return open_bandit.run(0)


@pytest.fixture
def quick(monkeypatch, result):
    """Replace the computation by a finished result, and list the seeds that were asked for."""
    calls = []

    def run(seed, progress):
        calls.append(seed)
        progress("a step")
        return result

    monkeypatch.setattr(open_bandit, "run", run)
    return calls


def reject(constant):
    raise ValueError(f"{constant} is not JSON")


# ---- measures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_gini_is_half_the_relative_mean_difference(n):
    x = np.random.default_rng(n).pareto(1.0, n)
    difference = np.abs(x[:, np.newaxis] - x).mean()
    assert open_bandit.gini(x) == pytest.approx(difference / (2 * x.mean()), abs=1e-14)


def test_effective_sample_size_ignores_rows_of_weight_zero():
    assert open_bandit.effective_sample_size(np.repeat([1.0, 0.0], [30, 70])) == pytest.approx(30)


# ---- 1: the log ----------------------------------------------------------------------------------------


def test_balanced_weights_draw_both_classes_equally(result):
    assert result["log"]["rows"] == 60_000
    assert result["log"]["clicks"] == 287
    no_click, click = result["classes"]["rows"]
    assert (no_click["rows"], click["rows"]) == (59_713, 287)
    assert click["share"] == pytest.approx(0.00478, abs=5e-6)
    assert click["balanced_weight"] == pytest.approx(60_000 / (2 * 287))
    assert click["drawn_share"] == pytest.approx(0.5, abs=6 * 0.5 / 1000)
    assert click["drawn_share"] + no_click["drawn_share"] == pytest.approx(1)
    # (sum w)^2 / sum w^2, for n0 rows of weight 1/n0 and n1 rows of weight 1/n1
    assert result["classes"]["effective_sample_size"] == pytest.approx(4 / (1 / 59_713 + 1 / 287))


def test_exposure_of_items_has_the_known_gini(result):
    arms = {(row["campaign"], row["policy"]): row for row in result["exposure"]}
    assert len(arms) == 6
    for (_, policy), row in arms.items():
        low, high = (0.63, 0.67) if policy == "bts" else (0.03, 0.06)
        assert low <= round(row["gini"], 2) <= high
        assert row["proposal_gini"] < row["gini"]
    assert arms["all", "bts"]["gini"] == pytest.approx(0.67, abs=0.005)
    assert arms["men", "bts"]["gini"] == pytest.approx(0.65, abs=0.005)


# ---- 2: negatives --------------------------------------------------------------------------------------


def test_negatives_pass_their_checks(any_seed):
    checks, shares = open_bandit.negatives(load_open_bandit(), any_seed)
    assert [check["campaign"] for check in checks] == ["all", "men", "women"]
    assert sum(check["clicks"] for check in checks) == 287
    for check in checks:
        assert check["excluded_pairs"] > 0
        assert check["excluded_drawn"] == 0
        assert check["draws"] == check["clicks"] * open_bandit.NEGATIVES_PER_CLICK
        assert check["least_expected"] > 5  # smaller expectations would make the chi-square invalid
        assert check["log_q_error"] <= 2**-22 + 1e-9  # half a unit in the last place of a float32 in [4, 8)
        assert abs(check["z"]) < 5.5
    draws = {check["campaign"]: check["draws"] for check in checks}
    for item in shares:
        p = item["expected_share"]
        assert item["drawn_share"] == pytest.approx(p, abs=6 * np.sqrt(p / draws[item["campaign"]]))
        assert 0 < p <= 1 - item["excluded_for"]


def test_the_log_q_check_detects_another_table(monkeypatch):
    table = open_bandit.AliasTable
    monkeypatch.setattr(open_bandit, "AliasTable", lambda weights, power: table(weights, power=power - 0.01))
    checks, _ = open_bandit.negatives(load_open_bandit(), 0)
    assert all(check["log_q_error"] > 1e-3 for check in checks)
    assert all(abs(check["z"]) < 5.5 for check in checks)  # the draws agree with log_q


def test_the_chi_square_check_detects_wrong_draws(monkeypatch):
    honest = open_bandit.NegativeSampler

    class Crooked:
        """A sampler that draws from a flatter table than the one that its log_q describes."""

        def __init__(self, items, *, exclude, seed):
            flatter = equipoise.AliasTable(items.prob(np.arange(len(items))), power=0.93)
            self._claiming = honest(items, exclude=exclude, seed=seed)
            self._drawing = honest(flatter, exclude=exclude, seed=seed)

        def sample(self, rows, num_negatives):
            claimed = self._claiming.sample(rows, num_negatives)
            log_q = np.zeros((rows.max() + 1, 80), np.float32)
            log_q[np.repeat(rows, num_negatives), claimed.ids.ravel()] = claimed.log_q.ravel()
            ids = self._drawing.sample(rows, num_negatives).ids
            return equipoise.Negatives(ids, log_q[rows[:, np.newaxis], ids], claimed.mask)

    monkeypatch.setattr(open_bandit, "NegativeSampler", Crooked)
    checks, _ = open_bandit.negatives(load_open_bandit(), 0)
    assert all(check["log_q_error"] < 1e-6 for check in checks)
    assert all(check["z"] > 5.5 for check in checks)


def test_standardized_chi_square_is_standard_normal():
    rng = np.random.default_rng(0)
    for degrees in (50, 2000):
        z = np.array([open_bandit.standardized(x, degrees) for x in rng.chisquare(degrees, 10_000)])
        assert abs(z.mean()) < 0.06
        assert z.std() == pytest.approx(1, abs=0.05)


# ---- 3: inverse propensities ---------------------------------------------------------------------------


def test_inverse_propensity_figures_match_the_reference(result):
    arms = {(arm["campaign"], arm["clip"]): arm for arm in result["inverse_propensity"]["arms"]}
    assert [arms[name, None]["effective_sample_size"] for name in ("all", "men", "women")] == pytest.approx(
        [340, 656, 2], abs=0.5
    )
    assert arms["all", None]["gini_by_weight"] == pytest.approx(0.23, abs=0.005)
    assert arms["men", None]["gini_by_weight"] == pytest.approx(0.09, abs=0.0051)
    assert arms["women", None]["least_propensity"] == pytest.approx(1e-6)
    for arm in arms.values():
        assert arm["gini_drawn"] == pytest.approx(arm["gini_by_weight"], abs=0.005)


def test_clipping_helps_when_one_row_outweighs_all_others(result):
    before, after = (arm for arm in result["inverse_propensity"]["arms"] if arm["campaign"] == "women")
    assert (before["clip"], after["clip"]) == (None, 100)
    assert before["heaviest_row_share"] > 0.5 > after["heaviest_row_share"]
    assert before["gini_drawn"] > before["gini_logged"] > after["gini_drawn"] > after["gini_random_arm"]
    assert after["effective_sample_size"] > 100 * before["effective_sample_size"]


# ---- 4: the reservoir ----------------------------------------------------------------------------------


def test_the_reservoir_estimates_the_whole_log(any_seed):
    kept = open_bandit.class_reservoir(load_open_bandit(), any_seed)
    no_click, click = kept["classes"]
    assert (no_click["seen"], no_click["kept"]) == (59_713, open_bandit.KEPT)
    assert (click["seen"], click["kept"]) == (287, 287)
    assert (click["least_inclusion"], click["greatest_inclusion"]) == (1, 1)
    assert 0 < no_click["least_inclusion"] < 0.01
    assert 0.5 < no_click["greatest_inclusion"] < 1.0001
    for row in kept["click_rates"]:
        assert row["rows"] == 20_000
        # A few heavy weights make the tails longer than those of a normal distribution.
        assert abs(row["rows_estimated"] - row["rows"]) < 8 * row["rows_error"]
        assert abs(row["click_rate_estimated"] - row["click_rate"]) < 8 * row["click_rate_error"]
        assert 0 < row["click_rate_error"] < 0.3 * row["click_rate"]
    assert sum(row["kept"] for row in kept["click_rates"]) == open_bandit.KEPT + 287


def test_standard_errors_of_the_estimates_are_right():
    log = load_open_bandit()
    z = [
        (row["click_rate_estimated"] - row["click_rate"]) / row["click_rate_error"]
        for seed in range(30)
        for row in open_bandit.class_reservoir(log, seed)["click_rates"]
    ]
    assert abs(np.mean(z)) < 0.5  # 90 dependent numbers, fixed seeds
    assert np.std(z) == pytest.approx(1, abs=0.3)


def test_the_number_of_parts_does_not_change_the_reservoir(monkeypatch, result):
    monkeypatch.setattr(open_bandit, "CHUNKS", 1)
    again = open_bandit.class_reservoir(load_open_bandit(), 0)
    assert again == {**result["reservoir"], "chunks": 1}


# ---- the page and the JSON -----------------------------------------------------------------------------


def test_the_page_can_be_made_from_the_json(result):
    parsed = json.loads(json.dumps(result, allow_nan=False), parse_constant=reject)
    assert parsed == result
    assert open_bandit_page.render(parsed) == open_bandit_page.render(result)


def test_every_row_of_every_table_is_printed(result):
    page = [line.split() for line in open_bandit_page.render(result).splitlines()]
    for row in result["exposure"]:
        assert [row["campaign"], row["policy"], str(row["clicks"])] in [line[:3] for line in page]
        assert [f"{row['gini']:.3f}", f"{row['proposal_gini']:.3f}"] in [line[-2:] for line in page]
    for row in result["negatives"]["items"]:
        assert [row["campaign"], str(row["item"]), f"{row['logged_share']:.2%}"] in [
            line[:3] for line in page
        ]
        assert [f"{row['expected_share']:.3%}", f"{row['drawn_share']:.3%}"] in [line[-2:] for line in page]
    for row in result["negatives"]["checks"]:
        assert [f"{row['degrees_of_freedom']:,}", f"{row['z']:+.2f}"] in [line[-2:] for line in page]
    for row in result["inverse_propensity"]["arms"]:
        printed = [
            f"{row['gini_by_weight']:.3f}",
            f"{row['gini_drawn']:.3f}",
            f"{row['gini_random_arm']:.3f}",
        ]
        assert printed in [line[4:7] for line in page]
    for row in result["reservoir"]["classes"]:
        assert [f"{row['seen']:,}", f"{row['kept']:,}", f"{row['least_inclusion']:.4f}"] in [
            line[-4:-1] for line in page
        ]
    for row in result["reservoir"]["click_rates"]:
        assert [f"{row['click_rate_error']:.3%}", f"{row['click_rate']:.3%}"] in [line[-2:] for line in page]
    for row in result["throughput"]["cases"]:
        assert f"{row['ratio']:.1f}" in [line[-1] for line in page if line]


def test_the_page_is_ascii_of_at_most_100_columns(result):
    page = open_bandit_page.render(result)
    assert page.isascii()
    assert max(map(len, page.splitlines())) <= 100


def test_the_same_seed_gives_the_same_numbers(monkeypatch, result):
    monkeypatch.setattr(open_bandit, "throughput", lambda log, seed: [])
    steps = []
    again, other = open_bandit.run(0, steps.append), open_bandit.run(1)
    assert len(steps) == 5
    for section in ("log", "classes", "exposure", "negatives", "inverse_propensity", "reservoir"):
        assert again[section] == result[section]
    assert other["classes"] != result["classes"]
    assert other["negatives"] != result["negatives"]


def test_throughput_ratios_compare_equal_numbers_of_draws(result):
    cases = result["throughput"]["cases"]
    assert [case["draws"] for case in cases] == [1_000_000, 1_000_000, 8192 * 16]
    for case in cases:
        ratio = case["million_per_second"] / case["numpy_million_per_second"]
        assert case["ratio"] == pytest.approx(ratio)


# ---- the command ---------------------------------------------------------------------------------------


def test_results_go_to_stdout_and_progress_to_stderr(quick, result, capsys):
    assert main(["demo", "--seed", "7"]) == 0
    out, err = capsys.readouterr()
    assert out == open_bandit_page.render(result) + "\n"
    assert err == "equipoise demo: a step\n"
    assert quick == [7]


def test_json_prints_one_object(quick, result, capsys):
    assert main(["demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=reject) == result
    assert quick == [0]


def test_the_largest_seed_is_accepted(quick):
    assert main(["demo", "--seed", str(2**64 - 1)]) == 0
    assert quick == [2**64 - 1]


def test_an_interrupt_is_status_130(monkeypatch, capsys):
    def interrupted(seed, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(open_bandit, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")
