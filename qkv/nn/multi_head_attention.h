// Multi-head attention with any of the engine's parts.
//
//     nn::initialisation init(seed);
//     nn::multi_head_attention attend({.width = 128, .heads = 4}, init, causal & sliding_window(256), softcap(30));
//     variable y = attend(x);                 // tokens to each other
//     variable y = attend.over(x, memory);    // tokens to those of another text
#pragma once
#include "qkv/autograd/attention.h"
#include "qkv/nn/linear.h"
#include "qkv/nn/mixer_state.h"

namespace qkv::nn {

/// Which of the three projections are one matrix: none of them; those of queries and keys; all three.  Without them a
/// token could not ask for something else than it offers, nor give something else than it is found by.
enum class shared_projections { none, query_key, all };

struct attention_options {
  long width = 0;
  long heads = 1;
  long key_heads = 0;  ///< heads share keys in groups (Ainslie et al. 2023); 0: as many as heads
  bool biases = false;
  double out_deviation = 0.02;           ///< of the last product's weights
  const rotary_table* rotary = nullptr;  ///< turns queries and keys by their positions; copied
  shared_projections shared = shared_projections::none;
  /// Queries see so many latest tokens, their own included, through a filter a channel: a causal convolution before
  /// their projection, which at first lets the token itself pass (So et al. 2021, Primer, arXiv:2109.08668, filters
  /// after it).  0: the token alone.
  long query_context = 0;
  /// Keys adapt to the query that looks at them, in a second pass: what a query found in the first one weighs every
  /// channel of the keys, k_ij = k_j * 2 sigmoid(A found_i), which the engine sees as a weight on the query, before
  /// rotary positions turn it.  Twice the cost of attention.
  bool adapted_keys = false;
};

/// Queries, keys and values of one layer, as the engine takes them.
struct attention_inputs {
  tensor queries;         ///< [B, T, H, D]; with adapted keys those of the second pass
  tensor keys;            ///< [B, T, G, D]
  tensor values;          ///< [B, T, G, D]
  attention_parts parts;  ///< how they are blended
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
///   joint.weight [(H + 2 G) D, C]: the three projections as one product; shared ones are there once
///   out.weight [C, C]   context.weight [K, C] and adapt.weight [C, C] where the options ask for them
struct multi_head_attention {
  joint_heads heads;
  linear joint, out;
  attention_parts parts;
  rotary_table rotary;
  shared_projections shared = shared_projections::none;
  variable context;  ///< [K, C], or empty
  linear adapt;      ///< [C, C], or empty

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
  /// @throws shape_error with a query context, of which a token by itself knows nothing
  variable over(const variable& x, const memory_links& memory, const variable& residual = {},
                const sequences& ragged = {}) const;
  memory_links memory_of(const variable& memory) const;
  /// How x [B, T, C] weighs memory [B, S, C]: [B, H, T, S].  For looking at; the model itself never makes them.
  tensor weights_over(const variable& x, const variable& memory) const;
  mixer_state make_state(long sequences, long capacity) const;
  /// Attention of x [B, T, C] to the tokens that the state has read and to itself; the state grows.  Values only.
  variable continued(const variable& x, mixer_state& state, const variable& residual) const;
  /// The same with keys and values alone remembered.   @throws shape_error with a query context, which needs more
  variable continued(const variable& x, key_value_cache& cache, const variable& residual) const;

  /// What the heads look with and look at, for x [B, T, C].  Values only.
  attention_inputs inputs(const variable& x) const;
  /// How those queries weigh those keys: [B, H, T, T].  For looking at; the model itself never makes them.
  tensor weights(const attention_inputs& in) const;
  /// The parts for sequences that lie so.
  attention_parts parts_of(const sequences& ragged) const;

  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    joint.visit(prefix + "joint.", see);
    out.visit(prefix + "out.", see);
    if (!context.empty()) see(prefix + "context.weight", context);
    if (!adapt.weight.empty()) adapt.visit(prefix + "adapt.", see);
    for (std::size_t i = 0; i < parts.learned.size(); ++i) see(prefix + "parts." + std::to_string(i), parts.learned[i]);
  }

 private:
  struct projections {
    variable q, k, v;  ///< [B, T, H, D], [B, S, G, D] twice
    long first = -1;   ///< position of the first query, where positions still have to turn them
  };
  /// Queries from one text, keys and values from another, or the same.
  projections project(const variable& from, const variable& memory) const;
  /// Rotary positions that count from `first`: of keys now, of queries when they meet them.
  void turn(projections& p, long first) const;
  variable turned(const variable& q, long first) const;
  /// The first head of keys and of values in the joint product.
  long first_key() const { return shared == shared_projections::none ? heads.heads : 0; }
  long first_value() const { return shared == shared_projections::all ? 0 : first_key() + heads.key_heads; }
  /// Some heads of the joint product of x: [B, T, count, D].
  variable some_heads(const variable& x, long first, long count) const;
  /// Whether no option asks for more than the joint product and one attention.
  bool plain() const { return context.empty() && adapt.weight.empty() && shared == shared_projections::none; }
  void need_no_context(const char* place) const;
  /// The tokens as queries see them.
  variable query_input(const variable& x, const sequences& ragged) const;
  /// Queries to which the keys have adapted, given what they found.
  variable adapted(const variable& q, const variable& found) const;
  /// Queries as they meet the keys: adapted, where the options say so.
  variable meeting(const projections& p, const attention_parts& how) const;
  /// [B, T, H D]
  variable blend(const projections& p, const attention_parts& how) const;
  variable continued_from(const variable& from, const variable& x, key_value_cache& cache,
                          const variable& residual) const;
};

}  // namespace qkv::nn
