// The engine's doors: checks, then the similarity's preparation, then a pass.
#include "qkv/attention/engine.h"

#include "qkv/attention/passes.h"

namespace qkv {

workspace::workspace() : state_(std::make_unique<state>()) {}
workspace::~workspace() = default;
workspace::workspace(workspace&&) noexcept = default;
workspace& workspace::operator=(workspace&&) noexcept = default;
workspace::state& workspace::inside() {
  if (!state_) state_ = std::make_unique<state>();
  return *state_;
}

tile_counts tiles_visited(workspace& w) { return w.inside().visited; }

void check_fused(const char* operation, const formula& f) {
  if (f.sink() && f.sum_to_one() != normalised::yes)
    throw unsupported_error(std::string(operation) + ": the weighting `" + f.names().weighting +
                            "` with a sink is not fused; a sink takes part in a sum of 1 (normalised::yes)");
  if (f.parameters().size() > most_learned)
    throw unsupported_error(std::string(operation) + ": expected at most " + std::to_string(most_learned) +
                            " learned tensors; found " + std::to_string(f.parameters().size()));
  for (const parameter& p : f.parameters())
    if (p.values.type() != dtype::float32)
      throw unsupported_error(std::string(operation) + ": expected " + p.name + " of type float32; found " +
                              name_of(p.values.type()));
}

void attention_into(const formula& f, const problem& x, view<float, 4> out, view<float, 3> lse, workspace& w) {
  check("attention", f, x);
  check_fused("attention", f);
  const auto &q = x.q.sizes, &v = x.v.sizes;
  check_given("attention", "out", out, {q[0], q[1], q[2], v[3]});
  check_given("attention", "lse", lse, {q[0], q[1], q[2]});
  check_apart("attention", {{"out", out}, {"lse", lse}}, {{"q", x.q}, {"k", x.k}, {"v", x.v}});
  const prepared_problem prepared = prepare(f, x, w.inside());
  run_forward(f, x, prepared, out, lse, w.inside());
}

void attention_backward_into(const formula& f, const problem& x, view<const float, 4> out, view<const float, 3> lse,
                             view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk, view<float, 4> dv,
                             std::span<float* const> learned, workspace& w) {
  check("attention backward", f, x);
  check_fused("attention backward", f);
  const auto &q = x.q.sizes, &k = x.k.sizes, &v = x.v.sizes;
  const std::array<long, 4> results{q[0], q[1], q[2], v[3]};
  check_given("attention backward", "out", out, results);
  check_given("attention backward", "lse", lse, {q[0], q[1], q[2]});
  check_given("attention backward", "dout", dout, results);
  check_given("attention backward", "dq", dq, q);
  check_given("attention backward", "dk", dk, k);
  check_given("attention backward", "dv", dv, v);
  if (learned.size() != f.parameters().size())
    refuse("attention backward", std::to_string(f.parameters().size()) + " gradients of learned parameters",
           std::to_string(learned.size()));
  check_gradients("attention backward", f, x, out, lse, dout, dq, dk, dv, learned);
  const prepared_problem prepared = prepare(f, x, w.inside());
  run_backward(f, x, prepared, out, lse, dout, dq, dk, dv, learned, w.inside());
  prepare_backward(f, x, prepared, dq, dk, learned, w.inside());
}

}  // namespace qkv
