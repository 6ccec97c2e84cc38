// What a workspace holds: plans and growing blocks of memory.
#pragma once
#include "qkv/attention/plan.h"
#include "qkv/base/memory.h"

namespace qkv {

/// Memory that only grows.
class growing_memory {
 public:
  /// Room for n elements, aligned to 64; contents undefined.
  template <class T>
  T* get(std::size_t n) {
    if (n * sizeof(T) > bytes_) {
      bytes_ = 0;  // until there is memory: an allocation that throws leaves nothing behind
      block_.reset();
      block_ = allocate_memory(n * sizeof(T));
      bytes_ = n * sizeof(T);
    }
    return reinterpret_cast<T*>(block_.get());
  }

 private:
  std::shared_ptr<std::byte[]> block_;
  std::size_t bytes_ = 0;
};

struct workspace::state {
  attention_plan forward_plan, backward_plan;
  struct item {
    long sequence, head, block;
  };
  std::vector<item> items, packing;
  std::vector<long> first_block;      // of every sequence, counted over all sequences
  std::vector<long> first_key_block;  // the same, where both axes are packed in blocks
  growing_memory packed, finite, scratch, gradients, heads;
  growing_memory prepared_queries, prepared_keys, squares;  // see prepare.h
  growing_memory cuts, means;
  tile_counts visited;
};

}  // namespace qkv
