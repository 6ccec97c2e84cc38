#include "qkv/autograd/embedding.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/embedding.h"

namespace qkv {

variable embedding(const variable& weight, const tensor& ids) {
  return record("embedding", embedding(weight.value(), ids), {weight},
                [ids](const tensor& dy, const gradient_sink& into) { embedding_backward_into(into.sum(0), dy, ids); });
}

}  // namespace qkv
