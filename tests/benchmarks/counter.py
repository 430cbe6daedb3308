"""Counts what Shoal's own code does, whatever time it takes: the calls that it makes, and the blocks of memory that it keeps.

Own is what stands in models/ and streams/, but for the in-memory twin of the broker: that is a library here, as Kafka's client
is. A call into a library or into C is one call, whatever happens inside.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

from tests.benchmarks.yardstick import ROOT

_OWN = tuple(f"{ROOT / name}/" for name in ("models", "streams"))
_TWIN = f"{ROOT / 'streams' / 'broker' / 'memory'}"


def is_own(file: str) -> bool:
    """Whether what this source does is counted."""
    return file.startswith(_OWN) and not file.startswith(_TWIN)


@dataclass(slots=True)
class Calls:
    """Calls by the code whose they are. `entered`: of own Python functions, compiled kernels and resumed generators among
    them. `outward`: from those into C, into libraries and into the twin."""

    entered: Counter[CodeType] = field(default_factory=Counter)
    outward: Counter[CodeType] = field(default_factory=Counter)
    _own: dict[CodeType, bool] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """As `sys.setprofile` calls it: of all that happens, so it had better be short."""
        code, known = frame.f_code, self._own
        own = known[code] if code in known else self._look(code)
        if event == "call":
            if own:
                self.entered[code] += 1
            elif (caller := frame.f_back) is not None and known.get(caller.f_code):
                self.outward[caller.f_code] += 1
        elif own and event == "c_call":
            self.outward[code] += 1

    def _look(self, code: CodeType) -> bool:
        own = self._own[code] = is_own(code.co_filename)
        return own

    def where(self) -> Counter[str]:
        """Both kinds by function: of those within a function, its own."""
        found: Counter[str] = Counter()
        for code, calls in (self.entered + self.outward).items():
            file = Path(code.co_filename).relative_to(ROOT).as_posix()
            found[f"{file}: {code.co_qualname.partition('.<locals>')[0]}"] += calls
        return found


@contextmanager
def counting(calls: Calls) -> Iterator[None]:
    """Counts the calls of this thread meanwhile."""
    before = sys.getprofile()
    sys.setprofile(calls)
    try:
        yield
    finally:
        sys.setprofile(before)


def blocks() -> int:
    """Blocks of memory, which is nearly the same as objects, that this process holds, caches apart."""
    while gc.collect():
        pass
    # Compiled code looks fields up by names that it makes anew each time, and the cache of look-ups keeps some of those.
    if sys.version_info >= (3, 13):
        sys._clear_internal_caches()
    else:
        sys._clear_type_cache()
    return sys.getallocatedblocks()
