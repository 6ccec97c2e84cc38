#include "qkv/train/not_finite.h"

#include "qkv/autograd/finite_watch.h"

namespace qkv {
namespace {

/// The names of the parameters of which something holds, with commas between them.
template <class Holds>
std::string names_where(const std::vector<nn::named_parameter>& parameters, const Holds& holds) {
  std::string names;
  for (const auto& p : parameters)
    if (holds(p.value)) names += (names.empty() ? "" : ", ") + p.name;
  return names;
}

std::string in_words(const odd_operation& found, const std::vector<nn::named_parameter>& parameters) {
  std::string text = in_words(found.odd) + (found.in_backward ? ", a gradient of " : ", the outcome of ") +
                     found.operation + " (operation " + std::to_string(found.number) + " of the " +
                     (found.in_backward ? "backward" : "forward") + " pass)";
  const std::string read = names_where(parameters, [&](const variable& v) { return found.reads(v); });
  if (!read.empty()) return text + ", which reads " + read;
  const std::string before = names_where(parameters, [&](const variable& v) { return found.follows(v); });
  return before.empty() ? text : text + ", after " + before;
}

}  // namespace

std::string in_words(const not_finite_step& s) {
  std::string text = "step " + std::to_string(s.step) + ": expected finite numbers; found " + s.found;
  if (s.back_to < 0) return text + "; the weights are left as they were";
  return text + "; the weights are again those of step " + std::to_string(s.back_to);
}

std::string not_finite_weight(const learning_task& task) {
  for (const auto& p : task.parameters())
    if (const auto odd = first_not_finite(p.value.value())) return in_words(*odd) + ", the weights " + p.name;
  return "";
}

std::string where_not_finite(const learning_task& task, long first, long count, const training_options& options) {
  if (std::string weight = not_finite_weight(task); !weight.empty()) return weight;
  const auto parameters = task.parameters();
  for (const auto& p : parameters) p.value.clear_gradient();
  const finite_watch watch;
  for (long number = first; number < first + count && !watch.found(); ++number) {
    const auto loss = task.loss(number, mode_of_batch(number, options));
    if (!watch.found()) backward(loss.mean, tensor::full({}, count == 1 ? 1.0 : double(loss.targets)));
  }
  for (const auto& p : parameters) p.value.clear_gradient();
  return watch.found() ? in_words(*watch.found(), parameters) : "a loss or a gradient that is not, of finite parts";
}

}  // namespace qkv
