"""The live view as it is drawn: whole at any size, and true to what it was given."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from streams.live.screen import fitting, render
from streams.live.state import Model, Phase, Screen, Segment, Segmentation, Traffic
from tests.unit.live_changes import OVERDUE, SILENT, change


def segmentation(name: str, *sizes: int) -> Segmentation:
    return Segmentation(name, tuple(Segment(f"{name}{i}", f"{name} {i}", size, i, 2 * i) for i, size in enumerate(sizes)))


SCREEN = Screen(
    phase=Phase.RUNNING,
    elapsed=17.3,
    traffic=Traffic(12_410, 1_650.4, 9_780, 1_314_875_000_000, 3_154, 20_391, expected=22_190),
    segmentations=(segmentation("lifecycle", 312, 1_204, 402, 377), segmentation("value", 10, 20, 30)),
    flow_over="last 7 days",
    changes=tuple(change("Active", "At risk", OVERDUE, SILENT, customer=str(number)) for number in range(30)),
    models=(Model("churn", 12, None, 4_123, 0.7812, 0.412, "since 22 Aug"), Model("value")),
    input="a year of a real shop",
    broker="embedded broker",
    advice=("q ends it",),
    warning="for trying",
)


def drawn(screen: Screen, width: int, height: int) -> list[str]:
    paper = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    paper.print(render(screen, width, height), height=height)
    output = paper.file
    assert isinstance(output, io.StringIO)
    return output.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (104, 24), (120, 42), (200, 60)])
def test_the_screen_fills_the_terminal_and_no_more(width: int, height: int) -> None:
    lines = drawn(SCREEN, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert "q ends it" in lines[-1]


def test_everything_that_matters_is_on_it() -> None:
    text = "\n".join(drawn(SCREEN, 160, 42))
    for shown in (
        "12,410 events", "1,650 a second", "9,780 behind", "3,154 customers", "20,391 changes", "56 %", "0:17",
        "Thu 1 Sep 2011", "lifecycle 1", "1,204", "+3", "-6", "customer 0", "Active → At risk",
        "rules: how overdue the next order is: 3.1 (usual 0.8)", "v12", "4,123", "0.781", "0.412",
        "none yet", "embedded broker", "for trying", "a year of a real shop",
    ):  # fmt: skip
        assert shown in text


def test_a_narrow_screen_keeps_the_segments_and_the_changes() -> None:
    text = "\n".join(drawn(SCREEN, 80, 24))
    assert "lifecycle 1" in text
    assert "customer 0" in text


def test_an_empty_screen_says_so() -> None:
    nothing = Screen(Phase.STARTING, 0.0, Traffic(), (), "", (), (), "x", "kafka broker", ("q ends it",))
    text = "\n".join(drawn(nothing, 120, 30))
    assert "no customer yet" in text
    assert "none yet" in text
    assert "the processes start" in text


def test_what_does_not_fit_is_left_out_from_the_end_and_the_smallest_first() -> None:
    first, second = segmentation("lifecycle", 5, 1, 4, 2, 3), segmentation("value", 1, 2, 3)
    third = segmentation("offer", 1, 2, 3)
    assert fitting([first, second, third], 14) == [first, second, third]
    cut = fitting([first, second, third], 12)
    assert [each.name for each in cut] == ["lifecycle", "value", "offer"]
    assert [segment.customers for segment in cut[0].segments] == [5, 4, 3]
    assert [each.name for each in fitting([first, second, third], 11)] == ["lifecycle", "value"]
    assert fitting([first], 2) == []


def test_control_characters_do_not_reach_the_terminal() -> None:
    hostile = "7\x1b[2J"
    segments = (Segmentation("lifecycle", (Segment("x", hostile, 1),)),)
    screen = replace(SCREEN, segmentations=segments, changes=(change(hostile, hostile, OVERDUE, customer=hostile),))
    assert "\x1b[2J" not in "\n".join(drawn(screen, 120, 30))
