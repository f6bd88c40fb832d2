"""Compute dot products of 4 queries and 16 rows at once, in vector registers.

Numba does not compile a loop to such code. Products and sums may be fused, so the last bits differ between
CPUs. Use them only for candidates, whose error bounds allow for that.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from equipoise._numba._jit import intrinsic

_WIDTH = 16
_QUERIES = 4


@intrinsic
def add_products(typingctx, groups, group, panels, panel, d, dots, to):
    """Add to dots[to + 32 q + r] the sum over j < d of groups[group + 8 j + q] * panels[panel + 32 j + r].

    The arrays are flat and float32, with q < 4 and r < 16.
    """
    signature = types.void(groups, types.uint64, panels, types.uint64, types.uint64, dots, types.uint64)

    def codegen(context, builder, signature, args):
        def start(number, at):
            array = context.make_array(signature.args[number])(context, builder, args[number])
            return builder.gep(array.data, [at])

        x, y, sums = start(0, args[1]), start(2, args[3]), start(5, args[6])
        real, word = ir.FloatType(), ir.IntType(64)
        vector = ir.VectorType(real, _WIDTH)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), [0] * _WIDTH)

        def vector_at(base, offset):
            return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

        def constant(value):
            return ir.Constant(word, value)

        kept = [cgutils.alloca_once(builder, vector) for _ in range(_QUERIES)]
        for q, sum_q in enumerate(kept):
            builder.store(builder.load(vector_at(sums, constant(32 * q)), align=4), sum_q)
        with cgutils.for_range(builder, args[4]) as loop:
            row = builder.load(vector_at(y, builder.mul(loop.index, constant(32))), align=4)
            first = builder.mul(loop.index, constant(8))
            for q, sum_q in enumerate(kept):
                value = builder.load(builder.gep(x, [builder.add(first, constant(q))]))
                single = builder.insert_element(
                    ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
                )
                same = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), lanes)
                product = builder.fmul(same, row, flags=("contract",))
                builder.store(builder.fadd(builder.load(sum_q), product, flags=("contract",)), sum_q)
        for q, sum_q in enumerate(kept):
            builder.store(builder.load(sum_q), vector_at(sums, constant(32 * q)), align=4)
        return context.get_dummy_value()

    return signature, codegen
