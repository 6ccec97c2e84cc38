// tape_node: what the tape keeps of one variable.  Values are not kept: a derivative holds those it needs.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "qkv/autograd/record.h"

namespace qkv {

struct tape_node {
  qkv::shape shape;
  std::shared_ptr<tensor> gradient;  // shared with others while it passes through sums; written to only when it is not
  const char* operation = nullptr;   // null for a leaf
  std::uint64_t order = 0;           // later operations have higher numbers
  bool spent = false;                // backward() has been here
  derivative how;
  std::vector<std::shared_ptr<tape_node>> inputs;  // null for constants

  tape_node() = default;
  tape_node(const tape_node&) = delete;
  tape_node& operator=(const tape_node&) = delete;
  ~tape_node();  // frees a graph of any depth without recursion

  gradient_sink::place place_to_write();
  void add(tensor more);
  void add_shared(const std::shared_ptr<tensor>& more);
};

}  // namespace qkv
