// says: two layouts in one call
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) { return qkv::attention(x, x, x, qkv::packed({0, 3}), qkv::padded({3})); }
