// says: two weightings in one call
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) { return qkv::attention(x, x, x, qkv::softmax, qkv::sparsemax); }
