"""Bad input gets one clear line: what, where, what would be right."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from seedsweep.core.errors import UserError
from seedsweep.core.models import EdramSettings
from seedsweep.core.training.schedules import Hyperparameters
from seedsweep.shards.samples import DataSettings
from seedsweep.sweeps.study import schema as studies
from seedsweep.sweeps.study.schema import STUDIES, differences, load, resolved
from seedsweep.sweeps.study.validation import flat


def bad(study_file: Path, overrides=(), scale="laptop") -> str:
    with pytest.raises(UserError) as caught:
        load(str(study_file), scale, overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda p: p.stem)
@pytest.mark.parametrize("scale", studies.SCALES)
def test_every_study_of_ours_loads_and_begins_with_prose(path, scale):
    study = load(path.stem, scale)
    assert study.scale == scale
    text = path.read_text()
    assert text.startswith("# ")
    for word in ("# Claim:", "# Refuted", "# Costs", "# Command:"):
        assert f"\n{word}" in text


def test_a_scale_overrides_and_a_setting_overrides_that(study_file):
    assert load(str(study_file), "laptop").training.steps == 24
    assert load(str(study_file), "cluster").training.steps == 48
    changed = load(
        str(study_file), "cluster", ["training.steps=7", "search.space.lr_decay_steps.high=23", "seeds.compare=40"]
    )
    assert (changed.training.steps, changed.seeds.compare, changed.search.space["lr_decay_steps"].high) == (
        7,
        40,
        23,
    )
    assert changed.search.space["lr_decay_steps"].low == 4
    assert load(str(study_file), "laptop", rename="other").name == "other"


def test_a_resolved_study_is_itself_again(study_file, tmp_path):
    study = load(str(study_file), "laptop")
    (tmp_path / "resolved.yaml").write_text(study.to_yaml())
    assert resolved(tmp_path / "resolved.yaml") == study


def test_an_unknown_study_names_the_near_ones():
    with pytest.raises(UserError, match=r"no study 'alpha_sed_study': did you mean alpha_seed_study\?"):
        load("alpha_sed_study", "laptop")
    with pytest.raises(UserError, match=r"nothing\.yaml: there is no such study file"):
        load("nothing.yaml", "laptop")


def test_malformed_yaml_names_the_place(tmp_path):
    (tmp_path / "s.yaml").write_text("question: x\ntraining: {steps: 3\nseeds: 4\n")
    assert "s.yaml: line 3, column" in bad(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("- a list\n")
    assert "a study is a mapping of fields, not list" in bad(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("question: !!python/object/apply:os.system ['true']\n")
    assert "malformed YAML" in bad(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.stepps=3", "training.stepps: there is no such field; did you mean steps?"),
        ("trainin.steps=3", "trainin: there is no such field; did you mean training"),
        ("search.space.alpha.hi=3", "search.space.alpha.hi: there is no such field; did you mean high?"),
        ("training.steps=many", "training.steps: input should be a valid integer, unable to parse"),
        ("training.steps=1.5", "training.steps: input should be a valid integer"),
        ("training.steps=-5", "training.steps: -5 is out of range; it must be at least 1"),
        ("training.batch=65", "training.batch: 65 is larger than data.train, 64"),
        ("hyperparameters.lr_decay_steps=-1", "hyperparameters.lr_decay_steps: -1 is out of range"),
        ("hyperparameters.alpha=1.5", "hyperparameters.alpha: 1.5 is out of range; it must be from 0 to 1"),
        ("hyperparameters.lr=.nan", "hyperparameters.lr"),
        ("seeds.compare=0", "seeds.compare: 0 is out of range; it must be at least 1"),
        ("seeds=[]", "--set.seeds: expected a mapping of fields, not []"),
        ("data.name=patern1", "data.name: there is no 'patern1'; did you mean pattern1"),
        ("model.name=vit", "model.name: there is no 'vit'; known are edram, multilevel_unet, recurrent_attention"),
        ("model.backbone=big", "model.backbone: there is no 'big'; known are efficientnet_lite0, inception_v3, small"),
        ("model.location_map=sigmoyd", "did you mean sigmoid?"),
        ("losses.location=aera", "losses.location: there is no 'aera'; did you mean area?"),
        ("model={name: edram, glimpses: 0}", "model.glimpses: 0 is out of range; edram looks at least once"),
        ("model={name: edram, state: 100}", "model.state: 100 is no multiple of 32"),
        ("model={name: edram, backbone: small}", "model.backbone: there is no such field; known are"),
        ("model.weights=imagenet", "model.weights: the small backbone has no weights of its own"),
        ("model={backbone: inception_v3}", "model.glimpse_size: 8 is out of range; inception_v3 needs at least 75"),
        ("losses.distance=some", "losses.distance: there is no 'some'; known are all, consecutive"),
        ("criterion.metric=f2", "criterion.metric: there is no 'f2'; did you mean f1?"),
        ("criterion.hold=0", "criterion.hold: 0 is out of range"),
        ("search.sampler=tpee", "search.sampler: there is no 'tpee'; did you mean tpe?"),
        ("search.explore=1", "search.explore: 1 is less than the 2 configurations"),
        ("search.space.beta={low: 0, high: 1}", "search.space.beta: there is no such hyperparameter; known are alpha,"),
        ("search.space.alpha.low=2", "search.space.alpha.low: 2 is out of range; it must be from 0 to 1"),
        ("search.space.alpha.low=1", "search.space.alpha: low 1 is not below high 1"),
        ("search.first=[{alpha: -1}]", "search.first.0.alpha: -1 is out of range"),
        ("claimed_best.alfa=1", "claimed_best.alfa: there is no such hyperparameter; did you mean alpha?"),
        ("search.space.alpha.log=true", "search.space.alpha: a logarithmic range begins above 0"),
        ("search.space.alpha.high=0.5", "search.first.0: its alpha, 1, is outside search.space.alpha, 0 to 0.5"),
        ("search.first=[{alpha: 1}, {alpha: 1}]", "search.first: two of the configurations are the same"),
        ("search.first=[{alfa: 1}]", "search.first.0.alfa: there is no such hyperparameter; did you mean alpha?"),
        ("claimed_best.alpha=much", "claimed_best.alpha: 'much' is no number"),
        ("data.balance=skewd", "data.balance: there is no 'skewd'; did you mean skewed?"),
        ("model.extraction=gauss", "model.extraction: there is no 'gauss'; did you mean gaussian?"),
        ("resources.allocation.nodes=0", "resources.allocation.nodes: 0 is out of range"),
        ("resources.allocation.time=soon", "resources.allocation.time: 'soon' is no time limit"),
        ("resources.allocation.sbatch=[exclusive]", "'exclusive' is no sbatch argument: write --name=value or --name"),
        ("resources.allocation.min_nodes=2", "resources.allocation.min_nodes: 2 is more than its nodes, 1"),
        ("variants={a: {}}", "variants: such a study searches nothing"),
        ("variants={a: {seeds: {compare: 3}}}", "variants.a.seeds: a variant has no such part; did you mean losses?"),
        ("variants={a: {model: {glimpses: many}}}", "variants.a.model.glimpses: input should be a valid integer"),
        ("variants={a: {model: {glimses: 2}}}", "variants.a.model.glimses: unexpected keyword argument"),
        ("variants={a: {training: {batch: 65}}}", "variants.a.training.batch: 65 is larger than data.train, 64"),
        ("name=../elsewhere", "name: '../elsewhere' names a folder"),
        ("resources.engine=jet", "resources.engine: there is no 'jet'"),
        ("data.field=64", "data.field: 64 is larger than data.size, 32"),
        ("steps", "--set steps: write --set path.to.field=value"),
        ("training={a: [", "is no YAML value"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(study_file, override, words):
    assert words in bad(study_file, [override])


def test_a_trial_must_fit_a_node(study_file):
    overrides = ["resources.cpus=4", "resources.allocation.cpus=2"]
    assert "resources.allocation.cpus: 2 a node, but a trial needs resources.cpus, 4" in bad(
        study_file, overrides, scale="cluster"
    )


def test_a_variant_is_the_study_with_something_laid_over(study_file):
    variants = "variants={base: {}, deep: {model: {glimpses: 3}, data: {balance: skewed}}}"
    study_file.write_text(study_file.read_text().replace("{alpha: 0.5}", "{variant: deep}"))
    nothing = ["search.explore=0", "search.first=[]"]
    study = load(str(study_file), "laptop", [*nothing, variants])
    assert study.variant("base").model == study.model
    deep = study.variant("deep")
    assert (deep.model.glimpses, deep.model.state, deep.data.balance) == (3, study.model.state, "skewed")
    assert study.data_sets == [study.data, deep.data]
    hashes = {study.variant(name).configuration_hash(study.hyperparameters, "data") for name in study.variants}
    assert len(hashes) == 2


def test_a_missing_field_and_an_unknown_scale(study_file):
    study_file.write_text(study_file.read_text().replace("question: Does it run?", ""))
    assert "question: is missing" in bad(study_file)
    assert "--scale desktop: known are cluster, laptop" in bad(study_file, scale="desktop")
    study_file.write_text(study_file.read_text().replace("cluster: {training", "klaster: {training"))
    assert "scales: 'klaster' is no scale; did you mean cluster?" in bad(study_file)


def test_what_changes_a_result_changes_the_configurations_hash(study_file):
    study = load(str(study_file), "laptop")
    base = study.configuration_hash(study.hyperparameters, "data")
    for override in ("training.steps=25", "model.state=8", "losses.rank=2", "model.location_map=sigmoid"):
        changed = load(str(study_file), "laptop", [override])
        assert changed.configuration_hash(changed.hyperparameters, "data") != base
    assert study.configuration_hash(study.hyperparameters, "other data") != base
    assert study.configuration_hash(Hyperparameters(), "data") != base
    same = load(str(study_file), "laptop", ["seeds.compare=9", "resources.cohort=2", "search.explore=9"])
    assert same.configuration_hash(same.hyperparameters, "data") == base


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seeds.compare=9", []),
        ("search.explore=9", []),
        ("resources.cohort=1", []),
        ("question=Why?", []),
        ("seeds.compare=2", ["seeds.compare: 4 -> 2"]),
        ("seeds.search=3", ["seeds.search: 2 -> 3"]),
        ("training.steps=30", ["training.steps: 24 -> 30"]),
        ("criterion.threshold=0.5", ["criterion.threshold: 0.6 -> 0.5"]),
    ],
)
def test_what_a_run_may_go_on_with(study_file, override, expected):
    old, new = load(str(study_file), "laptop"), load(str(study_file), "laptop", [override])
    assert differences(old, new) == expected


def test_every_field_of_the_resolved_study_can_be_set(study_file):
    study = load(str(study_file), "laptop")
    for key, value in flat(study.model_dump(mode="json")):
        if key in ("name", "scale") or isinstance(value, (list, tuple)):
            continue
        again = load(str(study_file), "laptop", [f"{key}={yaml.safe_dump(value).split(chr(10))[0]}"])
        assert again == study, key


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("{name: unet, depth: 6}", "model.depth: a U-Net of this depth needs data.size to be a multiple of 128"),
        ("{name: unet, level: 3}", "model.level: 3 is out of range; it must be from 1 to 2"),
    ],
)
def test_a_wrong_value_of_a_segmenting_model_is_named(study_file, model, words):
    assert words in bad(study_file, [f"model={model}", "criterion.metric=dice"])


def test_another_model_brings_its_own_settings(study_file):
    study = load(str(study_file), "laptop", ["model={name: edram, state: 64}", "variants={}"])
    assert study.model == EdramSettings(state=64)
    varied = load(
        str(study_file),
        "laptop",
        [
            "search={explore: 0, first: []}",
            "claimed_best={variant: a}",
            "variants={a: {model: {name: edram}}, b: {model: {glimpses: 1}}, c: {data: {name: ellipses}}}",
        ],
    )
    assert varied.variant("a").model == EdramSettings()
    assert varied.variant("b").model == replace(varied.model, glimpses=1)
    # Other data keep the size and the counts.
    assert varied.variant("c").data == replace(varied.data, name="ellipses")


def test_a_study_is_laid_over_its_base_at_each_scale(tmp_path):
    (tmp_path / "common.yaml").write_text(
        "data: {name: pattern1, size: 32, train: 64}\nmodel: {glimpses: 2}\nseeds: {compare: 5}\n"
        "scales: {laptop: {}, cluster: {data: {size: 64}, seeds: {compare: 9}}}\n"
    )
    path = tmp_path / "own.yaml"
    path.write_text(
        "question: Why?\nbase: common\nmodel: {state: 8}\nsearch: {explore: 0}\nvariants: {only: {}}\n"
        "scales: {cluster: {model: {state: 16}}}\n"
    )
    laptop, cluster = (load(str(path), scale) for scale in ("laptop", "cluster"))
    assert (laptop.data.size, laptop.model.glimpses, laptop.model.state, laptop.seeds.compare) == (32, 2, 8, 5)
    assert (cluster.data.size, cluster.model.glimpses, cluster.model.state, cluster.seeds.compare) == (64, 2, 16, 9)
    path.write_text("question: Why?\nbase: atention\n")
    with pytest.raises(UserError, match=r"base: there is no 'atention'; did you mean attention"):
        load(str(path), "laptop")


def test_tumours_alone_are_a_balance():
    assert {DataSettings("pattern1", balance="tumour").label(index) for index in range(20)} == {1}
