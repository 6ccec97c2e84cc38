#include "qkv/train/labelled_examples.h"

#include <cmath>

#include "qkv/tokens/image_changes.h"
#include "qkv/tokens/patches.h"
#include "qkv/tokens/resample.h"
#include "qkv/tokens/sound_changes.h"

namespace qkv {
namespace {

/// Streams for purposes of their own, made of one.
random_stream part(random_stream random, std::uint64_t number) { return {random.seed, random.stream + (number << 32)}; }

void check_count(const char* operation, std::size_t examples, std::size_t targets) {
  if (examples != targets || examples == 0)
    refuse(operation, "at least one example, and a class for each",
           std::to_string(examples) + " examples and " + std::to_string(targets) + " classes");
}

}  // namespace

labelled_pictures::labelled_pictures(byte_array pictures, std::vector<std::int32_t> targets, const picture_reading& how,
                                     const picture_changes& for_learning)
    : pictures_(std::move(pictures)), targets_(std::move(targets)), how_(how), changes_(for_learning) {
  check(how);
  check_count("labelled_pictures", pictures_.shape.empty() ? 0 : std::size_t(pictures_.shape[0]), targets_.size());
}

encoder_example labelled_pictures::example(long index) const {
  return {.patches = patches_read(image_of(pictures_, index), how_)};
}

encoder_example labelled_pictures::changed(long index, random_stream random, std::uint64_t draw) const {
  tensor image = fitted(image_of(pictures_, index), how_);
  if (changes_.margin > 0) image = random_crop(image, changes_.margin, part(random, 1), draw);
  if (changes_.flip) image = random_flip(image, part(random, 2), draw);
  return {.patches = patches_read(image, how_)};
}

labelled_sounds::labelled_sounds(std::vector<sound> sounds, std::vector<std::int32_t> targets, const sound_reading& how,
                                 const sound_changes& for_learning)
    : sounds_(std::move(sounds)), targets_(std::move(targets)), how_(how), changes_(for_learning) {
  check(how);
  check_count("labelled_sounds", sounds_.size(), targets_.size());
  for (sound& s : sounds_) s = resampled(s, how.mel.rate);
}

encoder_example labelled_sounds::example(long index) const {
  return {.frames = frames_read(sounds_[std::size_t(index)], how_)};
}

encoder_example labelled_sounds::changed(long index, random_stream random, std::uint64_t draw) const {
  sound heard = sounds_[std::size_t(index)];
  if (changes_.speed > 0) heard = random_speed(heard, changes_.speed, part(random, 1), draw);
  if (changes_.delay > 0)
    heard = random_delay(heard, std::lround(changes_.delay * double(heard.rate)), part(random, 2), draw);
  const tensor frames = even_frames(heard, how_);
  return {.frames =
              frame_patches(random_masks(frames, changes_.bands, changes_.frames, part(random, 3), draw), how_.frames)};
}

labelled_texts::labelled_texts(std::vector<std::vector<std::int32_t>> texts, std::vector<std::int32_t> targets)
    : texts_(std::move(texts)), targets_(std::move(targets)) {
  if (texts_.size() != targets_.size())
    refuse("labelled_texts", std::to_string(texts_.size()) + " classes, one for each text",
           std::to_string(targets_.size()));
  for (const auto& text : texts_)
    if (text.empty()) refuse("labelled_texts", "texts of at least one token", "an empty one");
}

matching_pairs::matching_pairs(const labelled_examples& pictures, const labelled_examples& sounds, questions asked,
                               long count, random_stream random)
    : pictures_(pictures), sounds_(sounds), asked_(asked), count_(count), random_(random) {
  for (long i = 0; i < pictures.size(); ++i) {
    const auto target = std::size_t(pictures.target(i));
    if (target >= pictures_of_class_.size()) pictures_of_class_.resize(target + 1);
    pictures_of_class_[target].push_back(i);
  }
  for (long i = 0; i < sounds.size(); ++i) {
    const auto target = std::size_t(sounds.target(i));
    if (target >= pictures_of_class_.size() || pictures_of_class_[target].empty())
      refuse("matching_pairs", "pictures of every class that sounds have", "none of class " + std::to_string(target));
    if (long(pictures_of_class_[target].size()) == pictures.size())
      refuse("matching_pairs", "pictures of at least two classes", "one");
  }
  if (count < 1) refuse("matching_pairs", "at least one question", std::to_string(count));
}

std::int32_t matching_pairs::target(long index) const {
  switch (const question which = question_of(index)) {
    case picture:
      return pictures_.target(single(index) % pictures_.size());
    case sound:
      return sounds_.target(single(index) % sounds_.size());
    default:
      return std::int32_t(pictures_of_class_.size()) + (which == same);
  }
}

matching_pairs::pair matching_pairs::drawn(question which, random_stream random, std::uint64_t draw) const {
  const random_stream numbers = part(random, 4);
  const long heard = long(numbers.below(2 * draw, std::uint64_t(sounds_.size())));
  const auto& alike = pictures_of_class_[std::size_t(sounds_.target(heard))];
  if (which == same) return {alike[numbers.below(2 * draw + 1, alike.size())], heard};
  // The place of a picture among those of other classes.
  auto place = long(numbers.below(2 * draw + 1, std::uint64_t(pictures_.size()) - alike.size()));
  for (const auto& others : pictures_of_class_) {
    if (&others == &alike) continue;
    if (place < long(others.size())) return {others[std::size_t(place)], heard};
    place -= long(others.size());
  }
  throw std::logic_error("matching_pairs: expected a picture of another class; found none");
}

encoder_example matching_pairs::example(long index) const {
  const question which = question_of(index);
  if (which == picture) return pictures_.example(single(index) % pictures_.size());
  if (which == sound) return sounds_.example(single(index) % sounds_.size());
  const auto [seen, heard] = drawn(which, random_, std::uint64_t(index));
  return {.patches = pictures_.example(seen).patches, .frames = sounds_.example(heard).frames};
}

encoder_example matching_pairs::changed(long index, random_stream random, std::uint64_t draw) const {
  const question which = question_of(index);
  const random_stream seen_stream = part(random, 8), heard_stream = part(random, 16);
  if (which == picture) return pictures_.changed(single(index) % pictures_.size(), seen_stream, draw);
  if (which == sound) return sounds_.changed(single(index) % sounds_.size(), heard_stream, draw);
  const auto [seen, heard] = drawn(which, random, draw);
  return {.patches = pictures_.changed(seen, seen_stream, draw).patches,
          .frames = sounds_.changed(heard, heard_stream, draw).frames};
}

}  // namespace qkv
