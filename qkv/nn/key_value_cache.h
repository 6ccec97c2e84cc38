// What one attention layer remembers of the tokens it has read, so that the next one costs a row and not a matrix.
#pragma once
#include <span>

#include "qkv/tensor/tensor.h"

namespace qkv::nn {

/// B sequences   T tokens   G key heads   D width of a head
class key_value_cache {
 public:
  key_value_cache() = default;
  key_value_cache(long sequences, long capacity, long key_heads, long width);

  long length() const { return length_; }
  long capacity() const { return keys_.dim(1); }

  /// k, v [B, T, G, D] follow what is there.   @throws shape_error where they do not fit or the cache is full
  void append(const tensor& k, const tensor& v);
  /// Forgets all but the first `length` tokens.
  void shorten(long length);

  /// Goes on with the sequences of these rows, which may repeat and may be fewer or more (beam search).
  void choose(std::span<const long> rows);

  tensor keys() const { return keys_.slice(1, 0, length_); }      ///< [B, length, G, D], a view
  tensor values() const { return values_.slice(1, 0, length_); }  ///< [B, length, G, D], a view

 private:
  tensor keys_, values_;
  long length_ = 0;
};

}  // namespace qkv::nn
