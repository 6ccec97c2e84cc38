// The drawing code by itself: statistics, labels, heat maps, escapes.
#include <gmock/gmock.h>

#include <cmath>

#include "apps/cli/attention_map.h"
#include "apps/cli/attention_page.h"
#include "apps/cli/bitmap_font.h"
#include "apps/cli/canvas.h"
#include "apps/cli/heat_map.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/svg_canvas.h"
#include "apps/cli/terminal.h"
#include "apps/cli/terminal_picture.h"
#include "qkv/base/memory.h"

namespace qkv::cli {
namespace {

using testing::HasSubstr;

// One head of three tokens: weights row by row.
attention_map three_tokens(std::vector<float> weights) {
  return {{"he", "likes", "school"}, {"he", "likes", "school"}, tensor({1, 1, 3, 3}, std::move(weights))};
}

TEST(HeadStatistics, AreExactForAnEvenHead) {
  const auto s = statistics_of(three_tokens(std::vector<float>(9, 1.0f / 3)), 0, 0);
  EXPECT_NEAR(s.entropy, std::log(3), 1e-6);
  EXPECT_NEAR(s.spread, 3, 1e-5);
  EXPECT_NEAR(s.evenness, 1, 1e-6);
  EXPECT_NEAR(s.itself, 1.0 / 3, 1e-6);
  EXPECT_NEAR(s.distance, (1 + 2 + 1 + 1 + 2 + 1) / 9.0, 1e-6);
  EXPECT_EQ(kind_of(s), "spreads evenly");
}

TEST(HeadStatistics, CountOnlyTokensThatHaveAChoice) {
  // The first token sees itself alone and is left out.
  const auto s = statistics_of(three_tokens({1, 0, 0, 0.9f, 0.1f, 0, 0, 0.8f, 0.2f}), 0, 0);
  EXPECT_NEAR(s.previous, 0.85, 1e-6);
  EXPECT_NEAR(s.itself, 0.15, 1e-6);
  EXPECT_NEAR(s.first, 0.45, 1e-6);
  EXPECT_EQ(kind_of(s), "previous token");
  EXPECT_THAT(in_words(s), HasSubstr("85% on the previous one"));
}

// Every token looks at token `target` of the text, or where it can at none before it, at itself.
attention_map looking(const std::string& text, auto target) {
  attention_map map;
  for (const char c : text) map.keys.emplace_back(1, c);
  map.queries = map.keys;
  const auto T = long(text.size());
  map.weights = tensor({1, 1, T, T});
  for (long t = 0; t < T; ++t) {
    for (long s = 0; s <= t; ++s) map.weights.at<float>(0, 0, t, s) = 0.1f / float(t + 1);
    map.weights.at<float>(0, 0, t, target(t)) += 0.9f;
  }
  return map;
}

TEST(HeadStatistics, NameTheTokenThatAHeadLooksFor) {
  const std::string text = "to be or not to be";
  const auto latest_space = [&](long t) {
    while (t > 0 && text[std::size_t(t)] != ' ') --t;
    return t;
  };
  const auto s = statistics_of(looking(text, latest_space), 0, 0);
  EXPECT_EQ(kind_of(s), "looks at ␣");
  EXPECT_EQ(kind_of(s, look::ascii), "looks at _");
}

TEST(HeadStatistics, SeeThatAHeadFindsTheSameTokenAgain) {
  const std::string text = "abcdabcdabcdabcd";
  const auto s = statistics_of(looking(text, [](long t) { return t >= 4 ? t - 4 : t; }), 0, 0);
  EXPECT_EQ(kind_of(s), "same token before");
}

TEST(HeadStatistics, TellNearFromFar) {
  std::string text;
  for (char c = 'a'; c <= 'z'; ++c) text += c;
  EXPECT_EQ(kind_of(statistics_of(looking(text, [](long t) { return std::max(t - 2, 0L); }), 0, 0)), "near tokens");
  EXPECT_EQ(kind_of(statistics_of(looking(text, [](long t) { return std::min(t, t % 4); }), 0, 0)), "far tokens");
}

TEST(HeadStatistics, TakeASingleToken) {
  const attention_map one{{"he"}, {"he"}, tensor({1, 1, 1, 1}, {1})};
  EXPECT_EQ(kind_of(statistics_of(one, 0, 0)), "itself");
}

TEST(HeadStatistics, KnowWhereQueriesStandAmongMoreKeys) {
  const attention_map last{{"school"}, {"he", "likes", "school"}, tensor({1, 1, 1, 3}, {0.2, 0.7, 0.1})};
  const auto s = statistics_of(last, 0, 0);
  EXPECT_NEAR(s.previous, 0.7, 1e-6);
  EXPECT_NEAR(s.itself, 0.1, 1e-6);
}

TEST(AttentionMap, SaysWhenLabelsDoNotFit) { EXPECT_THROW(check({{"he"}, {"he"}, tensor({1, 1, 2, 2})}), shape_error); }

TEST(Terminal, ShowsWhatCannotBeSeen) {
  EXPECT_EQ(visible(" ", look::ascii), "_");
  EXPECT_EQ(visible("\n", look::ascii), "\\n");
  EXPECT_EQ(visible("\x1b[31m", look::unicode), "\\x1b[31m");
  EXPECT_EQ(visible("\u202e", look::unicode), "\\x202e");
  EXPECT_EQ(visible("é", look::ascii), "é");
}

TEST(Terminal, KnowsHowWideTextsAre) {
  EXPECT_EQ(columns_of("school"), 6);
  EXPECT_EQ(columns_of("日本"), 4);
  EXPECT_EQ(columns_of("e\u0301"), 1);
  EXPECT_EQ(right_aligned("日", 4), "  日");
  EXPECT_EQ(short_label("abcdefgh", 5, look::ascii), "abcd~");
  EXPECT_EQ(short_label("abcde", 5, look::ascii), "abcde");
}

TEST(Terminal, ShadesMoreForMoreWeight) {
  const std::string steps = " .:*#@";
  std::size_t before = 0;
  for (double w = 0; w <= 1; w += 0.01) {
    const std::size_t step = steps.find(shade(w, 1, look::ascii));
    EXPECT_GE(step, before);
    before = step;
  }
  EXPECT_EQ(shade(1, 2, look::ascii), "@@");
  EXPECT_EQ(shade(0, 2, look::unicode), "  ");
}

TEST(Bars, AreAsLongAsTheyShould) {
  EXPECT_EQ(bar(0.5, 10, look::ascii), "#####");
  EXPECT_EQ(bar(0.55, 10, look::unicode), "█████▌");
  EXPECT_EQ(bar(2, 3, look::ascii), "###");
}

TEST(TerminalPicture, CutsWhatIsTooWide) {
  attention_map map{std::vector<std::string>(200, "x"), std::vector<std::string>(200, "x"), tensor({1, 1, 200, 200})};
  EXPECT_THAT(picture_of_heads(map, {}, 199, look::ascii, 80), HasSubstr("tokens 161 to 200 of 200"));
  EXPECT_THAT(picture_of_matrix(map, 0, 0, look::ascii, 80), HasSubstr("of 200 tokens"));
}

TEST(TerminalPicture, ShowsTheTokenThatLooksWhereverItStands) {
  attention_map map{std::vector<std::string>(200, "x"), std::vector<std::string>(200, "x"), tensor({1, 1, 200, 200})};
  for (const long query : {0L, 4L, 100L, 199L}) {
    map.weights.at<float>(0, 0, query, query) = 1;
    const std::string picture = picture_of_heads(map, {}, query, look::ascii, 80);
    EXPECT_THAT(picture, HasSubstr("@")) << "the weight of token " << query;
    EXPECT_THAT(picture, HasSubstr("^")) << "the place of token " << query;
  }
  EXPECT_THAT(picture_of_heads(map, {}, 4, look::ascii, 80), HasSubstr("tokens 1 to 40 of 200"));
}

// Counts what is drawn, and where.
struct counting_canvas : canvas {
  long rectangles = 0, texts = 0;
  double right = 0, below = 0;
  void rectangle(double x, double y, double w, double h, colour) override {
    ++rectangles;
    EXPECT_GE(x, 0);
    EXPECT_GE(y, 0);
    right = std::max(right, x + w), below = std::max(below, y + h);
  }
  void text(double, double, std::string_view, double, colour, anchor, bool) override { ++texts; }
  void text_upwards(double, double, std::string_view, double, colour) override { ++texts; }
  void begin_group(std::string_view) override {}
  void end_group() override {}
};

TEST(HeatMap, StaysWithinItsPicture) {
  for (const long tokens : {1L, 3L, 40L, 300L}) {
    const std::vector<std::string> labels(std::size_t(tokens), tokens == 3 ? "school" : "x");
    const attention_map map{labels, labels, tensor::full({2, 3, tokens, tokens}, 1.0 / double(tokens))};
    for (const head_choice choice : {head_choice{}, head_choice{0, {}}, head_choice{1, 2}}) {
      counting_canvas on;
      draw_heat_maps(on, map, choice);
      const heat_map_layout place = layout_of(map, choice);
      EXPECT_LE(on.right, place.width);
      EXPECT_LE(on.below, place.height);
      const auto panels = long(choice.layers(map).size() * choice.heads(map).size());
      EXPECT_GE(on.texts, panels * 2 * tokens);
    }
  }
}

TEST(HeatMap, NamesAColourOnceAHeadInItsSvg) {
  const attention_map map{std::vector<std::string>(40, "x"), std::vector<std::string>(40, "x"),
                          tensor::full({1, 1, 40, 40}, 1.0 / 40)};
  svg_canvas on(1000, 1000, "");
  draw_heat_maps(on, map, {});
  const std::string text = on.document(), stroke = "<path stroke=";
  EXPECT_NE(text.find(stroke), std::string::npos);
  EXPECT_EQ(text.find(stroke), text.rfind(stroke));
  EXPECT_THAT(text, HasSubstr("M0 0h0.95M1 0h0.95"));
  EXPECT_THAT(text, HasSubstr("M39 39h0.95\"/>"));
  EXPECT_LT(text.size(), 40000u) << "1600 weights, 80 labels and 40 tips";
}

TEST(Heat, IsDarkerForMoreWeight) {
  const auto light = [](colour c) { return c.red + c.green + c.blue; };
  for (double w = 0; w < 0.95; w += 0.05) EXPECT_GT(light(heat(w)), light(heat(w + 0.05)));
}

TEST(BitmapFont, HasInkForEveryVisibleCharacter) {
  for (char32_t c = 0x21; c < 0x7F; ++c) {
    int ink = 0;
    for (int y = 0; y < glyph_height; ++y)
      for (int x = 0; x < glyph_width; ++x) ink += glyph_pixel(c, x, y);
    EXPECT_GE(ink, 3) << char(c);
  }
  for (int y = 0; y < glyph_height; ++y) EXPECT_FALSE(glyph_pixel(' ', 2, y));
  EXPECT_TRUE(glyph_pixel(U'é', 0, 0)) << "a box";
}

TEST(Escapes, LeaveNothingForMarkup) {
  EXPECT_EQ(escaped("<a href=\"x\">&'</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(escaped("\x1b"), "\uFFFD");
  EXPECT_EQ(safe_in_script("\"</script><!--&\""), "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
}

TEST(MemoryMeter, SeesWhatIsTaken) {
  const memory_meter meter;
  const tensor large = tensor::full({64, 1024, 256}, 1);  // 64 MiB
  EXPECT_GE(meter.peak(), 60.0 * 1024 * 1024);
  EXPECT_EQ(in_bytes(1.5 * 1024 * 1024), "1.5 MiB");
  EXPECT_EQ(in_bytes(12), "12 bytes");
}

}  // namespace
}  // namespace qkv::cli
