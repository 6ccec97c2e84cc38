#include "qkv/ops/embedding.h"

#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

TEST(Embedding, TakesRowsByNumber) {
  for (const long width : {0l, 1l, 5l, 128l}) {
    const tensor w = random_tensor({9, width}, 1), ids = random_ids({3, 4}, 2, 9), y = embedding(w, ids);
    ASSERT_EQ(y.shape(), (shape{3, 4, width}));
    for (long i = 0; i < 3; ++i)
      for (long j = 0; j < 4; ++j)
        for (long d = 0; d < width; ++d) EXPECT_EQ(y.at<float>(i, j, d), w.at<float>(ids.at<std::int32_t>(i, j), d));
  }
  EXPECT_EQ(embedding(tensor({9, 4}), tensor(shape{0}, dtype::int32)).shape(), (shape{0, 4}));
}

TEST(EmbeddingBackward, AddsEveryRowToItsPlace) {
  on_every_instruction_set([] {
    for (const long width : {1l, 7l, 200l}) {
      const tensor ids = random_ids({50}, 2, 9), dy = random_tensor({50, width}, 3), dw = tensor::full({9, width}, 1);
      numbers expected(std::size_t(9 * width), 1.0);
      for (long i = 0; i < 50; ++i)
        for (long d = 0; d < width; ++d)
          expected[std::size_t(ids.at<std::int32_t>(i) * width + d)] += dy.at<float>(i, d);
      embedding_backward_into(dw, with_gaps(dy), ids);
      expect_close(dw, expected, 1e-6);
    }
  });
}

TEST(EmbeddingBackward, HasTheSameBitsForAnyNumberOfThreads) {
  const tensor ids = random_ids({2000}, 2, 20), dy = random_tensor({2000, 300}, 3);
  expect_same_bits_for_any_threads([&] {
    const tensor dw({20, 300});
    embedding_backward_into(dw, dy, ids);
    return std::vector{dw};
  });
}

TEST(Embedding, RefusesWhatDoesNotFit) {
  const tensor w({65, 8}), ids(shape{2}, std::vector<std::int32_t>{3, 65});
  EXPECT_EQ(refusal([&] { embedding(w, ids); }), "embedding: expected ids in 0 .. 64; found 65");
  EXPECT_EQ(refusal([&] { embedding(tensor(shape{65}), ids); }), "embedding: expected weight [V, D]; found [65]");
  EXPECT_EQ(refusal([&] {
              embedding_backward_into(w, tensor({3, 8}), ids);
            }),
            "embedding: expected dy [2, 8]; found [3, 8]");
}

}  // namespace
}  // namespace qkv
