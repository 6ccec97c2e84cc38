#include "qkv/generate/bleu.h"

#include <gtest/gtest.h>

#include "qkv/base/error.h"

namespace qkv {
namespace {

using sentences = std::vector<std::string>;

const sentences said{"A man, in a red-white shirt, rides a bike.", "Two dogs play in the snow!",
                     "The price was $3.50, i.e. \"cheap\" -- really (1,000 times).", "Ein Café ... über 5-mal.", "a"};
const sentences meant{"A man in a red and white shirt is riding a bicycle.", "Two dogs are playing in the snow.",
                      "The price was $3.50, that is \"cheap\" - really (1,000 times)!", "Ein Café – über 5-mal ...",
                      "b c d"};

sentences tokenised(const sentences& all) {
  sentences out;
  for (const auto& s : all) out.push_back(tokenised_13a(s));
  return out;
}

TEST(Tokenised13a, DividesAsTheStandardScorerDoes) {
  EXPECT_EQ(tokenised_13a(said[0]), "A man , in a red-white shirt , rides a bike .");
  EXPECT_EQ(tokenised_13a(said[2]), "The price was $ 3.50 , i . e . \" cheap \" -- really ( 1,000 times ) .");
  EXPECT_EQ(tokenised_13a(said[3]), "Ein Café . . . über 5 - mal .");
  EXPECT_EQ(tokenised_13a("&quot;x&amp;y&lt;z&gt; it's 3,5.7 a.b,c 9-5 x-y .5 5. [a]{b}~`^_@ ;:?"),
            "\" x & y < z > it's 3,5.7 a . b , c 9 - 5 x-y . 5 5 . [ a ] { b } ~ ` ^ _ @ ; : ?");
  EXPECT_EQ(tokenised_13a(""), "");
}

// The figures are those of sacreBLEU 2.6.0 for the same sentences.
TEST(Bleu, IsThatOfSacrebleu) {
  const bleu_score score = bleu(tokenised(said), tokenised(meant));
  EXPECT_NEAR(score.bleu, 36.77439310158183, 1e-9);
  EXPECT_NEAR(score.precisions[3], 18.91891891891892, 1e-9);
  EXPECT_NEAR(score.brevity_penalty, 0.9607894391523232, 1e-12);
  EXPECT_EQ(score.translated_tokens, 50);
  EXPECT_EQ(score.reference_tokens, 52);
}

TEST(Bleu, SmoothsAnOrderWithoutMatches) {
  const auto score = bleu(tokenised({said[0]}), tokenised({meant[0]}));
  EXPECT_NEAR(score.bleu, 10.135943830402923, 1e-9);
  EXPECT_NEAR(score.precisions[3], 2.7777777777777777, 1e-9);
}

TEST(Bleu, IsZeroWithoutAnythingInCommonAndForSentencesShorterThanFourTokens) {
  EXPECT_EQ(bleu(sentences{"x y z w v"}, sentences{"a b c d e"}).bleu, 0);
  EXPECT_EQ(bleu(sentences{"a b"}, sentences{"a b"}).bleu, 0);
}

TEST(Chrf, IsThatOfSacrebleu) {
  EXPECT_NEAR(chrf(said, meant), 61.98086254229192, 1e-9);
  EXPECT_NEAR(chrf(sentences{said[0]}, sentences{meant[0]}), 41.31500904481143, 1e-9);
  EXPECT_EQ(chrf(sentences{"abc"}, sentences{"xyz"}), 0);
  EXPECT_NEAR(chrf(sentences{"ab"}, sentences{"ab"}), 100, 1e-9);
}

TEST(Bleu, RefusesTranslationsWithoutReferences) {
  EXPECT_THROW(bleu(said, sentences{"a"}), shape_error);
  EXPECT_THROW(chrf(sentences{}, sentences{}), shape_error);
}

}  // namespace
}  // namespace qkv
