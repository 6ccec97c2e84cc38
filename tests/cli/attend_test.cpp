// qkv attend: pictures and pages of what heads look at.
#include <fstream>
#include <numeric>

#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;
using testing::Not;

using Attend = WithModel;

// The text has what could end a script, a string or a tag, and what could steer a terminal.
const std::string nasty = "</script><b> \"'&{\\\t\x1b[31m";

// What a checker written in Python says of a file: nothing if it is fine.
std::string checked(const std::string& script, const std::filesystem::path& file) {
  const std::string command =
      std::string("python3 ") + QKV_SOURCE_DIR + "/tests/cli/" + script + " " + file.string() + " 2>&1";
  std::string said;
  FILE* pipe = ::popen(command.c_str(), "r");
  for (int c; (c = std::fgetc(pipe)) != EOF;) said += char(c);
  return ::pclose(pipe) == 0 ? "" : said + "(exit code not 0)";
}

TEST_F(Attend, DrawsALineForEveryHead) {
  const finished done = qkv_program({"attend", "--model", model(), "--text", "Shall I compare"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("Shall_I_compare"));
  for (const char* head : {"layer  1 head  1", "layer  1 head  2", "layer  2 head  1", "layer  2 head  2"})
    EXPECT_THAT(done.out, HasSubstr(head));
  for (const unsigned char c : done.out) EXPECT_LT(c, 0x80) << "ASCII in a file";
}

TEST_F(Attend, DrawsAHeadsWholeMatrix) {
  const finished done = qkv_program({"attend", "--model", model(), "--text", "Shall", "--layer", "2", "--head", "1"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("  S h a l l"));
  EXPECT_THAT(done.out, HasSubstr("S @@\n"));
  EXPECT_THAT(done.out, HasSubstr("entropy"));
}

TEST_F(Attend, GivesRowsThatSumToOneAndNeverLookAhead) {
  const auto result = json_of({"attend", "--model", model(), "--text", "Shall I"});
  EXPECT_EQ(result["tokens"].size(), 7);
  EXPECT_EQ(result["heads"].size(), 4);
  for (const auto& head : result["heads"])
    for (std::size_t t = 0; t < 7; ++t) {
      double sum = 0;
      for (std::size_t s = 0; s < 7; ++s) {
        const double weight = head["weights"][t][s];
        EXPECT_TRUE(s <= t || weight == 0);
        sum += weight;
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
}

// As long as the model's context allows, on the narrowest instruction set and on the one in use.
TEST_F(Attend, GivesRowsThatSumToOneForTheLongestText) {
  const std::string text = text_to_learn().substr(0, 24);
  for (const char* set : {"portable", ""}) {
    const auto prepare = [&] { ::setenv("QKV_ISA", set, 1); };
    const finished done = running_program({"attend", "--model", model(), "--text", text, "--json"}, prepare).wait();
    ASSERT_EQ(done.code, 0) << done.err;
    for (const auto& head : nlohmann::json::parse(done.out)["heads"]) {
      ASSERT_EQ(head["weights"].size(), 24);
      for (const std::vector<double> row : head["weights"])
        EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1, 1e-5);
    }
  }
}

TEST_F(Attend, WritesAPageThatIsCompleteInItself) {
  const auto page = in_folder("page.html");
  const finished done = qkv_program({"attend", "--model", model(), "--text", nasty, "--html", page});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(checked("check_page.py", page), "");
  const std::string html = bytes_of_file(page);
  for (const char* outside : {"://", " src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const auto start = html.find(open) + open.size();
  const auto data = nlohmann::json::parse(html.substr(start, html.find("</script>", start) - start));
  EXPECT_EQ(data["text"], nasty);
  EXPECT_EQ(data["keys"].size(), nasty.size());
  EXPECT_EQ(data["layers"].size(), 2);
  EXPECT_EQ(data["layers"][0][0]["weights"][0][0], 10000);
}

TEST_F(Attend, WritesPicturesThatCanBeRead) {
  const auto svg = in_folder("picture.svg"), png = in_folder("picture.png");
  for (const auto& more :
       std::vector<std::vector<std::string>>{{}, {"--layer", "1"}, {"--layer", "1", "--head", "2"}}) {
    std::vector<std::string> all{"attend", "--model", model(), "--text", nasty, "--svg", svg, "--png", png};
    all.insert(all.end(), more.begin(), more.end());
    const finished done = qkv_program(all);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("picture.png"));
    EXPECT_EQ(checked("check_picture.py", svg), "");
    EXPECT_EQ(checked("check_picture.py", png), "");
  }
}

TEST_F(Attend, TakesASingleToken) {
  const auto page = in_folder("one.html");
  EXPECT_EQ(qkv_program({"attend", "--model", model(), "--text", "I", "--html", page}).code, 0);
  EXPECT_EQ(checked("check_page.py", page), "");
}

TEST_F(Attend, TellsHeadsInNumbers) {
  const finished done = qkv_program({"attend", "--model", model(), "--text", "Shall I compare", "--heads"});
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* there : {"induction", "\n1.1 ", "\n1.2 ", "\n2.1 ", "\n2.2 ", "an even spread", "entropy in nats"})
    EXPECT_THAT(done.out, HasSubstr(there));
  const finished one =
      qkv_program({"attend", "--model", model(), "--text", "Shall", "--heads", "--layer", "2", "--head", "1", "-q"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, Not(HasSubstr("\n1.1 ")));
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 3) << one.out;
}

TEST_F(Attend, TellsTheSameWithAndWithoutTheWeights) {
  const auto drawn = json_of({"attend", "--model", model(), "--text", "Shall I compare thee"}),
             told = json_of({"attend", "--model", model(), "--text", "Shall I compare thee", "--heads"});
  EXPECT_EQ(drawn["tokens"], told["tokens"]);
  ASSERT_EQ(told["heads"].size(), 4);
  for (std::size_t n = 0; n < 4; ++n)
    for (const auto& [name, value] : drawn["heads"][n].items()) {
      if (name == "weights") continue;
      if (value.is_number_float())
        EXPECT_NEAR(told["heads"][n][name].get<double>(), value.get<double>(), 1e-4) << name;
      else
        EXPECT_EQ(told["heads"][n][name], value) << name;
    }
  EXPECT_EQ(told["heads"][3]["likeness"].size(), 2);
  EXPECT_NEAR(told["even"]["evenness"].get<double>(), 1, 1e-6);
}

TEST_F(Attend, FollowsATokenThroughTheLayers) {
  const auto all = json_of({"attend", "--model", model(), "--text", "Shall I compare", "--rollout", "--token", "5"});
  EXPECT_FALSE(all.contains("heads"));
  EXPECT_EQ(all["rollout"]["token"], 5);
  const std::vector<double> shares = all["rollout"]["shares"];
  ASSERT_EQ(shares.size(), 15u);
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-5);
  EXPECT_GE(shares[4], 0.25) << "half stays in each of two layers";
  EXPECT_EQ(shares[5], 0) << "it does not look ahead";
  const finished done = qkv_program({"attend", "--model", model(), "--text", nasty, "--rollout"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("comes from"));
  EXPECT_EQ(done.out.find('\x1b'), std::string::npos);
}

TEST_F(Attend, ReadsTheBeginningOfAFile) {
  const auto file = in_folder("long.txt");
  put_bytes(file, text_to_learn());
  const auto all = json_of({"attend", "--model", model(), "--text-file", file, "--heads"});
  EXPECT_EQ(all["tokens"].size(), 24);
  EXPECT_EQ(all["tokens"][0], "<");
  EXPECT_EQ(qkv_program({"attend", "--model", model(), "--text-file", file}).code, 0);
}

TEST_F(Attend, RefusesWhatItCannotShow) {
  expect_refusal({"attend", "--model", model(), "--text", "I", "--text-file", "x"}, "--text");
  expect_refusal({"attend", "--model", model(), "--text-file", in_folder("none.txt")}, "none.txt");
  expect_refusal({"attend", "--model", model(), "--text", "I", "--heads", "--html", in_folder("x")}, "excludes");
  expect_refusal({"attend", "--model", model(), "--text", "I", "--heads", "--layer", "3"}, "expected 1 to 2; found 3");
  expect_refusal({"attend", "--model", model(), "--text", "I", "--rollout", "--token", "2"},
                 "expected 1 to 1; found 2");
  expect_refusal({"attend", "--model", model(), "--text", std::string(25, 'I')}, "at most 24 tokens");
  expect_refusal({"attend", "--model", model(), "--text", ""}, "expected a text");
  expect_refusal({"attend", "--model", model(), "--text", "Q"}, "--text");
  expect_refusal({"attend", "--model", model(), "--text", "I", "--layer", "3"}, "expected 1 to 2; found 3");
  expect_refusal({"attend", "--model", model(), "--text", "I", "--head", "0"}, "--head");
  for (const std::string picture : {"--html", "--svg", "--png"})
    expect_refusal({"attend", "--model", model(), "--text", "I", picture, ""}, picture);
  expect_refusal({"attend", "--model", model(), "--text", "I", "--token", "2"}, "expected 1 to 1; found 2");
  expect_refusal({"attend", "--model", model()}, "--text");
}

TEST_F(Attend, SaysBeforeTheWorkThatAFileCannotBeWritten) {
  for (const std::string kind : {"--html", "--svg", "--png"}) {
    expect_refusal({"attend", "--model", model(), "--text", "I", kind, in_folder("no/folder/x")}, "expected a folder");
    expect_refusal({"attend", "--model", in_folder("missing"), "--text", "I", kind, in_folder("no/folder/x")},
                   "no/folder/x: expected a folder");
  }
}

TEST_F(Attend, KeepsAnEarlierPageWhenTheDiskIsFull) {
  const auto page = in_folder("kept.html");
  put_bytes(page, "the earlier page");
  const finished done = running_program({"attend", "--model", model(), "--text", "I", "-q", "--html", page}, [] {
                          ::signal(SIGXFSZ, SIG_IGN);
                          const rlimit limit{4096, 4096};
                          ::setrlimit(RLIMIT_FSIZE, &limit);
                        }).wait();
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("kept.html"));
  EXPECT_EQ(bytes_of_file(page), "the earlier page");
}

}  // namespace
}  // namespace qkv
