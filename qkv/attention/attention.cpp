// The convenient form of the engine, on tensors.
#include "qkv/attention/attention.h"

namespace qkv {
namespace {

// A tensor as the engine takes it: float32, four axes, unit stride in the last; a copy only where the last axis strides.
tensor readable(const char* operation, const char* name, const char* letters, const tensor& t) {
  if (t.rank() != 4) refuse(operation, std::string(name) + " " + letters, std::string(name) + " " + to_string(t.shape()));
  if (t.type() != dtype::float32)
    throw unsupported_error(std::string(operation) + ": expected " + name + " of type float32; found " +
                            name_of(t.type()) + "; convert it with .to(dtype::float32)");
  return t.dim(3) > 1 && t.strides()[3] != 1 ? t.to_contiguous() : t;
}

// One workspace a thread, kept from call to call.
workspace& kept_workspace() {
  static thread_local workspace w;
  return w;
}

problem views_of(const tensor& q, const tensor& k, const tensor& v, alignment align, sequences ragged) {
  return {q.view<const float, 4>(), k.view<const float, 4>(), v.view<const float, 4>(), align, std::move(ragged)};
}

}  // namespace

attention_run::attention_run(attended done, std::shared_ptr<const formula> formula, tensor q, tensor k, tensor v,
                             alignment align, sequences ragged)
    : attended(std::move(done)), formula_(std::move(formula)), q_(std::move(q)), k_(std::move(k)), v_(std::move(v)),
      align_(align), ragged_(std::move(ragged)) {}

attention_run attention_forward_with(std::shared_ptr<const formula> f, const tensor& q, const tensor& k, const tensor& v,
                                     alignment align, sequences ragged) {
  if (!f) refuse("attention", "a formula", "a null pointer");
  const tensor q4 = readable("attention", "q", "[B, T, H, D]", q), k4 = readable("attention", "k", "[B, S, G, D]", k),
               v4 = readable("attention", "v", "[B, S, G, E]", v);
  const problem x = views_of(q4, k4, v4, align, ragged);
  check("attention", *f, x);
  attended done{tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2), v.dim(3)}),
                tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2)}),
                splits_over_keys(*f)};
  attention_into(*f, x, done.out.view<float, 4>(), done.lse.view<float, 3>(), kept_workspace());
  return attention_run(std::move(done), std::move(f), q4, k4, v4, align, std::move(ragged));
}

attention_gradients attention_run::backward(const tensor& dout) const { return backward(dout, *this); }

attention_gradients attention_run::backward(const tensor& dout, const attended& whole) const {
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

}  // namespace qkv
