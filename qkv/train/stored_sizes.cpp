#include "qkv/train/stored_sizes.h"

namespace qkv {

void check_stored(const model_reader& file, const position_choice& p, nn::mixer_kind mixer, long taps,
                  const char* what) {
  if (p.kind == nn::position_kind::learned) file.weight("positions.weight", {p.context, p.width});
  if (p.fixed() && double(p.context) * double(p.width) > double(1 << 24))
    refuse(what, "a context and a width whose product is at most 2^24",
           std::to_string(p.context) + " and " + std::to_string(p.width));
  constexpr long longest = 1L << 20;
  if (p.context > longest && p.kind != nn::position_kind::learned)
    refuse(what, "a context of at most " + std::to_string(longest) + " tokens", std::to_string(p.context));
  if (mixer == nn::mixer_kind::mlp)
    file.weight("blocks.0.mixer.up.weight", {nn::mlp_mixer::hidden_for_each * p.context, p.context});
  if (mixer == nn::mixer_kind::convolution) file.weight("blocks.0.mixer.convolution.weight", {taps, p.width});
}

void check_stored(const model_reader& file, const encoder_config& c, const char* what) {
  if (c.vocabulary > 0) file.weight("tokens.weight", {c.vocabulary, c.width});
  if (c.patch_width > 0) file.weight("patches.weight", {c.width, c.patch_width});
  if (c.frame_width > 0) file.weight("frames.weight", {c.width, c.frame_width});
  file.weight("blocks." + std::to_string(c.layers - 1) + ".feed_forward.down.weight", {c.width, c.hidden_width()});
  check_stored(file, c.told_positions(), c.mixer, c.taps, what);
}

}  // namespace qkv
