#include "qkv/autograd/elementwise.h"

#include "qkv/autograd/record.h"
#include "qkv/ops/activate.h"
#include "qkv/ops/add.h"
#include "qkv/ops/dropout.h"
#include "qkv/ops/multiply.h"
#include "qkv/ops/scale.h"
#include "qkv/ops/swiglu.h"

namespace qkv {

variable add(const variable& a, const variable& b) {
  const bool repeated = a.shape() != b.shape();
  return record("add", add(a.value(), b.value()), {a, b}, [repeated](const tensor& dy, const gradient_sink& into) {
    into.pass_on(0);
    if (!repeated) return into.pass_on(1);
    if (const auto db = into.to(1); !db.memory.empty()) add_backward_into(db.memory, dy, db.write);
  });
}

variable multiply(const variable& a, const variable& b) {
  return record("multiply", multiply(a.value(), b.value()), {a, b},
                [a = a.value(), b = b.value()](const tensor& dy, const gradient_sink& into) {
                  const auto da = into.to(0);
                  multiply_backward_into(da.memory, {}, dy, a, b, da.write);
                  const auto db = into.to(1);
                  multiply_backward_into({}, db.memory, dy, a, b, db.write);
                });
}

variable multiply(const variable& x, float factor) {
  return record("multiply", scaled(x.value(), factor), {x}, [factor](const tensor& dy, const gradient_sink& into) {
    const auto dx = into.to(0);
    scale_into(dx.memory, dy, factor, dx.write);
  });
}

variable activate(const variable& x, activation f) {
  return record("activate", activate(x.value(), f), {x},
                [x = x.value(), f](const tensor& dy, const gradient_sink& into) {
                  const auto dx = into.to(0);
                  activate_backward_into(dx.memory, dy, x, f, dx.write);
                });
}

variable swiglu(const variable& x) {
  const long width = x.dim(-1) / 2;
  if (x.dim(-1) % 2 != 0) refuse("swiglu", "an even last axis", to_string(x.shape()));
  const auto gate = [width](const tensor& t) { return t.slice(int(t.rank()) - 1, 0, width); };
  const auto up = [width](const tensor& t) { return t.slice(int(t.rank()) - 1, width, 2 * width); };
  return record("swiglu", swiglu(gate(x.value()), up(x.value())), {x},
                [x = x.value(), gate, up](const tensor& dy, const gradient_sink& into) {
                  const auto dx = into.to(0);
                  swiglu_backward_into(gate(dx.memory), up(dx.memory), dy, gate(x), up(x), dx.write);
                });
}

variable dropout(const variable& x, double probability, random_stream random) {
  return record("dropout", dropout(x.value(), probability, random), {x},
                [probability, random](const tensor& dy, const gradient_sink& into) {
                  const auto dx = into.to(0);
                  dropout_into(dx.memory, dy, probability, random, dx.write);
                });
}

}  // namespace qkv
