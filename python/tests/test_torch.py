"""PyTorch: the bridge to autograd, and agreement with its own attention.  Skipped where torch is not installed."""

import copy
import unittest
import warnings

import numpy

import qkv

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

B, H, T, S, D = 2, 4, 33, 47, 16


@unittest.skipIf(torch is None, "PyTorch is not installed")
class Torch(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.q = torch.randn(B, H, T, D, requires_grad=True)
        self.k, self.v = (torch.randn(B, H, S, D, requires_grad=True) for _ in range(2))
        self.dout = torch.randn(B, H, T, D)
        i, j = torch.arange(T)[:, None], torch.arange(S)[None]
        self.i, self.j = i, j

    def test_an_outcome_that_is_changed_in_place_is_noticed(self):
        out = qkv.torch.attention(self.q, self.k, self.v, layout="BHTD")
        out += 1
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            self.gradients(out)

    def gradients(self, out, *more):
        return torch.autograd.grad((out * self.dout).sum(), (self.q, self.k, self.v, *more))

    def same(self, ours, theirs, *more):
        self.assertLess((ours - theirs).abs().max(), 3e-6)
        for a, b in zip(self.gradients(ours, *more), self.gradients(theirs, *more)):
            self.assertLess((a - b).abs().max(), 2e-5 * (1 + b.abs().max()))

    def test_scaled_dot_product_attention(self):
        x = self.q, self.k, self.v
        self.same(qkv.torch.attention(*x, layout="BHTD"), F.scaled_dot_product_attention(*x))
        self.same(
            qkv.torch.attention(*x, qkv.top_left, qkv.causal, layout="BHTD"),
            F.scaled_dot_product_attention(*x, is_causal=True),
        )
        flags = torch.rand(B, 1, T, S) > 0.3
        self.same(
            qkv.torch.attention(*x, mask=flags, layout="BHTD"), F.scaled_dot_product_attention(*x, attn_mask=flags)
        )
        bias = torch.randn(1, H, T, S, requires_grad=True)
        self.same(
            qkv.torch.attention(*x, bias=bias, layout="BHTD", scale=0.3),
            F.scaled_dot_product_attention(*x, attn_mask=bias, scale=0.3),
            bias,
        )

    def scores(self, change, kept):
        scores = change(self.q @ self.k.transpose(-1, -2) / D**0.5)
        return scores.masked_fill(~kept, -torch.inf).softmax(-1) @ self.v

    def test_a_captured_tensor_gets_its_gradient(self):
        slopes = torch.rand(H, requires_grad=True)
        ours = qkv.torch.attention(
            self.q,
            self.k,
            self.v,
            qkv.top_left,
            lambda s, at: 20 * qkv.tanh(s / 20) - slopes[at.head] * abs(at.query - at.key),
            lambda at: (at.query >= at.key) | (at.key < 5),
            layout="BHTD",
        )
        theirs = self.scores(
            lambda s: 20 * torch.tanh(s / 20) - slopes[:, None, None] * (self.i - self.j).abs(),
            (self.i >= self.j) | (self.j < 5),
        )
        self.same(ours, theirs, slopes)

    def test_captured_tensors_of_no_axes_get_theirs(self):
        tau, shift = (torch.tensor(x, requires_grad=True) for x in (0.7, -0.2))
        module = torch.nn.Module()
        module.slopes = torch.nn.Parameter(torch.rand(H))
        module.log = torch.nn.Parameter(torch.tensor(0.3))
        ours = qkv.torch.attention(
            self.q,
            self.k,
            self.v,
            lambda s, at: torch.where(at.query > at.key, tau * s, s / tau) + shift * (shift - s) - shift * at.key,
            lambda s, at: s * torch.exp(module.log) - module.slopes[at.head] * at.key,
            layout="BHTD",
        )

        def change(s):
            query = self.i + S - T
            s = torch.where(query > self.j, tau * s, s / tau) + shift * (shift - s) - shift * self.j
            return s * torch.exp(module.log) - module.slopes[:, None, None] * self.j

        self.same(ours, self.scores(change, self.j >= 0), tau, shift, module.slopes, module.log)
        detached = qkv.torch.attention(self.q, self.k, self.v, lambda s, at: tau.detach() * s, layout="BHTD")
        self.same(detached, self.scores(lambda s: tau.detach() * s, self.j >= 0))

    def test_functions_on_captured_tensors_and_methods_of_proxies(self):
        rates, shift = torch.rand(H, requires_grad=True), torch.randn(H, S, requires_grad=True)
        ours = qkv.torch.attention(
            self.q,
            self.k,
            self.v,
            lambda s, at: torch.clamp(s * torch.exp(rates)[at.head], min=-1, max=2) + (2 * shift)[at.head, at.key],
            lambda s, at: s.tanh() + torch.relu(s) - 0.1 * (at.row - at.key).abs().float() + torch.pow(s, 2),
            layout="BHTD",
        )

        def change(s):
            s = torch.clamp(s * rates.exp()[:, None, None], min=-1, max=2) + 2 * shift[:, None]
            return s.tanh() + s.relu() - 0.1 * (self.i - self.j).abs() + s * s

        self.same(ours, self.scores(change, self.j >= 0), rates, shift)

    def test_a_parameter_may_be_given_other_memory(self):
        for dtype in (torch.float32, torch.float16):
            slopes = torch.nn.Parameter(torch.rand(H).to(dtype))
            part = qkv.alibi(slopes)
            for change in (lambda x: x * 3, lambda x: x.double().float().to(dtype) + 1, lambda x: x.clone()):
                qkv.torch.attention(self.q, self.k, self.v, part, layout="BHTD")
                slopes.data = change(slopes.data)
                found = qkv.torch.attention(self.q, self.k, self.v, part, layout="BHTD")
                fresh = qkv.alibi(slopes.detach().clone())
                expected = qkv.torch.attention(self.q, self.k, self.v, fresh, layout="BHTD")
                self.assertEqual((found - expected).abs().max(), 0)

    def test_a_copied_module_trains_its_own_parameters(self):
        class Layer(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.slopes, self.bias = torch.nn.Parameter(torch.rand(H)), torch.nn.Parameter(torch.randn(T, S))
                self.parts = qkv.alibi(self.slopes), qkv.additive_bias(self.bias)

            def forward(self, q, k, v):
                return qkv.torch.attention(q, k, v, *self.parts, layout="BHTD")

        x = [t.detach() for t in (self.q, self.k, self.v)]
        layer = Layer()
        copied = copy.deepcopy(layer)
        (copied(*x) * self.dout).sum().backward()
        self.assertIsNone(layer.slopes.grad)
        (layer(*x) * self.dout).sum().backward()
        for a, b in zip(copied.parameters(), layer.parameters()):
            self.assertGreater(b.grad.abs().max(), 0)
            self.assertEqual((a.grad - b.grad).abs().max(), 0)

    def test_where_a_plain_number_is_meant_a_learned_one_is_refused(self):
        tau = torch.tensor(0.7, requires_grad=True)
        for make in (qkv.softcap, qkv.scale, qkv.sigmoid_weights, qkv.relu_weights, qkv.dropout):
            with self.assertRaisesRegex(TypeError, r"has no gradient; .* pass x.item\(\), or learn it in a lambda"):
                make(tau)
        with self.assertRaisesRegex(TypeError, "a captured number is learned, which scores alone look up"):
            qkv.torch.attention(self.q, self.k, self.v, weighting=lambda x: qkv.exp(x) * tau, layout="BHTD")

    def test_a_mask_of_real_numbers_learns(self):
        x = self.q, self.k, self.v
        free = torch.randn(1, H, T, S, requires_grad=True)
        closed = torch.where(torch.rand(T, S) > 0.7, -torch.inf, torch.randn(T, S)).requires_grad_()
        narrow = torch.randn(T, S).to(torch.bfloat16).requires_grad_()
        for leaf, view in (
            (free, lambda: free),
            (closed, lambda: closed),
            (free, lambda: free.flip(-1)),
            (free, lambda: free[0, 0].T.contiguous().T),
        ):
            theirs = F.scaled_dot_product_attention(*x, attn_mask=view())
            self.same(qkv.torch.attention(*x, mask=view(), layout="BHTD"), theirs, leaf)
        for keyword in ("mask", "bias"):
            ours = qkv.torch.attention(*x, **{keyword: narrow}, layout="BHTD")
            (found,) = torch.autograd.grad((ours * self.dout).sum(), narrow)
            wide = narrow.detach().float().requires_grad_()
            theirs = F.scaled_dot_product_attention(*x, attn_mask=wide)
            (expected,) = torch.autograd.grad((theirs * self.dout).sum(), wide)
            self.assertEqual(found.dtype, torch.bfloat16)
            self.assertLess((found.float() - expected).abs().max(), 1e-2 * (1 + expected.abs().max()))

    def test_masks_biases_and_constants_of_every_type(self):
        x = [t.detach() for t in (self.q, self.k, self.v)]
        bias = torch.randn(T, S)
        for dtype in (torch.float16, torch.bfloat16):
            narrow = bias.to(dtype)
            expected = F.scaled_dot_product_attention(*x, attn_mask=narrow.float())
            for keywords in (
                dict(mask=narrow),
                dict(bias=narrow),
                dict(score=lambda s, at: s + narrow[at.row, at.key]),
            ):
                self.assertLess((qkv.torch.attention(*x, **keywords, layout="BHTD") - expected).abs().max(), 3e-6)
        with self.assertRaisesRegex(TypeError, "bias of float32; found float64; pass"):
            qkv.torch.attention(*x, bias=bias.double(), layout="BHTD")

    def test_negated_and_conjugated_tensors_are_read_as_they_are_meant(self):
        def negated(*shape):
            return torch.view_as_complex(torch.randn(*shape, 2)).conj().imag

        q, k, v = negated(B, H, T, D), negated(B, H, S, D), negated(B, H, S, D)
        self.assertTrue(q.is_neg())
        plain = [t.resolve_neg().clone().contiguous() for t in (q, k, v)]
        expected = F.scaled_dot_product_attention(*plain)
        self.assertLess((qkv.torch.attention(q, k, v, layout="BHTD") - expected).abs().max(), 3e-6)
        self.assertLess(numpy.abs(qkv.attention(q, k, v, layout="BHTD") - expected.numpy()).max(), 3e-6)
        bias = negated(T, S)
        expected = F.scaled_dot_product_attention(*plain, attn_mask=bias.resolve_neg().clone())
        for keywords in (
            dict(bias=bias),
            dict(mask=bias),
            dict(score=lambda s, at: s + bias[at.row, at.key]),
            dict(score=qkv.score(lambda s, at, w: s + w[at.row, at.key], bias)),
        ):
            found = qkv.torch.attention(*plain, **keywords, layout="BHTD")
            self.assertLess((found - expected).abs().max(), 3e-6)

    def test_a_part_may_learn(self):
        sinks = torch.randn(H, requires_grad=True)
        ours = qkv.torch.attention(self.q, self.k, self.v, qkv.softmax_with_sink(sinks), layout="BHTD")
        scores = self.q @ self.k.transpose(-1, -2) / D**0.5
        weights = torch.cat([scores, sinks[None, :, None, None].expand(B, H, T, 1)], -1).softmax(-1)[..., :-1]
        self.same(ours, weights @ self.v, sinks)

    def test_gradients_of_gradients(self):
        cotangents = [torch.randn_like(x) for x in (self.q, self.k, self.v)]
        dout = self.dout.clone().requires_grad_()

        def twice(out):
            once = torch.autograd.grad(out, (self.q, self.k, self.v), dout, create_graph=True)
            loss = sum((g * c).sum() for g, c in zip(once, cotangents))
            return torch.autograd.grad(loss, (self.q, self.k, self.v, dout))

        for parts, kept in (((), self.j >= 0), ((qkv.top_left, qkv.causal), self.i >= self.j)):
            ours = twice(qkv.torch.attention(self.q, self.k, self.v, *parts, layout="BHTD"))
            for a, b in zip(ours, twice(self.scores(lambda s: s, kept))):
                self.assertLess((a - b).abs().max(), 1e-4 * (1 + b.abs().max()))

    def test_a_third_backward_is_refused(self):
        for power in (1, 2):
            out = qkv.torch.attention(self.q, self.k, self.v, layout="BHTD")
            (once,) = torch.autograd.grad((out**power).sum(), self.q, create_graph=True)
            (twice,) = torch.autograd.grad((once**power).sum(), self.q, create_graph=True)
            with self.assertRaisesRegex(NotImplementedError, "at most two backward passes; found a third"):
                twice.sum().backward()

    def test_a_penalty_on_a_gradient_trains(self):
        out = qkv.torch.attention(self.q, self.k, self.v, layout="BHTD")
        (dq,) = torch.autograd.grad(out.sum(), self.q, create_graph=True)
        (out.square().sum() + dq.square().sum()).backward()
        theirs = self.scores(lambda s: s, self.j >= 0)
        (dq,) = torch.autograd.grad(theirs.sum(), self.q, create_graph=True)
        expected = torch.autograd.grad(theirs.square().sum() + dq.square().sum(), (self.q, self.k, self.v))
        for x, b in zip((self.q, self.k, self.v), expected):
            self.assertLess((x.grad - b).abs().max(), 1e-4 * (1 + b.abs().max()))

    def test_a_second_backward_that_is_not_there_is_named(self):
        for word, part in (
            ("scores", qkv.softcap(3)),
            ("sparsemax", qkv.sparsemax),
            ("learned parameters", qkv.softmax_with_sink(torch.randn(H, requires_grad=True))),
        ):
            out = qkv.torch.attention(self.q, self.k, self.v, part, layout="BHTD")
            (dq,) = torch.autograd.grad(out.sum(), self.q, create_graph=True)  # once is still there
            with self.assertRaisesRegex(NotImplementedError, word):
                dq.sum().backward()

    def test_functions_that_call_it_may_be_compiled(self):
        slopes = torch.rand(H, requires_grad=True)

        def function(q, k, v):
            out = qkv.torch.attention(q * 2, k, v, qkv.causal, lambda s, at: s * slopes[at.head], layout="BHTD")
            return out.tanh()

        compiled = torch.compile(function, backend="eager")
        self.same(compiled(self.q, self.k, self.v), function(self.q, self.k, self.v), slopes)

    def test_float64_is_refused(self):
        with self.assertRaisesRegex(TypeError, r"q is float64.*pass q.float\(\)"):
            qkv.torch.attention(self.q.double(), self.k, self.v, layout="BHTD")
        with self.assertRaisesRegex(TypeError, r"k is int32.*pass k.float\(\)"):
            qkv.torch.attention(self.q, self.k.int(), self.v, layout="BHTD")
        with self.assertRaisesRegex(ValueError, r"a tensor: q.contiguous\(\)"):
            qkv.torch.attention(self.q.mT.contiguous().mT, self.k, self.v, layout="BHTD")

    def test_half_types_come_back_as_they_are(self):
        for dtype in (torch.float16, torch.bfloat16):
            x = [t.detach().to(dtype).requires_grad_() for t in (self.q, self.k, self.v)]
            out = qkv.torch.attention(*x, layout="BHTD")
            self.assertEqual(out.dtype, dtype)
            out.float().sum().backward()
            self.assertEqual(x[0].grad.dtype, dtype)

    def test_arrays_of_torch_without_the_bridge(self):
        x = [t.detach() for t in (self.q, self.k, self.v)]
        self.assertLess(
            numpy.abs(qkv.attention(*x, layout="BHTD") - F.scaled_dot_product_attention(*x).numpy()).max(), 3e-6
        )
        with self.assertRaisesRegex(TypeError, "qkv.torch.attention gives them"):
            qkv.attention(self.q, self.k, self.v, layout="BHTD")

    def test_flex_attention(self):
        try:
            from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        except ImportError:
            self.skipTest("this PyTorch has no FlexAttention")
        documents, bias = torch.arange(S) // 11, torch.randn(H)

        def score_mod(score, b, h, q_idx, kv_idx):
            return torch.where(kv_idx % 2 == 0, torch.tanh(score / 2) * 2, score) + bias[h] * (q_idx - kv_idx)

        def mask_mod(b, h, q_idx, kv_idx):
            return (q_idx >= kv_idx) | (documents[q_idx] == documents[kv_idx])

        x = [t.detach() for t in (self.q, self.k, self.v)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            block_mask = create_block_mask(mask_mod, B, H, T, S, device="cpu")
            theirs = flex_attention(*x, score_mod=score_mod, block_mask=block_mask)
        for mask in (block_mask, qkv.flex.create_block_mask(mask_mod, B, H, T, S)):
            self.assertLess(
                (qkv.flex.flex_attention(*x, score_mod=score_mod, block_mask=mask) - theirs).abs().max(), 3e-6
            )
        lengths = torch.tensor([20, 40])

        def padding(b, h, q_idx, kv_idx):
            return kv_idx < lengths[b]

        import torch.nn.attention.flex_attention as flex

        for name in ("and_masks", "or_masks"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                joined = getattr(flex, name)(mask_mod, padding)
                block = create_block_mask(joined, B, H, T, S, device="cpu")
                expected = flex_attention(*x, block_mask=block)
            for mask in (joined, block, getattr(qkv.flex, name)(mask_mod, padding)):
                self.assertLess((qkv.flex.flex_attention(*x, block_mask=mask) - expected).abs().max(), 3e-6)
        self.assertIs(type(qkv.flex.flex_attention(*x, return_aux=None)), torch.Tensor)
        if hasattr(flex, "AuxRequest"):
            out, aux = qkv.flex.flex_attention(*x, return_aux=flex.AuxRequest(lse=True))
            self.assertEqual((out.shape, aux.lse.shape, aux.max_scores), ((B, H, T, D), (B, H, T), None))
            with self.assertRaisesRegex(NotImplementedError, "max_scores is not supported"):
                qkv.flex.flex_attention(*x, return_aux=flex.AuxRequest(max_scores=True))
        arrays = [t.numpy() for t in x]
        found = qkv.flex.flex_attention(*arrays, score_mod=score_mod, block_mask=block_mask)
        self.assertLess(numpy.abs(found - theirs.numpy()).max(), 3e-6)


class Flex(unittest.TestCase):
    def test_prob_mod_is_refused_by_name(self):
        x = numpy.ones((1, 2, 4, 8), numpy.float32)
        with self.assertRaisesRegex(NotImplementedError, "prob_mod, a function on the probabilities"):
            qkv.flex.flex_attention(x, x, x, prob_mod=lambda p, b, h, i, j: p)

    def test_grouped_heads_need_a_word(self):
        q, k = numpy.ones((1, 4, 4, 8), numpy.float32), numpy.ones((1, 2, 4, 8), numpy.float32)
        with self.assertRaisesRegex(ValueError, "enable_gqa=True"):
            qkv.flex.flex_attention(q, k, k)
        self.assertEqual(qkv.flex.flex_attention(q, k, k, enable_gqa=True).shape, q.shape)

    def test_masks_are_joined(self):
        x = numpy.random.default_rng(0).standard_normal((1, 2, 9, 8)).astype(numpy.float32)

        def causal(b, h, i, j):
            return i >= j

        def near(b, h, i, j):
            return abs(i - j) < 3

        mask = qkv.flex.or_masks(qkv.flex.and_masks(causal, near), lambda b, h, i, j: j == 0)
        expected = qkv.attention(x, x, x, (qkv.causal & qkv.sliding_window(3)) | qkv.prefix(1), layout="BHTD")
        self.assertEqual(abs(qkv.flex.flex_attention(x, x, x, block_mask=mask) - expected).max(), 0)

    def test_masks_that_capture_arrays_are_joined(self):
        x = numpy.random.default_rng(0).standard_normal((1, 2, 9, 8)).astype(numpy.float32)
        limits, ids = numpy.array([4, 7]), numpy.arange(9) // 4

        def limited(b, h, i, j):
            return j < limits[h]

        def same(b, h, i, j):
            return ids[i] == ids[j]

        kept, other = numpy.arange(9) < limits[:, None, None], ids[:, None] == ids
        for mask, flags in (
            (qkv.flex.and_masks(limited, same), kept & other),
            (qkv.flex.or_masks(limited, qkv.flex.and_masks(same)), kept | other),
            (qkv.flex.and_masks(), numpy.ones((9, 9), bool)),
            (qkv.flex.or_masks(), numpy.zeros((9, 9), bool)),
        ):
            for given in (mask, qkv.flex.create_block_mask(mask, 1, 2, 9, 9)):
                found = qkv.flex.flex_attention(x, x, x, block_mask=given)
                self.assertLess(abs(found - qkv.attention(x, x, x, mask=flags, layout="BHTD")).max(), 1e-6)

    def test_what_else_is_asked_for(self):
        x = numpy.ones((1, 2, 4, 8), numpy.float32)
        self.assertEqual(qkv.flex.flex_attention(x, x, x, return_aux=None).shape, x.shape)
        out, aux = qkv.flex.flex_attention(x, x, x, return_aux=qkv.flex.AuxRequest(lse=True))
        self.assertEqual((out.shape, aux.lse.shape, aux.max_scores), (x.shape, (1, 2, 4), None))
        self.assertEqual(qkv.flex.flex_attention(x, x, x, return_aux=qkv.flex.AuxRequest())[1], (None, None))
        for error, words, more in (
            (NotImplementedError, "max_scores is not supported", dict(return_aux=qkv.flex.AuxRequest(max_scores=True))),
            (ValueError, "found both", dict(return_lse=True, return_aux=qkv.flex.AuxRequest(lse=True))),
            (TypeError, r"return_aux=AuxRequest\(lse=True\); found True", dict(return_aux=True)),
            (TypeError, "block_mask as a function of FlexAttention's arguments; found 5", dict(block_mask=5)),
            (TypeError, "score_mod as a function .*; found causal", dict(score_mod=qkv.causal)),
        ):
            with self.assertRaisesRegex(error, words):
                qkv.flex.flex_attention(x, x, x, **more)
        with self.assertRaisesRegex(TypeError, "a mask_mod as a function .*; found 3"):
            qkv.flex.and_masks(3)
        with self.assertRaisesRegex(ValueError, r"query with four axes.*found ndarray of shape \[2, 4, 8\]"):
            qkv.flex.flex_attention(x[0], x, x)


if __name__ == "__main__":
    unittest.main()
