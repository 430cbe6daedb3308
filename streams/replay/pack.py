"""Packs UCI's Online Retail into the small CSV that ships with Shoal.

`python -m streams.replay.pack EVENTS CATALOGUE OUT`

EVENTS is a parquet file of invoices (customer_id, type, timestamp, properties as JSON with `items` of [stock code,
quantity, unit price]), CATALOGUE one of StockCode and Description. Same input, same bytes.
"""

from __future__ import annotations

import csv
import io
import lzma
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pyarrow.parquet

from streams.replay.categories import NOT_GOODS, Categoriser

COLUMNS = ("invoice", "customer", "time", "kind", "amount", "discount", "items", "lines", "country", "category")
DISCOUNT_CODE = "D"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of an invoice; `price` is that of a unit."""

    code: str
    quantity: int
    price: float

    @property
    def value(self) -> float:
        """Money of the line, whatever its sign."""
        return abs(self.quantity * self.price)


class Invoice(msgspec.Struct, frozen=True):
    """The properties of an event as the parquet file has them."""

    invoice: str
    amount: float
    n_lines: int
    n_items: int
    country: str
    items: list[Line]


@dataclass(frozen=True, slots=True)
class Sale:
    """An invoice with its customer, kind and time."""

    customer: str
    kind: str
    time: datetime
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the categories cover: `money` and `invoices` as shares, `invoices_by_category` as counts."""

    money: float
    invoices: float
    invoices_by_category: Counter[str]


def pack(events: Path, catalogue: Path, out: Path) -> Coverage:
    """Writes the packed file and says how much of it has a category."""
    sales = list(_sales(events))
    categoriser = Categoriser()
    category_of = {code: categoriser.category(code, text) for code, text in _descriptions(catalogue)}
    list_price = list_prices(sales)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    known = total = 0.0
    invoices: Counter[str] = Counter()
    for sale in sales:
        spend = _spend_by_category(sale.invoice.items, category_of)
        known += sum(spend.values())
        total += sum(line.value for line in sale.invoice.items)
        category = max(spend, key=lambda name: (spend[name], name)) if spend else ""
        invoices[category] += 1
        writer.writerow(_row(sale, category, list_price))
    packed = lzma.compress(text.getvalue().encode(), format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)
    out.write_bytes(packed)
    return Coverage(known / total, 1 - invoices[""] / len(sales), invoices)


def list_prices(sales: Iterable[Sale]) -> dict[str, float]:
    """The usual unit price of each stock code: the one on most lines of sale, the higher one of two as frequent."""
    seen: defaultdict[str, Counter[float]] = defaultdict(Counter)
    for sale in sales:
        for line in sale.invoice.items:
            if sale.kind == "purchase" and line.price > 0 and line.code not in NOT_GOODS:
                seen[line.code][line.price] += 1
    return {code: max(prices, key=lambda price: (prices[price], price)) for code, prices in seen.items()}


def _row(sale: Sale, category: str, list_price: Mapping[str, float]) -> tuple[str, ...]:
    invoice = sale.invoice
    if sale.kind == "purchase":
        discount = sum(max(0.0, list_price.get(n.code, n.price) - n.price) * n.quantity for n in invoice.items)
    else:
        discount = sum(line.value for line in invoice.items if line.code == DISCOUNT_CODE)
    return (
        invoice.invoice,
        sale.customer,
        sale.time.strftime("%Y-%m-%dT%H:%M"),
        "order" if sale.kind == "purchase" else "refund",
        f"{abs(invoice.amount):.2f}",
        f"{discount:.2f}" if discount >= 0.005 else "",
        str(abs(invoice.n_items)),
        str(invoice.n_lines),
        invoice.country,
        category,
    )


def _spend_by_category(lines: Iterable[Line], category_of: Mapping[str, str | None]) -> dict[str, float]:
    spend: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        category = category_of.get(line.code)
        if category is not None:
            spend[category] += line.value
    return dict(spend)


def _sales(path: Path) -> Iterator[Sale]:
    table = pyarrow.parquet.read_table(path, columns=["customer_id", "type", "timestamp", "properties"])
    decoder = msgspec.json.Decoder(Invoice)
    for row in table.to_pylist():
        yield Sale(row["customer_id"], row["type"], row["timestamp"], decoder.decode(row["properties"]))


def _descriptions(path: Path) -> Iterator[tuple[str, str]]:
    for row in pyarrow.parquet.read_table(path).to_pylist():
        yield row["StockCode"], row["Description"]


def main(arguments: list[str]) -> int:
    """Packs and prints the coverage."""
    if len(arguments) != 3:
        print("usage: python -m streams.replay.pack EVENTS.parquet CATALOGUE.parquet OUT.csv.xz", file=sys.stderr)
        return 2
    events, catalogue, out = map(Path, arguments)
    coverage = pack(events, catalogue, out)
    print(f"{out}: {out.stat().st_size:,} bytes; a category for {coverage.money:.1%} of the money, ", end="")
    print(f"{coverage.invoices:.1%} of the invoices")
    for category, count in coverage.invoices_by_category.most_common():
        print(f"  {category or '(none)':12s} {count:6,}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
