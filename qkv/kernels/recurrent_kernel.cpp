#include "qkv/kernels/recurrent.h"

#include "qkv/kernels/partial_lanes.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

using number = lanes<float>;

/// h' = tanh(x W + h V + b).
void rnn(const cell_step& s) {
  for_lanes(s.units, [&](long i, auto part) {
    const number h = tanh(load_part(s.gates + i, part) + load_part(s.sums + i, part));
    store_part(s.state + i, h, part);
    store_part(s.next + i, h, part);
  });
}

void rnn_back(const cell_step_back& s) {
  for_lanes(s.units, [&](long i, auto part) {
    const number h = load_part(s.state + i, part);
    const number dh = load_part(s.outside + i, part) + load_part(s.carry + i, part);
    const number da = dh * (number(1.f) - h * h);
    store_part(s.dgates + i, da, part);
    store_part(s.step + i, da, part);
  });
}

/// r = sigmoid(..), z = sigmoid(..), n = tanh(x W + r (h V + b)), h' = n + z (h - n).
void gru(const cell_step& s) {
  float *reset = s.gates, *update = s.gates + s.pitch, *fresh = s.gates + 2 * s.pitch;
  for_lanes(s.units, [&](long i, auto part) {
    const number r = sigmoid(load_part(reset + i, part) + load_part(s.sums + i, part));
    const number z = sigmoid(load_part(update + i, part) + load_part(s.sums + s.sums_pitch + i, part));
    number from_state = load_part(s.sums + 2 * s.sums_pitch + i, part);
    if (s.hidden_bias) from_state = from_state + load_part(s.hidden_bias + i, part);
    const number n = tanh(fma(r, from_state, load_part(fresh + i, part)));
    const number h = fma(z, load_part(s.before + i, part) - n, n);
    store_part(reset + i, r, part);
    store_part(update + i, z, part);
    store_part(fresh + i, n, part);
    store_part(s.kept + i, from_state, part);
    store_part(s.state + i, h, part);
    store_part(s.next + i, h, part);
  });
}

void gru_back(const cell_step_back& s) {
  const number one = 1.f;
  for_lanes(s.units, [&](long i, auto part) {
    const number r = load_part(s.gates + i, part), z = load_part(s.gates + s.pitch + i, part);
    const number n = load_part(s.gates + 2 * s.pitch + i, part);
    const number dh = load_part(s.outside + i, part) + load_part(s.carry + i, part);
    const number dn = dh * (one - z) * (one - n * n);
    const number dz = dh * (load_part(s.before + i, part) - n) * z * (one - z);
    const number dr = dn * load_part(s.kept + i, part) * r * (one - r), dkept = dn * r;
    store_part(s.carry + i, dh * z, part);
    store_part(s.dgates + i, dr, part);
    store_part(s.dgates + s.pitch + i, dz, part);
    store_part(s.dgates + 2 * s.pitch + i, dn, part);
    store_part(s.dkept + i, dkept, part);
    store_part(s.step + i, dr, part);
    store_part(s.step + s.pitch + i, dz, part);
    store_part(s.step + 2 * s.pitch + i, dkept, part);
  });
}

/// i, f, o = sigmoid(..), g = tanh(..), c' = f c + i g, h' = o tanh(c').
void lstm(const cell_step& s) {
  const auto gate = [&](int g, long i) __attribute__((always_inline)) { return s.gates + g * s.pitch + i; };
  for_lanes(s.units, [&](long i, auto part) {
    const auto sum = [&](int g) __attribute__((always_inline)) {
      return load_part(gate(g, i), part) + load_part(s.sums + g * s.sums_pitch + i, part);
    };
    const number in = sigmoid(sum(0)), forget = sigmoid(sum(1)), candidate = tanh(sum(2)), out = sigmoid(sum(3));
    const number cell = fma(forget, load_part(s.cell_before + i, part), in * candidate), h = out * tanh(cell);
    store_part(gate(0, i), in, part);
    store_part(gate(1, i), forget, part);
    store_part(gate(2, i), candidate, part);
    store_part(gate(3, i), out, part);
    store_part(s.kept + i, cell, part);
    store_part(s.state + i, h, part);
    store_part(s.next + i, h, part);
  });
}

void lstm_back(const cell_step_back& s) {
  const number one = 1.f;
  for_lanes(s.units, [&](long i, auto part) {
    const auto gate = [&](int g) __attribute__((always_inline)) { return load_part(s.gates + g * s.pitch + i, part); };
    const auto give = [&](int g, number d) __attribute__((always_inline)) {
      store_part(s.dgates + g * s.pitch + i, d, part);
      store_part(s.step + g * s.pitch + i, d, part);
    };
    const number in = gate(0), forget = gate(1), candidate = gate(2), out = gate(3);
    const number dh = load_part(s.outside + i, part) + load_part(s.carry + i, part);
    const number t = tanh(load_part(s.kept + i, part));
    const number dcell = fma(dh * out, one - t * t, load_part(s.cell_carry + i, part));
    give(0, dcell * candidate * in * (one - in));
    give(1, dcell * load_part(s.cell_before + i, part) * forget * (one - forget));
    give(2, dcell * in * (one - candidate * candidate));
    give(3, dh * t * out * (one - out));
    store_part(s.cell_carry + i, dcell * forget, part);
  });
}

}  // namespace

extern const recurrent_kernels recurrent = {rnn, rnn_back, gru, gru_back, lstm, lstm_back};

}  // namespace qkv::QKV_INSTRUCTION_SET
