"""A change in words: `customer 13047: active -> at risk, because how overdue the next order is: 3.1 (usual 0.8)`."""

from datetime import UTC, datetime

from models.features import CATALOGUE
from streams.contracts.changes import Change, Membership, Reason

_UNITS = {feature.name: feature.unit for feature in CATALOGUE}
_NEVER = {"d": 3650.0, "h": 87_600.0}


def sentence(change: Change, reasons: int = 2) -> str:
    """The whole change on one line, with its strongest reasons."""
    return f"customer {shown(change.customer_id)}: {move(change)}{because(change, reasons)}"


def move(change: Change) -> str:
    """`active -> at risk`, by the names that people read; for a micro-segment `in` or `out`."""
    before, after = _name(change.previous), _name(change.current)
    if before is None:
        return f"now {after}" if after is not None else "in no segment"
    return f"{before} -> {after}" if after is not None else f"no longer {before}"


def because(change: Change, reasons: int = 2) -> str:
    """`, because days since the last order: 41 d (usual 12 d); ...`; empty when there is no reason to name."""
    told = "; ".join(reason_words(reason) for reason in change.reasons[:reasons])
    return f", because {told}" if told else ""


def reason_words(reason: Reason) -> str:
    """`days since the last order: 41 d (usual 12 d)`"""
    usual = f" (usual {figure(reason.feature, reason.usual)})" if reason.usual is not None else ""
    return f"{shown(reason.label)}: {figure(reason.feature, reason.value)}{usual}"


def shown(text: str) -> str:
    """Text from a topic as it may be printed: an id may hold anything, also what would command the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def figure(feature: str, value: float) -> str:
    """A feature's value as people write it: 41 d, 12 %, 1,204, never."""
    unit = _UNITS.get(feature, "")
    if unit in _NEVER and value >= _NEVER[unit]:
        return "never"
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "0/1":
        return "yes" if value else "no"
    number = f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"
    return f"{number} {unit}" if unit in _NEVER else number


def day(rfc3339: str) -> str:
    """`2011-06-02T09:30:00.000Z` -> `2 Jun`."""
    moment = datetime.fromisoformat(rfc3339)
    return f"{moment.day} {moment:%b}"


def moment_words(ms: int) -> str:
    """ms since 1970 -> `Thu 2 Jun 2011, 09:30`, UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M}"


def duration(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`"""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _name(membership: Membership | None) -> str | None:
    return None if membership is None else shown(membership.name)
