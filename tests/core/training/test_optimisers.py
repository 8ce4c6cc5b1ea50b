"""Each optimiser is torch's, of every member with hyperparameters of its own."""

import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Training
from seedsweep.core.training.inputs import inputs_of
from seedsweep.core.training.optimisers import SGD, Adam, AdamW, clipped
from seedsweep.core.training.seeds import Member

SETTINGS = [
    (SGD, {"momentum": 0.0, "weight_decay": 0.0}, {}),
    (SGD, {"momentum": 0.9, "weight_decay": 0.0}, {}),
    (SGD, {"momentum": 0.9, "weight_decay": 0.03}, {"nesterov": True}),
    (Adam, {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0}, {}),
    (Adam, {"beta1": 0.5, "beta2": 0.9, "weight_decay": 0.1}, {}),
    (AdamW, {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1}, {}),
]


def torchs(kind, parameters, values, settings):
    options = {"lr": values["lr"], "weight_decay": values["weight_decay"], **settings}
    if kind is SGD:
        return torch.optim.SGD(parameters, momentum=values["momentum"], **options)
    betas = values["beta1"], values["beta2"]
    return (torch.optim.AdamW if kind is AdamW else torch.optim.Adam)(parameters, betas=betas, **options)


@pytest.mark.slow
@pytest.mark.parametrize("clip", [0.0, 4.0], ids=["", "clipped"])
@pytest.mark.parametrize(("kind", "values", "settings"), SETTINGS)
def test_a_hundred_steps_are_torchs(kind, values, settings, clip):
    """A quadratic bowl with noise, whose gradients stay far from rounding; three learning rates at once."""
    generator = torch.Generator().manual_seed(0)
    start, centre = (torch.randn(3, 10, generator=generator, dtype=torch.float64) for _ in range(2))
    noise = torch.randn(100, 3, 10, generator=generator, dtype=torch.float64)
    of_member = [{**values, "lr": lr} for lr in (0.003, 0.01, 0.03)]
    ours = start.clone()
    optimiser = kind(kind.Settings(**settings))
    state = {name: torch.zeros_like(ours) for name in optimiser.slots}
    decayed = torch.ones(10, dtype=torch.float64) if values["weight_decay"] else None
    theirs = [start[m].clone().requires_grad_() for m in range(3)]
    optimisers = [torchs(kind, [p], each, settings) for p, each in zip(theirs, of_member, strict=True)]
    cut = 0
    for step in range(100):
        scales = torch.tensor([optimiser.scales(each, step + 1) for each in of_member], dtype=torch.float64)
        gradient = 2 * (ours - centre) + noise[step]
        ours, state = optimiser.update(ours, clipped(gradient, clip) if clip else gradient, state, scales, decayed)
        for m, (parameter, one) in enumerate(zip(theirs, optimisers, strict=True)):
            parameter.grad = 2 * (parameter.detach() - centre[m]) + noise[step, m]
            if clip:
                cut += int(torch.nn.utils.clip_grad_norm_(parameter, clip) > clip)
            one.step()
    torch.testing.assert_close(ours, torch.stack([p.detach() for p in theirs]), rtol=1e-9, atol=1e-12)
    assert not clip or 0 < cut < 300


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_weight_decay_acts_on_what_is_not_left_out(kind):
    optimiser = kind()
    values = {name: bounds.default for name, bounds in kind.hyperparameters.items()}
    scales = torch.tensor([optimiser.scales({**values, "lr": 0.1, "weight_decay": 0.5}, 1)])
    weights = torch.ones(1, 2)
    state = {name: torch.zeros(1, 2) for name in optimiser.slots}
    weights, _ = optimiser.update(weights, torch.zeros(1, 2), state, scales, torch.tensor([1.0, 0.0]))
    assert weights[0, 0] < 1
    assert weights[0, 1] == 1


def test_clipping_is_of_each_members_whole_gradient():
    gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4], [float("nan"), 1.0]])
    torch.testing.assert_close(clipped(gradient, 1.0), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        (lambda self, values, step: values["rate"], r"test_optimisers\.py line \d+: Own\.scales: KeyError: rate"),
        (lambda self, values, step: None, r"test_optimisers\.py: Own\.scales gives None: a tuple of numbers is needed"),
        (
            lambda self, values, step: (1.0,) * step,
            r"Own\.scales gives \(1\.0,\): a tuple of numbers is needed, always",
        ),
    ],
)
def test_what_an_own_one_does_wrong_is_one_line(scales, words):
    own, training = type("Own", (SGD,), {"scales": scales})(), Training(steps=4, batch=2, evaluate_every=4)
    with pytest.raises(UserError, match=words) as refused:
        inputs_of(range(4), [Member(0, {"lr": 0.1})], ["lr"], training, own, 8, torch.device("cpu"), draws=False)
    assert "\n" not in str(refused.value)
