#include "qkv/generate/translate.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/base/random.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using texts = std::vector<std::vector<std::int32_t>>;

constexpr long vocabulary = 5;
constexpr std::int32_t end_token = 1;

/// A model whose next token depends on the source's first token and on all that was said: random, but always the same.
class random_model : public sequence_to_sequence {
 public:
  /// Probabilities of what follows `said`, in logarithms.
  static std::vector<double> next(std::int32_t source, const std::vector<std::int32_t>& said) {
    std::uint64_t place = std::uint64_t(source);
    for (const std::int32_t token : said) place = place * 7 + std::uint64_t(token) + 1;
    std::vector<double> logits;
    double sum = 0;
    for (long v = 0; v < vocabulary; ++v) {
      logits.push_back(2 * random_stream{11, place}.normal(std::uint64_t(v)));
      sum += std::exp(logits.back());
    }
    for (double& x : logits) x -= std::log(sum);
    return logits;
  }

  class state : public translation_state {
   public:
    explicit state(const packed_tokens& sources) {
      for (long b = 0; b < sources.sequences(); ++b) {
        first_.push_back(sources.ids.at<std::int32_t>(0, sources.offsets[std::size_t(b)]));
        rows_.push_back({first_.back(), {}});
      }
    }
    tensor next(std::span<const std::int32_t> tokens) override {
      const tensor logits({long(rows_.size()), vocabulary});
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        if (begun_) rows_[r].second.push_back(tokens[r]);
        const auto probabilities = random_model::next(rows_[r].first, rows_[r].second);
        for (long v = 0; v < vocabulary; ++v) logits.at<float>(long(r), v) = float(probabilities[std::size_t(v)]);
      }
      begun_ = true;
      return logits;
    }
    void choose(std::span<const long> rows, std::span<const long> sources) override {
      auto before = rows_;
      rows_.clear();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows_.push_back(before[std::size_t(rows[i])]);
        EXPECT_EQ(rows_.back().first, first_[std::size_t(sources[i])]);
      }
    }

   private:
    bool begun_ = false;
    std::vector<std::int32_t> first_;
    std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>> rows_;
  };

  const char* kind() const override { return "random"; }
  std::string configuration() const override { return ""; }
  std::string in_words() const override { return ""; }
  long source_vocabulary() const override { return vocabulary; }
  long target_vocabulary() const override { return vocabulary; }
  std::vector<nn::named_parameter> parameters() const override { return {}; }
  variable loss(const text_pairs&, double, const nn::forward_mode&) const override { return {}; }
  std::unique_ptr<translation_state> start(const packed_tokens& sources, long) const override {
    return std::make_unique<state>(sources);
  }
  long context() const override { return 40; }
  std::vector<tensor> alignments(const text_pairs&) const override { return {}; }
};

/// The best of all translations of at most `longest` tokens, end included: by trying every one.
struct exhaustive {
  double penalty;
  long longest;
  double best = -INFINITY;
  std::vector<std::int32_t> tokens;

  void search(std::int32_t source, std::vector<std::int32_t> said, double log_probability) {
    const auto next = random_model::next(source, said);
    const long length = long(said.size()) + 1;
    const double ended = (log_probability + next[end_token]) / std::pow(double(length), penalty);
    if (ended > best) best = ended, tokens = said;
    if (length == longest) return;
    for (std::int32_t v = 0; v < vocabulary; ++v) {
      if (v == end_token) continue;
      said.push_back(v);
      search(source, said, log_probability + next[std::size_t(v)]);
      said.pop_back();
    }
  }
};

TEST(Translate, AWideBeamFindsTheBestOfAllTranslations) {
  const random_model model;
  for (const double penalty : {0.0, 0.6, 1.0}) {
    for (std::int32_t source = 2; source < 12; ++source) {
      exhaustive oracle{penalty, 5, -INFINITY, {}};
      oracle.search(source, {}, 0);
      const auto found = translate(model, texts{{source}},
                                   {.beam = 1000, .length_penalty = penalty, .longest = 5, .begin = 0, .end = 1});
      EXPECT_EQ(found[0].tokens, oracle.tokens) << "source " << source << " penalty " << penalty;
      EXPECT_NEAR(found[0].score, oracle.best, 1e-5);
      EXPECT_TRUE(found[0].ended);
    }
  }
}

TEST(Translate, GreedyTakesTheLikeliestEachTime) {
  const random_model model;
  const auto found = translate(model, texts{{3}}, {.longest = 30, .begin = 0, .end = 1});
  std::vector<std::int32_t> said;
  double sum = 0;
  for (;;) {
    const auto next = random_model::next(3, said);
    const auto likeliest = std::int32_t(std::max_element(next.begin(), next.end()) - next.begin());
    sum += next[std::size_t(likeliest)];
    if (likeliest == end_token) break;
    said.push_back(likeliest);
  }
  EXPECT_EQ(found[0].tokens, said);
  EXPECT_NEAR(found[0].log_probability, sum, 1e-5);
}

TEST(Translate, DoesNotDependOnWhatIsTranslatedBesideIt) {
  const random_model model;
  texts sources;
  for (std::int32_t s = 2; s < 40; ++s) sources.push_back(std::vector<std::int32_t>(std::size_t(s % 5 + 1), s));
  const translation_options options{.beam = 3, .longest = 8, .batch = 7, .begin = 0, .end = 1};
  long told = 0;
  const auto together = translate(model, sources, options, [&](long done) { told = done; });
  EXPECT_EQ(told, 38);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto alone = translate(model, texts{sources[i]}, options);
    EXPECT_EQ(together[i].tokens, alone[0].tokens) << i;
  }
}

TEST(Translate, SaysWhenItWasCutOff) {
  const random_model model;
  long cut = 0;
  for (std::int32_t source = 2; source < 20; ++source) {
    const auto found = translate(model, texts{{source}}, {.longest = 1, .begin = 0, .end = 1});
    EXPECT_LE(found[0].tokens.size(), 1u);
    cut += !found[0].ended;
    EXPECT_EQ(found[0].ended, found[0].tokens.empty());
  }
  EXPECT_GT(cut, 0);
}

TEST(Translate, TakesNoTextsAndRefusesAnEmptyBeam) {
  const random_model model;
  EXPECT_TRUE(translate(model, texts{}, {}).empty());
  EXPECT_THAT(message_of<shape_error>([&] { translate(model, texts{}, {.beam = 0}); }), HasSubstr("beam of 1"));
}

}  // namespace
}  // namespace qkv
