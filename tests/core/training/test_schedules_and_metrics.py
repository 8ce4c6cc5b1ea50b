import numpy as np
import pytest

from seedsweep.core.models.metrics import classification_metrics, slide_metrics
from seedsweep.core.training.schedules import Hyperparameters, batch_orders, step_decay


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (99, 1.0), (100, 0.1), (250, 0.01)])
def test_step_decay(step, expected):
    assert step_decay(1.0, 0.1, 100, step) == pytest.approx(expected)


def test_lr_and_gamma_decay_each_by_its_own():
    h = Hyperparameters(lr=1.0, lr_decay_steps=10, lr_decay_factor=0.5, gamma=2.0, gamma_decay_steps=4)
    assert (h.lr_at(25), h.gamma_at(9)) == (0.25, pytest.approx(0.02))


def test_an_epoch_shows_every_image_once_and_epochs_differ():
    epochs = [batch_orders(7, 20, 5, range(4 * e, 4 * e + 4)).ravel() for e in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    assert list(epochs[0]) != list(epochs[1])
    assert batch_orders(8, 20, 5, range(1)).tolist() != batch_orders(7, 20, 5, range(1)).tolist()


def test_steps_are_the_same_however_they_are_asked_for():
    """Across the border of two epochs, of which each leaves two images out."""
    together = batch_orders(7, 22, 5, range(2, 11))
    assert together.tolist() == [batch_orders(7, 22, 5, range(step, step + 1))[0].tolist() for step in range(2, 11)]


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch 8 is larger than the 5"):
        batch_orders(0, 5, 8, range(1))


def test_metrics_by_hand():
    labels = np.array([1, 1, 1, 0, 0])
    scores = np.array([[2.0, 1.0, -1.0, 0.5, -2.0], [-1, -1, -1, -1, -1], [3, 2, 1, -1, -2]])
    values = classification_metrics(scores, labels)
    assert values["accuracy"].tolist() == pytest.approx([0.6, 0.4, 1])
    assert values["precision"].tolist() == pytest.approx([2 / 3, 0, 1])
    assert values["recall"].tolist() == pytest.approx([2 / 3, 0, 1])
    assert values["f1"].tolist() == pytest.approx([2 / 3, 0, 1])
    # pairs (positive, negative): 2 and 1 beat both, -1 beats -2 only: 5 of 6; all tied: half; all right: 1
    assert values["auc"].tolist() == pytest.approx([5 / 6, 0.5, 1])


def test_auc_counts_pairs():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = np.round(rng.normal(size=(1, 60)) + labels, 1)  # rounding makes ties
    positive, negative = scores[0, labels == 1], scores[0, labels == 0]
    pairs = np.sign(positive[:, None] - negative[None, :])
    assert classification_metrics(scores, labels)["auc"][0] == pytest.approx((pairs.mean() + 1) / 2)


def test_auc_is_unknown_without_both_classes_or_with_a_score_that_is_not_finite():
    assert np.isnan(classification_metrics(np.zeros((1, 3)), np.ones(3, int))["auc"]).all()
    assert np.isnan(classification_metrics(np.array([[np.nan, 0.0]]), np.array([0, 1]))["auc"]).all()


def test_slides_by_mean_and_by_maximum():
    """Slide 0 is a tumour slide of one loud patch, slide 2 a normal one of middling patches; slide 1 has none."""
    logits = np.array([[4.0, -4.0, -4.0, 1.0, 1.0], [np.nan] * 5])
    found = slide_metrics(logits, np.array([0, 0, 0, 2, 2]), np.array([1, 1, 0]))
    assert found["slide_auc_mean"][0] == 0
    assert found["slide_auc_max"][0] == 1
    assert np.isnan(found["slide_auc_mean"][1])
