#include "apps/cli/translating.h"

#include <fmt/format.h>

#include <chrono>

#include "apps/cli/counted_work.h"
#include "apps/cli/spoken_text.h"
#include "qkv/generate/bleu.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/unicode.h"

namespace qkv::cli {
namespace {

std::string in_lower_case(const std::string& line) {
  std::string out;
  for (std::size_t at = 0; at < line.size();) tokens::append_lower_case(out, next_code_point(line, at));
  return out;
}

}  // namespace

std::vector<std::vector<std::int32_t>> tokens_of(const tokenizer& side, long context,
                                                 const std::vector<std::string>& texts) {
  auto tokens = side.encode_each(texts);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (long(tokens[i].size()) < context) continue;
    throw usage_error(
        fmt::format("expected texts of at most {} tokens, the context of this model; found {} in line {} "
                    "(divide it into sentences)",
                    context - 1, tokens[i].size(), i + 1));
  }
  return tokens;
}

translated translate_all(const translator& t, const std::vector<std::vector<std::int32_t>>& tokens,
                         translation_options how, const output_options& output) {
  how.begin = t.frame().begin;
  how.end = t.frame().end;
  std::vector<std::vector<std::int32_t>> full;
  for (const auto& text : tokens)
    if (!text.empty()) full.push_back(text);
  const auto start = std::chrono::steady_clock::now();
  counted_work progress(output, long(full.size()), "lines");
  const auto raw = translate(*t.model, full, how, [&](long done) { progress.show(done); });
  translated all;
  all.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (std::size_t i = 0, next = 0; i < tokens.size(); ++i) {
    all.raw.push_back(tokens[i].empty() ? translation{} : raw[next++]);
    all.said.push_back(spoken(t.target, all.raw.back().tokens));
  }
  return all;
}

nlohmann::ordered_json scores_of(const std::vector<std::string>& said, const std::vector<std::string>& meant) {
  const auto divided = [](const std::vector<std::string>& lines, bool lower) {
    std::vector<std::string> out;
    for (const std::string& line : lines) out.push_back(tokenised_13a(lower ? in_lower_case(line) : line));
    return out;
  };
  return {{"bleu", bleu(divided(said, false), divided(meant, false)).bleu},
          {"bleu_lower_case", bleu(divided(said, true), divided(meant, true)).bleu},
          {"chrf", chrf(said, meant)}};
}

}  // namespace qkv::cli
