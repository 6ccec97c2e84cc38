#include "qkv/io/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace qkv {
namespace {

/// zlib's state for reading, released in any case.
struct inflater {
  z_stream stream{};
  bool ready = false;
  inflater() {
    constexpr int gzip_format = 16, window = 15;
    ready = inflateInit2(&stream, gzip_format + window) == Z_OK;
  }
  ~inflater() {
    if (ready) inflateEnd(&stream);
  }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzipped(std::string_view bytes, const input_file& file, std::size_t largest) {
  inflater state;
  if (!state.ready) throw std::bad_alloc();
  z_stream& z = state.stream;
  std::string out;
  constexpr std::size_t piece = 1 << 16, most_at_once = 1 << 30;
  int result = Z_OK;
  std::size_t given = 0;
  for (;;) {
    if (z.avail_in == 0) {
      const std::size_t more = std::min(bytes.size() - given, most_at_once);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + given));
      z.avail_in = uInt(more);
      given += more;
    }
    if (result == Z_STREAM_END) {  // another member may follow; anything else is padding
      if (!is_gzip({reinterpret_cast<const char*>(z.next_in), z.avail_in})) return out;
      if (inflateReset(&z) != Z_OK) throw std::bad_alloc();
    }
    const std::size_t before = out.size();
    out.resize(before + std::clamp(before, piece, most_at_once));
    z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    z.avail_out = uInt(out.size() - before);
    result = inflate(&z, Z_NO_FLUSH);
    out.resize(out.size() - z.avail_out);
    if (out.size() > largest) file.refuse("compressed data that holds more than " + std::to_string(largest) + " bytes");
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    const bool starved = z.avail_in == 0 && given == bytes.size();
    if (result == Z_BUF_ERROR || (result == Z_OK && starved && z.avail_out > 0))
      file.refuse("compressed data that is cut short");
    if (result != Z_OK && result != Z_STREAM_END)
      file.refuse(std::string("damaged compressed data (") + (z.msg ? z.msg : "no more is known") + ")");
  }
}

}  // namespace qkv
