// Attention in the terminal: every head's weights under the text, and one head's whole matrix.
#pragma once
#include "apps/cli/attention_map.h"
#include "apps/cli/heat_map.h"
#include "apps/cli/terminal.h"

namespace qkv::cli {

/// The text once, and under it a line a head: how much the token `query` looks at each token, then what the head does.
/// Of a text that is too long for the terminal, that token and those before it.
std::string picture_of_heads(const attention_map& map, const head_choice& choice, long query, look how, int columns);

/// A head's weights as a square: a row a token that looks, a column a token that is looked at.
std::string picture_of_matrix(const attention_map& map, long layer, long head, look how, int columns);

}  // namespace qkv::cli
