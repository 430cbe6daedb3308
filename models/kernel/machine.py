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

from models.kernel.tables import U1, U8, Int
from models.row import ROW_BYTES

_BYTES = ir.IntType(8).as_pointer()
_INT = ir.IntType(32)
_PREFETCH = ir.FunctionType(ir.VoidType(), [_BYTES, _INT, _INT, _INT])
_READ, _KEEP, _DATA = (ir.Constant(_INT, k) for k in (0, 3, 1))
_LINE = 64
_WORD, _WORDS = ir.IntType(64), ir.VectorType(ir.IntType(64), _LINE // 8)
IMAGE_WORDS = -(-ROW_BYTES // _LINE) * _LINE // 8
"""Of a row's image in whole cache lines."""


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


def _fetch(context: Any, lines: Any, r: Any, start: Any, end: Any) -> Any:
    """Asks for bytes start to end of line r of an array [., ...] to be in the cache soon. Changes nothing, checks no bounds."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        first = _place(target, builder, signature.args[0], given[0], given[1])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], _PREFETCH)

        def ask(at: Any) -> None:
            builder.call(prefetch, [builder.gep(first, [at]), _READ, _KEEP, _DATA])

        one, eight, line = (ir.Constant(given[2].type, size) for size in (1, 8, _LINE))
        with cgutils.for_range_slice(builder, given[2], given[3], line) as (at, _):
            ask(at)
        with builder.if_then(builder.icmp_signed(">", builder.sub(given[3], given[2]), eight)):  # may end in another line
            ask(builder.sub(given[3], one))
        return target.get_dummy_value()

    return types.void(lines, types.intp, types.intp, types.intp), generate


def _put_away(context: Any, images: Any, n: Any, rows: Any, r: Any) -> Any:
    """Line n of images, uint64 [., IMAGE_WORDS], becomes line r of rows, uint64 [., ROW_BYTES / 8], and zeros. Checks no bounds.

    Images start at a multiple of 64 bytes, and go past the caches: what is hardly read again would drive out what is.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        to = _place(target, builder, signature.args[0], given[0], given[1])
        row = _place(target, builder, signature.args[2], given[2], given[3])
        streamed = builder.module.add_metadata([ir.Constant(_INT, 1)])
        for at in range(0, 8 * IMAGE_WORDS, _LINE):
            line: Any = ir.Constant(_WORDS, [0] * (_LINE // 8))
            if at + _LINE <= ROW_BYTES:
                line = builder.load(_pointer(builder, row, at, _WORDS), align=8)
            else:
                for k, rest in enumerate(range(at, ROW_BYTES, 8)):
                    word = builder.load(_pointer(builder, row, rest, _WORD), align=8)
                    line = builder.insert_element(line, word, ir.Constant(_INT, k))
            builder.store(line, _pointer(builder, to, at, _WORDS), align=_LINE).set_metadata("nontemporal", streamed)
        return target.get_dummy_value()

    return types.void(images, types.intp, rows, types.intp), generate


def _place(target: Any, builder: Any, kind: Any, array: Any, n: Any) -> Any:
    """Where line n of an array begins."""
    made = target.make_array(kind)(target, builder, array)
    return builder.gep(builder.bitcast(made.data, _BYTES), [builder.mul(n, builder.extract_value(made.strides, 0))])


def _pointer(builder: Any, start: Any, at: int, kind: Any) -> Any:
    """To what stands `at` bytes behind start."""
    return builder.bitcast(builder.gep(start, [ir.Constant(ir.IntType(64), at)]), kind.as_pointer())


copy_bytes: Callable[[U1, Int, U1, Int, Int], None] = cast("Any", intrinsic(_copy_bytes))
fetch: Callable[[NDArray[Any], Int, Int, Int], None] = cast("Any", intrinsic(_fetch))
put_away: Callable[[U8, Int, U8, Int], None] = cast("Any", intrinsic(_put_away))
word: Callable[[U1, Int], np.uint64] = cast("Any", intrinsic(_word))
trailing_zeros: Callable[[np.uint64], np.uint64] = cast("Any", intrinsic(_zeros))
