#include "qkv/autograd/graph_attention.h"

#include "qkv/autograd/record.h"

namespace qkv {

variable graph_attention(const variable& q, const variable& k, const variable& v, const graphs& links,
                         const attention_parts& parts) {
  const auto run = graph_attention_forward_with(parts.formula, q.value(), k.value(), v.value(), links, parts.align,
                                                parts.ragged);
  std::vector<variable> inputs{q, k, v};
  inputs.insert(inputs.end(), parts.learned.begin(), parts.learned.end());
  std::vector<tensor> learned;
  for (const variable& one : parts.learned) learned.push_back(one.value());
  return record("graph_attention", run.out, inputs,
                [run, learned](const tensor& dout, const gradient_sink& into) {
                  const attention_gradients found = run.backward(dout);
                  into.add(0, found.dq), into.add(1, found.dk), into.add(2, found.dv);
                  for (std::size_t n = 0; n < learned.size(); ++n) into.add(3 + int(n), found[learned[n]]);
                });
}

}  // namespace qkv
