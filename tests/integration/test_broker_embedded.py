"""The embedded broker under the conformance suite, with what it cannot do listed and expected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.settings import load_settings
from tests.integration.broker_conformance import BrokerConformance, team
from tests.integration.broker_kafka_site import KafkaSite

__all__ = ["team"]

_NO_FENCING = "takes the offsets of a member that it has expelled"
_SHOWS_ABORTED = "shows aborted records to read_committed readers"

# Why the embedded broker is for trying, not for guarantees. A test that passes after all must leave this list.
DIFFERENCES = {
    "test_a_crash_leaves_no_output_and_no_offset": _SHOWS_ABORTED,
    "test_a_reader_refuses_offsets_that_are_gone_or_not_there_yet": "answers a fetch beyond the end as if it were the end",
    "test_a_second_writer_with_the_same_id_fences_the_first": "hangs up on whom it fenced, who cannot know: Unknown, not Fenced",
    "test_a_zombie_cannot_commit": _NO_FENCING,
    "test_committed_waits_for_a_transaction_that_commits": "tells committed offsets without waiting for open transactions",
    "test_records_that_are_deleted_before_they_are_read_are_missed_aloud": "hangs up on a request to delete records",
    "test_retention_moves_the_low_watermark": "hangs up on a request to delete records",
    "test_what_was_aborted_is_never_seen": _SHOWS_ABORTED,
    "test_who_was_expelled_can_come_back": _NO_FENCING,
}


@pytest.fixture
def site(request: pytest.FixtureRequest, embedded: str) -> Iterator[KafkaSite]:
    # A join takes half the session's time-out there.
    site = KafkaSite(load_settings(bootstrap_servers=embedded, session_timeout_ms=1_000, transaction_timeout_ms=2_000))
    difference = DIFFERENCES.get(request.node.originalname)
    if difference is not None:
        request.applymarker(pytest.mark.xfail(reason=difference, strict=True))
    yield site
    site.close()


class TestEmbedded(BrokerConformance):
    """All that is asked of a broker, and the exceptions."""

    def test_every_listed_difference_is_a_test(self) -> None:
        assert [name for name in DIFFERENCES if not hasattr(BrokerConformance, name)] == []
