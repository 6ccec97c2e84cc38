// Texts with their classes from a file: a line each, the class, a tab, the text.
#pragma once
#include <memory>
#include <optional>

#include "apps/cli/train_flags.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/chosen_examples.h"

namespace qkv::cli {

struct text_table {
  std::vector<std::string> classes;  ///< in the order of their names
  std::optional<tokenizer> tokens;
  long longest = 0;  ///< tokens that are read of a text; what comes after is left out
  std::unique_ptr<labelled_examples> learn, validate, test;
};

/// Every tenth text of a class is held out to test on; what is validated on is with_some_kept_apart.  Texts are read up
/// to the context that the flags give, or else as far as 98 in 100 of them go, at most 255 tokens.
/// @param as  the tokens of a model that is there already; null: learned from these texts
/// Damaged lines are left out where the flags say so.   @throws file_error that names the line
text_table read_text_table(const train_flags& flags, const tokenizer* as);

}  // namespace qkv::cli
