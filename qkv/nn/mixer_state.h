// What a token mixer remembers of the tokens it has read, so that the next ones need not begin at the first.
#pragma once
#include "qkv/nn/key_value_cache.h"

namespace qkv::nn {

/// Rows of tokens that have been read.   B sequences   T tokens   C width
class token_history {
 public:
  token_history() = default;
  token_history(long sequences, long capacity, long width) : rows_({sequences, capacity, width}) {}

  bool empty() const { return rows_.empty(); }
  long length() const { return length_; }
  /// x [B, T, C] follows what is there.   @throws shape_error where it does not fit
  void append(const tensor& x);
  void shorten(long length) { length_ = length; }
  /// The last `count` tokens, fewer where there are fewer: [B, count, C], a view.
  tensor latest(long count) const { return rows_.slice(1, std::max(0L, length_ - count), length_); }

 private:
  tensor rows_;
  long length_ = 0;
};

/// The state of one mixer: the parts that its kind has use for.
class mixer_state {
 public:
  mixer_state() = default;
  explicit mixer_state(long capacity) : capacity_(capacity) {}

  long length() const { return length_; }
  long capacity() const { return capacity_; }
  /// Counts `tokens` more.   @throws shape_error where there are more than the capacity
  void lengthen(long tokens);
  /// Forgets all but the first `length` tokens.
  /// @throws shape_error for a part of what a recurrent state has read: it holds no moment but the last
  void shorten(long length);

  key_value_cache keys_and_values;  ///< attention
  token_history history;            ///< of those that look at earlier tokens again
  tensor recurrent;                 ///< linear attention, GRU; empty before the first token

 private:
  long length_ = 0, capacity_ = 0;
};

}  // namespace qkv::nn
