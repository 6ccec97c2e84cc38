"""What is told and drawn: statistics, pictures; and linear attention, token by token."""

import os
import tempfile
import unittest
import xml.etree.ElementTree as xml
import zlib

import numpy

import qkv
import reference
from reference import apart, numbers, places, qkv_of

Q, K, V = qkv_of()


class Statistics(unittest.TestCase):
    def test_equal_those_of_the_whole_matrix(self):
        query, key = places(37, 51)
        weights = reference.attention(Q, K, V, query >= key)[1]
        s = qkv.attention_statistics(Q, K, qkv.causal, top=3, distances=True, map=(0, 37, 0, 51), map_shape=(1, 1))
        logs = numpy.log(numpy.where(weights == 0, 1, weights))
        self.assertLess(apart(s.entropy, -(weights * logs).sum(axis=-1).swapaxes(1, 2)), 1e-4)
        self.assertLess(apart(s.maximum, weights.max(axis=-1).swapaxes(1, 2)), 1e-5)
        self.assertLess(apart(s.received, weights.sum(axis=2).swapaxes(1, 2)), 1e-4)
        self.assertLess(apart(s.top_weights, -numpy.sort(-weights)[..., :3].swapaxes(1, 2)), 1e-5)
        self.assertEqual(s.distances.shape, (2, 4, 37 + 51 - 1))
        self.assertLess(apart(s.map[..., 0, 0], weights.mean(axis=(2, 3))), 1e-5)
        self.assertIsNone(s.detected)

    def test_of_heads(self):
        weights = reference.attention(Q, K, V)[1].reshape(2, 4, -1)
        unit = weights / numpy.linalg.norm(weights, axis=-1, keepdims=True)
        self.assertLess(apart(qkv.head_similarity(Q, K), unit @ unit.swapaxes(1, 2)), 1e-4)


def token_by_token(q, k, v, rule, decay, beta):
    """Linear attention as the rules write it, one state a key head, in double precision."""
    q, k, v = (x.astype(float) for x in (q, k, v))
    out, group = numpy.zeros((*q.shape[:3], v.shape[3])), q.shape[2] // k.shape[2]
    for b in range(q.shape[0]):
        for g in range(k.shape[2]):
            state = numpy.zeros((k.shape[3], v.shape[3]))
            for t in range(q.shape[1]):
                if rule in ("gated", "gated_delta"):
                    state = numpy.exp(decay[b, t, g]) * state
                written = v[b, t, g] if beta is None else beta[b, t, g] * (v[b, t, g] - state.T @ k[b, t, g])
                state = state + numpy.outer(k[b, t, g], written)
                for h in range(g * group, (g + 1) * group):
                    out[b, t, h] = state.T @ q[b, t, h] / numpy.sqrt(q.shape[3])
    return out


class LinearAttention(unittest.TestCase):
    def setUp(self):
        self.q, self.k, self.v = (
            numbers(2, 70, 4, 6, seed=1),
            numbers(2, 70, 2, 6, seed=2) * 0.4,
            numbers(2, 70, 2, 5, seed=3),
        )
        self.decay, self.beta = -abs(numbers(2, 70, 2, seed=4)), 1 / (1 + numpy.exp(-numbers(2, 70, 2, seed=5)))

    def options(self, rule):
        return {
            "rule": rule,
            "decay": self.decay if "gated" in rule else None,
            "beta": self.beta if "delta" in rule else None,
        }

    def test_the_four_rules(self):
        for rule in ("linear", "gated", "delta", "gated_delta"):
            o = self.options(rule)
            expected = token_by_token(self.q, self.k, self.v, rule, o["decay"], o["beta"])
            self.assertLess(
                apart(qkv.linear_attention(self.q, self.k, self.v, **o), expected), 1e-4 * (1 + abs(expected).max())
            )
            heads_first = qkv.linear_attention(
                *(x.swapaxes(1, 2) for x in (self.q, self.k, self.v)), **o, layout="BHTD"
            )
            self.assertLess(apart(heads_first.swapaxes(1, 2), expected), 1e-4 * (1 + abs(expected).max()))

    def test_gradients_are_differences_of_forward_runs(self):
        o = self.options("gated_delta")
        dout, along = numbers(2, 70, 4, 5, seed=6), numbers(*self.k.shape, seed=7)
        g = qkv.linear_attention_backward(dout, self.q, self.k, self.v, **o)

        def loss(step):
            k = self.k.astype(float) + step * along
            return (token_by_token(self.q, k, self.v, o["rule"], o["decay"], o["beta"]) * dout).sum()

        self.assertAlmostEqual(float((g.dk * along).sum()) / ((loss(1e-5) - loss(-1e-5)) / 2e-5), 1, places=3)
        self.assertEqual((g.ddecay.shape, g.dbeta.shape), (self.decay.shape, self.beta.shape))

    def test_a_sequence_may_come_in_pieces(self):
        whole = qkv.linear_attention(self.q, self.k, self.v)
        first, state = qkv.linear_attention(self.q[:, :30], self.k[:, :30], self.v[:, :30], return_state=True)
        second = qkv.linear_attention(self.q[:, 30:], self.k[:, 30:], self.v[:, 30:], state=state)
        self.assertLess(apart(numpy.concatenate((first, second), axis=1), whole), 1e-4)

    def test_unknown_words_are_refused(self):
        with self.assertRaisesRegex(ValueError, "rule linear, gated, delta or gated_delta; found quadratic"):
            qkv.linear_attention(self.q, self.k, self.v, rule="quadratic")


class Pictures(unittest.TestCase):
    def test_svg_is_well_formed_and_names_its_words(self):
        picture = qkv.show(Q[:1, -5:], K[:1, :5], V[:1, :5], qkv.causal, queries=["he", "<likes>", "a", "b", "c"])
        words = ["".join(e.itertext()) for e in xml.fromstring(picture.svg()).iter()]
        self.assertIn("<likes>", words)
        self.assertIn("head 3", words)

    def test_png_holds_as_many_lines_as_it_says(self):
        data = qkv.show(qkv.causal, size=16).png()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        width, height = (int.from_bytes(data[n : n + 4], "big") for n in (16, 20))
        length = int.from_bytes(data[33:37], "big")
        self.assertEqual(len(zlib.decompress(data[41 : 41 + length])), height * (3 * width + 1))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            for ending in ("svg", "png"):
                path = os.path.join(folder, "a." + ending)
                qkv.show(numpy.eye(4)).save(path)
                self.assertGreater(os.path.getsize(path), 100)
            with self.assertRaisesRegex(ValueError, "ends in .svg or .png"):
                qkv.show(numpy.eye(4)).save(os.path.join(folder, "a.gif"))

    def test_senseless_pictures_are_refused(self):
        with self.assertRaisesRegex(ValueError, "at most 512 rows"):
            qkv.show(numpy.zeros((600, 600)))
        with self.assertRaisesRegex(ValueError, "expected 4 words for queries; found 1"):
            qkv.show(numpy.eye(4), queries=["a"])


if __name__ == "__main__":
    unittest.main()
