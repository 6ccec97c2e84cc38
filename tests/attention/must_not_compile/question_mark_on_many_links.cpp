// says: a condition on many links at once cannot steer `if` or `?:`; write select(condition, a, b)
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto s, auto at) { return at.query > at.key ? s : 2 * s; });
}
