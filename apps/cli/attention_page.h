// One HTML page, complete in itself, on which pointing at a token shows what it looks at.
#pragma once
#include <string>

#include "apps/cli/attention_map.h"

namespace qkv::cli {

/// The page; it asks nothing of the network.  `facts`: one line on where the weights come from.
std::string attention_page(const attention_map& map, const std::string& facts);

/// A JSON text that may stand inside a <script> element: no <, >, & and no line separators.
std::string safe_in_script(std::string json);

/// The page's style sheet and the two halves of its script.
extern const char* const attention_page_style;
extern const char* const attention_page_links;
extern const char* const attention_page_details;

}  // namespace qkv::cli
