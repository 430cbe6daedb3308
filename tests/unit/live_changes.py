"""Changes as the live view and `shoal tail` get them."""

from streams.contracts.changes import Change, Membership, Reason, Recommend, Scores, Source

OVERDUE = Reason("overdue", "how overdue the next order is", 3.1, 0.8, 1.4)
SILENT = Reason("days_since_order", "days since the last order", 41.0, 12.0, 0.9)
SHARE = Reason("discount_share", "share of discounts", 0.314, None, 0.2)


def membership(name: str) -> Membership:
    return Membership(name.lower().replace(" ", "_"), name, "2011-06-02T09:30:00.000Z")


def change(
    previous: str | None, current: str | None, *reasons: Reason, segmentation: str = "lifecycle", customer: str = "13047"
) -> Change:
    return Change(
        id="e-0-1-0",
        customer_id=customer,
        segmentation=segmentation,
        previous=None if previous is None else membership(previous),
        current=None if current is None else membership(current),
        at="2011-09-01T00:00:00.000Z",
        cause="event",
        confidence=0.9,
        scores=Scores(),
        thresholds=Scores(),
        reasons=list(reasons),
        hysteresis="immediate",
        model=None,
        definitions="abc",
        source=Source("shoal.events", 0, 1),
        recommend=Recommend(),
        holdout=False,
        consent=True,
    )
