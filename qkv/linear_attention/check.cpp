#include "qkv/linear_attention/check.h"

#include <cmath>

#include "qkv/base/error.h"

namespace qkv {

const char* name_of(update_rule rule) {
  switch (rule) {
    case update_rule::linear:
      return "linear";
    case update_rule::gated:
      return "gated";
    case update_rule::delta:
      return "delta";
    default:
      return "gated_delta";
  }
}

namespace detail {
namespace {

using std::string;

string found(const char* name, const tensor& t) {
  return string(name) + " " + (t.empty() ? "[]" : to_string(t.shape()));
}

/// The checks of one call.
struct checks {
  const char* operation;
  const tensor &q, &k, &v;
  const linear_attention_options& options;

  void shapes() const {
    const auto four_axes = [&](const char* name, const char* letters, const tensor& t) {
      if (t.rank() != 4) refuse(operation, string(name) + " " + letters, found(name, t));
    };
    four_axes("q", "[B, T, H, D]", q), four_axes("k", "[B, S, G, D]", k), four_axes("v", "[B, S, G, E]", v);
    const string both = found("q", q) + ", " + found("k", k);
    if (q.dim(0) != k.dim(0)) refuse(operation, "queries and keys of as many sequences B", both);
    if (q.dim(3) != k.dim(3)) refuse(operation, "queries and keys of as many channels D", both);
    if (k.dim(0) != v.dim(0) || k.dim(1) != v.dim(1) || k.dim(2) != v.dim(2))
      refuse(operation, "values with the B, S and G of the keys", found("k", k) + ", " + found("v", v));
    if (k.dim(2) == 0) refuse(operation, "at least one key head G", both);
    if (q.dim(2) % k.dim(2) != 0) refuse(operation, "query heads H a multiple of key heads G", both);
    if (q.dim(3) == 0 || v.dim(3) == 0)
      refuse(operation, "at least one channel D and E", found("q", q) + ", " + found("v", v));
    if (options.causal && q.dim(1) != k.dim(1))
      refuse(operation, "as many queries T as keys S, since query t reads what key t wrote (or .causal = false)", both);
  }

  void rule() const {
    const string name = name_of(options.rule);
    if (!options.causal && options.rule != update_rule::linear)
      throw unsupported_error(string(operation) + ": the rule `" + name +
                              "` depends on the order of tokens; .causal = false is for the rule `linear`");
    if (options.normalise && has_beta(options.rule))
      throw unsupported_error(string(operation) + ": the rule `" + name +
                              "` takes from its state what it has written, so its weights have no sum to divide by; "
                              ".normalise = true is for the rules `linear` and `gated`");
    present("decay", options.decay, has_decay(options.rule));
    present("beta", options.beta, has_beta(options.rule));
  }
  void present(const char* name, const tensor& t, bool wanted) const {
    if (wanted == !t.empty()) return;
    refuse(operation, (wanted ? "" : "no ") + string(name) + " for the rule `" + name_of(options.rule) + "`",
           wanted ? "none" : found(name, t));
  }

  void inputs() const {
    const long B = k.dim(0), T = k.dim(1), G = k.dim(2), D = k.dim(3);
    const auto is = [](const tensor& t, const shape& s) { return t.empty() || t.shape() == s; };
    if (!is(options.decay, {B, T, G}) && !is(options.decay, {B, T, G, D}))
      refuse(operation, "decay " + to_string({B, T, G}) + " or " + to_string({B, T, G, D}),
             found("decay", options.decay));
    if (!is(options.beta, {B, T, G}) && !is(options.beta, {B, T, 1}))
      refuse(operation, "beta " + to_string({B, T, G}) + " or " + to_string({B, T, 1}), found("beta", options.beta));
    const shape state{B, G, D, state_columns(v, options)};
    if (!is(options.state, state))
      refuse(operation, "a state [B, G, D, " + string(options.normalise ? "E + 1" : "E") + "] = " + to_string(state),
             found("state", options.state));
    if (options.scale && !std::isfinite(*options.scale))
      refuse(operation, "a finite scale", std::to_string(*options.scale));
  }
};

}  // namespace

void check_linear_attention(const char* operation, const tensor& q, const tensor& k, const tensor& v,
                            const linear_attention_options& options) {
  const checks all{operation, q, k, v, options};
  all.shapes();
  all.rule();
  all.inputs();
}

void check_linear_attention_gradients(const char* operation, const linear_attention_run& run, const tensor& dout,
                                      const tensor& dstate) {
  if (dout.empty() || dout.shape() != run.out.shape())
    refuse(operation, "dout " + to_string(run.out.shape()), found("dout", dout));
  if (!dstate.empty() && dstate.shape() != run.state.shape())
    refuse(operation, "dstate " + to_string(run.state.shape()), found("dstate", dstate));
}

double scale_of(const tensor& q, const linear_attention_options& options) {
  return options.scale.value_or(1 / std::sqrt(double(q.dim(3))));
}

}  // namespace detail
}  // namespace qkv
