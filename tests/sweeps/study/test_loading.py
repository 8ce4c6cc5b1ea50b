"""A study from its file: scale, base, settings, and what is filled in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Measure
from seedsweep.sweeps.study.loading import STUDIES, cluster_settings, dump, load

CLUSTER = {"scales": {"laptop": {}, "cluster": {"training": {"steps": 4800}}, "wide": {"settings": {"width": 512}}}}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda p: p.stem)
@pytest.mark.parametrize("scale", ["laptop", "cluster"])
def test_every_study_of_ours_loads_and_begins_with_prose(path, scale):
    study = load(path.stem, scale)
    assert (study.scale, study.name) == (scale, path.stem)
    # Not measured: the same on every machine of a kind.
    assert isinstance(study.resources.cohort, int)
    assert study.resources.engine != "auto"
    text = path.read_text()
    assert text.startswith("# ")
    for word in ("# Claim:", "# Refuted", "# Costs", "# Command:"):
        assert f"\n{word}" in text


def test_every_default_is_filled_in(study):
    loaded = study(hyperparameters={"lr": 1}, schedules={"lr": {"name": "step"}})
    assert loaded.settings == {"width": 128, "act": "relu", "wide": False}
    assert loaded.data == {"name": "net.py:Points", "count": 64, "noise": 0.0}
    assert loaded.optimizer == {"name": "adam", "epsilon": 1e-8, "no_decay": []}
    assert loaded.hyperparameters == {
        "lr": 1.0, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "dropout": 0.0, "layers": 2,
    }  # fmt: skip
    assert isinstance(loaded.hyperparameters["lr"], float)
    assert loaded.schedules["lr"] == {
        "name": "step", "every": 1000, "factor": 0.1, "warmup_steps": 0, "warmup_start": 0.0,
    }  # fmt: skip
    assert loaded.training.evaluate_every == 4
    assert (loaded.criterion.direction, loaded.criterion.low, loaded.criterion.high) == ("max", 0, 1)
    # What compares nothing compares itself.
    assert loaded.configurations == {"own": {}}


def test_lower_is_better_where_the_metric_says_so(study):
    assert study(criterion={"metric": "loss", "threshold": 0.1}).criterion.direction == "min"


def test_a_component_has_one_name_however_it_is_written(study):
    plain = "seedsweep.core.training.optimisers:AdamW"
    assert study(optimizer={"name": plain}) == study(optimizer={"name": "AdamW"}) == study(optimizer={"name": "adamw"})
    space = {"optimizer.name": {"choices": ["SGD", "AdamW"]}}
    found = study(optimizer={"name": "SGD"}, search={"explore": 2, "space": space}).search.space
    assert found["optimizer.name"].choices == ("sgd", "adamw")


def test_a_scale_overrides_and_a_setting_overrides_that(study_file):
    assert load(str(study_file)).training.steps == 24
    assert load(str(study_file), "cluster").training.steps == 48
    changed = load(
        str(study_file),
        "cluster",
        ["training.steps=7", "training.evaluate_every=2", "search.space.schedules.lr.every.high=23", "lr=0.1"],
    )
    space = changed.search.space["schedules.lr.every"]
    assert (changed.training.steps, changed.hyperparameters["lr"], space.low, space.high) == (7, 0.1, 4, 23)
    assert load(str(study_file), rename="other").name == "other"


@pytest.mark.parametrize(
    ("scale", "on", "expected"),
    [
        (None, "here", "laptop"),
        (None, "inline", "laptop"),
        (None, "slurm", "laptop"),
        (None, "10.0.0.1:6379", "laptop"),
        ("wide", "slurm", "wide"),
        ("cluster", "here", "cluster"),
    ],
)
def test_how_large_is_not_where(write, scale, on, expected):
    assert load(str(write(**CLUSTER)), scale, on=on).scale == expected


def test_scales_are_the_studys_own(write):
    path = write(scales={"tiny": {"training": {"steps": 100}}})
    assert load(str(path), on="slurm").scale == ""
    assert load(str(path), "tiny").training.steps == 100
    with pytest.raises(UserError, match=r"--scale tny: did you mean tiny\?"):
        load(str(path), "tny")
    with pytest.raises(UserError, match="--scale laptop: the study has no scales"):
        load(str(write()), "laptop")
    with pytest.raises(UserError, match=r"scales\.tiny\.name: is said once, above the scales"):
        load(str(write(scales={"tiny": {"name": "other"}})))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"scales": {"laptop": {"training.steps": 200}}},
            r"own\.yaml: scales\.laptop\.training\.steps: .* write training: {st",
        ),
        (
            {"scales": {"laptop": {"training": {"stepps": 2}}}},
            r"own\.yaml: scales\.laptop\.training\.stepps: there is no",
        ),
        (
            {"scales": {"laptop": {"seeds": {"compare": 0}}}},
            r"own\.yaml: scales\.laptop\.seeds\.compare: input should be",
        ),
        ({"scales": {"laptop": {}}, "seeds": {"compare": 0}}, r"own\.yaml: seeds\.compare: input should be"),
        ({"base": "common"}, r"common\.yaml: settings\.wdth: there is no such field"),
    ],
)
def test_a_mistake_is_named_with_its_place(write, sections, words):
    path = write(**sections)
    path.with_name("common.yaml").write_text("settings: {wdth: 3}\n")
    with pytest.raises(UserError, match=words):
        load(str(path))


def test_a_study_is_laid_over_its_base_at_each_scale(write):
    path = write(base="common", configurations={"plain": {}, "deep": {"settings": {"width": 3}}}, data=None)
    path.with_name("common.yaml").write_text(
        "data: {name: 'net.py:Points', count: 99}\nsettings: {act: tanh}\nseeds: {compare: 5}\n"
        "configurations: {deep: {dropout: 0.5}}\n"
        "scales: {laptop: {}, cluster: {data: {count: 640}, seeds: {compare: 9}}}\n"
    )
    path.write_text(path.read_text() + "scales: {cluster: {settings: {width: 16}}}\n")
    laptop, cluster = (load(str(path), scale) for scale in ("laptop", "cluster"))
    assert (laptop.data["count"], laptop.settings, laptop.seeds.compare) == (
        99, {"width": 128, "act": "tanh", "wide": False}, 5,
    )  # fmt: skip
    assert (cluster.data["count"], cluster.settings["width"], cluster.seeds.compare) == (640, 16, 9)
    assert laptop.configurations == {"deep": {"dropout": 0.5, "settings.width": 3}, "plain": {}}
    path.write_text("question: Why?\nbase: atention\n")
    with pytest.raises(UserError, match=r"base: there is no 'atention'; did you mean attention"):
        load(str(path))


def test_nothing_in_place_of_a_value_takes_it_back(write):
    path = write(
        settings={"width": 3},
        training={"steps": 400, "stop": {"metric": "loss", "patience": 3}},
        configurations={"a": {"dropout": 0.1}, "b": {"dropout": 0.2}},
    )
    assert load(str(path), None, ["settings.width=null"]).settings["width"] == 128
    assert load(str(path), None, ["training.stop=null"]).training.stop is None
    assert list(load(str(path), None, ["configurations.b=null"]).configurations) == ["a"]
    assert load(str(path), None, ["training.epochs=2"]).training.steps == 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("configurations.alpha 0.5.dropout=0.3", {"alpha 0.5": {"dropout": 0.3}, "b": {}}),
        ("configurations.alpha 0.5.settings.width=4", {"alpha 0.5": {"dropout": 0.1, "settings.width": 4}, "b": {}}),
        ("configurations.c={lr: 0.5}", {"alpha 0.5": {"dropout": 0.1}, "b": {}, "c": {"lr": 0.5}}),
    ],
)
def test_a_setting_reaches_into_a_configuration(study, setting, expected):
    assert study(setting, configurations={"alpha 0.5": {"dropout": 0.1}, "b": None}).configurations == expected


def test_the_users_clusters_are_laid_over_the_allocation(write, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    cluster_settings().parent.mkdir()
    cluster_settings().write_text("partition: gpu\n")
    path = str(write(**CLUSTER))
    assert load(path, on="slurm").resources.allocation.partition == "gpu"
    assert load(path, on="slurm", overrides=["resources.allocation.partition=x"]).resources.allocation.partition == "x"
    assert load(path, "cluster").resources.allocation.partition == ""
    cluster_settings().write_text("partitoin: gpu\n")
    with pytest.raises(UserError, match=r"cluster\.yaml: partitoin: there is no such field; did you mean partition\?"):
        load(path, on="slurm")


def test_an_unknown_study_names_the_near_ones():
    with pytest.raises(UserError, match=r"no study 'alpha_sed_study' \(did you mean alpha_seed_study"):
        load("alpha_sed_study")
    with pytest.raises(UserError, match=r"nothing\.yaml: there is no such study file$"):
        load("nothing.yaml")


def test_a_slip_in_the_name_of_a_file_is_told(tmp_path):
    for name in ("blobs.yaml", "blobs.py"):
        (tmp_path / name).touch()
    for slip in ("blob.yaml", "blobs.yml"):
        with pytest.raises(UserError, match=rf"{slip}: there is no such study file; did you mean .*blobs\.yaml\?"):
            load(str(tmp_path / slip))
    with pytest.raises(UserError, match=r"blobs\.py: is no study: that is a \.yaml file"):
        load(str(tmp_path / "blobs.py"))


def test_the_record_of_a_run_is_what_it_is(study, tmp_path):
    loaded = study(configurations={"a": {"dropout": 0.1}, "b": {"schedules": {"lr": None}}})
    (tmp_path / "study.json").write_text(loaded.to_json())
    assert load(str(tmp_path / "study.json")) == loaded


@pytest.mark.parametrize("name", ["alpha_seed_study", "model_comparison", "transfer", "pretraining", "unet_levels"])
def test_a_study_as_it_is_shown_is_itself_again(name, tmp_path):
    loaded = load(name, "cluster")
    (tmp_path / "shown.yaml").write_text(dump(loaded))
    again = load(str(tmp_path / "shown.yaml"))
    assert again.model_copy(update={"scale": "cluster"}) == loaded


def test_names_survive_being_shown(study, tmp_path):
    names = {"1e3": {"dropout": 0.1}, "yes": {"dropout": 0.2}, "010": {"dropout": 0.3}, "2020-01-01": {"dropout": 0.4}}
    loaded = study(configurations=names, claims=[{"best": "1e3"}])
    (tmp_path / "shown.yaml").write_text(dump(loaded))
    assert list(load(str(tmp_path / "shown.yaml")).configurations) == list(names)


@pytest.mark.slow
def test_a_users_core_beside_the_study_is_theirs(write, tmp_path):
    """Every repository has a `core/`: the study's files import their own."""
    path = write()
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "nets.py").write_text("WIDTH = 7\n")
    net = tmp_path / "net.py"
    net.write_text("from core.nets import WIDTH\n" + net.read_text().replace("= 128", "= WIDTH"))
    code = f"from seedsweep.sweeps.study.loading import load; print(load({str(path)!r}).settings['width'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path.parent, env=environment
    )
    assert done.stdout == "7\n", done.stderr


def test_a_record_holds_plain_values(study):
    assert json.loads(study().to_json())["settings"] == {"width": 128, "act": "relu", "wide": False}


def test_the_record_says_what_is_measured(study):
    """Which way is better, and the ends: what reads a record has no task to ask."""
    known = study().measures
    assert {name: (m.direction, m.low, m.high) for name, m in known.items()} == {
        "accuracy": ("max", 0, 1),
        "loss": ("min", None, None),
    }
    own = {"task": "net.py:train", "metrics": {"accuracy": "max", "loss": {"direction": "min", "low": 0}}}
    assert study(of={**own, "criterion": {"metric": "loss", "threshold": 1}}).measures["loss"] == Measure(
        direction="min", low=0
    )


def test_a_claim_that_names_a_measure_is_of_scores(study, tmp_path):
    pair = {"a": {"dropout": 0.1}, "b": {"dropout": 0.2}}
    claims = [{"better": ["a", "b"], "measure": "loss"}, {"better": ["a", "b"]}]
    loaded = study(configurations=pair, claims=claims)
    assert [claim.axis for claim in loaded.claims] == ["score", "converging"]
    (tmp_path / "shown.yaml").write_text(dump(loaded))
    assert load(str(tmp_path / "shown.yaml")).claims == loaded.claims
