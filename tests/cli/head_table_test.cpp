// Heads in numbers without a T x T matrix, against the statistics of every weight.
#include "apps/cli/head_table.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/base/memory.h"
#include "qkv/base/random.h"
#include "qkv/models/decoder.h"
#include "qkv/models/encoder.h"

namespace qkv::cli {
namespace {

using testing::HasSubstr;

template <class Model>
attention_map map_of(const Model& model, const text_links& links, const std::vector<std::string>& labels) {
  const auto T = long(labels.size());
  attention_map all{labels, labels, tensor({long(links.layers.size()), model.config().heads, T, T})};
  for (std::size_t layer = 0; layer < links.layers.size(); ++layer)
    all.weights.select(0, long(layer)).copy_from(model.attention_weights(links.layers[layer]).select(0, 0));
  return all;
}

struct read_text_of_a_model {
  decoder model;
  std::vector<std::int32_t> tokens;
  std::vector<std::string> labels;
  text_links links;

  read_text_of_a_model(decoder_config config, long length) : model(config, 3) {
    // Weights large enough that heads look at something, and small enough that no weight underflows.
    model.visit("", [](const std::string&, const variable& v) {
      for (float& x : v.value().values<float>()) x *= 5;
    });
    const random_stream stream{1, 2};
    for (long n = 0; n < length; ++n) {
      tokens.push_back(std::int32_t(stream.below(std::uint64_t(n), std::uint64_t(config.vocabulary))));
      labels.emplace_back(1, char('a' + tokens.back()));
    }
    links = {model.links(tensor({1, length}, tokens)), model.even_rule(), sight::backwards};
  }
  head_table table() const { return head_table_of(links, tokens, labels); }
  attention_map map() const { return map_of(model, links, labels); }
};

decoder_config small() {
  return {.vocabulary = 5, .context = 60, .layers = 2, .heads = 4, .key_heads = 2, .width = 32};
}

void expect_same(const head_statistics& found, const head_statistics& expected) {
  for (const auto& [name, part] : {std::pair{"entropy", &head_statistics::entropy},
                                   {"spread", &head_statistics::spread},
                                   {"evenness", &head_statistics::evenness},
                                   {"itself", &head_statistics::itself},
                                   {"previous", &head_statistics::previous},
                            {"next", &head_statistics::next},
                                   {"first", &head_statistics::first},
                                   {"distance", &head_statistics::distance},
                                   {"nearness", &head_statistics::nearness},
                                   {"alike", &head_statistics::alike},
                                   {"induction", &head_statistics::induction},
                                   {"strongest", &head_statistics::strongest},
                                   {"favourite_share", &head_statistics::favourite_share}})
    EXPECT_NEAR(found.*part, expected.*part, 1e-4 * std::max(1.0, expected.*part)) << name;
  EXPECT_EQ(found.favourite, expected.favourite);
}

TEST(HeadTable, AgreesWithTheStatisticsOfEveryWeight) {
  for (const long window : {0L, 7L, 1L}) {
    SCOPED_TRACE("window " + std::to_string(window));
    auto config = small();
    config.window = window;
    const read_text_of_a_model text(config, 55);
    const head_table table = text.table();
    const attention_map map = text.map();
    for (long layer = 0; layer < 2; ++layer)
      for (long head = 0; head < 4; ++head) {
        SCOPED_TRACE("layer " + std::to_string(layer) + " head " + std::to_string(head));
        expect_same(table.row(layer, head), statistics_of(map, layer, head));
        EXPECT_EQ(kind_of(table.row(layer, head)), kind_of(statistics_of(map, layer, head)));
      }
  }
}

TEST(HeadTable, AgreesWithEveryWeightOfAModelThatSeesBothSides) {
  for (const long length : {1L, 2L, 3L, 40L}) {
    SCOPED_TRACE(std::to_string(length) + " tokens");
    nn::initialisation init(3);
    const encoder_config config{
        .vocabulary = 5, .context = 60, .layers = 2, .heads = 4, .width = 32, .pooling = pooling::mean};
    const encoder model(config, init);
    model.visit("", [](const std::string&, const variable& v) {
      for (float& x : v.value().values<float>()) x *= 1.5f;
    });
    encoder_example example;
    std::vector<std::string> labels;
    for (long n = 0; n < length; ++n) {
      example.text.push_back(std::int32_t(random_stream{1, 2}.below(std::uint64_t(n), 5)));
      labels.emplace_back(1, char('a' + example.text.back()));
    }
    const text_links links{model.links(model.join({&example, 1})), model.even_rule(), sight::both_sides};
    const head_table table = head_table_of(links, example.text, labels);
    const attention_map map = map_of(model, links, labels);
    for (long layer = 0; layer < 2; ++layer)
      for (long head = 0; head < 4; ++head) {
        SCOPED_TRACE("layer " + std::to_string(layer) + " head " + std::to_string(head));
        expect_same(table.row(layer, head), statistics_of(map, layer, head));
        EXPECT_EQ(kind_of(table.row(layer, head)), kind_of(statistics_of(map, layer, head)));
      }
    EXPECT_NEAR(table.even.entropy, std::log(double(length)), 1e-5);
  }
}

TEST(HeadTable, EvenSpreadIsThatOfEqualWeights) {
  auto config = small();
  config.window = 20;
  const read_text_of_a_model text(config, 50);
  attention_map map{text.labels, text.labels, tensor({1, 1, 50, 50})};
  for (long t = 0; t < 50; ++t)
    for (long s = std::max(0L, t - 19); s <= t; ++s)
      map.weights.at<float>(0, 0, t, s) = 1 / float(std::min(t + 1, 20L));
  const head_statistics even = statistics_of(map, 0, 0);
  const head_statistics found = text.table().even;
  EXPECT_NEAR(found.entropy, even.entropy, 1e-4);
  EXPECT_NEAR(found.distance, even.distance, 1e-3);
  EXPECT_NEAR(found.alike, even.alike, 1e-5);
  EXPECT_NEAR(found.induction, even.induction, 1e-5);
  EXPECT_NEAR(found.evenness, 1, 1e-6);
}

TEST(HeadTable, NamesTheLikestHeadOfTheLayer) {
  const read_text_of_a_model text(small(), 40);
  const head_table table = text.table();
  const attention_map map = text.map();
  const auto cosine = [&](long layer, long a, long b) {
    double product = 0, aa = 0, bb = 0;
    for (long t = 0; t < 40; ++t)
      for (long s = 0; s <= t; ++s) {
        const double x = map.weight(layer, a, t, s), y = map.weight(layer, b, t, s);
        product += x * y, aa += x * x, bb += y * y;
      }
    return product / std::sqrt(aa * bb);
  };
  for (long layer = 0; layer < 2; ++layer)
    for (long head = 0; head < 4; ++head) {
      const long other = table.likest(layer, head);
      ASSERT_NE(other, head);
      for (long h = 0; h < 4; ++h) {
        EXPECT_NEAR(table.likeness.at<float>(layer, head, h), cosine(layer, head, h), 1e-5);
        if (h == head) continue;
        EXPECT_LE(cosine(layer, head, h), cosine(layer, head, other) + 1e-5);
      }
    }
}

TEST(HeadTable, RolloutIsTheProductOfTheLayersMeanWeights) {
  const read_text_of_a_model text(small(), 30);
  const attention_map map = text.map();
  std::vector<double> flow(30);
  flow[20] = 1;
  for (const long layer : {1L, 0L}) {
    std::vector<double> next(30);
    for (long t = 0; t < 30; ++t)
      for (long s = 0; s < 30; ++s) {
        double mean = 0;
        for (long h = 0; h < 4; ++h) mean += map.weight(layer, h, t, s) / 4;
        next[std::size_t(s)] += flow[std::size_t(t)] * (mean + (s == t)) / 2;
      }
    flow = next;
  }
  const auto found = rollout_of(text.links, 20);
  for (std::size_t s = 0; s < 30; ++s) EXPECT_NEAR(found[s], flow[s], 1e-5);
}

TEST(HeadTable, OfASingleTokenSaysThatItSeesItself) {
  const head_table table = read_text_of_a_model(small(), 1).table();
  EXPECT_EQ(kind_of(table.row(1, 3)), "itself");
  EXPECT_EQ(table.row(1, 3).strongest, 1);
  EXPECT_NEAR(table.likeness.at<float>(0, 0, 1), 1, 1e-6);
}

TEST(HeadTable, FitsIntoAHundredColumns) {
  const head_table table = read_text_of_a_model(small(), 40).table();
  const std::string text = table_of_heads(table, {0, 1}, {0, 1, 2, 3}, look::ascii) +
                           columns_in_words(sight::backwards) + columns_in_words(sight::both_sides);
  EXPECT_THAT(text, HasSubstr("\n2.4 "));
  EXPECT_THAT(text, HasSubstr("an even spread"));
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    EXPECT_LE(text.find('\n', at) - at, 100u) << text.substr(at, text.find('\n', at) - at);
}

TEST(HeadTable, TakesNoMatrixOfTokensByTokens) {
  constexpr long T = 8192;
  const read_text_of_a_model text({.vocabulary = 5, .context = T, .layers = 1, .heads = 2, .width = 16}, T);
  release_kept_memory();
  reset_memory_peak();
  const std::size_t held = memory_in_use().in_use;
  text.table();
  rollout_of(text.links, T - 1);
  EXPECT_LT(double(memory_in_use().peak - held), double(T) * T * 4 / 8);
}

TEST(HeadStatistics, SeeAHeadThatLooksAhead) {
  attention_map map{{"a", "b", "c", "d"}, {"a", "b", "c", "d"}, tensor({1, 1, 4, 4})};
  for (long t = 0; t < 4; ++t)
    for (long s = 0; s < 4; ++s) map.weights.at<float>(0, 0, t, s) = s == t + 1 ? 0.7f : t == 3 ? 0.25f : 0.1f;
  const head_statistics statistics = statistics_of(map, 0, 0);
  EXPECT_NEAR(statistics.next, 3 * 0.7 / 4, 1e-6);
  EXPECT_EQ(kind_of(statistics), "next token");
  EXPECT_THAT(in_words(statistics), HasSubstr("Looks mostly at the next token"));
}

TEST(HeadStatistics, SeeAnInductionHead) {
  // Every token looks at what followed the one like it, six places back.
  attention_map map;
  for (const char c : std::string("abcdefabcdefabcdef")) map.keys.emplace_back(1, c);
  map.queries = map.keys;
  map.weights = tensor({1, 1, 18, 18});
  for (long t = 0; t < 18; ++t) {
    for (long s = 0; s <= t; ++s) map.weights.at<float>(0, 0, t, s) = 0.1f / float(t + 1);
    map.weights.at<float>(0, 0, t, t >= 6 ? t - 5 : t) += 0.9f;
  }
  const head_statistics s = statistics_of(map, 0, 0);
  EXPECT_EQ(kind_of(s), "induction");
  EXPECT_GT(s.induction, 0.6);
  EXPECT_THAT(in_words(s), HasSubstr("followed the same token"));
}

}  // namespace
}  // namespace qkv::cli
