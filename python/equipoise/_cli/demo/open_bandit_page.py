"""The page that ``equipoise demo`` prints, with a section for each part of the result."""

from __future__ import annotations

from typing import Any

from equipoise._cli.pages import note, table

__all__ = ["render"]


BALANCE = (
    ("class", "class", "s"),
    ("rows", "rows", ",d"),
    ("share", "share", ".2%"),
    ("balanced_weight", "balanced weight", ".3f"),
    ("drawn_share", "share drawn", ".2%"),
)
EXPOSURE = (
    ("campaign", "campaign", "s"),
    ("policy", "policy", "s"),
    ("clicks", "clicks", "d"),
    ("click_rate", "rate", ".2%"),
    ("items", "items", "d"),
    ("top_tenth_share", "top tenth's share", ".1%"),
    ("gini", "Gini of exposure", ".3f"),
)
ITEMS = (
    ("campaign", "campaign", "s"),
    ("item", "item", "d"),
    ("logged_share", "logged", ".2%"),
    ("proposal_share", "proposed", ".2%"),
    ("excluded_for", "excluded for", ".1%"),
    ("expected_share", "expected", ".3%"),
    ("drawn_share", "drawn", ".3%"),
)
CHECKS = (
    ("campaign", "campaign", "s"),
    ("segments", "segments", "d"),
    ("excluded_pairs", "excluded", "d"),
    ("draws", "draws", ",d"),
    ("excluded_drawn", "excluded drawn", "d"),
    ("log_q_error", "error of log_q", ".1e"),
    ("chi_square", "chi-square", ",.0f"),
    ("degrees_of_freedom", "d.f.", ",d"),
    ("z", "z", "+.2f"),
)
ARMS = (
    ("campaign", "campaign", "s"),
    ("clip", "clip at", ".0f"),
    ("rows_clipped", "clipped", "d"),
    ("gini_logged", "Gini logged", ".3f"),
    ("gini_by_weight", "by weight", ".3f"),
    ("gini_drawn", "drawn", ".3f"),
    ("gini_random_arm", "random arm", ".3f"),
    ("heaviest_row_share", "heaviest row", ".1%"),
    ("effective_sample_size", "eff. rows", ",.0f"),
)
KEPT = (
    ("class", "class", "s"),
    ("seen", "seen", ",d"),
    ("kept", "kept", ",d"),
    ("least_inclusion", "least inclusion", ".4f"),
    ("greatest_inclusion", "greatest", ".4f"),
)
RATES = (
    ("campaign", "campaign", "s"),
    ("kept", "kept", ",d"),
    ("rows_estimated", "rows estimated", ",.0f"),
    ("rows_error", "error", ",.0f"),
    ("rows", "true", ",d"),
    ("click_rate_estimated", "click rate estimated", ".3%"),
    ("click_rate_error", "error", ".3%"),
    ("click_rate", "true", ".3%"),
)
SPEED = (
    ("case", "one call", "s"),
    ("draws", "draws", ",d"),
    ("million_per_second", "equipoise", ".1f"),
    ("numpy_million_per_second", "NumPy", ".1f"),
    ("ratio", "ratio", ".1f"),
)


def render(result: dict[str, Any]) -> str:
    """Return the result of ``open_bandit.run`` as ASCII text, with lines of at most 100 characters.

    Examples
    --------
    See ``equipoise demo``.
    """
    log = result["log"]
    return "\n".join(
        [
            f"equipoise {result['version']} demo, backend {result['backend']}, seed {result['seed']}",
            f"Open Bandit log, {log['first'][:10]} to {log['last'][:10]}: {log['rows']:,} impressions "
            f"in a fashion shop, {log['clicks']} clicked",
            *_balance(result),
            *_negatives(result["negatives"]),
            *_inverse_propensity(result["inverse_propensity"]),
            *_reservoir(result["reservoir"]),
            *_throughput(result["throughput"]),
        ]
    )


def _heading(text: str) -> list[str]:
    return ["", text, ""]


def _balance(result: dict[str, Any]) -> list[str]:
    classes, power = result["classes"], result["negatives"]["power"]
    return [
        *_heading("1. HOW IMBALANCED THE LOG IS"),
        *table(classes["rows"], *BALANCE),
        *note(
            f"There are {classes['ratio']:.0f} impressions without a click for each click. Of "
            f"{classes['draws']:,} rows drawn with the balanced weight, half are clicks. They are worth only "
            f"{classes['effective_sample_size']:,.0f} equally weighted rows, since the same "
            f"{result['log']['clicks']} clicks are drawn again and again."
        ),
        "",
        *table(result["exposure"], *EXPOSURE, ("proposal_gini", f"of exposure^{power}", ".3f")),
        *note(
            "Policy random shows items uniformly, and bts by Bernoulli Thompson sampling. Last column: "
            f"negatives drawn by popularity to the power {power} are spread more evenly than the log, but "
            "the items shown most still lead."
        ),
    ]


def _negatives(drawn: dict[str, Any]) -> list[str]:
    worst = max(abs(check["z"]) for check in drawn["checks"])
    return [
        *_heading(f"2. NEGATIVES BY POPULARITY^{drawn['power']}, NEVER ITEMS THAT THE USER SEGMENT CLICKED"),
        *table(drawn["items"], *ITEMS),
        *note(
            "The three items shown most and the two shown least. Excluded for: the share of draws whose user "
            f"segment clicked the item. Expected: the mean of exp(log_q). {drawn['per_click']:,} negatives "
            "for each click."
        ),
        "",
        *table(drawn["checks"], *CHECKS),
        *note(
            "Error: the largest difference from NumPy's log(p / (1 - q)); rounding to float32 accounts for "
            "2.4e-07. Chi-square compares how often each item was drawn for each segment with exp(log_q); z "
            f"is standard normal if the two agree. Largest |z|: {worst:.2f}. By chance, one run in 5,000 has "
            "one above 4."
        ),
    ]


def _inverse_propensity(weighted: dict[str, Any]) -> list[str]:
    arms = weighted["arms"]
    lines = [
        *_heading("3. THE LOG REWEIGHTED: ROWS DRAWN BY (1 / ITEMS) / PROPENSITY"),
        *table(arms, *ARMS),
        *note(
            f"{weighted['draws']:,} draws from the {arms[0]['rows']:,} bts rows of each campaign, first with "
            "the weights as they are, then with weights clipped at sqrt(rows). Random arm: the rows that "
            "were logged uniformly, whose Gini is the target. Eff. rows: the effective sample size."
        ),
    ]
    for arm in arms:
        if arm["heaviest_row_share"] > 0.5:
            lines += note(
                f"Campaign {arm['campaign']}: a single row, with propensity {arm['least_propensity']:.0e}, "
                "outweighs all the others together."
            )
    return lines


def _reservoir(kept: dict[str, Any]) -> list[str]:
    return [
        *_heading("4. A CLASS-BALANCED RESERVOIR, IN ONE PASS"),
        *table(kept["classes"], *KEPT),
        *note(
            f"At most {kept['k']:,} rows of each class, read in {kept['chunks']} parts. The weights are the "
            "clipped weights of section 3, so rows of rarely shown items are kept more often. Inclusion is "
            "the probability of being kept."
        ),
        "",
        *table(kept["click_rates"], *RATES),
        *note(
            "Statistics of the whole log, estimated from the kept rows, each counted 1 / inclusion times. "
            "The errors are standard errors."
        ),
    ]


def _throughput(speed: dict[str, Any]) -> list[str]:
    return [
        *_heading("5. MILLIONS OF DRAWS PER SECOND, ONE THREAD"),
        *table(speed["cases"], *SPEED),
        *note(
            f"Medians of {speed['repeats']} alternating calls. NumPy: Generator.choice with p. For "
            "negatives it also rejects clicked items, found in a dense matrix, and looks up log_q in a table."
        ),
    ]
