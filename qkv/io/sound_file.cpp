#include "qkv/io/sound_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "qkv/io/atomic_file.h"
#include "qkv/io/input_file.h"

namespace qkv {
namespace {

constexpr long most_samples = 1L << 30;

/// A file in memory, as libsndfile reads and writes it: nothing of ours depends on how it opens files.
struct memory_file {
  std::string bytes;
  sf_count_t at = 0;

  static memory_file& of(void* self) { return *static_cast<memory_file*>(self); }

  static SF_VIRTUAL_IO functions() {
    return {.get_filelen = [](void* self) { return sf_count_t(of(self).bytes.size()); },
            .seek =
                [](sf_count_t offset, int whence, void* self) {
                  memory_file& m = of(self);
                  const auto from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m.at : sf_count_t(m.bytes.size());
                  if (from + offset < 0) return sf_count_t(-1);
                  return m.at = from + offset;
                },
            .read =
                [](void* to, sf_count_t count, void* self) {
                  memory_file& m = of(self);
                  count = std::clamp(sf_count_t(m.bytes.size()) - m.at, sf_count_t(0), count);
                  if (count > 0) std::memcpy(to, m.bytes.data() + m.at, std::size_t(count));
                  m.at += count;
                  return count;
                },
            .write =
                [](const void* from, sf_count_t count, void* self) {
                  memory_file& m = of(self);
                  m.bytes.resize(std::max(m.bytes.size(), std::size_t(m.at + count)));
                  std::memcpy(m.bytes.data() + m.at, from, std::size_t(count));
                  m.at += count;
                  return count;
                },
            .tell = [](void* self) { return of(self).at; }};
  }
};

using open_sound = std::unique_ptr<SNDFILE, int (*)(SNDFILE*)>;

/// libsndfile takes a WAV that ends too early for a shorter one; its header knows better.
void check_length_of_wav(const input_file& file, const std::string& bytes) {
  if (!bytes.starts_with("RIFF") || bytes.size() < 8) return;
  std::uint32_t said = 0;
  for (int i = 3; i >= 0; --i) said = said << 8 | std::uint8_t(bytes[std::size_t(4 + i)]);
  const bool not_known = said == 0 || said >= 0x7FFFF000;  // written to a pipe
  if (!not_known && bytes.size() + 1 < std::size_t(said) + 8)
    file.refuse(std::to_string(bytes.size()) + " bytes where its header says " + std::to_string(said + 8L) +
                "; it is cut short");
}

}  // namespace

sound read_sound(const std::filesystem::path& path) {
  const input_file file(path, "a sound (WAV, FLAC)");
  memory_file memory{file.read_all()};
  if (memory.bytes.empty()) file.refuse("an empty file");
  check_length_of_wav(file, memory.bytes);
  SF_VIRTUAL_IO functions = memory_file::functions();
  SF_INFO info{};
  const open_sound opened(sf_open_virtual(&functions, SFM_READ, &info, &memory), &sf_close);
  if (!opened) file.refuse(std::string("another format, or a damaged file (") + sf_strerror(nullptr) + ")");
  if (info.channels < 1 || info.samplerate < 1) file.refuse("no channels, or no sample rate");
  std::vector<float> mono;
  constexpr long piece = 1 << 14;
  std::vector<float> frames(std::size_t(piece * info.channels));
  while (const long count = sf_readf_float(opened.get(), frames.data(), piece)) {
    for (long i = 0; i < count; ++i) {
      double mixed = 0;
      for (long c = 0; c < info.channels; ++c) mixed += double(frames[std::size_t(i * info.channels + c)]);
      mono.push_back(float(mixed / info.channels));
    }
    if (long(mono.size()) > most_samples) file.refuse("more than 2^30 samples");
  }
  if (sf_error(opened.get()) != SF_ERR_NO_ERROR)
    file.refuse(std::string("a damaged file (") + sf_strerror(opened.get()) + ")");
  if (info.frames != SF_COUNT_MAX && long(mono.size()) < info.frames)
    file.refuse(std::to_string(mono.size()) + " samples where its header says " + std::to_string(info.frames) +
                "; it is cut short or damaged");
  if (mono.empty()) file.refuse("a sound without samples");
  const auto odd = std::ranges::find_if_not(mono, [](float x) { return std::isfinite(x); });
  if (odd != mono.end()) file.refuse("a sample that is not finite, number " + std::to_string(odd - mono.begin()));
  const long count = long(mono.size());
  return {tensor({count}, std::move(mono)), info.samplerate};
}

void write_sound(const std::filesystem::path& path, const sound& what) {
  if (what.samples.rank() != 1 || what.samples.size() == 0 || what.rate < 1 || what.rate > 1 << 24)
    refuse("write_sound", "samples [N], at least one, and a rate from 1 to 2^24",
           to_string(what.samples.shape()) + " and a rate of " + std::to_string(what.rate));
  const std::string ending = path.extension().string();
  const int format = ending == ".wav" ? SF_FORMAT_WAV : ending == ".flac" ? SF_FORMAT_FLAC : 0;
  if (format == 0) refuse_file(path, "a name that ends in .wav or .flac", "\"" + ending + "\"");
  std::vector<short> samples;
  for (const float x : what.samples.to(dtype::float32).to_contiguous().values<const float>())
    samples.push_back(short(std::lround(std::clamp(x * 32768, -32768.0f, 32767.0f))));
  memory_file memory;
  SF_VIRTUAL_IO functions = memory_file::functions();
  SF_INFO info{.frames = 0,
               .samplerate = int(what.rate),
               .channels = 1,
               .format = format | SF_FORMAT_PCM_16,
               .sections = 0,
               .seekable = 0};
  open_sound opened(sf_open_virtual(&functions, SFM_WRITE, &info, &memory), &sf_close);
  if (!opened) refuse_file(path, "a sound that the format can hold", sf_strerror(nullptr));
  if (sf_write_short(opened.get(), samples.data(), sf_count_t(samples.size())) != sf_count_t(samples.size()))
    refuse_file(path, "to write every sample", sf_strerror(opened.get()));
  opened.reset();
  atomic_file file(path);
  file.write(std::as_bytes(std::span(memory.bytes)));
  file.commit();
}

}  // namespace qkv
