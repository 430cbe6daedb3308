"""The real customers that ship with Shoal, and how they are packed."""

import csv
import lzma
from collections import Counter
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.replay import online_retail
from streams.replay.categories import CATEGORIES, TABLE, Categoriser
from streams.replay.event import ReplayEvent


@pytest.fixture(scope="module")
def events() -> list[ReplayEvent]:
    return list(online_retail())


@pytest.fixture(scope="module")
def bodies(events: list[ReplayEvent]) -> list[dict[str, Any]]:
    return [orjson.loads(event.value) for event in events]


def test_all_events_and_customers_are_there(events: list[ReplayEvent], bodies: list[dict[str, Any]]) -> None:
    assert Counter(body["event"] for body in bodies) == {"Order Completed": 18_536, "Order Refunded": 3_654}
    assert len({event.key for event in events}) == 4_372
    assert len({body["messageId"] for body in bodies}) == 22_190
    assert all(body["userId"].encode() == event.key for event, body in zip(events, bodies, strict=True))


def test_they_stand_in_order_of_time(events: list[ReplayEvent], bodies: list[dict[str, Any]]) -> None:
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert (bodies[0]["timestamp"], bodies[-1]["timestamp"]) == ("2010-12-01T08:26:00.000Z", "2011-12-09T12:50:00.000Z")


def test_money_is_positive_and_adds_up(bodies: list[dict[str, Any]]) -> None:
    assert all(body["properties"]["revenue"] >= 0 for body in bodies)
    assert all(body["properties"].get("discount", 1) > 0 for body in bodies)
    sums = Counter[str]()
    for body in bodies:
        sums[body["event"]] += round(body["properties"]["revenue"] * 100)
    assert sums == {"Order Completed": 891_140_790, "Order Refunded": 61_134_209}  # pence


def test_nearly_every_event_has_a_known_category(bodies: list[dict[str, Any]]) -> None:
    seen = Counter(body["properties"].get("category") for body in bodies)
    assert set(seen) - {None} == set(CATEGORIES)
    assert seen[None] / len(bodies) < 0.025


def test_the_packed_file_is_small() -> None:
    packed = (files("streams.replay") / "online_retail.csv.xz").read_bytes()
    assert len(packed) < 600_000
    assert len(lzma.decompress(packed).splitlines()) == 22_191


@pytest.mark.parametrize(
    ("description", "category"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "lighting"),
        ("JUMBO BAG RED RETROSPOT", "bags"),
        ("CHRISTMAS LIGHTS 10 REINDEER", "christmas"),
        ("HOT WATER BOTTLE KEEP CALM", "comfort"),
        ("LUNCH BAG VINTAGE LEAF DESIGN", "bags"),
        ("PLEASE ONE PERSON METAL SIGN", "signs"),
        ("CHALKBOARDS", "signs"),
        ("SILVER", None),
        ("DESIGNER", None),
    ],
)
def test_the_first_line_with_one_of_the_words_decides(description: str, category: str | None) -> None:
    assert Categoriser().category("1", description) == category


def test_postage_belongs_to_no_category() -> None:
    assert Categoriser().category("POST", "CHRISTMAS POSTAGE") is None


def test_the_table_names_only_known_categories() -> None:
    assert {line.split(":")[0] for line in TABLE.strip().splitlines() if not line.startswith(" ")} == set(CATEGORIES)


def test_packing_derives_discounts_and_the_largest_category(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="packing needs the extra shoal[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet")
    from streams.replay.pack import pack

    def properties(invoice: str, amount: float, items: list[list[object]]) -> str:
        pieces = sum(line[1] for line in items if isinstance(line[1], int))
        head = {"invoice": invoice, "amount": amount, "n_lines": len(items), "n_items": pieces}
        return orjson.dumps({**head, "country": "EIRE", "items": items}).decode()

    sales = [
        ("7", "purchase", properties("1", 20.0, [["A", 2, 5.0], ["B", 2, 5.0]])),
        ("7", "purchase", properties("2", 10.0, [["A", 2, 5.0]])),
        ("8", "purchase", properties("3", 46.0, [["A", 10, 4.0], ["POST", 1, 6.0]])),
        ("7", "refund", properties("C4", -4.0, [["A", -1, 1.0], ["D", -1, 3.0]])),
    ]
    columns: dict[str, list[object]] = {
        "customer_id": [sale[0] for sale in sales],
        "type": [sale[1] for sale in sales],
        "timestamp": [datetime(2011, 1, day, 9, 30) for day in (3, 4, 5, 6)],  # noqa: DTZ001  # the file has none
        "properties": [sale[2] for sale in sales],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "events.parquet")
    catalogue = {"StockCode": ["A", "B", "POST", "D"], "Description": ["RED MUG ", "BIG BAG", "POSTAGE", "Discount"]}
    parquet.write_table(pyarrow.table(catalogue), tmp_path / "catalogue.parquet")

    out = tmp_path / "packed.csv.xz"
    coverage = pack(tmp_path / "events.parquet", tmp_path / "catalogue.parquet", out)
    assert coverage.money == pytest.approx((20 + 10 + 40 + 1) / (20 + 10 + 46 + 4))
    assert coverage.invoices == 1.0
    rows = list(csv.DictReader(lzma.decompress(out.read_bytes()).decode().splitlines()))
    assert [row["discount"] for row in rows] == ["", "", "10.00", "3.00"]
    assert [row["amount"] for row in rows] == ["20.00", "10.00", "46.00", "4.00"]
    assert [row["category"] for row in rows] == ["kitchen", "kitchen", "kitchen", "kitchen"]
    assert [row["kind"] for row in rows] == ["order", "order", "order", "refund"]
    assert rows[0]["time"] == "2011-01-03T09:30"

    again = tmp_path / "again.csv.xz"
    pack(tmp_path / "events.parquet", tmp_path / "catalogue.parquet", again)
    assert again.read_bytes() == out.read_bytes()
