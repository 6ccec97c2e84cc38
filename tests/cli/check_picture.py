#!/usr/bin/env python3
"""check_picture.py FILE: is it an SVG that parses, or a PNG whose pixels can be decoded and are not all the same?"""
import struct
import sys
import xml.dom.minidom
import zlib


def check_svg(path):
    root = xml.dom.minidom.parse(path).documentElement
    assert root.tagName == "svg", root.tagName
    assert float(root.getAttribute("width")) > 100
    for element in root.getElementsByTagName("*"):
        for name in ("href", "xlink:href", "onload", "onclick"):
            assert not element.hasAttribute(name), f"{element.tagName} has {name}"
    assert len(root.getElementsByTagName("path")) > 5 and len(root.getElementsByTagName("text")) > 5


def check_png(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels = 8, b""
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + length]
        crc, = struct.unpack(">I", data[at + 8 + length:at + 12 + length])
        assert crc == zlib.crc32(kind + body), kind
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT":
            pixels += body
        at += 12 + length
    assert kind == b"IEND" and depth == 8 and colour == 2, (kind, depth, colour)
    rows = zlib.decompress(pixels)
    assert len(rows) == height * (3 * width + 1) and width > 100
    assert len(set(rows)) > 10


(check_png if sys.argv[1].endswith(".png") else check_svg)(sys.argv[1])
