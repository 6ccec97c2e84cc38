// says: qkv: a feature map is a lambda [](auto x) { return ...; } of one channel's number, generic
#include "qkv/linear_attention/linear_attention.h"

void f(const qkv::tensor& q) {
  qkv::linear_attention(q, q, q, {.features = [](double x) { return x * x; }});
}
