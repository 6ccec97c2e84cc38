#include "qkv/nn/token_mixer.h"

namespace qkv::nn {

const char* name_of(mixer_kind kind) {
  constexpr const char* names[] = {"attention", "uniform", "mlp", "convolution", "fourier", "linear_attention", "gru"};
  return names[std::size_t(kind)];
}

token_mixer make_token_mixer(mixer_kind kind, const mixer_sizes& sizes, initialisation& init) {
  switch (kind) {
    case mixer_kind::attention:
      break;
    case mixer_kind::uniform:
      return sizes.causal ? uniform_mixer(sizes, init, causal) : uniform_mixer(sizes, init, everything);
    case mixer_kind::mlp:
      return mlp_mixer(sizes, init);
    case mixer_kind::convolution:
      return convolution_mixer(sizes, init);
    case mixer_kind::fourier:
      return fourier_mixer(sizes);
    case mixer_kind::linear_attention:
      return linear_attention_mixer(sizes, init);
    case mixer_kind::gru:
      return gru_mixer(sizes, init);
  }
  refuse("make_token_mixer", "a mixer other than attention", "attention; make a multi_head_attention");
}

}  // namespace qkv::nn
