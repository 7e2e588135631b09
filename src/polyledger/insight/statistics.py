"""Intervals and shrinkage: what a figure over a few markets can be trusted to say.

All functions take and give arrays, one entry per wallet (or wallet and category). A market counts once, however many
fills it had: fills of one market stand and fall together. Nothing here divides by zero; where there is not enough
data, the entry is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z_95: Final = 1.959963984540054
"""The normal quantile of a 95 % interval."""
_PRIOR_MARKETS: Final = 5.0
"""How many markets' worth of weight the spread of all wallets has in the spread assumed for one of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, and the figure shrunk towards that of all wallets."""

    value: Floats
    low: Floats
    high: Floats
    shrunk: Floats


def wilson(successes: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """The Wilson score interval (95 %) of a share; NaN where there was no trial."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = successes / trials
        z2 = Z_95 * Z_95
        centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
        half = Z_95 / (1 + z2 / trials) * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
        low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
    # Exact at the ends: rounding must not leave 1e-17 where no success was seen.
    return np.where(successes == 0, np.where(trials > 0, 0.0, np.nan), low), np.where(
        (successes == trials) & (trials > 0), 1.0, high
    )


@dataclass(frozen=True, slots=True)
class SharePrior:
    """What is known of a share before a wallet is looked at: a beta distribution of this mean and weight in trials."""

    mean: float
    weight: float


def fit_share(successes: Floats, trials: Floats) -> SharePrior | None:
    """The beta prior of all entries by moments (Kleinman); None where nobody tried.

    The weight is infinite where entries do not differ by more than coin tosses would.
    """
    seen = trials > 0
    if not bool(seen.any()):
        return None
    k, n = successes[seen], trials[seen]
    total = float(n.sum())
    mean = float(k.sum()) / total
    noise = mean * (1 - mean)
    # The variance between wallets beyond that of coin tosses, weighted by trials.
    excess = float((n * (k / n - mean) ** 2).sum()) - (len(n) - 1) * noise
    scale = total - float((n * n).sum()) / total
    variance = excess / scale if scale > 0 else 0.0
    if noise <= 0 or variance <= 0:
        return SharePrior(mean, math.inf)
    return SharePrior(mean, max(noise / variance - 1, 0.0))


def share(successes: Floats, trials: Floats, prior: SharePrior | None) -> Estimate:
    """A share of successes with Wilson's interval, and what it is with the prior taken in."""
    low, high = wilson(successes, trials)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = successes / trials
    if prior is None:
        shrunk = np.full_like(value, np.nan)
    elif math.isinf(prior.weight):
        shrunk = np.where(trials > 0, prior.mean, np.nan)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            shrunk = (successes + prior.weight * prior.mean) / (trials + prior.weight)
        shrunk = np.where(trials > 0, shrunk, np.nan)
    return Estimate(value, low, high, shrunk)


@dataclass(frozen=True, slots=True)
class RatioSums:
    """Sums over the markets of each entry: of numerator x, of weight w, of their squares and product, and how many."""

    x: Floats
    w: Floats
    xx: Floats
    xw: Floats
    ww: Floats
    n: Floats


@dataclass(frozen=True, slots=True)
class RatioPrior:
    """What is known of a ratio before a wallet is looked at.

    Attributes:
        mean: of all wallets, weighted by their certainty.
        between: the variance of the true ratios between wallets.
        within: the variance over the markets of one wallet, per market.
    """

    mean: float
    between: float
    within: float


def fit_ratio(sums: RatioSums) -> RatioPrior | None:
    """The prior of all entries by moments (DerSimonian and Laird); None where no entry has two markets."""
    seen = (sums.w > 0) & (sums.n > 0)
    degrees = float((sums.n[seen] - 1).sum())
    if degrees <= 0:
        return None
    value, residuals = _ratios(sums)
    within = float(residuals[seen].sum()) / degrees
    error = np.sqrt(_variance(residuals[seen], sums.n[seen], within) / sums.n[seen])
    own = value[seen]
    if within <= 0:
        return RatioPrior(float(own.mean()), float(own.var()), 0.0)
    weight = 1 / (error * error)
    mean = float((weight * own).sum() / weight.sum())
    excess = float((weight * (own - mean) ** 2).sum()) - (len(own) - 1)
    scale = float(weight.sum() - (weight * weight).sum() / weight.sum())
    return RatioPrior(mean, max(excess / scale, 0.0) if scale > 0 else 0.0, within)


def ratio(sums: RatioSums, prior: RatioPrior | None) -> Estimate:
    """The ratio Σx / Σw, for example profit per dollar, with an interval and shrunk towards the mean of all.

    The spread of one entry over its markets is mixed with the spread that all entries have, weighted as if five
    markets had been seen of the latter: three equal wins do not make a certainty.
    """
    value, residuals = _ratios(sums)
    nothing = np.full_like(value, np.nan)
    if prior is None:
        return Estimate(value, nothing, nothing.copy(), nothing.copy())
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(_variance(residuals, sums.n, prior.within) / sums.n)
        squared = error * error
        trust = np.where(squared > 0, prior.between / (prior.between + squared), 1.0)
    shrunk = prior.mean + trust * (value - prior.mean)
    return Estimate(value, value - Z_95 * error, value + Z_95 * error, shrunk)


def _ratios(sums: RatioSums) -> tuple[Floats, Floats]:
    """Each ratio, and the squared residuals of its markets in units of their mean weight."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(sums.w > 0, sums.x / sums.w, np.nan)
        residuals = np.maximum(sums.xx - 2 * value * sums.xw + value * value * sums.ww, 0.0)
        return value, residuals * (sums.n / sums.w) ** 2


def _variance(residuals: Floats, n: Floats, within: float) -> Floats:
    return np.asarray((_PRIOR_MARKETS * within + residuals) / (_PRIOR_MARKETS + n - 1), dtype=np.float64)
