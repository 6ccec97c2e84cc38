"""PyTorch: the bridge to autograd, and agreement with its own attention.  Skipped where torch is not installed."""

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

    def test_float64_is_refused(self):
        with self.assertRaisesRegex(TypeError, r"q is float64.*pass q.float\(\)"):
            qkv.torch.attention(self.q.double(), self.k, self.v, layout="BHTD")

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


if __name__ == "__main__":
    unittest.main()
