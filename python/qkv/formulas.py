"""From parts to a formula of the engine."""

import difflib
import functools
import inspect

import numpy

from . import _native, lookups, ready
from .parts import (
    Alignment,
    Dropout,
    Mask,
    Part,
    Scale,
    Score,
    Sequences,
    Similarity,
    Weighting,
    additive_bias,
    additive_mask,
    as_mask,
)
from .inputs import is_real
from .program import Writer
from .ready import dot, softmax
from .scalars import shown
from .tracing import count_arguments


def part_of(x):
    """A part, or a lambda told apart by its arguments: (at) is a mask, (s, at) a score.  Else raises TypeError."""
    if isinstance(x, Part):
        return x
    if lookups.is_array(x):
        raise TypeError(
            "qkv: an array stands among the parts; flags go to mask=, numbers added to the scores to bias=, "
            "learned parameters into their part, as in qkv.alibi(slopes) or qkv.score(lambda, slopes)"
        )
    if isinstance(x, type) or not callable(x):
        raise TypeError(
            f"qkv: not a part of attention: {shown(x)}; expected a similarity, a mask, a score, a weighting, a scale, "
            "an alignment, sequences, dropout, or a lambda of (at) or (s, at)"
        )
    if getattr(ready, getattr(x, "__name__", ""), None) is x:
        raise TypeError(
            f"qkv: expected a part of attention; found the function {x.__name__} itself: call it, as in "
            f"qkv.{x.__name__}(...)"
        )
    arguments = count_arguments(x)
    if arguments == 1:
        return Mask(x)
    if arguments == 2:
        return Score(x)
    if arguments in (4, 5):
        raise TypeError(
            "qkv: this lambda has FlexAttention's arguments; write lambda s, at: ... with at.batch, at.head, "
            "at.query and at.key (lambda at: ... for a mask), or call qkv.flex.flex_attention"
        )
    found = "does not say what it takes" if arguments is None else f"takes {arguments} arguments"
    raise TypeError(
        f"qkv: a lambda among the parts takes (at) or (s, at); this one {found} (learned "
        "parameters follow the lambda: qkv.score(lambda, parameters...))"
    )


#: The keywords that name parts, in every call that takes parts.
KEYWORDS = ("mask", "score", "weighting", "similarity", "bias", "scale", "dropout", "align")


def lists_keywords(function, defaults):
    """The same function, whose signature (as help() shows it) lists what its **keywords stand for."""
    signature, only = inspect.signature(function), inspect.Parameter.KEYWORD_ONLY
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named = [inspect.Parameter(name, only, default=default) for name, default in defaults.items()]
    function.__signature__ = signature.replace(parameters=own + named)
    return function


def refuse_unknown(keywords, known, whose, parts=()):
    """Raises TypeError for a keyword that is not one of those known; it may be meant for one of the parts."""
    for name in keywords:
        if name in known:
            continue
        near = [] if name in parts else difflib.get_close_matches(name, known, 1)
        part = difflib.get_close_matches(name, parts, 1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        elif part:
            hint = f"qkv.{part[0]} is a part, as in qkv.attention(q, k, v, qkv.causal, qkv.softcap(30))"
        else:
            hint = f"{whose} are {', '.join(known)}"
        raise TypeError(f"qkv: unexpected keyword {name!r}; {hint}")


def takes_parts(function):
    """A call whose **keywords name parts."""
    return lists_keywords(function, dict.fromkeys(KEYWORDS))


class Composition:
    """The parts of one call, sorted; `formula()` is what the engine runs."""

    def __init__(self, parts, keywords):
        refuse_unknown(keywords, KEYWORDS, "those of parts", ready.__all__)
        self.parts = [part_of(p) for p in parts] + list(_from_keywords(keywords))
        given = [*parts, *keywords.values(), *(x for x in keywords.values() if isinstance(x, (list, tuple)) for x in x)]
        self._lasting = all(
            any(p is g for g in given) or isinstance(p, (Scale, Dropout, Alignment)) for p in self.parts
        )
        self.mask = self._only(Mask, "masks", "; join them with & or |")
        self.similarity = self._only(Similarity, "similarities") or dot
        self.weighting = self._only(Weighting, "weightings") or softmax
        self.scale = self._only(Scale, "scales")
        self.alignment = self._only(Alignment, "alignments")
        self.sequences = self._only(Sequences, "layouts")
        self.dropout = self._only(Dropout, "dropouts")
        self.scores = [p for p in self.parts if isinstance(p, Score)]

    def _only(self, kind, plural, remedy="; leave one out"):
        found = [p for p in self.parts if isinstance(p, kind)]
        if len(found) > 1:
            raise TypeError(f"qkv: two {plural} in one call{remedy}")
        return found[0] if found else None

    def of_this_call_only(self):
        """Its formula is not kept: parts were put in that no other call has."""
        self._lasting = False

    def formula(self, inputs=None):
        """The engine's formula and the learned parameters in its order; kept for the next call of the same parts.

        Raises ValueError for an additive mask that the inputs do not fit.
        """
        for score in self.scores:
            if inputs is not None and self.sequences is None and score.four_axes is not None:
                self._check_axes(score.four_axes, inputs)
        build = _built if self._lasting else _built.__wrapped__
        parts = (
            self.mask,
            tuple(self.scores),
            self.similarity,
            self.weighting,
            self.scale and self.scale.factor,
            self.dropout and (self.dropout.rate, self.dropout.seed),
        )
        formula, learned, empty = build(*parts)
        if any([parameter.read_again() for parameter in learned]):
            _built.cache_clear()
            formula, learned, empty = build(*parts)
        self._pointed_to = [parameter.values for parameter in learned]  # alive for as long as the call
        for table in empty if inputs is not None else ():
            self._check_empty(table, inputs)
        for parameter in learned:
            if parameter.values.dtype == numpy.float64 and inputs is not None and not inputs.oracle:
                raise TypeError(
                    f"attention: expected {parameter.name} of float32; found float64; pass .astype(numpy.float32) of "
                    'it (a tensor: .float()), or precision="oracle" for the slow definition in double precision'
                )
        return formula, learned

    def _check_empty(self, table, inputs):
        """A table with an empty axis serves calls without a link."""
        if table.four_axes is not None and self.sequences is None:
            self._check_axes(table.four_axes, inputs)
        elif inputs.has_links():
            raise ValueError(
                f"attention: expected {table.name} to have an entry for every link; found {list(table.shape)}, which "
                "is empty"
            )

    @staticmethod
    def _check_axes(found, inputs):
        b, t, h, _ = inputs.q.shape
        wanted = (("B", b), ("H", h), ("T", t), ("S", inputs.k.shape[1]))
        if any(size not in (n, 1 if letter != "S" else n) for size, (letter, n) in zip(found, wanted)):
            words = ", ".join(f"{letter} = {n}" + (" or 1" if letter != "S" else "") for letter, n in wanted)
            raise ValueError(f"attention: expected mask [{words}]; found {list(found)}")

    def layout(self):
        """How queries and keys lie, for the engine."""
        align, ragged = self.alignment, self.sequences
        return (
            align is None or align.from_end,
            align.offset if align else 0,
            ragged.kind if ragged else "whole",
            ragged.queries if ragged else [],
            ragged.keys if ragged else [],
        )


@functools.lru_cache(maxsize=64)
def _built(mask, scores, similarity, weighting, scale, dropout):
    learned, empty = [], []
    mask_program = score_program = None
    if mask is not None:
        writer = Writer(learned, empty)
        mask_program = writer.finish(writer.write(mask.condition))
    if scores:
        writer = Writer(learned, empty)
        at = writer.program.given("score")
        for score in scores:
            at = writer.write(score.value, at)
        score_program = writer.finish(at)
    term, activation = similarity.name, weighting.name
    if similarity.term is not None:
        writer = Writer(None)
        term = writer.finish(writer.write(similarity.term))
    if weighting.activation is not None:
        writer = Writer(None)
        activation = writer.finish(writer.write(weighting.activation))
    order = (
        ([similarity.learned] if similarity.learned else []) + learned + ([weighting.sink] if weighting.sink else [])
    )
    formula = _native.make_formula(
        similarity=term,
        similarity_array=similarity.learned.values if similarity.learned else None,
        weighting=activation,
        number=weighting.number,
        weighting_array=weighting.sink.values if weighting.sink else None,
        sum_to_one=weighting.sum_to_one,
        mask=mask_program,
        score=score_program,
        learned=[(p.values, p.name, p.letters) for p in learned],
        scale=scale,
        dropout=dropout[0] if dropout else 0.0,
        seed=dropout[1] if dropout else 0,
    )
    return formula, order, empty


def _from_keywords(keywords):
    """The parts that keywords name: mask, score, weighting, similarity, bias, scale, dropout, align."""
    mask, score = keywords.get("mask"), keywords.get("score")
    if mask is not None:
        if _is_additive(mask):
            links, added = additive_mask(mask)
            yield added
            if links is not None:
                yield links
        else:
            yield as_mask(mask)
    if score is not None:
        yield from (_score(one) for one in (score if isinstance(score, (list, tuple)) else [score]))
    if keywords.get("bias") is not None:
        yield additive_bias(keywords["bias"])
    similarity, weighting = keywords.get("similarity"), keywords.get("weighting")
    if similarity is not None:
        yield similarity if isinstance(similarity, Similarity) else Similarity(_a_lambda(similarity, "similarity"))
    if weighting is not None:
        yield weighting if isinstance(weighting, Weighting) else Weighting(_a_lambda(weighting, "weighting"))
    scale = keywords.get("scale")
    if scale is not None:
        yield scale if isinstance(scale, Scale) else Scale(scale)
    dropout = keywords.get("dropout")
    if dropout is not None:
        yield dropout if isinstance(dropout, Dropout) else Dropout(dropout)
    align = keywords.get("align")
    if align is not None:
        if not isinstance(align, Alignment):
            raise TypeError(
                "qkv: expected align=qkv.bottom_right, qkv.top_left or qkv.queries_start_at(place); found "
                f"{shown(align)}"
            )
        yield align


def _is_additive(mask):
    """Whether a mask is an array of real numbers, which are added to the scores."""
    if not lookups.is_array(mask) and not isinstance(mask, list):
        return False
    dtype = lookups.as_numpy(mask, "mask").dtype
    return dtype.kind == "f" or is_real(dtype)


def _score(x):
    if isinstance(x, Score):
        return x
    return Score(_a_lambda(x, "score"))


def _a_lambda(x, what):
    if isinstance(x, Part) or isinstance(x, type) or not callable(x):
        raise TypeError(f"qkv: expected a {what} or a lambda as {what}=; found {shown(x)}")
    return x
