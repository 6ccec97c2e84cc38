"""FlexAttention's signatures (torch.nn.attention.flex_attention): the same functions, on NumPy arrays or torch tensors.

score_mod(score, b, h, q_idx, kv_idx) and mask_mod(b, h, q_idx, kv_idx) are traced once; no block mask is built, since
the engine asks the mask itself about whole tiles.
"""

import operator
from collections import namedtuple

from . import calls
from .parts import Mask, Part, Score
from .ready import top_left
from .scalars import shown


class BlockMask:
    """A mask_mod, as create_block_mask returns it.  Nothing is computed in advance."""

    def __init__(self, mask_mod, Q_LEN=None, KV_LEN=None):
        self.mask_mod, self.shape = mask_mod, (Q_LEN, KV_LEN)

    def __repr__(self):
        return f"BlockMask({_mask(self.mask_mod)!r})"


def create_block_mask(mask_mod, B=None, H=None, Q_LEN=None, KV_LEN=None, device="cpu", **_):
    """A mask for flex_attention.  The sizes are taken, and not needed."""
    return BlockMask(mask_mod, Q_LEN, KV_LEN)


def and_masks(*mask_mods):
    """The mask_mod of links that all keep; of every link without any."""
    return _joined(mask_mods, True, operator.and_)


def or_masks(*mask_mods):
    """The mask_mod of links that any keeps; of no link without any."""
    return _joined(mask_mods, False, operator.or_)


def _joined(mask_mods, at_first, join):
    for mod in mask_mods:
        _check_callable(mod, "a mask_mod")

    def joined(b, h, q_idx, kv_idx):
        result = at_first
        for mod in mask_mods:
            result = join(mod(b, h, q_idx, kv_idx), result)
        return result

    return joined


def _check_callable(mod, what):
    if not callable(mod) or isinstance(mod, (Part, type)):
        raise TypeError(
            f"flex_attention: expected {what} as a function of FlexAttention's arguments; found {shown(mod)}"
        )


#: What flex_attention(..., return_aux=...) gives besides: lse [B, H, L] where it was asked for.
AuxOutput = namedtuple("AuxOutput", "lse max_scores")
AuxRequest = namedtuple("AuxRequest", "lse max_scores", defaults=(False, False))
AuxRequest.__doc__ = "What flex_attention is asked to return besides: lse; max_scores is refused by name."


def flex_attention(
    query,
    key,
    value,
    score_mod=None,
    block_mask=None,
    scale=None,
    enable_gqa=False,
    return_lse=False,
    kernel_options=None,
    *,
    return_aux=None,
    **unknown,
):
    """softmax(score_mod(scale * query . key)) value over the links that block_mask's mask_mod keeps.

    query [B, H, L, E]    key [B, G, S, E]    value [B, G, S, Ev]    returns [B, H, L, Ev] (and lse [B, H, L])
        NumPy arrays, or torch tensors, which get gradients.  G < H needs enable_gqa=True.
    score_mod   (score, b, h, q_idx, kv_idx) -> score; operators, qkv.tanh ... or torch's and NumPy's functions of that
                name, and captured arrays or tensors looked up by index
    block_mask  create_block_mask(mask_mod), torch's BlockMask, or a mask_mod itself
    return_aux  AuxRequest(lse=True), torch's or the one here: returns (out, AuxOutput); its max_scores are refused
    kernel_options is taken and ignored.
    Raises NotImplementedError for prob_mod: a function on the probabilities is no part of this engine; one that acts on
    each score by itself is a weighting (qkv.attention(..., weighting=lambda x: ...)).
    Cost: that of qkv.attention.
    """
    if "prob_mod" in unknown:
        raise NotImplementedError(
            "flex_attention: prob_mod, a function on the probabilities, is not supported; a function of each score "
            "is a "
            "weighting: qkv.attention(..., weighting=lambda x: ...), and dropout is qkv.dropout(rate, seed)"
        )
    if unknown:
        raise TypeError(
            f"flex_attention: unexpected argument {next(iter(unknown))!r}; expected score_mod, block_mask, scale, "
            "enable_gqa, return_lse, kernel_options or return_aux"
        )
    if return_aux is not None:
        _check_aux(return_aux, return_lse)
    for name, x in (("query", query), ("key", key), ("value", value)):
        if not hasattr(x, "__dlpack__") or len(x.shape) != 4:
            raise ValueError(f"flex_attention: expected {name} with four axes, [B, H, L, E]; found {shown(x)}")
    if key.shape[1] != query.shape[1] and not enable_gqa:
        raise ValueError(
            f"flex_attention: expected as many key heads as query heads, {query.shape[1]}; found {key.shape[1]} "
            "(enable_gqa=True "
            "lets heads share keys)"
        )
    parts = [top_left]
    if score_mod is not None:
        _check_callable(score_mod, "score_mod")
        parts.append(_score(score_mod))
    if block_mask is not None:
        mask_mod = getattr(block_mask, "mask_mod", block_mask)
        _check_callable(mask_mod, "block_mask")
        parts.append(_mask(mask_mod))
    attention = calls.attention
    if type(query).__module__.startswith("torch"):
        from .torch import attention
    asked = dict(scale=scale, layout="BHTD", return_lse=return_lse or return_aux is not None)
    results = attention(query, key, value, *parts, **asked)
    if return_aux is None:
        return results
    return results[0], AuxOutput(results[1] if return_aux.lse else None, None)


def _check_aux(return_aux, return_lse):
    if not hasattr(return_aux, "lse") or not hasattr(return_aux, "max_scores"):
        raise TypeError(f"flex_attention: expected return_aux=AuxRequest(lse=True); found {shown(return_aux)}")
    if return_lse:
        raise ValueError("flex_attention: expected return_lse or return_aux; found both")
    if return_aux.max_scores:
        raise NotImplementedError(
            "flex_attention: max_scores is not supported, as scores are not kept; return_aux=AuxRequest(lse=True) is, "
            "and qkv.attention_statistics(q, k, ...).maximum has the greatest weights"
        )


# The functions are traced with their own captured arrays in sight, hence not through another lambda.
def _score(score_mod):
    return Score(_Adapted(score_mod, lambda s, at: (s, at.batch, at.head, at.query, at.key)))


def _mask(mask_mod):
    return Mask(_Adapted(mask_mod, lambda at: (at.batch, at.head, at.query, at.key)))


class _Adapted:
    """A function of FlexAttention's arguments as one of qkv's."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def __call__(self, *given):
        return self.function(*self.arguments(*given))

    def with_captured_arrays(self, replace):
        return _Adapted(replace(self.function), self.arguments)
