"""Weights as a picture, and what they are like where no picture is large enough."""

import os
import tempfile

import numpy

import qkv

words = "he likes the school that she likes".split()
rng = numpy.random.default_rng(1)
embedding = {word: rng.standard_normal(16) for word in sorted(set(words))}
x = numpy.array([embedding[word] for word in words], dtype=numpy.float32).reshape(1, len(words), 1, 16)

picture = qkv.show(x, x, x, qkv.causal, queries=words)
print(picture)
picture.save(os.path.join(tempfile.mkdtemp(), "weights.svg"))

# The same word has the same vector: its later place finds the earlier one.
found = qkv.attention_statistics(x, x, qkv.mask(lambda at: at.query > at.key), top=1)
for word, place in zip(words, found.top_keys[0, :, 0, 0]):
    print(
        f"{word:8s}",
        "sees nothing" if place < 0 else f"looks most at {words[place]}" if words[place] == word else "has no twin",
    )

# A long text: entropy of every row without a matrix of all tokens by all tokens.
q, k = (rng.standard_normal((1, 8192, 1, 32), dtype=numpy.float32) for _ in range(2))
entropy = qkv.attention_statistics(q, k, qkv.causal, top=0).entropy
print(f"entropy grows with the keys: {entropy[0, 10, 0]:.1f} at the tenth token, {entropy[0, -1, 0]:.1f} at the last")

# prints
# Picture(1 of 7 x 7 cells; .save('name.svg') or .save('name.png') writes it)
# he       sees nothing
# likes    has no twin
# the      has no twin
# school   has no twin
# that     has no twin
# she      has no twin
# likes    looks most at likes
# entropy grows with the keys: 1.9 at the tenth token, 8.6 at the last
