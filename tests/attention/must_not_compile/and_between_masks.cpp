// says: masks are joined with & and |; && and || belong inside a lambda
#include "qkv/attention/attention.h"

qkv::tensor call(qkv::tensor x) { return qkv::attention(x, x, x, qkv::causal && qkv::sliding_window(8)); }
