// Generic lambdas of C++ written down as programs: symbols in place of numbers record what is done to them.  So that
// one lambda can be compiled, and traced, and the two compared.
#pragma once
#include "qkv/traced/program.h"

namespace qkv::traced {

inline thread_local program* recording = nullptr;

template <kind K>
struct symbol {
  int at;
  using truth = symbol<kind::truth>;

  template <std::integral U>
  symbol(U x) : at(K == kind::real ? recording->real(double(x)) : recording->whole(x)) {}
  template <std::floating_point U>
  requires(K == kind::real) symbol(U x) : at(recording->real(x)) {}
  template <std::same_as<symbol<kind::whole>> W>
  requires(K == kind::real) symbol(W x) : at(recording->apply(opcode::to_real, x.at)) {}
  static symbol numbered(int n) {
    symbol s{std::in_place};
    s.at = n;
    return s;
  }
  static symbol of(opcode c, symbol a) { return numbered(recording->apply(c, a.at)); }
  static symbol of(opcode c, symbol a, symbol b) { return numbered(recording->apply(c, a.at, b.at)); }
  static truth asked(opcode c, symbol a, symbol b) { return truth::numbered(recording->apply(c, a.at, b.at)); }

  friend symbol operator+(symbol a, symbol b) { return of(opcode::add, a, b); }
  friend symbol operator-(symbol a, symbol b) { return of(opcode::subtract, a, b); }
  friend symbol operator*(symbol a, symbol b) { return of(opcode::multiply, a, b); }
  friend symbol operator/(symbol a, symbol b) { return of(opcode::divide, a, b); }
  friend symbol operator%(symbol a, symbol b) { return of(opcode::remainder, a, b); }
  friend symbol operator-(symbol a) { return of(opcode::negative, a); }
  // A whole number that meets a real one becomes real.
  template <std::floating_point F>
  requires(K == kind::whole) friend symbol<kind::real> operator*(symbol a, F b) {
    return symbol<kind::real>(a) * symbol<kind::real>(b);
  }
  template <std::floating_point F>
  requires(K == kind::whole) friend symbol<kind::real> operator*(F a, symbol b) { return b * a; }
  friend truth operator<(symbol a, symbol b) { return asked(opcode::less, a, b); }
  friend truth operator<=(symbol a, symbol b) { return asked(opcode::less_equal, a, b); }
  friend truth operator>(symbol a, symbol b) { return b < a; }
  friend truth operator>=(symbol a, symbol b) { return b <= a; }
  friend truth operator==(symbol a, symbol b) { return asked(opcode::equal, a, b); }
  friend truth operator!=(symbol a, symbol b) { return !(a == b); }
  friend symbol operator&&(symbol a, symbol b) { return of(opcode::both, a, b); }
  friend symbol operator||(symbol a, symbol b) { return of(opcode::either, a, b); }
  friend symbol operator!(symbol a) { return of(opcode::opposite, a); }
  friend symbol select(truth c, symbol a, symbol b) { return numbered(recording->select(c.at, a.at, b.at)); }
  friend symbol min(symbol a, symbol b) { return of(opcode::minimum, a, b); }
  friend symbol max(symbol a, symbol b) { return of(opcode::maximum, a, b); }
  friend symbol abs(symbol a) { return of(opcode::absolute, a); }
  friend symbol exp(symbol a) { return of(opcode::exponential, a); }
  friend symbol log(symbol a) { return of(opcode::logarithm, a); }
  friend symbol tanh(symbol a) { return of(opcode::tangent, a); }
  friend symbol sqrt(symbol a) { return of(opcode::root, a); }
  friend symbol sigmoid(symbol a) { return of(opcode::sigmoid, a); }
  friend symbol hash(std::uint64_t seed, symbol a, symbol b) { return numbered(recording->hash(seed, a.at, b.at)); }

 private:
  explicit symbol(std::in_place_t) : at(-1) {}
};

using whole_symbol = symbol<kind::whole>;
using real_symbol = symbol<kind::real>;

inline real_symbol real(whole_symbol a) { return a; }
inline whole_symbol whole(real_symbol a) { return whole_symbol::numbered(recording->apply(opcode::to_whole, a.at)); }

/// A learned tensor as a traced lambda sees it.
struct learned_symbol {
  int number;
  shape sizes;
  template <class... I>
  real_symbol operator[](I... index) const {
    const int at[] = {whole_symbol(index).at...};
    return real_symbol::numbered(recording->learned_entry(number, sizes, at));
  }
};

/// An array that is not learned, as a traced lambda sees it.
struct array_symbol {
  tensor values;
  const char* name;
  template <class... I>
  real_symbol operator[](I... index) const {
    const int at[] = {whole_symbol(index).at...};
    return real_symbol::numbered(recording->array_entry(recording->keep(values, name), at));
  }
};

/// The program of call(), whose symbols it records.
template <class Call>
program traced(const Call& call) {
  program p;
  recording = &p;
  p.finish(call().at);
  recording = nullptr;
  return p;
}

inline position<whole_symbol> symbolic_place() {
  const auto given = [](opcode c) { return whole_symbol::numbered(recording->given(c)); };
  return {given(opcode::query), given(opcode::key),     given(opcode::head), given(opcode::batch),
          given(opcode::row),   given(opcode::queries), given(opcode::keys)};
}

template <class Lambda>
program traced_mask(const Lambda& lambda) {
  return traced([&] { return lambda(symbolic_place()); });
}
template <class Lambda, class... Learned>
program traced_score(const Lambda& lambda, const Learned&... learned) {
  return traced(
      [&] { return lambda(real_symbol::numbered(recording->given(opcode::score)), symbolic_place(), learned...); });
}

}  // namespace qkv::traced
