#include "apps/cli/classifier_data.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "apps/cli/differences.h"
#include "qkv/io/image_file.h"
#include "qkv/io/labelled_files.h"

namespace qkv::cli {
namespace {

namespace fs = std::filesystem;

const std::string picture_endings[] = {".png", ".jpg", ".jpeg"}, sound_endings[] = {".wav", ".flac"};

/// The file of that name, compressed or not; an empty path where there is neither.
fs::path either(const fs::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (fs::exists(folder / (name + ending))) return folder / (name + ending);
  return {};
}

/// Pictures and their classes, as numbers.
struct idx_pair {
  byte_array pictures;
  std::vector<std::int32_t> targets;
};

idx_pair read_pair(const fs::path& folder, const std::string& before) {
  const fs::path pictures = either(folder, before + "images-idx3-ubyte"),
                 labels = either(folder, before + "labels-idx1-ubyte");
  if (labels.empty()) refuse_file(folder, "a file " + before + "labels-idx1-ubyte beside the pictures", "none");
  idx_pair pair{read_idx(pictures), {}};
  const byte_array targets = read_idx(labels);
  if (pair.pictures.shape.size() < 3) refuse_file(pictures, "pictures [N, H, W]", to_string(pair.pictures.shape));
  if (targets.shape.size() != 1 || targets.shape[0] != pair.pictures.shape[0])
    refuse_file(labels, std::to_string(pair.pictures.shape[0]) + " classes, one for each picture",
                to_string(targets.shape));
  pair.targets.assign(targets.values.begin(), targets.values.end());
  return pair;
}

/// Cuts a part off the end.
idx_pair cut_off(idx_pair& all, double share) {
  const long count = all.pictures.shape[0], kept = count - long(share * double(count));
  const long size = count > 0 ? long(all.pictures.values.size()) / count : 0;
  idx_pair rest{{all.pictures.shape, {}}, {all.targets.begin() + kept, all.targets.end()}};
  rest.pictures.shape[0] = count - kept;
  rest.pictures.values.assign(all.pictures.values.begin() + kept * size, all.pictures.values.end());
  all.pictures.shape[0] = kept;
  all.pictures.values.resize(std::size_t(kept * size));
  all.targets.resize(std::size_t(kept));
  return rest;
}

/// A picture may lie a fourteenth of its height higher or lower: 2 pixels of 28.
picture_changes changes_for(const picture_reading& how, bool flip) {
  return {.margin = std::lround(0.07 * double(how.height)), .flip = flip};
}

void check_classes(const fs::path& folder, const std::vector<std::string>& found,
                   const std::vector<std::string>& expected) {
  if (found != expected) refuse_file(folder, "the classes that are learned", differences_in_words(expected, found));
}

/// Numbers as the names of classes, as many as occur.
std::vector<std::string> numbered(std::initializer_list<const std::vector<std::int32_t>*> all_targets) {
  std::int32_t classes = 0;
  for (const auto* targets : all_targets) classes = std::max(classes, 1 + *std::ranges::max_element(*targets));
  std::vector<std::string> names;
  for (std::int32_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  return names;
}

std::unique_ptr<labelled_examples> all_of(std::shared_ptr<const labelled_examples> examples) {
  std::vector<long> every(std::size_t(examples->size()));
  std::iota(every.begin(), every.end(), 0);
  return std::make_unique<chosen_examples>(std::move(examples), std::move(every));
}

picture_folder finished(std::vector<std::string> classes, const picture_reading& how, idx_pair learn,
                        std::unique_ptr<labelled_examples> validate, idx_pair test, bool flip) {
  const auto all = std::make_shared<labelled_pictures>(std::move(learn.pictures), std::move(learn.targets), how,
                                                       changes_for(how, flip));
  picture_folder made{.classes = std::move(classes), .how = how, .validate = std::move(validate)};
  made.test = std::make_unique<labelled_pictures>(std::move(test.pictures), std::move(test.targets), how);
  if (made.validate) {
    made.learn = all_of(all);
    return made;
  }
  divided_examples divided = with_some_kept_apart(all);
  made.learn = std::move(divided.learn), made.validate = std::move(divided.validate);
  return made;
}

picture_folder read_idx_folder(const fs::path& folder, const fs::path& validation, long side, bool flip) {
  const bool split = !either(folder, "train-images-idx3-ubyte").empty();
  idx_pair learn = read_pair(folder, split ? "train-" : "");
  idx_pair test = split ? read_pair(folder, "t10k-") : cut_off(learn, 0.2);
  const shape& s = learn.pictures.shape;
  if (shape(test.pictures.shape.begin() + 1, test.pictures.shape.end()) != shape(s.begin() + 1, s.end()))
    refuse_file(folder, "pictures to test on of the size of those to learn from", to_string(test.pictures.shape));
  if (learn.targets.empty() || test.targets.empty())
    refuse_file(folder, "pictures to learn from and to test on", "none");
  picture_reading how{.height = s[1], .width = s[2], .channels = s.size() == 4 ? s[3] : 1, .side = side};
  check(how);
  const auto names = numbered({&learn.targets, &test.targets});
  std::unique_ptr<labelled_examples> validate;
  if (!validation.empty()) {
    if (either(validation, "images-idx3-ubyte").empty())
      refuse_file(validation, "files images-idx3-ubyte and labels-idx1-ubyte to validate on", "none");
    idx_pair held = read_pair(validation, "");
    if (held.targets.empty() || shape(held.pictures.shape.begin() + 1, held.pictures.shape.end()) !=
                                    shape(s.begin() + 1, s.end()))
      refuse_file(validation, "pictures of the size of those that are learned", to_string(held.pictures.shape));
    check_classes(validation, numbered({&held.targets}), names);
    validate = std::make_unique<labelled_pictures>(std::move(held.pictures), std::move(held.targets), how);
  }
  picture_folder made = finished(names, how, std::move(learn), std::move(validate), std::move(test), flip);
  made.named = false;
  return made;
}

/// Every picture at the size that is asked for, as bytes.
idx_pair read_pictures(const std::vector<labelled_files::file>& files, const picture_reading& how) {
  idx_pair all{{{long(files.size()), how.height, how.width, how.channels}, {}}, {}};
  for (const auto& file : files) {
    const tensor image = fitted(read_image(file.path), how);
    for (const float x : image.values<float>())
      all.pictures.values.push_back(std::uint8_t(std::lround(255 * std::clamp(x, 0.0f, 1.0f))));
    all.targets.push_back(file.target);
  }
  return all;
}

/// All files of a folder that is only validated on, in the classes of another.
std::vector<labelled_files::file> files_to_validate_on(const fs::path& folder, std::span<const std::string> endings,
                                                       const std::vector<std::string>& classes) {
  labelled_files files = labelled_files_in(folder, endings);
  check_classes(folder, files.classes, classes);
  files.learn.insert(files.learn.end(), files.test.begin(), files.test.end());
  return std::move(files.learn);
}

/// Sounds and their classes, as numbers.
struct heard {
  std::vector<sound> sounds;
  std::vector<std::int32_t> targets;
};

heard read_sounds(const std::vector<labelled_files::file>& files) {
  heard all;
  for (const auto& file : files) {
    all.sounds.push_back(read_sound(file.path));
    all.targets.push_back(file.target);
  }
  return all;
}

std::vector<fs::path> paths_of(const labelled_files& files) {
  std::vector<fs::path> paths;
  for (const auto* part : {&files.learn, &files.test})
    for (const auto& file : *part) paths.push_back(file.path);
  return paths;
}

}  // namespace

picture_folder read_picture_folder(const fs::path& folder, const fs::path& validation, long size, long side,
                                   bool flip) {
  if (!either(folder, "train-images-idx3-ubyte").empty() || !either(folder, "images-idx3-ubyte").empty())
    return read_idx_folder(folder, validation, side, flip);
  const labelled_files files = labelled_files_in(folder, picture_endings);
  if (files.test.empty())
    refuse_file(folder, "ten pictures of a class or more, of which every tenth is held out", "fewer");
  const picture_reading how{.height = size, .width = size, .channels = 3, .side = side};
  check(how);
  std::unique_ptr<labelled_examples> validate;
  if (!validation.empty()) {
    idx_pair held = read_pictures(files_to_validate_on(validation, picture_endings, files.classes), how);
    validate = std::make_unique<labelled_pictures>(std::move(held.pictures), std::move(held.targets), how);
  }
  return finished(files.classes, how, read_pictures(files.learn, how), std::move(validate),
                  read_pictures(files.test, how), flip);
}

std::vector<fs::path> picture_files_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const char* before : {"train-", "t10k-", ""})
    for (const char* what : {"images-idx3-ubyte", "labels-idx1-ubyte"})
      if (const fs::path path = either(folder, std::string(before) + what); !path.empty()) found.push_back(path);
  return found.empty() ? paths_of(labelled_files_in(folder, picture_endings)) : found;
}

std::vector<fs::path> sound_files_in(const fs::path& folder) {
  return paths_of(labelled_files_in(folder, sound_endings));
}

sound_folder read_sound_folder(const fs::path& folder, const fs::path& validation, const sound_reading* how) {
  const labelled_files files = labelled_files_in(folder, sound_endings);
  if (files.test.empty())
    refuse_file(folder, "ten sounds of a class or more, of which every tenth is held out", "fewer");
  sound_folder all{files.classes, {}, nullptr, nullptr, nullptr};
  heard learn = read_sounds(files.learn), test = read_sounds(files.test);
  std::vector<double> lengths;
  for (const sound& s : learn.sounds) lengths.push_back(s.seconds());
  if (learn.sounds.front().rate > 8000) all.how.mel = {.rate = 16000, .window = 400, .hop = 160, .bands = 64};
  std::ranges::sort(lengths);
  all.how.seconds = std::clamp(lengths[std::size_t(0.98 * double(lengths.size() - 1))], 0.2, 10.0);
  if (how) all.how = *how;
  const sound_changes changes{.speed = 0.1, .delay = 0.05, .bands = all.how.mel.bands / 6, .frames = 8};
  const auto examples = std::make_shared<labelled_sounds>(std::move(learn.sounds), std::move(learn.targets), all.how,
                                                          changes);
  all.test = std::make_unique<labelled_sounds>(std::move(test.sounds), std::move(test.targets), all.how);
  if (validation.empty()) {
    divided_examples divided = with_some_kept_apart(examples);
    all.learn = std::move(divided.learn), all.validate = std::move(divided.validate);
    return all;
  }
  heard held = read_sounds(files_to_validate_on(validation, sound_endings, files.classes));
  all.validate = std::make_unique<labelled_sounds>(std::move(held.sounds), std::move(held.targets), all.how);
  all.learn = all_of(examples);
  return all;
}

}  // namespace qkv::cli
