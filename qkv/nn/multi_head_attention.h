// Multi-head attention with any of the engine's parts.
//
//     nn::initialisation init(seed);
//     nn::multi_head_attention attend({.width = 128, .heads = 4}, init, causal & sliding_window(256), softcap(30));
//     variable y = attend(x);                 // tokens to each other
//     variable y = attend.over(x, memory);    // tokens to those of another text
#pragma once
#include "qkv/autograd/attention.h"
#include "qkv/nn/key_value_cache.h"
#include "qkv/nn/linear.h"

namespace qkv::nn {

struct attention_options {
  long width = 0;
  long heads = 1;
  long key_heads = 0;  ///< heads share keys in groups (Ainslie et al. 2023); 0: as many as heads
  bool biases = false;
  double out_deviation = 0.02;           ///< of the last product's weights
  const rotary_table* rotary = nullptr;  ///< turns queries and keys by their positions; copied
};

/// Queries, keys and values of one layer, as the engine takes them.
struct attention_inputs {
  tensor queries;  ///< [B, T, H, D]
  tensor keys;     ///< [B, T, G, D]
  tensor values;   ///< [B, T, G, D]
};

/// Keys and values of another text, made once for all that looks at it.
struct memory_links {
  tensor keys;    ///< [B, S, G, D]
  tensor values;  ///< [B, S, G, D]
};

/// Source: Vaswani et al. 2017, section 3.2.2.
///
/// Where sequences lie ragged in a batch (qkv/attention/layout.h), the calls take that as their last argument.
///
///   B sequences   T tokens   C width   H heads   G key heads   D = C / H
///   joint.weight [(H + 2 G) D, C]: the three projections as one product     out.weight [C, C]
struct multi_head_attention {
  joint_heads heads;
  linear joint, out;
  attention_parts parts;
  rotary_table rotary;

  multi_head_attention() = default;
  /// @param given  what qkv::attention takes after v; learned tensors among them become parameters of this module
  /// @throws shape_error where heads do not divide width, or key heads do not divide heads
  template <class... Parts>
  multi_head_attention(const attention_options& options, initialisation& init, const Parts&... given)
      : multi_head_attention(options, init, with_everything_learned(make_attention_parts(given...))) {}
  /// Parts whose learned tensors are parameters only where `given.learned` says so.
  multi_head_attention(const attention_options& options, initialisation& init, attention_parts given);

  /// residual + attention of x [B, T, C] to itself; an empty residual is left out.
  variable operator()(const variable& x, const variable& residual = {}, const sequences& ragged = {}) const;
  /// Attention of x [B, T, C] to memory [B, S, C].
  variable over(const variable& x, const variable& memory, const variable& residual = {},
                const sequences& ragged = {}) const;
  /// The same for a memory whose keys and values are made already; values only.
  variable over(const variable& x, const memory_links& memory, const variable& residual = {},
                const sequences& ragged = {}) const;
  memory_links memory_of(const variable& memory) const;
  /// How x [B, T, C] weighs memory [B, S, C]: [B, H, T, S].  For looking at; the model itself never makes them.
  tensor weights_over(const variable& x, const variable& memory) const;
  /// Attention of x [B, T, C] to the tokens in the cache and to itself; the cache grows.  Values only.
  variable continued(const variable& x, key_value_cache& cache, const variable& residual) const;

  attention_inputs inputs(const variable& x, long first_position = 0) const;
  /// How those queries weigh those keys: [B, H, T, T].  For looking at; the model itself never makes them.
  tensor weights(const attention_inputs& in) const;
  /// The parts for sequences that lie so.
  attention_parts parts_of(const sequences& ragged) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    joint.visit(prefix + "joint.", see);
    out.visit(prefix + "out.", see);
    for (std::size_t i = 0; i < parts.learned.size(); ++i) see(prefix + "parts." + std::to_string(i), parts.learned[i]);
  }

 private:
  tensor queries_of(const variable& x) const;  // [B, T, H, D], values only
};

}  // namespace qkv::nn
