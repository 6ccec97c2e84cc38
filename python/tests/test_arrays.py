"""Arrays of all kinds: read without a copy, or refused with a sentence."""

import threading
import unittest

import numpy

import qkv

from reference import apart, numbers, qkv_of

Q, K, V = qkv_of()


class Layouts(unittest.TestCase):
    def test_heads_first(self):
        out, lse = qkv.attention(*(x.swapaxes(1, 2) for x in (Q, K, V)), qkv.causal, layout="BHTD", return_lse=True)
        expected, expected_lse = qkv.attention(Q, K, V, qkv.causal, return_lse=True)
        self.assertTrue(out.flags.c_contiguous)
        self.assertEqual(apart(out, expected.swapaxes(1, 2)), 0)
        self.assertEqual(apart(lse, expected_lse.swapaxes(1, 2)), 0)

    def test_strides_of_any_sign_are_read_where_they_are(self):
        for view in (
            lambda x: x[:, ::-1],
            lambda x: x[:, ::2],
            lambda x: x[::-1, :, ::-1],
            lambda x: numpy.broadcast_to(x[:1], x.shape),
        ):
            q, k, v = view(Q), view(K), view(V)
            self.assertEqual(apart(qkv.attention(q, k, v), qkv.attention(q.copy(), k.copy(), v.copy())), 0)

    def test_a_slice_of_a_fused_projection(self):
        fused = numbers(2, 20, 12, 8)
        q, k, v = numpy.split(fused, 3, axis=2)
        self.assertEqual(apart(qkv.attention(q, k, v), qkv.attention(q.copy(), k.copy(), v.copy())), 0)

    def test_read_only_arrays(self):
        q = Q.copy()
        q.flags.writeable = False
        self.assertEqual(apart(qkv.attention(q, K, V), qkv.attention(Q, K, V)), 0)

    def test_no_keys_and_no_queries(self):
        self.assertEqual(qkv.attention(Q, K[:, :0], V[:, :0]).max(), 0)
        self.assertEqual(qkv.attention(Q[:, :0], K, V).shape, (2, 0, 4, 12))


class Types(unittest.TestCase):
    def test_float16_is_computed_in_float32(self):
        half = [x.astype(numpy.float16) for x in (Q, K, V)]
        out = qkv.attention(*half, qkv.causal)
        self.assertEqual(out.dtype, numpy.float16)
        self.assertLess(apart(out, qkv.attention(*(x.astype(numpy.float32) for x in half), qkv.causal)), 2e-3)
        g = qkv.attention_backward(numbers(*out.shape).astype(numpy.float16), *half)
        self.assertEqual([x.dtype for x in g], [numpy.float16] * 3)

    def test_bfloat16(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("bfloat16 needs the package ml_dtypes")
        out = qkv.attention(*(x.astype(ml_dtypes.bfloat16) for x in (Q, K, V)))
        self.assertEqual(out.dtype, ml_dtypes.bfloat16)
        self.assertLess(apart(out.astype(float), qkv.attention(Q, K, V)), 0.05)

    def test_anything_with_dlpack(self):
        class Borrowed:
            def __init__(self, x):
                self.x = x

            def __dlpack__(self, **options):
                return self.x.__dlpack__(**options)

            def __dlpack_device__(self):
                return self.x.__dlpack_device__()

        self.assertEqual(apart(qkv.attention(Borrowed(Q), Borrowed(K), Borrowed(V)), qkv.attention(Q, K, V)), 0)


class Mistakes(unittest.TestCase):
    def says(self, error, words, *arrays, **keywords):
        with self.assertRaisesRegex(error, words):
            qkv.attention(*arrays, **keywords)

    def test_float64_by_accident(self):
        self.says(TypeError, r'q is float64.*astype\(numpy.float32\).*precision="oracle"', Q.astype(float), K, V)

    def test_other_types(self):
        self.says(TypeError, "k is an array of Python objects", Q, K.astype(object), V)
        self.says(TypeError, "expected v of type float32; found int64", Q, K, V.astype(numpy.int64))
        self.says(TypeError, r"found list; numpy.asarray\(q\)", Q.tolist(), K, V)
        self.says(TypeError, "q is complex64.*pass q.real", Q.astype(numpy.complex64), K, V)
        self.says(TypeError, "found <U1", numpy.full(Q.shape, "a"), K, V)
        self.says(TypeError, "byte order.*astype", Q.astype(">f4" if Q.dtype.str[0] == "<" else "<f4"), K, V)

    def test_long_doubles_are_not_narrowed_in_silence(self):
        if numpy.dtype(numpy.longdouble) == numpy.float64:
            self.skipTest("long double is double here")
        wide = Q.astype(numpy.longdouble)
        self.says(TypeError, r"q of type float32; found float\d+; .*astype\(numpy.float32\)", wide, K, V)
        self.says(TypeError, "q of type float32 or float64; found", wide, K, V, precision="oracle")
        with self.assertRaisesRegex(TypeError, "parameter of real numbers; found float"):
            qkv.parameter(wide[0, 0, 0])

    def test_masked_and_unaligned_arrays(self):
        self.says(TypeError, "q is a masked array", numpy.ma.masked_array(Q), K, V)
        raw = numpy.frombuffer(b"\0" + Q.tobytes(), numpy.uint8)[1:].view(numpy.float32).reshape(Q.shape)
        self.says(ValueError, r"q at whole numbers in memory; pass q.copy\(\)", raw, K, V)

    def test_a_missing_axis(self):
        self.says(ValueError, r"expected q \[B, T, H, D\]; found q \[37, 4, 16\]; q\[None\]", Q[0], K, V)

    def test_the_wrong_layout(self):
        q = numbers(1, 8, 12, 16)
        self.says(ValueError, 'layout="BHTD"', q, q[:, :4, :7], q[:, :4, :7])
        self.says(ValueError, 'expected layout "BTHD" or "BHTD"', Q, K, V, layout="TBHD")

    def test_shapes_that_do_not_fit(self):
        self.says(ValueError, "as many channels D", Q, K[..., :8], V)
        self.says(ValueError, "values with the B, S and G of the keys", Q, K, V[:, :9])

    def test_channels_that_do_not_lie_side_by_side(self):
        self.says(
            ValueError,
            r"unit stride in its last axis; found a stride of -1; pass numpy.ascontiguousarray\(q\)",
            Q[..., ::-1],
            K,
            V,
        )

    def test_learned_parameters_of_another_size(self):
        with self.assertRaisesRegex(ValueError, r"alibi slopes \[H = 4\]; found \[3\]"):
            qkv.attention(Q, K, V, qkv.alibi(qkv.alibi_slopes(4)[:3].copy()))

    def test_a_gradient_of_another_shape(self):
        with self.assertRaisesRegex(ValueError, r"expected dout \[2, 37, 4, 12\]"):
            qkv.attention_backward(Q, Q, K, V)


class MasksAndBiases(unittest.TestCase):
    def test_lists_are_arrays(self):
        q, k, v = (x[:, :3] for x in (Q, K, V))
        flags = [[True, False, False], [True, True, False], [True, True, True]]
        added = [[0.0, 1.0, 2.0]] * 3
        for keywords in (dict(mask=flags), dict(mask=added), dict(bias=added)):
            (name, given), *_ = keywords.items()
            array = numpy.array(given, bool if given is flags else numpy.float32)
            self.assertEqual(apart(qkv.attention(q, k, v, **keywords), qkv.attention(q, k, v, **{name: array})), 0)
        g = qkv.attention_backward(numpy.ones((2, 3, 4, 12), numpy.float32), q, k, v, bias=added)
        self.assertEqual(g[added].shape, (3, 3))
        with self.assertRaisesRegex(ValueError, "mask as an array; found a list whose rows differ in length"):
            qkv.attention(q, k, v, mask=[[True], [True, False]])

    def test_double_precision_has_a_remedy(self):
        bias = numbers(37, 51, dtype=float)
        with self.assertRaisesRegex(
            TypeError, r'bias of float32; found float64; .*float32\) of it \(.*\), or precision="oracle"'
        ):
            qkv.attention(Q, K, V, bias=bias)
        self.assertLess(
            apart(
                qkv.attention(Q, K, V, bias=bias, precision="oracle"),
                qkv.attention(Q, K, V, bias=bias.astype(numpy.float32)),
            ),
            1e-5,
        )
        self.assertEqual(
            apart(qkv.attention(Q, K, V, mask=bias), qkv.attention(Q, K, V, mask=bias.astype(numpy.float32))), 0
        )

    def test_an_empty_axis_fits_a_call_without_a_link(self):
        for b, t, s in ((0, 37, 51), (2, 0, 51), (2, 37, 0), (0, 0, 0)):
            q, k, v = Q[:b, :t], K[:b, :s], V[:b, :s]
            dout = numpy.ones((b, t, 4, 12), numpy.float32)
            for shape in ((b, 1, t, s), (1, 4, t, s), (t, s), (s,)):
                for keywords in (
                    dict(mask=numpy.ones(shape, bool)),
                    dict(mask=numpy.ones(shape, numpy.float32)),
                    dict(bias=numpy.ones(shape, numpy.float32)),
                ):
                    with self.subTest(shape=shape, keywords=list(keywords)):
                        for precision in ("float32", "oracle"):
                            out = qkv.attention(q, k, v, **keywords, precision=precision)
                            self.assertEqual(apart(out, numpy.zeros((b, t, 4, 12))), 0)
                        g = qkv.attention_backward(dout, q, k, v, **keywords)
                        self.assertEqual(abs(g.dk).max(initial=0), 0)
                        if "bias" in keywords:
                            self.assertEqual(apart(g[keywords["bias"]], numpy.zeros(shape)), 0)
        none = numpy.zeros(0, int)
        self.assertEqual(qkv.attention(Q[:0], K[:0], V[:0], qkv.key_lengths(none)).shape, (0, 37, 4, 12))
        self.assertEqual(qkv.attention(Q[:, :0], K[:, :0], V[:, :0], qkv.same_document([])).shape, (2, 0, 4, 12))

    def test_an_empty_axis_of_a_call_with_links_is_refused(self):
        for shape in ((37, 0), (0, 51), (0, 1, 37, 51)):
            with self.assertRaisesRegex(ValueError, r"expected mask \[B = 2 or 1, .*found \["):
                qkv.attention(Q, K, V, mask=numpy.ones(shape, bool))
            with self.assertRaisesRegex(ValueError, r"expected mask \[B = 2 or 1, .*found \["):
                qkv.attention(Q, K, V, qkv.causal & qkv.dense_mask(numpy.ones(shape, bool)))
        with self.assertRaisesRegex(ValueError, "lengths to have an entry for every link; found .*empty"):
            qkv.attention(Q, K, V, qkv.key_lengths([]))

    def test_masks_of_other_kinds_say_what_to_do(self):
        for words, mask in (
            (r"found object; pass .astype\(bool\)", numpy.ones((37, 51), object)),
            ("mask is a masked array", numpy.ma.masked_array(numpy.ones((37, 51), bool))),
            ("found 'causal'", "causal"),
            ("found True", True),
        ):
            with self.assertRaisesRegex(TypeError, words):
                qkv.attention(Q, K, V, mask=mask)

    def test_order_and_strides_of_masks_do_not_matter(self):
        flags, bias = numbers(51, 37, seed=6) > 0, numbers(51, 37, seed=7)
        for x in (flags, bias):
            for view in (x.T, numpy.asfortranarray(x.T), x[::-1, ::-1].T):
                name = "mask" if x is flags else "bias"
                a, b = (qkv.attention(Q, K, V, **{name: y}) for y in (view, view.copy("C")))
                self.assertEqual(apart(a, b), 0)


class LearnedArrays(unittest.TestCase):
    def test_changes_in_place_are_seen(self):
        """Of float16 and of strided arrays too, which are copied."""
        one = numbers(4)
        for slopes in (one.copy(), one.astype(numpy.float16), numpy.repeat(one, 2)[::2]):
            part = qkv.alibi(slopes)
            before = qkv.attention(Q, K, V, part)
            slopes *= 2
            again = qkv.attention(Q, K, V, part)
            self.assertGreater(apart(before, again), 1e-3)
            self.assertEqual(apart(again, qkv.attention(Q, K, V, qkv.alibi(slopes.astype(numpy.float32)))), 0)
        bias = numbers(51, 37).T
        part = qkv.additive_bias(bias)
        before = qkv.attention(Q, K, V, part)
        bias *= 2
        self.assertGreater(apart(qkv.attention(Q, K, V, part), before), 1e-3)
        self.assertEqual(apart(qkv.attention(Q, K, V, part), qkv.attention(Q, K, V, bias=bias.copy("C"))), 0)
        self.assertEqual(
            qkv.attention_backward(numpy.ones((2, 37, 4, 12), numpy.float32), Q, K, V, part)[bias].shape, bias.shape
        )

    def test_a_contiguous_one_is_not_copied(self):
        slopes = numbers(4)
        self.assertTrue(numpy.shares_memory(qkv.parameter(slopes).values, slopes))

    def test_other_things_are_refused(self):
        for words, given in (
            ("found None", None),
            ("found 'abc'", "abc"),
            (r"found \[\[1\], ", [[1], [1, 2]]),
            ("int64.*astype", numpy.arange(3)),
        ):
            with self.assertRaisesRegex(TypeError, words):
                qkv.parameter(given)


class Threads(unittest.TestCase):
    def test_results_do_not_depend_on_the_number_of_threads(self):
        before = qkv.threads()
        try:
            qkv.set_threads(1)
            one = qkv.attention(Q, K, V, lambda s, at: qkv.tanh(s), qkv.causal)
            qkv.set_threads(3)
            self.assertEqual(qkv.threads(), 3)
            self.assertEqual(apart(qkv.attention(Q, K, V, lambda s, at: qkv.tanh(s), qkv.causal), one), 0)
        finally:
            qkv.set_threads(before)
        with self.assertRaisesRegex(ValueError, "threads of at least 1; found 0"):
            qkv.set_threads(0)
        with self.assertRaisesRegex(ValueError, "threads of at most 1024; found 1099511627776"):
            qkv.set_threads(2**40)
        with self.assertRaisesRegex(TypeError, "threads as a whole number; found 1.5"):
            qkv.set_threads(1.5)

    def test_the_lock_of_python_is_released(self):
        x = numbers(1, 3000, 4, 64)
        ticks, done = [], threading.Event()

        def tick():
            while not done.wait(0.001):
                ticks.append(1)

        ticking = threading.Thread(target=tick)
        ticking.start()
        try:
            while not ticks:
                pass
            before = len(ticks)
            qkv.attention(x, x, x)
            self.assertGreater(len(ticks), before)
        finally:
            done.set()
            ticking.join()

    def test_calls_from_several_threads_do_not_disturb_each_other(self):
        expected = qkv.attention(Q, K, V, qkv.softcap(3), qkv.causal)
        results = [None] * 4

        def work(n):
            for _ in range(20):
                results[n] = qkv.attention(Q, K, V, qkv.softcap(3), qkv.causal)

        workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual([apart(r, expected) for r in results], [0] * 4)


if __name__ == "__main__":
    unittest.main()
