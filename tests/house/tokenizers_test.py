#!/usr/bin/env python3
"""Hugging Face tokenizers reads our tokenizer.json and finds the same tokens, at the same places, in every line; its
trainers learn the same BPE and words; and we read what it writes.

The package comes from PyPI the first time, into $QKV_BUILD_DIR/tokenizers; without a network the tests are skipped,
aloud.  The lines are those of tests/tokens/sample_lines.txt, and of Multi30k and tiny Shakespeare where they are there.
"""
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import house

NEEDED = "tokenizers>=0.20"
DATA = os.environ.get("QKV_TEST_DATA") or os.path.join(os.path.dirname(house.ROOT), "shared", "data")
SAMPLE = os.path.join(house.ROOT, "tests", "tokens", "sample_lines.txt")
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
KINDS = [  # kind, tokens, options
    ("characters", 0, []), ("bytes", 0, []), ("words", 5000, []), ("words", 5000, ["lower_case"]),
    ("words", 5000, ["by_marks"]), ("bpe", 4000, []), ("bpe", 4000, ["lower_case"]), ("unigram", 4000, []),
    ("unigram", 4000, ["lower_case", "byte_fallback"]),
]


def import_tokenizers():
    """The module, from a virtual environment of its own beside the build."""
    folder = os.path.join(os.environ["QKV_BUILD_DIR"], "tokenizers")
    ready = os.path.join(folder, "ready")
    if not os.path.exists(ready):
        shutil.rmtree(folder, ignore_errors=True)
        got = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                              "--target", folder, NEEDED], capture_output=True, text=True, timeout=600)
        if got.returncode != 0:
            lines = got.stderr.strip().splitlines() or ["no reason given"]
            raise unittest.SkipTest(f"pip cannot get {NEEDED}: {lines[-1]}")
        with open(ready, "w", encoding="utf-8"):
            pass
    sys.path.insert(0, folder)
    import tokenizers
    return tokenizers


def lines_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [line.removesuffix("\r") for line in file.read().removesuffix("\n").split("\n")]


@functools.cache
def texts():
    """Pairs of a text for training and one for trying."""
    pairs = [(SAMPLE, SAMPLE)]
    for training, text in [("multi30k/train.de", "multi30k/test_2016_flickr.de"), ("multi30k/val.fr", "multi30k/val.fr"),
                           ("multi30k/train.de", "multi30k/test_2016_flickr.fr"),
                           ("tinyshakespeare/input.txt", "tinyshakespeare/input.txt")]:
        training, text = os.path.join(DATA, training), os.path.join(DATA, text)
        if os.path.exists(training) and os.path.exists(text):
            pairs.append((training, text))
        else:
            print(f"tried without {text}; set QKV_TEST_DATA to a folder that has it", flush=True)
    return pairs


def in_characters(line, places):
    """Places in bytes as places in characters, a part of a character as all of it."""
    character = [i for i, c in enumerate(line) for _ in c.encode()] + [len(line)]
    return [(character[begin], character[end - 1] + 1 if end > begin else character[begin]) for begin, end in places]


class Tokenizers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = os.environ.get("QKV_TOKENIZE_LINES", "")
        if not os.path.exists(cls.program):
            raise unittest.SkipTest("the program is not built; $QKV_TOKENIZE_LINES says where")
        cls.hf = import_tokenizers()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = os.path.join(folder.name, "tokenizer.json")

    def ours(self, kind, size, training, text, options):
        """What our program finds in each line; it writes self.file."""
        done = subprocess.run([self.program, kind, str(size), training, text, self.file, *options],
                              capture_output=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return [json.loads(line) for line in done.stdout.decode().removesuffix("\n").split("\n")]

    def compare(self, kind, size, training, text, options):
        found = self.ours(kind, size, training, text, options)
        theirs = self.hf.Tokenizer.from_file(self.file)
        theirs.encode_special_tokens = "markers" not in options
        lines = lines_of(text)
        self.assertEqual(len(found), len(lines))
        for line, our in zip(lines, found):
            their = theirs.encode(line, add_special_tokens=False)
            self.assertEqual(our["tokens"], their.ids, line)
            self.assertEqual(our["decoded"], theirs.decode(their.ids, skip_special_tokens=False), line)
            if "byte_fallback" in options:
                continue  # a byte of a run of unknown characters has, there, the place of the run
            places, their_places = in_characters(line, our["places"]), their.offsets
            if places[:1] == [(0, 0)]:  # a space that was put in front has, there, the place of what follows
                places, their_places = places[1:], their_places[1:]
            self.assertEqual(places, their_places, line)

    def test_it_finds_the_same_tokens_in_every_line(self):
        for training, text in texts():
            for kind, size, options in KINDS:
                if training == SAMPLE:
                    size = {"bpe": 480, "unigram": 700}.get(kind, size)
                    if kind == "unigram":
                        options = options + ["markers"]  # it finds <s> in a text even when told not to
                with self.subTest(kind=kind, options=options, text=text):
                    self.compare(kind, size, training, text, options)

    def test_it_finds_the_same_special_tokens(self):
        for kind, size in [("bpe", 480), ("words", 100), ("characters", 0), ("bytes", 0)]:
            with self.subTest(kind=kind):
                self.compare(kind, size, SAMPLE, SAMPLE, ["markers"])

    def test_its_trainers_learn_the_same(self):
        hf = self.hf
        training = next((t for t, _ in texts() if t.endswith("val.fr")), SAMPLE)
        bpe = hf.Tokenizer(hf.models.BPE())
        bpe.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
        bytes_ = hf.pre_tokenizers.ByteLevel.alphabet()
        words = hf.Tokenizer(hf.models.WordLevel(unk_token="<unk>"))
        words.pre_tokenizer = hf.pre_tokenizers.Whitespace()
        common = dict(min_frequency=2, special_tokens=SPECIAL, show_progress=False)
        for kind, theirs, trainer in [
                ("bpe", bpe, hf.trainers.BpeTrainer(vocab_size=1500, initial_alphabet=bytes_, **common)),
                ("words", words, hf.trainers.WordLevelTrainer(vocab_size=1500, **common))]:
            with self.subTest(kind=kind):
                self.ours(kind, 1500, training, SAMPLE, [])
                theirs.train_from_iterator(lines_of(training), trainer)
                with open(self.file, encoding="utf-8") as file:
                    our = json.load(file)["model"]
                their = json.loads(theirs.to_str())["model"]
                self.assertEqual(our["vocab"], their["vocab"])
                merges = [m if isinstance(m, str) else " ".join(m) for m in their.get("merges", [])]
                self.assertEqual(our.get("merges", []), merges)

    def test_we_read_what_it_writes(self):
        hf = self.hf
        digits = hf.Tokenizer(hf.models.BPE())  # of the form of SmolLM2's
        digits.pre_tokenizer = hf.pre_tokenizers.Sequence([hf.pre_tokenizers.Digits(individual_digits=True),
                                                           hf.pre_tokenizers.ByteLevel(add_prefix_space=False)])
        digits.decoder = hf.decoders.ByteLevel()
        gpt2 = hf.Tokenizer(hf.models.BPE())
        gpt2.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=True)
        gpt2.decoder = hf.decoders.ByteLevel()
        gpt2.post_processor = hf.processors.ByteLevel(trim_offsets=False)
        bytes_ = hf.pre_tokenizers.ByteLevel.alphabet()
        pieces = hf.Tokenizer(hf.models.Unigram())
        pieces.pre_tokenizer = hf.pre_tokenizers.Metaspace(prepend_scheme="first")
        pieces.decoder = hf.decoders.Metaspace(prepend_scheme="first")
        bpe_trainer = hf.trainers.BpeTrainer(vocab_size=450, initial_alphabet=bytes_, special_tokens=["<|end|>"],
                                             show_progress=False)
        unigram_trainer = hf.trainers.UnigramTrainer(vocab_size=450, special_tokens=SPECIAL, unk_token="<unk>",
                                                     show_progress=False)
        for name, theirs, trainer in [("digits", digits, bpe_trainer), ("gpt2", gpt2, bpe_trainer),
                                      ("pieces", pieces, unigram_trainer)]:
            with self.subTest(name):
                theirs.train_from_iterator(lines_of(SAMPLE), trainer)
                theirs.save(self.file)
                for line, our in zip(lines_of(SAMPLE), self.ours("file", 0, SAMPLE, SAMPLE, ["markers"])):
                    their = theirs.encode(line, add_special_tokens=False)
                    self.assertEqual(our["tokens"], their.ids, line)
                    self.assertEqual(our["decoded"], theirs.decode(their.ids, skip_special_tokens=False), line)


if __name__ == "__main__":
    house.run()
