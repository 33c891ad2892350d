"""Every loss once more, pair by pair and step by step, as its source defines it.

Each takes lists of logits, targets and weights, and gives a float.
"""

from __future__ import annotations

from math import exp, log, log2

TINY = 1e-300


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def mean(values, weights):
    return sum(v * w for v, w in zip(values, weights, strict=True)) / max(sum(weights), TINY)


def over_pairs(term, values, targets, weights):
    """Mean of term(better minus worse) over the pairs that have a better one."""
    terms, weight = [], []
    for i in range(len(values)):
        for j in range(len(values)):
            if targets[i] > targets[j]:
                terms.append(term(values[i] - values[j]))
                weight.append(weights[i] * weights[j])
    return mean(terms, weight)


def l1(logits, targets, weights):
    return mean([abs(sigmoid(x) - t) for x, t in zip(logits, targets, strict=True)], weights)


def mse(logits, targets, weights):
    return mean([(sigmoid(x) - t) ** 2 for x, t in zip(logits, targets, strict=True)], weights)


def bce(logits, targets, weights):
    terms = [
        -t * log(sigmoid(x)) - (1 - t) * log(sigmoid(-x))
        for x, t in zip(logits, targets, strict=True)
    ]
    return mean(terms, weights)


def paper_g(delta, better, c):
    """Eq. 9 case by case; `better` is +1 where the first pose is the better one."""
    if better > 0:
        if delta >= 0:
            return 0.5 * (delta - c) ** 2 + 0.5 * delta**2
        return 0.5 * (delta - c) ** 2 - 0.5 * delta**2
    if delta >= 0:
        return 0.5 * (delta + c) ** 2 - 0.5 * delta**2
    return 0.5 * (delta + c) ** 2 + 0.5 * delta**2


def rank(logits, targets, weights, margin=0.5):
    scores = [sigmoid(x) for x in logits]
    pairs = over_pairs(lambda d: paper_g(d, 1, 2 * margin), scores, targets, weights)
    backwards = over_pairs(lambda d: paper_g(-d, -1, 2 * margin), scores, targets, weights)
    return l1(logits, targets, weights) + (pairs + backwards) / 2


def gaussian(logits, targets, weights):
    """The integral over z in [0, 1] of minus the exponent of a Gaussian, by Simpson's rule."""

    def minus_log_density(d):
        return sum(k * (z - d) ** 2 / 2 for k, z in ((1, 0), (4, 0.5), (1, 1))) / 6

    scores = [sigmoid(x) for x in logits]
    return mse(logits, targets, weights) + over_pairs(minus_log_density, scores, targets, weights)


def gaussian_cubic(logits, targets, weights):
    scores = [sigmoid(x) for x in logits]
    pairs = over_pairs(lambda d: (1 - d) ** 3 / 6, scores, targets, weights)
    return mse(logits, targets, weights) + pairs


def crps(logits, targets, weights):
    scores, terms, weight = [sigmoid(x) for x in logits], [], []
    for i in range(len(scores)):
        for j in range(i):
            terms.append(abs(scores[i] - scores[j]))
            weight.append(weights[i] * weights[j])
    return l1(logits, targets, weights) - mean(terms, weight) / 2


def ranknet(logits, targets, weights):
    return over_pairs(lambda d: -log(sigmoid(d)), logits, targets, weights)


def places(values, weights):
    """1 + the weight of all that is above; of equal ones the first is above."""
    count = range(len(values))
    return [1 + sum(weights[j] for j in count if (-values[j], j) < (-values[i], i)) for i in count]


def dcg(targets, weights, place):
    return sum(
        w * (2**t - 1) / log2(1 + p) for t, w, p in zip(targets, weights, place, strict=True)
    )


def lambdarank(logits, targets, weights):
    best = max(dcg(targets, weights, places(targets, weights)), 1e-10)
    place, total = places(logits, weights), 0.0
    for i in range(len(logits)):
        for j in range(len(logits)):
            if targets[i] > targets[j]:
                gain = (2 ** targets[i] - 2 ** targets[j]) / best
                discount = abs(1 / log2(1 + place[i]) - 1 / log2(1 + place[j]))
                surprise = -log2(sigmoid(logits[i] - logits[j]))
                total += weights[i] * weights[j] * gain * discount * surprise
    return total


def approx_ndcg(logits, targets, weights):
    place = [
        1 + sum(w * sigmoid(y - x) for j, (y, w) in enumerate(zip(logits, weights)) if j != i)  # noqa: B905
        for i, x in enumerate(logits)
    ]
    ideal = dcg(targets, weights, places(targets, weights))
    return -dcg(targets, weights, place) / max(ideal, 1e-10)


def neural_ndcg(logits, targets, weights):
    kept = [i for i, w in enumerate(weights) if w > 0]
    x = [logits[i] for i in kept]
    gain = [weights[i] * (2 ** targets[i] - 1) for i in kept]
    n = len(x)
    matrix = []
    for i in range(1, n + 1):
        row = [(n + 1 - 2 * i) * x[j] - sum(abs(x[j] - x[k]) for k in range(n)) for j in range(n)]
        matrix.append([exp(value - max(row)) for value in row])
        matrix[-1] = [value / sum(matrix[-1]) for value in matrix[-1]]
    for _ in range(50):
        columns = [sum(row[j] for row in matrix) for j in range(n)]
        matrix = [[row[j] / columns[j] for j in range(n)] for row in matrix]
        matrix = [[value / sum(row) for value in row] for row in matrix]
    gained = [sum(row[j] * gain[j] for j in range(n)) for row in matrix]
    discount = [1 / log2(1 + i) for i in range(1, n + 1)]
    ideal = dot(sorted(gain, reverse=True), discount)
    return -dot(gained, discount) / max(ideal, 1e-10)


def dot(values, factors):
    return sum(v * f for v, f in zip(values, factors, strict=True))


def ap_and_gradient(logits, targets, weights, positive=0.5):
    """From the lowest positive upwards, as the authors do it (delta = 1)."""

    def step(x):
        return min(max(x / 2 + 0.5, 0), 1)

    everyone = range(len(logits))
    right = sorted((i for i in everyone if targets[i] >= positive), key=lambda i: logits[i])
    wrong = [i for i in everyone if targets[i] < positive]
    count, best, lost, gradient = sum(weights[i] for i in right), 0.0, 0.0, [0.0] * len(logits)
    for i in right:
        if weights[i] == 0:
            continue
        others = [weights[k] * step(logits[k] - logits[i]) for k in right if k != i]
        true = sum(others) + weights[i]
        false = [weights[k] * step(logits[k] - logits[i]) for k in wrong]
        precision, easing = true / (true + sum(false)), 1.0
        if best <= precision:
            best = precision
        else:
            easing = (1 - best) / (1 - precision)
        for k, above in zip(wrong, false, strict=True):
            gradient[k] += weights[i] / count * easing * above / (true + sum(false))
        gradient[i] -= weights[i] / count * (1 - best)
        lost += weights[i] / count * (1 - best)
    return lost, gradient


def ap(logits, targets, weights, positive=0.5):
    return ap_and_gradient(logits, targets, weights, positive)[0]


def dr(logits, targets, weights, positive=0.5):
    def expected(scores, some, temperature):
        share = [w * exp(s / temperature) for s, w in zip(scores, some, strict=True)]
        return dot(scores, share) / sum(share)

    scores = [sigmoid(x) for x in logits]
    right = [w if t >= positive else 0.0 for t, w in zip(targets, weights, strict=True)]
    wrong = [w if t < positive else 0.0 for t, w in zip(targets, weights, strict=True)]
    high = expected(scores, wrong, 0.1 / log(3.5)) if any(wrong) else 0.0
    low = expected(scores, right, -1.0) if any(right) else 1.0
    return 4 * log(1 + exp(6 * (high - low + 0.5))) / 6


NAIVE = {
    "rank": rank,
    "gaussian": gaussian,
    "gaussian_cubic": gaussian_cubic,
    "crps": crps,
    "ranknet": ranknet,
    "lambdarank": lambdarank,
    "approx_ndcg": approx_ndcg,
    "neural_ndcg": neural_ndcg,
    "ap": ap,
    "dr": dr,
    "l1": l1,
    "mse": mse,
    "bce": bce,
}
