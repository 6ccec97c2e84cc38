"""The parts of an attention variant, as objects: they compose, print, and pickle."""

import re

import numpy

from . import lookups, tracing
from .expressions import Real, Truth
from .inputs import is_real
from .scalars import MOST_PLACES, real_number, shown, whole_number, written
from .texts import cut, text_of


class Part:
    """A part of an attention variant.  Given to qkv.attention in any order."""

    _repr = None
    __array_ufunc__ = None  # flags & mask joins them, where NumPy would ask each flag

    def __repr__(self):
        return self._repr or self._written()

    def _written(self):
        return f"{type(self).__name__.lower()}(...)"

    def named(self, text):
        """The same part with a shorter repr."""
        self._repr = text
        return self


class Mask(Part):
    """Which links exist.  Masks join with & (and), | (or) and ~ (not); lambdas may take part.

    >>> import qkv
    >>> qkv.causal & (qkv.sliding_window(256) | qkv.global_tokens(4))
    causal & (sliding_window(256) | global_tokens(4))
    >>> ~qkv.mask(lambda at: at.query // 8 == at.key // 8)
    ~mask(at.query // 8 == at.key // 8)
    """

    _sign = None  # what joins the outermost terms of its repr, where something does

    def __init__(self, rule):
        self.condition = rule if isinstance(rule, Truth) else tracing.trace_mask(rule)

    def _written(self):
        return f"mask({text_of(self.condition)})"

    def _joined(self, other, sign, join, swapped=False):
        other = as_mask(other)
        a, b = (other, self) if swapped else (self, other)
        joined = Mask(join(a.condition, b.condition))
        joined._sign = sign
        return joined.named(cut(sign.join(repr(x) if x._sign in (None, sign) else f"({x!r})" for x in (a, b))))

    def __and__(self, other):
        return self._joined(other, " & ", lambda a, b: a & b)

    def __or__(self, other):
        return self._joined(other, " | ", lambda a, b: a | b)

    def __rand__(self, other):
        return self._joined(other, " & ", lambda a, b: a & b, swapped=True)

    def __ror__(self, other):
        return self._joined(other, " | ", lambda a, b: a | b, swapped=True)

    def __invert__(self):
        return Mask(~self.condition).named(cut(f"~{self!r}" if self._sign is None else f"~({self!r})"))

    def __bool__(self):
        raise TypeError("qkv: masks are joined with &, | and ~, not with `and`, `or` and `not`")


class Score(Part):
    """A change of the score before the mask and the weighting; several apply from left to right.

    rule: lambda s, at: ..., with one more argument for each learned array that follows.

    >>> import qkv
    >>> qkv.score(lambda s, at: 30 * qkv.tanh(s / 30))
    score(30 * tanh(s / 30))
    """

    four_axes = None  # of an additive mask, which calls must fit

    def __init__(self, rule, *learned):
        if isinstance(rule, Real):
            self.value = rule
        else:
            parameters = [p if isinstance(p, lookups.Parameter) else lookups.Parameter(p) for p in learned]
            self.value = tracing.trace_score(rule, parameters)

    def _written(self):
        return f"score({text_of(self.value)})"


class Similarity(Part):
    """How alike a query and a key are: a ready-made kind, or the sum over channels of a lambda's term.

    rule: lambda q, k: ..., or lambda q, k, w: ... with learned channel weights [D].  Unscaled.

    >>> import qkv
    >>> qkv.similarity(lambda q, k: -abs(q - k))
    similarity(-abs(q - k))
    """

    def __init__(self, rule, weights=None, *, name=None):
        self.name, self.term = name, None
        if weights is not None and not isinstance(weights, lookups.Parameter):
            weights = lookups.Parameter(weights, "channel weights", "D")
        self.learned = weights
        if name is None:
            if weights is None and tracing.count_arguments(rule) == 3:
                raise TypeError(
                    "qkv: this similarity lambda takes channel weights; write qkv.similarity(lambda, weights)"
                )
            self.term = tracing.trace_similarity(rule, weights is not None)

    def _written(self):
        if self.term is not None:
            return f"similarity({text_of(self.term)})"
        return self.name if self.learned is None else f"{self.name}({self.learned!r})"


class Weighting(Part):
    """From the scores of a row to its weights: a ready-made kind, or an activation.

    rule: lambda x: ..., applied to each score.  sum_to_one: a level is subtracted from the scores so that the row sums
    to 1 (the activation must not decrease and never be negative), or "by_division".

    >>> import qkv
    >>> qkv.weighting(lambda x: qkv.maximum(x, 0) ** 3)
    weighting(maximum(x, 0) * maximum(x, 0) * maximum(x, 0))
    """

    def __init__(self, rule, sum_to_one=False, *, name=None, number=0.0, sink=None):
        if sum_to_one not in (False, True, "by_division"):
            raise ValueError(f"weighting: expected sum_to_one False, True or 'by_division'; found {sum_to_one!r}")
        self.name, self.number, self.activation = name, float(number), None
        self.sum_to_one = {False: "no", True: "yes"}.get(sum_to_one, sum_to_one)
        self.sink = (
            sink if sink is None or isinstance(sink, lookups.Parameter) else lookups.Parameter(sink, "sinks", "H")
        )
        if name is None:
            self.activation = tracing.trace_weighting(rule)

    def _written(self):
        if self.activation is None:
            return self.name
        inside = re.sub(r"\bs\b", "x", text_of(self.activation))
        return (
            f"weighting({inside})"
            if self.sum_to_one == "no"
            else f"weighting({inside}, sum_to_one={self.sum_to_one == 'yes' or self.sum_to_one!r})"
        )


class Scale(Part):
    """Replaces the similarity's own scale."""

    def __init__(self, factor):
        self.factor = real_number("scale", "a factor", factor)

    def _written(self):
        return f"scale({written(self.factor)})"


class Alignment(Part):
    """Where query 0 stands on the key axis."""

    def __init__(self, from_end, offset):
        self.from_end = bool(from_end)
        self.offset = whole_number("queries_start_at", "a place", offset, -MOST_PLACES, MOST_PLACES)

    def _written(self):
        return (
            "bottom_right" if self.from_end else "top_left" if self.offset == 0 else f"queries_start_at({self.offset})"
        )


class Sequences(Part):
    """Ragged batches: packed end to end, or padded."""

    def __init__(self, kind, queries, keys):
        self.kind, self.queries, self.keys = kind, _wholes(queries), _wholes(queries if keys is None else keys)

    def _written(self):
        return f"{self.kind}({self.queries}{'' if self.keys == self.queries else f', {self.keys}'})"


class Dropout(Part):
    """Each weight is dropped with probability `rate`, the others divided by 1 - rate; the same for the same seed."""

    def __init__(self, rate, seed=0):
        self.rate = real_number("dropout", "a rate", rate)
        if not 0 <= self.rate < 1:
            raise ValueError(f"dropout: expected a rate from 0 to below 1; found {written(self.rate)}")
        self.seed = whole_number("dropout", "a seed", seed) % 2**64

    def _written(self):
        return f"dropout({written(self.rate)}, seed={self.seed})"


def _wholes(x):
    array = lookups.as_numpy(x, "lengths or offsets")
    if array.dtype.kind not in "iuO" or array.ndim != 1:  # O: Python's numbers beyond 64 bits
        raise TypeError(
            f"qkv: expected lengths or offsets, whole numbers in a row; found {array.dtype} of shape "
            f"{list(array.shape)}; .astype(int) and .reshape(-1) make such"
        )
    return [whole_number("qkv", "lengths and offsets", n, -MOST_PLACES, MOST_PLACES) for n in array]


def as_mask(x):
    """A mask, a lambda of one argument, or an array as a mask."""
    if isinstance(x, Mask):
        return x
    if lookups.is_array(x) or isinstance(x, list):
        return dense_mask(x)
    if callable(x) and not isinstance(x, (Part, type)):
        return Mask(x)
    raise TypeError(f"qkv: expected a mask, a lambda of `at`, or an array of flags as the mask; found {shown(x)}")


def four_axes(array, what):
    """An array as [B or 1, H or 1, T or 1, S]: axes that are missing in front are 1, as NumPy broadcasts."""
    if not 1 <= array.ndim <= 4:
        raise ValueError(f"{what}: expected {what} [B or 1, H or 1, T or 1, S]; found {list(array.shape)}")
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _index_by_place(array):
    """Indices of a [B or 1, H or 1, T or 1, S] array: an axis of size 1 serves all."""
    at = tracing.AT
    places = (at.batch, at.head, at.row, at.key)
    return tuple(p if size != 1 or n == 3 else 0 for n, (p, size) in enumerate(zip(places, array.shape)))


def dense_mask(flags):
    """A dense array of flags, true where a link exists: [B or 1, H or 1, T or 1, S]; leading axes may be left out.

    Tiles without a link are skipped.  The flags are copied; memory 4 bytes a flag.
    """
    array = lookups.as_numpy(flags, "mask")
    if array.dtype.kind not in "iub":
        remedy = "numbers added to the scores go to bias=" if is_real(array.dtype) else "pass .astype(bool) of it"
        raise TypeError(f"dense_mask: expected flags (bool or whole numbers); found {array.dtype}; {remedy}")
    array = four_axes(array, "dense_mask")
    table = lookups.Table(array != 0, "flags")
    table.four_axes = array.shape
    return Mask(table[_index_by_place(array)]).named(f"dense_mask({'x'.join(map(str, array.shape))})")


def additive_mask(values):
    """An array added to the scores, where -infinity means no link: as (mask, score); the mask is None without one.
    Learned where it is a tensor that requires gradients."""
    array = four_axes(lookups.as_numpy(values, "mask"), "mask")
    if getattr(values, "requires_grad", False):
        added = additive_bias(values)
    else:
        constant = lookups.Constant(array, "mask")
        added = Score(Real("score") + constant[_index_by_place(array)])
        added.four_axes = array.shape
    dead = array == -numpy.inf
    return (dense_mask(~dead) if dead.any() else None), added.named("additive mask")


def additive_bias(values):
    """Numbers added to every score: [B or 1, H or 1, T or 1, S]; leading axes may be left out.  Learned: its gradient
    is summed over the axes of size 1.

    float32, float16 or bfloat16; float64 is for precision="oracle".  Read where it lies, as qkv.parameter's are.
    """
    given = values if isinstance(values, lookups.Parameter) else lookups.Parameter(values, "additive bias")
    axes = four_axes(given.values, "additive bias").shape
    name = given.name if given.name != "parameter" else "additive bias"
    flat = given.with_axes(axes, name, "B|1 H|1 T|1 S")
    flat.stands_for = values
    return Score(Real("score") + flat[_index_by_place(flat.values)]).named(f"additive_bias({'x'.join(map(str, axes))})")
