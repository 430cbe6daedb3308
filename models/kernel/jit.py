"""How compiled functions are compiled: once, kept on disk, and without reference counts.

Arrays come in as arguments and nothing is allocated, so nothing needs to be counted; the atomic increments and decrements
around every look at a tuple of arrays took a third of the kernel's time. Slices are copied element by element: numba's own
assignment would allocate for the case that both sides overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from numba import njit
from numba.core.dispatcher import Dispatcher

_Function = TypeVar("_Function", bound=Callable[..., Any])
_UNCOUNTED: dict[str, Any] = {"cache": True, "_nrt": False}


class _Compile(Protocol):
    def __call__(self, function: _Function, /) -> Dispatcher[_Function]: ...


compiled: _Compile = njit(**_UNCOUNTED)
inlined: _Compile = njit(inline="always", **_UNCOUNTED)
flat: _Compile = njit(error_model="numpy", forceinline=True, **_UNCOUNTED)
"""Divides as IEEE 754 does, where the others raise ZeroDivisionError, and is always inlined."""
