#include "qkv/train/named_state.h"

#include <algorithm>

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

}  // namespace qkv
