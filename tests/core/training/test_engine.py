"""Which members can train together is found by trying, and said in one line."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep.core.component import Metric
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training.batch import on_device
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.evaluation import prepared
from seedsweep.core.training.optimisers import SGD, Adam, AdamW

TRAINING = Training(steps=8, batch=8, evaluate_every=4)


@pytest.fixture
def engine(members):
    def chosen(task: Task, optimizer=None):
        optimizer = optimizer or Adam()
        return choose_engine(task, members(task, 0, optimizer=optimizer)[0], TRAINING, optimizer)

    return chosen


def test_what_agrees_trains_together(together, engine):
    assert engine(together).name == "fused"
    assert engine(together).reason == "members train together: the same as alone, to rounding"


def test_a_missing_batching_rule_is_named_with_what_to_do(make, engine):
    found = engine(make("lstm"))
    assert found.name == "loop"
    assert "aten::lstm" in found.reason
    assert "nn.LSTMCell in a loop" in found.reason


def test_a_spectral_norm_is_named_with_what_to_do(make, classifier, engine):
    class Spectral(classifier):
        def model(self):
            return nn.utils.parametrizations.spectral_norm(nn.Linear(20, 3))

    class Divided(classifier):
        def loss(self, model, batch, hp):
            weight = model[0].weight / torch.linalg.matrix_norm(model[0].weight, 2)
            return F.cross_entropy(model[2](F.relu(F.linear(batch["x"], weight))), batch["label"])

    assert "weight / torch.linalg.matrix_norm(weight, 2) trains together" in engine(make(Spectral)).reason
    assert engine(make(Divided)).name == "fused"


def test_members_that_are_told_to_train_together_and_cannot_say_what_to_do(make, members, cohort):
    task = make("lstm")
    with pytest.raises(UserError) as caught:
        cohort(task, members(task, 0, 1), 2).advance()
    assert "aten::lstm" in str(caught.value)
    assert "engine: fused; auto, or loop, trains them one after another" in str(caught.value)


def test_a_value_that_is_read_is_named_with_what_to_do(make, classifier, engine):
    class Reading(classifier):
        def loss(self, model, batch, hp):
            loss = F.cross_entropy(model(batch["x"]), batch["label"])
            return loss * 2 if loss.item() > 1 else loss

    found = engine(make(Reading))
    assert (found.name, ".item()" in found.reason) == ("loop", True)


def test_a_dropout_whose_probability_is_a_hyperparameter_is_told_of_ours(make, classifier, engine):
    class Dropping(classifier):
        def loss(self, model, batch, hp):
            return F.cross_entropy(model(F.dropout(batch["x"], p=hp.weight / 4)), batch["label"])

    found = engine(make(Dropping))
    assert (found.name, "seedsweep.dropout" in found.reason) == ("loop", True), found.reason


def test_members_that_share_something_do_not_train_together(make, classifier, engine):
    """A count outside of the model goes on with each call, alone twice, together once."""

    class Counting(classifier):
        calls = 0.0

        def loss(self, model, batch, hp):
            Counting.calls += 1
            return F.cross_entropy(model(batch["x"]), batch["label"]) * Counting.calls

    found = engine(make(Counting))
    assert found.name == "loop"
    assert "differs by" in found.reason


class Own(SGD):
    """Its slot is `momentum`."""

    def update(self, weights, gradient, state, scales, decayed):
        return weights - scales[:, :1] * self.direction(gradient), {"momentum": gradient + state["momentum"]}

    def direction(self, gradient):
        return gradient / gradient.norm(dim=1, keepdim=True)

    def again(self, gradient):
        self.calls = getattr(self, "calls", 0) + 1
        return gradient / self.calls


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, Own])
def test_an_optimiser_of_rows_trains_members_together(kind, task, engine):
    assert engine(task, kind()).reason == "members train together: the same as alone, to rounding"


#: By what an update mixes: the update's parts, and words of the line.
MIXED = {
    "a norm of all": ({"direction": lambda s, g: g / g.norm()}, r"the step of test_engine\.py: Mixed\.update differs"),
    "a scale of the first": (
        {"update": lambda s, w, g, state, scales, d: (w - scales[0, 0] * g, dict(state))},
        r"the step of test_engine\.py: Mixed\.update differs",
    ),
    "a slot of all": (
        {"update": lambda s, w, g, state, scales, d: (w, {"momentum": g - g.mean(0)})},
        r"the momentum after the step of test_engine\.py: Mixed\.update differs",
    ),
    "scales without an axis": (
        {"update": lambda s, w, g, state, scales, d: (w - scales[:, 0] * g, dict(state))},
        r"test_engine\.py line \d+: Mixed\.update: RuntimeError: The size of tensor",
    ),
}


@pytest.mark.parametrize("mixed", MIXED)
def test_an_optimiser_that_mixes_members_is_named_with_what_to_do(mixed, task, engine):
    methods, words = MIXED[mixed]
    found = engine(task, type("Mixed", (Own,), methods)())
    assert found.name == "loop"
    assert re.search(words, found.reason), found.reason
    assert "reduce over dim 1, as in gradient.norm(dim=1, keepdim=True)" in found.reason


def test_an_optimiser_that_remembers_outside_of_its_state_is_refused(task, engine):
    with pytest.raises(UserError, match=r"^test_engine\.py: Counting\.update gives another step at a second call"):
        engine(task, type("Counting", (Own,), {"direction": Own.again})())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            lambda w, state: (w.sum(0), dict(state)),
            r"weights of shape \[579\]: \[m, W\] is needed, a row a member, here \[1, 579\]",
        ),
        (lambda w, state: (w, {"momentum": w[:, 0]}), r"momentum of shape \[1\]: \[m, W\] is needed"),
        (lambda w, state: (w, {"momentum": 0.0}), r"momentum of type float: \[m, W\] is needed"),
        (lambda w, state: (w, {"first": w}), r"a state of first: its `slots` name momentum"),
        (lambda w, state: (w, {}), r"a state of nothing: its `slots` name momentum"),
        (lambda w, state: w, r"Tensor: weights and state are needed"),
    ],
)
def test_an_optimiser_gives_rows_and_its_slots(given, words, task, engine, members, trained):
    kind = type("Wrong", (Own,), {"update": lambda s, w, g, state, scales, d: given(w, state)})
    with pytest.raises(UserError, match=rf"^test_engine\.py: Wrong\.update gives {words}"):
        engine(task, kind())
    with pytest.raises(UserError, match=r"^test_engine\.py: Wrong\.update gives "):
        trained(task, members(task, 0, 1, optimizer=kind()), optimizer=kind())


def test_a_task_that_fails_in_float64_is_compared_in_float32_and_says_so(make, classifier, engine):
    class Single(classifier):
        def loss(self, model, batch, hp):
            if batch["x"].dtype != torch.float32:
                raise TypeError("float32 alone")
            return F.cross_entropy(model(batch["x"]), batch["label"])

    found = engine(make(Single))
    assert found.name == "fused"
    assert "compared in float32 to 0.01" in found.reason


def test_a_task_may_ask_for_one_after_another(make, classifier, engine):
    class Large(classifier):
        fused = False

    assert engine(make(Large)).reason == "members go one after another: Large asks for it"


def test_a_task_that_fails_alone_is_an_error_with_its_line(make, classifier, engine):
    class Failing(classifier):
        def loss(self, model, batch, hp):
            return F.cross_entropy(model(batch["y"]), batch["label"])

    with pytest.raises(UserError, match=r"test_engine\.py line \d+: Failing\.loss: RuntimeError: .*shapes"):
        engine(make(Failing))


class Images(Task):
    """A classifier of torchvision's, on tiny images."""

    metrics = {"accuracy": Metric("max", 0, 1)}

    def model(self):
        return self.build()

    def loss(self, model, batch, hp):
        return F.cross_entropy(model(batch["image"]), batch["label"])

    def measure(self, model, batch, hp):
        return {"accuracy": (model(batch["image"]).argmax(-1) == batch["label"]).float()}


def vit():
    from torchvision.models import VisionTransformer

    return VisionTransformer(32, 8, 2, 2, 16, 32, dropout=0.1, attention_dropout=0.1, num_classes=3)


def stock(name: str):
    def build() -> nn.Module:
        import torchvision.models

        return getattr(torchvision.models, name)(num_classes=3)

    return build


def stepped(task: Task, who, group: int) -> torch.Tensor:
    """How far the last member's weights go in two steps."""
    one = Cohort(task, who, TRAINING, SGD(), group)
    before = one.state()["weights"][-1].clone()
    for _ in range(2):
        one.train_step()
    return one.state()["weights"][-1] - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "name", "words"),
    [
        (stock("resnet18"), "fused", "to rounding"),
        (stock("mobilenet_v3_small"), "fused", "to rounding"),
        (stock("efficientnet_b0"), "loop", "stochastic depth"),
        (vit, "fused", "to rounding"),
    ],
    ids=["resnet18", "mobilenet_v3_small", "efficientnet_b0", "vit"],
)
def test_stock_models(build, name, words, engine, members):
    generator = torch.Generator().manual_seed(0)
    split = {"image": torch.rand(8, 3, 32, 32, generator=generator).numpy(), "label": torch.arange(8).numpy() % 3}
    kind = type("Stock", (Images,), {"build": staticmethod(build)})
    task = prepared(kind(data=on_device({"train": split, "validation": split}, classes=3, batch=8)))
    found = engine(task)
    assert found.name == name
    assert words in found.reason
    who = members(task, 0, 1, optimizer=SGD(), lr=0.001)
    alone = stepped(task, who[1:], 1)
    assert torch.equal(stepped(task, who, 1), alone)
    if name == "fused":
        # Normalisations and relus make percents of float32's rounding; other draws would make all of it.
        assert (stepped(task, who, 2) - alone).norm() < 0.05 * alone.norm()
