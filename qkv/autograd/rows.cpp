#include "qkv/autograd/rows.h"

#include <vector>

#include "qkv/autograd/record.h"
#include "qkv/ops/embedding.h"
#include "qkv/ops/segment_mean.h"

namespace qkv {

variable gather_rows(const variable& x, const tensor& rows) {
  return record("gather_rows", embedding(x.value(), rows), {x}, [rows](const tensor& dy, const gradient_sink& into) {
    embedding_backward_into(into.sum(0), dy, rows);
  });
}

variable segment_mean(const variable& x, std::span<const long> offsets) {
  return record("segment_mean", segment_mean(x.value(), offsets), {x},
                [offsets = std::vector(offsets.begin(), offsets.end())](const tensor& dy, const gradient_sink& into) {
                  const auto dx = into.to(0);
                  segment_mean_backward_into(dx.memory, dy, offsets, dx.write);
                });
}

}  // namespace qkv
