// The file of a masked language model: what goes in comes out, and what can be wrong with it.
#include "qkv/train/masked_model.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "qkv/io/safetensors.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/training.h"
#include "qkv/train/masked_language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

tokenizer letters(std::vector<std::string> specials = {"<unk>", mask_token}) {
  return character_tokenizer(character_vocabulary("abcdefgh"), std::move(specials));
}

encoder_config small_encoder() {
  return {.vocabulary = 10, .context = 16, .layers = 2, .heads = 2, .width = 16, .pooling = pooling::mean};
}

std::vector<float> numbers_of(const masked_language_model& model) {
  std::vector<float> all;
  model.visit("", [&](const std::string&, const variable& v) {
    all.insert(all.end(), v.value().values<float>().begin(), v.value().values<float>().end());
  });
  return all;
}

class MaskedModelFile : public ::testing::Test {
 protected:
  void SetUp() override { save_masked_model(path_, model_, letters(), {}); }
  std::string complaint(const std::function<void(tensor_file&)>& change) {
    tensor_file file = read_safetensors(path_);
    change(file);
    write_safetensors(folder_ / "changed", file);
    return message_of<file_error>([&] { load_masked_model(folder_ / "changed"); });
  }
  std::string complaint_of(const std::function<void(encoder_config&)>& change) {
    auto config = small_encoder();
    change(config);
    return complaint([&](auto& f) { f.metadata["config"] = to_json(config); });
  }

  temporary_folder folder_;
  const std::filesystem::path path_ = folder_ / "model.safetensors";
  const masked_language_model model_{small_encoder(), 1};
};

TEST_F(MaskedModelFile, KeepsWeightsTokensAndFacts) {
  const training_options options = quick_options(9);
  save_masked_model(path_, model_, letters(), {.step = 4, .validation_loss = 1.5, .training = options});
  const masked_model loaded = load_masked_model(path_);
  EXPECT_EQ(loaded.model.config(), model_.config());
  EXPECT_EQ(numbers_of(loaded.model), numbers_of(model_));
  EXPECT_EQ(loaded.tokens.to_json(), letters().to_json());
  EXPECT_EQ(loaded.facts.step, 4);
  EXPECT_EQ(loaded.facts.validation_loss, 1.5);
  EXPECT_EQ(loaded.facts.training, options);
  EXPECT_TRUE(loaded.training_state.empty());
  const auto tokens = loaded.tokens.encode("ab[MASK]d", markers::as_tokens);
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_EQ(tokens[2], masking_for(loaded.tokens).mask);
}

TEST_F(MaskedModelFile, SaysThatNothingWasValidated) {
  EXPECT_TRUE(std::isnan(load_masked_model(path_).facts.validation_loss));
}

TEST_F(MaskedModelFile, GoesOnFromTheFileWithTheSameBits) {
  auto text = text_with_a_rule(1000);
  for (std::int32_t& token : text) token += 2;
  const masking_options masking = masking_for(letters());
  const auto options = quick_options(8);
  auto config = small_encoder();
  config.dropout = 0.1;
  const masked_language_model whole(config, 1), half(config, 1);
  const masked_language_modelling of_whole(whole, text, masking, options), of_half(half, text, masking, options);
  trainer uninterrupted(of_whole, options), first(of_half, options);
  for (int i = 0; i < 8; ++i) uninterrupted.step();
  for (int i = 0; i < 3; ++i) first.step();
  save_masked_model(path_, half, letters(), {.step = 3, .training = options}, first.state());
  const masked_model loaded = load_masked_model(path_);
  const masked_language_modelling rest(loaded.model, text, masking_for(loaded.tokens), loaded.facts.training);
  trainer second(rest, options);
  second.resume(loaded.facts.step, loaded.training_state);
  for (int i = 0; i < 5; ++i) second.step();
  EXPECT_EQ(numbers_of(loaded.model), numbers_of(whole));
}

TEST_F(MaskedModelFile, StoresMatricesInEightBitsWhenAsked) {
  const auto whole = std::filesystem::file_size(path_);
  save_masked_model(path_, model_, letters(), {}, {}, weight_storage::int8);
  EXPECT_LT(std::filesystem::file_size(path_), whole);
  const auto loaded = load_masked_model(path_);
  const auto before = nn::parameters_of(model_), after = nn::parameters_of(loaded.model);
  for (std::size_t n = 0; n < before.size(); ++n) {
    const auto a = before[n].value.value().values<float>(), b = after[n].value.value().values<float>();
    float greatest = 0;
    for (const float x : a) greatest = std::max(greatest, std::abs(x));
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], greatest / 250) << before[n].name;
  }
}

TEST_F(MaskedModelFile, MasksNoSpecialTokenAndPutsNoneIn) {
  EXPECT_EQ(masking_for(letters()).mask, 1);
  EXPECT_EQ(masking_for(letters()).first_word, 2);
  EXPECT_EQ(masking_for(letters({mask_token})).first_word, 1);
  EXPECT_THAT(message_of<shape_error>([] { masking_for(letters({"<unk>"})); }),
              HasSubstr("expected one of <unk>; found [MASK]"));
}

TEST_F(MaskedModelFile, SaysWhatIsWrong) {
  EXPECT_THAT(complaint([](auto& f) { f.metadata["format"] = "pt"; }),
              HasSubstr("a checkpoint of qkv masked language model 1; found \"pt\""));
  EXPECT_THAT(complaint([](auto& f) { f.metadata.erase("tokenizer"); }), HasSubstr("no tokenizer in its metadata"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["tokenizer"] = "7"; }), HasSubstr("changed: tokenizer.json"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["tokenizer"] = letters({"<unk>"}).to_json(); }),
              HasSubstr("found [MASK]"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["tokenizer"] = letters({mask_token}).to_json(); }),
              HasSubstr("expected a tokenizer of 10 tokens; found 9"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["step"] = "-1"; }), HasSubstr("a whole number as step; found \"-1\""));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["config"] = "{\"width\": -3}"; }), HasSubstr("changed: "));
  EXPECT_THAT(complaint([](auto& f) { f.tensors.pop_back(); }), HasSubstr("found none"));
  EXPECT_THAT(complaint([](auto& f) { f.tensors.emplace_back("stray", tensor({2})); }),
              HasSubstr("only weights that its configuration uses; found stray"));
  EXPECT_THAT(message_of<file_error>([&] { load_masked_model(folder_ / "none"); }), HasSubstr("none: expected"));
}

TEST_F(MaskedModelFile, RefusesSizesThatItsWeightsDoNotHaveBeforeMemoryIsTaken) {
  EXPECT_THAT(complaint_of([](auto& c) { c.vocabulary = 11; }), HasSubstr("tokens.weight of shape [11, 16]"));
  EXPECT_THAT(complaint_of([](auto& c) { c.hidden = 1 << 23; }), HasSubstr("down.weight of shape"));
  EXPECT_THAT(complaint_of([](auto& c) { c.context = 1 << 23; }), HasSubstr("positions.weight of shape"));
  EXPECT_THAT(complaint_of([](auto& c) { c.layers = 1 << 23; }), HasSubstr("weights named blocks.8388607"));
  EXPECT_THAT(complaint_of([](auto& c) { c.patch_width = 1 << 23; }), HasSubstr("a model that reads texts only"));
  EXPECT_THAT(complaint_of([](auto& c) { c.frame_width = 1 << 23; }), HasSubstr("a model that reads texts only"));
  const auto far = [](auto& c) { c.positions = nn::position_kind::sinusoidal, c.context = 1 << 23; };
  EXPECT_THAT(complaint_of(far), HasSubstr("at most 2^24"));
}

TEST_F(MaskedModelFile, RefusesAFileThatIsCutShort) {
  for (const double share : {0.0, 0.001, 0.5, 0.99}) {
    save_masked_model(path_, model_, letters(), {});
    std::filesystem::resize_file(path_, std::uintmax_t(share * double(std::filesystem::file_size(path_))));
    EXPECT_THAT(message_of<file_error>([&] { load_masked_model(path_); }), HasSubstr("model.safetensors: expected"));
  }
}

TEST_F(MaskedModelFile, LeavesTheOldFileWhereTheNewOneCannotBeWritten) {
  EXPECT_THAT(message_of<file_error>([&] { save_masked_model(folder_ / "no" / "folder", model_, letters(), {}); }),
              HasSubstr("expected"));
  EXPECT_EQ(numbers_of(load_masked_model(path_).model), numbers_of(model_));
}

}  // namespace
}  // namespace qkv
