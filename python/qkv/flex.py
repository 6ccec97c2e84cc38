"""FlexAttention's signatures (torch.nn.attention.flex_attention): the same functions, on NumPy arrays or torch tensors.

score_mod(score, b, h, q_idx, kv_idx) and mask_mod(b, h, q_idx, kv_idx) are traced once; no block mask is built, since
the engine asks the mask itself about whole tiles.
"""

from . import calls
from .parts import Mask, Score
from .ready import top_left


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
    """The mask_mod of links that all keep."""

    def joined(b, h, q_idx, kv_idx):
        result = mask_mods[0](b, h, q_idx, kv_idx)
        for mod in mask_mods[1:]:
            result = result & mod(b, h, q_idx, kv_idx)
        return result

    return joined


def or_masks(*mask_mods):
    """The mask_mod of links that any keeps."""

    def joined(b, h, q_idx, kv_idx):
        result = mask_mods[0](b, h, q_idx, kv_idx)
        for mod in mask_mods[1:]:
            result = result | mod(b, h, q_idx, kv_idx)
        return result

    return joined


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
    **unknown,
):
    """softmax(score_mod(scale * query . key)) value over the links that block_mask's mask_mod keeps.

    query [B, H, L, E]    key [B, G, S, E]    value [B, G, S, Ev]    returns [B, H, L, Ev] (and lse [B, H, L])
        NumPy arrays, or torch tensors, which get gradients.  G < H needs enable_gqa=True.
    score_mod   (score, b, h, q_idx, kv_idx) -> score; operators, qkv.tanh ... or torch's and NumPy's functions of that
                name, and captured arrays or tensors looked up by index
    block_mask  create_block_mask(mask_mod), torch's BlockMask, or a mask_mod itself
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
        raise TypeError(f"flex_attention: unexpected argument {next(iter(unknown))!r}")
    if key.shape[1] != query.shape[1] and not enable_gqa:
        raise ValueError(
            f"flex_attention: expected as many key heads as query heads, {query.shape[1]}; found {key.shape[1]} "
            "(enable_gqa=True "
            "lets heads share keys)"
        )
    parts = [top_left]
    if score_mod is not None:
        parts.append(_score(score_mod))
    if block_mask is not None:
        parts.append(_mask(getattr(block_mask, "mask_mod", block_mask)))
    if type(query).__module__.startswith("torch"):
        from . import torch

        return torch.attention(query, key, value, *parts, scale=scale, layout="BHTD", return_lse=return_lse)
    return calls.attention(query, key, value, *parts, scale=scale, layout="BHTD", return_lse=return_lse)


# The functions are traced with their own captured arrays in sight, hence not through another lambda.
def _score(score_mod):
    return Score(_Adapted(score_mod, lambda s, at: (s, at.batch, at.head, at.query, at.key)))


def _mask(mask_mod):
    return Mask(_Adapted(mask_mod, lambda at: (at.batch, at.head, at.query, at.key)))


class _Adapted:
    """A function of FlexAttention's arguments as one of qkv's."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def with_captured_arrays(self, replace):
        function, arguments = replace(self.function), self.arguments
        return lambda *given: function(*arguments(*given))
