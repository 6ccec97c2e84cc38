// Graph attention on tensors.
#include "qkv/attention/graph_attention.h"

#include "qkv/attention/readable.h"

namespace qkv {

graph_attention_run::graph_attention_run(attended done, std::shared_ptr<const formula> formula, tensor q, tensor k,
                                         tensor v, graphs links, alignment align, sequences ragged)
    : attended(std::move(done)),
      formula_(std::move(formula)),
      q_(std::move(q)),
      k_(std::move(k)),
      v_(std::move(v)),
      graphs_(std::move(links)),
      align_(align),
      ragged_(std::move(ragged)) {}

graph_attention_run graph_attention_forward_with(std::shared_ptr<const formula> f, const tensor& q, const tensor& k,
                                                 const tensor& v, const graphs& links, alignment align,
                                                 sequences ragged) {
  const tensor q4 = readable("graph attention", "q", "[B, T, H, D]", q),
               k4 = readable("graph attention", "k", "[B, S, G, D]", k),
               v4 = readable("graph attention", "v", "[B, S, G, E]", v);
  const problem x = views_of(q4, k4, v4, align, ragged);
  const auto no_links = [](const sequence&, function_ref<void(long, long)>) {};  // graph_attention_into looks at edges
  const links_to_probe none = no_links;
  check("graph attention", *f, x, &none);
  attended done{tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2), v.dim(3)}),
                tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2)}), splits_over_keys(*f)};
  graph_attention_into(*f, x, links, done.out.view<float, 4>(), done.lse.view<float, 3>(), kept_workspace());
  return graph_attention_run(std::move(done), std::move(f), q4, k4, v4, links, align, std::move(ragged));
}

attention_gradients graph_attention_run::backward(const tensor& dout) const {
  if (dout.shape() != out.shape())
    refuse("graph attention backward", "dout " + to_string(out.shape()), "dout " + to_string(dout.shape()));
  const tensor d4 = readable("graph attention backward", "dout", "[B, T, H, E]", dout);
  tensor dq = tensor::uninitialized(q_.shape()), dk = tensor::uninitialized(k_.shape()),
         dv = tensor::uninitialized(v_.shape());
  const auto parameters = formula_->parameters();
  std::vector<tensor> gradients;
  std::vector<float*> learned;
  for (const parameter& p : parameters) {
    gradients.emplace_back(p.values.shape());
    learned.push_back(gradients.back().data<float>());
  }
  graph_attention_backward_into(*formula_, views_of(q_, k_, v_, align_, ragged_), graphs_, d4.view<const float, 4>(),
                                dq.view<float, 4>(), dk.view<float, 4>(), dv.view<float, 4>(), learned,
                                kept_workspace());
  return join_gradients(dq, dk, dv, parameters, gradients);
}

}  // namespace qkv
