"""Arrays at the door: no copy of what the engine can read, a sentence about what it cannot."""

import numpy

from . import _native

LAYOUTS = ("BTHD", "BHTD")


def bfloat16():
    """The type bfloat16 of the package ml_dtypes; None without the package."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    return numpy.dtype(ml_dtypes.bfloat16)


def as_array(x, name, looked_up=False):
    """A NumPy view of an array of NumPy, or of anything with DLPack on the CPU.  Raises TypeError for other things.

    A copy only where NumPy has no view: of a tensor of PyTorch that is negated or conjugated when it is read.
    looked_up: for masks, biases and what lambdas capture: tensors that require gradients are read too, as what reads
    them answers for their gradients, and bfloat16 is read as float32 where the package ml_dtypes is missing.
    """
    if isinstance(x, numpy.ndarray):
        return x
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"qkv: expected {name} as an array of NumPy or of anything with DLPack; found {type(x).__name__}; "
            f"numpy.asarray({name}) may make one of it"
        )
    if getattr(x, "requires_grad", False):
        if not looked_up:
            raise TypeError(
                f"qkv: {name} is a tensor that requires gradients; qkv.torch.attention gives them, or pass "
                f"{name}.detach()"
            )
        x = x.detach()
    if hasattr(x, "resolve_neg"):
        x = x.resolve_conj().resolve_neg()
    if str(getattr(x, "dtype", "")) == "torch.bfloat16":
        if looked_up and bfloat16() is None:
            return numpy.from_dlpack(x.float())
        return _from_torch_bfloat16(x, name)
    try:
        return numpy.from_dlpack(x)
    except (BufferError, RuntimeError, ValueError) as problem:
        raise TypeError(f"qkv: {name} cannot be read as an array on the CPU ({problem})") from None


def _from_torch_bfloat16(x, name):
    dtype = bfloat16()
    if dtype is None:
        raise TypeError(
            f"qkv: {name} is bfloat16, which NumPy reads with the package ml_dtypes; install it, or pass {name}.float()"
        )
    import torch

    return numpy.from_dlpack(x.view(torch.int16)).view(dtype)


def is_real(dtype):
    """Whether numbers of this type are read: float16, bfloat16, float32, float64."""
    return dtype in (numpy.float16, numpy.float32, numpy.float64) or dtype.name == "bfloat16"


def real_array(x, name, precision=None):
    """An array of real numbers that can be read.  Raises TypeError with what to do about it.

    precision: "oracle" takes float64; "float32" tells of it; None: the call has float32 alone.
    """
    x = as_array(x, name)
    if isinstance(x, numpy.ma.MaskedArray):
        raise TypeError(
            f"qkv: {name} is a masked array; pass its numbers, {name}.filled(0), and what is masked as mask="
        )
    if x.dtype == object:
        raise TypeError(f"qkv: {name} is an array of Python objects; pass numpy.asarray({name}, dtype=numpy.float32)")
    if x.dtype == numpy.int8:
        raise TypeError(
            f"qkv: {name} is int8, which means something only with its scales: pass qkv.Quantised({name}, scales)"
        )
    if not x.dtype.isnative:
        raise TypeError(f"qkv: {name} has the byte order of another machine; pass {name}.astype(numpy.float32)")
    if x.dtype.kind == "c":
        raise TypeError(f"qkv: {name} is {x.dtype}; attention is over real numbers: pass {name}.real")
    if not is_real(x.dtype):
        wanted = "float32 or float64" if precision == "oracle" else "float32"
        raise TypeError(
            f"qkv: expected {name} of type {wanted}; found {x.dtype}; convert it with .astype(numpy.float32)"
        )
    if x.dtype == numpy.float64 and precision != "oracle":
        remedy = ', or precision="oracle" for the slow definition in double precision' if precision == "float32" else ""
        raise TypeError(
            f"qkv: {name} is float64; the engine computes in float32: pass {name}.astype(numpy.float32){remedy}"
        )
    return x


def plain_floats(x, name):
    """Contiguous float32 of any shape, or None: what is too small for a copy to matter."""
    return None if x is None else numpy.ascontiguousarray(real_array(x, name), numpy.float32)


def _four_axes(x, name, letters):
    if x.ndim != 4:
        head = ":, None" if letters[1] in "TS" else "None"
        hint = {
            2: f"; {name}[None, {head}] is one sequence of one head",
            3: f"; {name}[None] adds an axis of one sequence",
        }.get(x.ndim, "")
        raise ValueError(f"attention: expected {name} [{', '.join(letters)}]; found {name} {list(x.shape)}{hint}")
    return x


def _check_strides(x, name):
    size = x.itemsize
    if x.shape[3] > 1 and x.strides[3] != size and x.size:
        raise ValueError(
            f"attention: expected {name} with unit stride in its last axis; found a stride of "
            f"{x.strides[3] // size}; pass numpy.ascontiguousarray({name}) (a tensor: {name}.contiguous())"
        )
    if any(s % size for s in x.strides) or not x.flags.aligned:
        raise ValueError(f"attention: expected {name} at whole numbers in memory; pass {name}.copy()")
    return x


class Quantised:
    """Keys or values as int8 with one scale for each token and head: x = values * scales[..., None].

    values [B, S, G, D] int8 with unit stride in the last axis, scales [B, S, G] float32; for layout="BHTD" [B, G, S, D]
    and [B, G, S].  qkv.quantise makes one.  The forward pass takes it as k or v and reads it where it is, a quarter of
    float32's bytes; nothing else does: pass x.dequantised().
    Raises TypeError for other types, ValueError for shapes that do not belong together.
    """

    def __init__(self, values, scales):
        values, scales = as_array(values, "values"), as_array(scales, "scales")
        if values.dtype != numpy.int8 or scales.dtype != numpy.float32:
            raise TypeError(
                f"Quantised: expected values of int8 and scales of float32; found {values.dtype} and "
                f"{scales.dtype}; qkv.quantise(x) makes both"
            )
        if values.ndim != 4 or scales.shape != values.shape[:3]:
            raise ValueError(
                f"Quantised: expected values [B, S, G, D] and scales [B, S, G]; found {list(values.shape)} and "
                f"{list(scales.shape)}"
            )
        self.values, self.scales = _check_strides(values, "values"), scales

    @property
    def shape(self):
        return self.values.shape

    @property
    def dtype(self):
        return self.values.dtype

    def dequantised(self):
        """values * scales, float32."""
        return self.values * self.scales[..., None]

    def __repr__(self):
        return f"Quantised({'x'.join(map(str, self.shape))})"


def quantise(x):
    """Rounds each row of x to whole multiples of its greatest magnitude / 127: a Quantised, a quarter of the bytes.

    x [B, S, G, D], or [B, G, S, D]: float32 with unit stride in the last axis (float16 and bfloat16 are converted).
    An error of up to 1/254 of the greatest magnitude of the row; a row with NaN or an infinity becomes NaN.
    Raises TypeError and ValueError as attention does.  Cost: two passes over x.
    Source: Dettmers et al. 2022, arXiv:2208.07339, section 2.1.

    >>> import numpy, qkv
    >>> x = qkv.quantise(numpy.array([[[[1.0, -0.5, 0.25]]]], numpy.float32))
    >>> x.values.tolist(), round(float(x.scales[0, 0, 0]) * 127, 6)
    ([[[[127, -64, 32]]]], 1.0)
    """
    x = _four_axes(real_array(x, "x"), "x", "BSGD")
    x = _check_strides(x, "x") if x.dtype == numpy.float32 else x.astype(numpy.float32)
    values, scales = numpy.empty(x.shape, numpy.int8), numpy.empty(x.shape[:3], numpy.float32)
    if x.size:
        _native.quantise(x, values, scales)
    return Quantised(values, scales)


class Inputs:
    """Queries, keys and values as the engine reads them, [B, T, H, D], and how results go back.

    precision: None for calls that have float32 alone
    narrow: k and v may stay bfloat16, or be Quantised: then `.narrow` is (k, its scales, v, its scales) for the forward
    pass, and .k and .v are what they stand for, worked out when they are asked for.
    """

    def __init__(self, q, k, v, layout, precision=None, narrow=False):
        if layout not in LAYOUTS:
            raise ValueError(f'attention: expected layout "BTHD" or "BHTD"; found {layout!r}')
        if precision not in (None, "float32", "oracle"):
            raise ValueError(f'attention: expected precision "float32" or "oracle"; found {precision!r}')
        self.layout, self.oracle = layout, precision == "oracle"
        self._given, self._read = {}, {}
        for name, letters, x in (("q", "BTHD", q), ("k", "BSGD", k), ("v", "BSGE", v)):
            a, b, c, d = letters
            if isinstance(x, Quantised):
                self._given[name] = self._quantised(x, name, narrow)
            else:
                x = real_array(x, name, precision)
                self._given[name] = _four_axes(x, name, letters if layout == "BTHD" else (a, c, b, d))
        self.q = self._whole("q")
        self._hint_at_layout()
        self.narrow = self._narrow() if narrow and not self.oracle else None

    def _quantised(self, x, name, narrow):
        if narrow and name != "q":
            return x
        raise TypeError(
            f"qkv: {name} is quantised, which k and v of the forward pass alone may be; pass {name}.dequantised()"
        )

    def _whole(self, name):
        if name not in self._read:
            x = self._given[name]
            self._read[name] = self.inside(x.dequantised() if isinstance(x, Quantised) else x, name)
        return self._read[name]

    @property
    def k(self):
        return self._whole("k")

    @property
    def v(self):
        return self._whole("v")

    def value_channels(self):
        return self._given["v"].shape[3]

    def _narrow(self):
        bits = bfloat16()
        if not any(isinstance(x, Quantised) or x.dtype == bits for x in (self._given["k"], self._given["v"])):
            return None
        found = []
        for name in "kv":
            x = self._given[name]
            if isinstance(x, Quantised):
                found += [self.swapped(x.values), self.swapped(x.scales)]
            elif x.dtype == bits and (x.shape[3] <= 1 or x.strides[3] == x.itemsize):
                found += [self.swapped(x).view(numpy.uint16), None]
            else:
                found += [self._whole(name), None]
        return tuple(found)

    def swapped(self, x):
        """From the user's order of axes to the engine's, or back; no copy."""
        return x.swapaxes(1, 2) if self.layout == "BHTD" else x

    def inside(self, x, name):
        """An array with axes in the user's order, as the engine reads it."""
        x = self.swapped(x)
        if self.oracle:
            return numpy.ascontiguousarray(x, dtype=numpy.float64)
        return _check_strides(x, name) if x.dtype == numpy.float32 else x.astype(numpy.float32)

    def new(self, sizes):
        """Memory for a result [B, T, H, ...] in order for the user: (as the engine sees it, as the user does)."""
        dtype = numpy.float64 if self.oracle else numpy.float32
        if self.layout == "BTHD" or self.oracle:
            inner = numpy.empty(sizes, dtype)
            return inner, self.swapped(inner)
        outer = numpy.empty((sizes[0], sizes[2], sizes[1], *sizes[3:]), dtype)
        return self.swapped(outer), outer

    def given_back(self, x, like):
        """A result in the type of the input it belongs to."""
        dtype = self._given[like].dtype
        return x if self.oracle or dtype == numpy.float32 else x.astype(dtype)

    def has_links(self):
        """Whether there is a query and a key at all."""
        return self.q.shape[0] > 0 and self.q.shape[1] > 0 and self.k.shape[1] > 0

    def results_shape(self):
        """[B, T, H, E]"""
        return (*self.q.shape[:3], self.value_channels())

    def gradient(self, x, name, wanted):
        """A gradient of the shape `wanted`, as the engine reads it; copied where it is not read as it lies."""
        x = as_array(x, name)
        user = wanted if self.layout == "BTHD" else (wanted[0], wanted[2], wanted[1], wanted[3])
        if tuple(x.shape) != tuple(user):
            raise ValueError(f"attention backward: expected {name} {list(user)}; found {name} {list(x.shape)}")
        x = self.swapped(real_array(x, name, "oracle" if self.oracle else None))
        if self.oracle:
            return numpy.ascontiguousarray(x, dtype=numpy.float64)
        if x.dtype != numpy.float32 or (x.shape[3] > 1 and x.strides[3] != x.itemsize):
            return numpy.ascontiguousarray(x, dtype=numpy.float32)
        return x

    def gradient_of_output(self, dout):
        """dout [B, T, H, E], read like the inputs."""
        return self.gradient(dout, "dout", self.results_shape())

    # The engine says what does not fit; only here is it known that the axes may be in the other order.
    def _hint_at_layout(self):
        q, k = self.q.shape, self._given["k"].shape
        k = (k[0], k[2], k[1], k[3]) if self.layout == "BHTD" else k
        if k[2] == 0 or q[2] % k[2] == 0 or k[1] == 0 or q[1] % k[1]:
            return
        other = LAYOUTS[1 - LAYOUTS.index(self.layout)]
        raise ValueError(
            f"attention: expected query heads H a multiple of key heads G; found that keys have {k[2]} heads, "
            f'which does not divide the queries\' {q[2]}; are the axes in the order of layout="{other}"?'
        )
