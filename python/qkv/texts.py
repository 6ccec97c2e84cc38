"""Expressions as a user would write them, up to a length that can be read."""

import math

from .expressions import Whole

#: A text is cut off here: a value that is used twice is written twice, and an expression may be huge.
MOST_CHARACTERS = 4000

_SIGNS = {
    "add": (" + ", 4),
    "subtract": (" - ", 4),
    "multiply": (" * ", 5),
    "divide": (" / ", 5),
    "remainder": (" % ", 5),
    "less": (" < ", 3),
    "less_equal": (" <= ", 3),
    "equal": (" == ", 3),
    "both": (" & ", 2),
    "either": (" | ", 1),
}
_NAMES = {
    "exponential": "exp",
    "logarithm": "log",
    "tangent": "tanh",
    "root": "sqrt",
    "sigmoid": "sigmoid",
    "minimum": "minimum",
    "maximum": "maximum",
    "absolute": "abs",
    "to_whole": "floor",
    "select": "where",
}
_GIVEN = {"score": "s", "query_channel": "q", "key_channel": "k", "channel_weight": "w"}


def cut(text):
    """The text, or its beginning where it is too long to be read."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


def text_of(x):
    """An expression as a user would write it."""
    written, length, waiting = [], 0, [(x, 0)]
    while waiting and length <= MOST_CHARACTERS:  # without recursion: expressions may be deep
        piece = waiting.pop()
        if isinstance(piece, str):
            written.append(piece)
            length += len(piece)
        else:
            waiting.extend(reversed(_pieces(*piece)))
    return cut("".join(written))


def _pieces(x, around):
    """Texts, and operands with the strength of what stands around them."""
    operation, operands = x.operation, x.operands
    if operation == "number":
        return [_number(x.detail)]
    if operation == "to_real":
        return [(operands[0], around)]
    if operation in ("both", "either"):
        pieces = _joined(x)
    elif operation in _SIGNS:
        sign, strength = _SIGNS[operation]
        sign = " // " if operation == "divide" and isinstance(x, Whole) else sign
        pieces = [(operands[0], strength), sign, (operands[1], strength + 1)]
    elif operation == "negative":
        return ["-", (operands[0], 6)]
    elif operation == "opposite":
        return ["~(", (operands[0], 0), ")"] if operands[0].operands else ["~", (operands[0], 0)]
    else:
        return _called(x)
    return ["(", *pieces, ")"] if _SIGNS[operation][1] < around else pieces


def _number(detail):
    if isinstance(detail, float) and not math.isfinite(detail):
        return f"float('{detail}')"
    return repr(detail)


def _joined(x):
    """& and | bind tighter than comparisons in Python; what the same sign joins on the left needs no parentheses."""
    (left, right), sign = x.operands, _SIGNS[x.operation][0]
    bare = left.operation == x.operation
    return [*([(left, 0)] if bare else _side(left)), sign, *_side(right)]


def _side(y):
    return ["(", (y, 0), ")"] if y.operation in _SIGNS else [(y, 9)]


def _called(x):
    arguments = []
    for y in x.operands:
        arguments += [", ", (y, 0)]
    arguments = arguments[1:]
    if x.operation == "hash":
        return [f"hash({x.detail}, ", *arguments, ")"]
    if x.operation in _NAMES:
        return [f"{_NAMES[x.operation]}(", *arguments, ")"]
    if x.operation in ("table_entry", "array_entry", "learned_entry"):
        return [f"{x.detail.name}[", *arguments, "]"]
    return [_GIVEN.get(x.operation, "at." + x.operation)]
