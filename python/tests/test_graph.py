"""Attention over edges: what attention computes under the mask of the same links, at the edges' cost."""

import pickle
import unittest

import numpy

import qkv
import reference
from reference import apart, numbers, places, qkv_of

Q, K, V = qkv_of()  # [2, 37, 4, 16], [2, 51, 2, 16], [2, 51, 2, 12]
DOUT = numbers(2, 37, 4, 12, seed=4)
QUERY, KEY = places(37, 51)
KEPT = numpy.random.default_rng(5).random((37, 51)) < 0.15
KEPT[7] = False
EDGES = numpy.argwhere(KEPT)
SHUFFLED = numpy.random.default_rng(6).permutation(EDGES)


class AgainstNumPy(unittest.TestCase):
    def same(self, links, kept, *parts, change=lambda s: s, **keywords):
        expected = reference.attention(Q, K, V, kept, change)[0]
        found = qkv.graph_attention(Q, K, V, links, *parts, **keywords)
        self.assertLess(apart(found, expected), 3e-6)
        return found

    def test_edges_in_any_order_give_the_same_bits(self):
        one = self.same(EDGES, KEPT)
        for links in (SHUFFLED, SHUFFLED.astype(numpy.int32), SHUFFLED.tolist(), qkv.graph(SHUFFLED, 37, 51)):
            self.assertEqual(apart(self.same(links, KEPT), one), 0)

    def test_a_query_without_an_edge_gives_zero(self):
        out, lse = qkv.graph_attention(Q, K, V, EDGES, return_lse=True)
        self.assertTrue((out[:, 7] == 0).all() and (lse[:, 7] == -numpy.inf).all())
        self.assertEqual(abs(qkv.graph_attention(Q, K, V, [])).max(), 0)

    def test_masks_leave_out_edges_and_scores_change_them(self):
        self.same(SHUFFLED, KEPT & (QUERY >= KEY), qkv.causal)
        self.same(
            SHUFFLED,
            KEPT & (KEY % 3 > 0),
            lambda at: at.key % 3 > 0,
            lambda s, at: 2 * qkv.tanh(s) - 0.1 * at.head,
            change=lambda s: 2 * numpy.tanh(s) - 0.1 * numpy.arange(4)[:, None, None],
        )
        slopes = qkv.alibi_slopes(4)
        self.same(SHUFFLED, KEPT, qkv.alibi(slopes), change=lambda s: s - slopes[:, None, None] * abs(QUERY - KEY))

    def test_a_graph_for_each_sequence(self):
        other = numpy.random.default_rng(8).random((37, 51)) < 0.3
        kept = numpy.stack([KEPT, other])[:, None]
        self.same([SHUFFLED, qkv.graph(numpy.argwhere(other), 37, 51)], kept)

    def test_heads_first(self):
        x = [a.swapaxes(1, 2) for a in (Q, K, V)]
        out, lse = qkv.graph_attention(*x, SHUFFLED, layout="BHTD", return_lse=True)
        expected, expected_lse = qkv.graph_attention(Q, K, V, SHUFFLED, return_lse=True)
        self.assertEqual(apart(out, expected.swapaxes(1, 2)), 0)
        self.assertTrue(numpy.array_equal(lse, expected_lse.swapaxes(1, 2)))

    def test_packed_sequences_have_edges_of_their_own(self):
        q, k, v = qkv_of(b=1, t=9, s=9)
        first, second = [(0, 1), (2, 3), (2, 0)], [(4, 0), (0, 2)]
        out = qkv.graph_attention(q, k, v, [first, second], qkv.packed([0, 4, 9]))
        apart_ = [
            qkv.graph_attention(*(x[:, a:b] for x in (q, k, v)), links)
            for a, b, links in ((0, 4, first), (4, 9, second))
        ]
        self.assertLess(apart(out, numpy.concatenate(apart_, axis=1)), 1e-6)

    def test_scores_look_up_what_edges_need(self):
        near = numbers(4, seed=9)
        x = numbers(1, 64, 4, 16)
        edges = [(i, j) for i in range(64) for j in range(max(0, i - 3), i + 1)]
        found = qkv.graph_attention(x, x, x, edges, lambda s, at: s + near[at.row - at.key])
        distance = numpy.arange(64)[:, None] - numpy.arange(64)
        kept = (distance >= 0) & (distance < 4)
        expected = reference.attention(x, x, x, kept, lambda s: s + near[numpy.clip(distance, 0, 3)])[0]
        self.assertLess(apart(found, expected), 3e-6)
        with self.assertRaisesRegex(
            ValueError, "near to have an index 4 on axis 0, where the link of query 63 and key 59"
        ):
            qkv.graph_attention(x, x, x, [*edges, (63, 59)], lambda s, at: s + near[at.row - at.key])


class Gradients(unittest.TestCase):
    def test_equal_the_oracles_and_those_of_a_dense_mask(self):
        for parts in (
            (),
            (qkv.causal, qkv.softcap(2)),
            (qkv.alibi(qkv.alibi_slopes(4)),),
            (qkv.sparsemax,),
            (qkv.similarity(lambda q, k: -abs(q - k)), qkv.scale(0.2)),
            (qkv.score(lambda s, at, w: s * w[at.head], numbers(4)), qkv.softmax_with_sink(numbers(4, seed=3))),
        ):
            with self.subTest(str(parts)):
                found = qkv.graph_attention_backward(DOUT, Q, K, V, SHUFFLED, *parts)
                exact = qkv.graph_attention_backward(DOUT, Q, K, V, SHUFFLED, *parts, precision="oracle")
                dense = [p for p in parts if p is not qkv.causal]
                kept = qkv.dense_mask(KEPT) & (qkv.causal if qkv.causal in parts else qkv.everything)
                other = qkv.attention_backward(DOUT, Q, K, V, kept, *dense, precision="oracle")
                pairs = list(zip(found, exact)) + [(a[1], b[1]) for a, b in zip(found.learned, exact.learned)]
                for a, b in pairs:
                    self.assertLess(apart(a, b), 5e-5 * (1 + abs(b).max()))
                for a, b in zip(exact, other):
                    self.assertLess(apart(a, b), 1e-12 * (1 + abs(b).max()))

    def test_the_oracle_equals_numpy(self):
        expected = reference.attention(Q, K, V, KEPT)[0]
        self.assertLess(apart(qkv.graph_attention(Q, K, V, SHUFFLED, precision="oracle"), expected), 1e-12)


class Graphs(unittest.TestCase):
    def test_sorts_prints_and_pickles(self):
        g = qkv.graph(SHUFFLED, 37, 51)
        self.assertEqual(apart(g.edges, EDGES), 0)
        self.assertEqual((g.queries, g.keys, len(g)), (37, 51, len(EDGES)))
        again = pickle.loads(pickle.dumps(g))
        self.assertEqual(repr(again), repr(g))
        self.assertEqual(apart(again.edges, g.edges), 0)
        self.assertEqual(qkv.graph([], 3).edges.shape, (0, 2))

    def says(self, error, words, edges, *sizes):
        with self.assertRaisesRegex(error, words):
            qkv.graph(edges, *sizes)

    def test_mistakes(self):
        self.says(
            ValueError, "edges from queries 0 to 2 to keys 0 to 2; found an edge from query 0 to key 3", [(0, 3)], 3
        )
        self.says(ValueError, "found an edge from query -1 to key 0", [(-1, 0)], 3)
        self.says(ValueError, "each edge once; found an edge from query 0 to key 1 twice", [(0, 1), (0, 1)], 3)
        self.says(TypeError, r"edges of whole numbers; found float64; .*astype\(numpy.int64\)", [(0.0, 1.0)], 3)
        self.says(TypeError, "edges of whole numbers; found object", [(0, 2**70)], 3)
        self.says(
            ValueError,
            "to keys 0 to 2; found an edge from query 0 to key 1073741824",
            numpy.uint64([[0, 2**63 + 1]]),
            3,
        )
        self.says(ValueError, "a list whose rows differ in length", [(0, 1), (2,)], 3)
        self.says(TypeError, "edges as an array or a list; found 'abc'", "abc", 3)
        self.says(ValueError, "queries of at most 1073741824; found 1180591620717411303424", [(0, 1)], 2**70)
        self.says(TypeError, "keys as a whole number; found 1.5", [(0, 1)], 3, 1.5)
        self.says(ValueError, r"edges \[N, 2\].*found \[2, 5\]; edges\[::-1\].T", numpy.zeros((2, 5), int), 3)
        with self.assertRaisesRegex(ValueError, "queries"):
            qkv.graph_attention(Q, K, V, qkv.graph([(0, 1)], 5))
        with self.assertRaisesRegex(ValueError, "a graph of 37 queries and 51 keys; found graph"):
            qkv.graph_attention(Q, K, V, qkv.graph([(0, 1)], 5), precision="oracle")
        with self.assertRaisesRegex(ValueError, "one for each sequence, 2; found 3"):
            qkv.graph_attention(Q, K, V, [EDGES, EDGES, EDGES])
        with self.assertRaisesRegex(TypeError, "q is float64"):
            qkv.graph_attention(Q.astype(float), K, V, EDGES)


if __name__ == "__main__":
    unittest.main()
