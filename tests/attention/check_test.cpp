// Errors at the door, by their text; and parts that are not fused, by their name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "tests/attention/tensors.h"

namespace qkv {
namespace {

using testing::HasSubstr;

tensor numbers(shape s) { return normal(std::move(s), 1, dtype::float32); }

/// q [2, 9, 8, 16], k [2, 13, 4, 16], v [2, 13, 4, 6].
struct AtTheDoor : testing::Test {
  tensor q = numbers({2, 9, 8, 16}), k = numbers({2, 13, 4, 16}), v = numbers({2, 13, 4, 6});

  template <class... Parts>
  std::string refusal(const Parts&... parts) const {
    const std::string fused = message_of([&] { attention(q, k, v, parts...); });
    const std::string oracle = message_of([&] { oracle::attention(q, k, v, parts...); });
    EXPECT_EQ(fused == "no exception" ? fused : "oracle " + fused, oracle);  // one text for both
    return fused;
  }
};

TEST_F(AtTheDoor, HeadsThatDoNotDivide) {
  k = numbers({2, 13, 3, 16}), v = numbers({2, 13, 3, 6});
  EXPECT_EQ(refusal(),
            "attention: expected query heads H a multiple of key heads G; found that keys have 3 heads, which does not "
            "divide the queries' 8");
  k = numbers({2, 13, 0, 16}), v = numbers({2, 13, 0, 6});
  EXPECT_EQ(refusal(), "attention: expected at least one key head G; found q [2, 9, 8, 16], k [2, 13, 0, 16]");
}

TEST_F(AtTheDoor, ShapesThatDoNotFit) {
  const tensor fit_q = q, fit_k = k, fit_v = v;
  q = numbers({3, 9, 8, 16});
  EXPECT_EQ(refusal(),
            "attention: expected queries and keys of as many sequences B; found q [3, 9, 8, 16], k [2, 13, 4, 16]");
  q = numbers({2, 9, 8, 15});
  EXPECT_EQ(refusal(),
            "attention: expected queries and keys of as many channels D; found q [2, 9, 8, 15], k [2, 13, 4, 16]");
  q = fit_q, v = numbers({2, 12, 4, 6});
  EXPECT_EQ(refusal(),
            "attention: expected values with the B, S and G of the keys; found k [2, 13, 4, 16], v [2, 12, 4, 6]");
  v = numbers({2, 13, 2, 6});
  EXPECT_EQ(refusal(),
            "attention: expected values with the B, S and G of the keys; found k [2, 13, 4, 16], v [2, 13, 2, 6]");
  v = fit_v, k = numbers({2, 13, 64});
  EXPECT_THAT(refusal(), HasSubstr("k [B, S, G, D]; found"));
}

TEST_F(AtTheDoor, LengthsOfPaddedSequences) {
  EXPECT_EQ(refusal(padded({9}, {13})), "attention: expected one query length for each sequence, 2; found 1 lengths");
  EXPECT_EQ(refusal(padded({9, 9}, {13, 13, 13})),
            "attention: expected one key length for each sequence, 2; found 3 lengths");
  EXPECT_EQ(refusal(padded({9, 10}, {13, 13})),
            "attention: expected query lengths from 0 to 9; found 10 for sequence 1");
  EXPECT_EQ(refusal(padded({9, 9}, {-1, 13})), "attention: expected key lengths from 0 to 13; found -1 for sequence 0");
}

TEST_F(AtTheDoor, OffsetsOfPackedSequences) {
  EXPECT_EQ(refusal(packed({0, 9}, {0, 13})),
            "attention: expected packed sequences in one row, B = 1; found q [2, 9, 8, 16], k [2, 13, 4, 16]");
  q = numbers({1, 9, 8, 16}), k = numbers({1, 13, 4, 16}), v = numbers({1, 13, 4, 6});
  EXPECT_EQ(refusal(packed({0, 4, 9}, {0, 13})),
            "attention: expected as many key offsets as query offsets, 3; found 2");
  EXPECT_EQ(refusal(packed({1, 9}, {0, 13})), "attention: expected query offsets that start at 0; found 1");
  EXPECT_EQ(refusal(packed({}, {})), "attention: expected query offsets that start at 0; found none");
  EXPECT_EQ(refusal(packed({0, 4, 9}, {0, 14, 13})),
            "attention: expected key offsets that ascend; found 14 before 13 at sequence 1");
  EXPECT_EQ(refusal(packed({0, 4, 8}, {0, 6, 13})), "attention: expected query offsets that end at 9; found 8");
  EXPECT_EQ(refusal(packed({0, 4, 9}, {0, 6, 12})), "attention: expected key offsets that end at 13; found 12");
}

TEST_F(AtTheDoor, LearnedTensorsOfAnotherShape) {
  EXPECT_EQ(refusal(alibi(numbers({4}))), "attention: expected alibi slopes [H = 8]; found [4]");
  EXPECT_EQ(refusal(softmax_with_sink(numbers({4}))), "attention: expected sinks [H = 8]; found [4]");
  EXPECT_EQ(refusal(relative_bias(numbers({4, 32}))), "attention: expected relative bias [H = 8, R]; found [4, 32]");
  EXPECT_EQ(refusal(additive_bias(numbers({2, 8, 9, 12}))),
            "attention: expected additive bias [B = 2 or 1, H = 8 or 1, T = 9 or 1, S = 13]; found [2, 8, 9, 12]");
  EXPECT_EQ(refusal(additive_bias(numbers({2, 3, 9, 13}))),
            "attention: expected additive bias [B = 2 or 1, H = 8 or 1, T = 9 or 1, S = 13]; found [2, 3, 9, 13]");
  EXPECT_EQ(refusal(score([](auto s, auto at, auto a) { return s + a[at.head]; }, tensor())),
            "attention: expected parameter with a shape; found []");
  EXPECT_EQ(refusal(score([](auto s, auto at, auto a) { return s + a[at.head]; }, tensor({0}))),
            "attention: expected parameter with at least one number; found [0]");
  EXPECT_EQ(message_of([&] { oracle::attention(q, k, v, additive(numbers({8}))); }),
            "oracle attention: expected channel weights [D = 16]; found [8]");
}

TEST_F(AtTheDoor, LearnedTensorsOfAnotherRankThanTheirLookups) {
  EXPECT_EQ(message_of([&] { attention(q, k, v, alibi(numbers({8, 1}))); }),
            "attention: expected alibi slopes of as many axes as it is looked up by, 1; found [8, 1]");
  const auto two = [](auto s, auto at, auto a) { return s + a[at.head, at.key]; };
  EXPECT_EQ(message_of([&] { make_formula(score(two, numbers({8}))); }),
            "attention: expected parameter of as many axes as it is looked up by, 2; found [8]");
}

TEST_F(AtTheDoor, MoreLookupsThanDerivativesAreTakenOf) {
  const auto many = [](auto s, auto at, auto a) {
    for (int n = 0; n < 17; ++n) s = s + a[at.head + n];
    return s;
  };
  EXPECT_EQ(message_of<unsupported_error>([&] { make_formula(score(many, numbers({8}))); }),
            "attention: expected at most 16 lookups of learned parameters in the scores; found 17");
}

TEST_F(AtTheDoor, LearnedTensorsThatStride) {
  const tensor columns = numbers({8, 3});
  EXPECT_EQ(refusal(alibi(columns.select(1, 1))),
            "attention: expected alibi slopes contiguous in memory (to_contiguous() makes it so); found strides [3]");
  EXPECT_EQ(refusal(alibi(columns.select(1, 1).to_contiguous())), "no exception");
}

TEST_F(AtTheDoor, LearnedTensorsThatLookupsLeave) {
  const auto slope = [](auto s, auto at, auto slopes) { return s * slopes[at.head]; };
  EXPECT_EQ(refusal(score(slope, numbers({2}))),
            "attention: expected parameter to have an index 7 on axis 0, where the link of query 0 and key 0 of head 7 "
            "looks; found [2]");
  EXPECT_EQ(refusal(score(slope, numbers({8}))), "no exception");
  const auto by_distance = [](auto s, auto at, auto bias) { return s + bias[at.head, at.query - at.key]; };
  EXPECT_THAT(refusal(score(by_distance, numbers({8, 13}))), HasSubstr("an index -8 on axis 1"));
  EXPECT_EQ(refusal(causal, score(by_distance, numbers({8, 13}))), "no exception") << "only links that exist count";
  EXPECT_EQ(refusal(causal & sliding_window(4), score(by_distance, numbers({8, 4}))), "no exception");
  EXPECT_THAT(refusal(causal, score(by_distance, numbers({8, 12}))), HasSubstr("an index 12 on axis 1"));
  const auto chosen = [](auto s, auto at, auto bias) {
    const auto distance = abs(at.query - at.key);
    return s + select(distance < 3, bias[distance], 0);
  };
  EXPECT_EQ(refusal(score(chosen, numbers({3}))), "no exception") << "what select leaves out may stand anywhere";
}

TEST_F(AtTheDoor, LearnedTensorsAreLookedUpInTheLongestSequenceToo) {
  const auto by_key = [](auto s, auto at, auto bias) { return s + bias[at.key]; };
  const auto three = padded({9, 9, 9}, {3, 13, 4});
  q = numbers({3, 9, 8, 16}), k = numbers({3, 13, 4, 16}), v = numbers({3, 13, 4, 6});
  EXPECT_THAT(refusal(three, score(by_key, numbers({12}))), HasSubstr("an index 12 on axis 0"));
  EXPECT_EQ(refusal(three, score(by_key, numbers({13}))), "no exception");
}

TEST_F(AtTheDoor, TablesThatScoresLookUp) {
  const auto of_key = [](const table& numbers) { return [=](auto s, auto at) { return s + real(numbers[at.key]); }; };
  EXPECT_EQ(refusal(of_key({1, 2, 3})),
            "attention: expected a table to have an entry 12, where the last link looks; found a table [3]");
  EXPECT_EQ(refusal(of_key(std::vector<std::int64_t>(13, 2))), "no exception");
}

TEST_F(AtTheDoor, TablesTooShort) {
  EXPECT_THAT(refusal(key_lengths({3})),
              HasSubstr("expected a table to have an entry 1, where the last link looks; found a table [1]"));
  EXPECT_THAT(refusal(prefix(table({3, 4}, std::vector<std::int64_t>(12)))), HasSubstr("no exception"));
  EXPECT_THAT(refusal(same_document(table({0, 0, 1, 1}))),
              HasSubstr("to have an entry 12, where the last link looks; found a table [4]"));
  q = numbers({3, 9, 8, 16}), k = numbers({3, 13, 4, 16}), v = numbers({3, 13, 4, 6});
  EXPECT_THAT(refusal(same_document(table({2, 13}, std::vector<std::int64_t>(26)))),
              HasSubstr("to have a row 2, or one row for all sequences; found a table [2, 13]"));
  EXPECT_EQ(refusal(same_document(table({1, 13}, std::vector<std::int64_t>(13)))), "no exception");
}

TEST_F(AtTheDoor, DenseMasksOfAnotherShape) {
  const std::string wanted = "dense_mask [B = 2 or 1, H = 8 or 1, T = 9 or 1, S = 13]; found ";
  for (const shape& wrong : {shape{2, 8, 8, 13}, shape{2, 8, 9, 12}, shape{2, 3, 9, 13}, shape{3, 8, 9, 13}})
    EXPECT_EQ(refusal(dense_mask(tensor(wrong, dtype::int32))), "attention: expected " + wanted + to_string(wrong));
  for (const shape& right : {shape{2, 8, 9, 13}, shape{1, 8, 1, 13}, shape{1, 1, 1, 13}})
    EXPECT_EQ(refusal(dense_mask(tensor(right, dtype::int32))), "no exception");
}

TEST_F(AtTheDoor, LearnedTensorsOfPackedSequencesCoverTheLongest) {
  q = numbers({1, 9, 8, 16}), k = numbers({1, 13, 4, 16}), v = numbers({1, 13, 4, 6});
  EXPECT_EQ(refusal(packed({0, 4, 9}, {0, 6, 13}), additive_bias(numbers({1, 1, 9, 13}))),
            "attention: expected additive bias [B = 2 or 1, H = 8 or 1, T = 5 or 1, S = 7]; found [1, 1, 9, 13]");
  EXPECT_EQ(attention(q, k, v, packed({0, 4, 9}, {0, 6, 13}), additive_bias(numbers({2, 1, 5, 7}))).shape(),
            (shape{1, 9, 8, 6}));
}

TEST_F(AtTheDoor, LearnedTensorsOfAnotherType) {
  const tensor slopes = normal({8}, 1, dtype::float64);
  EXPECT_THAT(message_of([&] { attention(q, k, v, alibi(slopes)); }),
              HasSubstr("alibi slopes in float32; found float64"));
  EXPECT_EQ(message_of([&] { oracle::attention(q, k, v, alibi(slopes)); }), "no exception");
  EXPECT_EQ(message_of([&] { oracle::attention(q, k, v, alibi(slopes.to(dtype::bfloat16))); }),
            "oracle attention: expected alibi slopes in float32 or float64; found bfloat16");
}

TEST_F(AtTheDoor, PlacesBeyondThirtyOneBits) {
  EXPECT_EQ(refusal(queries_start_at(1l << 31)),
            "attention: expected queries to start at a place within 1073741824 of 0; found 2147483648");
}

/// Views of foreign memory, which a tensor cannot get wrong.
struct Views : testing::Test {
  std::vector<float> memory = std::vector<float>(4096);
  problem x{view<const float, 4>::dense(memory.data(), {1, 4, 2, 8}),
            view<const float, 4>::dense(memory.data(), {1, 5, 2, 8}),
            view<const float, 4>::dense(memory.data(), {1, 5, 2, 8})};
  std::string refusal() const {
    return message_of([&] { check("attention", *make_formula(), x); });
  }
};

TEST_F(Views, NeedUnitStrideInTheLastAxis) {
  EXPECT_EQ(refusal(), "no exception");
  x.k.strides[3] = 2;
  EXPECT_EQ(refusal(),
            "attention: expected k [B, S, G, D] with unit stride in its last axis (to_contiguous() makes it so); found "
            "a stride of 2");
  x.k.sizes[3] = x.q.sizes[3] = 1;  // a last axis of one number has no stride
  EXPECT_EQ(refusal(), "no exception");
}

TEST_F(Views, NeedMemory) {
  x.v.data = nullptr;
  EXPECT_EQ(refusal(), "attention: expected v [B, S, G, E] in memory; found v [1, 5, 2, 8] at a null pointer");
  x.v.sizes[3] = 0;  // unless they are empty
  EXPECT_EQ(refusal(), "no exception");
}

TEST_F(Views, HaveSizesThatPlacesCanCount) {
  x.k.sizes[1] = x.v.sizes[1] = 1l << 31;
  EXPECT_EQ(refusal(),
            "attention: expected k [B, S, G, D] with sizes from 0 to 1073741824; found k [1, 2147483648, 2, 8]");
  x.k.sizes[1] = -1;
  EXPECT_THAT(refusal(), HasSubstr("with sizes from 0 to 1073741824; found k [1, -1, 2, 8]"));
}

TEST_F(Views, HaveStridesThatStayInMemory) {
  x.q.strides[1] = 1l << 60;
  EXPECT_EQ(refusal(),
            "attention: expected q [B, T, H, D] within 2^60 elements; found q [1, 4, 2, 8] with strides [64, "
            "1152921504606846976, 8, 1]");
}

TEST_F(Views, ForResultsHaveTheirShapes) {
  const auto dense = [&](std::array<long, 4> sizes) { return view<float, 4>::dense(memory.data(), sizes); };
  const auto lse = view<float, 3>::dense(memory.data(), {1, 4, 2});
  workspace w;
  const auto forward = [&](view<float, 4> out, view<float, 3> of_lse) {
    return message_of([&] { attention_into(*make_formula(), x, out, of_lse, w); });
  };
  EXPECT_EQ(forward(dense({1, 4, 2, 7}), lse), "attention: expected out [1, 4, 2, 8]; found [1, 4, 2, 7]");
  EXPECT_EQ(forward(dense({1, 4, 2, 8}), view<float, 3>::dense(memory.data(), {1, 5, 2})),
            "attention: expected lse [1, 4, 2]; found [1, 5, 2]");
  auto strided = dense({1, 4, 2, 8});
  strided.strides[3] = 2;
  EXPECT_EQ(forward(strided, lse), "attention: expected out with unit stride in its last axis; found a stride of 2");
  EXPECT_EQ(forward({nullptr, {1, 4, 2, 8}, {64, 16, 8, 1}}, lse),
            "attention: expected out in memory; found a null pointer");

  const auto out = dense({1, 4, 2, 8}), keys = dense({1, 5, 2, 8}), wrong = dense({1, 4, 2, 9});
  const auto backward = [&](auto o, auto l, auto dout, auto dq, auto dk, auto dv, std::size_t learned = 0) {
    float nothing = 0;
    const std::vector<float*> gradients(learned, &nothing);
    return message_of([&] { attention_backward_into(*make_formula(), x, o, l, dout, dq, dk, dv, gradients, w); });
  };
  EXPECT_EQ(backward(wrong, lse, out, out, keys, keys),
            "attention backward: expected out [1, 4, 2, 8]; found [1, 4, 2, 9]");
  EXPECT_EQ(backward(out, lse, wrong, out, keys, keys),
            "attention backward: expected dout [1, 4, 2, 8]; found [1, 4, 2, 9]");
  EXPECT_EQ(backward(out, lse, out, wrong, keys, keys),
            "attention backward: expected dq [1, 4, 2, 8]; found [1, 4, 2, 9]");
  EXPECT_EQ(backward(out, lse, out, out, wrong, keys),
            "attention backward: expected dk [1, 5, 2, 8]; found [1, 4, 2, 9]");
  EXPECT_EQ(backward(out, lse, out, out, keys, wrong),
            "attention backward: expected dv [1, 5, 2, 8]; found [1, 4, 2, 9]");
  EXPECT_THAT(backward(out, lse, out, out, keys, keys, 1), testing::Not("no exception"));
}

/// Memory for results that stays where it is.
struct ResultsOfViews : Views {
  std::vector<float> more = std::vector<float>(4096);
  view<float, 4> out = view<float, 4>::dense(more.data(), {1, 4, 2, 8}), dq = out,
                 dk = view<float, 4>::dense(more.data() + 100, {1, 5, 2, 8}),
                 dv = view<float, 4>::dense(more.data() + 200, {1, 5, 2, 8});
  view<float, 3> lse = view<float, 3>::dense(more.data() + 300, {1, 4, 2});
  std::vector<float> results = std::vector<float>(100);
  workspace w;

  std::string forward() {
    return message_of([&] { attention_into(*make_formula(), x, out, lse, w); });
  }
  std::string backward(const auto& f, std::vector<float*> learned = {}) {
    const auto done = view<float, 4>::dense(results.data(), {1, 4, 2, 8});
    const auto sums = view<float, 3>::dense(results.data() + 80, {1, 4, 2});
    return message_of([&] { attention_backward_into(*f, x, done, sums, done, dq, dk, dv, learned, w); });
  }
};

TEST_F(ResultsOfViews, LieInMemoryOfTheirOwn) {
  EXPECT_EQ(forward(), "no exception");
  out.data = memory.data();
  EXPECT_EQ(forward(), "attention: expected out in memory of its own; found memory of q");
  out.data = lse.data - 1;
  EXPECT_EQ(forward(), "attention: expected lse in memory of its own; found memory of out");
}

TEST_F(ResultsOfViews, HaveAPlaceForEveryNumber) {
  out.strides[1] = 0;
  EXPECT_THAT(forward(), HasSubstr("expected out with a place of its own for every number; found strides"));
  out.strides[1] = 15;
  EXPECT_THAT(forward(), HasSubstr("expected out with a place of its own for every number"));
  out.strides[1] = 1l << 61;
  EXPECT_THAT(forward(), HasSubstr("expected out within 2^60 elements"));
  out.strides[1] = 16, lse.strides = {0, 0, 0};
  EXPECT_THAT(forward(), HasSubstr("expected lse with a place of its own for every number"));
}

TEST_F(ResultsOfViews, OfTheBackwardPassToo) {
  EXPECT_EQ(backward(make_formula()), "no exception");
  dv.data = dk.data + 79;
  EXPECT_EQ(backward(make_formula()), "attention backward: expected dv in memory of its own; found memory of dk");
  dv.data = results.data();
  EXPECT_EQ(backward(make_formula()), "attention backward: expected dv in memory of its own; found memory of out");
  dv.data = more.data() + 200;
  const auto joint = view<float, 5>::dense(more.data(), {1, 5, 3, 2, 8});  // gradients of a joint product: alternating
  for (auto [gradient, n] : {std::pair{&dq, 0}, {&dk, 1}, {&dv, 2}})
    *gradient = {&joint(0, 0, n, 0, 0), gradient->sizes, {joint.strides[0], joint.strides[1], joint.strides[3], 1}};
  EXPECT_EQ(backward(make_formula()), "no exception");
}

TEST_F(ResultsOfViews, OfWhatWasLearned) {
  const auto f = make_formula(alibi(numbers({2})));
  std::vector<float> slopes(2);
  EXPECT_EQ(backward(f, {slopes.data()}), "no exception");
  EXPECT_EQ(backward(f, {nullptr}),
            "attention backward: expected memory for the gradient of alibi slopes; found a null pointer");
  EXPECT_EQ(backward(f, {dq.data + 3}),
            "attention backward: expected a learned gradient in memory of its own; found memory of dq");
}

TEST_F(AtTheDoor, NoFormula) {
  EXPECT_EQ(message_of([&] { attention_forward_with(nullptr, q, k, v); }),
            "attention: expected a formula; found a null pointer");
}

TEST(ReadyMadeParts, RefuseNumbersThatMakeNoSense) {
  EXPECT_EQ(message_of([] { sliding_window(-1); }), "sliding_window: expected a width of at least 0; found -1");
  EXPECT_EQ(message_of([] { sliding_window({.left = -1, .right = 2}); }),
            "sliding_window: expected sides of at least 0; found -1 and 2");
  EXPECT_EQ(message_of([] { dilated(0); }), "dilated: expected a stride of at least 1; found 0");
  EXPECT_EQ(message_of([] { global_tokens(-2); }), "global_tokens: expected a count of at least 0; found -2");
  EXPECT_EQ(message_of([] { random_blocks(0, 2); }),
            "random_blocks: expected a block and a count of at least 1; found 0 and 2");
  EXPECT_EQ(message_of([] { prefix(-3); }), "prefix: expected a length of at least 0; found -3");
  EXPECT_EQ(message_of([] { softcap(0); }), "softcap: expected a cap above 0; found 0.000000");
  EXPECT_THAT(message_of([] { softcap(NAN); }), HasSubstr("found nan"));
  EXPECT_EQ(message_of([] { scale{NAN}; }), "scale: expected a finite number; found nan");
  EXPECT_EQ(message_of([] {
              relative_bias(tensor({4, 32}), {.max_distance = 8});
            }),
            "relative_bias: expected a max_distance above 8, up to which every distance has a bucket; found 8");
  EXPECT_EQ(message_of([] { local_bias(tensor({4, 6})); }),
            "local_bias: expected an odd number of distances on both sides; found 6");
  EXPECT_EQ(message_of([] { relative_bias(tensor({4, 3})); }), "relative_bias: expected at least 4 buckets; found 3");
  EXPECT_EQ(message_of([] { top_k(0); }), "top_k: expected a count of at least 1; found 0");
  EXPECT_EQ(message_of([] { dense_mask(tensor({3, 4})); }),
            "dense_mask: expected flags [B or 1, H or 1, T or 1, S]; found [3, 4]");
  EXPECT_EQ(message_of([] { additive_bias(tensor({3, 4})); }),
            "additive_bias: expected bias [B or 1, H or 1, T or 1, S]; found [3, 4]");
  EXPECT_EQ(message_of([] { table({1l << 40}); }), "table: expected numbers of 32 bits; found 1099511627776");
  EXPECT_EQ(message_of([] { table({2, 2}, {1, 2, 3}); }), "table: expected 4 numbers for shape [2, 2]; found 3");
}

TEST_F(AtTheDoor, PartsThatAreNotFusedAreRefusedByName) {
  const weighting with_sink{[](auto x) { return x * x; }, normalised::no, closed::none, row_rule{}, "squares",
                            std::array{parameter{numbers({8}), "sinks", "H"}}};
  EXPECT_THAT(message_of<unsupported_error>([&] { attention(q, k, v, with_sink); }),
              HasSubstr("the weighting `squares` with a sink is not fused"));
}

TEST_F(AtTheDoor, TensorsOfAnotherTypeAreRefusedWithTheRemedy) {
  EXPECT_EQ(message_of<unsupported_error>([&] { attention(q.to(dtype::float64), k, v); }),
            "attention: expected q of type float32; found float64; convert it with .to(dtype::float32)");
}

TEST_F(AtTheDoor, GradientsOfAnotherShape) {
  const auto run = attention_forward(q, k, v);
  EXPECT_EQ(message_of([&] { run.backward(q); }),
            "attention backward: expected dout [2, 9, 8, 6]; found dout [2, 9, 8, 16]");
  const auto slow = oracle::attention_forward(q, k, v);
  EXPECT_EQ(message_of([&] { slow.backward(q); }),
            "oracle attention backward: expected dout [2, 9, 8, 6]; found dout [2, 9, 8, 16]");
}

}  // namespace
}  // namespace qkv
