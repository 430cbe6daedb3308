"""A sweep of one partition, a stretch at a time: matured samples out, all customers looked at, new samples in, the mark."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
import numpy as np

from models.pending import Block
from models.table import Table
from streams.contracts.samples import MARK_KEY, Label, Mark, Sample
from streams.scoring.partition import Partition
from streams.scoring.publish import Trigger
from streams.settings import Settings

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Plan:
    """When samples are taken and mature. Times in ms. `cap`: records that one transaction of a sweep may write."""

    period: int
    horizon: int
    sample_every: int
    cap: int

    @property
    def phases(self) -> int:
        """A customer is sampled at one in so many sweeps."""
        return max(1, round(self.sample_every / self.period))


def plan_of(settings: Settings) -> Plan:
    """When samples are taken and mature."""
    day = 86_400_000
    return Plan(
        settings.period_ms, round(settings.horizon_days * day), round(settings.sample_every_days * day), settings.sweep_cap
    )


@dataclass(slots=True)
class Room:
    """Rows and samples that the sweeps of all partitions may still write into the open transaction."""

    left: int


def room_of(plan: Plan, rows_at_most: int | None = None) -> Room:
    """Of a transaction that holds no sweep yet, nor more rows than that: a row may be written with the change that it moved."""
    return Room(plan.cap // 2 if rows_at_most is None else min(plan.cap // 2, rows_at_most))


def sweep(partition: Partition, at: int, plan: Plan, room: Room | None = None) -> bool:
    """Goes on with the sweep at time `at` (ms), or begins it; gives whether it is finished and marked.

    If not, the transaction is full: commit, then call again. Events of the partition wait meanwhile, so that the order of
    customers stays. room: what other sweeps have left of the transaction; all of it if not given.
    """
    start = time.perf_counter()
    done = _stretch(partition, at, plan, room or room_of(plan))
    partition.counts.sweep_seconds.append(time.perf_counter() - start)
    return done


def _stretch(partition: Partition, at: int, plan: Plan, room: Room) -> bool:
    """As much of the sweep as a transaction holds; gives whether it is finished and marked."""
    cursor, engine = partition.cursor, partition.engine
    if cursor.sweeping != at:
        partition.note("sweep", at=at)
        partition.update(sweeping=at, place=0)
        _emit_matured(partition, at, plan)
    place = partition.cursor.place
    while room.left > 0:
        touched = engine.table.touched_count()
        stretch = engine.sweep(at, place, at // plan.period % plan.phases, plan.phases, partition.one_in, room.left)
        if len(stretch.decisions):
            trigger = Trigger("sweep", partition.topics.events, partition.number, at)
            partition.publish(stretch.decisions, trigger, np.full(len(stretch.decisions), partition.events_at))
        if len(stretch.sampled):
            block = engine.pending.take(engine.table, at, stretch.sampled, stretch.features)
            partition.keep_samples(block)
            _emit(partition, block, None)
        partition.counts.swept_rows += stretch.end - place
        place = stretch.end
        # A row can be rewritten without a decision: its confirmations count up.
        room.left -= len(stretch.decisions) + 2 * len(stretch.sampled) + engine.table.touched_count() - touched
        if place >= len(engine.table):
            _mark(partition, at)
            return True
    partition.update(place=place)
    return False


def _mark(partition: Partition, at: int) -> None:
    cursor = partition.cursor
    mark = Mark(at, cursor.samples, len(partition.engine.table), list(cursor.skipped))
    partition.write_sample(MARK_KEY, _encode(mark))
    partition.update(swept=at, sweeping=-1, place=0, samples=0, skipped=[])


def _emit_matured(partition: Partition, at: int, plan: Plan) -> None:
    """Labels samples whose horizon is over. One that waited a period too long (downtime) is dropped: its label would lie."""
    while (matured := partition.engine.pending.mature(partition.engine.table, at - plan.horizon)) is not None:
        block = matured.block
        if at - block.t0 < plan.horizon + plan.period:
            labels = [
                Label(events, orders, spent)
                for events, orders, spent in zip(
                    matured.events.tolist(), matured.orders.tolist(), matured.spent.tolist(), strict=True
                )
            ]
            _emit(partition, block, labels)
        partition.drop_samples(block)


def _emit(partition: Partition, block: Block, labels: list[Label] | None) -> None:
    ids = partition.engine.table.ids.of(block.rows)
    features = block.entries["features"].astype(np.float64).tolist()
    for k, (key, x) in enumerate(zip(ids, features, strict=True)):
        customer = key.decode("utf-8", "surrogatepass")
        partition.write_sample(key, _encode(Sample(customer, block.t0, x, None if labels is None else labels[k])))
    partition.update(samples=partition.cursor.samples + len(block.rows))
    partition.counts.samples += len(block.rows)


def in_order(table: Table, block: Block) -> Block:
    """The block with its customers in the order of sweeps, (hash, id), as they were taken."""
    order = table.ranked(block.rows)
    return Block(block.t0, block.rows[order], block.entries[order])
