"""Attention equals its definition: NumPy's softmax, and the oracle for everything, gradients included."""

import unittest

import numpy

import qkv

import reference
from reference import apart, numbers, places, qkv_of

Q, K, V = qkv_of()
DOUT = numbers(2, 37, 4, 12, seed=4)
QUERY, KEY = places(37, 51)
HEAD = numpy.arange(4)[:, None, None]


class AgainstNumPy(unittest.TestCase):
    def same(self, *parts, kept=True, change=lambda s: s, scale=None, **keywords):
        expected, weights = reference.attention(Q, K, V, kept, change, scale)
        self.assertLess(apart(qkv.attention(Q, K, V, *parts, **keywords), expected), 3e-6)
        found = qkv.attention(Q, K, V, *parts, return_weights=True, **keywords)[1]
        self.assertLess(apart(found, weights), 3e-6)

    def test_without_parts(self):
        self.same()

    def test_ready_masks(self):
        causal, window = QUERY >= KEY, abs(QUERY - KEY) < 9
        self.same(qkv.causal, kept=causal)
        self.same(
            qkv.causal & (qkv.sliding_window(9) | qkv.global_tokens(4)),
            kept=causal & (window | (QUERY < 4) | (KEY < 4)),
        )
        self.same(qkv.causal & ~qkv.dilated(3), kept=causal & ((QUERY - KEY) % 3 != 0))
        self.same(qkv.causal | qkv.prefix(20), kept=causal | (KEY < 20))

    def test_tables(self):
        ids = numpy.random.default_rng(5).integers(0, 3, 51)
        self.same(qkv.same_document(ids), kept=ids[numpy.clip(QUERY, 0, None)] == ids[KEY])
        lengths = numpy.array([11, 40])
        self.same(qkv.key_lengths(lengths), kept=KEY < lengths[:, None, None, None])

    def test_scores(self):
        self.same(qkv.softcap(2), change=lambda s: 2 * numpy.tanh(s / 2))
        slopes = qkv.alibi_slopes(4)
        self.same(qkv.alibi(slopes), change=lambda s: s - slopes[:, None, None] * abs(QUERY - KEY))

    def test_lambdas(self):
        self.same(
            score=lambda s, at: 3 * qkv.tanh(s / 3),
            mask=lambda at: at.query >= at.key,
            kept=QUERY >= KEY,
            change=lambda s: 3 * numpy.tanh(s / 3),
        )
        self.same(
            lambda s, at: qkv.where(at.head % 2 == 0, s, -qkv.abs(s)) / (1 + at.key / 10),
            change=lambda s: numpy.where(HEAD % 2 == 0, s, -abs(s)) / (1 + KEY / 10),
        )
        self.same(
            lambda s, at: qkv.maximum(s, -1) ** 2 - qkv.sigmoid(qkv.minimum(s, 2)) + qkv.floor(s * 2) * 0.5,
            change=lambda s: (
                numpy.maximum(s, -1) ** 2 - 1 / (1 + numpy.exp(-numpy.minimum(s, 2))) + numpy.floor(s * 2) * 0.5
            ),
        )

    def test_several_scores_apply_from_left_to_right(self):
        self.same(lambda s, at: s * 2, lambda s, at: s + at.head, change=lambda s: s * 2 + HEAD)
        self.same(lambda s, at: s + at.head, lambda s, at: s * 2, change=lambda s: (s + HEAD) * 2)

    def test_boolean_and_additive_arrays(self):
        flags = numbers(37, 51, seed=6) > 0
        self.same(mask=flags, kept=flags)
        self.same(mask=numpy.broadcast_to(flags, (2, 1, 37, 51)), kept=flags)
        added = numpy.where(flags, numbers(37, 51, seed=7), -numpy.inf).astype(numpy.float32)
        self.same(mask=added, kept=flags, change=lambda s: s + numpy.where(flags, added, 0))
        bias = numbers(4, 37, 51, seed=8)
        self.same(bias=bias, change=lambda s: s + bias)

    def test_scale(self):
        self.same(qkv.scale(0.7), scale=0.7)
        self.assertEqual(apart(qkv.attention(Q, K, V, scale=0.7), qkv.attention(Q, K, V, qkv.scale(0.7))), 0)

    def test_a_query_without_a_link_gives_zero(self):
        out, lse = qkv.attention(Q, K, V, lambda at: at.query > 20, return_lse=True)
        dead = (numpy.arange(37) + 51 - 37) <= 20
        self.assertTrue((out[:, dead] == 0).all() and (lse[:, dead] == -numpy.inf).all())
        self.assertTrue(numpy.isfinite(lse[:, ~dead]).all())

    def test_log_sum_exp(self):
        lse = qkv.attention(Q, K, V, return_lse=True)[1]
        group = K.astype(float).repeat(2, axis=2)
        scores = numpy.einsum("bthd,bshd->bths", Q.astype(float), group) / 4
        self.assertLess(apart(lse, numpy.log(numpy.exp(scores).sum(axis=-1))), 1e-5)


COMPOSITIONS = [
    (qkv.causal,),
    (qkv.alibi(qkv.alibi_slopes(4)), qkv.causal & qkv.sliding_window(20)),
    (lambda s, at: 5 * qkv.tanh(s / 5), lambda at: (at.query >= at.key) | (at.key % 7 == 0)),
    (qkv.relative_bias(numbers(4, 32, seed=9)), qkv.random_blocks(8, 3)),
    (
        qkv.score(
            lambda s, at, w, b: s * qkv.exp(w[at.head]) + b[at.head, qkv.minimum(abs(at.query - at.key), 5)],
            numbers(4, seed=10),
            numbers(4, 6, seed=11),
        ),
    ),
    (qkv.cosine, qkv.scale(4)),
    (qkv.negative_squared_distance, qkv.scale(0.2)),
    (qkv.additive(numbers(16, seed=12)),),
    (qkv.bilinear(numbers(16, 16, seed=13) / 4),),
    (qkv.similarity(lambda q, k: -qkv.abs(q - k)), qkv.scale(0.3)),
    (qkv.similarity(lambda q, k, w: w * q * k - qkv.tanh(q), numbers(16, seed=14)), qkv.scale(0.2)),
    (qkv.softmax_with_sink(numbers(4, seed=15)), qkv.causal),
    (qkv.sparsemax,),
    (qkv.entmax15, qkv.causal),
    (qkv.top_k(5),),
    (qkv.sigmoid_weights(-3.0),),
    (qkv.relu_weights(0.1), qkv.causal),
    (qkv.squared_relu_weights(0.1),),
    (qkv.uniform, qkv.causal),
    (qkv.weighting(lambda x: qkv.maximum(x, 0) ** 2, sum_to_one=True),),
    (qkv.weighting(lambda x: x / (1 + qkv.abs(x))),),
    (qkv.signed_weights(by_division=True),),
    (qkv.dropout(0.3, seed=5), qkv.causal),
    (qkv.padded([10, 37], [51, 30]),),
    (qkv.top_left, qkv.causal),
    (qkv.queries_start_at(7), qkv.causal),
]


class AgainstTheOracle(unittest.TestCase):
    def test_forward_and_backward_of_every_kind_of_part(self):
        for parts in COMPOSITIONS:
            with self.subTest(str(parts)):
                slow = qkv.attention(Q, K, V, *parts, precision="oracle")
                self.assertEqual(slow.dtype, numpy.float64)
                self.assertLess(apart(qkv.attention(Q, K, V, *parts), slow), 2e-5 * (1 + abs(slow).max()))
                fast = qkv.attention_backward(DOUT, Q, K, V, *parts)
                exact = qkv.attention_backward(DOUT, Q, K, V, *parts, precision="oracle")
                pairs = list(zip(fast, exact)) + [(a[1], b[1]) for a, b in zip(fast.learned, exact.learned)]
                for a, b in pairs:
                    self.assertLess(apart(a, b), 5e-5 * (1 + abs(b).max()))

    def test_the_oracles_gradients_are_differences_of_forward_runs(self):
        slopes = qkv.parameter(numbers(4, seed=16, dtype=float))
        parts = (
            lambda s, at: s * qkv.sigmoid(slopes[at.head] + s) - qkv.log(1 + s * s),
            lambda at: at.query >= at.key - 3,
        )
        q, k, v = (x.astype(float) for x in (Q, K, V))
        g = qkv.attention_backward(DOUT, q, k, v, *parts, precision="oracle")
        direction = numbers(*q.shape, seed=17, dtype=float)

        def loss(step):
            return (qkv.attention(q + step * direction, k, v, *parts, precision="oracle") * DOUT).sum()

        self.assertAlmostEqual((g.dq * direction).sum(), (loss(1e-5) - loss(-1e-5)) / 2e-5, places=5)
        before, along = slopes.values.copy(), numbers(4, seed=18, dtype=float)

        def loss_of_slopes(step):
            slopes.values[:] = before + step * along
            return (qkv.attention(q, k, v, *parts, precision="oracle") * DOUT).sum()

        self.assertAlmostEqual(
            (g[slopes] * along).sum(), (loss_of_slopes(1e-5) - loss_of_slopes(-1e-5)) / 2e-5, places=5
        )

    def test_gradients_are_found_by_what_was_given(self):
        slopes, bias = qkv.alibi_slopes(4), numbers(1, 37, 51, seed=19)
        g = qkv.attention_backward(DOUT, Q, K, V, qkv.alibi(slopes), bias=bias)
        self.assertEqual(g[slopes].shape, (4,))
        self.assertEqual(g[bias].shape, bias.shape)
        with self.assertRaisesRegex(KeyError, "a parameter that the call learned from"):
            g[numbers(3)]

    def test_backward_may_be_given_the_results_of_forward(self):
        for layout in ("BTHD", "BHTD"):
            x = [a if layout == "BTHD" else a.swapaxes(1, 2) for a in (Q, K, V, DOUT)]
            out, lse = qkv.attention(*x[:3], qkv.causal, layout=layout, return_lse=True)
            a = qkv.attention_backward(x[3], *x[:3], qkv.causal, layout=layout, out=out, lse=lse)
            b = qkv.attention_backward(x[3], *x[:3], qkv.causal, layout=layout)
            for one, other in zip(a, b):
                self.assertEqual(apart(one, other), 0)


if __name__ == "__main__":
    unittest.main()
