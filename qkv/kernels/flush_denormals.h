// Numbers below 2^-126 as zero, for the time a kernel runs.  Weights far from the maximum are that small, and a processor
// takes a hundred times longer over each product of them.  Included by kernels only.
#pragma once
namespace qkv::QKV_INSTRUCTION_SET {

struct flush_denormals {
#if defined(__x86_64__)
  unsigned before = __builtin_ia32_stmxcsr();
  flush_denormals() { __builtin_ia32_ldmxcsr(before | 0x8040); }  // results to zero, operands read as zero
  ~flush_denormals() { __builtin_ia32_ldmxcsr(before); }
#else
  flush_denormals() {}
  ~flush_denormals() {}
#endif
  flush_denormals(const flush_denormals&) = delete;
  flush_denormals& operator=(const flush_denormals&) = delete;
};

}  // namespace qkv::QKV_INSTRUCTION_SET
