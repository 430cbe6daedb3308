"""What the machine can and Python cannot say: copy bytes, load a word, where in it something begins, fetch a row ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from models.kernel.tables import U1, Int

_BYTES = ir.IntType(8).as_pointer()
_INT = ir.IntType(32)
_PREFETCH = ir.FunctionType(ir.VoidType(), [_BYTES, _INT, _INT, _INT])
_READ, _KEEP, _DATA = (ir.Constant(_INT, k) for k in (0, 3, 1))
_LINE = 64


def _copy_bytes(context: Any, out: Any, end: Any, text: Any, start: Any, size: Any) -> Any:
    """out[end : end + size] = text[start : start + size], uint8 [.] both; the stretches must not overlap. Checks no bounds.

    4 ns with the machine's memcpy, for what takes a loop 20 to 80.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        to, at, source, first, length = given
        into = target.make_array(signature.args[0])(target, builder, to).data
        data = target.make_array(signature.args[2])(target, builder, source).data
        cgutils.raw_memcpy(builder, builder.gep(into, [at]), builder.gep(data, [first]), length, 1)  # type: ignore[no-untyped-call]
        return target.get_dummy_value()

    return types.void(out, types.intp, text, types.intp, types.intp), generate


def _word(context: Any, text: Any, at: Any) -> Any:
    """text[at : at + 8], uint8 [.], as one little-endian number. Checks no bounds."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = target.make_array(signature.args[0])(target, builder, given[0]).data
        place = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(64).as_pointer())
        loaded = builder.load(place, align=1)
        return loaded if np.little_endian else builder.bswap(loaded)

    return types.uint64(text, types.intp), generate


def _zeros(context: Any, word: Any) -> Any:
    """How many zero bits are below the lowest set one; 64 if none is."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], cgutils.false_bit)

    return types.uint64(types.uint64), generate


def _fetch(context: Any, rows: Any, r: Any) -> Any:
    """Asks for row r of an array [., .] to be in the cache soon. Changes nothing."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, given[0])
        width = builder.extract_value(array.strides, 0)
        first = builder.gep(builder.bitcast(array.data, _BYTES), [builder.mul(given[1], width)])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], _PREFETCH)
        with cgutils.for_range_slice(builder, ir.Constant(width.type, 0), width, ir.Constant(width.type, _LINE)) as (at, _):
            builder.call(prefetch, [builder.gep(first, [at]), _READ, _KEEP, _DATA])
        return target.get_dummy_value()

    return types.void(rows, types.intp), generate


copy_bytes: Callable[[U1, Int, U1, Int, Int], None] = cast("Any", intrinsic(_copy_bytes))
fetch: Callable[[NDArray[Any], Int], None] = cast("Any", intrinsic(_fetch))
word: Callable[[U1, Int], np.uint64] = cast("Any", intrinsic(_word))
trailing_zeros: Callable[[np.uint64], np.uint64] = cast("Any", intrinsic(_zeros))
