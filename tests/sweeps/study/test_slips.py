"""Common slips: each is one line that says whose it is, which field, and what would be right."""

import pytest

from seedsweep.core.errors import UserError
from seedsweep.sweeps.study.loading import load
from seedsweep.sweeps.study.slips import FEW, choose_measure
from tests.sweeps import toy


@pytest.fixture
def said(tmp_path):
    """The line that a study ends in, with another text in place of one of it, and `--set`."""

    def line(old: str, new: str, *settings: str) -> str:
        assert old in toy.STUDY
        path = toy.write(tmp_path / "mine", study=toy.STUDY.replace(old, new))
        with pytest.raises(UserError) as caught:
            load(str(path), None, settings)
        text = str(caught.value)
        assert "\n" not in text
        return text.replace(str(path), "toy.yaml")

    return line


LR, SHRINK = "hyperparameters: {lr: 0.02}", "{low: 0.0, high: 1.0}"
SEEDS, CLAIMS, PLAIN = "seeds: {search: 2, compare: 4}", "claims: [{best: plain}]", "{shrink: 0.0}"
CRITERION, TASK = "criterion: {metric: error, threshold: 0.5, hold: 2}", "task: toy.py:Line"
CONFIGURATIONS = "configurations: {plain: {shrink: 0.0}, shrunk: {shrink: 0.5}}"
MODEL = "resnet18 is a model of torchvision: to train it as a classifier, write task: classification and settings:"
SLIPS = [
    (SEEDS, "seeds: 20", "seeds: expected a mapping of fields, not 20; write seeds: {compare: 20}"),
    (SEEDS, "seeds: [0, 1, 2]", "seeds are counted from 0: write seeds: {compare: 3}"),
    (SEEDS, "seeds: {compare: [0, 1, 2]}", "it is how many, not which: write compare: 3"),
    (SEEDS, f"{SEEDS}\nn_seeds: 3", "n_seeds: there is no such field here; write seeds: {compare: 3}"),
    (SHRINK, "[0, 0.5, 1]", "search.space.shrink: write {choices: [0, 0.5, 1]} for these values"),
    (SHRINK, "[1, 0]", "search.space.shrink: write {choices: [1, 0]} for these values, or {low: 0, high: 1} for the"),
    (SHRINK, "{range: [0, 1]}", "search.space.shrink.range: there is no such field; write low: 0, high: 1"),
    (SHRINK, "{min: 0.1, max: 1}", "search.space.shrink.min: there is no such field; write low: 0.1"),
    (SHRINK, "{values: [0, 1]}", "search.space.shrink.values: there is no such field; write choices: [0, 1]"),
    (SHRINK, "{choices: 0.5}", "search.space.shrink.choices: is a list of values, not 0.5; write [0.5], or low and"),
    (SHRINK, "{choices: {low: 0, high: 1}}", "a range has no choices: write {low: 0, high: 1}"),
    (SHRINK, "{low: [0, 1]}", "search.space.shrink.low: is one number, not [0, 1]; a list of values is {choices:"),
    (PLAIN, "{shrink: {low: 0, high: 1}}", "plain.shrink: is one value, not {low: 0, high: 1}; that is searched"),
    (PLAIN, "{shrink: {choices: [0, 1]}}", "plain.shrink: is one value, not {choices: [0, 1]}; that is searched"),
    (
        LR,
        "hyperparameters: {lr: [0.1, 0.2]}",
        "several are searched: search: {explore: 8, space: {lr: {choices: [0.1, 0.2]}}}",
    ),
    (
        LR,
        "hyperparameters: {lr: {low: 0.1, high: 1}}",
        "searched: search: {explore: 8, space: {lr: {low: 0.1, high: 1}}}",
    ),
    (LR, "lr: 0.02", "lr: there is no such field here; write hyperparameters: {lr: 0.02}"),
    (LR, "optimizer: {lr: 0.02}", "optimizer.lr: there is no such field here; write hyperparameters: {lr: 0.02}"),
    (LR, "settings: {lr: 0.02}", "settings.lr: there is no such field here; write hyperparameters: {lr: 0.02}"),
    (LR, "learning_rate: 0.02", "learning_rate: there is no such field here; write hyperparameters: {lr: 0.02}"),
    (LR, "hyperparams: {lr: 0.02}", "hyperparams: there is no such field; did you mean hyperparameters?"),
    (PLAIN, "{learning_rate: 1}", "configurations.plain.learning_rate: there is no such field here; write lr: 1"),
    (
        PLAIN,
        "{hyperparameters: {wd: 1}}",
        "configurations.plain.wd: there is no such field here; write weight_decay: 1",
    ),
    (PLAIN, "{shrink: 3}", "configurations.plain.shrink: 3 is out of range; it must be from 0 to 1"),
    (PLAIN, "{training.lr: 1}", "configurations.plain.training.lr: there is no such field here; write lr: 1"),
    (PLAIN, "{optimizer: {lr: 1}}", "configurations.plain.optimizer.lr: there is no such field here; write lr: 1"),
    ("batch: 8", "batch_size: 8", "training.batch_size: there is no such field here; write batch: 8"),
    ("training:", "trainin:", "trainin: there is no such field; did you mean training"),
    (LR, "training.clip: 1.5", "training.clip: fields are nested here; write training: {clip: 1.5}"),
    ("question:", "wxyz: 3\nquestion:", "wxyz: there is no such field; a study has task, data, training,"),
    (CRITERION, "criterion: error", "criterion: expected a mapping of fields, not 'error'; write {metric: error, "),
    (CRITERION, "metric: error", "metric: there is no such field here; write criterion: {metric: error}"),
    (CRITERION, "", "criterion: is missing: when has a seed converged? Write {metric: NAME, threshold: NUMBER}"),
    (CRITERION, "criterion: {metric: error, treshold: 1}", "criterion.treshold: there is no such field; did you mean"),
    ("threshold: 0.5", "threshold: -5", "criterion.threshold: -5 can never be: error is 0 to inf"),
    ("metric: error", "metric: val_error", "toy.py:Line has no 'val_error'; did you mean error? Measures are of the"),
    ("metric: error", "metric: val_acc", "criterion.metric: toy.py:Line has no 'val_acc'; known are error"),
    (TASK, "task: resnet18", f"task: {MODEL}"),
    (TASK, "task: torchvision.models.resnet18", f"task: {MODEL}"),
    (TASK, "task: torchvision.models:resnet18", f"task: {MODEL}"),
    (TASK, "model: resnet18", f"model: {MODEL}"),
    (
        TASK,
        "model: net.py:Net",
        "model: a model is part of a task: write task: file.py:Class; see seedsweep's docs/your_model.md",
    ),
    (TASK, f"{TASK}\nsettings: {{model: resnet18}}", f"settings.model: {MODEL}"),
    (TASK, "task: toy.py", "task: toy.py is a file; name what is in it: toy.py:NAME"),
    (TASK, "task: toy.Line", "task: there is no 'toy.Line'; write toy.py:Line or toy:Line"),
    (CLAIMS, "claims: {best: plain}", "claims: input should be a list, not {'best': 'plain'}; write [{best: plain}]"),
    (CLAIMS, "claims: [plain]", "claims.0: expected a mapping of fields, not 'plain'; write {best: plain}"),
    (CLAIMS, "claims: [{better: [plain]}]", "claims.0.better: has one part, of two; write [plain, OTHER]"),
    (CLAIMS, "claims: [{better: plain}]", "claims.0.better: input should be a list, not 'plain'; write [plain, OTHER]"),
    (CONFIGURATIONS, "configurations: [{shrink: 0}]", "each has a name, and what it changes: write {name_1: {shrink:"),
    (CONFIGURATIONS, "configurations: [plain, b]", "each has a name, and what it changes: write {plain: {...}, b:"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "words"), SLIPS, ids=[new or "nothing" for _, new, _ in SLIPS])
def test_a_slip_is_named_with_what_would_be_right(said, old, new, words):
    text = said(old, new)
    assert text.startswith("toy.yaml: ")
    assert words in text


SETTINGS = [
    ("seeds=20", "expected a mapping of fields, not 20; write --set seeds.compare=20"),
    ("hyperparameters.width=8", "is a setting of the task; write settings.width"),
    ("training.lr=3", "there is no such field here; write --set lr=3"),
    ("metric=f1", "there is no such field here; write --set criterion.metric=f1"),
    ("epochs=3", "there is no such field here; write --set training.epochs=3"),
    ("shrink=2", "2 is out of range; it must be from 0 to 1"),
    ("lrr=2", "neither the task nor the optimiser declares it; did you mean lr?"),
    ("search.space.lr=[1, 2]", "write {choices: [1, 2]} for these values, or {low: 1, high: 2} for the range between"),
]


@pytest.mark.parametrize(("setting", "words"), SETTINGS, ids=[setting for setting, _ in SETTINGS])
def test_a_wrong_setting_is_not_said_to_be_the_files(said, setting, words):
    assert said("question", "question", "lr=0.1", setting, "seeds.search=1") == f"--set {setting}: {words}"


def test_what_does_not_fit_the_file_names_both(said):
    text = said(SEEDS, "seeds: {compare: 4, looks: [2, 4]}", "seeds.compare=8")
    assert text == "--set seeds.compare=8, over toy.yaml: seeds.looks: the last is 4; it must be seeds.compare, 8"


def test_a_mistake_of_the_file_stays_the_files(said):
    text = said(SEEDS, "seeds: {compar: 4}", "lr=0.1")
    assert text == "toy.yaml: seeds.compar: there is no such field; did you mean compare or paired?"


def test_a_name_of_the_command_line_is_not_said_to_be_the_files(tmp_path):
    with pytest.raises(UserError, match=r"^--name \.\./x: '\.\./x' names a folder"):
        load(str(toy.write(tmp_path)), rename="../x")


def test_a_study_of_ones_own_is_named_by_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(toy.write(tmp_path).parent)
    with pytest.raises(UserError, match=r"there is no built-in study 'toy': did you mean the file toy\.yaml\?"):
        load("toy")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("val_acc", "did you mean accuracy? Measures are of the validation split, without its name"),
        ("validation/accuracy", "did you mean accuracy? Measures are of the validation split, without its name"),
        ("acc", "did you mean accuracy?"),
        ("accurracy", "did you mean accuracy?"),
        ("psnr", f"known are accuracy, m0, m1, m2, m3, m4, m5, m6 and {31 - FEW} more (seedsweep's docs/fields.md)"),
    ],
)
def test_of_many_measures_the_near_one_is_named_or_a_few(given, words):
    assert choose_measure(given, ["accuracy", *(f"m{n}" for n in range(30))]).strip() == words
