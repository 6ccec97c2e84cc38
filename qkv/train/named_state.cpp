#include "qkv/train/named_state.h"

#include <algorithm>
#include <cmath>

namespace qkv {

void load_named(const named_tensors& tensors, const std::string& name, const tensor& into) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
  if (found == tensors.end()) throw file_error("training state: expected a tensor named " + name + "; found none");
  if (found->second.shape() != into.shape()) {
    throw file_error("training state: expected " + name + " of shape " + to_string(into.shape()) + "; found " +
                     to_string(found->second.shape()));
  }
  into.copy_from(found->second);
}

void load_finite(const named_tensors& tensors, const std::string& name, const tensor& into) {
  load_named(tensors, name, into);
  if (const std::string found = not_finite_in_words(into); !found.empty())
    throw file_error("training state: expected finite numbers as " + name + "; found " + found +
                     "; go on from an earlier checkpoint, or begin anew");
}

std::string not_finite_in_words(const tensor& numbers) {
  const tensor in_order = numbers.to_contiguous();
  const auto odd = std::ranges::count_if(in_order.values<float>(), [](float x) { return !std::isfinite(x); });
  return odd == 0 ? "" : std::to_string(odd) + " of " + std::to_string(numbers.size()) + " that are NaN or infinite";
}

}  // namespace qkv
