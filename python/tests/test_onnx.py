"""ONNX's operators Attention (opsets 23 and 24) and LinearAttention (opset 27), drawn at random.

The reference is written here from the operator's text; where the package onnx is installed, its own is asked too.
"""

import unittest

import numpy

import qkv

try:
    from onnx.reference.ops.op_attention import _compute_attention
except ImportError:
    _compute_attention = None
try:
    from onnx.reference.ops.op_linear_attention import LinearAttention as _OnnxLinearAttention
except ImportError:
    _OnnxLinearAttention = None


def reference(case):
    """Y and the four qk_matmul_outputs, in double precision."""
    q, k, v = (x.astype(float) for x in (case["Q"], case["K"], case["V"]))
    if case["past_key"] is not None:
        k, v = (numpy.concatenate((case[p].astype(float), x), axis=2) for p, x in (("past_key", k), ("past_value", v)))
    group, (t, s) = q.shape[1] // k.shape[1], (q.shape[2], k.shape[2])
    k, v = k.repeat(group, axis=1), v.repeat(group, axis=1)
    raw = q @ k.transpose(0, 1, 3, 2) * (1 / numpy.sqrt(q.shape[3]) if case["scale"] is None else case["scale"])
    capped = case["softcap"] * numpy.tanh(raw / case["softcap"]) if case["softcap"] else raw
    rows, keys = numpy.arange(t)[:, None], numpy.arange(s)
    added = numpy.zeros_like(raw)
    if case["nonpad_kv_seqlen"] is not None:
        lengths = case["nonpad_kv_seqlen"].reshape(-1, 1, 1, 1)
        added = numpy.where(keys < lengths, added, -numpy.inf)
        offset = lengths - t
    else:
        offset = s - case["K"].shape[2]
    if case["is_causal"]:
        added = numpy.where(keys <= rows + offset, added, -numpy.inf)
    if case["attn_mask"] is not None:
        mask = case["attn_mask"]
        added = added + (numpy.where(mask, 0, -numpy.inf) if mask.dtype == bool else mask)
    masked = capped + added
    most = masked.max(axis=-1, keepdims=True)
    weights = numpy.exp(masked - numpy.where(numpy.isfinite(most), most, 0))
    weights = numpy.divide(
        weights, weights.sum(axis=-1, keepdims=True), out=numpy.zeros_like(weights), where=numpy.isfinite(most)
    )
    return weights @ v, (raw, capped, masked, weights)


def draw(seed):
    rng = numpy.random.default_rng(seed)
    normal = lambda *shape: rng.standard_normal(shape).astype(numpy.float16 if seed % 4 == 0 else numpy.float32)  # noqa: E731
    b, heads = int(rng.integers(1, 3)), int(rng.choice([1, 2, 4]))
    kv_heads = heads // int(rng.choice([1, heads]))
    t, s, d, e = (int(n) for n in rng.integers(1, 9, 4))
    case = {
        "Q": normal(b, heads, t, d),
        "K": normal(b, kv_heads, s, d),
        "V": normal(b, kv_heads, s, e),
        "scale": None,
        "past_key": None,
        "past_value": None,
        "nonpad_kv_seqlen": None,
        "attn_mask": None,
    }
    past = 0
    if rng.random() < 0.3:
        past = int(rng.integers(1, 5))
        case["past_key"], case["past_value"] = normal(b, kv_heads, past, d), normal(b, kv_heads, past, e)
    elif rng.random() < 0.3:
        case["nonpad_kv_seqlen"] = rng.integers(1, s + 1, b)
    if rng.random() < 0.6:
        shape = [(t, s + past), (1, 1, t, s + past), (b, heads, t, s + past), (b, 1, t, s + past)][rng.integers(0, 4)]
        kept, numbers = rng.random(shape) < 0.7, rng.standard_normal(shape).astype(case["Q"].dtype)
        case["attn_mask"] = [kept, numbers, numpy.where(kept, numbers, -numpy.inf).astype(numbers.dtype)][
            rng.integers(0, 3)
        ]
    case["is_causal"] = int(rng.random() < 0.4)
    case["softcap"] = float(rng.choice([0, 0, 2, 20]))
    if rng.random() < 0.3:
        case["scale"] = 0.3
    return case


def three_axes(x):
    return numpy.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(x.shape[0], x.shape[2], -1)


class Onnx(unittest.TestCase):
    def close(self, a, b, tolerance):
        self.assertEqual(a.shape, b.shape)
        self.assertTrue((numpy.isneginf(a) == numpy.isneginf(b)).all())
        with numpy.errstate(invalid="ignore"):
            difference = numpy.where(numpy.isneginf(a), 0, abs(a.astype(float) - b))
        self.assertLess(difference.max(initial=0), tolerance)

    def test_random_calls(self):
        for seed in range(200):
            with self.subTest(seed):
                case = draw(seed)
                tolerance = 2e-2 if case["Q"].dtype == numpy.float16 else 2e-5
                y, products = reference(case)
                for mode in range(4):
                    found = qkv.onnx.attention(**case, qk_matmul_output_mode=mode, with_qk_matmul_output=True)
                    self.close(found[3], products[mode], tolerance)
                self.close(found[0], y, tolerance)
                self.assertEqual(found[0].dtype, case["Q"].dtype)
                if case["past_key"] is not None:
                    self.assertTrue((found[1] == numpy.concatenate((case["past_key"], case["K"]), axis=2)).all())

    def test_three_axes(self):
        case = draw(1)
        heads = {"q_num_heads": case["Q"].shape[1], "kv_num_heads": case["K"].shape[1]}
        flat = {name: three_axes(case[name]) for name in "QKV"}
        found = qkv.onnx.attention(**{**case, **flat}, **heads)[0]
        self.close(found, three_axes(reference(case)[0]), 2e-5)
        with self.assertRaisesRegex(ValueError, "q_num_heads"):
            qkv.onnx.attention(*flat.values())

    def test_a_mask_that_is_too_short_is_filled_up(self):
        x = numpy.ones((1, 1, 3, 4), numpy.float32)
        v = numpy.arange(12, dtype=numpy.float32).reshape(1, 1, 3, 4)
        self.close(
            qkv.onnx.attention(x, x, v, numpy.ones((3, 1), bool))[0], numpy.broadcast_to(v[:, :, :1], v.shape), 1e-5
        )

    def test_a_query_that_sees_nothing_gives_zero(self):
        x = numpy.ones((1, 1, 3, 4), numpy.float32)
        y = qkv.onnx.attention(x, x, x, numpy.array([[True] * 3, [False] * 3, [True] * 3]))[0]
        self.assertEqual(y[0, 0].sum(axis=1).tolist(), [4, 0, 4])

    def test_precision_of_double_is_refused(self):
        x = numpy.ones((1, 1, 3, 4), numpy.float32)
        with self.assertRaisesRegex(NotImplementedError, "softmax_precision DOUBLE"):
            qkv.onnx.attention(x, x, x, softmax_precision=11)

    def test_a_scale_below_zero(self):
        for seed in range(8):
            case = {**draw(seed), "scale": -0.4}
            y, products = reference(case)
            found = qkv.onnx.attention(**case, with_qk_matmul_output=True)
            tolerance = 2e-2 if case["Q"].dtype == numpy.float16 else 2e-5
            self.close(found[0], y, tolerance)
            self.close(found[3], products[0], tolerance)

    def test_mistakes(self):
        x = numpy.ones((1, 2, 3, 4), numpy.float32)

        def says(words, error=ValueError, **more):
            with self.assertRaisesRegex(error, words):
                qkv.onnx.attention(**{**dict(Q=x, K=x, V=x), **more})

        says("past_key and past_value of one length; found 3 and 2", past_key=x, past_value=x[:, :, :2])
        says(r"past_key \[1, 2, past, 4\]; found \[1, 1, 3, 4\]", past_key=x[:, :1], past_value=x)
        says(r"past_value \[1, 2, past, 4\]; found \[2, 3, 4\]", past_key=x, past_value=x[0])
        says("past_key of float32.*found float64", TypeError, past_key=x.astype(float), past_value=x)
        says("scale as a number; found 'a'", TypeError, scale="a")
        says("a softcap of at least 0; found -1", softcap=-1)
        says("is_causal 0 or 1; found 2", is_causal=2)
        says("whole numbers in a row; found float64", TypeError, nonpad_kv_seqlen=[1.5])
        says(r"attn_mask with 1 to 4 axes; found \[\]", attn_mask=numpy.ones((), bool))
        says("attn_mask of bool or real numbers; found int64", TypeError, attn_mask=numpy.ones((3, 3), int))
        says("expected Q as an array.*found list", TypeError, Q=x.tolist())
        says("q_num_heads of at least 1; found -1", Q=x[0], q_num_heads=-1, kv_num_heads=1)
        says("q_num_heads as a whole number; found 1.5", TypeError, Q=x[0], q_num_heads=1.5, kv_num_heads=1)

    @unittest.skipIf(_compute_attention is None, "the package onnx is not installed")
    def test_onnxs_own_reference(self):
        for seed in range(200):
            with self.subTest(seed), numpy.errstate(all="ignore"):
                case = draw(seed)
                expected = _compute_attention(**{**case, "is_causal": bool(case["is_causal"])})[0]
                if not numpy.isnan(expected).any():  # releases before 1.20 give NaN for rows that see nothing
                    self.close(
                        qkv.onnx.attention(**case)[0],
                        expected.astype(float),
                        2e-2 if case["Q"].dtype == numpy.float16 else 2e-5,
                    )


def recurrence(query, key, value, past_state, decay, beta, h, g, rule, scale):
    """The operator's text, token by token, in double precision."""
    b, t, _ = query.shape
    q, k, v = (x.astype(float).reshape(b, t, n, -1) for x, n in ((query, h), (key, g), (value, g)))
    state = numpy.zeros((b, g, k.shape[3], v.shape[3])) if past_state is None else past_state.astype(float)
    output = numpy.zeros((b, t, h, v.shape[3]))
    for n in range(t):
        if "gated" in rule:
            state = state * numpy.exp(decay[:, n].astype(float)).reshape(b, g, -1, 1)
        written = v[:, n]
        if "delta" in rule:
            retrieved = numpy.einsum("bgde,bgd->bge", state, k[:, n])
            written = beta[:, n].astype(float)[..., None] * (written - retrieved)
        state = state + k[:, n][..., None] * written[..., None, :]
        read = state.repeat(h // g, axis=1)
        output[:, n] = scale * numpy.einsum("bhd,bhde->bhe", q[:, n], read)
    return output.reshape(b, t, -1), state


def draw_linear(seed):
    r = numpy.random.default_rng(seed)
    rule = ("linear", "gated", "delta", "gated_delta")[seed % 4]
    b, t, g, d, e = (int(r.integers(1, most)) for most in (3, 90, 4, 9, 7))
    h = g * int(r.integers(1, 4))
    dtype = (numpy.float32, numpy.float32, numpy.float16)[int(r.integers(0, 3))]

    def drawn(*shape):
        return r.standard_normal(shape).astype(dtype)

    key = drawn(b, t, g, d)
    key = (key / (1 + numpy.linalg.norm(key.astype(float), axis=-1, keepdims=True))).astype(dtype).reshape(b, t, -1)
    return dict(
        query=drawn(b, t, h * d),
        key=key,
        value=drawn(b, t, g * e),
        past_state=drawn(b, g, d, e).astype(numpy.float32) if r.random() < 0.5 else None,
        decay=-abs(drawn(b, t, g * (d if r.random() < 0.5 else 1))) if "gated" in rule else None,
        beta=r.random((b, t, g if r.random() < 0.5 else 1)).astype(dtype) if "delta" in rule else None,
        q_num_heads=h,
        kv_num_heads=g,
        update_rule=rule,
        scale=0.0 if r.random() < 0.5 else 0.3,
    )


class LinearAttention(unittest.TestCase):
    def test_random_cases(self):
        for seed in range(80):
            with self.subTest(seed):
                case = draw_linear(seed)
                output, state = qkv.onnx.linear_attention(**case)
                h, g, rule = (case[n] for n in ("q_num_heads", "kv_num_heads", "update_rule"))
                scale = case["scale"] or 1 / numpy.sqrt(case["query"].shape[2] // h)
                arrays = (case[n] for n in ("query", "key", "value", "past_state", "decay", "beta"))
                expected, expected_state = recurrence(*arrays, h, g, rule, scale)
                like = case["query"] if case["past_state"] is None else case["past_state"]
                self.assertEqual((output.dtype, state.dtype), (case["query"].dtype, like.dtype))
                for found, wanted in ((output, expected), (state, expected_state)):
                    self.assertEqual(found.shape, wanted.shape)
                    tolerance = (1e-2 if found.dtype == numpy.float16 else 2e-4) * (1 + abs(wanted).max())
                    self.assertLess(abs(found - wanted).max(), tolerance)

    @unittest.skipIf(_OnnxLinearAttention is None, "a package onnx with LinearAttention is not installed")
    def test_onnxs_own_reference(self):
        for seed in range(40):
            with self.subTest(seed):
                case = draw_linear(seed)
                expected = _OnnxLinearAttention._run(None, **case)
                for found, wanted in zip(qkv.onnx.linear_attention(**case), expected):
                    self.assertEqual((found.dtype, found.shape), (wanted.dtype, wanted.shape))
                    tolerance = (1e-2 if found.dtype == numpy.float16 else 2e-4) * (1 + abs(wanted.astype(float)).max())
                    self.assertLess(abs(found.astype(float) - wanted).max(), tolerance)

    def test_mistakes(self):
        x = numpy.ones((1, 3, 4), numpy.float32)

        def says(words, error=ValueError, **more):
            given = dict(query=x, key=x, value=x, q_num_heads=2, kv_num_heads=2, update_rule="linear")
            with self.assertRaisesRegex(error, words):
                qkv.onnx.linear_attention(**{**given, **more})

        says("update_rule linear, gated, delta, gated_delta; found 'quadratic'", update_rule="quadratic")
        says("expected decay for update_rule 'gated'; found none", update_rule="gated")
        says("expected no beta for update_rule 'linear'; found one", beta=x[:, :, :2])
        says("q_num_heads a positive multiple of kv_num_heads; found 2 and 4", kv_num_heads=4)
        says("q_num_heads that divides query's last axis, 4; found 6", q_num_heads=6)
        says("query with 3 axes", query=x[0])
        says(r"decay \[1, 3, 2 or 4\]; found \[1, 3, 3\]", update_rule="gated", decay=x[:, :, :3])
        says("query is float64|q is float64", TypeError, query=x.astype(float))
        says("chunk_size of at least 1", chunk_size=0)


if __name__ == "__main__":
    unittest.main()
