"""BPR training has correct gradients and updates, and finds the structure of a planted log."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise._cli.demo import bpr, recommender
from equipoise._cli.demo.bpr import Adam, Recipe, pair_gradients, train
from equipoise._cli.demo.metrics import evaluate, most_popular
from equipoise._cli.demo.recommender import RECIPES
from support import splits
from support.splits import split_of

UNIFORM, POPULAR, WITHOUT_EXCLUSION, CORRECTED = RECIPES


@pytest.fixture(scope="module")
def planted_split():
    return splits.planted_split()


# ---- loss and optimizer --------------------------------------------------------------------------------


def loss(user, positive, negative, log_q, regularization):
    margin = (user * (positive - negative)).sum(axis=1) - log_q
    squares = (user**2).sum() + (positive**2).sum() + (negative**2).sum()
    return -np.log(1 / (1 + np.exp(-margin))).sum() + regularization / 2 * squares


@pytest.mark.parametrize("regularization", [0.0, 0.3])
def test_gradients_match_finite_differences_of_the_loss(any_seed, regularization):
    rng = np.random.default_rng(any_seed)
    vectors = list(rng.normal(size=(3, 5, 4)))
    log_q = rng.normal(size=5)
    gradients = pair_gradients(*vectors, log_q, regularization)
    step = 1e-6
    for which, gradient in enumerate(gradients):
        for cell in np.ndindex(5, 4):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in vectors]
                moved[which][cell] += sign * step
                ends.append(loss(*moved, log_q, regularization))
            assert gradient[cell] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_gradients_of_large_margins_are_finite_and_keep_the_dtype():
    far = np.full((2, 3), 1e3, np.float32) * np.array([[1], [-1]], np.float32)
    for gradient in pair_gradients(far, far, -far, 0.0, 0.02):
        assert gradient.dtype == np.float32
        assert np.isfinite(gradient).all()


def test_adam_updates_the_rows_of_the_batch_as_published():
    """The reference is algorithm 1 of Kingma and Ba in a plain loop over rows, where t counts batches."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(9, 3))
    expected, mean, square = values.copy(), np.zeros((9, 3)), np.zeros((9, 3))
    adam = Adam(values, 0.01)
    for t in range(1, 8):
        rows, gradients = rng.integers(0, 8, 12), rng.normal(size=(12, 3))
        adam.step(rows, gradients)
        for row in set(rows.tolist()):
            gradient = gradients[rows == row].sum(axis=0)
            mean[row] = 0.9 * mean[row] + 0.1 * gradient
            square[row] = 0.999 * square[row] + 0.001 * gradient**2
            corrected = mean[row] / (1 - 0.9**t), square[row] / (1 - 0.999**t)
            expected[row] -= 0.01 * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        np.testing.assert_allclose(values, expected, rtol=1e-6)


# ---- training ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_training_finds_planted_groups(planted_split, recipe):
    """Each user has 8 unseen items of the group, so 5 random ones hit the last item with chance 5/8."""
    popular = evaluate(most_popular(planted_split), planted_split, 5)
    found = evaluate(train(planted_split, recipe).scores, planted_split, 5)
    assert popular.recall < 0.25
    assert found.recall > 0.45
    assert found.ndcg > 2 * popular.ndcg
    assert found.coverage > 2 * popular.coverage


def test_the_same_arguments_give_the_same_model(planted_split):
    def fit(**changed):
        return train(planted_split, POPULAR, **{"epochs": 2, "dim": 8, "seed": 5, **changed})

    model = fit()
    for again in (fit(), fit(run=0)):
        assert model.users.tobytes() == again.users.tobytes()
        assert model.items.tobytes() == again.items.tobytes()
    for other in (fit(seed=6), fit(run=1), fit(epochs=3)):
        assert not np.array_equal(model.items, other.items)
    assert model.users.shape == (80, 9)
    assert (model.users[:, -1] == 1).all()
    assert model.users.dtype == model.items.dtype == model.scores(np.array([0])).dtype == np.float32


def test_recipes_of_one_run_start_from_the_same_vectors(monkeypatch, planted_split):
    monkeypatch.setattr(bpr, "LEARNING_RATE", 0.0)
    models = [train(planted_split, recipe, epochs=1) for recipe in RECIPES]
    assert all(np.array_equal(models[0].items, model.items) for model in models)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_sampler_gets_what_the_recipe_says(monkeypatch, planted_split, recipe):
    drawn = []

    class Listening(bpr.NegativeSampler):
        def sample(self, rows, num_negatives, **kwargs):
            answer = super().sample(rows, num_negatives, **kwargs)
            drawn.append((rows, answer.ids[:, 0]))
            return answer

    monkeypatch.setattr(bpr, "NegativeSampler", Listening)
    train(planted_split, recipe, epochs=20, dim=2)
    users, ids = map(np.concatenate, zip(*drawn, strict=True))
    pairs = users.size // 20
    assert pairs == planted_split.train.indices.size
    epochs = ids.reshape(20, pairs)
    assert len({epoch.tobytes() for epoch in epochs}) == 20
    known = np.zeros((80, 60), dtype=bool)
    known[np.repeat(np.arange(80), np.diff(planted_split.train.indptr)), planted_split.train.indices] = True
    assert known[users, ids].any() == (not recipe.exclude)
    popularity = np.bincount(planted_split.train.indices, minlength=60)
    correlation = np.corrcoef(popularity, np.bincount(ids, minlength=60))[0, 1]
    assert (correlation > 0.5) == recipe.popular


def test_the_log_q_correction_restores_popularity(planted_split):
    """All users are alike, so only popularity can be learned. Without the correction it is divided out."""
    rng = np.random.default_rng(0)
    share = np.repeat([4, 1], 10) / 50
    rows = [set(rng.choice(20, size=3, replace=False, p=share).tolist()) for _ in range(1500)]
    split = split_of(rows, rows, 20)

    def lead(recipe):
        """Return how far the scores of the ten popular items exceed the others on average."""
        scores = train(split, recipe, dim=1, epochs=60).scores(np.arange(1500)).mean(axis=0)
        return scores[:10].mean() - scores[10:].mean()

    uniform = lead(Recipe("", popular=False, exclude=False))
    plain = lead(Recipe("", popular=True, exclude=False))
    corrected = lead(Recipe("", popular=True, exclude=False, correct=True))
    assert corrected == pytest.approx(uniform, rel=0.25)
    assert plain < uniform / 2


def test_a_user_with_every_item_is_left_out_of_training():
    rows = [set(range(6)), *({u % 6, (u + 1) % 6} for u in range(12))]
    split = split_of(rows, [set(), *({(u + 2) % 6} for u in range(12))], 6)
    for recipe in RECIPES:
        model = train(split, recipe, epochs=2, dim=2)
        assert np.isfinite(model.scores(np.arange(13))).all()


# ---- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"epochs": 0}, ValueError, "epochs must be >= 1, got 0"),
        ({"epochs": 1.0}, TypeError, "epochs must be an integer, got float"),
        ({"dim": 0}, ValueError, "dim must be >= 1, got 0"),
        ({"seed": -1}, ValueError, r"seed must be in \[0, 18446744073709551615\], got -1"),
    ],
)
def test_wrong_settings_are_refused(planted_split, wrong, error, told):
    with pytest.raises(error, match=told):
        train(planted_split, UNIFORM, **wrong)
    with pytest.raises(error, match=told):
        recommender.run(planted_split, **wrong)
