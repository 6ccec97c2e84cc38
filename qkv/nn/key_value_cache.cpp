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

namespace {

tensor chosen(const tensor& from, std::span<const long> rows, long length) {
  const tensor to = tensor::uninitialized({long(rows.size()), from.dim(1), from.dim(2), from.dim(3)});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= from.dim(0)) {
      refuse("key_value_cache", "rows below " + std::to_string(from.dim(0)), std::to_string(rows[i]));
    }
    to.select(0, long(i)).slice(0, 0, length).copy_from(from.select(0, rows[i]).slice(0, 0, length));
  }
  return to;
}

}  // namespace

void key_value_cache::choose(std::span<const long> rows) {
  keys_ = chosen(keys_, rows, length_);
  values_ = chosen(values_, rows, length_);
}

}  // namespace qkv::nn
