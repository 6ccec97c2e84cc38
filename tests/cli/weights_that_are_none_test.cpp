// A model with a weight that is NaN or infinite: every command says which one, and none answers with it.
#include <cmath>

#include "qkv/io/checksum.h"
#include "qkv/io/safetensors.h"
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

class WeightsThatAreNone : public WithModel {
 protected:
  static void SetUpTestSuite() {
    WithModel::SetUpTestSuite();
    std::string labelled, source, target;
    for (int i = 0; i < 20; ++i) {
      labelled += "pets\tthe dog and the cat\ngames\tthe team won\n";
      source += "ein Hund\n", target += "a dog\n";
    }
    put_bytes(in_folder("texts.tsv"), labelled);
    put_bytes(in_folder("source"), source);
    put_bytes(in_folder("target"), target);
    learn("masked", {"--text", text(), "--masked"});
    learn("classifier", {"--labelled", in_folder("texts.tsv")});
    const std::vector<std::string> texts{"--source", in_folder("source"), "--target", in_folder("target")};
    learn("translator", texts);
    learn("recurrent", {texts[0], texts[1], texts[2], texts[3], "--alignment", "additive"});
  }

  /// The model of a run as a file of its own, with one number of one tensor in another's place.
  static std::string spoilt(const std::string& run, const std::string& tensor_name, float number) {
    const auto file = in_folder(run) / "exported.safetensors", out = in_folder(run + "-spoilt.safetensors");
    EXPECT_EQ(qkv_program({"export", "--model", in_folder(run), "--out", file}).code, 0);
    spoil(file, out, tensor_name, number);
    return out;
  }
  static void spoil(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& tensor_name,
                    float number) {
    const tensor_file all = read_safetensors(from);
    all[tensor_name].values<float>()[1] = number;
    write_safetensors(to, all);
  }

 private:
  static void learn(const std::string& out, const std::vector<std::string>& data) {
    std::vector<std::string> all{"train", "--layers", "1",  "--width", "16",
                                 "--steps", "1",      "-q", "--out",   in_folder(out)};
    all.insert(all.end(), data.begin(), data.end());
    const finished done = qkv_program(all);
    ASSERT_EQ(done.code, 0) << done.err;
  }
};

TEST_F(WeightsThatAreNone, OfALanguageModelAreRefusedByEveryCommand) {
  const std::string bad = spoilt("model", "blocks.1.norm2.weight", NAN);
  const std::string says =
      "model-spoilt.safetensors: expected finite numbers as blocks.1.norm2.weight; found 1 of 16 that are NaN or "
      "infinite; take another checkpoint, or train again (qkv inspect --tensors shows where they are)";
  expect_refusal({"generate", "--model", bad}, says);
  expect_refusal({"complete", "--model", bad, "Shall I"}, says);
  expect_refusal({"complete", "--model", bad, "Shall I", "--word"}, says);
  expect_refusal({"evaluate", "--model", bad, "--text", text()}, says);
  expect_refusal({"attend", "--model", bad, "--text", "Shall I"}, says);
  expect_refusal({"export", "--model", bad, "--out", in_folder("out"), "--weights", "int8"}, says);
  EXPECT_FALSE(std::filesystem::exists(in_folder("out")));
  EXPECT_EQ(qkv_program({"inspect", bad, "--tensors"}).code, 0);
}

TEST_F(WeightsThatAreNone, OfAMaskedLanguageModelAreRefusedByEveryCommand) {
  const std::string bad = spoilt("masked", "tokens.weight", -INFINITY);
  const std::string says = "finite numbers as tokens.weight; found 1 of ";
  expect_refusal({"complete", "--model", bad, "Shall [MASK]"}, says);
  expect_refusal({"evaluate", "--model", bad, "--text", text()}, says);
  expect_refusal({"attend", "--model", bad, "--text", "Shall [MASK]"}, says);
  expect_refusal({"export", "--model", bad, "--out", in_folder("out")}, says);
}

TEST_F(WeightsThatAreNone, OfAClassifierAreRefusedByEveryCommand) {
  const std::string bad = spoilt("classifier", "head.weight", INFINITY);
  const std::string says = "finite numbers as head.weight; found 1 of 32 ";
  expect_refusal({"classify", "--model", bad, "the dog"}, says);
  expect_refusal({"evaluate", "--model", bad, "--labelled", in_folder("texts.tsv")}, says);
  expect_refusal({"attend", "--model", bad, "--text", "the dog"}, says);
  expect_refusal({"export", "--model", bad, "--out", in_folder("out")}, says);
}

TEST_F(WeightsThatAreNone, OfTranslatorsAreRefusedByEveryCommand) {
  for (const std::string kind : {"translator", "recurrent"}) {
    const std::string bad = spoilt(kind, "target_tokens.weight", NAN);
    const std::string says = "finite numbers as target_tokens.weight; found 1 of ";
    expect_refusal({"translate", "--model", bad, "ein Hund"}, says);
    expect_refusal({"translate", "--model", bad, "--align", "ein Hund"}, says);
    expect_refusal({"evaluate", "--model", bad, "--source", in_folder("source"), "--target", in_folder("target")},
                   says);
    expect_refusal({"export", "--model", bad, "--out", in_folder("out")}, says);
  }
  const std::string bad = in_folder("translator-spoilt.safetensors");
  expect_refusal({"attend", "--model", bad, "--source", "ein Hund", "--target", "a dog"},
                 "finite numbers as target_tokens.weight");
}

TEST_F(WeightsThatAreNone, InEightBitsAreThoseOfTheirScales) {
  const auto narrow = in_folder("narrow.safetensors"), bad = in_folder("narrow-spoilt.safetensors");
  ASSERT_EQ(qkv_program({"export", "--model", model(), "--out", narrow, "--weights", "int8"}).code, 0);
  spoil(narrow, bad, "blocks.0.feed_forward.down.weight.scale", NAN);
  expect_refusal({"generate", "--model", bad},
                 "finite numbers as blocks.0.feed_forward.down.weight.scale; found 1 of 16 that are NaN or infinite");
}

/// A checkpoint whose manifest holds, though a number in it does not.
TEST_F(WeightsThatAreNone, OfACheckpointAreRefusedWhereARunGoesOn) {
  for (const std::string name : {"tokens.weight", "optimiser.second.tokens.weight"}) {
    const auto run = in_folder("run-" + name);
    std::filesystem::copy(model(), run, std::filesystem::copy_options::recursive);
    const auto step = run / "step-00000060", file = step / "model.safetensors";
    spoil(file, file, name, NAN);
    auto manifest = nlohmann::json::parse(bytes_of_file(step / "manifest.json"));
    std::array<char, 9> sum{};
    std::snprintf(sum.data(), sum.size(), "%08x", checksum_of(file).crc32);
    manifest["files"]["model.safetensors"]["crc32"] = sum.data();
    put_bytes(step / "manifest.json", manifest.dump());
    expect_refusal({"train", "--text", text(), "--out", run, "--resume", "--steps", "70"},
                   "model.safetensors: " + std::string(name == "tokens.weight" ? "" : "training state: ") +
                       "expected finite numbers as " + name + "; found 1 of ");
  }
}

}  // namespace
}  // namespace qkv
