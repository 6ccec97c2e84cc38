// Models on disk: one safetensors file with weights, configuration, vocabularies and how far training has come.
//
// Metadata: format ("qkv decoder 1", "qkv encoder-decoder 1", ...), config (JSON), what else a kind of model needs
// (vocabulary, tokenizers), step, validation_loss, and training (JSON of the options).
#pragma once
#include <filesystem>
#include <limits>
#include <map>

#include "qkv/io/safetensors.h"
#include "qkv/nn/module.h"
#include "qkv/train/named_state.h"
#include "qkv/train/options.h"

namespace qkv {

/// How far training has come.
struct training_facts {
  long step = 0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  training_options training = {};
};

/// How weights are stored: as they are, or matrices in 8 bits, a row at a time: NAME int8 [R, C] with NAME.scale
/// float32 [R], the greatest of a row being 127.  A quarter of the size, for use and not for further training.
enum class weight_storage { float32, int8 };

/// Writes all or nothing: an earlier file of that name stays whole until the new one is.
/// @param texts  config and what else the kind of model needs
/// @param state  the trainer's, to resume with the same bits; without it a third of the size
/// @throws file_error  the disk is full, the folder is missing, ...
void write_model(const std::filesystem::path& path, const std::string& format,
                 const std::vector<nn::named_parameter>& parameters, const std::map<std::string, std::string>& texts,
                 const training_facts& facts, const named_tensors& state = {},
                 weight_storage storage = weight_storage::float32);

/// Reads such a file, and says of every error which file it is in.
class model_reader {
 public:
  /// @throws file_error  one sentence: the file is missing, cut short, or was not written by qkv
  explicit model_reader(const std::filesystem::path& path);

  const std::string& format() const { return text("format"); }
  /// @throws file_error unless the format is this one
  void expect_format(const std::string& format) const;
  /// What the file says under a name.   @throws file_error where it says nothing
  const std::string& text(const std::string& name) const;
  /// Whether the file says anything under a name.
  bool has_text(const std::string& name) const { return file_.metadata.contains(name); }
  training_facts facts() const;
  /// Everything in the file, as it is stored.
  const tensor_file& contents() const { return file_; }

  /// A weight that must be there in this shape, in float32 where it is stored in 8 bits.   @throws file_error
  tensor weight(const std::string& name, const shape& expected) const;
  /// Fills every parameter; a weight that none of them has use for is an error too, and so is one with a number that is
  /// NaN or infinite.   @throws file_error   Cost: a pass over the weights, beside that of copying them
  void load(const std::vector<nn::named_parameter>& parameters) const;
  /// What trainer::resume takes; empty where the file holds none.
  named_tensors training_state() const;

  /// Runs `read`, and puts the file's name before what it complains of.
  template <class Read>
  auto in_this_file(Read read) const try {
    return read();
  } catch (const std::exception& error) { complain(error.what()); }

 private:
  [[noreturn]] void complain(const std::string& message) const;

  std::filesystem::path path_;
  tensor_file file_;
};

}  // namespace qkv
