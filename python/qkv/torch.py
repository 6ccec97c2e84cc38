"""PyTorch's tensors: qkv.torch.attention is differentiable by torch.autograd, learned parameters included."""

import torch
from torch.autograd.function import once_differentiable

from .calls import run_backward, run_forward
from .formulas import Composition
from .inputs import Inputs


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(context, how, layout, q, k, v, *learned):
        x = Inputs(*(t.detach() for t in (q, k, v)), layout, "float32")
        (out, lse), _ = run_forward(how, x)
        context.how, context.x, context.results = how, x, (out[0], lse[0])
        context.save_for_backward(q, k, v, *learned)  # autograd notices when one is changed before backward
        lse_tensor = torch.from_numpy(lse[1])
        context.mark_non_differentiable(lse_tensor)
        return torch.from_numpy(out[1]), lse_tensor

    @staticmethod
    @once_differentiable
    def backward(context, dout, _):
        learned = context.saved_tensors[3:]
        g = run_backward(context.how, context.x, dout.detach(), *context.results, inner=True)
        of_learned = [torch.from_numpy(gradient).reshape(t.shape) for t, (_, gradient) in zip(learned, g.learned)]
        needed = context.needs_input_grad[2:]
        all_gradients = [torch.from_numpy(x) for x in g] + of_learned
        return (None, None, *(x if n else None for x, n in zip(all_gradients, needed)))


def attention(q, k, v, *parts, layout="BTHD", return_lse=False, **keywords):
    """qkv.attention on PyTorch's tensors on the CPU, differentiable once.

    q [B, T, H, D]    k [B, S, G, D]    v [B, S, G, E]    returns out [B, T, H, E], of q's type
        layout="BHTD" is the order of torch's scaled_dot_product_attention.  float32 is read without a copy; float16 and
        bfloat16 are computed in float32.
    parts, keywords: as in qkv.attention.  Tensors given to parts (qkv.alibi(slopes), bias=, qkv.parameter(tensor)) or
        captured by a score lambda, where they require gradients, get theirs.
    return_lse: also the log-sum-exp, without gradient.
    Raises as qkv.attention does.  Cost: that of qkv.attention and qkv.attention_backward.
    """
    for name, x in (("q", q), ("k", k), ("v", v)):
        if not isinstance(x, torch.Tensor):
            raise TypeError(
                f"qkv.torch.attention: expected {name} as a tensor; found {type(x).__name__} (qkv.attention takes "
                "arrays)"
            )
        if x.device.type != "cpu":
            raise TypeError(f"qkv.torch.attention: expected {name} on the CPU; found {x.device}; pass {name}.cpu()")
    for unsupported in ("precision", "return_weights"):
        if unsupported in keywords:
            raise TypeError(f"qkv.torch.attention: {unsupported} is for qkv.attention")
    how = Composition(parts, keywords)
    _, parameters = how.formula()
    learned = [p.source if isinstance(p.source, torch.Tensor) else torch.from_numpy(p.values) for p in parameters]
    inside = [x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (q, k, v)]
    out, lse = _Attention.apply(how, layout, *inside, *learned)
    out = out.to(q.dtype)
    return (out, lse) if return_lse else out
