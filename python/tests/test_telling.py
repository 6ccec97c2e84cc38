"""What is told and drawn: statistics, pictures; and linear attention, token by token."""

import os
import pathlib
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

    def test_float64_is_refused_without_a_remedy_that_is_not_there(self):
        with self.assertRaisesRegex(TypeError, r"q is float64; .*pass q.astype\(numpy.float32\)$"):
            qkv.attention_statistics(Q.astype(float), K)

    def test_a_map_of_one_row_is_exact(self):
        query, key = places(37, 51)
        weights = reference.attention(Q, K, V, query >= key)[1]
        found = qkv.attention_statistics(Q, K, qkv.causal, map=(20, 1, 0, 51)).map
        self.assertLess(apart(found[:, :, 0], weights[:, :, 20]), 1e-6)

    def test_detectors(self):
        tokens = numpy.random.default_rng(1).integers(0, 6, (2, 37))
        k = numbers(2, 37, 2, 16, seed=8)
        row = numpy.arange(37)
        weights = reference.attention(Q, k, k, row[:, None] >= row)[1]
        found = qkv.attention_statistics(Q, k, qkv.causal, tokens=tokens).detected
        self.assertEqual(found.shape, (2, 4, 3))
        before = weights[:, :, row[1:], row[:-1]].sum(axis=-1)
        self.assertLess(min(apart(found[..., 0], before / n) for n in (36, 37)), 1e-5)
        with self.assertRaisesRegex(ValueError, r"tokens \[B, S\] of whole numbers"):
            qkv.attention_statistics(Q, k, tokens=tokens[:, :5])

    def test_rollout_follows_one_token_through_the_layers(self):
        layers = [(numbers(2, 9, 4, 6, seed=n), numbers(2, 9, 2, 6, seed=n + 50)) for n in range(3)]
        row = numpy.arange(9)
        flow = numpy.eye(9)[[4, 4]]
        for n, (q, k) in reversed(list(enumerate(layers))):
            kept = row[:, None] >= row if n else numpy.ones((9, 9), bool)
            mean = reference.attention(q, k, k, kept)[1].mean(axis=1)
            flow = flow / 2 + numpy.einsum("bt,bts->bs", flow, mean) / 2
        given = [layers[0], (*layers[1], qkv.causal), (*layers[2], qkv.causal)]
        found = qkv.attention_rollout(given, 4)
        self.assertLess(apart(found, flow), 1e-6)
        heads_first = [(q.swapaxes(1, 2), k.swapaxes(1, 2), *more) for q, k, *more in given]
        self.assertEqual(apart(qkv.attention_rollout(heads_first, 4, layout="BHTD"), found), 0)

    def test_rollouts_that_cannot_be(self):
        q = numbers(1, 9, 2, 6)
        for error, words, arguments in (
            (ValueError, "at least one layer", ([], 0)),
            (ValueError, "a token from 0 to 8; found 9", ([(q, q)], 9)),
            (ValueError, "self-attention over 9 tokens", ([(q, q[:, :5])], 0)),
            (TypeError, "layer 0 as", ([q], 0)),
            (NotImplementedError, "whole sequences.*padded", ([(q, q)], 0, qkv.padded([4]))),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.attention_rollout(*arguments)

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

    def test_feature_maps_are_lambdas_too(self):
        q, k = self.q * 0.3, self.k
        for ready, rule in (
            ("relu", lambda x: qkv.maximum(x, 0)),
            ("elu_plus_one", lambda x: qkv.where(x > 0, x + 1, qkv.exp(qkv.minimum(x, 0)))),
        ):
            a = qkv.linear_attention(q, k, self.v, features=rule, normalise=True)
            b = qkv.linear_attention(q, k, self.v, features=ready, normalise=True)
            self.assertLess(apart(a, b), 1e-4 * (1 + abs(b).max()))
        found = qkv.linear_attention(q, k, self.v, features=lambda x: qkv.exp(x) - 0.5 * x)
        expected = token_by_token(*(numpy.exp(x) - 0.5 * x for x in (q, k)), self.v, "linear", None, None)
        self.assertLess(apart(found, expected), 1e-4 * (1 + abs(expected).max()))
        dout, along = numbers(2, 70, 4, 5, seed=6), numbers(*q.shape, seed=7)
        g = qkv.linear_attention_backward(dout, q, k, self.v, features=lambda x: qkv.tanh(x) * x)

        def loss(step):
            wide = q.astype(float) + step * along
            found = token_by_token(*(numpy.tanh(x) * x for x in (wide, k)), self.v, "linear", None, None)
            return (found * dout).sum()

        self.assertAlmostEqual(float((g.dq * along).sum()) / ((loss(1e-5) - loss(-1e-5)) / 2e-5), 1, places=3)

    def test_feature_maps_of_other_kinds_are_refused(self):
        for error, words, features in (
            (ValueError, "identity, relu, elu_plus_one or a lambda of x; found gelu", "gelu"),
            (TypeError, '"identity", "relu" or "elu_plus_one" or a lambda of x; found int', 3),
            (
                TypeError,
                "a feature map lambda returns the new number of its channel; this one returns a bool",
                lambda x: x > 0,
            ),
            (TypeError, "is a `return` missing", lambda x: None),
            (TypeError, r"qkv\.where\(condition, a, b\)", lambda x: x if x > 0 else 0),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.linear_attention(self.q, self.k, self.v, features=features)

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

    def test_lambdas_narrow_keys_and_arrays_of_words(self):
        mask = qkv.show(lambda at: at.query >= at.key, size=6)
        self.assertEqual(apart(mask.maps, qkv.show(qkv.causal, size=6).maps), 0)
        q, k, v = Q[:1, :6], K[:1, :6], V[:1, :6]
        k8, v8 = qkv.quantise(k), qkv.quantise(v)
        self.assertEqual(apart(qkv.show(q, k8, v8).maps, qkv.show(q, k8.dequantised(), v).maps), 0)
        words = numpy.array(list("abcdef"))
        for more in (dict(queries=words), dict(queries=words, keys=words), dict(queries=tuple("abcdef"))):
            picture = qkv.show(q, k, v, **more)
            self.assertEqual((picture.queries, picture.keys), (list("abcdef"), list("abcdef")))

    def test_endings_in_capitals(self):
        with tempfile.TemporaryDirectory() as folder:
            for ending, start in (("PNG", b"\x89PNG"), ("Svg", b"<svg")):
                path = pathlib.Path(folder) / f"a.{ending}"
                qkv.show(numpy.eye(4)).save(path)
                self.assertEqual(path.read_bytes()[:4], start)

    def test_senseless_pictures_are_refused(self):
        for error, words, what, more in (
            (ValueError, "a size of at least 1; found 0", qkv.causal, dict(size=0)),
            (ValueError, "a size of at most 512; found 600", qkv.causal, dict(size=600)),
            (ValueError, r"at least one head, row and column; found \[1, 0, 0\]", numpy.zeros((0, 0)), {}),
            (ValueError, r"found \[0, 3, 3\]", numpy.zeros((0, 3, 3)), {}),
            (TypeError, "weights of real numbers; found complex128", numpy.eye(3, dtype=complex), {}),
            (TypeError, "weights as an array or a list; found 'abc'", "abc", {}),
            (TypeError, "expected weights, a mask, or q, k, v and parts; found softmax", qkv.softmax, {}),
            (TypeError, "expected a mask alone; found more: join masks", qkv.causal, dict(layout="BHTD")),
            (TypeError, "found a score", lambda s, at: s, {}),
            (TypeError, "expected 3 words for queries; found 5", numpy.eye(3), dict(queries=5)),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.show(what, **more)
        with self.assertRaisesRegex(TypeError, "expected a mask alone"):
            qkv.show(qkv.causal, qkv.sliding_window(2))
        with self.assertRaisesRegex(ValueError, "at most 512 rows"):
            qkv.show(numpy.zeros((600, 600)))
        with self.assertRaisesRegex(ValueError, "expected 4 words for queries; found 1"):
            qkv.show(numpy.eye(4), queries=["a"])


class Mistakes(unittest.TestCase):
    def test_numbers_that_are_none_of_the_engines(self):
        q = numpy.ones((1, 4, 1, 8), numpy.float32)
        for error, words, keywords in (
            (ValueError, "top of at most 64; found 1180591620717411303424", dict(top=2**70)),
            (TypeError, "top as a whole number; found 1.5", dict(top=1.5)),
            (ValueError, "tokens of 32 bits; found 1099511627776", dict(tokens=numpy.full((1, 4), 2**40))),
            (ValueError, "of at most 1073741824; found", dict(map=(0, 2**70, 0, 1))),
            (TypeError, "as a whole number; found 1.5", dict(map=(0, 1.5, 0, 1))),
            (ValueError, r"expected map=\(row, rows, key, keys\); found 5", dict(map=5)),
            (ValueError, r"expected map_shape=\(R, W\); found 3 numbers", dict(map_shape=(1, 2, 3))),
            (TypeError, "shares .* of numbers; found complex128", dict(shares=numpy.ones((1, 4), complex))),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.attention_statistics(q, q, **keywords)
        with self.assertRaisesRegex(ValueError, "a token of at most"):
            qkv.attention_rollout([(q, q)], 2**70)
        with self.assertRaisesRegex(TypeError, "a token as a whole number; found 1.5"):
            qkv.attention_rollout([(q, q)], 1.5)
        with self.assertRaisesRegex(TypeError, r"layers as a list of \(q, k\); found 5"):
            qkv.attention_rollout(5, 1)

    def test_options_of_linear_attention(self):
        q = numpy.ones((1, 4, 1, 8), numpy.float32)
        for error, words, options in (
            (TypeError, "unexpected keyword 'rules'; did you mean 'rule'", dict(rules="linear")),
            (TypeError, "rule linear, gated, delta or gated_delta; found 5", dict(rule=5)),
            (TypeError, "scale as a number; found 'a'", dict(scale="a")),
            (ValueError, "scale as a finite number; found nan", dict(scale=float("nan"))),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.linear_attention(q, q, q, **options)


class Maps(unittest.TestCase):
    def test_a_map_has_four_numbers(self):
        q = numpy.ones((1, 4, 1, 8), numpy.float32)
        for wrong in ((), (1, 2, 0), (0, 1, 0, 4, 5)):
            with self.assertRaisesRegex(ValueError, "row, rows, key, keys"):
                qkv.attention_statistics(q, q, map=wrong)


if __name__ == "__main__":
    unittest.main()
