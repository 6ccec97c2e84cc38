#!/usr/bin/env python3
"""PyTorch's attention for accuracy_test.cpp.

    pytorch_attention.py FILE B,T,S,H,D,CAUSAL ...

FILE holds q, k, v and dout of each shape, float32, [B, T, H, D] or [B, S, H, D]; out, dq, dk and dv are written over
them.  Exit code 77: PyTorch is not installed.
"""
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(77)


def attention(numbers, b, t, s, h, d, causal):
    """out, dq, dk, dv, in the place of q, k, v, dout."""
    sizes = [b * n * h * d for n in (t, s, s, t)]
    q, k, v, dout = (part.view(b, -1, h, d).transpose(1, 2).contiguous() for part in numbers.split(sizes))
    for x in (q, k, v):
        x.requires_grad_()
    out = F.scaled_dot_product_attention(q, k, v, is_causal=bool(causal))
    out.backward(dout)
    return torch.cat([x.transpose(1, 2).reshape(-1) for x in (out.detach(), q.grad, k.grad, v.grad)])


def main():
    file = sys.argv[1]
    shapes = [tuple(map(int, argument.split(","))) for argument in sys.argv[2:]]
    with open(file, "rb") as f:
        numbers = torch.frombuffer(bytearray(f.read()), dtype=torch.float32)
    parts = numbers.split([2 * b * (t + s) * h * d for b, t, s, h, d, _ in shapes])
    with open(file, "wb") as f:
        for part, shape in zip(parts, shapes):
            f.write(attention(part, *shape).numpy().tobytes())


if __name__ == "__main__":
    main()
