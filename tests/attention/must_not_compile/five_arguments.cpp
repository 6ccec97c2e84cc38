// says: write [](auto s, auto at) with at.batch, at.head, at.query, at.key
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto s, auto b, auto h, auto i, auto j) { return s + 0 * (b + h + i + j); });
}
