"""How many customers are sampled: 1 in 1, 2, 4, 8 ... so that an epoch stays bounded however many customers there are."""

from __future__ import annotations

from models.learning.config import LearnerConfig

_AIM, _RELEASE = 0.9, 0.6
"""Shares of the bound: doubled above the first (an epoch holds now more, now fewer), halved when it stays below the second."""


def next_rate(one_in: int, customers: int, config: LearnerConfig) -> int:
    """The k of "1 in k" for the next epoch. Powers of two, so that the customers of 2k are among those of k."""
    # Each customer sampled appears twice: taken, and matured.
    expected = 2.0 * customers * min(1.0, config.period_ms / config.cycle_ms)
    k = max(1, one_in)
    while expected / k > config.most_samples * _AIM:
        k *= 2
    while k > 1 and expected / (k // 2) < config.most_samples * _RELEASE:
        k //= 2
    return k
