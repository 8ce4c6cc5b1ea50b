"""Each wrong way to write a study gives one line: which file, which field, what would be right."""

import pytest

from seedsweep.sweeps.study.loading import load
from tests.sweeps.study.own_studies import FUNCTION, bad

TWO = {"a": {"dropout": 0.1}, "b": {"dropout": 0.2}}
SMALL_AND_LARGE = {"a": {"units": 2}, "b": {"units": 8}}


#: Of the small study of the report's model.
SETTINGS = [
    ("training.stepps=3", "training.stepps: there is no such field; did you mean steps"),
    ("trainin.steps=3", "trainin: there is no such field; did you mean training"),
    ("resources.allocation.node=3", "resources.allocation.node: there is no such field; did you mean nodes"),
    ("criterion.hodl=3", "criterion.hodl: there is no such field; did you mean hold?"),
    ("settings.glimpes=3", "settings.glimpes: there is no such field; did you mean glimpses"),
    ("data.seize=3", "data.seize: there is no such field; did you mean size"),
    ("optimizer.nesterov=true", "optimizer.nesterov: there is no such field; known are epsilon"),
    ("optimizer.epsilon=-1", "optimizer.epsilon: -1 is out of range; it must be at least 0"),
    ("schedules.lr.evry=3", "schedules.lr.evry: there is no such field; did you mean every?"),
    ("alfa=0.3", "hyperparameters.alfa: neither the task nor the optimiser declares it; did you mean alpha?"),
    ("training.steps=many", "training.steps: 'many' is no whole number"),
    ("training.steps=1.5", "training.steps: 1.5 is no whole number"),
    ("training.epochs=many", "training.epochs: 'many' is no number"),
    ("resources.keep_weights=many", "resources.keep_weights: 'many' is neither true nor false"),
    ("training.steps=-5", "training.steps: input should be greater than or equal to 0, not -5"),
    ("training.steps=0", "training.steps: is missing; or give training.epochs"),
    ("training={steps: 3, epochs: 2}", "training.epochs: stands beside training.steps; give one of the two"),
    ("training.batch=65", "training.batch: 65 is larger than the training split, 64 samples"),
    ("training.microbatch=3", "training.microbatch: 3 does not divide training.batch, 8"),
    ("training.stop={metric: f2, patience: 3}", "training.stop.metric: there is no 'f2'; did you mean f1?"),
    ("training.precision=half", "training.precision: input should be 'float32' or 'bfloat16', not 'half'"),
    ("schedules.lr.every=-1", "schedules.lr.every: -1 is out of range; it must be at least 1"),
    ("schedules.rate={name: step}", "schedules.rate: there is no such hyperparameter; known are alpha"),
    ("schedules.lr.name=stepp", "schedules.lr.name: there is no 'stepp'; did you mean step"),
    ("schedules.alpha={every: 3}", "schedules.alpha.name: is missing; known are constant, cosine"),
    ("schedules.alpha=cosine", "schedules.alpha: is a mapping: write {name: cosine}"),
    ("alpha=1.5", "hyperparameters.alpha: 1.5 is out of range; it must be from 0 to 1"),
    ("lr=.nan", "hyperparameters.lr: '.nan' is no number"),
    ("lr=fast", "hyperparameters.lr: 'fast' is no number"),
    ("lr='1e-2'", "hyperparameters.lr: '1e-2' is text; without quotes, as 0.01, it is a number"),
    (
        "lr=[0.1, 0.2]",
        "hyperparameters.lr: is one value, not [0.1, 0.2]; several are searched: search: {explore: 8, space: {lr:",
    ),
    ("seeds.compare=0", "seeds.compare: input should be greater than or equal to 1, not 0"),
    ("seeds.least=3", "seeds.least: applies only with until: decided; add that, or remove seeds.least"),
    ("seeds=[]", "seeds: expected a mapping of fields, not []"),
    ("seeds=20", "seeds: expected a mapping of fields, not 20; write --set seeds.compare=20"),
    ("data.name=", "data.name: is missing; known are camelyon16, "),
    ("data.name=", "pattern2_rgb; your own is named file.py:Name"),
    ("data.name=patern1", "data.name: there is no 'patern1'; did you mean pattern1"),
    ("data.balance=skewd", "data.balance: there is no 'skewd'; did you mean skewed?"),
    ("data.field=64", "data.field: 64 is larger than data.size, 32"),
    ("task=attention", "task: there is no 'attention'; did you mean recurrent_attention?"),
    ("task=torch.nn:Linear", "task: torch.nn:Linear is neither a task, `class ...(seedsweep.Task)`, nor a function"),
    (
        "task=nothing_here:Net",
        "task: nothing_here cannot be imported: ModuleNotFoundError: No module named 'nothing_here'",
    ),
    ("settings.backbone=big", "settings.backbone: there is no 'big'"),
    ("settings.location=aera", "settings.location: there is no 'aera'; did you mean area?"),
    ("optimizer.name=adm", "optimizer.name: there is no 'adm'; did you mean adam"),
    ("optimizer.no_decay=bias", "optimizer.no_decay: is a list of patterns"),
    ("criterion.metric=f2", "criterion.metric: recurrent_attention has no 'f2'; did you mean f1?"),
    ("criterion.metric=dice", "criterion.metric: recurrent_attention has no 'dice'"),
    ("criterion.threshold=90", "criterion.threshold: 90 can never be: f1 is 0 to 1; did you mean 0.9?"),
    ("criterion.threshold=900", "criterion.threshold: 900 can never be: f1 is 0 to 1"),
    ("criterion.threshold=inf", "criterion.threshold: input should be a finite number"),
    ("criterion.direction=min", "criterion.direction: the metric says it; leave it out"),
    ("criterion.hold=0", "criterion.hold: 0 is out of range"),
    ("criterion.hold=50", "criterion.hold: 6 evaluations can never hold for 50; hold fewer, or evaluate more often"),
    ("score=middle", "score: input should be 'last' or 'best', not 'middle'"),
    ("metrics={f1: max}", "metrics.f1: the task says what it measures; leave it out"),
    ("measures={f1: {direction: max}}", "measures: the metrics say it; leave it out"),
    ("name=../elsewhere", "name: '../elsewhere' names a folder"),
    ("name=1e3", "name: input should be a valid string, not 1000.0; put it in quotes"),
    ("resources.engine=jet", "resources.engine: input should be 'auto', 'fused', 'loop' or 'compiled', not 'jet'"),
    ("resources.cohort=many", "resources.cohort: 'many' is no number of members, at least 1, nor auto"),
    ("resources.gpus=2", "resources.gpus: 2, but the members of a task share one device; a function or a command may"),
    ("resources.allocation.nodes=0", "resources.allocation.nodes: input should be greater than or equal to 1"),
    ("resources.allocation.time=soon", "resources.allocation.time: 'soon' is no time limit"),
    ("resources.allocation.sbatch=[exclusive]", "'exclusive' is no sbatch argument: write --name=value or --name"),
    ("resources.allocation.min_nodes=2", "resources.allocation.min_nodes: 2 is more than its nodes, 1"),
    ("seeds.looks=[2, 5]", "seeds.looks: the last is 5; it must be seeds.compare, 4"),
    (
        "claims=[{best: alpha 2}]",
        "claims.0: there is no configuration 'alpha 2'; did you mean alpha 1 or alpha 0?",
    ),
    ("claims=[{}]", "claims.0: is exactly one of best, better, alike, below, not none"),
    (
        "claims=[{best: alpha 1, below: [alpha 0, 0.5]}]",
        "claims.0: is exactly one of best, better, alike, below, not best and below",
    ),
    ("claims=[{better: [alpha 1, alpha 1]}]", "claims.0.better: names 'alpha 1' twice"),
    ("claims=[{below: [alpha 1, 3]}]", "claims.0.below: 3 is no share"),
    ("claims=[{best: alpha 1, measure: f2}]", "claims.0.measure: there is no 'f2'"),
    ("claims=[{best: alpha 1, measure: f1, axis: converging}]", "claims.0.measure: a claim about convergence takes no"),
    ("claims=[{below: [alpha 0, 0.5], measure: f1}]", "claims.0.measure: a claim about convergence takes no measure"),
    ("claims=[{best: alpha 1, axis: time}]", "claims.0.axis: input should be 'converging' or 'score', not 'time'"),
    ("claims=[{below: [alpha 1, 0.5], margin: 0.1}]", "claims.0.margin: is of a difference, and below has none"),
    ("claims=[{alike: [alpha 1, alpha 0]}]", "claims.0.margin: is missing; alike within which difference?"),
    ("configurations.alpha 1.settings.glimpes=3", "configurations.alpha 1.settings.glimpes: there is no such field"),
    ("configurations.alpha 1.alpha=2", "configurations.alpha 1.alpha: 2 is out of range"),
    ("configurations.b.training.batch=65", "configurations.b.training.batch: 65 is larger than the training split"),
    ("configurations.b.criterion.hold=2", "configurations.b.criterion.hold: no configuration changes it"),
    ("configurations.b=3", "configurations.b: expected a mapping of fields, not 3"),
    ("configurations=[a, b]", "configurations: expected a mapping of fields, not ['a', 'b']"),
    ("configurations.b={settings.glimpses: 2, alpha: 0}", "configurations: 'alpha 0' and 'b' have the same values"),
    ("init_from={seed: 3}", "init_from.run: is missing"),
    ("steps", "--set steps: write --set path.to.field=value"),
    ("training={a: [", "is no YAML value"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "words"), SETTINGS, ids=[setting for setting, _ in SETTINGS])
def test_a_wrong_value_is_named_with_what_would_be_right(study_file, setting, words):
    text, field = bad(lambda: load(str(study_file), None, [setting])), setting.partition("=")[0]
    # The setting names the field already.
    assert words.removeprefix("hyperparameters.").removeprefix(f"{field}: ") in text


def test_a_missing_field_is_named(study_file):
    text = study_file.read_text()
    study_file.write_text(text.replace("{metric: f1, threshold: 0.6, hold: 2}", "{metric: f1}"))
    assert bad(lambda: load(str(study_file))) == "criterion.threshold: is missing"
    study_file.write_text(text.replace("task: recurrent_attention", ""))
    assert bad(lambda: load(str(study_file))).startswith("task: is missing: name a Task or a function")
    study_file.write_text(text.replace("name: pattern1, ", ""))
    assert bad(lambda: load(str(study_file))).startswith("data.name: ")


def test_evaluations_are_counted_where_the_samples_are_known(study_file):
    text = study_file.read_text().replace("steps: 24, batch: 8, evaluate_every: 4", "epochs: 2, batch: 8")
    study_file.write_text(text.replace("hold: 2", "hold: 3").replace(", cluster: {training: {steps: 48}}", ""))
    assert bad(lambda: load(str(study_file))).startswith("criterion.hold: 2 evaluations can never hold for 3")


def test_two_ways_to_say_one_configuration(study):
    twins = {"a": {"settings": {"width": 128}}, "b": {"training.steps": 400}, "c": {"lr": 0.5}}
    assert "configurations: 'a' and 'b' have the same values; leave one out" in bad(lambda: study(configurations=twins))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"task": "net.py:halved"}, "task: net.py:halved(step, steps) must take one argument, the run"),
        ({"metrics": None}, "metrics: is missing: a function has no class to say them; write {accuracy: max}"),
        ({"metrics": {"accuracy": "up"}}, "metrics.accuracy.direction: input should be 'max' or 'min', not 'up'"),
        ({"metrics": {"accuracy": {"direction": "max", "hi": 1}}}, "metrics.accuracy.hi: there is no such field"),
        ({"metrics": {"accuracy": "max", "seed": "min"}}, "metrics.seed: the table of evaluations has a column of its"),
        ({"metrics": {"loss": "min"}}, "criterion.metric: net.py:train has no 'accuracy'; known are loss"),
        (
            {"metrics": {"accuracy": "max", "val_loss": "max"}},
            "metrics.val_loss: max, as if more of it were better; write min",
        ),
        ({"configurations": {}}, "configurations: none is named and nothing is searched, so that nothing is compared"),
        ({"claims": [{"best": ""}]}, "claims.0: there is no configuration ''"),
        ({"claims": [{"better": ["own", "other"]}]}, "claims.0: there is no configuration 'other'"),
        ({"secondary": ["test_last_accuracy", "acuracy"]}, "secondary.1: there is no 'acuracy'; did you mean accuracy"),
        (
            {"claims": [{"below": ["own", 0.5]}], "decision": {"shares": {"converging": 1}}},
            "decision.shares: claims below have no share, and would never be decided; give below a number above 0",
        ),
        (
            {"configurations": SMALL_AND_LARGE, "claims": [{"best": "a"}], "decision": {"shares": {"score": 1}}},
            "decision.shares: claims on converging have no share, and would never be decided; give converging a number",
        ),
        (
            {
                "configurations": SMALL_AND_LARGE,
                "claims": [{"best": "a", "axis": "score"}],
                "decision": {"shares": {"converging": 1}},
            },
            "decision.shares: claims by score have no share, and would never be decided; give score a number above 0",
        ),
        (
            {
                "configurations": SMALL_AND_LARGE,
                "metrics": {"accuracy": "max", "loss": "min"},
                "claims": [{"best": "a", "measure": "loss"}],
                "decision": {"shares": {"converging": 1, "score": 1}},
            },
            "decision.shares: claims by loss have no share, and would never be decided; give loss a number above 0",
        ),
        ({"decision": {"shares": {"below": 1}}}, "decision.shares: nothing is called 'below'"),
        ({"decision": {"shares": {"convergin": 1}}}, "decision.shares: nothing is called 'convergin'; did you mean"),
        ({"sensitivity": {"hold": [0]}}, "sensitivity.hold: 0 is out of range; it must be at least 1"),
        ({"criterion": {"metric": "accuracy", "threshold": "nan"}}, "criterion.threshold: input should be"),
        (
            {"settings": {"width": 3}},
            "settings: a function has none; what differs between members goes in hyperparameters",
        ),
        ({"data": {"name": "pattern1"}}, "data: a function has none"),
        ({"optimizer": {"name": "sgd"}}, "optimizer: a function has none"),
        ({"training": {"batch": 8}}, "training.batch: a function trains by itself; give it a hyperparameter"),
        ({"resources": {"engine": "fused"}}, "resources.engine: a function trains one member at a time"),
        ({"resources": {"keep_weights": True}}, "resources.keep_weights: a function keeps its weights itself"),
        ({"search": {"together": 2}}, "search.together: a function trains one member a trial; leave it out"),
        ({"resources": {"gpus": 1.5}}, "resources.gpus: 1.5 is no share of one device"),
        (
            {"configurations": {"a": {"momentum": 0.9}, "b": {}}},
            "configurations.b: gives no momentum, which others give",
        ),
        ({"hyperparameters": {"seeds": 3}}, "hyperparameters.seeds: must be a Python identifier"),
        (
            {"configurations": {"a": {"seed": 3}, "b": {"seed": 4}}},
            "configurations.a.seed: must be a Python identifier",
        ),
        ({"search": {"space": {"lr": {"low": 0, "high": 1}}}}, "search.explore: is missing: how many configurations"),
    ],
)
def test_what_is_wrong_with_a_function(study, sections, words):
    assert words in bad(lambda: study(of=FUNCTION, **sections))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "python t.py --lr {lr}",
            "hyperparameters.units: the command does not take it; write {units} where it belongs",
        ),
        ("python t.py --lr {lr} {units} {sed}", "command: there is no {sed}; did you mean seed"),
        ("python t.py {lr} {units} | tee log", "command: '|' needs a shell, and none runs it"),
        ("python t.py {lr} {units} > log", "command: '>' needs a shell"),
        ("CUDA=0 python t.py {lr} {units}", "command: 'CUDA=0' needs a shell"),
        ("python t.py {lr} '{units}", "command: no closing quotation"),
        ("python t.py {lr} {units} {}", "command: '{}' is no {name} of a value"),
        ("python t.py {lr} {units} {seed}", "command: there is no file "),
        ("bin/train {lr} {units} {seed}", "command: there is no file "),
        ("python t.py {lr} {units}", "command: does not take the seed, so all seeds would be one; write {seed}"),
        ("nosuchprog {lr} {units} {seed}", "command: there is no program 'nosuchprog' on this machine's PATH"),
    ],
)
def test_what_is_wrong_with_a_command(study, command, words):
    assert words in bad(lambda: study(of=FUNCTION, task=None, command=command))


def test_a_function_and_a_command_are_studies(study):
    own = {"configurations": {"a": {"momentum": 0.9}, "b": {"momentum": 0.5}}, "resources": {"gpus": 2}}
    assert study(of=FUNCTION, **own).configurations["b"] == {"momentum": 0.5}
    command = "python net.py --seed {seed} --lr {lr} --units {units} --out {folder} --json {{}}"
    assert study(of=FUNCTION, task=None, command=command).command == command
    space = {"batch": {"choices": [8, 16]}, "opt": {"choices": ["sgd", "adam"]}}
    assert study(of=FUNCTION, search={"space": space, "explore": 3}).members == 3 * 3 + 12


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"criterion": {"metric": "f1", "threshold": 0.9, "hold": 50}}, "criterion.hold: 3 evaluations can never hold"),
        ({"criterion": {"metric": "f1", "threshold": 90}}, "criterion.threshold: 90 can never be"),
        ({"sensitivity": {"threshold": [0.8, 90]}}, "90 can never be: f1 is 0 to 1; did you mean 0.9?"),
        ({"sensitivity": {"hold": [2, 4]}}, "sensitivity.hold.1: 3 evaluations can never hold for 4"),
        ({"configurations": {"one": {}, "again": {"alpha": 0.5}, "other": {"alpha": 1.0}}},
         "configurations: 'one' and 'again' have the same values"),
        ({"search": {"explore": 1, "space": {"alpha": {"low": 0, "high": 1}}}}, "search.explore: 1 is less than the 2"),
    ],
)  # fmt: skip
def test_what_could_never_answer_is_refused(tmp_path, sections, words):
    """The first three were run to the end once: "never", "It was the seed", and a configuration that vanished."""
    from seedsweep.sweeps.study import yaml_reader

    values = {
        "question": "Does it run?",
        "task": "recurrent_attention",
        "settings": {"glimpses": 2, "glimpse_size": 8, "window": 0.4, "state": 16},
        "data": {"name": "pattern1", "size": 32, "train": 64, "validation": 32, "field": 12, "anywhere": True},
        "training": {"steps": 24, "batch": 8, "evaluate_every": 8},
        "configurations": {"alpha 1": {"alpha": 1.0}, "alpha 0": {"alpha": 0.0}},
        "seeds": {"compare": 3},
        "criterion": {"metric": "f1", "threshold": 0.9},
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml_reader.dump({**values, **sections}))
    assert words in bad(lambda: load(str(path)))
