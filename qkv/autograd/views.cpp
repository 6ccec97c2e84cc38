#include "qkv/autograd/views.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/add.h"
#include "qkv/ops/concatenate.h"

namespace qkv {

variable reshape(const variable& x, shape s) {
  return record("reshape", x.value().reshape(std::move(s)), {x},
                [](const tensor&, const gradient_sink& into) { into.pass_on(0); });
}

variable slice(const variable& x, int axis, long from, long to) {
  return record("slice", x.value().slice(axis, from, to), {x},
                [axis, from, to](const tensor& dy, const gradient_sink& into) {
                  const tensor part = into.sum(0).slice(axis, from, to);
                  part.copy_from(add(part.to_contiguous(), dy.to_contiguous()));
                });
}

variable transpose(const variable& x, int a, int b) {
  return record("transpose", x.value().transpose(a, b), {x},
                [a, b](const tensor& dy, const gradient_sink& into) { into.add(0, dy.transpose(a, b).clone()); });
}

variable contiguous(const variable& x) {
  if (x.value().contiguous()) return x;
  return record("contiguous", x.value().to_contiguous(), {x},
                [](const tensor&, const gradient_sink& into) { into.pass_on(0); });
}

variable concatenate(std::span<const variable> parts, int axis) {
  std::vector<tensor> values;
  std::vector<long> sizes;
  for (const variable& part : parts) values.push_back(part.value()), sizes.push_back(part.dim(axis));
  return record("concatenate", concatenate(values, axis), parts,
                [sizes, axis](const tensor& dy, const gradient_sink& into) {
                  const auto gradients = split(dy, sizes, axis);
                  for (int i = 0; i < int(sizes.size()); ++i) {
                    if (into.wants(i)) into.add(i, gradients[std::size_t(i)].clone());
                  }
                });
}

}  // namespace qkv
