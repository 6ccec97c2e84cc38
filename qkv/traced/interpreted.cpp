#include "qkv/traced/interpreted.h"

namespace qkv::traced {
namespace {

array_view view_of(const tensor& t) {
  const bool is_double = t.type() == dtype::float64;
  return {is_double ? static_cast<const void*>(t.data<double>()) : t.data<float>(), is_double};
}

}  // namespace

interpreter_memory& interpreter_memory::mine() {
  static thread_local interpreter_memory memory;
  return memory;
}

interpreted::interpreted(const program& p, std::vector<tensor> learned, pairing how)
    : plan_(make_schedule(p, how)), owner_(std::move(learned)) {
  for (const table& t : plan_.tables) entries_.push_back(t.entries());
  for (const named_array& a : plan_.arrays) arrays_.push_back(view_of(a.values));
  for (const tensor& t : owner_) learned_.push_back(view_of(t));
}

}  // namespace qkv::traced
