#!/usr/bin/env python3
"""check_page.py FILE: is it HTML whose every element is closed, with a script that ends where it should?"""
import html.parser
import sys

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.mistakes, self.ids = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        for name, value in attributes:
            if name.startswith("on"):
                self.mistakes.append(f"<{tag}> has the handler {name}")
            if name == "id" and value in self.ids:
                self.mistakes.append(f"two elements are called {value}")
            if name == "id":
                self.ids.add(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> closes nothing, at {self.getpos()}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    checker = Checker()
    checker.feed(text)
    checker.close()
    mistakes = checker.mistakes + [f"<{tag}> is not closed" for tag in checker.open]
    for tag, count in {"html": 1, "head": 1, "body": 1, "title": 1, "style": 1, "script": 2, "h1": 1, "b": 0}.items():
        if checker.seen.count(tag) != count:
            mistakes.append(f"expected {count} <{tag}>; found {checker.seen.count(tag)}")
    if not text.startswith("<!doctype html>"):
        mistakes.append("no doctype")
    if any(ord(c) < 32 and c not in "\n\t" for c in text):
        mistakes.append("control characters")
    print("\n".join(mistakes))
    return 1 if mistakes else 0


sys.exit(main())
