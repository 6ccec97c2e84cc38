#include "qkv/nn/recurrent.h"

#include <algorithm>
#include <cmath>

#include "qkv/autograd/views.h"

namespace qkv::nn {

recurrent_layer::recurrent_layer(recurrent_cell which, long width, long units, bool with_biases, bool from_the_end,
                                 initialisation& init)
    : cell(which),
      reversed(from_the_end),
      input(width, gates_of(which) * units, with_biases, init, 1 / std::sqrt(3.0 * double(units))),
      hidden(units, gates_of(which) * units, with_biases, init, 1 / std::sqrt(3.0 * double(units))) {
  if (which == recurrent_cell::lstm && with_biases) input.bias.value().slice(0, units, 2 * units).fill(1);
}

recurrent::recurrent(const recurrent_config& c, initialisation& init) : bidirectional(c.bidirectional) {
  if (c.layers < 1) refuse("recurrent", "at least one layer", std::to_string(c.layers));
  if (c.units < 1) refuse("recurrent", "at least one unit", std::to_string(c.units));
  for (long i = 0; i < c.layers; ++i) {
    const long width = i == 0 ? c.width : c.units * (c.bidirectional ? 2 : 1);
    layers.emplace_back(c.cell, width, c.units, c.biases, false, init);
    if (c.bidirectional) layers.emplace_back(c.cell, width, c.units, c.biases, true, init);
    if (i > 0) between.emplace_back(c.dropout, init);
  }
}

recurrent_reading recurrent::operator()(const variable& x, std::span<const long> offsets, const forward_mode& mode,
                                        std::span<const recurrent_ends> start) const {
  if (!start.empty() && start.size() != layers.size())
    refuse("recurrent", "a start for each of the " + std::to_string(layers.size()) + " layers",
           std::to_string(start.size()));
  const std::size_t directions = bidirectional ? 2 : 1;
  recurrent_reading reading;
  reading.states = x;
  for (std::size_t i = 0; i < layers.size(); i += directions) {
    const variable input = i == 0 ? x : between[i / directions - 1](reading.states, mode);
    std::vector<variable> states;
    for (std::size_t k = i; k < i + directions; ++k) {
      auto outcome = layers[k](input, offsets, start.empty() ? recurrent_ends{} : start[k]);
      states.push_back(std::move(outcome.states));
      reading.last.push_back(std::move(outcome.last));
    }
    reading.states = bidirectional ? concatenate(states, 1) : states[0];
  }
  return reading;
}

variable recurrent::continued(const variable& x, std::vector<recurrent_state>& states) const {
  if (bidirectional) refuse("recurrent", "layers in one direction, to read on token by token", "both directions");
  if (states.empty()) states.resize(layers.size());
  if (states.size() != layers.size())
    refuse("recurrent", "states of " + std::to_string(layers.size()) + " layers", std::to_string(states.size()));
  tensor now = x.value();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    states[i] = recurrent_step(layers[i].cell, now, states[i], layers[i].weights().values());
    now = states[i].state;
  }
  return variable(now);
}

}  // namespace qkv::nn
