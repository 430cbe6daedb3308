"""Opens CSV, JSON lines and parquet, packed or not, and yields numbered rows."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import orjson

from streams.replay.errors import BadRows, ReplayError, RowError

Format = Literal["csv", "jsonl", "parquet"]
Row = dict[str, Any]
SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
PACKED = (".gz", ".xz")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON as it stands in the file."""

    number: int
    text: bytes


def file_format(path: Path) -> Format:
    """By the name's ending. Raises ReplayError for one that is not known."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ReplayError(f"{path}: cannot tell its format from its name; it must end in {known} (or these with .gz or .xz)")
    return SUFFIXES[suffixes[-1]]


def check_file(path: Path) -> None:
    """Raises ReplayError when there is nothing to read."""
    if not path.exists():
        raise ReplayError(f"{path}: there is no such file")
    if not path.is_file():
        raise ReplayError(f"{path} is no file; name one of {', '.join(SUFFIXES)}")


def csv_rows(path: Path, delimiter: str, bad: BadRows) -> Iterator[tuple[int, Row]]:
    """Line number and columns of each row; the first line names the columns. A row of another width is a bad one."""
    if path.suffix.lower() == ".tsv" or path.with_suffix("").suffix.lower() == ".tsv":
        delimiter = "\t"
    with _Lines(path) as raw:
        text = (_decoded(path, number, line) for number, line in enumerate(raw, 1))
        reader = csv.reader(text, delimiter=delimiter)
        try:
            header = next(reader, None)
            if header is None:
                raise ReplayError(f"{path} is empty; its first line must name the columns")
            header = [name.strip() for name in header]
            if len(set(header)) < len(header):
                raise ReplayError(f"{path}, line 1: two columns have the same name among {', '.join(header)}; rename one")
            for row in reader:
                if len(row) == len(header):
                    yield reader.line_num, dict(zip(header, row, strict=True))
                elif row:
                    fault = f"{len(row)} columns where the first line has {len(header)}"
                    hint = f"check quotes and delimiter {delimiter!r}"
                    bad.take(RowError(path, reader.line_num, f"{fault}; {hint}"))
        except csv.Error as error:
            raise ReplayError(f"{path}, line {reader.line_num}: not CSV ({error}); check quotes and delimiter") from error


def json_lines(path: Path) -> Iterator[Line]:
    """Each line that is not blank."""
    with _Lines(path) as raw:
        for number, line in enumerate(raw, 1):
            text = line.strip()
            if text:
                yield Line(number, text)


def json_row(path: Path, line: Line) -> Row:
    """The object of a line. Raises RowError."""
    try:
        row = orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        raise RowError(path, line.number, f"not JSON ({error}); each line must be one JSON object") from error
    if not isinstance(row, dict):
        raise RowError(path, line.number, "not a JSON object; each line must be one")
    return row


def parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Row number from 1 and columns. Raises ReplayError without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ReplayError(f"{path}: reading parquet needs pyarrow; install it with `pip install 'shoal[parquet]'`") from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowInvalid as error:
        raise ReplayError(f"{path} is not readable as parquet: {error}") from error


class _Lines:
    """The lines of a file as bytes; what is wrong with the file becomes a ReplayError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Iterator[bytes]:
        match self._path.suffix.lower():
            case ".gz":
                self._file = cast("IO[bytes]", gzip.open(self._path, "rb"))
            case ".xz":
                self._file = lzma.open(self._path, "rb")
            case _:
                self._file = self._path.open("rb")
        return self._lines(self._file)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _lines(self, file: IO[bytes]) -> Iterator[bytes]:
        try:
            for number, line in enumerate(file):
                # A byte order mark is what spreadsheets put in front of UTF-8.
                yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise ReplayError(f"{self._path} cannot be read to its end: {error}") from error


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReplayError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
