// Some of a set of examples, so that one set can be divided: to learn from, and to validate on.
#pragma once
#include <memory>
#include <vector>

#include "qkv/train/labelled_examples.h"

namespace qkv {

class chosen_examples : public labelled_examples {
 public:
  /// @param which  places in `all`, in the order that they have here
  chosen_examples(std::shared_ptr<const labelled_examples> all, std::vector<long> which)
      : all_(std::move(all)), which_(std::move(which)) {}

  long size() const override { return long(which_.size()); }
  std::int32_t target(long index) const override { return all_->target(which_[std::size_t(index)]); }
  encoder_example example(long index) const override { return all_->example(which_[std::size_t(index)]); }
  encoder_example changed(long index, random_stream random, std::uint64_t draw) const override {
    return all_->changed(which_[std::size_t(index)], random, draw);
  }

 private:
  std::shared_ptr<const labelled_examples> all_;
  std::vector<long> which_;
};

struct divided_examples {
  std::unique_ptr<labelled_examples> learn, validate;
};

/// Keeps a share of every class apart to validate on, always the same: its second example and every fiftieth after it,
/// or every tenth in a class of fewer than five hundred.  A class of one example is only learned from.
divided_examples with_some_kept_apart(std::shared_ptr<const labelled_examples> all);

}  // namespace qkv
