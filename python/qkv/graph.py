"""Attention over the links of a graph, given one by one.

Letters of the shapes as in calls: B sequences, T queries, S keys, H query heads, G key heads, D and E channels.
"""

import numpy

from . import _native, lookups, tracing
from .calls import run_graph_backward, run_graph_forward
from .formulas import Composition, takes_parts
from .inputs import Inputs
from .parts import Mask
from .scalars import MOST_PLACES, whole_number


class Graph:
    """The links of one sequence, or of a graph whose nodes are both queries and keys; sorted once for many calls.

    edges [N, 2]: whole numbers, each row a query and the key that it looks at, in any order, each at most once
    queries, keys: how many there are, T and S; keys is `queries` when left out
    PyTorch Geometric's edge_index [2, N], from source to target, is edge_index[::-1].T here.
    Raises ValueError for a place outside, an edge given twice, another shape; TypeError for real numbers.
    Cost: O(edges + T + S), by counting; memory 16 bytes an edge and 8 a place.

    >>> import qkv
    >>> friends = qkv.graph([(0, 1), (2, 0), (1, 0)], 3)
    >>> friends
    graph(3 edges, 3 queries, 3 keys)
    >>> friends.edges.tolist()
    [[0, 1], [1, 0], [2, 0]]
    """

    def __init__(self, edges, queries, keys=None):
        edges = lookups.as_numpy(edges, "edges")
        if edges.size == 0 and edges.shape in ((0,), (0, 2)):
            edges = numpy.empty((0, 2), numpy.int64)
        if edges.dtype.kind not in "iu":
            raise TypeError(
                f"graph: expected edges of whole numbers; found {edges.dtype}; convert them with .astype(numpy.int64)"
            )
        if edges.ndim != 2 or edges.shape[1] != 2:
            hint = "; edges[::-1].T makes them of PyTorch Geometric's edge_index" if edges.shape[:1] == (2,) else ""
            raise ValueError(f"graph: expected edges [N, 2], query and key; found {list(edges.shape)}{hint}")
        queries = whole_number("graph", "a number of queries", queries, 0, MOST_PLACES)
        keys = queries if keys is None else whole_number("graph", "a number of keys", keys, 0, MOST_PLACES)
        if edges.dtype == numpy.uint64:  # beyond every place, before the numbers are halved
            edges = numpy.minimum(edges, numpy.uint64(MOST_PLACES))
        self._native = _native.Graph(queries, keys, numpy.ascontiguousarray(edges, numpy.int64))

    queries = property(lambda self: self._native.queries, doc="T")
    keys = property(lambda self: self._native.keys, doc="S")
    edges = property(lambda self: self._native.edges(), doc="[N, 2], sorted by query, then by key.")

    def __len__(self):
        return self._native.edge_count

    def __repr__(self):
        return f"graph({len(self)} edges, {self.queries} queries, {self.keys} keys)"

    def __reduce__(self):
        return Graph, (self.edges, self.queries, self.keys)


@takes_parts
def graph_attention(q, k, v, links, *parts, layout="BTHD", return_lse=False, precision="float32", **keywords):
    """Every query takes the weighted mean of the values at the end of its edges:

        out[b, t, h] = sum over edges (t, s) of  weighting(score(similarity(q[b, t, h], k[b, s, g])))  v[b, s, g]

    q [B, T, H, D]    k [B, S, G, D]    v [B, S, G, E]    returns out [B, T, H, E]; types and layout as in qkv.attention
    links      a qkv.graph, or edges [N, 2] of query and key, in any order, each once; a list of such, one for each
               sequence.  Heads share them.
    parts, keywords  as in qkv.attention; a mask leaves out edges
    precision  "oracle": the definition in double precision, with T x S memory

    Places in edges are those of arrays, counted within each sequence; only at.query follows the alignment.  A query
    without an edge gives 0, lse -infinity.  The same edges in any order give the same bits.
    Raises as qkv.attention does; ValueError for a graph of other sizes than its sequence.
    Cost: 2 (D + E) operations an edge and head; memory O((T + S) D) and 16 bytes an edge.
    Source: Velickovic et al. 2018, arXiv:1710.10903, eq. 1 to 6.

    >>> import numpy, qkv
    >>> x = numpy.ones((1, 3, 1, 2), numpy.float32)
    >>> v = numpy.array([1.0, 2.0, 4.0], numpy.float32).reshape(1, 3, 1, 1)
    >>> qkv.graph_attention(x, x, v, [(0, 1), (1, 2), (1, 0)])[0, :, 0, 0]
    array([2. , 2.5, 0. ], dtype=float32)
    """
    how, x = Composition(parts, keywords), Inputs(q, k, v, layout, precision)
    out, lse = run_graph_forward(*_asked(how, x, links))
    out = x.given_back(out[1], "q")
    return (out, lse[1]) if return_lse else out


@takes_parts
def graph_attention_backward(dout, q, k, v, links, *parts, layout="BTHD", precision="float32", **keywords):
    """Gradients of sum(out * dout) of graph_attention: as qkv.attention_backward, over edges.

    dout [B, T, H, E]; the rest as in the forward call, which is computed again.
    Returns Gradients: .dq [B, T, H, D], .dk [B, S, G, D], .dv [B, S, G, E]; gradients[p] for a learned p.
    Cost: three times the forward pass; memory as there and 8 bytes an edge.

    >>> import numpy, qkv
    >>> x = numpy.ones((1, 3, 1, 2), numpy.float32)
    >>> g = qkv.graph_attention_backward(x, x, x, x, qkv.graph([(0, 1), (1, 2), (1, 0)], 3))
    >>> g.dv[0, :, 0, 0]
    array([0.5, 1. , 0.5], dtype=float32)
    """
    how, x = Composition(parts, keywords), Inputs(q, k, v, layout, precision)
    return run_graph_backward(*_asked(how, x, links), dout)


def _asked(how, x, links):
    """The composition, the inputs, and (graphs, one for each sequence?); the oracle has a mask in their place."""
    each = isinstance(links, (list, tuple)) and bool(links) and all(_is_links(one) for one in links)
    sizes = _sizes(how, x)
    if each and len(links) != len(sizes):
        raise ValueError(
            f"graph attention: expected one graph, or one for each sequence, {len(sizes)}; found {len(links)}"
        )
    if not each and not isinstance(links, Graph) and len(set(sizes)) > 1:
        raise ValueError(
            "graph attention: expected a list of edges for each sequence, as sequences differ in length; found one list"
        )
    listed = [_graph(one, *size) for one, size in zip(links if each else [links], sizes or [(0, 0)])]
    for n, (queries, keys) in enumerate(sizes if x.oracle else ()):
        one = listed[n if each else 0]
        if (one.queries, one.keys) != (queries, keys):
            raise ValueError(f"graph attention: expected a graph of {queries} queries and {keys} keys; found {one!r}")
    if x.oracle:
        edges = _edges_alone(listed, each)
        how.mask = edges if how.mask is None else edges & how.mask
        how.of_this_call_only()
    return how, x, [one._native for one in listed], each


def _is_links(x):
    return isinstance(x, Graph) or numpy.ndim(x) == 2 or (numpy.ndim(x) == 1 and numpy.size(x) == 0)


def _graph(links, queries, keys):
    return links if isinstance(links, Graph) else Graph(links, queries, keys)


def _sizes(how, x):
    """(queries, keys) of each sequence."""
    ragged = how.sequences
    if ragged is None:
        return [(x.q.shape[1], x.k.shape[1])] * x.q.shape[0]
    if ragged.kind == "packed":
        return list(zip(*(numpy.diff(offsets).tolist() for offsets in (ragged.queries, ragged.keys))))
    return list(zip(ragged.queries, ragged.keys))


def _edges_alone(listed, each):
    """The mask that keeps edges, as a dense table."""
    shape = [max(sizes, default=1) or 1 for sizes in zip(*((g.queries, g.keys) for g in listed))]
    flags = numpy.zeros((len(listed), *shape), bool)
    for n, g in enumerate(listed):
        flags[n, g.edges[:, 0], g.edges[:, 1]] = True
    table, at = lookups.Table(flags, "edges"), tracing.AT
    return Mask(table[at.batch if each else 0, at.row, at.key])
