// says: a condition on many links at once cannot steer `if` or `?:`; write select(condition, a, b)
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto at) {
    if (at.query > at.key) return at.head == 0;
    return at.head == 1;
  });
}
