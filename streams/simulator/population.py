"""Draws the customers: each is of a persona, and differs from its typical customer in every habit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.replay.event import to_ms
from streams.settings import DAY_MS
from streams.simulator.personas import CATEGORIES, PERSONAS, Persona, swapped

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

OFFSETS: Final = (60, -300, 330)
"""Minutes from UTC to the own time of customers whose app sends that."""
FIRST_DAY: Final = date(2024, 10, 1)
"""Ninety days from here reach Christmas."""
_ANONYMOUS: Final = 0.05
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Config:
    """What is simulated. `start`: first day, UTC. `arriving`: share of customers who come first during the first half.

    `drift_at`: day, from 0, on which personas swap habits. `noise`: 1 is the usual difference between customers of one
    persona, 0 none. `local`: share of customers whose app sends local times with an offset instead of UTC.
    """

    customers: int = 20_000
    days: int = 90
    seed: int = 1
    start: date = FIRST_DAY
    arriving: float = 0.15
    drift_at: int | None = None
    noise: float = 1.0
    local: float = 0.0
    personas: tuple[Persona, ...] = PERSONAS

    @property
    def start_ms(self) -> int:
        """Midnight of the first day, ms since 1970."""
        return to_ms(datetime.combine(self.start, time(), UTC))

    def faults(self) -> list[str]:
        """What is wrong with it, each a sentence."""
        limits = (
            ("customers", self.customers, 1, 10_000_000),
            ("days", self.days, 1, 3_650),
            ("seed", self.seed, 0, 2**63 - 1),
            ("drift_at", self.drift_at or 0, 0, self.days - 1),
        )
        return [
            f"{name} is {value:,}: it must be between {low:,} and {high:,}"
            for name, value, low, high in limits
            if not low <= value <= high
        ]


@dataclass(frozen=True, slots=True)
class Habits:
    """One row a customer [n], or one row and a column for each choice [n, k]; choices as cumulative probabilities."""

    visits: F8  # a day
    weekend: F8
    hours: F8  # [n, 8]
    devices: F8
    mediums: F8
    categories: F8
    views: F8
    add: F8
    checkout: F8
    order: F8
    amount: F8
    coupon: F8
    discount: F8
    promotions: F8
    refund: F8
    opens: F8  # a day
    fade: F8  # a day; 0: none


@dataclass(frozen=True, slots=True)
class Population:
    """All customers. `arrived`, `churned`: day number; a churned one is silent from that day on. `offset`: minutes."""

    ids: tuple[str, ...]
    anonymous: NDArray[np.bool_]
    persona: I8
    arrived: I8
    churned: I8
    offset: I8
    habits: Habits


def populate(config: Config) -> Population:
    """The customers of a configuration: the same for the same seed."""
    generator = np.random.Generator(np.random.PCG64([config.seed, 1]))
    n, personas = config.customers, config.personas
    shares = np.array([persona.share for persona in personas])
    persona = generator.choice(len(personas), n, p=shares / shares.sum())
    late = generator.random(n) < config.arriving
    arrived = np.where(late, generator.integers(0, max(1, config.days // 2), n), 0)
    hazard = np.array([p.hazard for p in personas])[persona] * np.exp(0.4 * generator.standard_normal(n))
    stays = generator.exponential(1.0, n) / hazard
    churned = arrived + 1 + np.floor(np.minimum(stays, 1e6)).astype(np.int64)
    offset = np.where(generator.random(n) < config.local, generator.choice(np.array(OFFSETS), n), 0)
    anonymous = generator.random(n) < _ANONYMOUS
    width = len(str(n))
    ids = tuple(f"{'anon' if anonymous[i] else 'c'}-{i:0{width}d}" for i in range(n))
    habits = draw_habits(personas, persona, config.noise, generator)
    return Population(ids, anonymous, persona.astype(np.int64), arrived.astype(np.int64), churned, offset, habits)


def drifted(config: Config, population: Population) -> Population:
    """The same customers with the habits of the persona that theirs swaps with."""
    generator = np.random.Generator(np.random.PCG64([config.seed, 2]))
    swap = np.array(swapped(len(config.personas)))
    habits = draw_habits(config.personas, swap[population.persona], config.noise, generator)
    return replace(population, habits=habits)


def draw_habits(personas: tuple[Persona, ...], persona: I8, noise: float, generator: np.random.Generator) -> Habits:
    """Habits [n] of customers of the personas [n]."""
    n = len(persona)

    def spread(values: list[float], sigma: float) -> F8:
        """Positive figures, log-normal round the persona's."""
        return np.array(values)[persona] * np.exp(sigma * noise * generator.standard_normal(n))

    def share(values: list[float], sigma: float) -> F8:
        """Probabilities, normal round the persona's on the logit scale."""
        p = np.clip(np.array(values), 0.003, 0.997)[persona]
        drawn: F8 = 1.0 / (1.0 + np.exp(-(np.log(p / (1.0 - p)) + sigma * noise * generator.standard_normal(n))))
        return drawn

    def choice(weights: list[tuple[float, ...]], sigma: float) -> F8:
        """Cumulative probabilities of choices: the persona's weights, each with a factor of the customer's own."""
        table = np.array(weights, np.float64)
        own = table[persona] * np.exp(sigma * noise * generator.standard_normal((n, table.shape[1])))
        cumulative = np.cumsum(own, axis=1)
        return cumulative / cumulative[:, -1:]

    return Habits(
        visits=spread([p.visits_a_week / 7.0 for p in personas], 0.30),
        weekend=share([p.weekend for p in personas], 0.30),
        hours=choice([p.hours for p in personas], 0.30),
        devices=choice([p.devices for p in personas], 0.35),
        mediums=choice([p.mediums for p in personas], 0.30),
        categories=choice([_category_weights(p) for p in personas], 0.40),
        views=spread([p.views for p in personas], 0.20),
        add=share([p.add for p in personas], 0.25),
        checkout=share([p.checkout for p in personas], 0.30),
        order=share([p.order for p in personas], 0.30),
        amount=spread([p.amount for p in personas], 0.25),
        coupon=share([p.coupon for p in personas], 0.35),
        discount=share([p.discount for p in personas], 0.20),
        promotions=share([p.promotions for p in personas], 0.30),
        refund=share([p.refund for p in personas], 0.30),
        opens=spread([p.opens / 7.0 for p in personas], 0.30),
        fade=np.array([1.0 / p.fade_days if p.fade_days else 0.0 for p in personas])[persona],
    )


def churned_ms(config: Config, population: Population) -> I8:
    """When each customer fell silent, ms since 1970; the largest integer where that is after the end."""
    inside = population.churned < config.days
    churned: I8 = np.where(inside, config.start_ms + population.churned * DAY_MS, _NEVER)
    return churned


def _category_weights(persona: Persona) -> tuple[float, ...]:
    """`focus` on the favourites, the rest evenly on all."""
    total = sum(persona.favourites.values())
    even = (1.0 - persona.focus) / len(CATEGORIES)
    return tuple(even + persona.focus * persona.favourites.get(slug, 0.0) / total for slug in CATEGORIES)
