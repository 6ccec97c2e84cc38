// qkv evaluate --images, --sounds, --labelled: how often a classifier is right, and what it takes for what.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/cli/counted_work.h"
#include "apps/cli/differences.h"
#include "apps/cli/evaluate_flags.h"
#include "apps/cli/lessons.h"
#include "qkv/train/classification.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

/// What happened to the examples of one class.
struct class_row {
  std::string name;
  long examples = 0, right = 0, answers = 0;  // answers: how often it was said, rightly or not
  long mistaken_for = -1, mistakes = 0;       // the commonest mistake

  double recall() const { return examples > 0 ? double(right) / double(examples) : 0; }
  double precision() const { return answers > 0 ? double(right) / double(answers) : 0; }
};

std::vector<class_row> rows_of(const tensor& confusion, const std::vector<std::string>& names) {
  const long K = confusion.dim(0);
  std::vector<class_row> rows;
  for (long k = 0; k < K; ++k) {
    class_row row{.name = names[std::size_t(k)], .right = confusion.at<std::int32_t>(k, k)};
    for (long j = 0; j < K; ++j) {
      const long times = confusion.at<std::int32_t>(k, j);
      row.examples += times;
      row.answers += confusion.at<std::int32_t>(j, k);
      if (j != k && times > row.mistakes) row.mistaken_for = j, row.mistakes = times;
    }
    rows.push_back(row);
  }
  return rows;
}

int widest_of(const std::vector<class_row>& rows, look how) {
  int widest = 5;
  for (const class_row& row : rows) widest = std::max(widest, columns_of(short_label(row.name, 24, how)));
  return widest;
}

void print_table(const std::vector<class_row>& rows, look how) {
  const int widest = widest_of(rows, how);
  fmt::print("{}  examples   found   right when said  mistaken most for\n", left_aligned("class", widest));
  for (const class_row& row : rows)
    fmt::print(
        "{}  {:>8}  {:5.1f}%           {:5.1f}%  {}\n", left_aligned(short_label(row.name, 24, how), widest),
        row.examples, 100 * row.recall(), 100 * row.precision(),
        row.mistakes > 0
            ? fmt::format("{}, {} times", short_label(rows[std::size_t(row.mistaken_for)].name, 24, how), row.mistakes)
            : "none");
}

/// A row a class, a column what it was taken for.
void print_confusion(const tensor& confusion, const std::vector<class_row>& rows, look how) {
  const int widest = widest_of(rows, how);
  fmt::print("\ntaken for, in percent of the row\n{}", std::string(std::size_t(widest + 2), ' '));
  for (std::size_t k = 0; k < rows.size(); ++k) fmt::print("{:>5}", k + 1);
  fmt::print("\n");
  for (std::size_t k = 0; k < rows.size(); ++k) {
    std::string line = left_aligned(short_label(rows[k].name, 24, how), widest) + fmt::format(" {:<2}", k + 1);
    for (std::size_t j = 0; j < rows.size(); ++j) {
      const double share =
          rows[k].examples > 0 ? double(confusion.at<std::int32_t>(long(k), long(j))) / double(rows[k].examples) : 0;
      line += share > 0 ? shade(share, 1, how) + fmt::format("{:>4.0f}", 100 * share) : "    .";
    }
    fmt::print("{}\n", line);
  }
}

nlohmann::ordered_json as_json(const std::vector<class_row>& rows) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const class_row& row : rows)
    all.push_back(
        {{"class", row.name}, {"examples", row.examples}, {"recall", row.recall()}, {"precision", row.precision()}});
  return all;
}

/// What is given is what the model reads, no less and no more.
void check_senses(const evaluate_flags& flags, const classifier_senses& senses) {
  const std::tuple<const char*, bool, bool> parts[] = {
      {"--labelled", senses.text.has_value(), !flags.labelled.empty()},
      {"--images", senses.picture.has_value(), !flags.images.empty()},
      {"--sounds", senses.sound.has_value(), !flags.sounds.empty()}};
  std::vector<std::string> read, given;
  for (const auto& [option, is_read, is_given] : parts) {
    if (is_read) read.push_back(option);
    if (is_given) given.push_back(option);
  }
  if (read != given)
    throw usage_error(fmt::format("expected {}, which this model reads; found {}", fmt::join(read, " and "),
                                  fmt::join(given, " and ")));
}

/// The examples that the options name, read as the model reads.
lessons examples_for(const evaluate_flags& flags, const classifier_senses& senses, long context) {
  train_flags data;
  data.sizes.context = context;
  data.images = flags.images;
  data.sounds = flags.sounds;
  data.labelled = flags.labelled;
  data.classes = flags.classes;
  data.skip_bad_lines = flags.skip_bad_lines;
  check_senses(flags, senses);
  if (senses.picture) data.picture_size = senses.picture->height, data.patch = senses.picture->side;
  lessons all = read_lessons(data, &senses);
  if (all.senses.classes.size() != senses.classes.size())
    throw usage_error(fmt::format("expected examples of the model's {} classes ({}, ...); found {} ({}, ...)",
                                  senses.classes.size(), senses.classes.front(), all.senses.classes.size(),
                                  all.senses.classes.front()));
  if (all.named && all.senses.classes != senses.classes)
    throw usage_error(fmt::format("expected the classes that this model tells apart; found {} (--classes names them in "
                                  "their order, where the training had it)",
                                  differences_in_words(senses.classes, all.senses.classes)));
  if (all.senses.picture != senses.picture)
    throw usage_error(
        fmt::format("--images: expected pictures of {} x {} with {} channels, as this model reads them; "
                    "found {} x {} with {}",
                    senses.picture->height, senses.picture->width, senses.picture->channels, all.senses.picture->height,
                    all.senses.picture->width, all.senses.picture->channels));
  return all;
}

/// Adds another score of so many examples to one of so many.
void add(classification_score& score, long count, const classification_score& more, long more_count) {
  const double share = double(count) / double(count + more_count);
  score.loss = share * score.loss + (1 - share) * more.loss;
  score.accuracy = share * score.accuracy + (1 - share) * more.accuracy;
  const auto sums = score.confusion.values<std::int32_t>(), others = more.confusion.values<std::int32_t>();
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += others[i];
}

/// The examples to test on, and where everything is asked for those to validate on and to learn from too.
classification_score total(const classifier& c, const lessons& all, bool everything, const output_options& output) {
  std::vector<const labelled_examples*> parts{all.test.get()};
  if (everything) parts.insert(parts.end(), {all.validate.get(), all.learn.get()});
  long count = 0, done_before = 0;
  for (const labelled_examples* part : parts) count += part->size();
  counted_work progress(output, count, "examples");
  classification_score score;
  for (const labelled_examples* part : parts) {
    if (part->size() == 0) continue;
    const auto show = [&](long done) { progress.show(done_before + done); };
    const classification_score own = tested(c.model, *part, 0, show);
    if (done_before == 0)
      score = own;
    else
      add(score, done_before, own, part->size());
    done_before += part->size();
  }
  return score;
}

}  // namespace

void evaluate_classifier(const evaluate_flags& flags, const output_options& output) {
  const classifier c = load_classifier(model_file_at(flags.model));
  const lessons all = examples_for(flags, c.senses, c.model.config().context);
  const classification_score score = total(c, all, flags.all, output);
  const auto rows = rows_of(score.confusion, c.senses.classes);
  long examples = 0;
  for (const class_row& row : rows) examples += row.examples;
  if (output.json) {
    nlohmann::ordered_json result{{"model", flags.model},       {"kind", "classifier"}, {"examples", examples},
                                  {"accuracy", score.accuracy}, {"loss", score.loss},   {"classes", as_json(rows)}};
    for (long k = 0; k < score.confusion.dim(0); ++k) {
      const auto row = score.confusion.select(0, k).values<std::int32_t>();
      result["confusion"].push_back(std::vector<std::int32_t>(row.begin(), row.end()));
    }
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet) return fmt::print("{:.4f}\n", score.accuracy);
  const look how = output.look_of(stdout);
  fmt::print("{:.2f}% of {} examples are right; loss {:.4f} nats\n\n", 100 * score.accuracy, examples, score.loss);
  print_table(rows, how);
  constexpr std::size_t fit = 20;
  if (rows.size() <= fit) print_confusion(score.confusion, rows, how);
}

}  // namespace qkv::cli
