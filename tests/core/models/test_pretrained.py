"""Backbones with weights of ImageNet: the right ones, shared where frozen, and never fetched."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from seedsweep.core.errors import UserError
from seedsweep.core.models import pretrained
from seedsweep.core.models.backbones import EfficientnetLite0, InceptionV3, Small
from seedsweep.core.models.edram import Edram
from seedsweep.core.models.features import shared
from seedsweep.core.models.pretrained import Pretrained
from seedsweep.core.models.recurrent_attention import RecurrentAttention
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch

pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `efficientnet` is not installed")
FROZEN = {
    "backbone": {"name": "efficientnet_lite0", "weights": "imagenet"}, "frozen": True, "glimpses": 1, "glimpse_size": 32
}  # fmt: skip
LITE = RecurrentAttention.Settings(**FROZEN)
#: As in the report: of a backbone's features, the first state from glimpse 0's.
EDRAM = Edram.Settings(
    **FROZEN, extraction="gaussian", initial="overview", prediction="all", state=32, features=24, classifier=16
)
PRETRAINED, SCRATCH = Pretrained.Settings("imagenet"), Pretrained.Settings()


@pytest.mark.parametrize(("picture", "wanted"), [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_real_photographs_are_what_they_show(picture, wanted):
    """ImageNet's classes 281, 282 and 285 are cats, 967 is espresso."""
    from efficientnet_lite_pytorch import EfficientNet
    from skimage import data

    network = EfficientNet.from_name("efficientnet-lite0")
    path = pretrained.weights_file("efficientnet_lite0", "imagenet")
    network.load_state_dict(torch.load(path, weights_only=True))
    backbone = EfficientnetLite0(PRETRAINED, 3, 224)
    image = torch.from_numpy(getattr(data, picture)()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[-2:])
    top, left = ((length - side) // 2 for length in image.shape[-2:])
    square = F.interpolate(image[..., top : top + side, left : left + side], (224, 224), mode="area")
    with torch.no_grad():
        assert network._fc(backbone(square)).argmax().item() in wanted


@pytest.fixture
def colour(make_data):
    """A task of a backbone on colour images."""

    def made(settings):
        kind = Edram if isinstance(settings, Edram.Settings) else RecurrentAttention
        return kind(settings, make_data(side=64, channels=3, train=16, validation=8))

    return made


@pytest.mark.parametrize("settings", [LITE, EDRAM], ids=["attention", "edram"])
def test_frozen_features_of_the_overview_are_derived_once(settings, colour, members):
    task = colour(settings)
    assert list(task.check()) == []
    these = members(task, 1)
    assert these.splits["train"]["overview"].shape == (16, 1280)
    assert not any("backbone" in name for name in these.parameters)


@pytest.mark.parametrize("settings", [LITE, EDRAM], ids=["attention", "edram"])
def test_a_frozen_backbone_is_one_for_all_members_and_stays_as_it_is(settings, colour, members):
    task = colour(settings)
    these = members(task, 2)
    network = shared(EfficientnetLite0, PRETRAINED, 3, 32, torch.device("cpu"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = torch.arange(8).expand(2, -1)
    assert task.fused
    together, alone = (run(task.loss, "train", rows)["loss"] for run in (these.together, these.alone))
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)
    together.sum().backward()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "weights", "name"),
    [
        (LITE, "imagenet", "efficientnet_lite0"), (LITE, "", "efficientnet_lite0"), (LITE, "", "inception_v3"),
        (EDRAM, "imagenet", "efficientnet_lite0"),
    ],
)  # fmt: skip
def test_fine_tuned_one_member_at_a_time(settings, weights, name, colour):
    task = colour(replace(settings, backbone={"name": name, "weights": weights}, frozen=False, glimpse_size=75))
    assert not task.fused
    task.prepare()
    model, hp = task.model(), Values({"alpha": torch.tensor(0.5), "gamma": torch.tensor(1.0)})
    batch = Batch({**task.data.train, **task.derive(task.data.train)}, torch.arange(4))
    drawn = torch.get_rng_state()
    noted = {key: value.clone() for key, value in model.named_buffers() if "running" in key}
    (backbone,) = (module for module in model.modules() if isinstance(module, Pretrained))
    loss = task.loss(model.train(), batch, hp)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert any(parameter.grad.any() for parameter in backbone.parameters() if parameter.grad is not None)
    # Given statistics stay, and from a random start they are learnt.
    buffers = dict(model.named_buffers())
    assert noted
    assert all(torch.equal(value, buffers[key]) == bool(weights) for key, value in noted.items())
    # Nothing is drawn from torch's own generator.
    assert torch.equal(drawn, torch.get_rng_state())
    # In bfloat16 it is the same but for rounding.
    backbone.to(torch.bfloat16)
    coarse = task.loss(model, batch, hp)["loss"]
    assert coarse.item() == pytest.approx(loss.item(), rel=0.1)
    assert coarse.item() != loss.item()


def test_one_channel_from_scratch():
    stem = dict(EfficientnetLite0(SCRATCH, 1, 32).named_parameters())["network.network._conv_stem.weight"]
    assert stem.shape[1] == 1
    assert InceptionV3(SCRATCH, 1, 75).features == 2048


def test_what_a_backbone_cannot_be_made_of_is_a_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (line,) = InceptionV3.check(PRETRAINED, 3, 75, frozen=False)
    assert line.startswith("backbone.weights: ")
    assert "is not there, and nothing is fetched" in line
    (line,) = EfficientnetLite0.check(PRETRAINED, 1, 32, frozen=False)
    assert line == "backbone.weights: those of efficientnet_lite0 take 3 channels, and the data have 1"
    (line,) = EfficientnetLite0.check(SCRATCH, 1, 31, frozen=False)
    assert line.startswith("glimpse_size: 31 is out of range")
    assert list(EfficientnetLite0.check(PRETRAINED, None, 32, frozen=True)) == []
    (line,) = Small.check(Small.Settings(), 1, 16, frozen=True)
    assert line.startswith("frozen: the small backbone has no weights")


def test_a_foreign_file_is_one_line(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="holds no weights of this network"):
        EfficientnetLite0(Pretrained.Settings(str(path)), 3, 32)


def test_a_frozen_random_start_is_the_same_in_each_process():
    first, *_, again = (shared(EfficientnetLite0, SCRATCH, 1, side, torch.device("cpu")) for side in (32, 33, 34, 32))
    assert again is not first
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
