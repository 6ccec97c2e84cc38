// The convenient form of the engine, on tensors.
#include "qkv/attention/attention.h"

#include "qkv/attention/readable.h"

namespace qkv {
namespace {

attended room_for_results(const formula& f, const tensor& q, long columns) {
  return {tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2), columns}),
          tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2)}), splits_over_keys(f)};
}

narrow_view narrow_view_of(const tensor& t) {
  if (t.type() == dtype::bfloat16) return t.view<const bfloat16, 4>();
  return t.view<const float, 4>();
}

// Without keys and values, as they have no derivative.
attention_run over_narrow(std::shared_ptr<const formula> f, const tensor& q, narrow_view k, narrow_view v,
                          alignment align, sequences ragged) {
  const narrow_problem x{q.view<const float, 4>(), std::move(k), std::move(v), align, ragged};
  attended done = room_for_results(*f, q, channels_of(x.v));
  attention_into(*f, x, done.out.view<float, 4>(), done.lse.view<float, 3>(), kept_workspace());
  return attention_run(std::move(done), std::move(f), q, {}, {}, align, std::move(ragged));
}

}  // namespace

attention_run::attention_run(attended done, std::shared_ptr<const formula> formula, tensor q, tensor k, tensor v,
                             alignment align, sequences ragged)
    : attended(std::move(done)), formula_(std::move(formula)), q_(std::move(q)), k_(std::move(k)), v_(std::move(v)),
      align_(align), ragged_(std::move(ragged)) {}

attention_run attention_forward_with(std::shared_ptr<const formula> f, const tensor& q, const tensor& k, const tensor& v,
                                     alignment align, sequences ragged) {
  if (!f) refuse("attention", "a formula", "a null pointer");
  const tensor q4 = readable("attention", "q", "[B, T, H, D]", q),
               k4 = readable("attention", "k", "[B, S, G, D]", k, true),
               v4 = readable("attention", "v", "[B, S, G, E]", v, true);
  if (k4.type() != dtype::float32 || v4.type() != dtype::float32)
    return over_narrow(std::move(f), q4, narrow_view_of(k4), narrow_view_of(v4), align, std::move(ragged));
  const problem x = views_of(q4, k4, v4, align, ragged);
  check("attention", *f, x);
  attended done = room_for_results(*f, q, v.dim(3));
  attention_into(*f, x, done.out.view<float, 4>(), done.lse.view<float, 3>(), kept_workspace());
  return attention_run(std::move(done), std::move(f), q4, k4, v4, align, std::move(ragged));
}

attention_run attention_forward_with(std::shared_ptr<const formula> f, const tensor& q, const quantised& k,
                                     const quantised& v, alignment align, sequences ragged) {
  return over_narrow(std::move(f), readable("attention", "q", "[B, T, H, D]", q), k, v, align, std::move(ragged));
}

attention_gradients attention_run::backward(const tensor& dout) const { return backward(dout, *this); }

attention_gradients attention_run::backward(const tensor& dout, const attended& whole) const {
  if (k_.empty())
    throw unsupported_error(
        "attention backward: expected keys and values of type float32; found narrow ones (bfloat16 or int8), which the "
        "forward pass alone takes");
  if (dout.shape() != out.shape())
    refuse("attention backward", "dout " + to_string(out.shape()), "dout " + to_string(dout.shape()));
  if (whole.out.shape() != out.shape())
    refuse("attention backward", "a whole of shape " + to_string(out.shape()), to_string(whole.out.shape()));
  if (&whole != this && !whole.splits)
    throw unsupported_error("attention backward: only softmax without sink splits over keys");
  const tensor d4 = readable("attention backward", "dout", "[B, T, H, E]", dout);
  tensor dq = tensor::uninitialized(q_.shape()), dk = tensor::uninitialized(k_.shape()), dv = tensor::uninitialized(v_.shape());
  const auto parameters = formula_->parameters();
  std::vector<tensor> gradients;
  std::vector<float*> learned;
  for (const parameter& p : parameters) {
    gradients.emplace_back(p.values.shape());
    learned.push_back(gradients.back().data<float>());
  }
  attention_backward_into(*formula_, views_of(q_, k_, v_, align_, ragged_), whole.out.view<const float, 4>(),
                          whole.lse.view<const float, 3>(), d4.view<const float, 4>(), dq.view<float, 4>(),
                          dk.view<float, 4>(), dv.view<float, 4>(), learned, kept_workspace());
  return join_gradients(dq, dk, dv, parameters, gradients);
}

attention_second_gradients attention_run::second_order(const tensor& dout,
                                                       const attention_cotangents& cotangents) const {
  const char* const operation = "attention second order";
  if (k_.empty())
    throw unsupported_error(std::string(operation) +
                            ": expected keys and values of type float32; found narrow ones (bfloat16 or int8), which "
                            "the forward pass alone takes");
  const auto given = [&](const char* name, const char* letters, const tensor& t) {
    return t.empty() ? t : readable(operation, name, letters, t);
  };
  const auto view_of = [](const tensor& t) { return t.empty() ? view<const float, 4>{} : t.view<const float, 4>(); };
  const tensor d4 = readable(operation, "dout", "[B, T, H, E]", dout),
               a = given("the cotangent of dq", "[B, T, H, D]", cotangents.dq),
               b = given("the cotangent of dk", "[B, S, G, D]", cotangents.dk),
               g = given("the cotangent of dv", "[B, S, G, E]", cotangents.dv);
  attention_second_gradients r;
  r.dq = tensor::uninitialized(q_.shape()), r.dk = tensor::uninitialized(k_.shape());
  r.dv = tensor::uninitialized(v_.shape()), r.ddout = tensor::uninitialized(out.shape());
  attention_second_order_into(
      *formula_, views_of(q_, k_, v_, align_, ragged_), out.view<const float, 4>(), lse.view<const float, 3>(),
      d4.view<const float, 4>(), {view_of(a), view_of(b), view_of(g)},
      {r.dq.view<float, 4>(), r.dk.view<float, 4>(), r.dv.view<float, 4>(), r.ddout.view<float, 4>()},
      kept_workspace());
  return r;
}

}  // namespace qkv
