"""A score and a mask of your own: fused, skipped where dead, differentiated."""

import numpy

import qkv

rng = numpy.random.default_rng(0)
q, k, v, dout = (rng.standard_normal((1, 2048, 4, 64), dtype=numpy.float32) for _ in range(4))

slopes = qkv.parameter(qkv.alibi_slopes(4))
rules = dict(
    score=lambda s, at: 20 * qkv.tanh(s / 20) - slopes[at.head] * qkv.abs(at.query - at.key),
    mask=lambda at: (at.query >= at.key) & (at.query - at.key < 512),
)
out = qkv.attention(q, k, v, **rules)
empty, partial, full = qkv.tiles(q, k, v, **rules)
print(f"out {list(out.shape)}; {empty} of {empty + partial + full} tiles were never computed")

# The gradient along a random direction is what a step in that direction changes, measured in double precision.
gradients = qkv.attention_backward(dout, q, k, v, **rules)
print(f"gradients of q {list(gradients.dq.shape)} and of the slopes {list(gradients[slopes].shape)}")

x = [a[:, :64].astype(float) for a in (q, k, v, dout)]
direction = rng.standard_normal(x[0].shape)
exact = (qkv.attention_backward(x[3], *x[:3], **rules, precision="oracle").dq * direction).sum()
loss = [
    (qkv.attention(x[0] + step * direction, *x[1:3], **rules, precision="oracle") * x[3]).sum()
    for step in (1e-5, -1e-5)
]
print("the gradient is right:", bool(abs((loss[0] - loss[1]) / 2e-5 - exact) < 1e-4 * (1 + abs(exact))))

# prints
# out [1, 2048, 4, 64]; 908 of 1376 tiles were never computed
# gradients of q [1, 2048, 4, 64] and of the slopes [4]
# the gradient is right: True
