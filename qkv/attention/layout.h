// How queries and keys lie: alignment of the two axes, and ragged batches.
#pragma once
#include <vector>

namespace qkv {

/// Where query 0 stands on the key axis.  Everything that compares places follows it: causal,
/// windows, ALiBi, relative bias.
struct alignment { bool from_end; long offset; };

/// The last query stands on the last key (default; right for a KV cache; flash-attn >= 2.1).
inline constexpr alignment bottom_right{true, 0};
/// Query 0 stands on key 0 (PyTorch's is_causal).
inline constexpr alignment top_left{false, 0};
/// Query 0 stands on key `place` (chunked prefill).
constexpr alignment queries_start_at(long place) { return {false, place}; }

/// Ragged batches.  Packed: sequences lie end to end in one row of the batch, sequence b from
/// offsets[b] to offsets[b+1] (flash-attn's cu_seqlens).  Padded: sequence b fills the first
/// lengths[b] places of its row; outputs past the end are zero.
struct sequences {
  enum kind { whole, packed_, padded_ } how = whole;
  std::vector<long> queries{}, keys{};
};
inline sequences packed(std::vector<long> offsets) { return {sequences::packed_, offsets, offsets}; }
inline sequences packed(std::vector<long> query_offsets, std::vector<long> key_offsets) {
  return {sequences::packed_, query_offsets, key_offsets};
}
inline sequences padded(std::vector<long> lengths) { return {sequences::padded_, lengths, lengths}; }
inline sequences padded(std::vector<long> query_lengths, std::vector<long> key_lengths) {
  return {sequences::padded_, query_lengths, key_lengths};
}

}  // namespace qkv
