"""Code of vectors, written for the compiler where it makes none of a loop.

A line is 64 bytes of an array: one line of the cache, and one vector of the widest kind. Where a processor
has narrower ones, the compiler takes several of them. The functions write code with a builder of LLVM.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

MANY_REGISTERS = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
"""Whether the processor keeps 32 vectors at hand, not 16."""

_LINE_BYTES = 64

Floats = npt.NDArray[Any]
"""float32 or float64."""


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return how many numbers a line has."""
    return _LINE_BYTES // dtype.itemsize


def empty_lines(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
    """Make an array that begins where a line of the cache begins: a vector across two takes twice as long."""
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + _LINE_BYTES, np.uint8)
    start = -room.ctypes.data % _LINE_BYTES
    return room[start : start + size].view(dtype).reshape(shape)


def line_of(element):  # type: ignore[no-untyped-def]
    """Return LLVM's type of a line of numbers of a type."""
    return ir.VectorType(element, _LINE_BYTES // (8 if element == ir.DoubleType() else 4))


def _line_at(builder, array, start, line):  # type: ignore[no-untyped-def]
    """Return the address of the line of an array, contiguous, that begins with its number `start`."""
    return builder.bitcast(builder.gep(array.data, [start]), line.as_pointer())


def load_line(builder, array, start, line):  # type: ignore[no-untyped-def]
    """Load the line of an array that begins with its number `start`."""
    return builder.load(_line_at(builder, array, start, line), align=4)


def store_line(builder, value, array, start):  # type: ignore[no-untyped-def]
    """Store a line to an array, from its number `start` on."""
    builder.store(value, _line_at(builder, array, start, value.type), align=4)


def in_all_lanes(builder, x, line):  # type: ignore[no-untyped-def]
    """Return a line of which every number is x."""
    nothing, lane = ir.Constant(line, ir.Undefined), ir.IntType(32)
    filled = builder.insert_element(nothing, x, ir.Constant(lane, 0))
    lanes = ir.Constant(ir.VectorType(lane, line.count), [0] * line.count)
    return builder.shuffle_vector(filled, nothing, lanes)


def fetch_ahead(builder, address):  # type: ignore[no-untyped-def]
    """Begin to fetch what is at an address, to be read soon and more than once."""
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, often, data = number(0), number(3), number(1)
    builder.call(prefetch, [builder.bitcast(address, cgutils.voidptr_t), read, often, data])


def line_from(builder, numbers):  # type: ignore[no-untyped-def]
    """Return a line of some numbers."""
    numbers = list(numbers)
    line = ir.Constant(ir.VectorType(numbers[0].type, len(numbers)), ir.Undefined)
    for lane, number in enumerate(numbers):
        line = builder.insert_element(line, number, ir.Constant(ir.IntType(32), lane))
    return line


def add_product(builder, total, a, b):  # type: ignore[no-untyped-def]
    """Return total + a b, rounded once where the processor can do so."""
    return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))


def in_loop(builder, start, stop, values, step):  # type: ignore[no-untyped-def]
    """Carry values through a loop, and return the last ones; step(index, values) returns the next ones."""
    kept = [cgutils.alloca_once_value(builder, value) for value in values]
    with cgutils.for_range_slice(builder, start, stop, ir.Constant(stop.type, 1)) as (index, _):
        for value, place in zip(step(index, [builder.load(each) for each in kept]), kept, strict=True):
            builder.store(value, place)
    return [builder.load(each) for each in kept]
