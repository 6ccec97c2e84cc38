"""Gradients of gradients: differences of backward passes in NumPy's double precision, and the oracle's."""

import unittest

import numpy

import qkv
from reference import apart, numbers, places, qkv_of

Q, K, V = qkv_of(t=21, s=29, d=8, e=6)
DOUT = numbers(2, 21, 4, 6, seed=4)
COTANGENTS = numbers(*Q.shape, seed=5), numbers(*K.shape, seed=6), numbers(*V.shape, seed=7)
QUERY, KEY = places(21, 29)


def gradients(q, k, v, dout, kept):
    """dq, dk, dv of softmax attention in NumPy."""
    q, k, v, dout = (x.astype(float).transpose(0, 2, 1, 3) for x in (q, k, v, dout))
    group, scale = q.shape[1] // k.shape[1], 1 / numpy.sqrt(q.shape[3])
    wide_k, wide_v = k.repeat(group, axis=1), v.repeat(group, axis=1)
    scores = numpy.where(kept, q @ wide_k.swapaxes(2, 3) * scale, -numpy.inf)
    weights = numpy.exp(scores - numpy.logaddexp.reduce(scores, axis=-1, keepdims=True))
    dweights = dout @ wide_v.swapaxes(2, 3)
    dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True)) * scale

    def summed(x):
        return x.reshape(x.shape[0], -1, group, *x.shape[2:]).sum(axis=2)

    found = dscores @ wide_k, summed(dscores.swapaxes(2, 3) @ q), summed(weights.swapaxes(2, 3) @ dout)
    return [x.transpose(0, 2, 1, 3) for x in found]


class SecondOrder(unittest.TestCase):
    def test_is_the_difference_of_backward_passes(self):
        for parts, kept in (
            ((), KEY >= 0),
            ((qkv.causal & qkv.sliding_window(9),), (QUERY >= KEY) & (QUERY - KEY < 9)),
        ):
            found = qkv.attention_second_order(COTANGENTS, DOUT, Q, K, V, *parts)
            exact = qkv.attention_second_order(COTANGENTS, DOUT, Q, K, V, *parts, precision="oracle")
            for n, (mine, theirs) in enumerate(zip(found, exact)):
                self.assertLess(apart(mine, theirs), 1e-4 * (1 + abs(theirs).max()))
                along = numbers(*theirs.shape, seed=10 + n, dtype=float)

                def loss(step):
                    x = [a.astype(float) for a in (Q, K, V, DOUT)]
                    x[n] = x[n] + step * along
                    return sum((g * c).sum() for g, c in zip(gradients(*x, kept), COTANGENTS))

                slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
                self.assertLess(abs((theirs * along).sum() - slope), 1e-5 * (1 + abs(slope)))

    def test_cotangents_may_be_left_out(self):
        parts = [
            qkv.attention_second_order([c if m == n else None for m, c in enumerate(COTANGENTS)], DOUT, Q, K, V)
            for n in range(3)
        ]
        whole = qkv.attention_second_order(COTANGENTS, DOUT, Q, K, V)
        for a, b in zip(whole, ([sum(x) for x in zip(*parts)])):
            self.assertLess(apart(a, b), 1e-4 * (1 + abs(a).max()))

    def test_heads_first_and_given_results(self):
        def swapped(arrays):
            return [x.swapaxes(1, 2) for x in arrays]

        x = swapped((Q, K, V))
        out, lse = qkv.attention(*x, qkv.causal, layout="BHTD", return_lse=True)
        a = qkv.attention_second_order(
            swapped(COTANGENTS), DOUT.swapaxes(1, 2), *x, qkv.causal, layout="BHTD", out=out, lse=lse
        )
        b = qkv.attention_second_order(COTANGENTS, DOUT, Q, K, V, qkv.causal)
        for one, other in zip(a, swapped(b)):
            self.assertEqual(apart(one, other), 0)

    def test_the_oracle_differentiates_every_composition(self):
        slopes = qkv.parameter(qkv.alibi_slopes(4))
        g = qkv.attention_second_order(COTANGENTS, DOUT, Q, K, V, qkv.alibi(slopes), precision="oracle")
        self.assertEqual(g.ddout.shape, DOUT.shape)

        def loss(step):
            moved = (slopes.values + step * numpy.arange(4)).astype(float)
            found = qkv.attention_backward(DOUT, Q, K, V, qkv.alibi(moved), precision="oracle")
            return sum((a * c).sum() for a, c in zip(found, COTANGENTS))

        slope = (loss(1e-4) - loss(-1e-4)) / 2e-4
        self.assertLess(abs((g[slopes] * numpy.arange(4)).sum() - slope), 1e-5 * (1 + abs(slope)))


class Mistakes(unittest.TestCase):
    def says(self, error, words, *parts, cotangents=COTANGENTS, **keywords):
        with self.assertRaisesRegex(error, words):
            qkv.attention_second_order(cotangents, DOUT, Q, K, V, *parts, **keywords)

    def test_what_is_not_fused_is_named_with_the_remedy(self):
        for word, part in (
            ("scores", qkv.softcap(3)),
            ("`cosine`", qkv.cosine),
            ("sparsemax", qkv.sparsemax),
            ("dropout", qkv.dropout(0.1)),
        ):
            self.says(NotImplementedError, f'{word}.*not fused.*precision="oracle"', part)

    def test_cotangents_of_another_shape(self):
        self.says(ValueError, r"the cotangent of dq \[2, 21, 4, 8\]; found .* \[2, 29", cotangents=(K, None, None))
        self.says(TypeError, r"cotangents \(of dq, of dk, of dv\)", cotangents=Q)
        self.says(TypeError, "the cotangent of dk is float64", cotangents=(None, K.astype(float), None))


if __name__ == "__main__":
    unittest.main()
