"""Results of others, and of two runs together, through the same judge."""

import re

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from seedsweep.analysis import export, tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.judged import read
from seedsweep.analysis.page.report import write_table

HEAD = "configuration,seed,step,score\n"


def evaluations_of(folder, path):
    """The comparison of a run, as somebody else would have written it down."""
    results = tables.read(folder)
    compared = results.evaluations[results.evaluations.phase == "compare"]
    table = compared.rename(columns={"f1": "score"}).assign(configuration=compared.label)
    table[["configuration", "seed", "step", "score"]].to_csv(path, index=False)
    return results


def test_a_table_is_judged_as_the_run_that_it_was_written_from(tmp_path, make_run, mixed):
    results = evaluations_of(make_run(tmp_path / "run", mixed, found=False), tmp_path / "table.csv")
    own, theirs = compare(results), compare(read(tmp_path / "table.csv", 0.9, 2))
    columns = [
        *("label", "members", "converged", "fell_back", "never", "low", "median_score", "median_steps", "named_best"),
    ]
    pd.testing.assert_frame_equal(own.configurations[columns], theirs.configurations[columns])
    numbers = own.pairs.columns[2:]
    pd.testing.assert_frame_equal(own.pairs[numbers], theirs.pairs[numbers])


def test_a_page_of_scores_on_another_scale(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (name, seed, step, score)
        for name, mean in (("plain", 40.0), ("tuned", 70.0))
        for seed in range(8)
        for step, score in zip((100, 200), rng.normal(mean, 12, 2), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"])
    table.loc[3, "score"] = np.nan
    table.to_csv(tmp_path / "other.csv", index=False)
    answer = write_table(tmp_path / "other.csv", 55, 1, tmp_path / "out").text
    assert re.search(r"tuned converged in [678] of 8 seeds", answer)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "other.csv, sha256" in page
    members = pd.read_csv(tmp_path / "out" / "tables" / "members.csv")
    assert members[(members.label == "plain") & (members.seed == 1)].outcome.item() == "diverged"
    profiles = pd.read_csv(tmp_path / "out" / "figures" / "profiles.csv")
    assert profiles.score.max() > table.score.max()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "configuration,seed\na,1\n",
            "no column 'score'; which is the score? Say --score-column NAME, of configuration, seed",
        ),
        ("name,seed,score\na,1,2\n", "which is the configuration? Say --configuration NAME, of name"),
        ("configuration,seed,epoch,score\na,1,1,2\na,1,2,2\n", "line 3: seed 1 of 'a' is there twice; without steps"),
        ("configuration,seed,step,score\n", "has no rows"),
        ("configuration,seed,step,score\na,1,10,x\n", "line 2: score is 'x', not a number"),
        ("configuration,seed,step,score\na,1,10,1\na,1.5,10,1\n", "line 3: seed is '1.5', not a whole number"),
        ("configuration,seed,step,score\na,1,10,1\n,2,10,1\n", "line 3: no configuration"),
        ("configuration,seed,step,score\na,1,10,1\na,1,10,2\n", "step 10 of seed 1 of 'a' is there twice"),
        ("configuration,seed,step,score\na,1,10,1\na,2,20,1\n", "seed 1 of 'a' ends at step 10, others at 20"),
        ("", "is no CSV file: it is empty"),
        (f"{HEAD}a,1,-10,1\n", "line 2: step is -10; it must be 0 or more"),
        (f"{HEAD}a,99999999999999999999,1,1\n", "line 2: seed is 99999999999999999999, which has more than 64 bits"),
        (f"{HEAD}a,1,{'9' * 5000},1\n", "which has more than 64 bits"),
        (f"{HEAD}a,x,1,1\n", "line 2: seed is 'x', not a whole number"),
        (f"{HEAD}a,1,inf,1\n", "line 2: step is 'inf', not a whole number"),
        (f"{HEAD}a,1,1,1_0\n", "line 2: score is '1_0', not a number"),
        (f"{HEAD}a,1,1,1\n\nb,1,1\n", "line 4: has 3 cells, and the first line 4"),
        (f"{HEAD}a,1,1,1,7\n", "line 2: has 5 cells, and the first line 4"),
        (f'{HEAD}"a\nb",1,1,1\n', r"line 3: configuration 'a\nb' is no name"),
        ("configuration,seed,step,score,score\na,1,1,1,1\n", "there are 2 columns 'score'; leave one"),
        (f"{HEAD}a,1,1,1\na,1,1.0,2\n", "line 3: step 1 of seed 1 of 'a' is there twice"),
        (f"{HEAD}a,1,1,1\n", "1 evaluations of seed 1 of 'a' can never hold for 2: hold fewer"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused_with_its_line(tmp_path, text, words):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(words)) as refused:
        read(tmp_path / "table.csv", 0.5, 2)
    assert "\n" not in str(refused.value)
    with pytest.raises(TableError, match="No such file"):
        read(tmp_path / "nowhere.csv", 0.5)


@pytest.mark.parametrize(("threshold", "hold"), [(np.nan, 1), (np.inf, 1), (0.5, 0)])
def test_a_criterion_that_decides_nothing_is_refused(tmp_path, threshold, hold):
    (tmp_path / "table.csv").write_text(f"{HEAD}a,1,10,1\n")
    with pytest.raises(TableError, match=r"threshold of (nan|inf) decides nothing|holds for 0 evaluations is none"):
        read(tmp_path / "table.csv", threshold, hold)


#: The same members, as programs write them.
SAME = {
    "plain": f"{HEAD}ppo,0,100,1\nppo,1,100,\nsac,0,100,0.25\n",
    "a comma at the end of each line": f"{HEAD}ppo,0,100,1,\nppo,1,100,,\nsac,0,100,0.25,\n",
    "of the first line too": "configuration,seed,step,score,\nppo,0,100,1,\nppo,1,100,,\nsac,0,100,0.25,\n",
    "a byte order mark": f"\ufeff{HEAD}ppo,0,100,1\nppo,1,100,nan\nsac,0,100,0.25\n",
    "semicolons": "configuration;seed;step;score\nppo;0;100;1\nppo;1;100;\nsac;0;100;0.25\n;;;\n",
    "a comma for the point": "configuration;seed;step;score\nppo;0;100;1,0\nppo;1;100;\nsac;0;100;0,25\n",
    "tabs": "configuration\tseed\tstep\tscore\nppo\t0\t100\t1\nppo\t1\t100\tNA\nsac\t0\t100\t0.25\n",
    "an index and blanks": ",configuration, seed,step,score\n0,ppo,0,100,1\n1,ppo,1,100,\n\n2,sac, 0,100 ,0.25\n",
    "quotes, other ends": '"configuration",seed,step,"score"\r\nppo,0,1e2,1\r\nppo,1,100.0,-inf\r\nsac,0,100,.25\r\n',
}  # fmt: skip


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_programs_write_is_read_as_it_is_meant(tmp_path, text):
    (tmp_path / "table.csv").write_bytes(text.encode())
    members = read(tmp_path / "table.csv", 0.5).members
    assert members[["label", "seed", "outcome"]].to_numpy().tolist() == [
        ["ppo", 0, "converged"], ["ppo", 1, "diverged"], ["sac", 0, "never"],
    ]  # fmt: skip
    assert members.final.tolist()[::2] == [1, 0.25]


#: Names that somebody's format, shell, figure or paper would take for something else.
ODD = [
    *("None", "NA", "nan", "null", "1.50", "True", "-"),
    *("costs $5 (50% of $10)", r"$\nicefrac{1}{2}$", '{x} <b>& "y"', "_under^^~", r"C:\new\\", "[0] #1", "*"),
    "x" * 3000,
]


@pytest.mark.slow
def test_a_name_is_what_stands_there(tmp_path):
    names = ODD
    rows = [(name, seed, step, step / 100) for name in names for seed in range(2) for step in (50, 100)]
    table = pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"])
    table.to_csv(tmp_path / "odd.csv", index=False)
    results = read(tmp_path / "odd.csv", 0.9)
    assert results.members.label.tolist() == [name for name in names for _ in range(2)]
    write_table(tmp_path / "odd.csv", 0.9, 1, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(f">{escape(name)}</" in page for name in names)
    written = export.write(results, compare(results), tmp_path / "tables")
    assert set(pd.read_parquet(tmp_path / "tables" / "configurations.parquet").label) == set(names)
    assert len(written) == 10
    text = (tmp_path / "tables" / "configurations.tex").read_text()
    fraction, signs = r"\$\textbackslash{}nicefrac\{1\}\{2\}\$", r"\{x\} \textless{}b\textgreater{}\& ''y''"
    for latex in (fraction, signs, r"{}[0] \#1", "{}*"):
        assert f"\n{latex} & 2/2" in text


@pytest.mark.parametrize("steps", [(0,), (100,)])
def test_members_that_were_evaluated_once_have_scores_and_no_curves(tmp_path, steps):
    rows = [(n, s, step, base + s / 100) for n, base in (("a", 0.6), ("b", 0.7)) for s in range(4) for step in steps]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "once.csv", index=False)
    write_table(tmp_path / "once.csv", 0.5, 1, tmp_path / "out")
    figures = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"p_converge", "final_scores", "profiles"} <= figures
    assert not {"time_to_convergence", "learning_curves"} & figures
    configurations = pd.read_csv(tmp_path / "out" / "tables" / "configurations.csv")
    assert configurations.median_score.tolist() == pytest.approx([0.615, 0.715])
