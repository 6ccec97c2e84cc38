"""Operators of ONNX: Attention (opsets 23 and 24) and LinearAttention (opset 27), over qkv's."""

import numpy

from . import calls, lookups
from .inputs import as_array, is_real
from .linear import linear_attention as over_state
from .parts import additive_mask, dense_mask
from .ready import causal, padded, queries_start_at
from .ready import softcap as softcap_part
from .scalars import real_number, shown, whole_number, written

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16


def attention(
    Q,
    K,
    V,
    attn_mask=None,
    past_key=None,
    past_value=None,
    nonpad_kv_seqlen=None,
    *,
    is_causal=0,
    q_num_heads=None,
    kv_num_heads=None,
    qk_matmul_output_mode=0,
    scale=None,
    softcap=0.0,
    softmax_precision=None,
    with_qk_matmul_output=False,
):
    """ONNX's Attention: Y, present_key, present_value, qk_matmul_output.

    Q [B, H, T, D]  K [B, G, S, D]  V [B, G, S, E], or 3-D with q_num_heads and kv_num_heads: Q [B, T, H D],
        K [B, S, G D], V [B, S, G E]; Y has the rank of Q.  NumPy arrays of float32, float16, bfloat16 (ml_dtypes);
        float64 is computed by the definition, slowly.
    attn_mask  boolean (true: takes part) or added to the scores; broadcast to [B, H, T, past + S]; a last axis that is
        too short is filled up with false or -inf
    past_key, past_value  [B, G, past, D or E], put before K and V; present_key and present_value are the joined ones
    nonpad_kv_seqlen  [B]: how many keys of each sequence are real (opset 24)
    is_causal  query i sees keys up to i + past; with nonpad_kv_seqlen, up to i + nonpad_kv_seqlen - T
    softcap    above 0: scores become softcap * tanh(score / softcap), before the mask is added
    softmax_precision  the softmax is computed in float32, so FLOAT, FLOAT16 and BFLOAT16 are met; DOUBLE is refused
    with_qk_matmul_output  whether to make the fourth result, [B, H, T, past + S], which takes T x S memory: by
        qk_matmul_output_mode 0 scaled products, 1 after softcap, 2 after softcap and mask, 3 after softmax; else it is
        None
    A query that no key may be seen by gives 0.
    Raises ValueError for shapes, TypeError for types, NotImplementedError for softmax_precision DOUBLE.
    Cost: that of qkv.attention; joining a past copies keys and values.
    Source: https://onnx.ai/onnx/operators/onnx__Attention.html
    """
    if softmax_precision not in (None, 0, _FLOAT, _FLOAT16, _BFLOAT16):
        wanted = "DOUBLE" if softmax_precision == _DOUBLE else softmax_precision
        raise NotImplementedError(
            f"ONNX Attention: softmax_precision {wanted} is not supported; the softmax is computed in float32: "
            "leave it out, or pass FLOAT (1)"
        )
    if qk_matmul_output_mode not in (0, 1, 2, 3):
        raise ValueError(f"ONNX Attention: expected qk_matmul_output_mode 0 to 3; found {qk_matmul_output_mode}")
    if is_causal not in (0, 1):
        raise ValueError(f"ONNX Attention: expected is_causal 0 or 1; found {shown(is_causal)}")
    scale = None if scale is None else real_number("ONNX Attention", "scale", scale)
    softcap = real_number("ONNX Attention", "softcap", softcap)
    if softcap < 0:
        raise ValueError(f"ONNX Attention: expected a softcap of at least 0; found {written(softcap)}")
    Q = as_array(Q, "Q")
    rank = Q.ndim
    q, k, v = _four_axes(Q, q_num_heads, "Q"), _four_axes(K, kv_num_heads, "K"), _four_axes(V, kv_num_heads, "V")
    if (past_key is None) != (past_value is None):
        raise ValueError("ONNX Attention: expected past_key and past_value together; found one of them")
    past = 0
    if past_key is not None:
        if nonpad_kv_seqlen is not None:
            raise ValueError("ONNX Attention: expected past_key or nonpad_kv_seqlen; found both: leave one out")
        past_key, past_value = _past(past_key, k, "past_key"), _past(past_value, v, "past_value")
        past = past_key.shape[2]
        if past_value.shape[2] != past:
            raise ValueError(
                f"ONNX Attention: expected past_key and past_value of one length; found {past} and "
                f"{past_value.shape[2]}"
            )
        k, v = numpy.concatenate((past_key, k), axis=2), numpy.concatenate((past_value, v), axis=2)
    masks = [causal] if is_causal else []
    parts = [softcap_part(softcap)] if softcap else []
    if attn_mask is not None:
        attn_mask = _filled_up(attn_mask, k.shape[2])
        links, added = (dense_mask(attn_mask), None) if attn_mask.dtype == bool else additive_mask(attn_mask)
        masks += [links] if links is not None else []
        parts += [added] if added is not None else []
    if masks:
        parts.append(masks[0] if len(masks) == 1 else masks[0] & masks[1])
    if nonpad_kv_seqlen is not None:
        lengths = lookups.as_numpy(nonpad_kv_seqlen, "nonpad_kv_seqlen").reshape(-1)
        nonpad_kv_seqlen = lengths
        parts.append(padded([q.shape[2]] * q.shape[0], lengths))
    else:
        parts.append(queries_start_at(past))
    precision = "oracle" if q.dtype == numpy.float64 else "float32"
    y = calls.attention(q, k, v, *parts, scale=scale, layout="BHTD", precision=precision)
    products = None
    if with_qk_matmul_output and qk_matmul_output_mode == 3:
        products = calls.weights(q, k, v, *parts, scale=scale, layout="BHTD").astype(q.dtype)
    elif with_qk_matmul_output:
        products = _scores(q, k, scale)
        if softcap and qk_matmul_output_mode >= 1:
            products = softcap * numpy.tanh(products / softcap)
        if qk_matmul_output_mode == 2:
            products = products + _added_to_scores(q, k, attn_mask, is_causal, past, nonpad_kv_seqlen)
        products = products.astype(q.dtype)
    if rank == 3:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)
    return y, k, v, products


_RULES = {"linear": (), "gated": ("decay",), "delta": ("beta",), "gated_delta": ("decay", "beta")}


def linear_attention(
    query,
    key,
    value,
    past_state=None,
    decay=None,
    beta=None,
    *,
    q_num_heads,
    kv_num_heads,
    update_rule="gated_delta",
    scale=0.0,
    chunk_size=64,
):
    """ONNX's LinearAttention: output, present_state.

    query [B, T, H D]  key [B, T, G D]  value [B, T, G E], heads side by side: float32, float16, bfloat16 (ml_dtypes);
        computed in float32.  output [B, T, H E], of query's type
    q_num_heads, kv_num_heads  H and G, H a multiple of G: each state serves H / G query heads
    update_rule  "linear", "gated", "delta", "gated_delta": those of qkv.linear_attention
    decay  [B, T, G] or [B, T, G D], in log-space: rules gated and gated_delta need it, the others refuse it
    beta   [B, T, G] or [B, T, 1]: rules delta and gated_delta need it, the others refuse it
    past_state, present_state  [B, G, D, E]; zeros when left out; present_state is of past_state's type, else query's
    scale  of the output; 0: 1 / sqrt(D)
    chunk_size  a hint for other implementations: checked, without effect on the result
    Raises ValueError for shapes and attributes, TypeError for types.  Cost: that of qkv.linear_attention.
    Source: https://onnx.ai/onnx/operators/onnx__LinearAttention.html

    >>> import numpy, qkv
    >>> x = numpy.ones((1, 3, 2), numpy.float32)
    >>> out, state = qkv.onnx.linear_attention(x, x, x, q_num_heads=2, kv_num_heads=2, update_rule="linear")
    >>> out[0, :, 0], state.shape
    (array([1., 2., 3.], dtype=float32), (1, 2, 1, 1))
    """
    name = "ONNX LinearAttention"
    if update_rule not in _RULES:
        raise ValueError(f"{name}: expected update_rule {', '.join(_RULES)}; found {update_rule!r}")
    for what, given in (("decay", decay), ("beta", beta)):
        if (given is not None) != (what in _RULES[update_rule]):
            wanted = f"{'no ' if given is not None else ''}{what} for update_rule {update_rule!r}"
            raise ValueError(f"{name}: expected {wanted}; found {'none' if given is None else 'one'}")
    q_num_heads = whole_number(name, "q_num_heads", q_num_heads)
    kv_num_heads = whole_number(name, "kv_num_heads", kv_num_heads)
    if q_num_heads < 1 or kv_num_heads < 1 or q_num_heads % kv_num_heads:
        raise ValueError(
            f"{name}: expected q_num_heads a positive multiple of kv_num_heads; found {q_num_heads} and {kv_num_heads}"
        )
    whole_number(name, "a chunk_size", chunk_size, 1)
    scale = real_number(name, "scale", scale)
    heads = (("query", query, q_num_heads), ("key", key, kv_num_heads), ("value", value, kv_num_heads))
    q, k, v = (_heads_apart(x, n, what, name) for what, x, n in heads)
    widths = (kv_num_heads, kv_num_heads * k.shape[3])
    decay, beta = (x if x is None else as_array(x, what) for x, what in ((decay, "decay"), (beta, "beta")))
    for what, given, allowed in (("decay", decay, widths), ("beta", beta, (kv_num_heads, 1))):
        if given is not None and (given.shape[:-1] != k.shape[:2] or given.shape[-1] not in allowed):
            last = " or ".join(str(n) for n in dict.fromkeys(allowed))
            raise ValueError(f"{name}: expected {what} [{k.shape[0]}, {k.shape[1]}, {last}]; found {list(given.shape)}")
    if decay is not None and decay.shape[2] != kv_num_heads:
        decay = decay.reshape(*decay.shape[:2], kv_num_heads, -1)
    output, state = over_state(
        q,
        k,
        v,
        rule=update_rule,
        scale=scale if scale else None,
        decay=decay,
        beta=beta,
        state=past_state,
        return_state=True,
    )
    like = as_array(query, "query") if past_state is None else as_array(past_state, "past_state")
    return output.reshape(*output.shape[:2], -1), state.astype(like.dtype, copy=False)


def _heads_apart(x, heads, name, operation):
    x, number = as_array(x, name), "q_num_heads" if name in ("Q", "query") else "kv_num_heads"
    if x.ndim != 3:
        raise ValueError(f"{operation}: expected {name} with 3 axes, heads side by side; found {list(x.shape)}")
    if heads is not None:
        whole_number(operation, number, heads, 1)
    if heads is None or x.shape[2] % heads:
        raise ValueError(f"{operation}: expected {number} that divides {name}'s last axis, {x.shape[2]}; found {heads}")
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads)


def _past(x, like, name):
    """A past [B, G, past, D], to be put before `like`."""
    x = as_array(x, name)
    b, g, _, d = like.shape
    if x.ndim != 4 or (x.shape[0], x.shape[1], x.shape[3]) != (b, g, d):
        raise ValueError(f"ONNX Attention: expected {name} [{b}, {g}, past, {d}]; found {list(x.shape)}")
    if x.dtype != like.dtype:
        raise TypeError(f"ONNX Attention: expected {name} of {like.dtype}, as what it is put before; found {x.dtype}")
    return x


def _four_axes(x, heads, name):
    x = as_array(x, name)
    if x.ndim == 4:
        return x
    if x.ndim != 3:
        raise ValueError(f"ONNX Attention: expected {name} with 3 or 4 axes; found {list(x.shape)}")
    return _heads_apart(x, heads, name, "ONNX Attention").transpose(0, 2, 1, 3)


def _filled_up(mask, keys):
    mask = lookups.as_numpy(mask, "attn_mask")
    if mask.dtype != bool and not is_real(mask.dtype):
        raise TypeError(f"ONNX Attention: expected attn_mask of bool or real numbers; found {mask.dtype}")
    if not 1 <= mask.ndim <= 4:
        raise ValueError(f"ONNX Attention: expected attn_mask with 1 to 4 axes; found {list(mask.shape)}")
    missing = keys - mask.shape[-1]
    if missing <= 0:
        return mask
    # NumPy pads extension types such as bfloat16 through float32 alone.
    mask = mask if mask.dtype == bool else mask.astype(numpy.float32)
    width = [(0, 0)] * (mask.ndim - 1) + [(0, missing)]
    return numpy.pad(mask, width, constant_values=False if mask.dtype == bool else -numpy.inf)


def _scores(q, k, scale):
    wide = numpy.float64 if q.dtype == numpy.float64 else numpy.float32
    group = q.shape[1] // k.shape[1]
    scale = 1 / numpy.sqrt(q.shape[3]) if scale is None else scale
    factor = numpy.sqrt(abs(scale)).astype(wide)  # of queries and keys each, as the operator has it
    keys = numpy.repeat(k.astype(wide) * factor, group, axis=1)
    return (q.astype(wide) * numpy.copysign(factor, scale)) @ keys.transpose(0, 1, 3, 2)


def _added_to_scores(q, k, attn_mask, is_causal, past, nonpad_kv_seqlen):
    batch, t, s = q.shape[0], q.shape[2], k.shape[2]
    added = numpy.zeros((batch, 1, t, s), numpy.float32)
    lengths = numpy.full(batch, s) if nonpad_kv_seqlen is None else numpy.asarray(nonpad_kv_seqlen).reshape(-1)
    keys, rows = numpy.arange(s), numpy.arange(t)[:, None]
    added[numpy.broadcast_to(keys >= lengths[:, None, None, None], added.shape)] = -numpy.inf
    if is_causal:
        first = past + numpy.zeros(batch, int) if nonpad_kv_seqlen is None else lengths - t
        added[keys > rows + first[:, None, None, None]] = -numpy.inf
    if attn_mask is None:
        return added
    return added + (
        numpy.where(attn_mask, 0, -numpy.inf) if attn_mask.dtype == bool else attn_mask.astype(numpy.float32)
    )
