// What ready-made masks do once, before any link is asked about.
#include "qkv/attention/mask.h"

#include "qkv/tensor/visit.h"

namespace qkv::detail {

table table_of_flags(const tensor& flags) {
  std::vector<std::int64_t> values;
  const tensor whole = flags.to_contiguous();
  visit_type(whole.type(), [&]<class T>(T) {
    for (const T flag : whole.values<T>()) {  // asked in the tensor's own type: 0.5 is a flag too
      if (std::isnan(double(flag))) refuse("dense_mask", "flags that are numbers", "NaN");
      values.push_back(double(flag) != 0);
    }
  });
  return table(flags.dim(0) * flags.dim(1) * flags.dim(2), flags.shape(), std::move(values));
}

}  // namespace qkv::detail
