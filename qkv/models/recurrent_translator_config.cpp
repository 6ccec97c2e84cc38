#include "qkv/models/recurrent_translator_config.h"

#include <array>

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"
#include "qkv/models/config_sizes.h"

namespace qkv {
namespace {

/// Every field with its name, for writing and for reading.
constexpr auto each_field = [](auto& c, auto see) {
  see("source_vocabulary", c.source_vocabulary);
  see("target_vocabulary", c.target_vocabulary);
  see("context", c.context);
  see("cell", c.cell, std::array{"rnn", "gru", "lstm"});
  see("alignment", c.alignment, std::array{"none", "additive", "dot", "general", "concat"});
  see("width", c.width);
  see("units", c.units);
  see("layers", c.layers);
  see("bidirectional", c.bidirectional);
  see("dropout", c.dropout);
};

}  // namespace

void check(const recurrent_translator_config& c) {
  need_sizes("recurrent translator configuration",
             {{"source_vocabulary", c.source_vocabulary},
              {"target_vocabulary", c.target_vocabulary},
              {"context", c.context},
              {"width", c.width},
              {"units", c.units},
              {"layers", c.layers}});
  if (!(c.dropout >= 0 && c.dropout < 1))
    refuse("recurrent translator configuration", "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
}

std::string to_json(const recurrent_translator_config& config) { return option_json::written(config, each_field); }

recurrent_translator_config recurrent_translator_config_from_json(const std::string& text) {
  return option_json::read_back<recurrent_translator_config>("recurrent translator configuration", text, each_field);
}

}  // namespace qkv
