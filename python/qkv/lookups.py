"""Arrays that a lambda looks up by place: tables of whole numbers, constants, learned parameters."""

import numpy

from .expressions import Expression, Real, Whole, whole_value

#: A lambda that captures more numbers than this is asked to pass them as mask= or bias=.
MOST_CAPTURED = 1 << 22


def is_array(x):
    """Whether x is an array of NumPy or of anything with DLPack."""
    return isinstance(x, numpy.ndarray) or (hasattr(x, "__dlpack__") and hasattr(x, "shape") and x.shape != ())


def as_numpy(x):
    """A NumPy view of an array; no copy where DLPack allows it."""
    if isinstance(x, numpy.ndarray):
        return x
    return numpy.from_dlpack(x.detach() if hasattr(x, "detach") else x)


class Table:
    """Whole numbers or flags that a lambda looks up by place: document ids, lengths.

    ids = qkv.table(array); then ids[at.key], ids[at.batch, at.key].  Looking up outside reads the nearest entry, and an
    axis of size 1 serves every index.  The numbers are copied.

    Raises TypeError for real numbers, ValueError where a number needs more than 32 bits.
    """

    def __init__(self, values, name="table"):
        values = as_numpy(values) if is_array(values) else numpy.asarray(values)
        if values.dtype.kind not in "iub":
            raise TypeError(
                f"qkv.table: expected whole numbers or flags; found {values.dtype} (qkv.parameter holds real ones)"
            )
        if values.ndim == 0 or values.size == 0:
            raise ValueError(f"table: expected at least one number; found shape {list(values.shape)}")
        if values.dtype.kind != "b" and (values.min() < -(2**31) or values.max() >= 2**31):
            raise ValueError(
                f"table: expected numbers of 32 bits; found {values.max() if values.max() >= 2**31 else values.min()}"
            )
        self.flags = values.dtype.kind == "b"
        self.values = numpy.array(values, dtype=numpy.int32, order="C")
        self.name = name
        self.four_axes = None  # a dense mask: how errors speak of its shape

    @property
    def shape(self):
        return self.values.shape

    def __repr__(self):
        return f"table({'x'.join(map(str, self.shape))})"

    def __getitem__(self, indices):
        indices = indices if isinstance(indices, tuple) else (indices,)
        shape = self.shape
        if len(indices) == 2 and len(shape) == 1:  # one row serves every batch
            indices = indices[1:]
        if len(indices) != len(shape):
            raise ValueError(f"table of as many axes as it is looked up by, {len(indices)}; found {list(shape)}")
        indices = [whole_value(i) for i in indices]
        entry = Whole("table_entry", [_index(self, n, i) if shape[n] > 1 else i for n, i in enumerate(indices)], self)
        return entry != 0 if self.flags else entry


class Constant:
    """Real numbers that a lambda looks up and that are not learned.

    Looked up outside, where a call is checked (the links in the corners of the first, last and longest sequences, if
    the mask keeps them): refused.  Elsewhere, as under the side that qkv.where leaves out, the nearest entry is read.
    """

    def __init__(self, values, name="array"):
        self.values = numpy.ascontiguousarray(values, dtype=numpy.float32)
        self.name = name

    @property
    def shape(self):
        return self.values.shape

    def __getitem__(self, indices):
        return _entry(self, "array_entry", indices)


class Parameter:
    """A learned array that a lambda looks up by place: slope[at.head], bias[at.head, bucket].

    values: float32, contiguous, not copied; a list becomes float32.  float64 is for precision="oracle".  Its gradient
    is attention_backward(...)[parameter].  `letters`, such as "H" or "H R", names its axes, so that a wrong size is
    refused with what was expected.
    """

    def __init__(self, values, name="parameter", letters=""):
        self.source = values
        if is_array(values):
            values = as_numpy(values)
        else:
            values = numpy.asarray(values, dtype=numpy.float32)
        if values.dtype.kind != "f":
            raise TypeError(f"qkv.parameter: expected real numbers; found {values.dtype}")
        if values.dtype not in (numpy.float32, numpy.float64):
            values = values.astype(numpy.float32)
        if not values.flags.c_contiguous:
            raise ValueError(
                f"qkv.parameter: expected a contiguous array; found strides {values.strides}; pass "
                "numpy.ascontiguousarray(it)"
            )
        self.values, self.name, self.letters = values, name, letters

    @property
    def shape(self):
        return self.values.shape

    def __repr__(self):
        return f"parameter({'x'.join(map(str, self.shape))}, name={self.name!r})"

    def __getitem__(self, indices):
        return _entry(self, "learned_entry", indices)

    def __reduce__(self):
        return Parameter, (self.values, self.name, self.letters)


def _entry(owner, operation, indices):
    indices = indices if isinstance(indices, tuple) else (indices,)
    if len(indices) != len(owner.shape):
        raise ValueError(
            f"attention: expected {owner.name} of as many axes as it is looked up by, {len(indices)}; found "
            f"{list(owner.shape)}"
        )
    return Real(operation, [_index(owner, axis, i) for axis, i in enumerate(indices)], owner)


def _index(owner, axis, index):
    """An index as an expression; a number is one of NumPy's, -1 the last entry, and must be inside."""
    index, size = whole_value(index), owner.shape[axis]
    if index.operation != "number":
        return index
    if not -size <= index.detail < size:
        raise ValueError(
            f"qkv: this lambda looks up {owner.name} {list(owner.shape)} at index {index.detail} of axis {axis}, which "
            f"has {size}"
        )
    return Whole("number", (), index.detail % size)


class CapturedArray(numpy.ndarray):
    """An array that a lambda has captured: looked up by proxies, it becomes part of the expression."""

    def __getitem__(self, indices):
        listed = indices if isinstance(indices, tuple) else (indices,)
        if not any(isinstance(i, Expression) for i in listed):
            return super().__getitem__(indices)
        plain = self.view(numpy.ndarray)
        key = (plain.__array_interface__["data"][0], plain.shape, plain.strides, plain.dtype.str)
        if key not in _seen:
            name = getattr(self, "called", "array")
            plain = plain.astype(numpy.float32) if plain.dtype.name == "bfloat16" else plain
            if plain.dtype.kind not in "iubf":
                raise TypeError(
                    f"qkv: this lambda looks up {name}, an array of {plain.dtype}; expected real numbers, whole numbers or "
                    "flags"
                )
            entry = Constant(plain, name) if plain.dtype.kind == "f" else Table(plain, name)
            _seen[key] = entry, self  # the array lives on, or the next one at its address would be taken for it
        return _seen[key][0][indices]


#: The arrays of the lambda that is being traced, so that two lookups share one table.
_seen = {}


def captured(values, name):
    """What stands in for an array while a lambda is traced: a view that proxies may look up in; a parameter for a
    tensor that requires gradients.  Raises ValueError where it is huge."""
    array = as_numpy(values)
    if getattr(values, "requires_grad", False):
        return Parameter(values, name)
    if array.size > MOST_CAPTURED:
        raise ValueError(
            f"qkv: this lambda captures {name!r}, an array of {array.size:,} numbers; at most {MOST_CAPTURED:,} go "
            "into a "
            "traced lambda.  Pass it as mask= or bias=, which take whole arrays, or compute it from at.query and at.key"
        )
    view = array.view(CapturedArray)
    view.called = name
    return view


def forget_captured():
    """Called around each trace."""
    _seen.clear()
