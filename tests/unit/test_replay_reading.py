"""Files become events: columns found or mapped, times and numbers as people write them, bad rows said or left out."""

import gzip
import lzma
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.replay import BadRows, ReplayError, load_mapping
from streams.replay.event import ReplayEvent
from streams.replay.events import read
from streams.replay.mapping import Mapping

ORDERS = "customer,date,amount\nann,2024-03-01T09:30:00,12.50\nbob,2024-03-02 18:00,7\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def bodies(events: list[ReplayEvent]) -> list[dict[str, Any]]:
    return [orjson.loads(event.value) for event in events]


def only(path: Path, mapping: Mapping | None = None) -> dict[str, Any]:
    (body,) = bodies(list(read(path, mapping)))
    return body


def test_customer_date_and_amount_are_enough(tmp_path: Path) -> None:
    events = list(read(write(tmp_path, "orders.csv", ORDERS)))
    assert [event.key for event in events] == [b"ann", b"bob"]
    assert [event.at for event in events] == [1_709_285_400_000, 1_709_402_400_000]
    first, second = bodies(events)
    assert first == {
        "type": "track",
        "event": "Order Completed",
        "messageId": first["messageId"],
        "userId": "ann",
        "timestamp": "2024-03-01T09:30:00.000Z",
        "properties": {"revenue": 12.5},
    }
    assert second["properties"] == {"revenue": 7.0}


def test_the_same_file_gives_the_same_bytes_and_each_row_an_id_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "orders.csv", ORDERS + "bob,2024-03-02 18:00,7\n")
    events = list(read(path))
    assert events == list(read(path))
    assert len({body["messageId"] for body in bodies(events)}) == 3


@pytest.mark.parametrize(
    "header",
    ["CustomerID,InvoiceDate,Revenue", "customer_id,created_at,order_total", "User ID,Timestamp,Total Price"],
)
def test_usual_column_names_are_found(tmp_path: Path, header: str) -> None:
    body = only(write(tmp_path, "orders.csv", f"{header}\n17850,2024-03-01T09:30:00Z,3\n"))
    assert (body["userId"], body["properties"]) == ("17850", {"revenue": 3.0})


def test_options_say_which_column_means_what(tmp_path: Path) -> None:
    path = write(tmp_path, "o.csv", "wer,wann,wieviel,date\nann,2024-03-01T09:30:00+01:00,3,never\n")
    body = only(path, load_mapping(options=["customer_id=wer,timestamp=wann", "amount=wieviel"]))
    assert (body["userId"], body["timestamp"]) == ("ann", "2024-03-01T09:30:00.000+01:00")
    assert body["properties"] == {"revenue": 3.0}


def test_a_mapping_file_says_everything(tmp_path: Path) -> None:
    mapping = write(
        tmp_path,
        "m.toml",
        """
        timestamp_format = "%d.%m.%Y %H:%M"
        timezone = "Europe/Berlin"
        decimal = ","
        delimiter = ";"
        message_prefix = "shop-"
        [columns]
        customer_id = "Kunde"
        timestamp = "Zeit"
        event = "Art"
        amount = "Betrag"
        discount = "Rabatt"
        message_id = "Nr"
        category = "Warengruppe"
        device = "Gerät"
        medium = "Kanal"
        "properties.store" = "Filiale"
        [events]
        Kauf = "Order Completed"
        [constants]
        currency = "EUR"
        """,
    )
    path = write(
        tmp_path,
        "bestellungen.csv",
        "Nr;Kunde;Zeit;Art;Betrag;Rabatt;Warengruppe;Gerät;Kanal;Filiale\n"
        "5;ann;01.07.2024 09:30;Kauf;1.234,50 ;1,5;toys;Mobile;Email;Köln\n",
    )
    assert only(path, load_mapping(mapping)) == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "shop-5",
        "userId": "ann",
        "timestamp": "2024-07-01T09:30:00.000+02:00",
        "properties": {"currency": "EUR", "revenue": 1234.5, "discount": 1.5, "category": "toys", "store": "Köln"},
        "context": {"device": {"type": "mobile"}, "campaign": {"medium": "email"}},
    }


def test_negative_amounts_are_refunds(tmp_path: Path) -> None:
    body = only(write(tmp_path, "o.csv", "customer,date,amount\nann,2024-03-01T09:30:00,-4.5\n"))
    assert (body["event"], body["properties"]) == ("Order Refunded", {"revenue": 4.5})


def test_usual_names_of_events_become_those_of_the_spec(tmp_path: Path) -> None:
    rows = "\n".join(f"ann,2024-03-01T09:30:00,{kind}" for kind in ("purchase", "view", "Product Viewed", "tasted"))
    events = list(read(write(tmp_path, "o.csv", f"customer,time,event\n{rows}\n")))
    names = [body["event"] for body in bodies(events)]
    assert names == ["Order Completed", "Product Viewed", "Product Viewed", "tasted"]


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("2024-03-01", "2024-03-01T12:00:00.000Z"),
        ("20240301", "2024-03-01T12:00:00.000Z"),
        ("2024-03-01 09:30", "2024-03-01T09:30:00.000Z"),
        ("2024-03-01T09:30:00.123456Z", "2024-03-01T09:30:00.123Z"),
        ("2024-03-01T09:30:00-05:00", "2024-03-01T09:30:00.000-05:00"),
        ("1709285400", "2024-03-01T09:30:00.000Z"),
        ("1709285400.5", "2024-03-01T09:30:00.500Z"),
        ("1709285400123", "2024-03-01T09:30:00.123Z"),
    ],
)
def test_times_as_they_are_usually_written(tmp_path: Path, text: str, timestamp: str) -> None:
    assert only(write(tmp_path, "o.csv", f"customer,date\nann,{text}\n"))["timestamp"] == timestamp


MARKED = b"\xef\xbb\xbf" + ORDERS.encode()


@pytest.mark.parametrize(("suffix", "packed"), [("", MARKED), (".gz", gzip.compress(MARKED)), (".xz", lzma.compress(MARKED))])
def test_packed_files_are_read(tmp_path: Path, suffix: str, packed: bytes) -> None:
    path = tmp_path / f"orders.csv{suffix}"
    path.write_bytes(packed)
    assert [event.key for event in read(path)] == [b"ann", b"bob"]


def test_a_packed_file_that_ends_early_is_said(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(ORDERS.encode())[:-12])
    with pytest.raises(ReplayError, match="cannot be read to its end"):
        list(read(path))


def test_segment_calls_go_through_byte_for_byte(tmp_path: Path) -> None:
    calls = [
        b'{"type":"track", "event":"Product Viewed","userId":"ann","timestamp":"2024-03-01T09:30:00.000+01:00"}',
        b'{"anonymousId":"x1","type":"page","timestamp":"2024-03-01T10:00:00Z","extra":[1, 2]}',
    ]
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n\n".join(calls))
    assert [(event.key, event.at, event.value) for event in read(path)] == [
        (b"ann", 1_709_281_800_000, calls[0]),
        (b"x1", 1_709_287_200_000, calls[1]),
    ]


def test_json_rows_reach_into_objects(tmp_path: Path) -> None:
    path = write(tmp_path, "o.jsonl", '{"who":{"id":7},"date":1709285400000,"properties":"{\\"amount\\":-3}"}\n')
    body = only(path, load_mapping(options=["customer_id=who.id"]))
    assert (body["userId"], body["event"], body["properties"]) == ("7", "Order Refunded", {"revenue": 3.0})


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs the extra shoal[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"customer_id": [17850.0, 5.0], "date": [1_709_285_400, 1_709_285_401], "total": [1.5, None]})
    parquet.write_table(table, tmp_path / "o.parquet")
    bodies_ = bodies(list(read(tmp_path / "o.parquet")))
    assert [(body["userId"], body["properties"]) for body in bodies_] == [("17850", {"revenue": 1.5}), ("5", {})]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReplayError, match=r"pip install 'shoal\[parquet\]'"):
        list(read(write(tmp_path, "o.parquet", "")))


def test_what_is_no_parquet_is_said(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="parquet needs the extra shoal[parquet]")
    with pytest.raises(ReplayError, match="not readable as parquet"):
        list(read(write(tmp_path, "o.parquet", "certainly no parquet")))


BAD_ROWS = {
    ",2024-03-01,1": r"line 3: column 'customer' is empty: every row needs its customer",
    "ann,01/03/2024,1": r"line 3: column 'date': '01/03/2024' is no ISO 8601 time; say how .*timestamp_format",
    "ann,,1": r"line 3: column 'date': there is no time",
    "ann,2024-03-01,1.234,50": r"line 3: 4 columns where the first line has 3; check quotes and delimiter ','",
    "ann,2024-03-01,12 EUR": r"line 3: column 'amount': '12 EUR' is no number",
    "ann,2024-03-01,nan": r"line 3: column 'amount': 'nan' is no finite number",
    f"{'x' * 257},2024-03-01,1": r"line 3: column 'customer' is longer than 256 bytes",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_said_with_line_column_and_what_to_do(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, "o.csv", f"customer,date,amount\nbob,2024-03-01,1\n{row}\n")
    with pytest.raises(ReplayError, match=BAD_ROWS[row]) as raised:
        list(read(path))
    assert "--skip-bad" in str(raised.value)
    assert str(path) in str(raised.value)


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "o.csv", "customer,date,amount\n" + "\n".join(BAD_ROWS) + "\nbob,2024-03-01,1\n")
    bad = BadRows(skip=True)
    assert [event.key for event in read(path, None, bad)] == [b"bob"]
    assert bad.count == len(BAD_ROWS)
    assert len(bad.first) == BadRows.KEPT


def test_bad_lines_of_json_can_be_left_out(tmp_path: Path) -> None:
    good = '{"type":"track","userId":"ann","timestamp":"2024-03-01T09:30:00.000Z"}'
    lines = ["{", "[]", good, '{"type":"track"}', '{"type":"track","userId":5,"timestamp":"x"}', good]
    bad = BadRows(skip=True)
    assert len(list(read(write(tmp_path, "o.jsonl", "\n".join(lines)), None, bad))) == 2
    assert bad.count == 4


FAULTS = {
    "o.csv": ("when,amount\n1,2\n", r"no column for customer_id and timestamp .*--map customer_id=COLUMN"),
    "empty.csv": ("", "is empty; its first line must name the columns"),
    "twice.csv": ("a,b,a\n1,2,3\n", "two columns have the same name"),
    "o.xlsx": ("", "cannot tell its format from its name"),
    "latin.csv": (None, "line 2: not UTF-8"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, name: str) -> None:
    text, fault = FAULTS[name]
    path = tmp_path / name
    path.write_bytes("customer,date\nJürgen,2024-03-01\n".encode("latin-1") if text is None else text.encode())
    with pytest.raises(ReplayError, match=fault):
        list(read(path))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="there is no such file"):
        list(read(tmp_path / "nowhere.csv"))


def test_a_mapped_column_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path, "o.csv", ORDERS)
    with pytest.raises(ReplayError, match="has no column 'Betrag'; it has customer, date, amount"):
        list(read(path, load_mapping(options=["amount=Betrag"])))


def test_all_faults_of_a_mapping_are_said_at_once(tmp_path: Path) -> None:
    mapping = write(tmp_path, "m.toml", "decimal = '#'\ntimezone = 'Mars/Base'\n[columns]\nwho = 'x'\n")
    with pytest.raises(ReplayError, match=r"'who'.*decimal is '#'.*'Mars/Base'"):
        load_mapping(mapping)
    with pytest.raises(ReplayError, match="write it as customer_id=CustomerID"):
        load_mapping(options=["customer"])
    with pytest.raises(ReplayError, match="unknown field `colums`"):
        load_mapping(write(tmp_path, "typo.toml", "[colums]\n"))
