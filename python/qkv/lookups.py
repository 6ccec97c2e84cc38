"""Arrays that a lambda looks up by place: tables of whole numbers, constants, learned parameters."""

import numpy

from .expressions import Expression, Real, Whole, whole_value
from .inputs import as_array, is_real
from .scalars import shown

#: A lambda that captures more numbers than this is asked to pass them as mask= or bias=.
MOST_CAPTURED = 1 << 22


def is_array(x):
    """Whether x is an array of NumPy or of anything with DLPack."""
    return isinstance(x, numpy.ndarray) or (hasattr(x, "__dlpack__") and hasattr(x, "shape") and x.shape != ())


def as_numpy(x, name="array"):
    """A NumPy view of an array, or of a list as NumPy reads it; of tensors that require gradients too."""
    if hasattr(x, "__dlpack__"):
        array = as_array(x, name, looked_up=True)
        if isinstance(array, numpy.ma.MaskedArray):
            raise TypeError(f"qkv: {name} is a masked array; pass its numbers, {name}.filled(...)")
        return array
    if not isinstance(x, (list, tuple)):
        raise TypeError(f"qkv: expected {name} as an array or a list; found {shown(x)}")
    try:
        array = numpy.asarray(x)
    except ValueError:
        array = None
    if array is None or (array.dtype == object and any(isinstance(row, (list, tuple)) for row in array.flat)):
        raise ValueError(f"qkv: expected {name} as an array; found a list whose rows differ in length")
    return array if array.size else array.astype(numpy.int64)


class Table:
    """Whole numbers or flags that a lambda looks up by place: document ids, lengths.

    ids = qkv.table(array); then ids[at.key], ids[at.batch, at.key].  Looking up outside reads the nearest entry, and an
    axis of size 1 serves every index.  The numbers are copied.

    An axis may be empty where the call has no link.

    Raises TypeError for real numbers, ValueError where a number needs more than 32 bits.
    """

    def __init__(self, values, name="table"):
        values = as_numpy(values, name)
        if values.dtype.kind not in "iub":
            remedy = (
                "convert them with .astype(numpy.int32) (qkv.parameter holds real ones)"
                if values.dtype.kind == "f"
                else "number them, as numpy.unique(..., return_inverse=True) does"
            )
            raise TypeError(f"qkv.table: expected {name} of whole numbers or flags; found {values.dtype}; {remedy}")
        if values.ndim == 0:
            raise ValueError(f"qkv.table: expected {name} of at least one axis; found one number: pass [number]")
        if values.size and values.dtype.kind != "b" and not (-(2**31) <= values.min() and values.max() < 2**31):
            found = values.max() if values.max() >= 2**31 else values.min()
            raise ValueError(
                f"qkv.table: expected {name} of 32 bits; found {found}; number them anew, as "
                "numpy.unique(..., return_inverse=True) does"
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
            raise ValueError(
                f"qkv: expected {self.name} of as many axes as it is looked up by, {len(indices)}; found {list(shape)}"
            )
        indices = [whole_value(i) for i in indices]
        entry = Whole("table_entry", [_index(self, n, i) if shape[n] > 1 else i for n, i in enumerate(indices)], self)
        return entry != 0 if self.flags else entry


class Constant:
    """Real numbers that a lambda looks up and that are not learned.

    Looked up outside, where a call is checked (the links in the corners of the first, last and longest sequences, if
    the mask keeps them): refused.  Elsewhere, as under the side that qkv.where leaves out, the nearest entry is read.
    """

    def __init__(self, values, name="array"):
        wide = values.dtype == numpy.float64  # for precision="oracle"
        self.values = numpy.ascontiguousarray(values, numpy.float64 if wide else numpy.float32)
        self.name = name

    @property
    def shape(self):
        return self.values.shape

    def __getitem__(self, indices):
        return _entry(self, "array_entry", indices)


class Parameter:
    """A learned array that a lambda looks up by place: slope[at.head], bias[at.head, bucket].

    values: float32 lies where it is, not copied, where it is contiguous.  float16, bfloat16 and other strides are
    copied, and read again by every call, so that changes in place are seen; a list is copied once.  float64 is for
    precision="oracle".  Its gradient is attention_backward(...)[parameter].  `letters`, such as "H" or "H R", names its
    axes, so that a wrong size is refused with what was expected.
    """

    def __init__(self, values, name="parameter", letters=""):
        self.source, self.name, self.letters, self._axes = values, name, letters, None
        self._given = values if hasattr(values, "__dlpack__") else _numbers(values, name)
        found = self._read()
        if not is_real(found.dtype):
            remedy = "; convert it with .astype(numpy.float32)" if found.dtype.kind in "iufb" else ""
            raise TypeError(f"qkv.parameter: expected {name} of real numbers; found {found.dtype}{remedy}")
        self._take(found)

    def _take(self, found):
        dtype = numpy.float64 if found.dtype == numpy.float64 else numpy.float32
        self.values = numpy.ascontiguousarray(found, dtype).reshape(found.shape)
        self._copied = not _is_same_memory(self.values, self._read())

    @property
    def shape(self):
        return self.values.shape

    def _read(self):
        found = as_numpy(self._given, self.name)
        return found if self._axes is None else found.reshape(self._axes)

    def read_again(self):
        """Makes `values` what the array holds now.  Returns whether it lies elsewhere than before, which formulas that
        point to it do not know: an array may be given other memory, as PyTorch's tensor.data = ... does."""
        found = self._read()
        if self._copied and found.shape == self.values.shape:
            numpy.copyto(self.values, found, casting="same_kind")
            return False
        if not self._copied and _is_same_memory(self.values, found):
            return False
        self._take(found)
        return True

    def with_axes(self, axes, name, letters):
        """The same numbers in another shape of as many."""
        reshaped = Parameter(self._given, name, letters)
        reshaped.source, reshaped._axes = self.source, axes
        reshaped._take(reshaped._read())
        return reshaped

    def __repr__(self):
        return f"parameter({'x'.join(map(str, self.shape))}, name={self.name!r})"

    def __getitem__(self, indices):
        return _entry(self, "learned_entry", indices)

    def __reduce__(self):
        # The array itself, so that a module and its parts still share it when both are copied or pickled.
        shared = isinstance(self._given, numpy.ndarray) or getattr(self._given, "is_leaf", False)
        return _made_again, (self._given if shared else self.values, self.name, self.letters, self._axes)


def _made_again(given, name, letters, axes):
    made = Parameter(given, name, letters)
    return made if axes is None else made.with_axes(axes, name, letters)


def _is_same_memory(values, found):
    """Whether an array is the contiguous one that `values` is a view of."""
    start, other = (x.__array_interface__["data"][0] for x in (values, found))
    return start == other and (values.shape, values.dtype) == (found.shape, found.dtype) and found.flags.c_contiguous


def _numbers(values, name):
    try:
        found = numpy.array(values)
    except ValueError:  # rows that differ in length
        found = numpy.array(None)
    if found.size and found.dtype.kind not in "iuf":
        raise TypeError(f"qkv.parameter: expected {name} as an array or a list of numbers; found {shown(values)}")
    return found.astype(numpy.float32)


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
        _check_size(plain, getattr(self, "called", "array"))
        key = (plain.__array_interface__["data"][0], plain.shape, plain.strides, plain.dtype.str)
        if key not in _seen:
            name = getattr(self, "called", "array")
            if plain.dtype.kind not in "iubf" and not is_real(plain.dtype):
                raise TypeError(
                    f"qkv: this lambda looks up {name}, an array of {plain.dtype}; expected real numbers, "
                    "whole numbers or flags"
                )
            entry = Table(plain, name) if plain.dtype.kind in "iub" else Constant(plain, name)
            _seen[key] = entry, self  # the array lives on, or the next one at its address would be taken for it
        return _seen[key][0][indices]


def _check_size(array, name):
    if array.size > MOST_CAPTURED:
        raise ValueError(
            f"qkv: this lambda looks up {name!r}, an array of {array.size:,} numbers; at most {MOST_CAPTURED:,} go "
            "into a traced lambda.  Pass it as mask= or bias=, which take whole arrays, or compute it from at.query "
            "and at.key"
        )


#: The arrays of the lambda that is being traced, so that two lookups share one table.
_seen = {}

#: What its tensors are called, which are alive as long as they are here.
_names = {}


def captured(values, name):
    """What stands in for an array while a lambda is traced: a view that proxies may look up in.  A tensor of PyTorch,
    which asks proxies itself, stands for itself."""
    if hasattr(type(values), "__torch_function__"):
        _names[id(values)] = name, values
        return values
    view = as_numpy(values, name).view(CapturedArray)
    view.called = name
    return view


def entry_of_tensor(tensor, indices):
    """An entry of a tensor of PyTorch, learned where it requires gradients."""
    name, _ = _names.get(id(tensor), ("tensor", tensor))
    if getattr(tensor, "requires_grad", False):
        return _learned(tensor, name)[indices]
    view = as_numpy(tensor, name).view(CapturedArray)
    view.called = name
    return view[indices]


def learned_number(tensor):
    """A tensor of one number and no axes that requires gradients, as a learned value."""
    return _learned(tensor, "a captured number")[0]


def _learned(tensor, name):
    if id(tensor) not in _seen:
        found = Parameter(tensor, name)
        _seen[id(tensor)] = found if found.shape else found.with_axes((1,), name, ""), tensor
    return _seen[id(tensor)][0]


def forget_captured():
    """Called around each trace."""
    _seen.clear()
    _names.clear()
