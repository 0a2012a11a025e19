"""Code of vectors, written for the compiler where it makes none of a loop.

A vector has 64 bytes if the processor has 32 registers of them, else 32; where its own are narrower, the
compiler takes several. A line is two vectors, side by side in an array, so that two computations that do not
wait for each other are under way. The functions write code with a builder of LLVM.
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

CACHE_LINE_BYTES = 64
_VECTOR_BYTES = 64 if MANY_REGISTERS else 32
_LINE_BYTES = 2 * _VECTOR_BYTES

Floats = npt.NDArray[Any]
"""float32 or float64."""


def lanes_of(dtype: np.dtype[Any]) -> int:
    """Return how many numbers a line has."""
    return _LINE_BYTES // dtype.itemsize


def empty_lines(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
    """Make an array that begins where a line of the cache begins: a vector across two takes twice as long."""
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + CACHE_LINE_BYTES, np.uint8)
    start = -room.ctypes.data % CACHE_LINE_BYTES
    return room[start : start + size].view(dtype).reshape(shape)


def bytes_of(element):  # type: ignore[no-untyped-def]
    """Return how many bytes a number of LLVM's type has."""
    return 8 if element == ir.DoubleType() else 4


def line_of(element):  # type: ignore[no-untyped-def]
    """Return LLVM's type of a line of numbers of a type."""
    return ir.VectorType(element, _LINE_BYTES // bytes_of(element))


def vector_of(element):  # type: ignore[no-untyped-def]
    """Return LLVM's type of a vector of numbers of a type."""
    return ir.VectorType(element, _VECTOR_BYTES // bytes_of(element))


def load_numbers(builder, array, start, count):  # type: ignore[no-untyped-def]
    """Load so many numbers of an array, contiguous, from its number `start` on."""
    kind = ir.VectorType(array.data.type.pointee, count)
    return builder.load(_address(builder, array, start, kind), align=4)


def store_numbers(builder, numbers, array, start):  # type: ignore[no-untyped-def]
    """Store a vector of numbers to an array, contiguous, from its number `start` on."""
    builder.store(numbers, _address(builder, array, start, numbers.type), align=4)


def _address(builder, array, start, kind):  # type: ignore[no-untyped-def]
    return builder.bitcast(builder.gep(array.data, [start]), kind.as_pointer())


def in_all_lanes(builder, x, kind):  # type: ignore[no-untyped-def]
    """Return a vector of a type, of which every number is x."""
    nothing = ir.Constant(kind, ir.Undefined)
    filled = builder.insert_element(nothing, x, ir.IntType(32)(0))
    return _shuffled(builder, filled, nothing, [0] * kind.count)


def fetch_ahead(builder, address):  # type: ignore[no-untyped-def]
    """Begin to fetch what is at an address, to be read soon and more than once."""
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, often, data = number(0), number(3), number(1)
    builder.call(prefetch, [builder.bitcast(address, cgutils.voidptr_t), read, often, data])


def joined(builder, vectors):  # type: ignore[no-untyped-def]
    """Return some vectors, a power of two, behind each other."""
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_shuffled(builder, a, b, range(2 * a.type.count)) for a, b in pairs]
    return vectors[0]


def turned(builder, vectors):  # type: ignore[no-untyped-def]
    """Turn blocks: number j of each block of vector i becomes number i of that block of vector j.

    A block has as many numbers as there are vectors, a power of two. Halves of blocks are exchanged between
    vectors, then quarters, and so on.
    """
    vectors, count = list(vectors), vectors[0].type.count
    step = len(vectors) // 2
    while step:
        low = [count + (lane ^ step) if lane & step else lane for lane in range(count)]
        high = [count + lane if lane & step else lane ^ step for lane in range(count)]
        for i in (i for i in range(len(vectors)) if not i & step):
            pair = vectors[i], vectors[i + step]
            vectors[i], vectors[i + step] = (_shuffled(builder, *pair, places) for places in (low, high))
        step //= 2
    return vectors


def _shuffled(builder, a, b, places):  # type: ignore[no-untyped-def]
    number = ir.IntType(32)
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(number, len(places)), list(places)))


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


def for_columns(builder, columns, width, work):  # type: ignore[no-untyped-def]
    """Write a loop over blocks of `width` columns, a power of two, and what follows for the columns left.

    work(width, column) writes the code for so many columns from one on. The columns left, a sum of lesser
    powers of two, get narrower code.
    """

    def work_on_block(block, _):  # type: ignore[no-untyped-def]
        work(width, builder.mul(block, block.type(width)))
        return []

    in_loop(builder, columns.type(0), builder.udiv(columns, columns.type(width)), [], work_on_block)
    narrow = width // 2
    while narrow:
        left = builder.and_(columns, columns.type(narrow))
        with builder.if_then(builder.icmp_unsigned("!=", left, left.type(0))):
            work(narrow, builder.and_(columns, columns.type(-2 * narrow)))
        narrow //= 2
