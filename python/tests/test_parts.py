"""Parts: they print as they are written, pickle however deep they are, and refuse senseless numbers."""

import copy
import pickle
import unittest

import numpy

import qkv
from qkv.tracing import AT
from reference import apart, numbers, places, qkv_of

Q, K, V = qkv_of(b=1, t=64, s=64)
SCOPE = {**vars(qkv), "at": AT}


def call(*parts, **keywords):
    return qkv.attention(Q, K, V, *parts, **keywords)


class Parts(unittest.TestCase):
    def test_repr_is_what_a_user_would_write(self):
        for part, text in [
            (
                qkv.causal & (qkv.sliding_window(256) | qkv.global_tokens(4)),
                "causal & (sliding_window(256) | global_tokens(4))",
            ),
            (~(qkv.causal & qkv.prefix(3)), "~(causal & prefix(3))"),
            (
                qkv.mask(lambda at: (at.query >= at.key) & (at.key % 2 == 0)),
                "mask((at.query >= at.key) & (at.key % 2 == 0))",
            ),
            (qkv.score(lambda s, at: 30 * qkv.tanh(s / 30)), "score(30 * tanh(s / 30))"),
            (qkv.softcap(30), "softcap(30)"),
            (qkv.weighting(lambda x: qkv.exp(x), sum_to_one=True), "weighting(exp(x), sum_to_one=True)"),
            (qkv.similarity(lambda q, k: -abs(q - k)), "similarity(-abs(q - k))"),
            (qkv.scale(0.5), "scale(0.5)"),
        ]:
            # a >= b is kept as b <= a
            self.assertEqual(repr(part).replace("at.key <= at.query", "at.query >= at.key"), text)

    def test_parts_survive_pickling(self):
        slopes = numbers(4)
        ids = numpy.arange(64) // 9
        parts = [
            qkv.causal & ~qkv.same_document(ids),
            qkv.alibi(slopes),
            qkv.score(lambda s, at: s * 2),
            qkv.top_k(7),
            qkv.scale(0.1),
        ]
        again = pickle.loads(pickle.dumps(parts))
        self.assertEqual(repr(again), repr(parts))
        self.assertEqual(apart(call(*again), call(*parts)), 0)

    def test_keywords_take_what_parts_are(self):
        a = call(qkv.causal, qkv.softcap(5), qkv.sparsemax, qkv.cosine, qkv.scale(3))
        b = call(mask=qkv.causal, score=qkv.softcap(5), weighting=qkv.sparsemax, similarity=qkv.cosine, scale=3)
        self.assertEqual(apart(a, b), 0)

    def test_copies_of_an_array_and_its_part_share_the_copy(self):
        for slopes in (numbers(4), numbers(4).astype(numpy.float16), numbers(8)[::2]):
            bias = numbers(64, 64)
            for copied in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
                s, b, part, added = copied([slopes, bias, qkv.alibi(slopes), qkv.additive_bias(bias)])
                self.assertEqual(apart(call(part, added), call(qkv.alibi(slopes), qkv.additive_bias(bias))), 0)
                s *= 2
                b *= 2
                self.assertEqual(apart(call(part, added), call(qkv.alibi(slopes * 2), qkv.additive_bias(bias * 2))), 0)
                g = qkv.attention_backward(call(), Q, K, V, part, added)
                self.assertEqual((g[s].shape, g[b].shape), ((4,), (64, 64)))
        listed = qkv.parameter([1.0, 2.0, 3.0, 4.0])
        listed.values[:] = 7
        self.assertEqual(pickle.loads(pickle.dumps(listed)).values.tolist(), [7.0] * 4)

    def test_the_repr_of_a_mask_is_that_mask(self):
        a, b, c, d = qkv.causal, qkv.sliding_window(4), qkv.dilated(3), qkv.mask(lambda at: (at.key > 1) & (at.row < 9))
        for mask in (
            a & (b | c),
            (a & b) | c,
            a & (b | d),
            (a | d) & b,
            ~(a | d),
            ~(a & ~(b | c)),
            ~~(d | b) & ~c,
            (a | b) & (c | d) | ~a & b,
            d & (b & c) | (a | b),
            a & (lambda at: at.key != at.query),
            qkv.mask(lambda at: ((at.key - (at.query - 1)) // 2 * 2 > -3) ^ (at.head * -(at.row + 1) < 2)),
        ):
            again = eval(repr(mask), SCOPE)
            self.assertEqual(repr(again), repr(mask))
            x = numpy.zeros((1, 20, 1, 1), numpy.float32)
            kept = [qkv.weights(x, x, x, one, qkv.uniform) > 0 for one in (mask, again)]
            self.assertTrue((kept[0] == kept[1]).all(), repr(mask))

    def test_arrays_and_lists_join_from_both_sides(self):
        flags = numpy.tri(64, dtype=bool)
        for a, b in ((flags, qkv.dilated(3)), (flags.tolist(), qkv.dilated(3)), (qkv.dilated(3), flags)):
            self.assertEqual(apart(call(a & b), call(qkv.causal & qkv.dilated(3))), 0)
            self.assertEqual(apart(call(a | b), call(qkv.causal | qkv.dilated(3))), 0)
        with self.assertRaisesRegex(TypeError, "as the mask; found True"):
            qkv.causal & True

    def test_numbers_are_written_with_every_digit_that_matters(self):
        for part in (qkv.softcap(1 / 3), qkv.scale(0.1 + 0.2), qkv.relu_weights(1e-9), qkv.dropout(0.1, seed=3)):
            self.assertEqual(repr(eval(repr(part), SCOPE)), repr(part))
        self.assertEqual(repr(qkv.scale(1 / 3)), f"scale({1 / 3!r})")
        self.assertEqual(eval(repr(qkv.scale(1 / 3)), SCOPE).factor, 1 / 3)

    def test_what_shares_much_and_what_is_deep_prints_and_pickles(self):
        shared = qkv.causal
        for _ in range(100):  # 2**100 terms, written out
            shared = shared & (shared | qkv.sliding_window(3))
        deep = qkv.causal
        for n in range(3000):
            deep = ~deep if n % 2 else deep | qkv.prefix(n % 7)

        def squares(s, at):
            for _ in range(100):
                s = s + s * s
            return s

        def long(at):
            x = at.key
            for _ in range(3000):
                x = x + 1
            return x > 0

        for part in (shared, deep, qkv.score(squares), qkv.mask(long), qkv.weighting(lambda x: squares(x, None))):
            text = repr(part)
            self.assertTrue(text.endswith("...") or text.endswith("...)"))
            self.assertLess(len(text), 5000)
            self.assertEqual(repr(pickle.loads(pickle.dumps(part))), text)
        again = pickle.loads(pickle.dumps(shared))
        self.assertEqual(apart(call(again), call(qkv.causal & (qkv.causal | qkv.sliding_window(3)))), 0)
        query, key = places(64, 64)
        self.assertEqual(qkv.tiles(Q, K, V, again), qkv.tiles(Q, K, V, mask=query >= key))
        with self.assertRaisesRegex(ValueError, "at most 4096 instructions"):
            call(qkv.mask(lambda at: sum((at.key * n for n in range(5000)), at.key) > 0))


class SenselessNumbers(unittest.TestCase):
    def says(self, error, words, make, *arguments, **keywords):
        with self.assertRaisesRegex(error, words):
            make(*arguments, **keywords)

    def test_counts(self):
        self.says(ValueError, "sliding_window: expected a width of at least 0; found -1", qkv.sliding_window, -1)
        self.says(ValueError, "top_k: expected a count of at least 1; found 0", qkv.top_k, 0)
        self.says(ValueError, "top_k: expected a count of at least 1; found -3", qkv.top_k, -3)
        for make, what in (
            (qkv.sliding_window, "a width"),
            (qkv.dilated, "a stride"),
            (qkv.global_tokens, "a count"),
            (qkv.prefix, "a length"),
            (qkv.top_k, "a count"),
            (qkv.queries_start_at, "a place"),
            (qkv.alibi_slopes, "a number of heads"),
            (lambda x: qkv.random_blocks(x, 1), "a block"),
            (lambda x: qkv.random_blocks(4, x), "a count"),
            (lambda x: qkv.random_blocks(4, 1, seed=x), "a seed"),
            (lambda x: qkv.dropout(0.5, seed=x), "a seed"),
            (lambda x: qkv.show(qkv.causal, size=x), "a size"),
        ):
            for wrong, text in ((2.5, "2.5"), (3.0, "3.0"), ("a", "'a'"), (True, "True"), (None, "None")):
                if wrong is not None or make is not qkv.sliding_window:
                    self.says(TypeError, f"expected {what} as a whole number; found {text}", make, wrong)
        self.says(ValueError, "a count of at most 4096; found 100000", qkv.random_blocks, 2, 100000)
        self.says(ValueError, "a number of heads of at least 1; found 0", qkv.alibi_slopes, 0)

    def test_counts_beyond_any_axis_mean_all_of_it(self):
        for part in (qkv.top_k(2**70), qkv.sliding_window(2**70), qkv.prefix(10**30), qkv.random_blocks(2**70, 1)):
            self.assertLess(apart(call(part), call()), 1e-6)

    def test_a_window_has_a_width_or_sides(self):
        self.says(ValueError, "a width, or sides as left= and right=; found none", qkv.sliding_window)
        self.says(ValueError, "a width, or sides as left= and right=; found both", qkv.sliding_window, 3, left=1)
        self.assertEqual(repr(qkv.sliding_window(left=2)), "sliding_window(left=2, right=0)")

    def test_real_numbers(self):
        for make in (
            qkv.softcap,
            qkv.scale,
            qkv.relu_weights,
            qkv.squared_relu_weights,
            qkv.sigmoid_weights,
            qkv.dropout,
        ):
            self.says(TypeError, "as a number; found 'a'", make, "a")
            self.says(TypeError, "as a number; found None", make, None)
            self.says(ValueError, "as a finite number; found nan", make, float("nan"))
            self.says(ValueError, "as a finite number; found a whole number of .* bits", make, 10**5000)
            make(numpy.float32(0.5)), make(numpy.array(0.5))
        self.says(ValueError, "softcap: expected a cap above 0; found 0", qkv.softcap, 0)
        self.says(ValueError, "dropout: expected a rate from 0 to below 1; found 1", qkv.dropout, 1)
        self.says(TypeError, "by_division True or False; found 'x'", qkv.signed_weights, "x")

    def test_lengths_and_offsets(self):
        for wrong in ([0, 2**70], numpy.array([0, 2**63 + 5], numpy.uint64)):
            self.says(ValueError, "lengths and offsets of at most 1073741824; found", qkv.packed, wrong)
        self.says(ValueError, "a place of at most 1073741824; found", qkv.queries_start_at, 2**70)
        self.says(TypeError, "whole numbers in a row; found float64", qkv.packed, [0.0, 6.0])
        self.says(TypeError, "lengths or offsets as an array or a list; found 6", qkv.padded, 6)
        self.assertEqual(qkv.attention(Q[:0], K[:0], V[:0], qkv.padded([])).shape, (0, 64, 4, 12))

    def test_tokens_and_lengths_as_lists(self):
        flags = [n in (0, 5) for n in range(64)]
        query, key = places(64, 64)
        kept = numpy.isin(query, (0, 5)) | numpy.isin(key, (0, 5))
        for given in (flags, numpy.array(flags), [int(f) for f in flags], qkv.table(flags), numpy.array([flags])):
            self.assertLess(apart(call(qkv.global_tokens(given)), call(mask=kept)), 1e-6)
        self.assertEqual(apart(call(qkv.prefix([9])), call(qkv.prefix(9))), 0)
        self.assertEqual(apart(call(qkv.prefix((9,))), call(qkv.key_lengths([9]))), 0)
        self.says(ValueError, "a count, or a flag for each token", qkv.global_tokens, [0, 4])
        self.says(TypeError, "lengths of whole numbers or flags; found float64; .*astype", qkv.prefix, [1.5])
        self.says(
            TypeError,
            "ids of whole numbers or flags; found <U1; number them, as numpy.unique",
            qkv.same_document,
            ["a"],
        )
        self.says(ValueError, "ids of 32 bits; found 1099511627776; number them anew", qkv.same_document, [2**40])
        self.says(TypeError, "lengths as an array or a list; found 3", qkv.key_lengths, 3)


if __name__ == "__main__":
    unittest.main()
