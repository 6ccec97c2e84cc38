#!/usr/bin/env python3
"""Times PyTorch for qkv_benchmark, which starts this script and takes turns with it.

    pytorch.py THREADS

One JSON request a line on standard input, one JSON answer a line on standard output:

    {"do": "hello"}                          {"version": "2.13.0", "capability": "AVX2"}
    {"do": "prepare", "case": NAME, ...}     {}     makes the inputs, and runs the case twice
    {"do": "trial"}                          {"seconds": 0.012}     seconds a call, over some 30 ms of calls
    {"do": "learn", ...}                     {"losses": [[100, 2.5], ...], "seconds": ...}; see decoder.py
    anything that goes wrong                 {"complaint": "one line"}
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

import decoder

TRIAL_SECONDS = 0.03


def attention(r):
    """Scaled dot-product attention, forward or backward, in PyTorch's own layout [B, H, T, D]."""
    q = torch.randn(r["B"], r["H"], r["T"], r["D"])
    copies = [[torch.randn(r["B"], r["G"], r["S"], r["D"]) for _ in "kv"]]
    copies += [[t.clone() for t in copies[0]] for _ in range(r.get("copies", 1) - 1)]
    options = {"is_causal": r["causal"], "enable_gqa": r["H"] != r["G"]}
    if r["pass"] == "forward":
        turn = iterate(copies)

        def forward():
            with torch.no_grad():
                F.scaled_dot_product_attention(q, *next(turn), **options)
        return forward
    inputs = [t.requires_grad_() for t in (q, *copies[0])]
    out = F.scaled_dot_product_attention(*inputs, **options)
    gradient = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, inputs, gradient, retain_graph=True)


def iterate(items):
    """The items, over and over."""
    while True:
        yield from items


def window(r):
    """FlexAttention, compiled, under a causal sliding window; forward only, as it has no other on CPUs."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    q, k, v = (torch.randn(1, r["H"], r["T"], r["D"]) for _ in "qkv")
    width = r["window"]
    mask = create_block_mask(lambda b, h, i, j: (i >= j) & (i - j < width), None, None, r["T"], r["T"], device="cpu")
    compiled = torch.compile(flex_attention)

    def forward():
        with torch.no_grad():
            compiled(q, k, v, block_mask=mask)
    return forward


def linear(r):
    """The three products of a linear layer of N rows, from I to O channels."""
    x, weight, dy = torch.randn(r["N"], r["I"]), torch.randn(r["O"], r["I"]), torch.randn(r["N"], r["O"])
    y, dx, dweight = torch.empty_like(dy), torch.empty_like(x), torch.empty_like(weight)
    return {"forward": lambda: torch.mm(x, weight.T, out=y),
            "input": lambda: torch.mm(dy, weight, out=dx),
            "weight": lambda: torch.mm(dy.T, x, out=dweight)}[r["pass"]]


CASES = {"attention": attention, "window": window, "linear": linear, "training": decoder.steps}


def seconds_of(work, calls):
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


class Server:
    """Holds the case prepared last."""

    def __init__(self):
        self.work = None
        self.calls = 1

    def answer(self, request):
        """The answer to one request."""
        if request["do"] == "hello":
            return {"version": torch.__version__.split("+")[0], "capability": torch.backends.cpu.get_cpu_capability()}
        if request["do"] == "prepare":
            self.work = None  # gives its memory back first
            self.work = CASES[request["case"]](request)
            self.work()
            self.calls = max(1, round(TRIAL_SECONDS / seconds_of(self.work, 1)))
            return {}
        if request["do"] == "trial":
            return {"seconds": seconds_of(self.work, self.calls)}
        if request["do"] == "learn":
            return decoder.learn(request)
        raise ValueError(f"unknown request {request['do']}")


def main():
    torch.set_num_threads(int(sys.argv[1]))
    server = Server()
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as problem:  # whatever it is, the other side must hear of it
            answer = {"complaint": f"{type(problem).__name__}: {problem}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
