"""Tables of planted truths: the right sentence, the right verdict of each claim, the right figures."""

import re
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import tables
from seedsweep.analysis.answer import answer
from seedsweep.analysis.claims import judge
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.imported_results.judged import read
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim

#: No data can show any of these.
NEVER = r"it was the seed|no two configurations differ|are equal|makes? no difference|does not matter|explains as much"
BEST, BETTER, SCORES = Claim(best="a"), Claim(better=("a", "b")), Claim(better=("a", "b"), axis="score")
ALIKE = Claim(alike=("a", "b"), margin=0.25)
SCORES_ALIKE = Claim(alike=("a", "b"), margin=0.03, axis="score")


def seeds(converged, count, good=0.95, bad=0.3, spread=0.01, diverged=0):
    """Scores of so many seeds, of which the first ones converge and the last ones diverge; no two are equal."""
    places = np.arange(count)
    scores = np.where(places < converged, good, bad) + spread * (((places * 7 + 3 * converged) % count) / count - 0.5)
    return np.where(places >= count - diverged, np.nan, scores)


def letters(*scores):
    return dict(zip("abcdefgh", scores, strict=False))


@dataclass(frozen=True)
class Truth:
    """says, hides: patterns of the text that are there, and that are not.  judged: each claim's verdict.  pairs: of
    labels: the signs on both axes."""

    name: str
    groups: dict
    says: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    judged: dict = field(default_factory=dict)
    pairs: dict = field(default_factory=dict)
    threshold: float = 0.9


TRUTHS = [
    Truth(
        "equal",
        letters(seeds(6, 12), seeds(6, 12)),
        ("Convergence: no difference was shown", "Scores: no difference was shown", r"[Uu]p to \d+ points"),
        ("matters", "more often"),
        {BEST: "undecided", BETTER: "undecided", ALIKE: "undecided"},
        {"ab": (0, 0)},
    ),
    Truth(
        "better",
        letters(seeds(12, 12), seeds(2, 12)),
        ("a converges more often than b .by 83 points", "a scores better than b"),
        ("no difference",),
        {BEST: "supported", BETTER: "supported", SCORES: "supported", ALIKE: "refuted"},
        {"ab": (1, 1)},
    ),
    Truth(
        "worse",
        letters(seeds(1, 12), seeds(11, 12)),
        ("b converges more often than a",),
        ("a converges more often",),
        {BEST: "refuted", BETTER: "refuted", Claim(better=("b", "a")): "supported"},
        {"ab": (-1, -1)},
    ),
    Truth(
        "alike within the margin",
        letters(seeds(90, 120), seeds(90, 120)),
        ("Convergence: no difference was shown", "up to (1[0-9]|2[0-2]) points"),
        (),
        {ALIKE: "supported", BETTER: "undecided", Claim(better=("a", "b"), margin=0.22): "refuted"},
    ),
    Truth(
        "alike, but not within a narrow margin",
        letters(seeds(30, 40), seeds(30, 40)),
        (),
        (),
        {Claim(alike=("a", "b"), margin=0.05): "undecided"},
    ),
    Truth(
        "1 of 1 beside 38 of 40",
        letters(seeds(1, 1), seeds(38, 40)),
        ("Most often: b converged in 38 of 40",),
        ("a converges more", "matters"),
        {BEST: "undecided"},
        {"ab": (0, 0)},
    ),
    Truth(
        "all converge, alike",
        letters(seeds(12, 12), seeds(12, 12)),
        ("Every seed of every configuration met the criterion", "Scores: no difference was shown"),
        ("more often",),
        {BEST: "undecided", SCORES_ALIKE: "supported"},
    ),
    Truth(
        ".99 against .91, all converge",
        letters(seeds(12, 12, 0.99), seeds(12, 12, 0.91, spread=0.005)),
        ("Every seed of every configuration met the criterion", "a scores better than b .by 0.0798, interval 0.07"),
        ("no difference",),
        {BEST: "undecided", SCORES: "supported", SCORES_ALIKE: "refuted"},
        {"ab": (0, 1)},
    ),
    Truth(
        "none converges, alike",
        letters(seeds(0, 12), seeds(0, 12)),
        ("No seed of any configuration met the criterion", "cannot be said"),
        ("scores better than", "converges more often than"),
        {BEST: "undecided", BETTER: "undecided"},
    ),
    Truth(
        "scores differ, none converges",
        letters(seeds(0, 12, bad=0.85), seeds(0, 12, bad=0.3)),
        ("No seed of any configuration met the criterion", "a scores better than b"),
        ("converges? more often than",),
        {BETTER: "undecided", SCORES: "supported"},
        {"ab": (0, 1)},
    ),
    Truth(
        "all diverged",
        letters(seeds(0, 8, diverged=8), seeds(0, 8, diverged=8)),
        ("No seed of any configuration met the criterion", "Every seed .* diverged: there is no score to compare"),
        ("scores better than", "converges more often than"),
        {BEST: "undecided", SCORES: "undecided"},
        {"ab": (0, 0)},
    ),
    Truth(
        "one diverges, one converges",
        letters(seeds(10, 10), seeds(0, 10, diverged=10)),
        ("a converges more often than b", "a scores better than b"),
        (),
        {BEST: "supported", SCORES: "supported"},
        {"ab": (1, 1)},
    ),
    Truth(
        "two diverge, beside one that converges",
        letters(seeds(0, 8, diverged=8), seeds(0, 8, diverged=8), seeds(8, 8)),
        ("c converges more often than a and b",),
        (),
        {BETTER: "undecided", Claim(best="c"): "supported"},
        {"ab": (0, 0), "ba": (0, 0), "ca": (1, 1)},
    ),
    Truth(
        "one seed each",
        letters(seeds(1, 1), seeds(0, 1)),
        ("cannot tell any pair apart, whatever the results",),
        ("matters", "more often than"),
        {BEST: "undecided", SCORES: "undecided"},
        {"ab": (0, 0)},
    ),
    Truth(
        "three seeds of three configurations",
        letters(seeds(3, 3), seeds(0, 3), seeds(0, 3)),
        ("cannot tell any pair apart, whatever the results",),
        ("more often than",),
        {BEST: "undecided"},
    ),
    Truth(
        "one 5 of 5, seven 0 of 5",
        letters(seeds(5, 5), *[seeds(0, 5)] * 7),
        ("matters for convergence",),
        ("no difference was shown: no", "Convergence: no difference"),
        {Claim(best="b"): "undecided"},
    ),
    Truth(
        "one 8 of 8, seven 0 of 8",
        letters(seeds(8, 8), *[seeds(0, 8)] * 7),
        ("a converges more often than b, c, d, e, f and",),
        (),
        {BEST: "supported", Claim(best="b"): "refuted"},
        {"ab": (1, 1), "bc": (0, 0)},
    ),
    Truth(
        "two groups of two",
        letters(seeds(20, 20), seeds(19, 20), seeds(3, 20), seeds(2, 20)),
        ("a and b converge more often than c and d", "Between a and b no difference was shown"),
        (),
        {BEST: "undecided", Claim(better=("a", "c")): "supported"},
        {"ab": (0, 0), "ac": (1, 1), "bd": (1, 1), "cd": (0, 0)},
    ),
    Truth(
        "three steps",
        letters(seeds(40, 40), seeds(22, 40), seeds(2, 40)),
        ("a converges more often than b and c", "b converges more often than c"),
        ("no difference",),
        {BEST: "supported", Claim(best="b"): "refuted"},
        {"ab": (1, 1), "bc": (1, 1)},
    ),
    Truth(
        "as many converge, to better scores",
        letters(seeds(20, 40, 0.99), seeds(20, 40, 0.92)),
        ("Convergence: no difference was shown",),
        ("more often than",),
        {BETTER: "undecided"},
    ),
    Truth(
        "all equal scores, all converge",
        letters(np.full(9, 0.95), np.full(9, 0.95)),
        ("Every seed of every configuration", "All seeds have the same final score"),
        ("scores better than",),
        {SCORES: "undecided"},
    ),
    Truth(
        "ties",
        letters(np.repeat([0.875, 0.9375, 1.0], 4), np.repeat([0.875, 0.9375, 1.0], 4)),
        ("Scores: no difference was shown",),
        ("scores better than",),
        {SCORES: "undecided"},
    ),
    Truth(
        "ties, one higher",
        letters(np.repeat([0.9375, 1.0], 8), np.repeat([0.8125, 0.875], 8)),
        ("a scores better than b", "a converges more often than b"),
        (),
        {SCORES: "supported"},
        {"ab": (1, 1)},
    ),
    Truth(
        "percent",
        letters(seeds(12, 12, 95, 30, 1), seeds(2, 12, 95, 30, 1)),
        ("a converges more often than b",),
        (),
        {BEST: "supported", Claim(alike=("a", "b"), margin=3, axis="score"): "refuted"},
        {"ab": (1, 1)},
        90,
    ),
    Truth(
        "percent, alike within 3",
        letters(seeds(12, 12, 95, spread=2), seeds(12, 12, 95.2, spread=2)),
        ("Every seed of every configuration",),
        (),
        {Claim(alike=("a", "b"), margin=3, axis="score"): "supported", SCORES: "undecided"},
        {},
        90,
    ),
    Truth(
        "rewards below 0",
        letters(seeds(12, 12, -100, spread=9), seeds(0, 12, bad=-250, spread=9)),
        ("a scores better than b .by 150",),
        (),
        {SCORES: "supported"},
        {"ab": (1, 1)},
        -150,
    ),
    Truth(
        "rarely, and it is",
        letters(seeds(1, 40), seeds(20, 40)),
        (),
        (),
        {Claim(below=("a", 0.2)): "supported", Claim(below=("b", 0.2)): "refuted"},
    ),
    Truth("rarely, with 5 seeds", letters(seeds(0, 5), seeds(0, 5)), (), (), {Claim(below=("a", 0.2)): "undecided"}),
    Truth(
        "better, by less than the margin",
        letters(seeds(120, 120, 0.952, spread=0.01), seeds(120, 120, 0.95, spread=0.01)),
        ("a scores better than b",),
        (),
        {SCORES: "supported", SCORES_ALIKE: "supported"},
        {"ab": (0, 1)},
    ),
    Truth(
        "some fail of the one, none of the other",
        letters(np.full(40, 0.95), np.repeat([0.95, 0.0], [28, 12])),
        ("a converges more often than b", "a scores better than b"),
        (),
        {SCORES_ALIKE: "undecided", ALIKE: "undecided", BETTER: "supported"},
        {"ab": (1, 1)},
    ),
    Truth(
        "one configuration",
        letters(seeds(7, 12)),
        ("There is no other configuration",),
        ("matters", "no difference"),
        {BEST: "undecided"},
    ),
    Truth(
        "12 seeds, 9 against 6",
        letters(seeds(9, 12), seeds(6, 12)),
        ("Convergence: no difference was shown",),
        ("matters for convergence",),
        {BEST: "undecided", ALIKE: "undecided"},
        {"ab": (0, 0)},
    ),
    Truth(
        "unbalanced, better",
        letters(seeds(5, 6), seeds(4, 40)),
        ("a converges more often than b",),
        (),
        {BEST: "supported"},
        {"ab": (1, 1)},
    ),
]


def made(folder, groups, threshold):
    rows = [(name, seed, 10, score) for name, scores in groups.items() for seed, score in enumerate(scores)]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(folder / "made.csv", index=False)
    return read(folder / "made.csv", threshold)


def claiming(results, claims):
    return replace(results, study=results.study.model_copy(update={"claims": tuple(claims)}))


def signs(comparison):
    """Of each pair, both ways, on both axes."""
    found = {}
    for row in comparison.pairs.itertuples():
        found[row.first + row.second] = (row.differs, row.score_differs)
        found[row.second + row.first] = (-row.differs, -row.score_differs)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_sentences(tmp_path, truth):
    results = made(tmp_path, truth.groups, truth.threshold)
    comparison = compare(results)
    text = answer(results, comparison).text
    for pattern in truth.says:
        assert re.search(pattern, text), text
    for pattern in (*truth.hides, NEVER):
        assert not re.search(pattern, text, re.IGNORECASE), text
    found = signs(comparison)
    assert {pair: found[pair] for pair in truth.pairs} == truth.pairs


@pytest.mark.slow
@pytest.mark.parametrize("truth", [truth for truth in TRUTHS if truth.judged], ids=lambda truth: truth.name)
def test_verdicts(tmp_path, truth):
    """Each claim on its own: what else is claimed does not matter to it."""
    results = made(tmp_path, truth.groups, truth.threshold)
    for claim, verdict in truth.judged.items():
        claimed = claiming(results, [claim])
        (judged,) = judge(claimed, compare(claimed))
        assert judged.verdict == verdict, claim


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_figures(tmp_path, truth):
    """Each pair's interval holds its estimate, and leaves out no difference just where the pair is told apart."""
    comparison = compare(made(tmp_path, truth.groups, truth.threshold))
    table = comparison.configurations.set_index("label")
    for row in comparison.pairs.itertuples():
        assert row.difference == pytest.approx(table.p[row.first] - table.p[row.second])
        assert row.low <= row.difference <= row.high
        assert row.better_low <= row.better <= row.better_high
        assert (row.adjusted <= 0.05) == (row.differs != 0)
        assert (row.score_adjusted <= 0.05) == (row.score_differs != 0)
        assert row.low >= 0 if row.differs > 0 else row.high <= 0 if row.differs < 0 else row.low <= 0 <= row.high
        middle = row.score_differs
        assert row.shift_low >= 0 if middle > 0 else row.shift_high <= 0 if middle < 0 else True
        if not middle:
            assert row.better_low <= 0.5 <= row.better_high
    assert ((table.low <= table.p) & (table.p <= table.high)).all()


@pytest.mark.slow
def test_200_configurations(tmp_path):
    """One is good: it is told apart from each; 12 seeds are enough for 19900 pairs."""
    rng = np.random.default_rng(0)
    groups = {f"c{place:03}": rng.random(12) * 0.5 for place in range(200)}
    groups["c123"] = 0.95 + rng.random(12) * 0.01
    results = claiming(made(tmp_path, groups, 0.9), [Claim(best="c123"), Claim(best="c000")])
    comparison = compare(results)
    told = answer(results, comparison)
    assert "c123 converges more often than every other" in told.verdict
    assert [judged.verdict for judged in judge(results, comparison)] == ["supported", "refuted"]
    good = (comparison.pairs["first"] == "c123") | (comparison.pairs["second"] == "c123")
    assert (comparison.pairs.differs != 0).equals(good)


def test_of_many_pairs_one_is_better_just_where_its_interval_says_so(tmp_path):
    """Of all that are told apart there is one, also of very many; the last two differ by their spread alone."""
    rng = np.random.default_rng(0)
    groups = {f"c{place:02}": place + 0.1 * rng.random(12) for place in range(30)}
    groups |= {"narrow": 40 + rng.random(12) * 1e-3, "wide": 40 + np.tile([-1.0, 1.0], 6) + rng.random(12) * 1e-3}
    comparison = compare(made(tmp_path, groups, 100))
    axis = comparison.compared.decisions.axes["score"]
    apart = [pair for pair in axis.pairs if pair.differs]
    assert len(apart) > 450
    assert all(bool(pair.better) == (pair.low > 0.5 or pair.high < 0.5) for pair in apart)
    assert not axis.pair(30, 31).better


@pytest.mark.parametrize(("apart", "pairs"), [((0, 0.3, 0.35, -0.3, -0.6), 3), ((0, 0.3, 0.35, 0.6, -0.3, -0.6), 5)])
def test_of_pairs_that_differ_and_no_more_up_to_three_are_named(tmp_path, apart, pairs):
    """Each with its numbers, in which 0 has no sign, whichever of the two comes first."""
    results = made(tmp_path, letters(*(np.arange(20) / 20 + by for by in apart)), -1)
    comparison = compare(results)
    told = [pair for pair in comparison.compared.decisions.axes["score"].pairs if pair.differs and not pair.better]
    assert len(told) == pairs
    text = answer(results, comparison).text
    named = re.findall(
        r"The scores of (\w) and \w differ, those of \1 being better \(by 0.3, interval 0 to 0.6; ", text
    )
    assert len(named) == (pairs if pairs <= 3 else 0)
    assert (f"The scores of {pairs} more pairs of configurations differ" in text) == (pairs > 3)
    assert "is one shown to be better in most pairs of seeds." in text


def test_what_is_open_of_many_is_said_once(tmp_path):
    """Not all are equal, and no pair of 435 is told apart."""
    groups = {f"c{place:02}": seeds((3, 9)[place % 2], 12) for place in range(30)}
    results = made(tmp_path, groups, 0.9)
    text = answer(results, compare(results)).paragraphs[0]
    assert "no pair is told apart" in text
    assert len(re.findall("told apart", text)) == 1
    assert not re.search("  | $", text)


@pytest.mark.parametrize("score", ["best", "last"])
def test_a_member_that_diverged_is_below_every_score(tmp_path, make_run, score):
    """Whatever it had reached before."""
    results = tables.read(make_run(tmp_path / "run", {1.0: 9, 0.0: 3}, diverged=2, found=False, score=score))
    for group, frame in zip(compare(results).compared.groups, results.configurations, strict=True):
        diverged = (frame.outcome == "diverged").to_numpy()
        assert diverged.sum() == 2
        assert np.isfinite(frame.best[diverged]).all()
        assert (np.isnan(group.scores["score"]) == diverged).all()


def test_lower_is_better(tmp_path, make_run):
    """Of a measure that is 1 less F1: who converges has the lower one."""
    criterion = Criterion("loss", 0.1, 2, "min", 0.0, 1.0)
    folder = make_run(tmp_path / "run", {1.0: 0, 0.5: 12}, found=False, criterion=criterion)
    results = tables.read(folder)
    comparison = compare(results)
    assert "alpha 0.5 converges more often than alpha 1" in answer(results, comparison).text
    assert [judged.verdict for judged in judge(results, comparison)] == ["supported"]
    (pair,) = comparison.pairs.itertuples()
    assert (pair.differs, pair.score_differs) == (-1, -1)
    # What is better is above 0, as of scores of which more is better.
    assert pair.shift < 0 < comparison.configurations.set_index("label").median_score["alpha 1"]


@pytest.mark.slow
@pytest.mark.parametrize("rate", range(13))
def test_names_and_order_do_not_matter(tmp_path, rate):
    first = compare(made(tmp_path, {"x": seeds(rate, 12), "y": seeds(6, 12), "z": seeds(11, 12)}, 0.9))
    other = compare(made(tmp_path, {"z": seeds(11, 12), "y": seeds(6, 12), "x": seeds(rate, 12)}, 0.9))
    assert signs(first) == signs(other)
