"""PyTorch's tensors: qkv.torch.attention is differentiable by torch.autograd, learned parameters included."""

import torch

from .calls import run_backward, run_forward, run_second_order
from .formulas import Composition
from .inputs import Inputs


def _tensors(arrays):
    return [torch.from_numpy(a) for a in arrays]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(context, how, layout, q, k, v, *learned):
        x = Inputs(*(t.detach() for t in (q, k, v)), layout)
        (out, lse), _ = run_forward(how, x)
        context.how, context.x, context.results = how, x, (out[0], lse[0])
        out_tensor, lse_tensor = torch.from_numpy(out[1]), torch.from_numpy(lse[1])
        context.save_for_backward(out_tensor, q, k, v, *learned)  # autograd notices when one is changed before backward
        context.mark_non_differentiable(lse_tensor)
        return out_tensor, lse_tensor

    @staticmethod
    def backward(context, dout, _):
        _, *given = context.saved_tensors
        all_gradients = _Backward.apply(context.how, context.x, context.results, dout, *given)
        needed = context.needs_input_grad[2:]
        return (None, None, *(x if n else None for x, n in zip(all_gradients, needed)))


class _Backward(torch.autograd.Function):
    """The backward pass as a function of its own, whose backward is the second-order pass."""

    @staticmethod
    def forward(context, how, x, results, dout, q, k, v, *learned):
        context.how, context.x, context.results = how, x, results
        context.set_materialize_grads(False)
        context.save_for_backward(dout, q, k, v, *learned)
        g = run_backward(how, x, dout.detach(), *results, inner=True)
        return (*_tensors(g), *(x.reshape(t.shape) for t, x in zip(learned, _tensors(a for _, a in g.learned))))

    @staticmethod
    def backward(context, *cotangents):
        dout, *inputs = context.saved_tensors
        if len(inputs) > 3:
            raise NotImplementedError(
                "qkv.torch.attention: gradients of gradients are those of softmax(q . k) under masks; found learned "
                'parameters (qkv.attention_second_order(..., precision="oracle") differentiates every composition '
                "twice)"
            )
        ddout, *gradients = _SecondBackward.apply(
            context.how, context.x, context.results, len(cotangents), *cotangents, dout, *inputs
        )
        return None, None, None, ddout, *gradients


class _SecondBackward(torch.autograd.Function):
    """The second-order pass as a function of its own, so that a third is refused and not taken for zero."""

    @staticmethod
    def forward(context, how, x, results, count, *given):
        cotangents, (dout, *_) = given[:count], given[count:]
        cotangents = [None if c is None else c.detach() for c in cotangents]
        g = run_second_order(how, x, cotangents, dout.detach(), *results, inner=True)
        dq, dk, dv, ddout = _tensors(g)
        return ddout, dq, dk, dv

    @staticmethod
    def backward(context, *_):
        raise NotImplementedError(
            "qkv.torch.attention: expected at most two backward passes; found a third, and it is differentiable twice: "
            "leave out create_graph=True in the second, or write attention in PyTorch's own functions"
        )


def _not_compiled(function):
    """torch.compile leaves the function as it is and goes on around it: it cannot look into the engine."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)  # of PyTorch 2.1
    return disable(function) if disable else function


@_not_compiled
def attention(q, k, v, *parts, layout="BTHD", return_lse=False, **keywords):
    """qkv.attention on PyTorch's tensors on the CPU, differentiable; twice for softmax(q . k) under masks.

    q [B, T, H, D]    k [B, S, G, D]    v [B, S, G, E]    returns out [B, T, H, E], of q's type
        layout="BHTD" is the order of torch's scaled_dot_product_attention.  float32 is read without a copy; float16 and
        bfloat16 are computed in float32.
    parts, keywords: as in qkv.attention.  Tensors given to parts (qkv.alibi(slopes), bias=, qkv.parameter(tensor)), a
        mask= of real numbers, and tensors captured by a score lambda, of no axes too, get their gradients where they
        require them; where a plain number is meant, as in qkv.softcap, such a tensor is refused.
    return_lse: also the log-sum-exp, without gradient.
    torch.compile takes functions that call it, and leaves the call as it is.
    Raises as qkv.attention does; NotImplementedError from a second backward (create_graph=True) through scores, another
    similarity or weighting, a sink or dropout, and always from a third: it is differentiable twice.
    Cost: that of qkv.attention, qkv.attention_backward and qkv.attention_second_order.
    """
    for name, x in (("q", q), ("k", k), ("v", v)):
        _check(x, name)
    for unsupported in ("precision", "return_weights"):
        if unsupported in keywords:
            raise TypeError(
                f"qkv.torch.attention: expected no {unsupported}=; found {keywords[unsupported]!r} "
                "(qkv.attention has it)"
            )
    how = Composition(parts, keywords)
    _, parameters = how.formula()
    learned = [p.source if isinstance(p.source, torch.Tensor) else torch.from_numpy(p.values) for p in parameters]
    inside = [x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (q, k, v)]
    out, lse = _Attention.apply(how, layout, *inside, *learned)
    out = out.to(q.dtype)
    return (out, lse) if return_lse else out


def _check(x, name):
    if not isinstance(x, torch.Tensor):
        raise TypeError(
            f"qkv.torch.attention: expected {name} as a tensor; found {type(x).__name__} (qkv.attention takes arrays)"
        )
    if x.device.type != "cpu":
        raise TypeError(f"qkv.torch.attention: expected {name} on the CPU; found {x.device}; pass {name}.cpu()")
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        found = str(x.dtype).replace("torch.", "")
        raise TypeError(f"qkv.torch.attention: {name} is {found}; the engine computes in float32: pass {name}.float()")
