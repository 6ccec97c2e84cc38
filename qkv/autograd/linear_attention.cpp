#include "qkv/autograd/linear_attention.h"

#include "qkv/autograd/record.h"

namespace qkv {

variable linear_attention(const variable& q, const variable& k, const variable& v, linear_attention_options options,
                          const linear_attention_variables& learned) {
  if (!learned.decay.empty()) options.decay = learned.decay.value();
  if (!learned.beta.empty()) options.beta = learned.beta.value();
  if (!learned.state.empty()) options.state = learned.state.value();
  const auto run = linear_attention_forward(q.value(), k.value(), v.value(), options);
  return record("linear_attention", run.out, {q, k, v, learned.decay, learned.beta, learned.state},
                [run](const tensor& dout, const gradient_sink& into) {
                  const linear_attention_gradients d = run.backward(dout);
                  into.add(0, d.dq), into.add(1, d.dk), into.add(2, d.dv);
                  if (into.wants(3)) into.add(3, d.ddecay);
                  if (into.wants(4)) into.add(4, d.dbeta);
                  if (into.wants(5)) into.add(5, d.dstate);
                });
}

}  // namespace qkv
