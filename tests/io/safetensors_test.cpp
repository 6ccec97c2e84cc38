#include "qkv/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "qkv/base/error.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

tensor_file some_tensors() {
  tensor_file contents;
  contents.tensors.emplace_back("weight", tensor({2, 3}, {1, 2, 3, 4, 5, 6}));
  contents.tensors.emplace_back("half", tensor({3}, {0.5, 1, 1.5}).to(dtype::bfloat16));
  contents.tensors.emplace_back("ids", tensor({2}, std::vector<std::int32_t>{-7, 2147483647}));
  contents.tensors.emplace_back("exact", tensor(shape{}, std::vector<double>{0.1}));
  contents.tensors.emplace_back("nothing", tensor({0, 4}));
  contents.metadata = {{"format", "qkv"}, {"name", "Zoë \"quoted\"\n"}};
  return contents;
}

/// A file of this header and this many bytes of data.
std::string file_of(const std::string& json, const std::string& data) {
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[std::size_t(i)] = char(json.size() >> (8 * i));
  return file + json + data;
}

std::string complaint_about(const std::string& bytes) {
  const temporary_folder folder;
  put_bytes(folder / "f", bytes);
  const std::string start = (folder / "f").string() + ": expected a safetensors file; found ";
  const std::string message = message_of<file_error>([&] { read_safetensors(folder / "f"); });
  return message.starts_with(start) ? message.substr(start.size()) : message;
}

std::string complaint_about_header(const std::string& json, std::size_t data = 8) {
  return complaint_about(file_of(json, std::string(data, '\0')));
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const temporary_folder folder;
  const tensor_file written = some_tensors();
  write_safetensors(folder / "f", written);
  const tensor_file read = read_safetensors(folder / "f");
  EXPECT_EQ(read.metadata, written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (const auto& [name, t] : written.tensors) {
    EXPECT_EQ(read[name].type(), t.type()) << name;
    EXPECT_EQ(read[name].shape(), t.shape()) << name;
  }
  EXPECT_THAT(read["weight"].values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(read["half"].item({2}), 1.5);
  EXPECT_EQ(read["ids"].item({0}), -7);
  EXPECT_EQ(read["ids"].item({1}), 2147483647);
  EXPECT_EQ(read["exact"].item(), 0.1);
  EXPECT_EQ(folder.files(), 1);
}

TEST(Safetensors, KeepsNanInfinityAndNegativeZero) {
  const temporary_folder folder;
  const double infinity = std::numeric_limits<double>::infinity();
  write_safetensors(folder / "f", {{{"t", tensor({4}, {NAN, infinity, -infinity, -0.0})}}, {}});
  const tensor t = read_safetensors(folder / "f")["t"];
  EXPECT_TRUE(std::isnan(t.item({0})));
  EXPECT_EQ(t.item({1}), infinity);
  EXPECT_EQ(t.item({2}), -infinity);
  EXPECT_TRUE(std::signbit(t.item({3})));
}

TEST(Safetensors, WritesViewsRowMajor) {
  const temporary_folder folder;
  write_safetensors(folder / "f", {{{"t", tensor({2, 2}, {1, 2, 3, 4}).transpose(0, 1)}}, {}});
  EXPECT_THAT(read_safetensors(folder / "f")["t"].values<float>(), ElementsAre(1, 3, 2, 4));
}

TEST(Safetensors, MayHoldNothing) {
  const temporary_folder folder;
  write_safetensors(folder / "f", {});
  EXPECT_TRUE(read_safetensors(folder / "f").tensors.empty());
}

TEST(Safetensors, AlignsEveryTensorToItsElements) {
  const temporary_folder folder;
  write_safetensors(folder / "f", some_tensors());
  const std::string bytes = bytes_of_file(folder / "f");
  const std::size_t header = static_cast<unsigned char>(bytes[0]) + 256u * static_cast<unsigned char>(bytes[1]);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(bytes[8], '{');
  const auto json = nlohmann::json::parse(bytes.substr(8, header));
  EXPECT_EQ(json["exact"]["data_offsets"], nlohmann::json({0, 8}));
  EXPECT_EQ(json["half"]["dtype"], "BF16");
  EXPECT_EQ(json["half"]["data_offsets"], nlohmann::json({8 + 24 + 8, 8 + 24 + 8 + 6}));
}

TEST(Safetensors, ReadsHalfPrecisionAsFloat32) {
  const temporary_folder folder;
  const std::vector<std::uint16_t> halves{0x3C00, 0xC000, 0x0001, 0x8000, 0x7C00, 0x7E01, 0x7BFF, 0x3555};
  const std::string data(reinterpret_cast<const char*>(halves.data()), 16);
  put_bytes(folder / "f", file_of(R"({"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]}})", data));
  const tensor t = read_safetensors(folder / "f")["h"];
  EXPECT_EQ(t.type(), dtype::float32);
  EXPECT_THAT(t.slice(0, 0, 5).values<float>(), ElementsAre(1, -2, 0x1p-24f, -0.0f, INFINITY));
  EXPECT_TRUE(std::signbit(t.at<float>(3)));
  EXPECT_TRUE(std::isnan(t.at<float>(5)));
  EXPECT_EQ(t.at<float>(6), 65504);
  EXPECT_EQ(t.at<float>(7), 0x1.554p-2f);
}

TEST(Safetensors, ReadsInt64AsInt32WhenItFits) {
  const temporary_folder folder;
  const std::string json = R"({"i":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})";
  const auto data = [](std::int64_t a, std::int64_t b) {
    const std::int64_t both[] = {a, b};
    return std::string(reinterpret_cast<const char*>(both), 16);
  };
  put_bytes(folder / "f", file_of(json, data(-2147483648, 5)));
  EXPECT_THAT(read_safetensors(folder / "f")["i"].values<std::int32_t>(), ElementsAre(-2147483648, 5));
  EXPECT_EQ(complaint_about(file_of(json, data(1, 2147483648))),
            "tensor \"i\" with 2147483648, which int32 cannot hold");
}

TEST(Safetensors, SaysWhichTensorIsMissing) {
  EXPECT_EQ(message_of<file_error>([] { some_tensors()["bias"]; }),
            "expected a tensor named \"bias\"; found none among 5");
  EXPECT_EQ(some_tensors().find("bias"), nullptr);
}

TEST(Safetensors, RefusesToWriteWhatCouldNotBeReadBack) {
  const temporary_folder folder;
  const tensor t({1});
  const auto complaint = [&](const tensor_file& contents) {
    return message_of<shape_error>([&] { write_safetensors(folder / "f", contents); });
  };
  EXPECT_THAT(complaint({{{"a", t}, {"a", t}}, {}}), HasSubstr("found \"a\" twice"));
  EXPECT_THAT(complaint({{{"a", tensor()}}, {}}), HasSubstr("found an empty one named \"a\""));
  EXPECT_THAT(complaint({{{"__metadata__", t}}, {}}), HasSubstr("found a tensor named"));
  EXPECT_THAT(complaint({{{"\xFF", t}}, {}}), HasSubstr("expected names and metadata in UTF-8"));
  EXPECT_EQ(folder.files(), 0);
}

TEST(BrokenSafetensors, ThatAreNoneAtAllAreNamedForWhatTheyAre) {
  EXPECT_EQ(complaint_about(""), "a file of 0 bytes");
  EXPECT_EQ(complaint_about("hello"), "a file of 5 bytes");
  EXPECT_THAT(complaint_about("hello, this is a text"), HasSubstr("it is cut short or something else"));
  EXPECT_THAT(complaint_about(std::string(8, '\xFF') + "{}"), HasSubstr("a header of 18446744073709551615 bytes"));
  const temporary_folder folder;
  EXPECT_THAT(message_of<file_error>([&] { read_safetensors(folder / "none"); }), HasSubstr("no file of that name"));
  EXPECT_THAT(message_of<file_error>([&] { read_safetensors(folder.path()); }), HasSubstr("found a directory"));
  EXPECT_THAT(message_of<file_error>([&] { read_safetensors("/dev/null"); }), HasSubstr("a pipe or a device"));
}

TEST(BrokenSafetensors, WithAHugeHeaderAreNotEvenRead) {
  const temporary_folder folder;
  put_bytes(folder / "f", file_of(std::string(0, ' '), ""));
  {
    std::ofstream file(folder / "f", std::ios::binary);
    const std::uint64_t length = 100'000'001;
    file.write(reinterpret_cast<const char*>(&length), 8);
  }
  std::filesystem::resize_file(folder / "f", 100'000'100);  // a sparse file
  EXPECT_THAT(message_of<file_error>([&] { read_safetensors(folder / "f"); }), HasSubstr("more than 100000000"));
}

TEST(BrokenSafetensors, WithABadHeaderAreRefusedInWords) {
  const auto about = [](const std::string& json) { return complaint_about_header(json); };
  EXPECT_EQ(about("{"), "a header that is not JSON");
  EXPECT_EQ(about("{\"a\xFF\": 1}"), "a header that is not JSON");
  EXPECT_EQ(about("[]"), "a header that is not a JSON object");
  EXPECT_EQ(about(R"({"a": 1})"), "tensor \"a\" that is not a JSON object");
  EXPECT_EQ(about(R"({"a": {}})"), "tensor \"a\" without dtype");
  EXPECT_EQ(about(R"({"__metadata__": 3})"), "metadata that is not a JSON object");
  EXPECT_EQ(about(R"({"__metadata__": {"x": 3}})"), "metadata \"x\" that is not a string");
  EXPECT_EQ(about(R"({"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})"),
            "tensor \"a\" of dtype F8_E4M3, which qkv does not read");
  EXPECT_EQ(about(R"({"a":{"dtype":5,"shape":[2],"data_offsets":[0,8]}})"), "tensor \"a\" whose dtype is not a string");
  EXPECT_EQ(about(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})"),
            "tensor \"a\"'s shape, which is not a list");
  EXPECT_EQ(about(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"),
            "tensor \"a\"'s shape with -2, which is not a size");
  EXPECT_EQ(about(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"),
            "tensor \"a\"'s shape with 2.0, which is not a size");
  EXPECT_EQ(about(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})"), "tensor \"a\" with 1 data_offsets");
}

TEST(BrokenSafetensors, WithBadPlacesAreRefusedInWords) {
  const auto about = [](const std::string& shape, const std::string& offsets) {
    return complaint_about_header(R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}");
  };
  EXPECT_EQ(about("[2]", "[0,12]"), "tensor \"a\" at bytes 0 to 12 of 8");
  EXPECT_EQ(about("[2]", "[8,0]"), "tensor \"a\" at bytes 8 to 0 of 8");
  EXPECT_EQ(about("[3]", "[0,8]"), "tensor \"a\" of shape [3] with 8 bytes, not 12");
  EXPECT_EQ(about("[1]", "[4,8]"), "a gap before tensor \"a\"");
  EXPECT_EQ(about("[1]", "[0,4]"), "4 bytes after the last tensor");
  EXPECT_THAT(about("[4611686018427387904, 4611686018427387904]", "[0,8]"), HasSubstr("more than 2^64 bytes"));
  EXPECT_THAT(about("[99999999999999999999999]", "[0,8]"), HasSubstr("which is not a size"));
  EXPECT_THAT(about("[4611686018427387904, 4]", "[0,0]"), HasSubstr("more than 2^64 bytes"));
}

TEST(BrokenSafetensors, WithTensorsThatOverlapOrShareANameAreRefused) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(complaint_about_header("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
            "tensor \"b\" that overlaps the one before it");
  EXPECT_EQ(complaint_about_header("{" + a + "," + a + "}"), "the name \"a\" twice in its header");
  EXPECT_EQ(complaint_about_header(R"({"__metadata__":{"k":"1","k":"2"},)" + a + "}"),
            "the name \"k\" twice in its header");
}

TEST(BrokenSafetensors, DoNotFillTheTerminalWithTheirNames) {
  const std::string message = complaint_about_header("{\"\\u001b[2J" + std::string(5'000, 'x') + "\": 1}");
  EXPECT_LT(message.size(), 200u);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

/// Reading either succeeds or throws file_error; anything else ends the test.
void expect_no_harm(const std::filesystem::path& path, const std::string& bytes) {
  put_bytes(path, bytes);
  try {
    for (const auto& [name, t] : read_safetensors(path).tensors) {
      if (t.size() > 0) t.to(dtype::float64);
    }
  } catch (const file_error& e) {
    EXPECT_THAT(e.what(), StartsWith(path.string() + ": expected a safetensors file; found "));
  }
}

TEST(BrokenSafetensors, CutAnywhereAreRefused) {
  const temporary_folder folder;
  write_safetensors(folder / "whole", some_tensors());
  const std::string whole = bytes_of_file(folder / "whole");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put_bytes(folder / "f", whole.substr(0, length));
    EXPECT_THROW(read_safetensors(folder / "f"), file_error) << "the first " << length << " of " << whole.size();
  }
}

TEST(BrokenSafetensors, WithAnyByteChangedDoNoHarm) {
  const temporary_folder folder;
  write_safetensors(folder / "whole", some_tensors());
  const std::string whole = bytes_of_file(folder / "whole");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char replacement : {'\0', '\xFF', '"', '9', '-', '{', ']', char(whole[i] ^ 1), char(whole[i] ^ 0x80)}) {
      std::string broken = whole;
      broken[i] = replacement;
      expect_no_harm(folder / "f", broken);
    }
  }
}

TEST(BrokenSafetensors, NestedDeeplyDoNoHarm) {
  const temporary_folder folder;
  expect_no_harm(folder / "f", file_of(std::string(1'000'000, '['), ""));
  expect_no_harm(folder / "f", file_of("{\"a\":" + std::string(500'000, '[') + std::string(500'000, ']') + "}", ""));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_no_harm(folder / "f", file_of(objects, ""));
}

}  // namespace
}  // namespace qkv
