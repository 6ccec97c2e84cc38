// A text as the heads of a model see it, whatever kind of model reads it: one that writes on, one that fills holes, or
// a classifier of texts.
#pragma once
#include <functional>
#include <optional>

#include "apps/cli/attend_options.h"
#include "apps/cli/head_table.h"
#include "qkv/train/classifier.h"

namespace qkv::cli {

/// What a classifier answers.
struct named_share {
  std::string name;
  double probability = 0;
};

struct seen_text {
  std::vector<std::int32_t> tokens;  ///< T of them; -1 for a class token
  std::vector<std::string> labels;   ///< the same as text
  std::string text;                  ///< what people would call it, without a class token
  text_links links;
  std::function<tensor(const nn::attention_inputs&)> weights_of;  ///< of a layer: [1, H, T, T]
  long looking = 0;                                               ///< the token that looks where none is named
  std::string model;                                              ///< "2 layers of 4 heads, width 32, ..."
  std::optional<named_share> answer = {};                         ///< of a classifier

  long layers() const { return long(links.layers.size()); }
  long heads() const { return links.layers.front().queries.dim(2); }
};

/// The text that the options name, as these models see it.   @throws usage_error where it is empty or too long
seen_text seen_by_language_model(const attend_options& options);
seen_text seen_by_masked_model(const attend_options& options);
seen_text seen_by_classifier(const attend_options& options, const classifier& c);

}  // namespace qkv::cli
