"""The built-in tasks as the engine sees them."""

import numpy as np
import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.task import Task
from tests.core.models.small import TASKS, make


@pytest.fixture(params=TASKS)
def task(request, make_data) -> Task:
    return make(*TASKS[request.param], make_data())


@pytest.mark.parametrize("name", ["recurrent_attention", "edram", "unet", "multilevel_unet"])
def test_defaults_fit_and_need_no_data(name):
    task = make(name, {})
    assert list(task.check()) == []
    assert all(range_.default is not None for range_ in task.hyperparameters.values())
    assert task.fused


@pytest.fixture
def no_chance(monkeypatch):
    """What a member draws alone and together is the engine's: here nothing is left to chance."""
    monkeypatch.setattr(torch, "rand", lambda *size, device=None: torch.full(size, 0.6, device=device))


def test_members_together_are_members_alone(task, members, no_chance):
    assert list(task.check()) == []
    these = members(task)
    rows = torch.stack([torch.randperm(24, generator=torch.Generator().manual_seed(m))[:6] for m in range(3)])
    found = []
    for run in (these.together, these.alone):
        terms = run(task.loss, "train", rows)
        found.append((terms, torch.autograd.grad(terms["loss"].sum(), list(these.parameters.values()))))
    (terms, gradients), (terms_alone, gradients_alone) = found
    most = max(gradient.abs().max() for gradient in gradients_alone)
    for name, values in terms.items():
        assert values.shape == (3,)
        torch.testing.assert_close(values, terms_alone[name], msg=name)
    for gradient, alone in zip(gradients, gradients_alone, strict=True):
        assert (gradient - alone).abs().max() <= 1e-4 * most


def test_what_is_measured_is_of_each_sample(task, members, no_chance):
    """The whole in two batches is the whole in one."""
    these = members(task)
    kept = these.evaluated()
    assert all(len(values) == 10 for values in kept.values())
    whole = these.together(task.measure, "validation", torch.arange(10).expand(3, -1))
    # A reward is compared with the rest of the batch.
    of_the_batch = {"loss", "loss_reinforce"} if "loss_reinforce" in kept else set()
    for name in kept.keys() - of_the_batch:
        torch.testing.assert_close(kept[name], whole[name][0].detach(), msg=name)


def test_the_losses_terms_are_the_means_of_each_samples(task, members, no_chance):
    these = members(task)
    these.model.eval()
    rows = torch.arange(8).expand(3, -1)
    terms = these.together(task.loss, "validation", rows)
    of_each = these.together(task.measure, "validation", rows)
    for name, values in terms.items():
        torch.testing.assert_close(values, of_each[name].mean(1), msg=name)


def test_every_metric_is_summarised_within_its_ends(task, members):
    values = task.summarise(members(task).evaluated())
    assert set(task.metrics) <= set(values)
    assert all(isinstance(value, float) for value in values.values())
    for name, metric in task.metrics.items():
        assert metric.low is None or values[name] >= metric.low
        assert metric.high is None or values[name] <= metric.high


def test_windows_of_the_first_two_tumours(task, members):
    assert task.watched().tolist() == [1, 3]
    kept = members(task).evaluated()
    windows = task.windows(kept)
    assert windows.dtype == np.float32
    assert windows.shape[0] == 2
    assert windows.shape[2] == 4
    assert (np.abs(windows[..., :2]) <= 1).all()
    assert ((windows[..., 2:] >= 0) & (windows[..., 2:] <= 1)).all()


def test_windows_of_fixed_glimpses_are_as_large_as_the_settings_say(make_data, members):
    task = make(*TASKS["recurrent_attention"], make_data())
    windows = task.windows(members(task).evaluated())
    assert windows.shape == (2, 2, 4)
    assert windows[..., 2:] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("name", "settings", "extents"),
    [
        ("unet", {"level": 1, "depth": 1, "width": 2}, [1.0]),
        ("unet", {"level": 2, "depth": 1, "width": 2}, [0.5]),
        ("multilevel_unet", {"levels": 3, "depth": 1, "width": 2}, [1.0, 0.5, 0.25]),
    ],
)
def test_windows_of_u_nets_are_those_of_their_levels(name, settings, extents, make_data, members):
    task = make(name, settings, make_data())
    windows = task.windows(members(task).evaluated())
    assert windows.shape == (2, len(extents), 4)
    assert windows[0, :, 2:].tolist() == [[extent, extent] for extent in extents]


def test_slides_are_measured_where_the_data_have_them(make_data, members):
    name, settings = TASKS["recurrent_attention"]
    slides = {"slide_auc_mean", "slide_auc_max"}
    assert slides <= set(make(name, settings).metrics)
    assert not slides & set(make(name, settings, make_data()).metrics)
    task = make(name, settings, make_data(slides=True))
    assert slides <= set(task.metrics)
    assert slides <= set(task.summarise(members(task).evaluated()))


def test_coarse_parameters_are_there(task, members):
    assert any(name.startswith(task.coarse) for name in members(task).parameters)


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("recurrent_attention", {"frozen": True}, "settings.frozen: the small backbone has no weights"),
        ("recurrent_attention", {"backbone": "inception_v3"}, "settings.glimpse_size: 16 is out of range"),
        ("edram", {"state": 40}, "settings.state: 40 is no multiple of 32"),
        ("edram", {"glimpse_size": 13}, "settings.glimpse_size: 13 is out of range; the published network needs"),
        ("edram", {"frozen": True}, "settings.frozen: the published network has no weights"),
        ("edram", {"frozen": True, "backbone": "small"}, "settings.frozen: the small backbone has no weights"),
        ("edram", {"backbone": "inception_v3"}, "settings.glimpse_size: 26 is out of range; inception_v3 needs"),
        ("unet", {"depth": 5}, "settings.depth: a U-Net of this depth needs images of a side that 64 divides, not 32"),
        ("multilevel_unet", {"levels": 4, "depth": 3}, "settings.depth: a U-Net of this depth needs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_line(name, settings, line, make_data):
    assert any(problem.startswith(line) for problem in make(name, settings, make_data()).check())


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("edram", {"glimpses": 0}, "settings.glimpses: 0 is out of range"),
        ("edram", {"glimpse_size": 1}, "settings.glimpse_size: 1 is out of range; it must be at least 2"),
        ("edram", {"backbone": "publishd"}, "settings.backbone: there is no 'publishd'; did you mean published?"),
        ("edram", {"backbone": {"name": "published", "widths": [3]}}, "settings.backbone.widths: published has no"),
        ("recurrent_attention", {"backbone": "published"}, "settings.backbone: there is no 'published'"),
        ("recurrent_attention", {"emission": {"std": -1}}, "settings.emission.std: -1 is out of range"),
        ("recurrent_attention", {"emission": {"activation": "rleu"}}, "settings.emission.activation: there is no"),
        ("recurrent_attention", {"emission": {"stdd": 1}}, "settings.emission.stdd: there is no such field"),
        ("edram", {"convolutions": [4, 4, 0, 6, 8, 8]}, "settings.convolutions: 0 is out of range"),
        ("edram", {"initial": "middle"}, "settings.initial: there is no 'middle'"),
        ("recurrent_attention", {"backbone": "smal"}, "settings.backbone: there is no 'smal'; did you mean small?"),
        ("recurrent_attention", {"location": "aera"}, "settings.location: there is no 'aera'; did you mean area?"),
        ("recurrent_attention", {"backbone": "torch.nn:Linear"}, "settings.backbone: torch.nn:Linear is no subclass"),
        ("edram", {"extraction": "torch.nn:Linear"}, "settings.extraction: torch.nn:Linear is no subclass"),
        ("recurrent_attention", {"backbone": {"widths": [0]}}, "settings.backbone.widths: 0 is out of range"),
        ("recurrent_attention", {"extraction": {"sigma": 0}}, "settings.extraction.sigma: 0 is out of range"),
        ("edram", {"location": {"name": "area", "flor": 1}}, "settings.location.flor: there is no such field"),
        ("edram", {"location": {"name": "none", "floor": 1}}, "settings.location.floor: none has no settings"),
        ("unet", {"level": 3}, "settings.level: 3 is out of range; it must be from 1 to 2"),
    ],
)
def test_what_is_out_of_range_is_a_line(name, settings, line):
    with pytest.raises(UserError, match="^" + line.replace("?", r"\?")):
        make(name, settings)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda arrays: arrays.pop("mask"), "data: there is no array mask, which this task needs"),
        (lambda arrays: arrays.update(image=arrays["image"].float()), "data: image is of torch.float32"),
        (lambda arrays: arrays.update(image=arrays["image"][:, 0]), "data: image is [32, 32] of each sample"),
        (lambda arrays: arrays.update(mask=arrays["mask"][..., :16]), "data: mask is [1, 32, 16] of each sample"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_a_line(spoil, line, make_data, task):
    data = make_data()
    spoil(data.train)
    problems = list(type(task)(task.settings, data).check())
    assert any(problem.startswith(line) for problem in problems), problems
