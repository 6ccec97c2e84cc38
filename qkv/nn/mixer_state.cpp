#include "qkv/nn/mixer_state.h"

namespace qkv::nn {

void token_history::append(const tensor& x) {
  if (rows_.empty() || x.rank() != 3 || x.dim(0) != rows_.dim(0) || x.dim(2) != rows_.dim(2) ||
      length_ + x.dim(1) > rows_.dim(1)) {
    refuse("token_history", "tokens that fit after " + std::to_string(length_) + " of " + to_string(rows_.shape()),
           to_string(x.shape()));
  }
  rows_.slice(1, length_, length_ + x.dim(1)).copy_from(x);
  length_ += x.dim(1);
}

void mixer_state::lengthen(long tokens) {
  if (length_ + tokens > capacity_) {
    refuse("mixer_state", "at most " + std::to_string(capacity_) + " tokens", std::to_string(length_ + tokens));
  }
  length_ += tokens;
}

void mixer_state::shorten(long length) {
  if (length < 0 || length > length_) {
    refuse("mixer_state", "a length of at most " + std::to_string(length_), std::to_string(length));
  }
  if (!recurrent.empty() && length != length_) {
    if (length > 0) {
      refuse("mixer_state", "all or nothing to be forgotten of a recurrent state",
             std::to_string(length) + " of " + std::to_string(length_) + " tokens to be kept");
    }
    recurrent = {};
  }
  if (keys_and_values.length() > length) keys_and_values.shorten(length);
  if (history.length() > length) history.shorten(length);
  length_ = length;
}

}  // namespace qkv::nn
