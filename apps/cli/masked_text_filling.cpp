#include "apps/cli/masked_text_filling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/command.h"
#include "apps/cli/spoken_text.h"
#include "qkv/ops/softmax.h"

namespace qkv::cli {

std::vector<filling> fillings_of(const masked_model& m, const std::vector<std::int32_t>& tokens, long place, long top) {
  const tensor all = softmax_rows(m.model.logits(tokens));
  const auto row = all.select(0, place).values<float>();
  std::vector<filling> fillings;
  for (std::size_t token = 0; token < row.size(); ++token) {
    if (m.tokens.is_special(std::int32_t(token))) continue;
    if (!std::isfinite(row[token]))
      throw std::runtime_error("expected probabilities that are numbers; found NaN in this model");
    fillings.push_back({"", std::int32_t(token), double(row[token])});
  }
  std::ranges::stable_sort(fillings, std::greater{}, &filling::probability);
  fillings.resize(std::min(fillings.size(), std::size_t(top)));
  for (filling& one : fillings) one.text = piece_of(m.tokens, {}, one.token);
  return fillings;
}

std::string without_space_before_holes(const tokenizer& tokens, std::string text) {
  const std::string kind = tokens.in_words();
  const bool spaces_belong_to_words = !kind.starts_with("characters") && !kind.starts_with("bytes");
  for (std::size_t at = text.find(mask_token); at != std::string::npos && spaces_belong_to_words;
       at = text.find(mask_token, at + 1))
    if (at > 0 && text[at - 1] == ' ') text.erase(--at, 1);
  return text;
}

std::vector<std::int32_t> tokens_with_holes(const masked_model& m, const std::string& text) {
  const std::string prepared = without_space_before_holes(m.tokens, checked_text("text", text));
  auto tokens = m.tokens.encode(prepared, markers::as_tokens);
  if (std::ranges::find(tokens, masking_for(m.tokens).mask) == tokens.end())
    throw usage_error("text: expected [MASK] where a token is to be guessed; found none");
  if (long(tokens.size()) > m.model.config().context)
    throw usage_error(fmt::format("text: expected at most {} tokens, the context of this model; found {}",
                                  m.model.config().context, tokens.size()));
  return tokens;
}

}  // namespace qkv::cli
