// qkv explain: one small attention head in numbers, from words to their blend.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/explain_walk.h"
#include "apps/cli/option_values.h"
#include "apps/cli/text_input.h"

namespace qkv::cli {
namespace {

constexpr double tolerance = 1e-5;  // of float32 on numbers of this size

// Lays the page out as it goes.
class page {
 public:
  page(const explain_options& options, const walk& w, look how) : options_(options), w_(w), how_(how) {
    for (const std::string& token : w.tokens) labels_.push_back(short_label(token, 14, how));
    for (const std::string& label : labels_) label_width_ = std::max(label_width_, columns_of(label));
  }

  std::string text(bool only_weights) {
    if (only_weights) {
      between_tokens(w_.weight, true);
      return text_;
    }
    title();
    inputs();
    projections();
    scores();
    weights();
    blend();
    verdict();
    return text_;
  }

 private:
  void line(const std::string& s = "") { text_ += s + "\n"; }
  void step(int number, const std::string& name, const std::string& formula) {
    line();
    line(bold(fmt::format("{}  {}", number, name), how_) + "   " + dim(formula, how_));
  }
  static std::string number(double x) {
    if (std::isinf(x)) return right_aligned("-inf", 7);
    return fmt::format("{:7.2f}", std::abs(x) < 0.005 ? 0.0 : x);
  }
  std::string numbers(const std::vector<double>& row) const {
    std::string all;
    for (const double x : row) all += number(x);
    return all;
  }
  std::string label(std::size_t token) const { return "   " + left_aligned(labels_[token], label_width_); }
  int columns_for_key() const { return std::max(7, label_width_ + 1); }

  // Matrices side by side, each under its name; rows are named by tokens, or not at all.
  void matrices(const std::vector<std::pair<std::string, const matrix*>>& all, bool by_token) {
    std::string names = std::string(3 + (by_token ? label_width_ : 0), ' ');
    for (const auto& [name, m] : all) names += "   " + left_aligned(name, int(7 * m->front().size()));
    line(names.substr(0, names.find_last_not_of(' ') + 1));
    for (std::size_t i = 0; i < all.front().second->size(); ++i) {
      std::string row = by_token ? label(i) : "   ";
      for (const auto& [name, m] : all) row += "   " + numbers((*m)[i]);
      line(row);
    }
  }
  void between_tokens(const matrix& m, bool with_shades) {
    const int column = columns_for_key();
    std::string names = std::string(3 + label_width_, ' ');
    for (const std::string& name : labels_) names += right_aligned(name, column);
    line(names);
    for (std::size_t i = 0; i < m.size(); ++i) {
      std::string row = label(i);
      for (const double x : m[i]) row += right_aligned(number(x), column);
      if (with_shades) {
        row += "   ";
        for (const double x : m[i]) row += shade(x, 4, how_);
      }
      line(row.substr(0, row.find_last_not_of(' ') + 1));
    }
  }

  void title() {
    std::string sentence;
    for (const std::string& name : labels_) sentence += (sentence.empty() ? "" : " ") + name;
    line(bold(sentence, how_));
    line(fmt::format("self-attention, one head: T = {} tokens, D = {} channels, numbers drawn with seed {}",
                     w_.tokens.size(), options_.width, options_.seed));
  }

  void inputs() {
    step(1, "Tokens and their embeddings", "x [T, D]: a vector for every word");
    matrices({{"x", &w_.embedding}}, true);
    step(2, "Three matrices that a model learns",
         "W_q, W_k, W_v [D, D]: what to look for, what to be found by, what to say");
    matrices({{"W_q", &w_.query_weight}, {"W_k", &w_.key_weight}, {"W_v", &w_.value_weight}}, false);
  }

  void projections() {
    step(3, "Query, key and value of every token", "q = x W_q    k = x W_k    v = x W_v");
    matrices({{"q", &w_.queries}, {"k", &w_.keys}, {"v", &w_.values}}, true);
  }

  void scores() {
    if (options_.similarity == "dot") {
      step(4, "Similarity: dot products", "q_i . k_j: a row a query, a column a key");
    } else if (options_.similarity == "cosine") {
      step(4, "Similarity: cosines", "q_i . k_j / (|q_i| |k_j|): a row a query, a column a key");
    } else {
      step(4, "Similarity: additive (Bahdanau)", "v . tanh(q_i + k_j): a row a query, a column a key");
      line("   v =" + numbers(w_.additive_weight));
    }
    between_tokens(w_.similarity, false);
    if (options_.similarity == "dot")
      step(5, "Scores: scaled",
           fmt::format("divided by sqrt(D) = {:.2f}, so that wide heads do not saturate the weights", 1 / w_.scale));
    else
      step(5, "Scores: as they are", "this similarity is not scaled");
    if (options_.mask == "causal") line("   causal mask: no token sees what comes after it, -inf");
    between_tokens(w_.score, false);
  }

  void weights() {
    const std::string& kind = options_.weighting;
    step(6, "Weights: " + kind,
         kind == "softmax"     ? "exp(score_j) / sum over j of exp(score_j): positive, every row sums to 1"
         : kind == "sparsemax" ? "max(score_j - threshold, 0), so that every row sums to 1; weak links get nothing"
                               : "the same for every token that is seen: the baseline");
    between_tokens(w_.weight, true);
    line(fmt::format("   a token keeps {:.0f}% of the weight for itself on average; evenly shared it would be {:.0f}%",
                     100 * w_.diagonal(), 100 * even_share()));
  }

  double even_share() const {
    double sum = 0;
    for (const auto& row : w_.score)
      sum += 1.0 / double(std::count_if(row.begin(), row.end(), [](double s) { return !std::isinf(s); }));
    return sum / double(w_.score.size());
  }

  void blend() {
    step(7, "The blend", "o_i = sum over j of weight_ij v_j");
    matrices({{"o", &w_.out}}, true);
    for (std::size_t i = 0; i < w_.tokens.size() && i < 8; ++i) {
      std::string sum = label(i) + " = ";
      bool first = true;
      for (std::size_t j = 0; j < w_.tokens.size(); ++j)
        if (w_.weight[i][j] > 0) {
          sum += fmt::format("{}{:.2f} v({})", first ? "" : " + ", w_.weight[i][j], labels_[j]);
          first = false;
        }
      line(sum);
    }
  }

  void verdict() {
    line();
    line(fmt::format("Checked: the double-precision oracle differs by at most {:.0e}.", w_.oracle_difference));
    if (w_.fused)
      line(fmt::format("Checked: attention(q, k, v{}), fused in float32, differs by at most {:.0e}.", parts(),
                       w_.engine_difference));
    else
      line("The fused engine does not do this yet: " + w_.refusal);
  }

  std::string parts() const {
    std::string all;
    if (options_.similarity != "dot") all += ", " + options_.similarity;
    if (options_.mask != "none") all += ", " + options_.mask;
    if (options_.weighting != "softmax") all += ", " + options_.weighting;
    return all;
  }

  const explain_options& options_;
  const walk& w_;
  look how_;
  std::vector<std::string> labels_;
  int label_width_ = 1;
  std::string text_;
};

nlohmann::ordered_json as_json(const explain_options& options, const walk& w) {
  matrix score = w.score;  // JSON has no infinity: null stands for a link that the mask forbids
  nlohmann::ordered_json scores = nlohmann::ordered_json::array();
  for (const auto& row : score) {
    scores.push_back(nlohmann::ordered_json::array());
    for (const double s : row)
      scores.back().push_back(std::isinf(s) ? nlohmann::ordered_json() : nlohmann::ordered_json(s));
  }
  nlohmann::ordered_json result{{"tokens", w.tokens},
                                {"similarity_kind", options.similarity},
                                {"mask", options.mask},
                                {"weighting", options.weighting},
                                {"seed", options.seed},
                                {"embedding", w.embedding},
                                {"query_weight", w.query_weight},
                                {"key_weight", w.key_weight},
                                {"value_weight", w.value_weight},
                                {"queries", w.queries},
                                {"keys", w.keys},
                                {"values", w.values},
                                {"similarity", w.similarity},
                                {"scale", w.scale},
                                {"scores", scores},
                                {"weights", w.weight},
                                {"out", w.out},
                                {"oracle_difference", w.oracle_difference},
                                {"fused", w.fused}};
  if (options.similarity == "additive") result["additive_weight"] = w.additive_weight;
  if (w.fused) result["engine_difference"] = w.engine_difference;
  return result;
}

void run_explain(explain_options options, const output_options& output) {
  if (options.text == standard_input) options.text = text_from_standard_input("a few words");
  checked_text("explain", options.text);
  const walk w = take_walk(options);
  if (w.tokens.size() > 24)
    throw usage_error(
        fmt::format("explain: expected at most 24 words, so that a page holds them; found {}", w.tokens.size()));
  if (output.json)
    fmt::print("{}\n", as_json(options, w).dump(1));
  else
    fmt::print("{}", page(options, w, output.look_of(stdout)).text(output.quiet));
  if (w.oracle_difference > tolerance || (w.fused && w.engine_difference > tolerance))
    throw std::runtime_error(fmt::format(
        "the check failed: expected differences below {:.0e}; found {:.1e} to the oracle and {:.1e} to the engine",
        tolerance, w.oracle_difference, w.engine_difference));
}

}  // namespace

void add_explain(CLI::App& program) {
  CLI::App& command =
      add_command(program, "explain", "Walk through one small attention head in numbers, and check every step",
                  "qkv explain \"he likes school\" --mask causal");
  const auto options = std::make_shared<explain_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("text", options->text, "A few words, each of them a token; - for standard input")->required();
  command.add_option("--mask", options->mask, "Which links exist: none (all), causal (nothing that comes after)")
      ->check(one_of({"none", "causal"}))
      ->capture_default_str();
  command.add_option("--weighting", options->weighting, "From scores to weights: softmax, sparsemax or uniform")
      ->check(one_of({"softmax", "sparsemax", "uniform"}))
      ->capture_default_str();
  command.add_option("--similarity", options->similarity, "Of a query and a key: dot, cosine or additive")
      ->check(one_of({"dot", "cosine", "additive"}))
      ->capture_default_str();
  command.add_option("--width", options->width, "Channels of the head")->check(CLI::Range(1, 8))->capture_default_str();
  command.add_option("--seed", options->seed, "Of the random numbers")
      ->check(a_seed())
      ->capture_default_str();
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run_explain(*options, *output); });
}

}  // namespace qkv::cli
