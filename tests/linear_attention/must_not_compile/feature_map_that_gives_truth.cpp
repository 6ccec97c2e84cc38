// says: qkv: a feature map returns the new number of its channel
#include "qkv/linear_attention/linear_attention.h"

void f(const qkv::tensor& q) {
  qkv::linear_attention(q, q, q, {.features = [](auto x) { return x > 0; }});
}
