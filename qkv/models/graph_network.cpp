#include "qkv/models/graph_network.h"

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/loss.h"
#include "qkv/autograd/views.h"
#include "qkv/models/config_sizes.h"

namespace qkv {
namespace {

nn::linear layer(long from, long to, nn::initialisation& init) {
  return nn::linear(from, to, true, init, nn::glorot(from, to));
}

attention_parts parts_for(neighbour_blend blend) {
  if (blend == neighbour_blend::none) return {};
  return blend == neighbour_blend::mean ? make_attention_parts(uniform) : make_attention_parts();
}

}  // namespace

void check(const graph_network_config& c) {
  need_sizes("graph_network", {{"features", c.features},
                               {"classes", c.classes},
                               {"width", c.width},
                               {"heads", c.heads},
                               {"layers", c.layers},
                               {"hidden", c.hidden_width()}});
  if (c.width % c.heads != 0)
    refuse("graph_network", "a width that heads divide", std::to_string(c.width) + " and " + std::to_string(c.heads));
}

graph_block::graph_block(const graph_network_config& c, nn::initialisation& init)
    : heads(c.heads), blend(parts_for(c.blend)) {
  if (blend.formula)
    for (nn::linear* one : {&query, &key, &value, &out}) *one = layer(c.width, c.width, init);
  for (nn::norm& one : norms) one = nn::norm(nn::norm_kind::layer_norm, c.width, true);
  feed_forward = nn::feed_forward(nn::feed_forward_kind::gelu, c.width, c.hidden_width(), true, init,
                                  nn::glorot(c.hidden_width(), c.width));
}

variable graph_block::aggregate(const variable& x, const graphs& edges) const {
  const long nodes = x.dim(0), width = x.dim(1);
  const auto by_head = [&](const variable& y) { return reshape(y, {1, nodes, heads, width / heads}); };
  const variable found = graph_attention(by_head(query(x)), by_head(key(x)), by_head(value(x)), edges, blend);
  return out(reshape(found, {nodes, width}));
}

variable graph_block::operator()(const variable& x, const graphs& edges) const {
  const variable told = norms[0](blend.formula ? add(x, aggregate(x, edges)) : x);
  return norms[1](update(told));
}

graph_network::graph_network(const graph_network_config& config, std::uint64_t seed)
    : graph_network(config, nn::initialisation(seed)) {}

graph_network::graph_network(const graph_network_config& c, nn::initialisation init) : config_(c) {
  check(c);
  embed_ = layer(c.features, c.width, init);
  for (long i = 0; i < c.layers; ++i) blocks_.emplace_back(c, init);
  head_ = layer(c.width, c.classes, init);
}

variable graph_network::logits(const tensor& features, const graph& edges) const {
  if (features.rank() != 2 || features.dim(1) != config_.features)
    refuse("graph_network", "features [N, " + std::to_string(config_.features) + "]", to_string(features.shape()));
  if (edges.queries() != features.dim(0) || edges.keys() != features.dim(0))
    refuse("graph_network", "a graph of " + std::to_string(features.dim(0)) + " nodes",
           std::to_string(edges.queries()) + " and " + std::to_string(edges.keys()));
  variable x = embed_(variable(features));
  for (const graph_block& block : blocks_) x = block(x, edges);
  return head_(x);
}

variable graph_network::loss(const tensor& features, const graph& edges, const tensor& targets) const {
  return cross_entropy(logits(features, edges), targets);
}

}  // namespace qkv
