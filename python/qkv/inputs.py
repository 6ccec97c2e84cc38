"""Arrays at the door: no copy of what the engine can read, a sentence about what it cannot."""

import numpy

LAYOUTS = ("BTHD", "BHTD")


def _bfloat16():
    try:
        import ml_dtypes
    except ImportError:
        return None
    return numpy.dtype(ml_dtypes.bfloat16)


def as_array(x, name):
    """A NumPy view of an array of NumPy, or of anything with DLPack on the CPU.  Raises TypeError for other things."""
    if isinstance(x, numpy.ndarray):
        return x
    if getattr(x, "requires_grad", False):
        raise TypeError(
            f"qkv: {name} is a tensor that requires gradients; qkv.torch.attention gives them, or pass {name}.detach()"
        )
    if hasattr(x, "__dlpack__"):
        if str(getattr(x, "dtype", "")) == "torch.bfloat16":
            return _from_torch_bfloat16(x, name)
        try:
            return numpy.from_dlpack(x)
        except (BufferError, RuntimeError, ValueError) as problem:
            raise TypeError(f"qkv: {name} cannot be read as an array on the CPU ({problem})") from None
    raise TypeError(f"qkv: expected {name} as an array of NumPy or of anything with DLPack; found {type(x).__name__}")


def _from_torch_bfloat16(x, name):
    dtype = _bfloat16()
    if dtype is None:
        raise TypeError(
            f"qkv: {name} is bfloat16, which NumPy reads with the package ml_dtypes; install it, or pass {name}.float()"
        )
    import torch

    return numpy.from_dlpack(x.view(torch.int16)).view(dtype)


def _checked(x, name, letters, precision):
    x = as_array(x, name)
    if x.dtype == object:
        raise TypeError(f"qkv: {name} is an array of Python objects; pass numpy.asarray({name}, dtype=numpy.float32)")
    if x.dtype.kind != "f" and x.dtype != _bfloat16():
        raise TypeError(
            f"qkv: expected {name} of type float32; found {x.dtype}; convert it with .astype(numpy.float32)"
        )
    if x.dtype == numpy.float64 and precision != "oracle":
        raise TypeError(
            f"qkv: {name} is float64; the engine computes in float32: pass {name}.astype(numpy.float32), or "
            'precision="oracle" for the slow definition in double precision'
        )
    if x.ndim != 4:
        hint = f"; {name}[None] adds an axis of one sequence" if x.ndim == 3 else ""
        raise ValueError(f"attention: expected {name} [{', '.join(letters)}]; found {name} {list(x.shape)}{hint}")
    if not x.dtype.isnative:
        raise TypeError(f"qkv: {name} has the byte order of another machine; pass {name}.astype(numpy.float32)")
    return x


def _readable(x, name):
    """float32 with unit stride in the last axis; float16 and bfloat16 are converted."""
    if x.dtype != numpy.float32:
        return x.astype(numpy.float32)
    size = x.itemsize
    if x.shape[3] > 1 and x.strides[3] != size and x.size:
        raise ValueError(
            f"attention: expected {name} with unit stride in its last axis; found a stride of "
            f"{x.strides[3] // size}; pass "
            f"numpy.ascontiguousarray({name})"
        )
    if any(s % size for s in x.strides):
        raise ValueError(f"attention: expected {name} with whole strides; pass numpy.ascontiguousarray({name})")
    return x


class Inputs:
    """Queries, keys and values as the engine reads them, [B, T, H, D], and how results go back."""

    def __init__(self, q, k, v, layout, precision):
        if layout not in LAYOUTS:
            raise ValueError(f'attention: expected layout "BTHD" or "BHTD"; found {layout!r}')
        if precision not in ("float32", "oracle"):
            raise ValueError(f'attention: expected precision "float32" or "oracle"; found {precision!r}')
        self.layout, self.oracle = layout, precision == "oracle"
        letters = {"q": "BTHD", "k": "BSGD", "v": "BSGE"}
        given = []
        for name, x in (("q", q), ("k", k), ("v", v)):
            a, b, c, d = letters[name]
            given.append(_checked(x, name, (a, b, c, d) if layout == "BTHD" else (a, c, b, d), precision))
        self.types = [x.dtype for x in given]
        self.q, self.k, self.v = (self.inside(x, name) for x, name in zip(given, "qkv"))
        self._hint_at_layout()

    def inside(self, x, name):
        """An array with axes in the user's order, as the engine reads it."""
        x = x.swapaxes(1, 2) if self.layout == "BHTD" else x
        return numpy.ascontiguousarray(x, dtype=numpy.float64) if self.oracle else _readable(x, name)

    def new(self, sizes):
        """Memory for a result [B, T, H, ...] in order for the user: (as the engine sees it, as the user does)."""
        dtype = numpy.float64 if self.oracle else numpy.float32
        if self.layout == "BTHD" or self.oracle:
            inner = numpy.empty(sizes, dtype)
            return inner, inner if self.layout == "BTHD" else inner.swapaxes(1, 2)
        outer = numpy.empty((sizes[0], sizes[2], sizes[1], *sizes[3:]), dtype)
        return outer.swapaxes(1, 2), outer

    def given_back(self, x, like):
        """A result in the type of the input it belongs to."""
        dtype = self.types["qkv".index(like)]
        return x if self.oracle or dtype == numpy.float32 else x.astype(dtype)

    def gradient_of_output(self, dout):
        """dout [B, T, H, E], read like the inputs."""
        dout = as_array(dout, "dout")
        wanted = (*self.q.shape[:3], self.v.shape[3])
        shape = tuple(dout.shape)
        user = wanted if self.layout == "BTHD" else (wanted[0], wanted[2], wanted[1], wanted[3])
        if shape != user:
            raise ValueError(f"attention backward: expected dout {list(user)}; found dout {list(shape)}")
        if dout.dtype == numpy.float64 and not self.oracle:
            raise TypeError("qkv: dout is float64; pass dout.astype(numpy.float32)")
        dout = dout.swapaxes(1, 2) if self.layout == "BHTD" else dout
        if self.oracle:
            return numpy.ascontiguousarray(dout, dtype=numpy.float64)
        if dout.dtype != numpy.float32 or (dout.shape[3] > 1 and dout.strides[3] != dout.itemsize):
            return numpy.ascontiguousarray(dout, dtype=numpy.float32)
        return dout

    # The engine says what does not fit; only here is it known that the axes may be in the other order.
    def _hint_at_layout(self):
        q, k = self.q.shape, self.k.shape
        if len({len(q), len(k)}) != 1 or k[2] == 0 or q[2] % k[2] == 0 or k[1] == 0 or q[1] % k[1]:
            return
        other = LAYOUTS[1 - LAYOUTS.index(self.layout)]
        raise ValueError(
            f"attention: expected query heads H a multiple of key heads G; found that keys have {k[2]} heads, "
            "which does not "
            f'divide the queries\' {q[2]}; are the axes in the order of layout="{other}"?'
        )
