// The folder of a training run: its checkpoints, each complete or not there, and a lock, so that two runs never write
// into one folder.
//
//     mine/step-00000500/model.safetensors   the model, and what a resumed run needs (qkv/train/model_file.h)
//     mine/step-00000500/manifest.json       its size and checksum, written last
//     mine/lock                              held while a run writes here
//     mine/replaced/                         a run whose place another takes, until that one has saved a checkpoint
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "qkv/io/file_descriptor.h"

namespace qkv {

/// A complete checkpoint inside a run's folder.
struct stored_step {
  long step = 0;
  double validation_loss = 0;  ///< NaN where it was not measured
  std::filesystem::path folder;

  std::filesystem::path model() const { return folder / "model.safetensors"; }
};

/// The checkpoints whose manifests hold, by rising step; what is damaged or was never finished is left out.  Where there
/// are none, those of the run that was being replaced.
/// Cost: every file is read once.
std::vector<stored_step> valid_steps(const std::filesystem::path& run);
/// A model for use: the file itself, or, of a run's folder, the checkpoint of the lowest validation loss, or the latest
/// where none was validated.   @throws file_error where there is no such file, or no valid checkpoint in the folder
std::filesystem::path model_file_at(const std::filesystem::path& file_or_run);

class run_folder {
 public:
  /// Makes the folder if need be and locks it; what an interrupted save left there is removed, or gets its name back
  /// where it is the only one of its step.
  /// @throws file_error where it is no run's folder, cannot be written to, or another run holds it
  explicit run_folder(std::filesystem::path path);
  run_folder(const run_folder&) = delete;
  run_folder& operator=(const run_folder&) = delete;
  /// A folder that was made for a run that never saved anything goes again; a run that it was to replace comes back.
  ~run_folder();

  const std::filesystem::path& path() const { return path_; }
  /// The latest valid checkpoint.
  std::optional<stored_step> newest() const;
  /// Names of later checkpoints than the latest valid one: damaged, or never finished.
  std::vector<std::string> damaged_since_newest() const;
  /// The one that is used where a command is given the folder: model_file_at.
  std::optional<stored_step> best() const;

  /// What is here belongs to a run that this one takes the place of: it is put aside, and goes as soon as this one has
  /// saved a checkpoint.   @param files  names of what that run wrote beside its checkpoints
  void begin_anew(std::initializer_list<const char*> files);

  /// Adds a checkpoint: into a temporary folder first, the manifest last, all of it made durable before it gets its
  /// name; one of the same step goes only then.  Then forgets all but the latest two and the best.
  /// @param write  writes the model to the name that it is given
  /// @throws file_error a full disk, ...; earlier checkpoints stay as they were
  void save(long step, double validation_loss, const std::function<void(const std::filesystem::path&)>& write);

 private:
  void forget_old() const;

  bool is_new_ = false;  // the folder was made for this run
  std::filesystem::path path_;
  file_descriptor lock_;
  bool replaces_ = false;  // another run, which is still here
};

}  // namespace qkv
