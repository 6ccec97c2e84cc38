"""What a lambda has captured: arrays among its variables become views that proxies may look up in."""

import dis
import functools
import types

from . import lookups


def with_captured_arrays(function):
    """The same function, with the arrays among its variables replaced by views that proxies may look up in.

    Its variables are those of the functions around it, those of its module, and its defaults.  Functions among them
    and what lists and tuples hold are looked through in the same way.
    """
    return _Replacement().of(function)


class _Replacement:
    def __init__(self):
        self._known = {}  # by id: functions may name each other

    def of(self, x, name="array"):
        """What stands in for x: x itself where nothing in it is captured."""
        if lookups.is_array(x):
            return lookups.captured(x, name)
        if type(x) in (list, tuple):
            found = [self.of(y, name) for y in x]
            return type(x)(found) if any(a is not b for a, b in zip(found, x)) else x
        if isinstance(x, types.FunctionType):
            return self._of_function(x)
        if isinstance(x, functools.partial):
            return self._of_partial(x)
        if isinstance(x, types.MethodType):
            function = self.of(x.__func__)
            return x if function is x.__func__ else types.MethodType(function, x.__self__)
        if hasattr(type(x), "with_captured_arrays"):
            return x.with_captured_arrays(self.of)
        return x

    def _of_partial(self, x):
        function, given = self.of(x.func), self.of(x.args)
        named = {name: self.of(y, name) for name, y in x.keywords.items()}
        changed = function is not x.func or given is not x.args or any(named[n] is not x.keywords[n] for n in named)
        return functools.partial(function, *given, **named) if changed else x

    def _of_function(self, function):
        if id(function) not in self._known:
            self._known[id(function)] = function  # while its own variables are looked at
            self._known[id(function)] = self._copy(function)
        return self._known[id(function)]

    def _copy(self, function):
        """A copy of the function that sees what stands in for its variables; the function where nothing does."""
        code, scope = function.__code__, function.__globals__
        cells = [self._cell(name, cell) for name, cell in zip(code.co_freevars, function.__closure__ or ())]
        outside = {n: self.of(scope[n], n) for n in _names_in(code) if n in scope}
        outside = {n: x for n, x in outside.items() if x is not scope[n]}
        defaults = tuple(self.of(x, "a default") for x in function.__defaults__ or ())
        named = {n: self.of(x, n) for n, x in (function.__kwdefaults__ or {}).items()}
        before = [
            *(function.__closure__ or ()),
            *(function.__defaults__ or ()),
            *(function.__kwdefaults__ or {}).values(),
        ]
        if not outside and all(a is b for a, b in zip([*cells, *defaults, *named.values()], before)):
            return function
        scope = {**scope, **outside} if outside else scope
        copy = types.FunctionType(code, scope, function.__name__, defaults or None, tuple(cells) or None)
        copy.__kwdefaults__ = named or None
        return copy

    def _cell(self, name, cell):
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            return cell
        found = self.of(value, name)
        return cell if found is value else types.CellType(found)


def _names_in(code):
    """The names of its module that code reads; not those of attributes, as in at.key."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names
