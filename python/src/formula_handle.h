// A formula as Python holds it.
#pragma once
#include <deque>
#include <memory>
#include <string>

#include "qkv/attention/formula.h"

namespace qkv::python {

struct formula_handle {
  std::deque<std::string> names;  ///< of learned tensors, where the formula points to them
  std::shared_ptr<const formula> rule;
};

}  // namespace qkv::python
