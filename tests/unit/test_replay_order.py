"""Order, ticks, pace and shift of a replay."""

from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.control import Tick
from streams.replay import Pace, ReplayError
from streams.replay.event import RawRecord, ReplayEvent, iso_ms, shifted
from streams.replay.order import in_order
from streams.replay.timeline import with_ticks

PERIOD = 1_000


def events(times: list[int]) -> list[ReplayEvent]:
    return [ReplayEvent(b"c", at, str(n).encode()) for n, at in enumerate(times)]


def test_events_are_sorted_by_time_and_keep_the_files_order_within_one() -> None:
    ordered = in_order(lambda: iter(events([5, 3, 5, 3])))
    assert [(event.at, event.value) for event in ordered.events] == [(3, b"1"), (3, b"3"), (5, b"0"), (5, b"2")]
    assert (ordered.count, ordered.first, ordered.last, ordered.sorted) == (4, 3, 5, True)


def test_events_in_order_are_said_to_be() -> None:
    assert not in_order(lambda: iter(events([3, 3, 5]))).sorted


def test_a_large_file_is_read_again_instead_of_held() -> None:
    reads = 0

    def read() -> Iterator[ReplayEvent]:
        nonlocal reads
        reads += 1
        yield from events([1, 2, 2, 9])

    ordered = in_order(read, in_memory=2)
    assert [event.at for event in ordered.events] == [1, 2, 2, 9]
    assert (ordered.count, ordered.first, ordered.last, reads) == (4, 1, 9, 2)


def test_a_large_file_out_of_order_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ReplayError, match=r"event 3 .*sort it by time first"):
        in_order(lambda: iter(events([1, 5, 4, 9])), in_memory=2)


def test_nothing_to_replay_is_said() -> None:
    with pytest.raises(ReplayError, match="no event"):
        in_order(lambda: iter(()))


@given(
    times=st.lists(st.integers(-20_000, 20_000), min_size=1, max_size=30).map(sorted),
    trail=st.integers(0, 5 * PERIOD),
)
def test_each_tick_stands_between_what_came_before_its_time_and_the_rest(times: list[int], trail: int) -> None:
    line = list(with_ticks(events(times), PERIOD, trail))
    assert [item.at for item in line if isinstance(item, ReplayEvent)] == times
    ticks = [item for item in line if isinstance(item, Tick)]
    first = (times[0] // PERIOD + 1) * PERIOD
    last = (times[-1] // PERIOD + 1) * PERIOD + -(-trail // PERIOD) * PERIOD
    assert [tick.at for tick in ticks] == list(range(first, last + 1, PERIOD))
    assert [tick.final for tick in ticks] == [False] * (len(ticks) - 1) + [True]
    assert isinstance(line[-1], Tick)
    now = times[0]
    for item in line:
        if isinstance(item, Tick):
            assert now < item.at
        elif isinstance(item, ReplayEvent):
            now = item.at
            assert all(tick.at <= now for tick in line[: line.index(item)] if isinstance(tick, Tick))


def test_without_events_there_are_no_ticks() -> None:
    assert list(with_ticks([], PERIOD)) == []


def test_raw_records_stay_between_their_neighbours() -> None:
    raw = RawRecord(None, b"?")
    before, after = events([10, 1_500])
    line = list(with_ticks([before, raw, after], PERIOD))
    assert line == [before, raw, Tick(1_000), after, Tick(2_000, final=True)]


def test_under_ticks_events_out_of_order_are_refused() -> None:
    with pytest.raises(ReplayError, match="in time order"):
        list(with_ticks(events([5, 4]), PERIOD))


def test_a_gap_that_only_a_wrong_date_explains_is_refused() -> None:
    with pytest.raises(ReplayError, match="correct the dates"):
        list(with_ticks(events([0, 200_000 * PERIOD]), PERIOD))


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("rate", "speed", "seconds"), [(50.0, None, 2.0), (None, 3_600.0, 1.0), (None, None, 0.0)])
def test_the_pace_is_kept(rate: float | None, speed: float | None, seconds: float) -> None:
    clock = FakeTime()
    pace = Pace(rate, speed, clock.monotonic, clock.sleep)
    for n in range(101):
        pace.wait(pace.ahead(clock.now, n, n * 36_000))
    assert clock.now == pytest.approx(seconds, abs=0.01)


def test_a_pace_that_means_nothing_is_refused() -> None:
    with pytest.raises(ReplayError, match="choose one"):
        Pace(rate=1.0, speed=1.0)
    with pytest.raises(ReplayError, match="rate is 0: it must be above 0"):
        Pace(rate=0)


@pytest.mark.parametrize("zone", ["Z", "+01:00"])
def test_a_shift_moves_the_time_and_nothing_else(zone: str) -> None:
    value = b'{"b":1.50,"timestamp":"2024-02-28T23:30:00.000%s","a":{"x":"\xc3\xa9"}}' % zone.encode()
    moved = shifted(ReplayEvent(b"c", 7, value), 86_400_250)
    assert (moved.key, moved.at) == (b"c", 86_400_257)
    assert moved.value == value.replace(b"2024-02-28T23:30:00.000", b"2024-02-29T23:30:00.250")


def test_times_are_written_with_24_characters() -> None:
    assert iso_ms(1_709_285_400_007) == "2024-03-01T09:30:00.007Z"
    assert orjson.loads(f'"{iso_ms(0)}"') == "1970-01-01T00:00:00.000Z"
