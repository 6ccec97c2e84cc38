"""Calls a lambda once with proxies, and says in words what went wrong."""

import inspect
import numbers

from . import lookups
from .capturing import with_captured_arrays
from .expressions import Expression, Real, Truth, Whole, every, number_value, truth_value
from .scalars import shown

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
    if not callable(function) or isinstance(function, type) or lookups.is_array(function):
        hint = "; an array of flags is a mask as qkv.dense_mask(array), or as mask=" if what == "mask" else ""
        raise TypeError(f"qkv: expected a {what} as a lambda of ({names}); found {shown(function)}{hint}")
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
    real = next((x for x in every(condition) if isinstance(x, Real)), None)
    if real is not None:
        raise TypeError(
            "qkv: a mask compares whole numbers, so that whole tiles can be decided; write 2 * a < b for a < b * "
            "0.5, and // "
            f"for a division of places (found the real number {real!r})"
        )
    return condition


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
