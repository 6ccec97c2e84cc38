// Texts to tokens and back, whatever the tokens are: characters, bytes, words, byte pairs or unigram pieces.
// Made by training (qkv/tokens/training.h) or read from a tokenizer.json.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qkv {

namespace tokens {
struct tokenizer_parts;
}

/// Bytes begin .. end-1 of a text.
struct byte_range {
  std::size_t begin, end;
  bool operator==(const byte_range&) const = default;
};

/// Tokens and which bytes of the text each covers.  A token that is part of a character covers some of its bytes; a
/// space that was put in front covers none; spaces that separate words belong to no token.
struct located_tokens {
  std::vector<std::int32_t> tokens;
  std::vector<byte_range> places;
};

/// What "<s>" in a text is: three characters like any others, or the special token.
enum class markers { as_text, as_tokens };

/// What decoding does with special tokens.
enum class specials { left_out, written };

/// The names that training gives to special tokens, which get the first numbers in this order.
namespace special_token {
inline constexpr const char* pad = "<pad>";      ///< fills up short sequences
inline constexpr const char* unknown = "<unk>";  ///< in place of what the vocabulary does not know
inline constexpr const char* begin = "<s>";      ///< the start of a sequence
inline constexpr const char* end = "</s>";       ///< its end
}  // namespace special_token

/// A vocabulary and the rules that cut a text into its tokens.  It never changes; copies share it, threads may too.
class tokenizer {
 public:
  /// The tokens of a text; an empty text has none.  No special tokens are put at its ends, and with
  /// markers::as_text none comes from the text, but for the one for unknown words.  Added tokens that are not special
  /// are always found.
  /// @throws shape_error "tokenizer::encode: expected a text in UTF-8; found other bytes at byte 12"; bytes and
  ///         byte-level BPE take any bytes, unless they turn them into lower case
  std::vector<std::int32_t> encode(std::string_view text, markers = markers::as_text) const;

  /// The same, and where in the text each token lies.
  located_tokens locate(std::string_view text, markers = markers::as_text) const;

  /// The tokens of many texts, each as encode() gives them, on all threads.
  std::vector<std::vector<std::int32_t>> encode_each(std::span<const std::string> texts,
                                                     markers = markers::as_text) const;

  /// The text of the tokens.  Bytes and byte-level BPE give back exactly the bytes that were encoded; unigram all but
  /// one space at the start; words are joined by single spaces.
  /// @throws shape_error "tokenizer::decode: expected tokens from 0 to 7999; found 8000"
  std::string decode(std::span<const std::int32_t> tokens, specials = specials::left_out) const;

  long vocabulary_size() const;

  /// The name of a token as tokenizer.json has it: "Ġthe" of byte-level BPE and "▁the" of unigram are " the".
  /// Throws shape_error for a number that is no token's.
  const std::string& token(std::int32_t id) const;
  std::optional<std::int32_t> id(std::string_view token) const;

  /// Special tokens, in the order of their numbers.
  const std::vector<std::int32_t>& special_ids() const;
  bool is_special(std::int32_t id) const;

  /// The number of a special token, tokenizer.special(special_token::end).
  /// @throws shape_error "tokenizer::special: expected one of <pad>, <s>; found </s>"
  std::int32_t special(std::string_view name) const;

  /// "byte-level BPE with 8000 tokens".
  std::string in_words() const;

  /// As a tokenizer.json that Hugging Face tokenizers reads.
  std::string to_json() const;

  /// What to_json() writes, also by other programs, as far as qkv knows its parts: BPE of bytes or characters, word
  /// and unigram models; see qkv/tokens/tokenizer_reading.cpp.  Also the JSON of a character_vocabulary.
  /// @throws file_error "tokenizer.json: expected a model of type BPE, WordLevel or Unigram; found "WordPiece""
  static tokenizer from_json(std::string_view json);

  explicit tokenizer(tokens::tokenizer_parts parts);

 private:
  std::shared_ptr<const tokens::tokenizer_parts> parts_;
};

}  // namespace qkv
