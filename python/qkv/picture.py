"""Pictures of weights and masks: SVG with labels for notebooks and pages, PNG of the bare cells; no display needed."""

import os
import struct
import zlib
from xml.sax.saxutils import escape

import numpy

from . import calls, lookups
from .formulas import part_of
from .inputs import Quantised, is_real
from .parts import Mask, Part
from .ready import uniform
from .scalars import shown, whole_number

_DARK, _RED, _MOST_CELLS = (23, 55, 94), (160, 40, 40), 512
_GAP, _FONT = 14, 11


class Picture:
    """Square cells, dark where a weight is large.  A notebook shows it; save("name.svg" or "name.png") writes it."""

    def __init__(self, maps, queries, keys, titles):
        self.maps, self.queries, self.keys, self.titles = maps, queries, keys, titles

    def __repr__(self):
        count, rows, columns = self.maps.shape
        return f"Picture({count} of {rows} x {columns} cells; .save('name.svg') or .save('name.png') writes it)"

    def _repr_svg_(self):
        return self.svg()

    def save(self, path):
        """Writes the picture; the name's ending says how.  Raises ValueError for other endings than .svg and .png."""
        name = os.fspath(path)
        ending = os.path.splitext(name)[1].lower()
        if ending not in (".svg", ".png"):
            raise ValueError(f"qkv.show: expected a name that ends in .svg or .png; found {name}")
        data = self.svg().encode() if ending == ".svg" else self.png()
        with open(path, "wb") as file:
            file.write(data)

    def _shares(self):
        """Each cell's share of its map's greatest magnitude, with its sign."""
        most = numpy.abs(self.maps).max(axis=(1, 2), keepdims=True)
        return numpy.nan_to_num(self.maps / numpy.where(most == 0, 1, most))

    def _side(self):
        return max(2, min(24, 640 // max(self.maps.shape[1:])))

    def svg(self):
        """The picture as SVG text; hovering over a cell tells its weight."""
        side, (_, rows, columns) = self._side(), self.maps.shape
        left = 8 + max((len(w) for w in self.queries), default=0) * _FONT * 0.62
        top = 24 + (max((len(w) for w in self.keys), default=0) * _FONT * 0.62 if self.keys else 0)
        wide = left + columns * side + _GAP
        out = []
        for n, (cells, shares) in enumerate(zip(self.maps, self._shares())):
            x0, y0 = n * wide + left, top
            out.append(f'<text x="{x0:.1f}" y="14" font-weight="bold">{escape(self.titles[n])}</text>')
            out.append(
                f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{columns * side}" height="{rows * side}" fill="white" '
                'stroke="#999"/>'
            )
            for i, j in zip(*numpy.nonzero(shares)):
                out.append(
                    f'<rect x="{x0 + j * side:.1f}" y="{y0 + i * side:.1f}" width="{side}" height="{side}" '
                    f'fill="rgb{_colour(shares[i, j])}"><title>{escape(self._cell_name(i, j))}: '
                    f"{cells[i, j]:.4g}</title></rect>"
                )
            for i, word in enumerate(self.queries if side >= 8 else []):
                out.append(
                    f'<text x="{x0 - 4:.1f}" y="{y0 + (i + 0.5) * side + 4:.1f}" '
                    f'text-anchor="end">{escape(word)}</text>'
                )
            for j, word in enumerate(self.keys if side >= 8 else []):
                x, y = x0 + (j + 0.5) * side + 4, y0 - 4
                out.append(f'<text transform="translate({x:.1f} {y:.1f}) rotate(-90)">{escape(word)}</text>')
        width, height = len(self.maps) * wide, top + rows * side + 8
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            'font-family="sans-serif" '
            f'font-size="{_FONT}">' + "".join(out) + "</svg>"
        )

    def _cell_name(self, i, j):
        query = self.queries[i] if self.queries else f"query {i}"
        key = self.keys[j] if self.keys else f"key {j}"
        return f"{query} -> {key}"

    def png(self):
        """The picture as PNG bytes, without words."""
        side, (count, rows, columns) = self._side(), self.maps.shape
        image = numpy.full((rows * side + 2, count * (columns * side + 2) + (count - 1) * _GAP, 3), 255, numpy.uint8)
        for n, shares in enumerate(self._shares()):
            x0 = n * (columns * side + 2 + _GAP)
            image[:, x0 : x0 + columns * side + 2] = 153
            cells = numpy.array([[_colour(s) for s in row] for row in shares], numpy.uint8).reshape(rows, columns, 3)
            image[1:-1, x0 + 1 : x0 + 1 + columns * side] = cells.repeat(side, axis=0).repeat(side, axis=1)
        height, width, _ = image.shape
        lines = numpy.concatenate([numpy.zeros((height, 1), numpy.uint8), image.reshape(height, -1)], axis=1)
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )


def _colour(share):
    dark = _DARK if share >= 0 else _RED
    return tuple(int(round(255 - (255 - c) * min(1, abs(float(share))))) for c in dark)


def show(what, *more, queries=None, keys=None, size=32, **keywords):
    """A picture of weights, of a call's weights, or of a mask.

    what     weights [T, S], [H, T, S] or [1, H, T, S]: show(weights)
             q, k, v and the parts of a call: show(q, k, v, qkv.causal)
             a mask, or a lambda of `at`: show(qkv.causal & qkv.sliding_window(4), size=16), a square of `size` places
    queries, keys  words for rows and columns; keys is queries where they are as many
    Returns a Picture: it shows itself in a notebook, and .save("name.svg") or .save("name.png") writes it.
    Raises ValueError for more than 512 rows or columns, which no eye tells apart, and for none.

    >>> import qkv
    >>> qkv.show(qkv.causal, size=8)
    Picture(1 of 8 x 8 cells; .save('name.svg') or .save('name.png') writes it)
    """
    is_lambda = callable(what) and not isinstance(what, (Part, type)) and not lookups.is_array(what)
    if is_lambda or isinstance(what, Mask):
        maps, titles = _of_mask(part_of(what) if is_lambda else what, size, more or keywords)
    elif len(more) >= 2 and all(lookups.is_array(x) or isinstance(x, Quantised) for x in more[:2]):
        maps, titles = calls.weights(what, *more, **keywords), None
    elif more or keywords or isinstance(what, Part):
        raise TypeError(
            "qkv.show: expected weights, a mask, or q, k, v and parts; found "
            f"{', '.join([*(shown(x) for x in (what, *more)), *(f'{name}=' for name in keywords)])}"
        )
    else:
        maps, titles = _of_weights(what), None
    maps = _checked(maps)
    queries, keys = _words(queries, maps.shape[1], "queries"), _words(keys, maps.shape[2], "keys")
    if keys is None:
        keys = queries if maps.shape[1] == maps.shape[2] else None
    titles = titles or ([f"head {h}" for h in range(len(maps))] if len(maps) > 1 else [""])
    return Picture(maps, queries or [], keys or [], titles)


def _of_mask(mask, size, more):
    if not isinstance(mask, Mask):
        raise TypeError("qkv.show: expected a mask, lambda at: ...; found a score: pass q, k, v and the score")
    if more:
        raise TypeError(
            "qkv.show: expected a mask alone; found more: join masks with & or |, or pass q, k, v and parts"
        )
    size = whole_number("qkv.show", "a size", size, 1, _MOST_CELLS)
    x = numpy.zeros((1, size, 1, 1), numpy.float32)
    return (calls.weights(x, x, x, mask, uniform) > 0).astype(float), [repr(mask)]


def _of_weights(what):
    array = lookups.as_numpy(what, "weights")
    if array.dtype.kind not in "iubf" and not is_real(array.dtype):
        raise TypeError(f"qkv.show: expected weights of real numbers; found {array.dtype}")
    return array.astype(float)


def _checked(maps):
    """[maps, rows, columns]"""
    if maps.ndim == 4:
        if maps.shape[0] != 1:
            raise ValueError(f"qkv.show: expected one sequence; found {maps.shape[0]}: pass one of them, weights[:1]")
        maps = maps[0]
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3:
        raise ValueError(f"qkv.show: expected weights [T, S], [H, T, S] or [1, H, T, S]; found {list(maps.shape)}")
    if not maps.size:
        raise ValueError(f"qkv.show: expected at least one head, row and column; found {list(maps.shape)}")
    if max(maps.shape[1:]) > _MOST_CELLS:
        raise ValueError(
            f"qkv.show: expected at most {_MOST_CELLS} rows and columns; found {maps.shape[1]} x {maps.shape[2]}; pass "
            "a part of them"
        )
    return maps


def _words(given, count, name):
    if given is None:
        return None
    if not hasattr(given, "__iter__"):
        raise TypeError(f"qkv.show: expected {count} words for {name}; found {shown(given)}")
    words = [str(w) for w in given]
    if words and len(words) != count:
        raise ValueError(f"qkv.show: expected {count} words for {name}; found {len(words)}")
    return words
