// says: this score lambda takes learned parameters; write score(lambda, parameters...)
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) {
  return qkv::attention(x, x, x, [](auto s, auto at, auto slope) { return s - slope[at.head]; });
}
