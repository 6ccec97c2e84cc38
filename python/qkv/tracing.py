"""Calls a lambda once with proxies, and says in words what went wrong."""

import inspect
import numbers
import types

from . import lookups
from .expressions import Expression, Real, Truth, Whole, number_value, truth_value

_FIELDS = {
    "query": "place of the query on the key axis",
    "key": "place of the key",
    "head": "query head",
    "batch": "sequence in the batch",
    "row": "the query's own number",
    "queries": "number of queries in this sequence",
    "keys": "number of keys in this sequence",
}


class Place:
    """Where a link stands: what a lambda receives as `at`.  Fields: query, key, head, batch, row, queries, keys."""

    __slots__ = ()

    def __getattr__(self, name):
        if name in _FIELDS:
            return Whole(name)
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"qkv: `at` has no field {name!r}; it has {', '.join(_FIELDS)}")

    def __dir__(self):
        return list(_FIELDS)


AT = Place()


def count_arguments(function):
    """How many positional arguments a callable takes; None where it does not say."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in signature.parameters.values())


def _names_in(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


def with_captured_arrays(function):
    """The same function, with the arrays among its variables replaced by views that proxies may look up in."""
    if hasattr(function, "with_captured_arrays"):
        return function.with_captured_arrays(with_captured_arrays)
    if not isinstance(function, types.FunctionType):
        return function
    is_array, found = lookups.is_array, False
    cells = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            cells.append(cell)
            continue
        if is_array(value):
            found, cell = True, types.CellType(lookups.captured(value, name))
        elif isinstance(value, types.FunctionType) and value is not function:
            inner = with_captured_arrays(value)
            if inner is not value:
                found, cell = True, types.CellType(inner)
        cells.append(cell)
    names = {n for n in _names_in(function.__code__) if is_array(function.__globals__.get(n))}
    defaults = tuple(lookups.captured(d, "a default") if is_array(d) else d for d in function.__defaults__ or ())
    if not found and not names and defaults == (function.__defaults__ or ()):
        return function
    scope = function.__globals__
    if names:
        scope = dict(scope)
        scope.update({n: lookups.captured(scope[n], n) for n in names})
    copy = types.FunctionType(function.__code__, scope, function.__name__, defaults or None, tuple(cells) or None)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _check_arguments(function, arguments, what, names):
    try:
        found = inspect.signature(function)
    except ValueError:  # a function that does not say
        return
    try:
        found.bind(*arguments)
    except TypeError:
        raise TypeError(f"qkv: a {what} lambda takes ({names}); this one takes {found}") from None


def call(function, *arguments, what="mask", names="at"):
    """What the function gives for proxies; `what` takes `names`."""
    lookups.forget_captured()
    try:
        function = with_captured_arrays(function)
        _check_arguments(function, arguments, what, names)
        return function(*arguments)
    except KeyError as problem:
        if problem.args and isinstance(problem.args[0], Expression):
            raise TypeError(f"qkv: {problem.args[0]} looks up in a dict; look up in an array instead") from None
        raise
    finally:
        lookups.forget_captured()


def trace_mask(function):
    """The condition of a mask lambda `lambda at: ...`."""
    result = call(function, AT)
    if not isinstance(result, (Expression, bool)) and not hasattr(result, "dtype"):
        raise TypeError(
            f"qkv: a mask lambda answers yes or no, as at.query >= at.key does; this one returns {_name(result)}"
        )
    try:
        condition = truth_value(result)
    except TypeError:
        raise TypeError(
            "qkv: a mask lambda answers yes or no, as at.query >= at.key does; this one returns a number"
        ) from None
    _check_whole(condition, set())
    return condition


def _check_whole(x, seen):
    if id(x) in seen:
        return
    seen.add(id(x))
    if isinstance(x, Real):
        raise TypeError(
            "qkv: a mask compares whole numbers, so that whole tiles can be decided; write 2 * a < b for a < b * "
            "0.5, and // "
            f"for a division of places (found the real number {x!r})"
        )
    for y in x.operands:
        _check_whole(y, seen)


def trace_score(function, learned=()):
    """The new score of a lambda `lambda s, at: ...`, further arguments being learned parameters."""
    names = ", ".join(["s", "at", *(f"p{n}" for n in range(1, len(learned) + 1))])
    result = call(function, Real("score"), AT, *learned, what="score", names=names)
    return _number(result, "score", "the new score, a number")


def trace_similarity(function, with_weight):
    """The term of a lambda over channels, `lambda q, k: ...` or `lambda q, k, w: ...`."""
    channels = [Real("query_channel"), Real("key_channel")] + [Real("channel_weight")] * with_weight
    result = call(function, *channels, what="similarity", names="q, k, w" if with_weight else "q, k")
    return _number(result, "similarity", "the term of one channel, a number")


def trace_weighting(function, what="weighting"):
    """The activation, or feature map, of a lambda `lambda x: ...`."""
    wanted = "the weight before it is normalised, a number" if what == "weighting" else "the new number of its channel"
    return _number(call(function, Real("score"), what=what, names="x"), what, wanted)


def _number(result, what, wanted):
    if isinstance(result, (Truth, bool)):
        hint = "; a condition belongs into a mask, or into qkv.where(condition, a, b)" if what == "score" else ""
        raise TypeError(f"qkv: a {what} lambda returns {wanted}; this one returns a bool{hint}")
    if result is None:
        raise TypeError(f"qkv: a {what} lambda returns {wanted}; this one returns nothing (is a `return` missing?)")
    if not isinstance(result, (Expression, numbers.Number)) and not hasattr(result, "shape"):
        raise TypeError(f"qkv: a {what} lambda returns {wanted}; this one returns {_name(result)}")
    value = number_value(result)
    return value if isinstance(value, Real) else Real("to_real", (value,))


def _name(x):
    return "nothing (is a `return` missing?)" if x is None else f"{type(x).__name__}"
