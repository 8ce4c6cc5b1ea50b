"""Where the emission starts, and what follows from it: with a large bias every location map is at its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from seedsweep.core.models.recurrent_attention import LOCATION_MAP, RecurrentAttention
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch, Data
from seedsweep.shards.sets.ellipses import Ellipses
from tests.core.models.small import SMALL_EDRAM, make

MAPS = sorted(LOCATION_MAP.built_in())
P = 3


@pytest.fixture(scope="module")
def ellipses() -> Data:
    """Black ellipses, of 32 px."""
    made, splits = Ellipses(Ellipses.Settings(size=32)), []
    for split, count in (("train", 12), ("validation", 8)):
        samples = [made.sample(split, index) for index in range(count)]
        splits.append({name: torch.from_numpy(np.stack([each[name] for each in samples])) for name in samples[0]})
    train, validation = splits
    return Data(train, validation, classes=2)


@pytest.fixture
def attention(ellipses):
    """A task, its model as seed 0 has it, and the training split as a batch."""

    def made(**settings) -> tuple[RecurrentAttention, torch.nn.Module, Batch]:
        own = {"glimpses": P, "glimpse_size": 8, "window": 0.4, "state": 16, **settings}
        task = make("recurrent_attention", own, replace(ellipses))
        assert list(task.check()) == []
        task.prepare()
        torch.manual_seed(0)
        return task, task.model(), Batch({**ellipses.train, **task.derive(ellipses.train)}, torch.arange(12))

    return made


HP = Values({"alpha": torch.tensor(0.5), "gamma": torch.tensor(1.0)})


def loss_of(task, model, batch, term: str) -> Tensor:
    """The mean of what is measured of each image: every location loss, whichever is trained."""
    return task.measure(model, batch, HP)[term].mean()


def gradient_of_the_emission(task, model, batch, term: str) -> Tensor:
    """Of one loss, of weights and biases."""
    loss, parameters = loss_of(task, model, batch, term), list(model.emission.parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])


def test_the_defaults_are_small_normal_weights_without_a_bias(attention):
    _, model, _ = attention(state=512, glimpses=0)
    assert model.emission.bias.tolist() == [0, 0]
    assert model.emission.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert model.where.bias.tolist() == [1] * 512


@pytest.mark.parametrize("values", [{"std": 0.3, "bias": -2.0}, {"std": 0.0}])
def test_weights_and_biases_at_the_start(attention, values):
    _, model, _ = attention(state=512, glimpses=0, emission=values, where_bias=0.25)
    assert model.emission.weight.std().item() == pytest.approx(values["std"], rel=0.1)
    assert model.emission.bias.tolist() == [values.get("bias", 0)] * 2
    assert model.where.bias.tolist() == [0.25] * 512


def test_a_relu_passes_no_negative_output(attention):
    _, model, _ = attention(emission={"std": 1.0, "activation": "relu"})
    _, plain, _ = attention(emission={"std": 1.0})
    states = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.emission(states), plain.emission(states).relu())
    assert (plain.emission(states) < 0).any()


@pytest.mark.parametrize("location_map", MAPS)
def test_an_emission_that_starts_large_gives_the_constant_6(attention, location_map):
    """All locations are the map's end: L_d is 2 a pair, and neither that loss nor any other moves them."""
    task, model, batch = attention(location_map=location_map, emission={"bias": 20.0}, location="distance")
    with torch.no_grad():
        measured = task.summarise(task.measure(model, batch, HP))
        locations = model(batch).locations
    assert measured["loss_distance"] == 2 * P
    assert measured["location_distance"] == 0
    assert measured["saturation"] == 1
    assert locations.unique().tolist() == [LOCATION_MAP.make(location_map)(torch.tensor(torch.inf)).item()]
    for term in ("loss", "loss_distance", "loss_area", "loss_mse"):
        assert (gradient_of_the_emission(task, model, batch, term) == 0).all()


@pytest.mark.parametrize("location_map", MAPS)
def test_where_locations_coincide_the_distance_loss_has_no_gradient_though_others_have(attention, location_map):
    """Not saturated: what keeps the locations together is the loss alone."""
    task, model, batch = attention(location_map=location_map, emission={"std": 0.0, "bias": 0.5}, location="distance")
    assert loss_of(task, model, batch, "loss_distance").item() == 2 * P
    assert (gradient_of_the_emission(task, model, batch, "loss_distance") == 0).all()
    assert (gradient_of_the_emission(task, model, batch, "loss_mse") != 0).any()


@pytest.mark.parametrize("location_map", MAPS)
def test_from_a_small_start_the_distance_loss_moves_the_locations(attention, location_map):
    task, model, batch = attention(location_map=location_map, location="distance")
    assert loss_of(task, model, batch, "loss_distance").item() < 2 * P
    assert (gradient_of_the_emission(task, model, batch, "loss_distance") != 0).any()


@pytest.mark.parametrize("extraction", ["spatial_transformer", "gaussian"])
def test_edrams_locations_can_settle_on_the_extremes(ellipses, extraction):
    """So that where no seed does, it is not for the measure's sake."""
    task = make("edram", {**SMALL_EDRAM, "extraction": extraction, "rank": 0.0}, replace(ellipses))
    task.prepare()
    torch.manual_seed(0)
    model, found = task.model(), []
    batch = Batch({**ellipses.train, **task.derive(ellipses.train)}, torch.arange(12))
    for x, y in [(0.0, 0.0), (9.0, -9.0)]:
        with torch.no_grad():
            model.emission.bias.copy_(torch.tensor([1.0, 0, x, 0, 1, y]))
            found.append(float(task.summarise(task.measure(model, batch, HP))["saturation"]))
    assert found == [0, 1]
