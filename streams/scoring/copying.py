"""Copies bytes within compiled code with the machine's own memcpy: 4 ns for what takes a loop 20 to 80."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from models.kernel.tables import U1, Int


def _copy_bytes(context: Any, out: Any, end: Any, text: Any, start: Any, size: Any) -> Any:
    """out[end : end + size] = text[start : start + size], uint8 [.] both; the stretches must not overlap. Checks no bounds."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        to, at, source, first, length = given
        into = target.make_array(signature.args[0])(target, builder, to).data
        data = target.make_array(signature.args[2])(target, builder, source).data
        cgutils.raw_memcpy(builder, builder.gep(into, [at]), builder.gep(data, [first]), length, 1)  # type: ignore[no-untyped-call]
        return target.get_dummy_value()

    return types.void(out, types.intp, text, types.intp, types.intp), generate


copy_bytes: Callable[[U1, Int, U1, Int, Int], None] = cast("Any", intrinsic(_copy_bytes))
