// qkv train: pairs of texts in one file, texts from JSON, and the lines of them that are damaged.
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

class TrainData : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    put_bytes(folder_ / name, text);
    return folder_ / name;
  }
  std::string out() { return folder_ / ("out" + std::to_string(++runs_)); }
  std::vector<std::string> small(std::vector<std::string> data) {
    for (const char* word : {"--layers", "1", "--heads", "2", "--width", "16", "--batch", "4", "--steps", "2"})
      data.push_back(word);
    data.insert(data.begin(), {"train", "--out", out()});
    return data;
  }
  static std::string pairs(const std::string& before, const std::string& between, const std::string& behind) {
    std::string all;
    for (const char* word : {"ein", "zwei", "drei", "vier", "acht", "neun"})
      all += before + word + between + "number " + word + behind + "\n";
    return all;
  }

 private:
  temporary_folder folder_;
  int runs_ = 0;
};

TEST_F(TrainData, LearnsPairsFromOneFile) {
  const std::string columns = write("pairs.tsv", pairs("", "\t", ""));
  EXPECT_EQ(json_of(small({"--pairs", columns, "--batch-tokens", "0"}))["step"], 2);
  const std::string objects = write("pairs.jsonl", pairs(R"({"source": ")", R"(", "target": ")", "\"}"));
  EXPECT_EQ(json_of(small({"--pairs", objects, "--validation-pairs", columns}))["step"], 2);
  const std::string named = write("named.jsonl", pairs(R"({"de": ")", R"(", "en": ")", "\"}"));
  EXPECT_EQ(json_of(small({"--pairs", named, "--source-field", "de", "--target-field", "en"}))["step"], 2);
}

TEST_F(TrainData, BatchesAreOfSoManyPairsWhereThatIsSaid) {
  const std::string file = write("pairs.tsv", pairs("", "\t", ""));
  const auto batches = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"train", "--pairs", file, "--dry-run", "--layers", "1", "--width", "16"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return qkv_program(arguments).out;
  };
  EXPECT_THAT(batches({}), HasSubstr(" 1 batches an epoch")) << "of 3,000 tokens";
  EXPECT_THAT(batches({"--batch", "2"}), HasSubstr(" 3 batches an epoch"));
  EXPECT_THAT(batches({"--batch", "2", "--preset", "multi30k-de-en"}), HasSubstr(" 3 batches an epoch"));
}

TEST_F(TrainData, NamesADamagedLineOrLeavesItOut) {
  const std::string good = pairs("", "\t", "");
  const auto refused = [&](const std::string& line, const std::string& fault) {
    const std::string file = write("damaged.tsv", good + line + "\n");
    expect_refusal(small({"--pairs", file}),
                   "damaged.tsv, line 7: expected two texts with a tab between them; found " + fault);
    const finished done = qkv_program(small({"--pairs", file, "--skip-bad-lines", "-q"}));
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.err, HasSubstr("1 of 7 pairs"));
  };
  refused("no tab", "no tab");
  refused("one\ttwo\tthree", "more than one tab");
  refused("\tonly the second", "an empty line before the tab");
  refused("only the first\t", "an empty line behind the tab");
  refused("not\t\xff utf-8", "a byte that is not UTF-8 at column 1 behind the tab");
  refused("", "no tab");
  expect_refusal(small({"--pairs", write("empty.tsv", "")}), "expected at least one pair of texts; found none");
}

TEST_F(TrainData, NamesADamagedLineOfJson) {
  const std::string good = pairs(R"({"source": ")", R"(", "target": ")", "\"}");
  const auto refused = [&](const std::string& line, const std::string& fault) {
    const std::string file = write("damaged.jsonl", good + line + "\n");
    expect_refusal(small({"--pairs", file}),
                   "damaged.jsonl, line 7: expected a JSON object with both texts; found " + fault);
  };
  refused(R"({"source": "a", "target": )", "something else than a JSON object");
  refused(R"(["a", "b"])", "something else than a JSON object");
  refused(R"({"source": "a"})", "no field \"target\"");
  refused(R"({"source": 3, "target": "b"})", "a field \"source\" that is no text");
  refused(R"({"source": "", "target": "b"})", "an empty field \"source\"");
}

TEST_F(TrainData, LearnsATextFromAFieldOfJson) {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "{\"text\": \"This is a line to learn from.\\nAnd one more.\", \"id\": 3}\n";
  const std::string file = write("texts.jsonl", lines);
  EXPECT_EQ(json_of(small({"--text", file, "--field", "text", "--context", "8"}))["step"], 2);
  expect_refusal(small({"--text", file, "--field", "body"}),
                 "texts.jsonl, line 1: expected a JSON object with a text \"body\"; found no field \"body\"");
  const std::string damaged = write("broken.jsonl", lines + "{\"text\"\n");
  expect_refusal(small({"--text", damaged, "--field", "text"}), "broken.jsonl, line 61: expected a JSON object");
  const finished done = qkv_program(
      small({"--text", damaged, "--field", "text", "--skip-bad-lines", "--context", "8", "-q"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("1 of 61 lines"));
}

}  // namespace
}  // namespace qkv
