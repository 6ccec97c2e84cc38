#include "qkv/autograd/attention.h"

#include <algorithm>

#include "qkv/autograd/record.h"

namespace qkv {
namespace {

/// Scratch of the engine, kept from call to call.
workspace& kept_workspace() {
  thread_local workspace kept;
  return kept;
}

problem problem_for(const tensor& q, const tensor& k, const tensor& v, const attention_parts& parts) {
  return {q.view<float, 4>(), k.view<float, 4>(), v.view<float, 4>(), parts.align, parts.ragged};
}

attended attend(const tensor& q, const tensor& k, const tensor& v, const attention_parts& parts) {
  const problem numbers = problem_for(q, k, v, parts);
  check("attention", *parts.formula, numbers);
  attended done;
  done.out = tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2), v.dim(3)});
  done.lse = tensor::uninitialized({q.dim(0), q.dim(1), q.dim(2)});
  attention_into(*parts.formula, numbers, done.out.view<float, 4>(), done.lse.view<float, 3>(), kept_workspace());
  return done;
}

/// Gradients of the learned tensors, one for each parameter of the formula.
std::vector<tensor> attend_backward(const tensor& q, const tensor& k, const tensor& v, const attention_parts& parts,
                                    const attended& done, const tensor& dout, const tensor& dq, const tensor& dk,
                                    const tensor& dv) {
  std::vector<tensor> gradients;
  std::vector<float*> memory;
  for (const auto& p : parts.formula->parameters()) {
    gradients.emplace_back(p.values.shape());
    memory.push_back(gradients.back().data<float>());
  }
  attention_backward_into(*parts.formula, problem_for(q, k, v, parts), done.out.view<float, 4>(),
                          done.lse.view<float, 3>(), dout.view<float, 4>(), dq.view<float, 4>(), dk.view<float, 4>(),
                          dv.view<float, 4>(), memory, kept_workspace());
  return gradients;
}

/// Hands the learned tensors' gradients to the variables that hold them, inputs `first` and on.
void add_learned(const attention_parts& parts, const std::vector<tensor>& gradients, int first,
                 const gradient_sink& into) {
  const auto parameters = parts.formula->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    for (std::size_t n = 0; n < parts.learned.size(); ++n) {
      if (parts.learned[n].value().same_as(parameters[i].values)) into.add(first + int(n), gradients[i]);
    }
  }
}

/// The parts as a derivative may hold them: variables on the tape would keep their own history alive.
attention_parts without_history(attention_parts parts) {
  for (variable& v : parts.learned) v = v.detached();
  return parts;
}

}  // namespace

attention_parts with_everything_learned(attention_parts parts) {
  for (const auto& p : parts.formula->parameters()) {
    const auto is_this = [&](const variable& v) { return v.value().same_as(p.values); };
    if (std::none_of(parts.learned.begin(), parts.learned.end(), is_this)) {
      parts.learned.emplace_back(p.values, needs_gradient);
    }
  }
  return parts;
}

variable attention(const variable& q, const variable& k, const variable& v, const attention_parts& parts) {
  const attended done = attend(q.value(), k.value(), v.value(), parts);
  std::vector<variable> inputs{q, k, v};
  inputs.insert(inputs.end(), parts.learned.begin(), parts.learned.end());
  return record("attention", done.out, inputs,
                [q = q.value(), k = k.value(), v = v.value(), parts = without_history(parts), done](
                    const tensor& dout, const gradient_sink& into) {
                  const auto dq = tensor::uninitialized(q.shape()), dk = tensor::uninitialized(k.shape()),
                             dv = tensor::uninitialized(v.shape());
                  const auto learned = attend_backward(q, k, v, parts, done, dout, dq, dk, dv);
                  into.add(0, dq), into.add(1, dk), into.add(2, dv);
                  add_learned(parts, learned, 3, into);
                });
}

tensor attention_values(const tensor& q, const tensor& k, const tensor& v, const attention_parts& parts) {
  return attend(q, k, v, parts).out;
}

namespace {

/// Heads from .. to of a product that holds them side by side: a view.
tensor some_heads(const tensor& product, long width, long from, long to) {
  return product.reshape({product.dim(0), product.dim(1), product.dim(2) / width, width}).slice(2, from, to);
}

}  // namespace

tensor joint_heads::queries(const tensor& joint) const { return some_heads(joint, width, 0, heads); }
tensor joint_heads::keys(const tensor& joint) const { return some_heads(joint, width, heads, heads + key_heads); }
tensor joint_heads::values(const tensor& joint) const {
  return some_heads(joint, width, heads + key_heads, heads + 2 * key_heads);
}
tensor joint_heads::keys_of(const tensor& links) const { return some_heads(links, width, 0, key_heads); }
tensor joint_heads::values_of(const tensor& links) const { return some_heads(links, width, key_heads, 2 * key_heads); }

variable self_attention(const variable& joint, const joint_heads& heads, const attention_parts& parts,
                        const rotary_table* turn) {
  if (joint.value().rank() != 3 || joint.dim(2) != heads.joint_width()) {
    refuse("self_attention", "a joint product [B, T, " + std::to_string(heads.joint_width()) + "]",
           to_string(joint.shape()));
  }
  tensor q = heads.queries(joint.value()), k = heads.keys(joint.value());
  const tensor v = heads.values(joint.value());
  if (turn) q = rotary(q, *turn), k = rotary(k, *turn);
  const attended done = attend(q, k, v, parts);
  std::vector<variable> inputs{joint};
  inputs.insert(inputs.end(), parts.learned.begin(), parts.learned.end());
  return record("self_attention", done.out.reshape({joint.dim(0), joint.dim(1), heads.heads * heads.width}), inputs,
                [q, k, v, heads, done, parts = without_history(parts), turn = turn ? *turn : rotary_table(),
                 shape = joint.shape()](const tensor& dout, const gradient_sink& into) {
                  const tensor djoint = tensor::uninitialized(shape);
                  const tensor dq = heads.queries(djoint), dk = heads.keys(djoint);
                  const auto learned = attend_backward(q, k, v, parts, done, dout.reshape(done.out.shape()), dq, dk,
                                                       heads.values(djoint));
                  if (!turn.cosine.empty()) rotary_backward_into(dq, dq, turn), rotary_backward_into(dk, dk, turn);
                  into.add(0, djoint);
                  add_learned(parts, learned, 1, into);
                });
}

variable cross_attention(const variable& queries, const variable& links, const joint_heads& heads,
                         const attention_parts& parts) {
  if (queries.value().rank() != 3 || queries.dim(2) != heads.heads * heads.width || links.value().rank() != 3 ||
      links.dim(2) != 2 * heads.key_heads * heads.width) {
    refuse("cross_attention",
           "queries [B, T, " + std::to_string(heads.heads * heads.width) + "] and links [B, S, " +
               std::to_string(2 * heads.key_heads * heads.width) + "]",
           to_string(queries.shape()) + " and " + to_string(links.shape()));
  }
  const tensor q = some_heads(queries.value(), heads.width, 0, heads.heads), k = heads.keys_of(links.value()),
               v = heads.values_of(links.value());
  const attended done = attend(q, k, v, parts);
  std::vector<variable> inputs{queries, links};
  inputs.insert(inputs.end(), parts.learned.begin(), parts.learned.end());
  return record("cross_attention", done.out.reshape(queries.shape()), inputs,
                [q, k, v, heads, done, parts = without_history(parts), queries_shape = queries.shape(),
                 links_shape = links.shape()](const tensor& dout, const gradient_sink& into) {
                  const tensor dq = tensor::uninitialized(queries_shape), dlinks = tensor::uninitialized(links_shape);
                  const auto learned =
                      attend_backward(q, k, v, parts, done, dout.reshape(done.out.shape()), dq.reshape(q.shape()),
                                      heads.keys_of(dlinks), heads.values_of(dlinks));
                  into.add(0, dq), into.add(1, dlinks);
                  add_learned(parts, learned, 2, into);
                });
}

}  // namespace qkv
