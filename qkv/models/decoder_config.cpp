#include "qkv/models/decoder_config.h"

#include <array>
#include <nlohmann/json.hpp>
#include <set>

namespace qkv {
namespace {

using nlohmann::json;

/// Every field with its name, for writing and for reading.
template <class Config, class F>
void each_field(Config& c, F see) {
  see("vocabulary", c.vocabulary);
  see("context", c.context);
  see("layers", c.layers);
  see("heads", c.heads);
  see("key_heads", c.key_heads);
  see("width", c.width);
  see("hidden", c.hidden);
  see("window", c.window);
  see("feed_forward", c.feed_forward);
  see("norm", c.norm);
  see("norms", c.norms);
  see("positions", c.positions);
  see("position_base", c.position_base);
  see("dropout", c.dropout);
  see("biases", c.biases);
  see("tied_head", c.tied_head);
}

// The words of each choice, in the order of its enum.
auto words_of(nn::feed_forward_kind) { return std::array{"gelu", "swiglu"}; }
auto words_of(nn::norm_kind) { return std::array{"layer_norm", "rms_norm"}; }
auto words_of(nn::norm_place) { return std::array{"before", "after"}; }
auto words_of(nn::position_kind) { return std::array{"none", "learned", "sinusoidal", "fourier", "rotary"}; }

template <class T>
json written(const T& value) {
  if constexpr (std::is_enum_v<T>)
    return words_of(value)[std::size_t(value)];
  else
    return value;
}

[[noreturn]] void complain(const std::string& expected, const std::string& found) {
  throw file_error("decoder configuration: expected " + expected + "; found " + found);
}

template <class T>
void read(const char* key, const json& from, T& value) {
  if constexpr (std::is_enum_v<T>) {
    const auto words = words_of(value);
    std::string choices;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (from == words[i]) return void(value = T(i));
      choices += (i ? ", " : "") + std::string(words[i]);
    }
    complain(std::string(key) + " to be one of " + choices, from.dump());
  } else {
    const bool fits = std::is_same_v<T, bool>   ? from.is_boolean()
                      : std::is_same_v<T, long> ? from.is_number_integer()
                                                : from.is_number();
    if (!fits)
      complain(std::string(key) + " to be " + (std::is_same_v<T, bool> ? "true or false" : "a number"), from.dump());
    value = from.get<T>();
  }
}

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("decoder configuration", expected, found);
}

}  // namespace

void check(const decoder_config& c) {
  const std::pair<const char*, long> sizes[] = {{"vocabulary", c.vocabulary},
                                                {"context", c.context},
                                                {"layers", c.layers},
                                                {"heads", c.heads},
                                                {"width", c.width}};
  for (const auto& [name, size] : sizes) {
    need(size >= 1 && size < 1L << 24, std::string(name) + " from 1 to 16777215", std::to_string(size));
  }
  need(c.width % c.heads == 0, "heads that divide the width",
       std::to_string(c.heads) + " heads and width " + std::to_string(c.width));
  need(c.key_heads >= 0 && (c.key_heads == 0 || c.heads % c.key_heads == 0), "key heads that divide the heads",
       std::to_string(c.key_heads) + " key heads and " + std::to_string(c.heads) + " heads");
  need(c.hidden >= 0, "a hidden width of at least 0", std::to_string(c.hidden));
  need(c.window >= 0, "a window of at least 0", std::to_string(c.window));
  need(c.dropout >= 0 && c.dropout < 1, "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
  need(c.position_base >= 0, "a position base of at least 0", std::to_string(c.position_base));
  const bool paired = c.positions == nn::position_kind::sinusoidal || c.positions == nn::position_kind::fourier;
  need(!paired || c.width % 2 == 0, "an even width, for pairs of sine and cosine", std::to_string(c.width));
  need(c.positions != nn::position_kind::rotary || c.width / c.heads % 2 == 0,
       "an even width of each head, for rotary positions", std::to_string(c.width / c.heads));
}

std::string to_json(const decoder_config& config) {
  json out;
  each_field(config, [&](const char* key, const auto& value) { out[key] = written(value); });
  return out.dump();
}

decoder_config decoder_config_from_json(const std::string& text) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object()) complain("a JSON object", text.size() > 40 ? text.substr(0, 40) + "..." : "\"" + text + "\"");
  decoder_config config;
  std::set<std::string> known;
  each_field(config, [&](const char* key, auto& value) {
    known.insert(key);
    if (in.contains(key)) read(key, in[key], value);
  });
  for (const auto& [key, value] : in.items()) {
    if (!known.contains(key)) complain("keys of decoder_config", "\"" + key + "\"");
  }
  return config;
}

}  // namespace qkv
