#include "apps/cli/lessons.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/text_table.h"

namespace qkv::cli {
namespace {

/// Two of four questions are about pairs; each picture and each sound comes up by itself once an epoch.
void make_pairs(lessons& all) {
  constexpr long questions_held_out = 2000;
  if (all.pictures.classes != all.sounds.classes)
    throw usage_error(
        fmt::format("--images and --sounds: expected the same classes; found {} ({}, ...) and {} ({}, ...)",
                    all.pictures.classes.size(), all.pictures.classes.front(), all.sounds.classes.size(),
                    all.sounds.classes.front()));
  const long most = std::max(all.pictures.learn->size(), all.sounds.learn->size());
  all.learn = std::make_unique<matching_pairs>(*all.pictures.learn, *all.sounds.learn, matching_pairs::all, 4 * most,
                                               random_stream{1, 0});
  const auto pairs_of = [&](const labelled_examples& seen, const labelled_examples& heard, std::uint64_t seed) {
    return std::make_unique<matching_pairs>(seen, heard, matching_pairs::pairs_only, questions_held_out,
                                            random_stream{seed, 0});
  };
  all.validate = pairs_of(*all.pictures.validate, *all.sounds.validate, 3);
  all.test = pairs_of(*all.pictures.test, *all.sounds.test, 2);
}

/// Two classes of one name could not be told apart in what is said of them.
void check_different(std::vector<std::string> classes) {
  std::ranges::sort(classes);
  const auto twice = std::ranges::adjacent_find(classes);
  if (twice != classes.end())
    throw usage_error(fmt::format("--classes: expected a name for each class; found {} twice", *twice));
}

}  // namespace

lessons read_lessons(const train_flags& flags, const classifier_senses* as) {
  lessons all;
  if (!flags.labelled.empty()) {
    text_table texts = read_text_table(flags, as && as->text ? &*as->text : nullptr);
    all.senses.classes = std::move(texts.classes);
    all.senses.text = std::move(texts.tokens);
    all.learn = std::move(texts.learn), all.validate = std::move(texts.validate), all.test = std::move(texts.test);
    all.tokens = texts.longest + 1;
  }
  const bool see = !flags.images.empty(), hear = !flags.sounds.empty();
  if (see) {
    all.pictures =
        read_picture_folder(flags.images, flags.validation_images, flags.picture_size, flags.patch, flags.flip);
    all.senses = {all.pictures.classes, all.pictures.how, all.senses.sound};
    all.tokens += all.pictures.how.tokens();
  }
  if (hear) {
    all.sounds = read_sound_folder(flags.sounds, flags.validation_sounds, as && as->sound ? &*as->sound : nullptr);
    all.senses = {all.sounds.classes, all.senses.picture, all.sounds.how};
    all.tokens += all.sounds.how.tokens();
  }
  if (see && hear) {
    make_pairs(all);
  } else if (see || hear) {
    all.learn = std::move(see ? all.pictures.learn : all.sounds.learn);
    all.validate = std::move(see ? all.pictures.validate : all.sounds.validate);
    all.test = std::move(see ? all.pictures.test : all.sounds.test);
  }
  all.named = !flags.classes.empty() || hear || !see || all.pictures.named;
  if (!flags.classes.empty() && flags.classes.size() != all.senses.classes.size())
    throw usage_error(
        fmt::format("--classes: expected {} names; found {}", all.senses.classes.size(), flags.classes.size()));
  if (!flags.classes.empty()) all.senses.classes = flags.classes;
  if (see && hear)
    for (const char* answer : {"different", "same"}) all.senses.classes.push_back(answer);
  check_different(all.senses.classes);
  return all;
}

}  // namespace qkv::cli
