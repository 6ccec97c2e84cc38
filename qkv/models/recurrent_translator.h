// Sequence to sequence with recurrent networks: an encoder reads a text, a decoder says its translation, and looks at
// what was read in one of several ways, or only at its last state: the model whose bottleneck attention removed.
//
//   B pairs   N source tokens in all   M target tokens in all   W width   U units   E = memory_width()   V vocabulary
//
// Sources: Sutskever et al. 2014; Cho et al. 2014; Bahdanau et al. 2015; Luong et al. 2015.
#pragma once
#include "qkv/autograd/attention.h"
#include "qkv/autograd/elementwise.h"
#include "qkv/models/recurrent_translator_config.h"
#include "qkv/models/sequence_to_sequence.h"
#include "qkv/nn/embedding.h"
#include "qkv/nn/recurrent.h"

namespace qkv {

class recurrent_translator : public sequence_to_sequence {
 public:
  /// @throws shape_error where the numbers make no sense
  recurrent_translator(const recurrent_translator_config& config, std::uint64_t seed);
  /// Weights of zero, about to be loaded.
  explicit recurrent_translator(const recurrent_translator_config& config);

  const recurrent_translator_config& config() const { return config_; }

  const char* kind() const override { return "recurrent translator"; }
  std::string configuration() const override { return to_json(config_); }
  std::string in_words() const override;
  long source_vocabulary() const override { return config_.source_vocabulary; }
  long target_vocabulary() const override { return config_.target_vocabulary; }
  std::vector<nn::named_parameter> parameters() const override { return nn::parameters_of(*this); }
  variable loss(const text_pairs& pairs, double smoothing, const nn::forward_mode& mode) const override;
  std::unique_ptr<translation_state> start(const packed_tokens& sources, long longest) const override;
  long context() const override { return config_.context; }
  std::vector<tensor> alignments(const text_pairs& pair) const override;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    source_tokens_.visit(prefix + "source_tokens.", see);
    target_tokens_.visit(prefix + "target_tokens.", see);
    encoder_.visit(prefix + "encoder.", see);
    bridge_.visit(prefix + "bridge.", see);
    if (looks()) keys_.visit(prefix + "keys.", see);
    if (!query_.weight.empty()) query_.visit(prefix + "query.", see);
    for (const variable& v : parts_.learned) see(prefix + "similarity.weight", v);
    decoder_.visit(prefix + "decoder.", see);
    out_.visit(prefix + "out.", see);
  }

 private:
  friend class recurrent_translator_state;

  /// What the encoder leaves behind.
  struct memory {
    variable states;            ///< [N, E]
    variable keys;              ///< [N, U]; empty where nobody looks
    variable summary;           ///< [B, E]: the states after the whole text
    std::vector<long> offsets;  ///< [B + 1]
  };
  /// What each step of the decoder saw and became, in the order of the tokens heard.
  struct steps {
    variable states;    ///< [M, U]
    variable contexts;  ///< [M, E]; of the summary where nobody looks
  };

  recurrent_translator(const recurrent_translator_config& config, nn::initialisation init);
  bool looks() const { return config_.alignment != alignment_kind::none; }
  bool looks_before() const { return config_.alignment == alignment_kind::additive; }

  memory read(const packed_tokens& source, const nn::forward_mode& mode) const;
  recurrent_ends beginning(const variable& summary) const { return {tanh(bridge_(summary)), {}}; }
  /// What states [R, U] find in the memory: [R, E].   @param queries  [B + 1]: which of them belong to each source
  variable look(const variable& states, const variable& keys, const variable& values, std::vector<long> queries,
                std::vector<long> sources) const;
  steps all_at_once(const variable& heard, const memory& from, std::span<const long> offsets) const;
  steps one_by_one(const variable& heard, const memory& from, std::span<const long> offsets) const;
  /// Vectors before the last product: [R, W].
  variable outcome(const variable& states, const variable& contexts, const variable& heard,
                   const nn::forward_mode& mode) const;

  recurrent_translator_config config_;
  nn::embedding source_tokens_, target_tokens_;
  nn::recurrent encoder_;
  nn::linear bridge_, keys_, query_, out_;
  nn::recurrent_layer decoder_;
  attention_parts parts_;
  nn::dropout embedding_dropout_[2], out_dropout_;
};

}  // namespace qkv
