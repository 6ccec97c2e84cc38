"""Keys and values in bfloat16 and int8: the numbers that their bytes stand for, read where they are."""

import unittest

import numpy

import qkv
from reference import apart, numbers, qkv_of

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

Q, K, V = qkv_of()
PARTS = [(), (qkv.causal, qkv.softcap(3)), (qkv.top_k(4),), (qkv.sparsemax,), (qkv.cosine, qkv.scale(3))]


class Int8(unittest.TestCase):
    def test_quantising_is_rounding_of_each_row(self):
        k8 = qkv.quantise(K)
        scales = abs(K).max(axis=-1) / 127
        self.assertLess(apart(k8.scales, scales), 1e-9)
        self.assertLess(apart(k8.values, K / scales[..., None]), 0.51)
        self.assertLess(apart(k8.dequantised(), K), scales.max() * 0.51)

    def test_equals_attention_to_what_the_bytes_stand_for(self):
        k8, v8 = qkv.quantise(K), qkv.quantise(V)
        for parts in PARTS:
            with self.subTest(str(parts)):
                expected = qkv.attention(Q, k8.dequantised(), v8.dequantised(), *parts, precision="oracle")
                self.assertLess(apart(qkv.attention(Q, k8, v8, *parts), expected), 3e-5)
                self.assertLess(apart(qkv.attention(Q, k8, v8, *parts, precision="oracle"), expected), 1e-12)
                self.assertLess(apart(qkv.attention(Q, k8, v8.dequantised(), *parts), expected), 3e-5)

    def test_heads_first_and_views(self):
        k8, v8 = qkv.quantise(K), qkv.quantise(V)
        expected, expected_lse = qkv.attention(Q, k8, v8, return_lse=True)
        swapped = [qkv.Quantised(x.values.swapaxes(1, 2), x.scales.swapaxes(1, 2)) for x in (k8, v8)]
        out, lse = qkv.attention(Q.swapaxes(1, 2), *swapped, layout="BHTD", return_lse=True)
        self.assertEqual(apart(out.swapaxes(1, 2), expected), 0)
        self.assertEqual(apart(lse.swapaxes(1, 2), expected_lse), 0)
        cache = numpy.zeros((2, 80, 2, 16), numpy.int8)
        cache[:, :51] = k8.values
        part = qkv.Quantised(cache[:, :51], k8.scales)
        self.assertEqual(apart(qkv.attention(Q, part, v8), expected), 0)

    def test_weights_and_tiles_know_them(self):
        k8, v8 = qkv.quantise(K), qkv.quantise(V)
        self.assertEqual(qkv.tiles(Q, k8, v8, qkv.causal), qkv.tiles(Q, K, V, qkv.causal))
        self.assertEqual(apart(qkv.weights(Q, k8, v8), qkv.weights(Q, k8.dequantised(), V)), 0)

    def test_empty_ones(self):
        for sizes in ((0, 5, 2, 16), (2, 0, 2, 16), (2, 5, 2, 0)):
            x = qkv.quantise(numpy.zeros(sizes, numpy.float32))
            self.assertEqual((x.shape, x.scales.shape), (sizes, sizes[:3]))
        k8, v8 = qkv.quantise(K[:, :0]), qkv.quantise(V[:, :0])
        self.assertEqual(apart(qkv.attention(Q, k8, v8), numpy.zeros((2, 37, 4, 12))), 0)

    def says(self, error, words, call):
        with self.assertRaisesRegex(error, words):
            call()

    def test_mistakes(self):
        k8, v8 = qkv.quantise(K), qkv.quantise(V)
        dout = numbers(2, 37, 4, 12)
        self.says(TypeError, r"k is int8.*qkv.Quantised\(k, scales\)", lambda: qkv.attention(Q, k8.values, V))
        self.says(TypeError, r"q is quantised.*q.dequantised\(\)", lambda: qkv.attention(qkv.quantise(Q), k8, v8))
        self.says(
            TypeError,
            r"k is quantised, which k and v of the forward pass alone may be; pass k.dequantised\(\)",
            lambda: qkv.attention_backward(dout, Q, k8, v8),
        )
        self.says(TypeError, "k is quantised", lambda: qkv.attention_statistics(Q, k8))
        self.says(
            ValueError,
            r"scales \[B, S, G\]; found .* and \[2, 51\]",
            lambda: qkv.Quantised(k8.values, k8.scales[..., 0]),
        )
        self.says(TypeError, "values of int8 and scales of float32", lambda: qkv.Quantised(K, k8.scales))
        self.says(ValueError, "unit stride", lambda: qkv.Quantised(k8.values[..., ::-1], k8.scales))
        self.says(TypeError, "x is float64", lambda: qkv.quantise(K.astype(float)))
        self.says(ValueError, r"expected x \[B, S, G, D\]", lambda: qkv.quantise(K[0]))
        self.says(ValueError, "as many channels D", lambda: qkv.attention(Q, qkv.quantise(K[..., :8]), v8))


@unittest.skipIf(ml_dtypes is None, "bfloat16 needs the package ml_dtypes")
class BFloat16(unittest.TestCase):
    def setUp(self):
        self.k, self.v = (x.astype(ml_dtypes.bfloat16) for x in (K, V))

    def test_equals_attention_to_the_rounded_numbers(self):
        for parts in PARTS:
            with self.subTest(str(parts)):
                wide = self.k.astype(numpy.float32), self.v.astype(numpy.float32)
                expected = qkv.attention(Q, *wide, *parts, precision="oracle")
                found = qkv.attention(Q, self.k, self.v, *parts)
                self.assertEqual(found.dtype, numpy.float32)
                self.assertLess(apart(found, expected), 3e-5)
                self.assertLess(apart(qkv.attention(Q, wide[0], self.v, *parts), expected), 3e-5)
                self.assertLess(apart(qkv.attention(Q, self.k, qkv.quantise(V), *parts), expected), 0.1)

    def test_keys_and_values_are_not_copied(self):
        k, v = (numpy.zeros((1, 65536, 1, 64), ml_dtypes.bfloat16) for _ in range(2))
        import tracemalloc

        q = numpy.zeros((1, 1, 1, 64), numpy.float32)
        tracemalloc.start()
        try:
            qkv.attention(q, k, v)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(most, k.nbytes // 8)

    def test_heads_first(self):
        out = qkv.attention(*(x.swapaxes(1, 2) for x in (Q, self.k, self.v)), layout="BHTD")
        self.assertEqual(apart(out.swapaxes(1, 2), qkv.attention(Q, self.k, self.v)), 0)

    def test_gradients_are_computed_in_float32(self):
        dout = numbers(2, 37, 4, 12)
        g = qkv.attention_backward(dout, Q, self.k, self.v)
        wide = qkv.attention_backward(dout, Q, self.k.astype(numpy.float32), self.v.astype(numpy.float32))
        self.assertEqual(g.dk.dtype, ml_dtypes.bfloat16)
        self.assertLess(apart(g.dk.astype(float), wide.dk), 0.05)
        self.assertEqual(apart(g.dq, wide.dq), 0)


if __name__ == "__main__":
    unittest.main()
