// The options of `qkv train` that say what a model is made of.  Each function returns those that it added.
#pragma once
#include <CLI/CLI.hpp>
#include <vector>

#include "apps/cli/train_flags.h"

namespace qkv::cli {

std::vector<CLI::Option*> add_sizes(CLI::App& program, size_flags& sizes);
/// How a transformer of any kind is made.
std::vector<CLI::Option*> add_choices(CLI::App& program, choice_flags& choices);
/// What only models that write know.
std::vector<CLI::Option*> add_options_of_decoders(CLI::App& program, train_flags& flags);
/// Recurrent networks in place of a transformer.
std::vector<CLI::Option*> add_recurrent(CLI::App& program, train_flags& flags);

}  // namespace qkv::cli
