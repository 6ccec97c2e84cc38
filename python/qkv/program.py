"""Writes expressions down as a program of the engine."""

import numpy

from . import _native
from .expressions import Real, Truth


class Writer:
    """One program, and the learned parameters that it looks up, numbered across all programs of a call."""

    def __init__(self, learned, empty=None):
        self.program = _native.Program()
        self.learned = learned  # list of Parameter, shared; None where there are none to learn
        self.empty = (
            [] if empty is None else empty
        )  # list of the tables with an empty axis, shared; only calls without a link may have them
        self._tables, self._arrays, self._known, self._keep = {}, {}, {}, []

    def write(self, expression, score=None):
        """The number of the instruction.  `score`: the one that stands for the score, when scores are chained."""
        known = {} if score is not None else self._known
        stack = [expression]
        while stack:  # operands first, without recursion: expressions may be deep
            x = stack[-1]
            if id(x) in known:
                stack.pop()
                continue
            waiting = [y for y in x.operands if id(y) not in known]
            if waiting:
                stack.extend(waiting)
                continue
            known[id(x)] = score if x.operation == "score" and score is not None else self._record(x, known)
            self._keep.append(x)  # an id names an expression for as long as it lives
            stack.pop()
        return known[id(expression)]

    def finish(self, number):
        self.program.finish(number)
        return self.program

    def _record(self, x, known):
        p, at = self.program, [known[id(y)] for y in x.operands]
        if x.operation == "number":
            kind = p.truth if isinstance(x, Truth) else p.real if isinstance(x, Real) else p.whole
            return kind(x.detail)
        if x.operation == "select":
            return p.select(*at)
        if x.operation == "hash":
            return p.hash(x.detail, *at)
        if x.operation == "table_entry":
            return self._table_entry(x.detail, at)
        if x.operation == "array_entry":
            number = self._number_of(self._arrays, x.detail, lambda: p.array(x.detail.values, x.detail.name))
            return p.array_entry(number, at)
        if x.operation == "learned_entry":
            if self.learned is None:
                raise TypeError(
                    f"qkv: {x.detail.name} is learned, which scores alone look up; a weighting, a similarity and a "
                    "feature map are given no place (a similarity's channel weights: qkv.similarity(lambda, weights))"
                )
            if not any(y is x.detail for y in self.learned):
                self.learned.append(x.detail)
            number = next(n for n, y in enumerate(self.learned) if y is x.detail)
            return p.learned_entry(number, list(x.detail.shape), at)
        if not at:
            return p.given(x.operation)
        return p.apply(x.operation, *at)

    def _number_of(self, known, owner, keep):
        if id(owner) not in known:
            known[id(owner)] = keep()
            self._keep.append(owner)
        return known[id(owner)]

    # Rows and columns: all axes but the last are joined into one.
    def _table_entry(self, table, at):
        p, sizes = self.program, tuple(max(size, 1) for size in table.shape)
        columns = sizes[-1]
        number = self._number_of(self._tables, table, lambda: self._table(table, columns))
        if len(sizes) == 2:
            row = at[0]
        else:
            row = p.whole(0)
            for size, index in zip(sizes[:-1], at):
                row = p.apply("multiply", row, p.whole(size))
                if size > 1:
                    held = p.apply("minimum", p.apply("maximum", index, p.whole(0)), p.whole(size - 1))
                    row = p.apply("add", row, held)
        return p.table_entry(number, row, at[-1])

    def _table(self, table, columns):
        if not table.values.size:
            self.empty.append(table)
            return self.program.table(numpy.zeros(columns, numpy.int32), 1, [])
        return self.program.table(table.values, table.values.size // columns, list(table.four_axes or ()))
