"""Backbones with weights of ImageNet: the right ones, shared where frozen, and never fetched."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seedsweep.core.models import AttentionSettings, pretrained
from seedsweep.core.models.pretrained import PretrainedError
from seedsweep.core.task import TaskSettings, make_task
from seedsweep.core.training.cohort import ENGINES, PRECISIONS, Cohort, TrainingSettings, engines
from seedsweep.core.training.schedules import Hyperparameters, Member
from seedsweep.shards.samples import DataSettings
from tests.conftest import make_split

pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `efficientnet` is not installed")
LITE = AttentionSettings(backbone="efficientnet_lite0", weights="imagenet", frozen=True, glimpses=1, glimpse_size=32)
MEMBERS = [Member(seed, Hyperparameters()) for seed in range(2)]


@pytest.mark.parametrize(("picture", "wanted"), [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_real_photographs_are_what_they_show(picture, wanted):
    """ImageNet's classes 281, 282 and 285 are cats, 967 is espresso."""
    from efficientnet_lite_pytorch import EfficientNet
    from skimage import data

    network = EfficientNet.from_name("efficientnet-lite0")
    path = pretrained.weights_file("efficientnet_lite0", "imagenet")
    network.load_state_dict(torch.load(path, weights_only=True))
    backbone = pretrained.efficientnet_lite0(3, 224, "imagenet")
    image = torch.from_numpy(getattr(data, picture)()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = ((length - side) // 2 for length in image.shape[-2:])
    square = F.interpolate(image[..., top : top + side, left : left + side], (224, 224), mode="area")
    with torch.no_grad():
        assert network._fc(backbone(square)).argmax().item() in wanted


def colour_task(model: AttentionSettings):
    data = DataSettings("pattern2_rgb", size=64, train=16, validation=8, field=16)
    return make_task(TaskSettings(model), make_split(data, "train"), make_split(data, "validation"))


def test_frozen_features_of_the_overview_are_computed_once():
    task = colour_task(LITE)
    assert task.train.overview.shape == (16, 1280)
    assert not any("backbone" in name for name, _ in task.build(0).named_parameters())


def test_frozen_engines_agree_and_leave_the_backbone_alone():
    task = colour_task(LITE)
    shared = pretrained.shared("efficientnet_lite0", 3, 32, "imagenet", "cpu")
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    rows = []
    assert engines(LITE) == ENGINES
    for at_once in (1, len(MEMBERS)):
        cohort = Cohort(task, MEMBERS, TrainingSettings(2, 8, 2), at_once)
        cohort.advance()
        rows.append(cohort.evaluations[-1])
    np.testing.assert_allclose(*rows, atol=2e-3)
    assert all(torch.equal(before[name], value) for name, value in shared.state_dict().items())


@pytest.mark.parametrize(
    ("weights", "name"), [("imagenet", "efficientnet_lite0"), ("", "efficientnet_lite0"), ("", "inception_v3")]
)
def test_fine_tuned_one_member_at_a_time(weights, name):
    model = replace(LITE, backbone=name, weights=weights, frozen=False, glimpse_size=75)
    assert engines(model) == ("loop",)
    task = colour_task(model)
    cohort = Cohort(task, MEMBERS[:1], TrainingSettings(1, 2, 1), 1)
    before, drawn = cohort._parameters.values.clone(), torch.get_rng_state()
    noted = {key: value.clone() for key, value in cohort._buffers.items() if "running" in key}
    cohort.advance()
    assert not torch.equal(before, cohort._parameters.values)
    # Given statistics stay, and from a random start they are learnt.
    assert noted
    assert all(torch.equal(value, cohort._buffers[key]) == bool(weights) for key, value in noted.items())
    # A member's randomness comes from its seed alone.
    assert torch.equal(drawn, torch.get_rng_state())
    assert np.isfinite(cohort.evaluations[-1][:, cohort.columns.index("f1")]).all()


@pytest.mark.parametrize(("weights", "name"), [("imagenet", "efficientnet_lite0"), ("", "inception_v3")])
def test_fine_tuned_in_bfloat16_is_fine_tuned_but_for_rounding(weights, name):
    task = colour_task(replace(LITE, backbone=name, weights=weights, frozen=False, glimpse_size=75))
    losses = []
    for precision in PRECISIONS:
        cohort = Cohort(task, MEMBERS[:1], TrainingSettings(1, 8, 1, precision=precision), 1)
        cohort.advance()
        losses.append(cohort._train_loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] != losses[0]


def test_one_channel_from_scratch():
    model = replace(LITE, weights="", frozen=False)
    data = DataSettings("pattern2", size=64, train=8, validation=8, field=16)
    task = make_task(TaskSettings(model), make_split(data, "train"), make_split(data, "validation"))
    assert dict(task.build(0).named_parameters())["backbone.network.network._conv_stem.weight"].shape[1] == 1


def test_weights_that_are_not_there_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(PretrainedError, match="is not there, and nothing is fetched"):
        pretrained.check("inception_v3", 3, "imagenet")
    with pytest.raises(PretrainedError, match="take 3 channels and the data have 1"):
        pretrained.check("efficientnet_lite0", 1, "imagenet")


def test_a_foreign_file_is_one_line(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(PretrainedError, match="holds no weights of this network"):
        pretrained.efficientnet_lite0(3, 32, str(path))
