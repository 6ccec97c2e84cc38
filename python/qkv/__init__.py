"""Attention, computed, differentiated and explained: every variant is one lambda, fused on CPUs.

    out = qkv.attention(q, k, v)
    out = qkv.attention(q, k, v, qkv.causal & qkv.sliding_window(256), qkv.softcap(30))
    out = qkv.attention(q, k, v, score=lambda s, at: 30 * qkv.tanh(s / 30), mask=lambda at: at.query >= at.key)

Lambdas are traced once and interpreted tile by tile: fused, tiles without a link skipped, differentiable, and no
compiler is needed.  Inside them write qkv.where(condition, a, b) for `if`, and &, |, ~ between conditions.
"""

from .calls import (
    Gradients,
    SecondGradients,
    attention,
    attention_backward,
    attention_second_order,
    set_threads,
    threads,
    tiles,
    weights,
)
from .expressions import abs, exp, floor, hash, log, maximum, minimum, sigmoid, sqrt, tanh, where
from .graph import Graph, graph_attention, graph_attention_backward
from .inputs import Quantised, quantise
from .linear import LinearGradients, linear_attention, linear_attention_backward
from .lookups import Parameter, Table
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
    dense_mask,
)
from .picture import Picture, show
from .ready import (
    additive,
    alibi,
    alibi_slopes,
    bilinear,
    bottom_right,
    causal,
    cosine,
    dilated,
    dot,
    dropout,
    entmax15,
    everything,
    global_tokens,
    hardmax,
    key_lengths,
    negative_squared_distance,
    packed,
    padded,
    prefix,
    queries_start_at,
    random_blocks,
    relative_bias,
    relu_weights,
    same_document,
    scale,
    sigmoid_weights,
    signed_weights,
    sliding_window,
    softcap,
    softmax,
    softmax_with_sink,
    sparsemax,
    squared_relu_weights,
    top_k,
    top_left,
    uniform,
)
from .statistics import Statistics, attention_rollout, attention_statistics, head_similarity

mask, score, similarity, weighting, table, parameter = Mask, Score, Similarity, Weighting, Table, Parameter
graph = Graph

__version__ = "0.1.0"


def __getattr__(name):
    # Loaded when first asked for: qkv.torch needs PyTorch, and is not there without it.
    if name in ("flex", "onnx", "torch"):
        import importlib

        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as problem:
            if problem.name != name:
                raise
            raise AttributeError(
                f"qkv.{name} needs the package {name}, which is not installed: pip install {name}"
            ) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
