"""Types of the public names; what they do is said in their docstrings."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

from numpy import dtype, ndarray
from typing_extensions import Unpack

from . import flex as flex
from . import onnx as onnx
from . import torch as torch
from .expressions import Number, Real, Truth, Whole
from .tracing import Place

Array: TypeAlias = Any  # of NumPy, or with DLPack
Edges: TypeAlias = Any  # [N, 2] whole numbers: an array, or a list of pairs
Layout: TypeAlias = Literal["BTHD", "BHTD"]
Precision: TypeAlias = Literal["float32", "oracle"]
MaskRule: TypeAlias = Callable[[Place], Truth]
ScoreRule: TypeAlias = Callable[..., Number]  # (s, at, *learned)

class Part:
    def named(self, text: str) -> Part: ...

class Mask(Part):
    def __init__(self, rule: MaskRule) -> None: ...
    def __and__(self, other: Mask | MaskRule | Array) -> Mask: ...
    def __or__(self, other: Mask | MaskRule | Array) -> Mask: ...
    def __rand__(self, other: MaskRule | Array) -> Mask: ...
    def __ror__(self, other: MaskRule | Array) -> Mask: ...
    def __invert__(self) -> Mask: ...

class Score(Part):
    def __init__(self, rule: ScoreRule, *learned: Array | Parameter) -> None: ...

class Similarity(Part):
    def __init__(
        self, rule: Callable[..., Number] | None, weights: Array | Parameter | None = None, *, name: str | None = None
    ) -> None: ...

class Weighting(Part):
    def __init__(
        self,
        rule: Callable[[Real], Number] | None,
        sum_to_one: bool | Literal["by_division"] = False,
        *,
        name: str | None = None,
        number: float = 0.0,
        sink: Array | Parameter | None = None,
    ) -> None: ...

class Scale(Part):
    factor: float
    def __init__(self, factor: float) -> None: ...

class Alignment(Part): ...
class Sequences(Part): ...

class Dropout(Part):
    rate: float
    seed: int
    def __init__(self, rate: float, seed: int = 0) -> None: ...

class Table:
    def __init__(self, values: Array | Sequence[Any], name: str = "table") -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, indices: Any) -> Any: ...

class Parameter:
    values: ndarray
    name: str
    letters: str
    def __init__(self, values: Array | Sequence[Any] | float, name: str = "parameter", letters: str = "") -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, indices: Any) -> Real: ...

AnyPart: TypeAlias = Part | MaskRule | ScoreRule

mask = Mask
score = Score
similarity = Similarity
weighting = Weighting
table = Table
parameter = Parameter

class Gradients:
    dq: ndarray
    dk: ndarray
    dv: ndarray
    @property
    def learned(self) -> list[tuple[Parameter, ndarray]]: ...
    def __iter__(self) -> Iterator[ndarray]: ...
    def __getitem__(self, parameter: Parameter | Array) -> ndarray: ...

class PartKeywords(TypedDict, total=False):
    mask: Mask | MaskRule | Array | Sequence[Any] | None
    score: Score | ScoreRule | Sequence[Score | ScoreRule] | None
    weighting: Weighting | Callable[[Real], Number] | None
    similarity: Similarity | Callable[[Real, Real], Number] | None
    bias: Array | Parameter | Sequence[Any] | None
    scale: float | Scale | None
    dropout: float | Dropout | None
    align: Alignment | None

def attention(
    q: Array,
    k: Array | Quantised,
    v: Array | Quantised,
    *parts: AnyPart,
    layout: Layout = "BTHD",
    return_lse: bool = False,
    return_weights: bool = False,
    precision: Precision = "float32",
    **keywords: Unpack[PartKeywords],
) -> Any: ...
def attention_backward(
    dout: Array,
    q: Array,
    k: Array,
    v: Array,
    *parts: AnyPart,
    out: Array | None = None,
    lse: Array | None = None,
    layout: Layout = "BTHD",
    precision: Precision = "float32",
    **keywords: Unpack[PartKeywords],
) -> Gradients: ...

class SecondGradients(Gradients):
    ddout: ndarray

def attention_second_order(
    cotangents: Sequence[Array | None],
    dout: Array,
    q: Array,
    k: Array,
    v: Array,
    *parts: AnyPart,
    out: Array | None = None,
    lse: Array | None = None,
    layout: Layout = "BTHD",
    precision: Precision = "float32",
    **keywords: Unpack[PartKeywords],
) -> SecondGradients: ...
def weights(
    q: Array,
    k: Array | Quantised,
    v: Array | Quantised,
    *parts: AnyPart,
    layout: Layout = "BTHD",
    **keywords: Unpack[PartKeywords],
) -> ndarray: ...
def tiles(
    q: Array,
    k: Array | Quantised,
    v: Array | Quantised,
    *parts: AnyPart,
    layout: Layout = "BTHD",
    **keywords: Unpack[PartKeywords],
) -> tuple[int, int, int]: ...

class Quantised:
    values: ndarray
    scales: ndarray
    def __init__(self, values: Array, scales: Array) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> dtype: ...
    def dequantised(self) -> ndarray: ...

def quantise(x: Array) -> Quantised: ...

class Graph:
    def __init__(self, edges: Edges, queries: int, keys: int | None = None) -> None: ...
    @property
    def queries(self) -> int: ...
    @property
    def keys(self) -> int: ...
    @property
    def edges(self) -> ndarray: ...
    def __len__(self) -> int: ...

graph = Graph

def graph_attention(
    q: Array,
    k: Array,
    v: Array,
    links: Graph | Edges | Sequence[Graph | Edges],
    *parts: AnyPart,
    layout: Layout = "BTHD",
    return_lse: bool = False,
    precision: Precision = "float32",
    **keywords: Unpack[PartKeywords],
) -> Any: ...
def graph_attention_backward(
    dout: Array,
    q: Array,
    k: Array,
    v: Array,
    links: Graph | Edges | Sequence[Graph | Edges],
    *parts: AnyPart,
    layout: Layout = "BTHD",
    precision: Precision = "float32",
    **keywords: Unpack[PartKeywords],
) -> Gradients: ...

class Statistics:
    lse: ndarray
    entropy: ndarray | None
    maximum: ndarray | None
    received: ndarray | None
    top_keys: ndarray | None
    top_weights: ndarray | None
    distances: ndarray | None
    detected: ndarray | None
    map: ndarray | None

def attention_statistics(
    q: Array,
    k: Array,
    *parts: AnyPart,
    entropy: bool = True,
    maximum: bool = True,
    received: bool = True,
    top: int = 8,
    distances: bool = False,
    tokens: Array | None = None,
    map: tuple[int, int, int, int] | None = None,
    map_shape: tuple[int, int] = (0, 0),
    shares: Array | None = None,
    layout: Layout = "BTHD",
    **keywords: Unpack[PartKeywords],
) -> Statistics: ...
def head_similarity(
    q: Array, k: Array, *parts: AnyPart, layout: Layout = "BTHD", **keywords: Unpack[PartKeywords]
) -> ndarray: ...
def attention_rollout(
    layers: Sequence[tuple[Any, ...]],
    token: int,
    *parts: AnyPart,
    layout: Layout = "BTHD",
    **keywords: Unpack[PartKeywords],
) -> ndarray: ...

class LinearGradients(NamedTuple):
    dq: ndarray
    dk: ndarray
    dv: ndarray
    ddecay: ndarray | None
    dbeta: ndarray | None
    dstate: ndarray | None

Rule: TypeAlias = Literal["linear", "gated", "delta", "gated_delta"]
Features: TypeAlias = Literal["identity", "relu", "elu_plus_one"] | Callable[[Real], Number]

class LinearKeywords(TypedDict, total=False):
    rule: Rule
    features: Features
    causal: bool
    normalise: bool
    scale: float | None
    decay: Array | None
    beta: Array | None
    state: Array | None
    layout: Layout

def linear_attention(
    q: Array, k: Array, v: Array, *, return_state: bool = False, **keywords: Unpack[LinearKeywords]
) -> Any: ...
def linear_attention_backward(
    dout: Array, q: Array, k: Array, v: Array, *, dstate: Array | None = None, **keywords: Unpack[LinearKeywords]
) -> LinearGradients: ...

class Picture:
    def svg(self) -> str: ...
    def png(self) -> bytes: ...
    def save(self, path: Any) -> None: ...

def show(
    what: Any,
    *more: Any,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    size: int = 32,
    **keywords: Any,
) -> Picture: ...
def set_threads(count: int) -> None: ...
def threads() -> int: ...
def exp(x: Any) -> Any: ...
def log(x: Any) -> Any: ...
def tanh(x: Any) -> Any: ...
def sqrt(x: Any) -> Any: ...
def sigmoid(x: Any) -> Any: ...
def abs(x: Any) -> Any: ...
def floor(x: Any) -> Any: ...
def minimum(a: Any, b: Any) -> Any: ...
def maximum(a: Any, b: Any) -> Any: ...
def where(condition: Any, a: Any, b: Any) -> Any: ...
def hash(seed: int, a: Whole | int, b: Whole | int) -> Whole: ...

everything: Mask
causal: Mask

def sliding_window(width: int | None = None, *, left: int | None = None, right: int | None = None) -> Mask: ...
def dilated(stride: int) -> Mask: ...
def global_tokens(count: int | Array | Table | Sequence[bool]) -> Mask: ...
def random_blocks(block: int, count: int, seed: int = 0) -> Mask: ...
def prefix(length: int | Array | Table | Sequence[int]) -> Mask: ...
def same_document(ids: Array | Table | Sequence[int]) -> Mask: ...
def key_lengths(lengths: Array | Table | Sequence[int]) -> Mask: ...
def dense_mask(flags: Array | Sequence[Any]) -> Mask: ...
def softcap(cap: float) -> Score: ...
def alibi(slopes: Array | Parameter | Sequence[float]) -> Score: ...
def alibi_slopes(heads: int) -> ndarray: ...
def relative_bias(bias: Array | Parameter, bidirectional: bool = True, max_distance: int = 128) -> Score: ...
def additive_bias(values: Array | Parameter | Sequence[Any]) -> Score: ...

dot: Similarity
cosine: Similarity
negative_squared_distance: Similarity

def additive(v: Array | Parameter) -> Similarity: ...
def bilinear(matrix: Array | Parameter) -> Similarity: ...

softmax: Weighting
uniform: Weighting
hardmax: Weighting
sparsemax: Weighting
entmax15: Weighting

def softmax_with_sink(sinks: Array | Parameter | Sequence[float]) -> Weighting: ...
def top_k(count: int) -> Weighting: ...
def sigmoid_weights(bias: float = 0.0) -> Weighting: ...
def relu_weights(factor: float = 1.0) -> Weighting: ...
def squared_relu_weights(factor: float = 1.0) -> Weighting: ...
def signed_weights(by_division: bool = False) -> Weighting: ...

bottom_right: Alignment
top_left: Alignment

def queries_start_at(place: int) -> Alignment: ...
def packed(query_offsets: Array | Sequence[int], key_offsets: Array | Sequence[int] | None = None) -> Sequences: ...
def padded(query_lengths: Array | Sequence[int], key_lengths: Array | Sequence[int] | None = None) -> Sequences: ...
def scale(factor: float) -> Scale: ...
def dropout(rate: float, seed: int = 0) -> Dropout: ...
