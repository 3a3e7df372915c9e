"""Figures: those of scikit-learn and SciPy, intervals that cover, comparisons, calibration."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as library

from course_lib.tasks import measures

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 200)
SAID = np.where(RNG.random(200) < 0.7, LABELS, RNG.integers(0, 3, 200))
TWO, SAID_TWO = LABELS % 2, SAID % 2
TRUE = RNG.normal(size=150).round(1)  # with ties
GUESS = (TRUE + RNG.normal(size=150)).round(1)


def rows_for(metric):
    if metric in ("pearson", "spearman"):
        return GUESS, TRUE
    return (SAID_TWO, TWO) if metric == "f1" else (SAID, LABELS)


LIBRARY = {
    "accuracy": lambda said, true: library.accuracy_score(true, said),
    "f1": lambda said, true: library.f1_score(true, said, zero_division=0.0),
    "macro_f1": lambda said, true: library.f1_score(true, said, average="macro"),
    "matthews": lambda said, true: library.matthews_corrcoef(true, said),
    "pearson": lambda said, true: stats.pearsonr(said, true).statistic,
    "spearman": lambda said, true: stats.spearmanr(said, true).statistic,
}


@pytest.mark.parametrize("metric", measures.METRICS)
def test_figures_are_the_librarys_also_on_drawn_rows(metric):
    said, true = rows_for(metric)
    tensors = torch.tensor(said), torch.tensor(true)
    assert measures.METRICS[metric](*tensors) == pytest.approx(LIBRARY[metric](said, true))
    of_weights = measures.weighted(metric, said, true)
    assert of_weights(np.ones((1, len(true)))) == pytest.approx(LIBRARY[metric](said, true))
    draws = RNG.integers(0, len(true), (5, len(true)))
    weights = np.stack([np.bincount(draw, minlength=len(true)) for draw in draws]).astype(float)
    expected = [LIBRARY[metric](said[draw], true[draw]) for draw in draws]
    assert of_weights(weights) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["accuracy", "spearman"])
def test_intervals_are_scipys(metric):
    said, true = rows_for(metric)
    ours = measures.interval(metric, said, true, resamples=4000)
    theirs = stats.bootstrap((said, true), LIBRARY[metric], paired=True, vectorized=False,
                             n_resamples=1000, method="percentile", rng=1).confidence_interval
    assert ours.low < ours.value < ours.high
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.02)
    assert ours == measures.interval(metric, said, true, resamples=4000)
    assert ours != measures.interval(metric, said, true, resamples=4000, seed=1)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        right = np.random.default_rng(seed).random(150) < 0.8
        found = measures.interval_of_mean(right, resamples=400, seed=seed)
        covered += found.low <= 0.8 <= found.high
    assert 0.88 < covered / 200 < 0.99


def test_the_interval_of_entities():
    right, said, true = (RNG.integers(0, 3, 80) for _ in range(3))
    said, true = right + said, right + true
    found = measures.interval_of_f1(right, said, true)
    assert found.value == pytest.approx(2 * right.sum() / (said.sum() + true.sum()))
    draw = np.random.default_rng(3).integers(0, 80, (3000, 80))
    f1 = 2 * right[draw].sum(1) / (said[draw].sum(1) + true[draw].sum(1))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(f1, [0.025, 0.975])),
                                                    abs=0.01)
    nothing = measures.interval_of_f1([0, 0], [0, 0], [0, 0])
    assert nothing.value == nothing.high == 0


def test_many_rows_need_little_memory(monkeypatch):
    seen = []
    monkeypatch.setattr(measures, "BLOCK", 1000)
    measures.bootstrap(lambda w: seen.append(w.shape) or w.mean(1), 300, resamples=10)
    assert seen == [(3, 300)] * 3 + [(1, 300)]


def test_a_better_model_is_found_better():
    worse = np.where(RNG.random(200) < 0.3, (SAID + 1) % 3, SAID)
    found = measures.compare("accuracy", worse, SAID, LABELS)
    assert 0 < found.low < found.difference < found.high and found.p < 0.01
    same = measures.compare("macro_f1", SAID, SAID, LABELS)
    assert same.difference == same.low == same.high == 0 and same.p == 1
    other = measures.compare("accuracy", SAID, worse, LABELS)
    assert other.difference == -found.difference and other.p < 0.01


def test_mcnemar():
    labels = np.ones(20, int)
    first, second = labels.copy(), labels.copy()
    first[:3], second[3:12] = 0, 0
    found = measures.mcnemar(first, second, labels)
    assert (found.only_first, found.only_second) == (9, 3)
    assert found.p == pytest.approx(stats.binomtest(3, 12).pvalue)
    assert measures.mcnemar(first, first, labels).p == 1


# --- calibration ----------------------------------------------------------------------------------


def sure_model(rows=4000, temperature=1.0, seed=0):
    """Logits that are right exactly as often as softmax(logits) says, times `temperature`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 3)) * 2
    labels = [rng.choice(3, p=row) for row in measures.temper(logits)]
    return logits * temperature, np.array(labels)


def test_a_calibrated_model_has_a_small_error_and_a_too_sure_one_a_large():
    logits, labels = sure_model()
    assert measures.expected_calibration_error(measures.temper(logits), labels) < 0.025
    too_sure = measures.temper(logits * 3)
    assert measures.expected_calibration_error(too_sure, labels) > 0.08
    assert measures.fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.1)
    assert measures.fit_temperature(torch.tensor(logits) / 2, labels) == pytest.approx(0.5, rel=0.1)


def test_the_error_by_hand():
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]]
    labels = [0, 1, 1, 1]
    bins = measures.reliability(probabilities, labels, bins=10)
    assert [b.rows for b in bins] == [0, 0, 0, 0, 0, 1, 0, 0, 2, 1]
    assert np.isnan(bins[0].confidence) and bins[8].accuracy == 0.5
    expected = (2 * abs(0.9 - 0.5) + abs(0.6 - 1) + 0) / 4
    assert measures.expected_calibration_error(probabilities, labels, 10) == pytest.approx(expected)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="row 1 sums to 3.000.*temper"):
        measures.expected_calibration_error([[0.5, 0.5], [1.0, 2.0]], [0, 1])
    with pytest.raises(ValueError, match=r"shape \(2,\), labels \(3,\)"):
        measures.accuracy([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="'auc' is not known; choose of accuracy, f1"):
        measures.interval("auc", [0], [1])
    with pytest.raises(ValueError, match="temperature is 0"):
        measures.temper([[1.0, 2.0]], 0)
    assert measures.spearman([1.0, 1.0], [0.0, 3.0]) == 0.0
    assert str(measures.Interval(0.87, 0.85, 0.894)) == "0.870 (0.850 to 0.894)"
