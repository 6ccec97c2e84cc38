#include "qkv/nn/key_value_cache.h"

namespace qkv::nn {

key_value_cache::key_value_cache(long sequences, long capacity, long key_heads, long width)
    : keys_({sequences, capacity, key_heads, width}), values_({sequences, capacity, key_heads, width}) {}

void key_value_cache::append(const tensor& k, const tensor& v) {
  if (k.rank() != 4 || k.shape() != v.shape() || k.dim(0) != keys_.dim(0) || k.dim(2) != keys_.dim(2) ||
      k.dim(3) != keys_.dim(3)) {
    refuse("key_value_cache", "keys and values like " + to_string(keys_.shape()),
           to_string(k.shape()) + " and " + to_string(v.shape()));
  }
  const long after = length_ + k.dim(1);
  if (after > capacity()) {
    refuse("key_value_cache", "at most " + std::to_string(capacity()) + " tokens", std::to_string(after));
  }
  keys_.slice(1, length_, after).copy_from(k);
  values_.slice(1, length_, after).copy_from(v);
  length_ = after;
}

void key_value_cache::shorten(long length) {
  if (length < 0 || length > length_) {
    refuse("key_value_cache", "a length of at most " + std::to_string(length_), std::to_string(length));
  }
  length_ = length;
}

}  // namespace qkv::nn
