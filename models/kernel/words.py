"""Eight bytes at a time in compiled code: an unaligned little-endian load, and where in a word something begins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.kernel.tables import U1, Int


def _word(context: Any, text: Any, at: Any) -> Any:
    """text[at : at + 8], uint8 [.], as one little-endian number. Checks no bounds."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = target.make_array(signature.args[0])(target, builder, given[0]).data
        place = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(64).as_pointer())
        loaded = builder.load(place, align=1)
        return loaded if sys.byteorder == "little" else builder.bswap(loaded)

    return types.uint64(text, types.intp), generate


def _zeros(context: Any, word: Any) -> Any:
    """How many zero bits are below the lowest set one; 64 if none is."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], cgutils.false_bit)

    return types.uint64(types.uint64), generate


word: Callable[[U1, Int], np.uint64] = cast("Any", intrinsic(_word))
trailing_zeros: Callable[[np.uint64], np.uint64] = cast("Any", intrinsic(_zeros))
