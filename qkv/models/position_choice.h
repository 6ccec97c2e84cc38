// How a model's configuration tells positions: vectors that are added to tokens, or scores that attention adds.
//
//   T tokens   C width   H heads
#pragma once
#include "qkv/autograd/attention.h"
#include "qkv/nn/initialisation.h"
#include "qkv/nn/positions.h"

namespace qkv {

struct position_choice {
  nn::position_kind kind = nn::position_kind::none;
  double base = 0;   ///< 0: 10000 for sinusoidal and rotary positions, 2 for Fourier
  long range = 0;    ///< buckets of relative positions, 0: 32; distances of local ones, 0: 16
  long context = 0;  ///< tokens of the longest sequence
  long width = 0;
  long heads = 1;

  double base_or_usual() const { return base > 0 ? base : kind == nn::position_kind::fourier ? 2 : 10000; }
  long range_or_usual() const { return range > 0 ? range : kind == nn::position_kind::local ? 16 : 32; }
  /// Whether they are sines of fixed wavelengths, in pairs with cosines.
  bool fixed() const { return kind == nn::position_kind::sinusoidal || kind == nn::position_kind::fourier; }
  /// Whether attention's scores or queries tell them, so that a mixer in its place cannot.
  bool of_attention() const { return kind >= nn::position_kind::rotary; }
};

/// @param seen  which tokens a token sees   @param what  the configuration's name, for the error
/// @throws shape_error that says which numbers do not fit together
void check(const position_choice& choice, sides seen, const char* what);

/// Vectors that are added to the tokens: [T, C] of position 0 .. T - 1; empty where there are none.
variable position_vectors(const position_choice& choice, nn::initialisation& init);

/// Which tokens a token sees, and the scores that tell where they are.
/// @param mask  as attention takes it   @param seen  whether it lets tokens after a token be seen
template <class Mask>
attention_parts parts_with_positions(const position_choice& choice, const Mask& mask, sides seen,
                                     nn::initialisation& init);

/// The table of local positions, [H, R] for tokens before and [H, 2 R - 1] for both sides.  Half of the heads begin at
/// one near place each, with half of their weight in a sequence that fills the context, as heads with ALiBi do: a number a place moves by no more than the
/// learning rate a step, which from zero takes thousands of steps to count among many tokens.
tensor near_places(const position_choice& choice, sides seen, nn::initialisation& init);

template <class Mask>
attention_parts parts_with_positions(const position_choice& choice, const Mask& mask, sides seen,
                                     nn::initialisation& init) {
  switch (choice.kind) {
    case nn::position_kind::alibi:
      return make_attention_parts(mask, alibi(alibi_slopes(choice.heads)));
    case nn::position_kind::relative: {
      const tensor table = init.normal({choice.heads, choice.range_or_usual()}, init.deviation);
      const bucket_rule rule{.bidirectional = seen == sides::both};
      return with_everything_learned(make_attention_parts(mask, relative_bias(table, rule)));
    }
    case nn::position_kind::local:
      return with_everything_learned(make_attention_parts(mask, local_bias(near_places(choice, seen, init), seen)));
    default:
      return make_attention_parts(mask);
  }
}

}  // namespace qkv
