// The oracle on tensors: everything becomes float64 first.
#include "qkv/attention/oracle.h"

namespace qkv::oracle {
namespace {

tensor in_double(const tensor& x, const char* name, const char* letters) {
  if (x.rank() != 4)
    refuse("oracle attention", std::string(name) + " " + letters, std::string(name) + " " + to_string(x.shape()));
  return x.to(dtype::float64).to_contiguous();
}

}  // namespace

attention_run::attention_run(std::shared_ptr<const formula> f, const tensor& q, const tensor& k, const tensor& v,
                             alignment align, sequences ragged)
    : formula_(std::move(f)),
      q_(in_double(q, "q", "[B, T, H, D]")),
      k_(in_double(k, "k", "[B, S, G, D]")),
      v_(in_double(v, "v", "[B, S, G, E]")),
      align_(align),
      ragged_(std::move(ragged)) {
  attended::operator=(forward(*formula_, problem()));
}

problem_of<double> attention_run::problem() const {
  return {q_.view<const double, 4>(), k_.view<const double, 4>(), v_.view<const double, 4>(), align_, ragged_};
}

attention_gradients attention_run::backward(const tensor& dout) const {
  return oracle::backward(*formula_, problem(), in_double(dout, "dout", "[B, T, H, E]").view<const double, 4>());
}

attention_gradients attention_run::backward(const tensor& dout, const attended& whole) const {
  return backward_of_part(*formula_, problem(), whole, in_double(dout, "dout", "[B, T, H, E]").view<const double, 4>());
}

attention_second_gradients attention_run::second_order(const tensor& dout,
                                                       const attention_cotangents& cotangents) const {
  const tensor d = in_double(dout, "dout", "[B, T, H, E]");
  return oracle::second_order(*formula_, problem(), d.view<const double, 4>(), cotangents);
}

tensor attention_run::weights() const { return oracle::weights(*formula_, problem()); }

}  // namespace qkv::oracle
