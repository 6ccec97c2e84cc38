"""Plain numbers at the door: whole or real, within bounds, or a sentence that says what was expected."""

import math
import numbers
import operator

import numpy

#: Places, lengths and counts beyond this are refused: no axis has as many.
MOST_PLACES = 1 << 30


def whole_number(operation, what, x, least=None, most=None):
    """x as an int from `least` to `most`.  Raises TypeError for another kind of number, ValueError outside."""
    _refuse_gradients(operation, what, x)
    try:
        if isinstance(x, (bool, numpy.bool_)):
            raise TypeError
        number = operator.index(x)
    except TypeError:
        raise TypeError(f"{operation}: expected {what} as a whole number; found {shown(x)}") from None
    if least is not None and number < least:
        raise ValueError(f"{operation}: expected {what} of at least {least}; found {shown(number)}")
    if most is not None and number > most:
        raise ValueError(f"{operation}: expected {what} of at most {most}; found {shown(number)}")
    return number


def real_number(operation, what, x):
    """x as a finite float.  Raises TypeError for what is no number, ValueError for NaN, infinities and beyond."""
    _refuse_gradients(operation, what, x)
    if getattr(x, "shape", None) == () and hasattr(x, "item"):
        x = x.item()
    if isinstance(x, (bool, numpy.bool_)) or not isinstance(x, numbers.Real):
        raise TypeError(f"{operation}: expected {what} as a number; found {shown(x)}")
    try:
        number = float(x)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{operation}: expected {what} as a finite number; found {shown(x)}")
    return number


def _refuse_gradients(operation, what, x):
    if getattr(x, "requires_grad", False):
        raise TypeError(
            f"{operation}: expected {what} as a plain number, which has no gradient; found a tensor that requires one: "
            "pass x.item(), or learn it in a lambda, as in score=lambda s, at: s * x"
        )


def shown(x):
    """What was found, short enough for a message."""
    if getattr(x, "shape", None):
        return f"{type(x).__name__} of shape {list(x.shape)}"
    if isinstance(x, int) and x.bit_length() > 128:  # Python does not write out numbers of thousands of digits
        return f"a whole number of {x.bit_length()} bits"
    text = repr(x.item() if isinstance(x, numpy.generic) else x)
    return text if len(text) <= 60 else f"{type(x).__name__} {text[:50]}..."


def written(x):
    """A number as a user writes it: 30 for 30.0, and every digit that tells it from others."""
    text = f"{x:g}"
    return text if float(text) == float(x) else repr(float(x))
