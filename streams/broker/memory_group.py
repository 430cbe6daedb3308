"""A consumer group of the in-memory twin: eager rebalances, range assignment, generations, offsets that wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.broker.protocol import TP
from streams.errors import Aborted


@dataclass(slots=True)
class Member:
    """One life of a connection in the group; a new join is another member."""

    id: str
    topics: tuple[str, ...]
    joined: bool = True
    generation: int = 0
    assigned: tuple[TP, ...] = ()


@dataclass(slots=True)
class Group:
    """Who holds which partitions, and the next offsets.

    A rebalance ends when every member has joined again, which each does inside its own poll after it was told to give
    up what it has; one that does not poll holds it up until it is expelled.
    """

    name: str
    generation: int = 0
    rebalancing: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    offsets: dict[TP, int] = field(default_factory=dict)
    # Sent with transactions that have no marker here yet: transaction -> offsets.
    pending: dict[int, dict[TP, int]] = field(default_factory=dict)
    _lives: int = 0

    def join(self, name: str, topics: Sequence[str], sizes: Mapping[str, int]) -> Member:
        """A new member; everyone else must join again."""
        self._lives += 1
        member = Member(f"{name}#{self._lives}", tuple(topics))
        self.members[member.id] = member
        self._unsettle()
        member.joined = True
        self._settle(sizes)
        return member

    def rejoin(self, member: Member, sizes: Mapping[str, int]) -> None:
        """A member that has given up its partitions is ready for the next generation."""
        member.joined = True
        self._settle(sizes)

    def leave(self, member_id: str, sizes: Mapping[str, int]) -> None:
        """Takes a member out, by its own will or because its session is over."""
        del self.members[member_id]
        if self.members:
            self._unsettle()
            self._settle(sizes)

    def check(self, member_id: str, generation: int) -> None:
        """Raises Aborted for a zombie."""
        member = self.members.get(member_id)
        if member is None:
            raise Aborted(f"group {self.name}: {member_id} is not a member (UNKNOWN_MEMBER_ID): abort and read again")
        if generation != self.generation:
            raise Aborted(
                f"group {self.name}: {member_id} shows generation {generation}, now is {self.generation} "
                "(ILLEGAL_GENERATION): abort and read again"
            )

    def decide(self, transaction: int, committed: bool) -> None:
        """The marker of a transaction arrives here."""
        offsets = self.pending.pop(transaction)
        if committed:
            self.offsets.update(offsets)

    def unstable(self, tp: TP) -> Sequence[int]:
        """The transactions that may yet change this offset."""
        return sorted(transaction for transaction, offsets in self.pending.items() if tp in offsets)

    def _unsettle(self) -> None:
        if not self.rebalancing:
            self.rebalancing = True
            for member in self.members.values():
                member.joined = False

    def _settle(self, sizes: Mapping[str, int]) -> None:
        if not all(member.joined for member in self.members.values()):
            return
        self.rebalancing = False
        self.generation += 1
        assigned = range_assignment({member.id: member.topics for member in self.members.values()}, sizes)
        for member in self.members.values():
            member.generation = self.generation
            member.assigned = assigned[member.id]


def range_assignment(topics: Mapping[str, Sequence[str]], sizes: Mapping[str, int]) -> dict[str, tuple[TP, ...]]:
    """Kafka's range assignor: for each topic, its partitions in stretches over its members sorted by id."""
    found: dict[str, list[TP]] = {member: [] for member in topics}
    for topic in sorted({topic for wanted in topics.values() for topic in wanted}):
        members = sorted(member for member, wanted in topics.items() if topic in wanted)
        each, more = divmod(sizes.get(topic, 0), len(members))
        begin = 0
        for index, member in enumerate(members):
            end = begin + each + (1 if index < more else 0)
            found[member].extend(TP(topic, partition) for partition in range(begin, end))
            begin = end
    return {member: tuple(sorted(partitions)) for member, partitions in found.items()}
