"""Values of many links at once: what a lambda sees when it is traced, and the expression it builds.

A lambda is called once.  It is given proxies in place of numbers; every operator makes a new proxy that remembers how
it was made.  The result is an expression, which `program.py` writes down for the engine.
"""

import builtins
import functools
import operator

import numpy

from .scalars import shown

_STEERING = (
    "qkv: a condition on many links at once cannot steer `if`, `and`, `or`, `not` or a chained comparison; write "
    "qkv.where(condition, a, b) to choose, &, | and ~ between conditions, and qkv.maximum and qkv.minimum for max and "
    "min"
)
_NO_SEQUENCE = "qkv: a traced value is one number for each link, not a sequence: it cannot be looped over or unpacked"
_NO_INDEX = (
    "qkv: a traced value stands for many links and has no single number: it cannot count a loop (write a loop over "
    "plain numbers, and qkv.where inside) or look up in a list (numpy.asarray(list)[at.head] can; qkv.table(array) or "
    "qkv.parameter(array) where the array is not a variable of the lambda itself)"
)
_NO_NUMBER = (
    "qkv: a traced value stands for many links and has no single number; use qkv.tanh, qkv.exp, qkv.log, qkv.sqrt, "
    "qkv.floor, qkv.where, ... in place of the functions of math, and qkv.table(array) or qkv.parameter(array) to look "
    "up in an array that is not a variable of the lambda itself"
)


_NO_HASH = (
    "qkv: a traced lambda cannot look its numbers up in a set or a dict; compare, as in (at.key == 1) | (at.key == 2), "
    "or look them up in an array"
)


class Expression:
    """A value that a traced lambda has computed: an operation, what it was applied to, and details such as a number."""

    __slots__ = ("operation", "operands", "detail")

    def __init__(self, operation, operands=(), detail=None):
        self.operation, self.operands, self.detail = operation, tuple(operands), detail

    def __reduce__(self):
        return _from_list, (_as_list(self),)

    def __hash__(self):  # `at.key in {1, 2}` would look for the proxy itself
        raise TypeError(_NO_HASH)

    def __bool__(self):
        raise TypeError(_STEERING)

    def _no_number(self, *_, **__):
        raise TypeError(_NO_NUMBER)

    def _no_sequence(self, *_):
        raise TypeError(_NO_SEQUENCE)

    def _no_index(self):
        raise TypeError(_NO_INDEX)

    __float__ = __int__ = __complex__ = __array__ = __round__ = _no_number
    __len__ = __iter__ = __getitem__ = __contains__ = _no_sequence
    __index__ = _no_index
    __trunc__ = __floor__ = __ceil__ = _no_number

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _METHODS:
            return functools.partial(_METHODS[name], self)
        raise AttributeError(
            f"qkv: a traced value has no {name!r}: it is one number for each link; the functions are {_functions()}"
        )

    def __repr__(self):
        from .texts import text_of

        return text_of(self)

    # NumPy's and PyTorch's functions of the same meaning may be called too.
    def __array_ufunc__(self, function, method, *inputs, **options):
        ours = _NUMPY_FUNCTIONS.get(function.__name__)
        if method != "__call__" or options or ours is None:
            raise TypeError(f"qkv: numpy.{function.__name__} cannot be traced; the functions are {_functions()}")
        return ours(*(value_of(x) for x in inputs))

    def __array_function__(self, function, types, arguments, options):
        ours = {numpy.where: where, numpy.clip: _NUMPY_FUNCTIONS["clip"]}.get(function)
        if ours is not None and not options and len(arguments) == 3:
            return ours(*arguments)
        raise TypeError(f"qkv: numpy.{function.__name__} cannot be traced; the functions are {_functions()}")

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        name = getattr(function, "__name__", str(function)).strip("_")
        ours = _TORCH_FUNCTIONS.get(name)
        if name == "getitem":
            from .lookups import entry_of_tensor

            return entry_of_tensor(*arguments)
        if ours is None or (options and ours is not _clamped):
            raise TypeError(f"qkv: torch.{name} cannot be traced; the functions are {_functions()}")
        return ours(*(value_of(x) if hasattr(x, "shape") else x for x in arguments), **(options or {}))


def every(x):
    """Each value that x is computed from, and x: once, operands first, and without recursion, for x may be deep."""
    seen, waiting = set(), [x]
    while waiting:
        y = waiting[-1]
        left = [z for z in y.operands if id(z) not in seen] if id(y) not in seen else []
        if left:
            waiting.extend(left)
            continue
        if id(y) not in seen:
            seen.add(id(y))
            yield y
        waiting.pop()


def _as_list(x):
    """An expression as pickle can take it, however deep: (type, operation, numbers of its operands, detail) each."""
    numbers, found = {}, []
    for y in every(x):
        numbers[id(y)] = len(found)
        found.append((type(y), y.operation, [numbers[id(z)] for z in y.operands], y.detail))
    return found


def _from_list(found):
    made = []
    for kind, operation, operands, detail in found:
        made.append(kind(operation, [made[n] for n in operands], detail))
    return made[-1]


class Truth(Expression):
    """Yes or no for every link; joined with &, | and ~."""

    __slots__ = ()

    def __and__(self, other):
        return _joined("both", self, other)

    def __or__(self, other):
        return _joined("either", self, other)

    def __xor__(self, other):
        other = truth_value(other)
        return (self & ~other) | (~self & other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self):
        return Truth("opposite", (self,))

    def __eq__(self, other):
        return ~(self ^ other)

    def __ne__(self, other):
        return self ^ other

    __hash__ = Expression.__hash__


class Number(Expression):
    """A number for every link."""

    __slots__ = ()

    def __add__(self, other):
        return _arithmetic("add", self, other)

    def __radd__(self, other):
        return _arithmetic("add", other, self)

    def __sub__(self, other):
        return _arithmetic("subtract", self, other)

    def __rsub__(self, other):
        return _arithmetic("subtract", other, self)

    def __mul__(self, other):
        return _arithmetic("multiply", self, other)

    def __rmul__(self, other):
        return _arithmetic("multiply", other, self)

    def __truediv__(self, other):
        return _divided(self, other)

    def __rtruediv__(self, other):
        return _divided(other, self)

    def __floordiv__(self, other):
        return _divided_downwards(self, other)

    def __rfloordiv__(self, other):
        return _divided_downwards(other, self)

    def __mod__(self, other):
        return _remainder(self, other)

    def __rmod__(self, other):
        return _remainder(other, self)

    def __divmod__(self, other):
        return self // other, self % other

    def _no_bits(self, _):
        raise TypeError("qkv: a traced value has no bits to move; write x * 2**n for x << n and x // 2**n for x >> n")

    __lshift__ = __rshift__ = __rlshift__ = __rrshift__ = _no_bits

    def __pow__(self, power):
        if isinstance(power, (builtins.int, numpy.integer)) and 1 <= power <= 16:
            result = self
            for _ in range(power - 1):
                result = result * self
            return result
        if power == 0.5:
            return sqrt(self)
        raise TypeError(
            "qkv: a traced value is raised to whole powers from 1 to 16 and to 0.5; write qkv.exp(p * qkv.log(x))"
        )

    def __rpow__(self, base):
        raise TypeError("qkv: a traced value is no power; write qkv.exp(x * math.log(base)) for base ** x")

    def __neg__(self):
        return type(self)("negative", (self,))

    def __pos__(self):
        return self

    def __abs__(self):
        return type(self)("absolute", (self,))

    def __lt__(self, other):
        return _compared("less", self, other)

    def __le__(self, other):
        return _compared("less_equal", self, other)

    def __gt__(self, other):
        return _compared("less", other, self)

    def __ge__(self, other):
        return _compared("less_equal", other, self)

    def __eq__(self, other):
        return _compared("equal", self, other)

    def __ne__(self, other):
        return ~_compared("equal", self, other)

    __hash__ = Expression.__hash__

    # PyTorch's and_masks and or_masks begin with these, of one number and type bool.
    def new_ones(self, _, dtype=None):
        return value_of(True)

    def new_zeros(self, _, dtype=None):
        return value_of(False)

    def _no_junction(self, _):
        raise TypeError("qkv: &, | and ~ join conditions; this is a number: compare it first, as in (x > 0) & (y > 0)")

    __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = _no_junction

    def __invert__(self):
        return self._no_junction(None)


class Whole(Number):
    """A whole number for every link: places, and what is computed from them."""

    __slots__ = ()


class Real(Number):
    """A real number for every link: scores, and what is computed from them."""

    __slots__ = ()


def value_of(x):
    """A proxy or a constant as an expression.  Raises TypeError for anything else."""
    if isinstance(x, Expression):
        return x
    if isinstance(x, (bool, numpy.bool_)):
        return Truth("number", (), bool(x))
    if isinstance(x, (builtins.int, numpy.integer)):
        return _whole_constant(builtins.int(x))
    if isinstance(x, (builtins.float, numpy.floating)):
        return Real("number", (), builtins.float(x))
    if getattr(x, "shape", None) == () and hasattr(x, "item"):
        return _learned_number(x) if getattr(x, "requires_grad", False) else value_of(x.item())
    if x is None:
        raise TypeError("qkv: a traced value meets None; expected a number or a condition (is a `return` missing?)")
    if isinstance(x, slice) or x is Ellipsis:
        raise TypeError("qkv: a traced lambda looks up one entry for each link: one index for each axis, no slices")
    if getattr(x, "shape", None) is not None:
        raise TypeError(
            f"qkv: an array of shape {tuple(x.shape)} meets a traced value; look up one entry for each link, as in "
            "array[at.head] or array[at.batch, at.key]"
        )
    raise TypeError(f"qkv: a traced value meets {type(x).__name__}; expected a number or a condition")


def _whole_constant(x):
    if not -(2**31) <= x < 2**31:
        raise ValueError(
            f"qkv: expected whole numbers of 32 bits in a traced lambda, {-(2**31)} to {2**31 - 1}; found {shown(x)}; "
            "write a real number, as in 1e12 for 10**12, or leave out a comparison that always holds"
        )
    return Whole("number", (), x)


def _learned_number(tensor):
    from .lookups import learned_number

    return learned_number(tensor)


def truth_value(x):
    value = value_of(x)
    if not isinstance(value, Truth):
        raise TypeError("qkv: expected a condition, such as at.query >= at.key; found a number")
    return value


def number_value(x):
    value = value_of(x)
    if isinstance(value, Truth):
        raise TypeError("qkv: expected a number; found a condition (qkv.where(condition, 1, 0) makes a number of it)")
    return value


def whole_value(x):
    value = number_value(x)
    if not isinstance(value, Whole):
        raise TypeError("qkv: expected a whole number; found a real one (qkv.floor(x) makes a whole number of it)")
    return value


def _joined(operation, a, b):
    return Truth(operation, (truth_value(a), truth_value(b)))


def _kind(*values):
    return Whole if all(isinstance(v, Whole) for v in values) else Real


def _arithmetic(operation, a, b):
    a, b = number_value(a), number_value(b)
    return _kind(a, b)(operation, (a, b))


def _compared(operation, a, b):
    return Truth(operation, (number_value(a), number_value(b)))


def _divided(a, b):
    return Real("divide", (_real(a), _real(b)))


def _divided_downwards(a, b):
    a, b = number_value(a), number_value(b)
    return Whole("divide", (a, b)) if _kind(a, b) is Whole else floor(_divided(a, b))


def _remainder(a, b):
    a, b = number_value(a), number_value(b)
    if _kind(a, b) is Whole:
        return Whole("remainder", (a, b))
    raise TypeError("qkv: % is for whole numbers; write x - y * qkv.floor(x / y) for real ones")


def _real(x):
    x = number_value(x)
    return x if isinstance(x, Real) else Real("to_real", (x,))


def _function(name, opcode, on_arrays, description):
    def function(x):
        if not isinstance(x, Expression):
            return on_arrays(x)
        return Real(opcode, (_real(x),))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{description}  In a traced lambda, of every link; else NumPy's."
    return function


def _sigmoid_of_array(x):
    with numpy.errstate(over="ignore"):  # where it is 0
        return 1 / (1 + numpy.exp(-numpy.asarray(x)))


exp = _function("exp", "exponential", numpy.exp, "e to the power x.")
log = _function("log", "logarithm", numpy.log, "The natural logarithm: -infinity at 0, NaN below.")
tanh = _function("tanh", "tangent", numpy.tanh, "The hyperbolic tangent.")
sqrt = _function("sqrt", "root", numpy.sqrt, "The square root.")
sigmoid = _function("sigmoid", "sigmoid", _sigmoid_of_array, "1 / (1 + exp(-x)).")


def abs(x):  # noqa: A001 - the name that users look for
    """The magnitude of x, a whole number of a whole number."""
    return builtins.abs(x)


def floor(x):
    """The whole part of x, rounded down, as a whole number.  Its derivative is 0."""
    if not isinstance(x, Expression):
        return numpy.floor(x)
    x = number_value(x)
    return x if isinstance(x, Whole) else Whole("to_whole", (x,))


def where(condition, a, b):
    """a where the condition holds, else b: what `if` is for many links at once.  Both are computed."""
    if not any(isinstance(x, Expression) for x in (condition, a, b)):
        return numpy.where(condition, a, b)
    condition, a, b = truth_value(condition), value_of(a), value_of(b)
    if isinstance(a, Truth) and isinstance(b, Truth):
        return (condition & a) | (~condition & b)
    return _kind(number_value(a), number_value(b))("select", (condition, a, b))


def minimum(a, b):
    """The lesser of two numbers."""
    if not any(isinstance(x, Expression) for x in (a, b)):
        return numpy.minimum(a, b)
    return _arithmetic("minimum", a, b)


def maximum(a, b):
    """The greater of two numbers."""
    if not any(isinstance(x, Expression) for x in (a, b)):
        return numpy.maximum(a, b)
    return _arithmetic("maximum", a, b)


def hash(seed, a, b):  # noqa: A001 - as in the C++ library
    """A well mixed whole number in [0, 2**30) from a seed and two whole numbers; the same on every machine."""
    if isinstance(seed, Expression) or not isinstance(seed, (builtins.int, numpy.integer)):
        raise TypeError(
            f"qkv.hash: expected a seed that is a whole number, the same for all links; found {shown(seed)}; what "
            "differs from link to link goes after it"
        )
    return Whole("hash", (whole_value(a), whole_value(b)), builtins.int(seed) % 2**64)


def _clamped(x, min=None, max=None):
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


_NUMPY_FUNCTIONS = {
    "exp": exp,
    "log": log,
    "tanh": tanh,
    "sqrt": sqrt,
    "floor": floor,
    "absolute": abs,
    "fabs": abs,
    "minimum": minimum,
    "maximum": maximum,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "true_divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "negative": operator.neg,
    "square": lambda x: x * x,
    "clip": _clamped,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda a, b: truth_value(a) & b,
    "logical_or": lambda a, b: truth_value(a) | b,
    "logical_not": lambda a: ~truth_value(a),
    "bitwise_and": lambda a, b: truth_value(a) & b,
    "bitwise_or": lambda a, b: truth_value(a) | b,
    "invert": lambda a: ~truth_value(a),
}
_TORCH_FUNCTIONS = {
    **_NUMPY_FUNCTIONS,
    "where": where,
    "sigmoid": sigmoid,
    "abs": abs,
    "clamp": _clamped,
    "pow": operator.pow,
    "relu": lambda x: maximum(x, 0),
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "rsub": lambda a, b: b - a,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "neg": operator.neg,
    "and": lambda a, b: truth_value(a) & b,
    "or": lambda a, b: truth_value(a) | b,
    "rmul": operator.mul,
    "radd": operator.add,
    "rtruediv": lambda a, b: b / a,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
}


#: What functions of FlexAttention call on its tensors, as in (q_idx - kv_idx).abs().
_METHODS = {
    **{name: _TORCH_FUNCTIONS[name] for name in ("abs", "clamp", "clip", "exp", "floor", "log", "maximum", "minimum")},
    **{name: _TORCH_FUNCTIONS[name] for name in ("pow", "relu", "sigmoid", "sqrt", "square", "tanh")},
    "float": lambda x: _real(x),
}


def _functions():
    return "qkv.where, exp, log, tanh, sqrt, sigmoid, abs, minimum, maximum, floor and hash"
