"""What a member draws is its own: the same alone and in company, and as torch's operations are distributed."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.func import vmap
from torch.nn import functional as F

from seedsweep.core.errors import UserError
from seedsweep.core.training.draws import Draws

KEYS = torch.tensor([3, -(2**62) + 5, 17])

#: Operation on a tensor [B,...] -> draws of the same shape, and the distribution function of each number.
OPERATIONS = {
    "rand": (lambda x: torch.rand(x.shape), stats.uniform.cdf),
    "rand_like": (torch.rand_like, stats.uniform.cdf),
    "uniform_": (lambda x: torch.empty_like(x).uniform_(-1, 3), stats.uniform(-1, 4).cdf),
    "randn": (lambda x: torch.randn(x.shape), stats.norm.cdf),
    "randn_like": (torch.randn_like, stats.norm.cdf),
    "normal_": (lambda x: torch.empty_like(x).normal_(2, 0.5), stats.norm(2, 0.5).cdf),
    "normal": (lambda x: torch.normal(torch.zeros_like(x), torch.full_like(x, 2.0)), stats.norm(0, 2).cdf),
    "exponential_": (lambda x: torch.empty_like(x).exponential_(2.0), stats.expon(0, 0.5).cdf),
}
COUNTED = {
    "bernoulli": (lambda x: torch.bernoulli(torch.full_like(x, 0.3)), {0: 0.7, 1: 0.3}),
    "bernoulli_": (lambda x: torch.empty_like(x).bernoulli_(0.3), {0: 0.7, 1: 0.3}),
    "dropout": (lambda x: F.dropout(torch.ones_like(x), 0.2), {0: 0.2, 1.25: 0.8}),
    "randint": (lambda x: torch.randint(2, 6, x.shape), dict.fromkeys(range(2, 6), 0.25)),
    "randint_like": (lambda x: torch.randint_like(x, 3), dict.fromkeys(range(3), 1 / 3)),
}
EVERY = {**OPERATIONS, **COUNTED}


def together(function, x: torch.Tensor) -> torch.Tensor:
    with Draws(KEYS):
        return vmap(function, randomness="different")(x)


def alone(function, x: torch.Tensor) -> torch.Tensor:
    results = []
    for key, own in zip(KEYS, x, strict=True):
        with Draws(key):
            results.append(function(own))
    return torch.stack(results)


@pytest.mark.parametrize("name", EVERY)
def test_alone_as_in_company_to_the_bit(name):
    x = torch.zeros(3, 6, 5)
    assert torch.equal(together(EVERY[name][0], x), alone(EVERY[name][0], x))


@pytest.mark.parametrize("name", EVERY)
def test_torchs_own_generator_is_left_alone(name):
    before = torch.get_rng_state()
    alone(EVERY[name][0], torch.zeros(3, 4))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_continuous_distribution(name):
    function, distribution = OPERATIONS[name]
    drawn = alone(function, torch.zeros(3, 20_000)).numpy().astype(np.float64)
    assert np.isfinite(drawn).all()
    assert stats.kstest(drawn.ravel(), distribution).pvalue > 1e-3


@pytest.mark.parametrize("name", COUNTED)
def test_a_discrete_distribution(name):
    function, shares = COUNTED[name]
    drawn = alone(function, torch.zeros(3, 20_000)).numpy().ravel()
    counts = [np.isclose(drawn, value).sum() for value in shares]
    assert sum(counts) == len(drawn)
    assert stats.chisquare(counts, [share * len(drawn) for share in shares.values()]).pvalue > 1e-3


def test_numbers_calls_keys_and_neighbouring_steps_are_unrelated():
    """The correlations of a thousand rows of uniform numbers are those of independent ones."""
    rows = []
    for key in range(250):
        with Draws(torch.tensor(key)):
            rows += [torch.rand(500) for _ in range(4)]
    correlations = np.corrcoef(torch.stack(rows).numpy())[np.triu_indices(1000, 1)]
    assert stats.kstest(correlations * 500**0.5, stats.norm.cdf).pvalue > 1e-3


def test_a_second_call_draws_other_numbers():
    with Draws(KEYS[0]) as draws:
        first, second = torch.rand(8), torch.rand(8)
    assert not torch.equal(first, second)
    assert draws.drawn == 2


def test_float64_has_its_own_digits():
    with Draws(KEYS[0]):
        drawn = torch.rand(1000, dtype=torch.float64)
    assert not torch.equal(drawn.float().double(), drawn)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.dropout(x, 0.0),
        lambda x: F.dropout(x, 0.5, training=False),
        lambda x: F.scaled_dot_product_attention(x, x, x),
    ],
)
def test_what_draws_nothing_is_let_through_and_not_counted(function):
    with Draws(KEYS[0]) as draws:
        function(torch.ones(1, 2, 4, 8))
    assert draws.drawn == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda: torch.randperm(20),
        lambda: torch.multinomial(torch.ones(40), 8),
        lambda: torch.distributions.Beta(torch.tensor(2.0), torch.tensor(3.0)).sample((8,)),
    ],
)
def test_what_has_no_answer_is_torchs_from_the_members_key(function):
    """Of one member alone; the state of torch's own generator does not change."""
    before, drawn = torch.get_rng_state(), []
    for key in (KEYS[0], KEYS[1], KEYS[0]):
        torch.rand(3)
        state = torch.get_rng_state()
        with Draws(key):
            drawn.append((function(), function()))
        assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(before)
    assert torch.equal(drawn[0][0], drawn[2][0])
    assert not torch.equal(drawn[0][0], drawn[1][0])
    assert not torch.equal(drawn[0][0], drawn[0][1])


def test_together_it_is_refused_in_one_line():
    with Draws(KEYS), pytest.raises(UserError, match=r"randperm.* draws for one member alone"):
        vmap(lambda x: x[torch.randperm(4)], randomness="different")(torch.zeros(3, 4))
