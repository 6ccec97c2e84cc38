#include "qkv/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>
#include <span>

#include "qkv/io/atomic_file.h"
#include "qkv/io/float16.h"
#include "qkv/io/input_file.h"
#include "qkv/io/safetensors_header.h"
#include "qkv/tensor/visit.h"

namespace qkv {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and so is this reader");

std::span<const std::byte> bytes_of(const tensor& contiguous) {
  return visit_type(contiguous.type(), [&]<class T>(T) { return std::as_bytes(contiguous.values<const T>()); });
}

void check_names(const tensor_file& contents) {
  std::set<std::string> names;
  for (const auto& [name, t] : contents.tensors) {
    if (t.empty()) refuse("write_safetensors", "tensors with storage", "an empty one named \"" + name + "\"");
    if (name == "__metadata__") refuse("write_safetensors", "another name", "a tensor named \"__metadata__\"");
    if (!names.insert(name).second) refuse("write_safetensors", "different names", "\"" + name + "\" twice");
  }
}

/// The order in the file: larger elements first, else as given.
std::vector<const tensor*> arrange(const tensor_file& contents, safetensors_header& header) {
  std::vector<std::size_t> order(contents.tensors.size());
  std::iota(order.begin(), order.end(), 0);
  const auto element_size = [&](std::size_t i) { return size_of(contents.tensors[i].second.type()); };
  std::ranges::stable_sort(order, std::greater(), element_size);
  std::vector<const tensor*> arranged;
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const auto& [name, t] = contents.tensors[i];
    const std::uint64_t begin = end;
    end += std::uint64_t(t.size()) * size_of(t.type());
    header.tensors.push_back({name, stored_type_of(t.type()), t.shape(), begin, end});
    arranged.push_back(&t);
  }
  return arranged;
}

tensor read_as_stored(const input_file& file, const stored_tensor& stored, std::uint64_t offset, dtype type) {
  const tensor t = tensor::uninitialized(stored.sizes, type);
  visit_type(type, [&]<class T>(T) { file.read(t.data<T>(), stored.end - stored.begin, offset); });
  return t;
}

/// Reads elements of type From and converts each.
template <class From, class To, class Convert>
tensor read_converted(const input_file& file, const stored_tensor& stored, std::uint64_t offset, Convert convert) {
  const tensor t = tensor::uninitialized(stored.sizes, dtype_of<To>);
  std::vector<From> elements(std::size_t(t.size()));
  file.read(elements.data(), stored.end - stored.begin, offset);
  std::ranges::transform(elements, t.data<To>(), convert);
  return t;
}

tensor read_tensor(const input_file& file, const stored_tensor& stored, std::uint64_t data_start) {
  const std::uint64_t offset = data_start + stored.begin;
  const auto narrowed = [&](std::int64_t x) {
    if (x < std::numeric_limits<std::int32_t>::min() || x > std::numeric_limits<std::int32_t>::max()) {
      file.refuse("tensor \"" + stored.name + "\" with " + std::to_string(x) + ", which int32 cannot hold");
    }
    return std::int32_t(x);
  };
  switch (stored.type) {
    case stored_type::float16: return read_converted<std::uint16_t, float>(file, stored, offset, float_from_float16);
    case stored_type::int64: return read_converted<std::int64_t, std::int32_t>(file, stored, offset, narrowed);
    case stored_type::bfloat16: return read_as_stored(file, stored, offset, dtype::bfloat16);
    case stored_type::float64: return read_as_stored(file, stored, offset, dtype::float64);
    case stored_type::int32: return read_as_stored(file, stored, offset, dtype::int32);
    case stored_type::int8: return read_as_stored(file, stored, offset, dtype::int8);
    default: return read_as_stored(file, stored, offset, dtype::float32);
  }
}

std::string read_header(const input_file& file, std::uint64_t file_bytes) {
  std::uint64_t length = 0;
  if (file_bytes < sizeof(length)) file.refuse("a file of " + std::to_string(file_bytes) + " bytes");
  file.read(&length, sizeof(length), 0);
  if (length > file_bytes - sizeof(length)) {
    file.refuse("a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(file_bytes) +
                "; it is cut short or something else");
  }
  if (length > largest_safetensors_header) {
    file.refuse("a header of " + std::to_string(length) + " bytes, more than " +
                std::to_string(largest_safetensors_header));
  }
  std::string text(length, '\0');
  file.read(text.data(), length, sizeof(length));
  return text;
}

}  // namespace

const tensor* tensor_file::find(const std::string& name) const {
  const auto found = std::ranges::find(tensors, name, &std::pair<std::string, tensor>::first);
  return found == tensors.end() ? nullptr : &found->second;
}

const tensor& tensor_file::operator[](const std::string& name) const {
  if (const tensor* t = find(name)) return *t;
  throw file_error("expected a tensor named \"" + name + "\"; found none among " + std::to_string(tensors.size()));
}

void write_safetensors(const std::filesystem::path& path, const tensor_file& contents) {
  check_names(contents);
  safetensors_header header{{}, contents.metadata};
  const std::vector<const tensor*> arranged = arrange(contents, header);
  const std::string json = to_json(header);
  const std::uint64_t length = json.size();

  atomic_file file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(json)));
  for (const tensor* t : arranged) file.write(bytes_of(t->to_contiguous()));
  file.commit();
}

tensor_file read_safetensors(const std::filesystem::path& path) {
  const input_file file(path, "a safetensors file");
  const std::uint64_t file_bytes = file.size();
  const std::string json = read_header(file, file_bytes);
  const std::uint64_t data_start = sizeof(std::uint64_t) + json.size();
  const safetensors_header header = parse_safetensors_header(path, json, file_bytes - data_start);

  tensor_file contents{{}, header.metadata};
  contents.tensors.reserve(header.tensors.size());
  for (const stored_tensor& t : header.tensors) contents.tensors.emplace_back(t.name, read_tensor(file, t, data_start));
  return contents;
}

}  // namespace qkv
