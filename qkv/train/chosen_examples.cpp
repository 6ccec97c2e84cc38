#include "qkv/train/chosen_examples.h"

#include <map>

namespace qkv {

divided_examples with_some_kept_apart(std::shared_ptr<const labelled_examples> all) {
  constexpr long few = 500, one_in_many = 50, one_in_few = 10;
  std::map<std::int32_t, long> count, seen;
  for (long i = 0; i < all->size(); ++i) ++count[all->target(i)];
  std::vector<long> learn, validate;
  for (long i = 0; i < all->size(); ++i) {
    const std::int32_t target = all->target(i);
    const long one_in = count[target] < few ? one_in_few : one_in_many;
    (seen[target]++ % one_in == 1 ? validate : learn).push_back(i);
  }
  return {std::make_unique<chosen_examples>(all, std::move(learn)),
          std::make_unique<chosen_examples>(all, std::move(validate))};
}

}  // namespace qkv
