"""What a process's /metrics says, read once, with what the live view and the demo's summary ask of it."""

import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scrape:
    """Samples by name and labels (sorted by label name)."""

    samples: dict[tuple[str, Labels], float]

    def value(self, name: str) -> float | None:
        """The sample without labels; None if there is none."""
        return self.samples.get((name, ()))

    def total(self, name: str) -> float:
        """The sum over all labels."""
        return sum(value for (found, _), value in self.samples.items() if found == name)

    def buckets(self, name: str) -> tuple[tuple[float, float], ...]:
        """A histogram's (upper bound, cumulative count), ascending."""
        found = [(float(dict(labels)["le"]), value) for (each, labels), value in self.samples.items() if each == f"{name}_bucket"]
        return tuple(sorted(found))


def scrape(port: int, host: str = "127.0.0.1", timeout: float = 2.0) -> Scrape | None:
    """Asks a process for its metrics; None when nobody answers there (yet)."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=timeout) as answer:
            return parse(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return None


def is_ready(port: int, host: str = "127.0.0.1", timeout: float = 2.0) -> bool:
    """Whether a process says that it can do its work."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def parse(text: str) -> Scrape:
    """The samples of an exposition in Prometheus's text format."""
    return Scrape(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def add_buckets(histograms: Iterable[Sequence[tuple[float, float]]]) -> tuple[tuple[float, float], ...]:
    """The sum of histograms with the same bounds, one from each process."""
    sums: dict[float, float] = {}
    for histogram in histograms:
        for bound, count in histogram:
            sums[bound] = sums.get(bound, 0.0) + count
    return tuple(sorted(sums.items()))


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """The value that `share` of a histogram's observations stay below, linear within a bucket, as Prometheus does it.

    None without observations. What lies above the last finite bound counts as that bound.
    """
    if not buckets or not buckets[-1][1]:
        return None
    wanted = share * buckets[-1][1]
    for (below, before), (bound, count) in pairwise(((0.0, 0.0), *buckets)):
        if count >= wanted and count > before:
            return below if bound == float("inf") else below + (bound - below) * (wanted - before) / (count - before)
    return buckets[-1][0]
