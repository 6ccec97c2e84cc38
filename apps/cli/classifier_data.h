// Folders of pictures and sounds as what a classifier learns from and is tested on.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "qkv/train/chosen_examples.h"

namespace qkv::cli {

struct picture_folder {
  std::vector<std::string> classes;
  bool named = true;  ///< false for IDX files, which number their classes
  picture_reading how = {};
  std::unique_ptr<labelled_examples> learn = {}, validate = {}, test = {};  ///< validate: kept apart from what is learned from
};

/// IDX files as MNIST names them (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., .gz or not; or one pair,
/// images-idx3-ubyte and labels-idx1-ubyte, whose last fifth is held out), or PNG and JPEG pictures as
/// labelled_files_in finds them.  What is validated on is with_some_kept_apart, unless a folder is given for it.
/// @param size  of pictures from PNG and JPEG; IDX files have their own   @param side  of a patch
/// @param flip  whether a mirrored picture shows the same
/// @param validation  a folder, or empty: all its pictures, in the same classes
/// @throws file_error
picture_folder read_picture_folder(const std::filesystem::path& folder, const std::filesystem::path& validation,
                                   long size, long side, bool flip);

/// The files that are read of such a folder.   @throws file_error
std::vector<std::filesystem::path> picture_files_in(const std::filesystem::path& folder);

struct sound_folder {
  std::vector<std::string> classes;
  sound_reading how;
  std::unique_ptr<labelled_examples> learn, validate, test;
};

/// WAV and FLAC files as labelled_files_in finds them; heard at 8 or 16 kHz, as the first of them suggests, and as long
/// as 98 in 100 of them last.   @param validation  as above
/// @param how  to hear them so instead; null: as said   @throws file_error
sound_folder read_sound_folder(const std::filesystem::path& folder, const std::filesystem::path& validation,
                               const sound_reading* how = nullptr);
/// The files that are read of such a folder.   @throws file_error
std::vector<std::filesystem::path> sound_files_in(const std::filesystem::path& folder);

}  // namespace qkv::cli
