"""Lambdas: traced once, dead tiles skipped, and mistakes answered in words."""

import functools
import math
import unittest

import numpy

import qkv

from reference import apart, attention, numbers, qkv_of

Q, K, V = qkv_of(b=1, t=64, s=64)
key = numpy.broadcast_to(numpy.int8(0), (3000, 3000))
IDS = numpy.random.default_rng(1).integers(0, 3, 64)


def same_of_module(at):
    return IDS[at.query] == IDS[at.key]


def call(*parts, **keywords):
    return qkv.attention(Q, K, V, *parts, **keywords)


class Tracing(unittest.TestCase):
    def test_a_lambda_is_called_once(self):
        calls = []

        def rule(at):
            calls.append(1)
            return at.query >= at.key

        call(rule)
        self.assertEqual(len(calls), 1)

    def test_a_traced_mask_skips_dead_tiles(self):
        x = numbers(1, 4096, 1, 8)
        empty, partial, full = qkv.tiles(x, x, x, lambda at: (at.query >= at.key) & (at.query - at.key < 256))
        self.assertGreater(empty, 6 * (partial + full))
        ids = numpy.arange(4096) // 500
        empty, partial, full = qkv.tiles(x, x, x, lambda at: ids[at.query] == ids[at.key])
        self.assertGreater(empty, 4 * (partial + full))
        flags = numpy.zeros((4096, 4096), bool)
        flags[:1000, :1000] = True
        empty, partial, full = qkv.tiles(x, x, x, mask=flags)
        self.assertGreater(empty, 12 * (partial + full))

    def test_captured_arrays_become_tables_and_constants(self):
        ids, weights = numpy.random.default_rng(1).integers(0, 3, 64), numbers(4, 64)
        a = call(lambda at: ids[at.query] == ids[at.key], lambda s, at: s + weights[at.head, at.key])
        b = call(mask=ids[:, None] == ids[None], bias=weights[:, None])
        self.assertLess(apart(a, b), 1e-6)

    def test_constants_of_double_precision_stay_so_in_the_oracle(self):
        wide = numbers(64, dtype=float)
        q, k, v = (x.astype(float) for x in (Q, K, V))
        expected = attention(q, k, v, change=lambda s: s + wide)[0]
        for keywords in (dict(score=lambda s, at: s + wide[at.key]), dict(mask=wide), dict(bias=wide)):
            found = qkv.attention(q, k, v, **keywords, precision="oracle")
            self.assertLess(apart(found, expected), 1e-12)
        self.assertLess(apart(call(lambda s, at: s + wide[at.key]), expected), 3e-6)

    def test_arrays_are_found_wherever_a_lambda_holds_them(self):
        ids, weights = numpy.random.default_rng(1).integers(0, 3, 64), numbers(4, 64)
        expected = call(mask=ids[:, None] == ids[None], bias=weights[:, None])

        def same(at, table=ids):
            return table[at.query] == table[at.key]

        def same_by_keyword(at, *, table=ids):
            return table[at.query] == table[at.key]

        class Rule:
            def same(self, at):
                return ids[at.query] == ids[at.key]

        def of_two(table, at):
            return table[at.query] == table[at.key]

        tables, rules = [ids], (same, lambda at: at.key >= 0)
        for rule in (
            same,
            same_by_keyword,
            Rule().same,
            functools.partial(of_two, ids),
            lambda at: tables[0][at.query] == tables[0][at.key],
            lambda at: rules[0](at) & rules[1](at),
            lambda at: same(at),
            lambda at: IDS[at.query] == IDS[at.key],
            lambda at: same_of_module(at),
        ):
            found = call(mask=rule, score=lambda s, at, w=weights: s + w[at.head, at.key])
            self.assertLess(apart(found, expected), 1e-6)

    def test_functions_that_name_each_other_are_looked_through_once(self):
        def even(at, left):
            return odd(at, left - 1) if left else at.key >= 0

        def odd(at, left):
            return even(at, left - 1) if left else at.key < 0

        self.assertEqual(apart(call(mask=lambda at: even(at, 4)), call()), 0)

    def test_captured_flags_are_conditions(self):
        flags = numpy.arange(64) % 3 == 0
        self.assertLess(
            apart(
                call(lambda at: flags[at.key] | (at.query == at.key)),
                call(mask=flags[None] | numpy.eye(64, dtype=bool)),
            ),
            1e-6,
        )

    def test_a_captured_parameter_has_a_gradient(self):
        slopes = qkv.parameter(numbers(4))
        g = qkv.attention_backward(
            V.repeat(2, axis=2), Q, K, V, lambda s, at: s - slopes[at.head] * abs(at.query - at.key)
        )
        exact = qkv.attention_backward(V.repeat(2, axis=2), Q, K, V, qkv.alibi(slopes), precision="oracle")
        self.assertLess(apart(g[slopes], exact[slopes]), 1e-3)

    def test_numpys_functions_may_be_called(self):
        a = call(lambda s, at: numpy.where(at.query > at.key, numpy.tanh(s), numpy.float32(2) * s))
        self.assertLess(apart(a, call(lambda s, at: qkv.where(at.query > at.key, qkv.tanh(s), 2 * s))), 1e-6)
        a = call(lambda s, at: numpy.clip(s, -1, 1) + numpy.square(s))
        self.assertLess(apart(a, call(lambda s, at: qkv.minimum(qkv.maximum(s, -1), 1) + s * s)), 1e-6)

    def test_whole_numbers_divide_downwards(self):
        a = call(lambda at: divmod(at.key, 5)[0] == divmod(at.query, 5)[0])
        self.assertEqual(apart(a, call(lambda at: at.key // 5 == at.query // 5)), 0)
        a = call(lambda at: (at.key - 32) // 5 == -1)
        self.assertLess(apart(a, call(mask=(numpy.arange(64) - 32)[None] // 5 == -1)), 1e-6)

    def test_places_beyond_a_parameter_are_refused(self):
        with self.assertRaisesRegex(ValueError, "found"):
            call(qkv.score(lambda s, at, w: s * w[at.head], numbers(3)))


class LookingOutside(unittest.TestCase):
    def test_a_captured_array_that_is_too_short_is_named(self):
        short, table = numbers(4, 63), numbers(3)
        with self.assertRaisesRegex(
            ValueError,
            r"expected short to have an index 63 on axis 1, where the link of query . and key 63 .*\[4, 63\]",
        ):
            call(lambda s, at: s + short[at.head, at.key])
        with self.assertRaisesRegex(ValueError, r"expected table to have an index 3 on axis 0, .*found \[3\]"):
            call(lambda s, at: qkv.where(table[at.head] > 0, s, -s))
        with self.assertRaisesRegex(ValueError, r"expected short to have an index -63 on axis 1"):
            call(lambda s, at: s + short[at.head, at.query - at.key])

    def test_links_that_do_not_exist_and_sides_that_are_left_out_may_look_anywhere(self):
        short = numbers(40)
        a = call(lambda s, at: s + qkv.where(at.key < 40, short[at.key], 0))
        self.assertLess(apart(a, call(bias=numpy.pad(short, (0, 24))[None])), 1e-6)
        distances = numbers(64)
        a = call(qkv.causal, lambda s, at: s + distances[at.query - at.key])
        place = numpy.arange(64)
        b = call(qkv.causal, bias=distances[abs(place[:, None] - place)])
        self.assertLess(apart(a, b), 1e-6)
        ids = numpy.arange(40) % 3
        a = call(lambda at: qkv.where(at.key < 40, ids[at.key], 0) == 0)
        self.assertLess(apart(a, call(mask=numpy.pad(ids, (0, 24))[None] == 0)), 1e-6)

    def test_numbers_as_indices_are_numpys(self):
        rows = numbers(2, 4)
        a = call(lambda s, at: s + rows[-1, at.head])
        self.assertLess(apart(a, call(lambda s, at: s + rows[1, at.head])), 1e-6)
        with self.assertRaisesRegex(ValueError, r"looks up rows \[2, 4\] at index 2 of axis 0, which has 2"):
            call(lambda s, at: s + rows[2, at.head])
        with self.assertRaisesRegex(ValueError, r"at index -3 of axis 0"):
            call(lambda s, at: s + rows[-3, at.head])

    def test_a_table_that_is_too_short(self):
        ids = numpy.arange(63)
        with self.assertRaisesRegex(ValueError, "an entry 63, where the last link looks"):
            call(lambda at: ids[at.key] > 3)

    def test_the_arrays_of_other_parts_are_not_learned(self):
        w = qkv.parameter(numbers(2))
        for part in (
            lambda: qkv.attention(Q, K, V, weighting=lambda x: qkv.exp(x) * w[0]),
            lambda: qkv.attention(Q, K, V, similarity=lambda q, k: q * k * w[0]),
            lambda: qkv.linear_attention(Q, K, V, features=lambda x: x * w[0]),
        ):
            with self.assertRaisesRegex(TypeError, "is learned, which scores alone look up"):
                part()


class Mistakes(unittest.TestCase):
    def says(self, error, words, *parts, **keywords):
        with self.assertRaisesRegex(error, words):
            call(*parts, **keywords)

    def test_control_flow_names_where(self):
        for rule in (
            lambda s, at: s if s > 0 else 0 * s,
            lambda s, at: s * (at.query > at.key and at.key > 2),
            lambda s, at: s * (0 <= at.query < 3),
            lambda s, at: s + (not at.query > 3),
        ):
            self.says(TypeError, r"qkv\.where\(condition, a, b\)", rule)

    def test_a_score_that_is_a_condition(self):
        self.says(TypeError, "returns a bool", score=lambda s, at: at.query >= at.key)

    def test_a_score_that_returns_nothing(self):
        self.says(TypeError, "is a `return` missing", score=lambda s, at: None)

    def test_a_mask_that_is_a_number(self):
        self.says(TypeError, "this one returns a number", lambda at: at.query)

    def test_a_mask_of_real_numbers(self):
        self.says(TypeError, r"write 2 \* a < b", lambda at: at.query * 0.5 > at.key)

    def test_whole_numbers_of_more_than_32_bits(self):
        for rule in (lambda at: at.key < 10**30, lambda at: at.key < 2**31, lambda s, at: s * 10**5000):
            self.says(ValueError, "whole numbers of 32 bits in a traced lambda.*found .*write a real number", rule)
        self.assertLess(
            apart(call(lambda s, at: s * 1e30 / 1e30), call(lambda s, at: s * (2**31 - 1) / (2**31 - 1))), 1e-6
        )

    def test_things_that_are_no_lambdas(self):
        for words, make in (
            (r"a mask as a lambda of \(at\); found 5", lambda: qkv.mask(5)),
            (r"found ndarray of shape \[3\]; .*qkv.dense_mask", lambda: qkv.mask(numpy.ones(3, bool))),
            (r"a score as a lambda of \(s, at\); found causal", lambda: qkv.score(qkv.causal)),
            (r"a weighting as a lambda of \(x\); found 'relu'", lambda: qkv.weighting("relu")),
            (r"a similarity as a lambda of \(q, k\); found None", lambda: qkv.similarity(None)),
            (r"the function softcap itself: call it, as in qkv.softcap\(", lambda: call(qkv.softcap)),
        ):
            with self.assertRaisesRegex(TypeError, words):
                make()
        self.says(TypeError, "meets None", lambda s, at: s + None)
        self.says(
            AttributeError, "a traced value has no 'astype'.*the functions are", lambda s, at: at.key.astype(float)
        )
        self.says(TypeError, r"write x \* 2\*\*n for x << n", lambda s, at: at.key << 1)
        self.says(TypeError, r"qkv.exp\(x \* math.log\(base\)\)", lambda s, at: 2**s)

    def test_an_undefined_field(self):
        self.says(AttributeError, "`at` has no field 'position'; it has query, key", lambda at: at.position > 1)

    def test_a_huge_array(self):
        huge = numpy.zeros((3000, 3000), numpy.int8)
        self.says(ValueError, "'huge', an array of 9,000,000 numbers", lambda at: huge[at.query, at.key] > 0)

    def test_an_array_of_the_module_that_is_called_as_a_field_is_left_alone(self):
        self.assertEqual(apart(call(lambda at: at.key >= 0), call()), 0)

    def test_functions_of_math(self):
        self.says(TypeError, "use qkv.tanh", lambda s, at: math.tanh(s))

    def test_an_array_that_is_not_looked_up(self):
        self.says(TypeError, "look up one entry for each link", lambda s, at: s + numpy.arange(3))

    def test_an_unknown_function(self):
        self.says(TypeError, "numpy.sin cannot be traced", lambda s, at: numpy.sin(s))

    def test_loops_lists_and_dicts(self):
        heights = [1.0, 2.0, 3.0, 4.0]
        self.says(TypeError, "cannot count a loop", lambda s, at: sum(s for _ in range(at.head)))
        self.says(TypeError, r"look up in a list \(numpy.asarray\(list\)", lambda s, at: s + heights[at.head])
        self.says(TypeError, "set or a dict", lambda s, at: s + {0: 1}[at.head])
        self.says(TypeError, "cannot be looped over", lambda s, at: s + sum(at.key))
        self.says(TypeError, "qkv.maximum and qkv.minimum for max and min", lambda s, at: max(s, 0))

    def test_lookups_of_other_kinds(self):
        grid, odd = numbers(4, 64), numpy.ones(4, complex)
        self.says(TypeError, "one index for each axis, no slices", lambda s, at: s + grid[at.head, :])
        self.says(
            ValueError, r"expected grid of as many axes as it is looked up by, 1", lambda s, at: s + grid[at.head]
        )
        self.says(TypeError, "looks up odd, an array of complex128", lambda s, at: s + odd[at.head])

    def test_what_a_lambda_takes_and_returns(self):
        self.says(TypeError, r"a mask lambda takes \(at\); this one takes \(s, at\)", mask=lambda s, at: s > 0)
        self.says(TypeError, r"a score lambda takes \(s, at\); this one takes \(at\)", score=lambda at: at.key)
        self.says(TypeError, r"a weighting lambda takes \(x\)", weighting=lambda x, y: x)
        self.says(TypeError, "the new score, a number; this one returns tuple", lambda s, at: (s, s))

    def test_an_additive_mask_of_another_size(self):
        for keys in (50, 80):
            self.says(
                ValueError, rf"expected mask .*S = 64\]; found \[1, 1, 64, {keys}\]", mask=numpy.zeros((64, keys))
            )

    def test_flex_attentions_arguments(self):
        self.says(TypeError, "FlexAttention's arguments", lambda s, b, h, i, j: s)

    def test_an_unknown_keyword(self):
        self.says(TypeError, "unexpected keyword 'maks'; did you mean 'mask'", maks=qkv.causal)
        with self.assertRaisesRegex(TypeError, "unexpected keyword 'heads'"):
            qkv.attention_statistics(Q, K, heads=3)
        self.says(TypeError, "'causal'; qkv.causal is a part, as in", causal=True)
        self.says(TypeError, "'is_causal'; qkv.causal is a part", is_causal=True)
        self.says(TypeError, "'window'; qkv.sliding_window is a part", window=3)

    def test_two_masks(self):
        self.says(TypeError, "two masks in one call; join them with & or |", qkv.causal, lambda at: at.key > 2)

    def test_an_array_among_the_parts(self):
        self.says(TypeError, "an array stands among the parts", numpy.ones(3))

    def test_no_part(self):
        self.says(TypeError, "not a part of attention: 5", 5)

    def test_a_parameter_looked_up_by_too_few_indices(self):
        with self.assertRaisesRegex(ValueError, r"as many axes as it is looked up by, 1; found \[2, 3\]"):
            qkv.score(lambda s, at, w: s + w[at.head], numbers(2, 3))

    def test_masks_joined_with_and(self):
        with self.assertRaisesRegex(TypeError, "joined with &"):
            qkv.causal and qkv.sliding_window(3)


class Captured(unittest.TestCase):
    def test_temporary_arrays_are_not_mixed_up(self):
        q = numpy.ones((1, 20, 1, 8), numpy.float32)
        w, ids = numpy.arange(20.0), numpy.arange(20)
        weights = qkv.weights(q, q, q, qkv.uniform, mask=lambda at: (ids * 2)[at.key] == (ids * 3)[at.key])
        numpy.testing.assert_allclose(weights[0, 0, 3], numpy.eye(20)[0])
        difference = lambda s, at: s * 0 + ((w + 1)[at.key] - (w + 5)[at.key])  # noqa: E731
        _, lse = qkv.attention(q, q, q, score=difference, return_lse=True)
        numpy.testing.assert_allclose(lse, numpy.log(20) - 4, rtol=1e-5)

    def test_proxies_are_not_looked_up_in_sets(self):
        q = numpy.ones((1, 4, 1, 8), numpy.float32)
        for mask in (lambda at: at.key in {1, 2}, lambda at: {1: 2}.get(at.key, 1) == 1):
            with self.assertRaisesRegex(TypeError, "set or a dict"):
                qkv.attention(q, q, q, mask=mask)


if __name__ == "__main__":
    unittest.main()
