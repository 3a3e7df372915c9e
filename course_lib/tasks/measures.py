"""How good, how sure, and is the difference real: figures, intervals, comparisons, calibration.

The figures themselves are those of scikit-learn and SciPy. Intervals come from the bootstrap: the
test rows are drawn again with replacement, many times, and the figure is computed each time. That
is done with weights (how often is each row drawn?) for all draws at once.

Sources: Efron and Tibshirani 1993, chapter 13 (percentile intervals); Guo et al. 2017
(arXiv:1706.04599) for calibration; Dror et al. 2018 (ACL P18-1128) for comparing two models.

Axes: N rows, C classes, R draws.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats
from sklearn import metrics as library

BLOCK = 1 << 22  # weights that are held at a time


class Interval(NamedTuple):
    """A figure and what the rows it was measured on leave open."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


# --- figures --------------------------------------------------------------------------------------


def accuracy(predictions, labels) -> float:
    """Share of rows whose class is right."""
    return float(library.accuracy_score(*paired(predictions, labels)))


def f1(predictions, labels) -> float:
    """F1 of class 1, of two classes: the harmonic mean of precision and recall."""
    return float(library.f1_score(*paired(predictions, labels), zero_division=0.0))


def macro_f1(predictions, labels) -> float:
    """The mean of the F1 of each class that occurs."""
    return float(library.f1_score(*paired(predictions, labels), average="macro",
                                  zero_division=0.0))


def matthews(predictions, labels) -> float:
    """Matthews correlation: 0 for guessing, also where one class is frequent; 1 is perfect."""
    return float(library.matthews_corrcoef(*paired(predictions, labels)))


def pearson(predictions, labels) -> float:
    """How close to one straight line (0 where one side is constant)."""
    return correlation(stats.pearsonr, predictions, labels)


def spearman(predictions, labels) -> float:
    """Pearson's correlation of the ranks."""
    return correlation(stats.spearmanr, predictions, labels)


METRICS: dict[str, Callable] = {metric.__name__: metric for metric in (
    accuracy, f1, macro_f1, matthews, pearson, spearman)}


def metrics_for(*names: str) -> dict[str, Callable]:
    """Figures by name, as `finetuning.finetune` wants them. Raises ValueError for another name."""
    for name in names:
        if name not in METRICS:
            raise ValueError(f"the figure {name!r} is not known; choose of {', '.join(METRICS)}.")
    return {name: METRICS[name] for name in names}


def paired(predictions, labels) -> tuple[np.ndarray, np.ndarray]:
    """(labels, predictions), scikit-learn's order, as arrays (N,). Raises ValueError."""
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.shape != labels.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(f"predictions have the shape {predictions.shape}, labels {labels.shape}: "
                         "both must hold one value for each of at least one row.")
    return labels, predictions


def correlation(of: Callable, predictions, labels) -> float:
    labels, predictions = paired(predictions, labels)
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0  # not defined; a model that says the same of every row knows nothing
    return float(of(predictions, labels).statistic)


# --- intervals ------------------------------------------------------------------------------------


def interval(
    metric: str, predictions, labels, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """A figure of `METRICS` by name, with its bootstrap interval."""
    value = metrics_for(metric)[metric](predictions, labels)
    draws = bootstrap(weighted(metric, predictions, labels), len(labels), resamples, seed)
    return bounds(value, draws, level)


def interval_of_mean(
    values, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of one number a row (right or wrong, a question's F1), with its interval."""
    values = np.asarray(values, float)
    draws = bootstrap(lambda weights: weights @ values / len(values), len(values), resamples, seed)
    return bounds(values.mean(), draws, level)


def interval_of_f1(
    right, said, true, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """F1 of things found, 2 right / (said + true), with its interval; whole rows are drawn.

    right, said, true (N,): how many in each row (a sentence and its entities) were found and
    right, were found, and are there.
    """
    right, both = 2 * np.asarray(right, float), np.asarray(said, float) + np.asarray(true, float)

    def found(weights: np.ndarray) -> np.ndarray:
        return ratio(weights @ right, weights @ both)

    draws = bootstrap(found, len(right), resamples, seed)
    return bounds(float(found(np.ones(len(right)))), draws, level)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], rows: int, resamples: int = 2000, seed: int = 0
) -> np.ndarray:
    """A statistic of many draws of the rows with replacement (R,). `statistic` gets weights (r, N),
    how often each row was drawn, and gives (r,)."""
    rng, found = np.random.default_rng(seed), []
    at_once = max(1, BLOCK // rows)
    for start in range(0, resamples, at_once):
        number = min(at_once, resamples - start)
        drawn = rng.integers(rows, size=(number, rows)) + rows * np.arange(number)[:, None]
        times = np.bincount(drawn.ravel(), minlength=number * rows).reshape(number, rows)
        found.append(statistic(times.astype(float)))
    return np.concatenate(found)


def bounds(value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """The middle `level` of the draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def weighted(metric: str, predictions, labels) -> Callable[[np.ndarray], np.ndarray]:
    """The figure as a function of weights (r, N) -> (r,). With all weights 1 it is the figure."""
    labels, predictions = paired(predictions, labels)
    if metric in ("pearson", "spearman"):
        places = midranks if metric == "spearman" else lambda values: lambda weights: values
        x, y = places(predictions.astype(float)), places(labels.astype(float))
        return lambda weights: weighted_correlation(x(weights), y(weights), weights)
    number = int(max(predictions.max(), labels.max())) + 1
    number = max(number, 2)
    one_hot = np.eye(number * number)[labels * number + predictions]  # (N, C * C)

    def figure(weights: np.ndarray) -> np.ndarray:
        return OF_COUNTS[metric]((weights @ one_hot).reshape(-1, number, number))

    return figure


# Confusion counts (r, C, C), row = true class, column = said, to a figure (r,).


def accuracy_of(counts: np.ndarray) -> np.ndarray:
    return np.trace(counts, axis1=1, axis2=2) / counts.sum((1, 2))


def class_f1_of(counts: np.ndarray) -> np.ndarray:
    """(r, C)."""
    right = np.diagonal(counts, axis1=1, axis2=2)
    return ratio(2 * right, counts.sum(1) + counts.sum(2))


def macro_f1_of(counts: np.ndarray) -> np.ndarray:
    occurs = counts.sum(1) + counts.sum(2) > 0
    return class_f1_of(counts).sum(1) / occurs.sum(1)


def matthews_of(counts: np.ndarray) -> np.ndarray:
    """Gorodkin 2004, for any number of classes."""
    rows, right = counts.sum((1, 2)), np.trace(counts, axis1=1, axis2=2)
    true, said = counts.sum(2), counts.sum(1)
    spread = (rows**2 - (said**2).sum(1)) * (rows**2 - (true**2).sum(1))
    return ratio(right * rows - (true * said).sum(1), np.sqrt(spread))


OF_COUNTS = {"accuracy": accuracy_of, "f1": lambda counts: class_f1_of(counts)[:, 1],
             "macro_f1": macro_f1_of, "matthews": matthews_of}


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, 0 where there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(above, dtype=float), where=below > 0)


def midranks(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Ranks of values that are repeated as weights say: weights (r, N) -> ranks (r, N)."""
    order = np.argsort(values, kind="stable")
    _, first, group = np.unique(values[order], return_index=True, return_inverse=True)

    def ranks(weights: np.ndarray) -> np.ndarray:
        weights = np.atleast_2d(weights)
        size = np.add.reduceat(weights[:, order], first, axis=1)  # of each group of equal values
        middle = size.cumsum(1) - (size - 1) / 2
        found = np.empty_like(weights)
        found[:, order] = middle[:, group]
        return found

    return ranks


def weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation under weights (r, N) -> (r,); x and y (N,) or (r, N)."""
    weights = np.atleast_2d(weights)
    total = weights.sum(1, keepdims=True)
    x = x - (weights * x).sum(1, keepdims=True) / total
    y = y - (weights * y).sum(1, keepdims=True) / total
    together = (weights * x * y).sum(1)
    return ratio(together, np.sqrt((weights * x * x).sum(1) * (weights * y * y).sum(1)))


# --- two models on the same rows ------------------------------------------------------------------


class Comparison(NamedTuple):
    """By how much the second model is better, with its interval, and how often chance does that:
    p is twice the share of draws on the other side of 0."""

    difference: float
    low: float
    high: float
    p: float


def compare(
    metric: str, first, second, labels, *, resamples: int = 2000, level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Two models' predictions on the same rows, by a figure of `METRICS`: a paired bootstrap."""
    one, other = (weighted(metric, said, labels) for said in (first, second))
    figure = metrics_for(metric)[metric]
    draws = bootstrap(lambda weights: other(weights) - one(weights), len(labels), resamples, seed)
    found = bounds(figure(second, labels) - figure(first, labels), draws, level)
    side = min((draws <= 0).mean(), (draws >= 0).mean())
    return Comparison(*found, float(min(1.0, 2 * max(side, 1 / resamples))))


class McNemar(NamedTuple):
    """Rows that one model alone has right, and how often chance shares them out so unevenly."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first, second, labels) -> McNemar:
    """The exact test of McNemar (1947) on two models' right and wrong classes."""
    labels, first = paired(first, labels)
    _, second = paired(second, labels)
    only_first = int(((first == labels) & (second != labels)).sum())
    only_second = int(((second == labels) & (first != labels)).sum())
    differ = only_first + only_second
    p = stats.binomtest(only_first, differ).pvalue if differ else 1.0
    return McNemar(only_first, only_second, float(p))


# --- calibration: is 0.9 right in nine of ten? ----------------------------------------------------


class Bin(NamedTuple):
    """The rows whose largest probability lies in (low, high]."""

    low: float
    high: float
    confidence: float  # their mean probability of the class that was said; nan without rows
    accuracy: float
    rows: int


def reliability(probabilities, labels, bins: int = 15) -> list[Bin]:
    """Confidence and accuracy in bins of equal width: what a reliability diagram shows."""
    confidence, right = confidence_and_right(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, "left") - 1, 0, bins - 1)
    found = []
    for b in range(bins):
        here = place == b
        means = (confidence[here].mean(), right[here].mean()) if here.any() else (np.nan, np.nan)
        found.append(Bin(edges[b], edges[b + 1], *map(float, means), int(here.sum())))
    return found


def expected_calibration_error(probabilities, labels, bins: int = 15) -> float:
    """The mean distance of confidence and accuracy over the bins, weighted by their rows."""
    found = [b for b in reliability(probabilities, labels, bins) if b.rows]
    return float(np.average([abs(b.confidence - b.accuracy) for b in found],
                            weights=[b.rows for b in found]))


def confidence_and_right(probabilities, labels) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = matrix(probabilities), np.asarray(labels)
    sums = probabilities.sum(1)
    if (probabilities < 0).any() or (abs(sums - 1) > 1e-3).any():
        raise ValueError(f"row {abs(sums - 1).argmax()} sums to {sums[abs(sums - 1).argmax()]:.3f}:"
                         " give probabilities; `temper(logits)` makes them from logits.")
    return probabilities.max(1), probabilities.argmax(1) == labels


def temper(logits, temperature: float = 1.0) -> np.ndarray:
    """softmax(logits / temperature) (N, C): above 1 it makes a model less sure."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0.")
    return special.softmax(matrix(logits) / temperature, axis=1)


def fit_temperature(logits, labels) -> float:
    """The temperature with the lowest cross-entropy: fit it on validation rows, use it on others.

    No prediction changes by it. It stays between 0.05 and 20.
    """
    logits, labels = matrix(logits), np.asarray(labels)

    def loss(log_temperature: float) -> float:
        log_p = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -log_p[np.arange(len(labels)), labels].mean()

    widest = np.log(20)
    found = optimize.minimize_scalar(loss, bounds=(-widest, widest), method="bounded")
    return float(np.exp(found.x))


def matrix(rows) -> np.ndarray:
    """(N, C) from an array, a tensor or a list of tensors."""
    return np.stack([np.asarray(row, dtype=float) for row in rows])
