// The text of lanes for one instruction set; included by lanes.h once per set, with
//   QKV_SET    the set's namespace
//   QKV_WIDTH  floats in a register
//   QKV_LANE   attributes of every function
// No include guard, for that reason.

namespace qkv::QKV_SET {

inline constexpr int width = QKV_WIDTH;

typedef float float_vector __attribute__((vector_size(4 * QKV_WIDTH)));
typedef std::int32_t int_vector __attribute__((vector_size(4 * QKV_WIDTH)));

template <class T>
struct lanes;

/// Truth values: all bits set or none.
template <>
struct lanes<bool> {
  int_vector v;
  QKV_LANE lanes() = default;
  QKV_LANE lanes(int_vector x) : v(x) {}
  template <std::same_as<bool> B>
  QKV_LANE lanes(B x) : v(int_vector{} - std::int32_t(x)) {}
  QKV_LANE friend lanes operator&&(lanes a, lanes b) { return lanes(a.v & b.v); }
  QKV_LANE friend lanes operator||(lanes a, lanes b) { return lanes(a.v | b.v); }
  QKV_LANE friend lanes operator&(lanes a, lanes b) { return lanes(a.v & b.v); }
  QKV_LANE friend lanes operator|(lanes a, lanes b) { return lanes(a.v | b.v); }
  QKV_LANE friend lanes operator!(lanes a) { return lanes(~a.v); }
  template <std::same_as<bool> B>
  explicit operator B() const {
    static_assert(sizeof(B) == 0,
                  "qkv: a condition on many links at once cannot steer `if` or `?:`; write select(condition, a, b)");
    return false;
  }
};

/// True when the condition holds on every lane.
QKV_LANE bool all(lanes<bool> a) {
#if QKV_WIDTH == 8
  return _mm256_movemask_ps((__m256)a.v) == 0xff;
#elif QKV_WIDTH == 16  // the maskz forms: the plain ones warn of uninitialised values under g++ 12
  return _mm512_movepi32_mask((__m512i)a.v) == 0xffff;
#else
  return (a.v[0] & a.v[1] & a.v[2] & a.v[3]) != 0;
#endif
}
template <>
struct lanes<std::int32_t> {
  int_vector v;
  using truth = lanes<bool>;
  using real_type = lanes<float>;
  QKV_LANE lanes() = default;
  QKV_LANE lanes(int_vector x) : v(x) {}
  /// A number that 32 bits cannot hold becomes the nearest one that they can.
  template <std::integral I>
  QKV_LANE lanes(I x) : v(int_vector{} + nearest<std::int32_t>(x)) {}
  QKV_LANE static lanes counting_from(std::int32_t first) {
    lanes r;
    for (int n = 0; n < QKV_WIDTH; ++n) r.v[n] = first + n;
    return r;
  }

  QKV_LANE friend lanes operator+(lanes a, lanes b) { return lanes(a.v + b.v); }
  QKV_LANE friend lanes operator-(lanes a, lanes b) { return lanes(a.v - b.v); }
  QKV_LANE friend lanes operator*(lanes a, lanes b) { return lanes(a.v * b.v); }
  QKV_LANE friend lanes operator-(lanes a) { return lanes(-a.v); }
  QKV_LANE friend lanes operator/(lanes a, lanes b) {
    if (same(a) && same(b)) return lanes(floor_division(a.v[0], b.v[0]));
    // By way of double, whose quotient is off by less than 1; the rest tells whether it was.
    typedef double double_vector __attribute__((vector_size(8 * QKV_WIDTH)));
    const double_vector quotient = __builtin_convertvector(a.v, double_vector) / __builtin_convertvector(b.v, double_vector);
    const int_vector none = b.v == 0, whole = __builtin_convertvector(quotient, int_vector), rest = a.v - whole * b.v;
    const int_vector below = (rest != 0) & ((rest < 0) != (b.v < 0));
    return lanes((whole + below) & ~none);
  }
  QKV_LANE static std::int32_t floor_division(std::int32_t x, std::int32_t y) {
    if (y == 0) return 0;
    const std::int64_t q = std::int64_t(x) / y;
    return std::int32_t(q - (q * y != x && (x < 0) != (y < 0)));
  }
  /// Whether all lanes hold one number, as at.query does: it is then computed with once.
  QKV_LANE static bool same(lanes a) {
    int_vector first{};
    first += a.v[0];
    return all(truth(a.v == first));
  }
  QKV_LANE friend lanes operator%(lanes a, lanes b) { return a - (a / b) * b; }

  QKV_LANE friend truth operator<(lanes a, lanes b) { return truth(a.v < b.v); }
  QKV_LANE friend truth operator<=(lanes a, lanes b) { return truth(a.v <= b.v); }
  QKV_LANE friend truth operator>(lanes a, lanes b) { return truth(a.v > b.v); }
  QKV_LANE friend truth operator>=(lanes a, lanes b) { return truth(a.v >= b.v); }
  QKV_LANE friend truth operator==(lanes a, lanes b) { return truth(a.v == b.v); }
  QKV_LANE friend truth operator!=(lanes a, lanes b) { return truth(a.v != b.v); }

  QKV_LANE friend lanes select(truth c, lanes a, lanes b) { return lanes((a.v & c.v) | (b.v & ~c.v)); }
  QKV_LANE friend lanes min(lanes a, lanes b) { return select(a < b, a, b); }
  QKV_LANE friend lanes max(lanes a, lanes b) { return select(a > b, a, b); }
  QKV_LANE friend lanes abs(lanes a) { return max(a, -a); }
  QKV_LANE friend lanes hash(std::uint64_t seed, lanes a, lanes b) {
    if (same(a) && same(b)) return lanes(hash_of(seed, a.v[0], b.v[0]));
    lanes r;
    for (int n = 0; n < QKV_WIDTH; ++n) r.v[n] = std::int32_t(hash_of(seed, a.v[n], b.v[n]));
    return r;
  }
};

/// Real numbers.
template <>
struct lanes<float> {
  float_vector v;
  using truth = lanes<bool>;
  QKV_LANE lanes() = default;
  QKV_LANE lanes(float_vector x) : v(x) {}
  template <class U>
    requires std::is_arithmetic_v<U>
  QKV_LANE lanes(U x) : v(float(x) - float_vector{}) {}  // x - 0 is x for the compiler too, x + 0 is not (-0 + 0 = 0)
  QKV_LANE lanes(lanes<std::int32_t> x) : v(__builtin_convertvector(x.v, float_vector)) {}

  QKV_LANE friend lanes operator+(lanes a, lanes b) { return lanes(a.v + b.v); }
  QKV_LANE friend lanes operator-(lanes a, lanes b) { return lanes(a.v - b.v); }
  QKV_LANE friend lanes operator*(lanes a, lanes b) { return lanes(a.v * b.v); }
  QKV_LANE friend lanes operator/(lanes a, lanes b) { return lanes(a.v / b.v); }
  QKV_LANE friend lanes operator-(lanes a) { return lanes(-a.v); }

  QKV_LANE friend truth operator<(lanes a, lanes b) { return truth(a.v < b.v); }
  QKV_LANE friend truth operator<=(lanes a, lanes b) { return truth(a.v <= b.v); }
  QKV_LANE friend truth operator>(lanes a, lanes b) { return truth(a.v > b.v); }
  QKV_LANE friend truth operator>=(lanes a, lanes b) { return truth(a.v >= b.v); }
  QKV_LANE friend truth operator==(lanes a, lanes b) { return truth(a.v == b.v); }
  QKV_LANE friend truth operator!=(lanes a, lanes b) { return truth(a.v != b.v); }

  /// Keeps the bits of `a` where c holds, else exactly +0, whatever `a` is.
  QKV_LANE friend lanes keep(truth c, lanes a) { return lanes((float_vector)((int_vector)a.v & c.v)); }
  QKV_LANE friend lanes select(truth c, lanes a, lanes b) {
    return lanes((float_vector)(((int_vector)a.v & c.v) | ((int_vector)b.v & ~c.v)));
  }
  // If one side is NaN, the result is b.
#if QKV_WIDTH == 8
  QKV_LANE friend lanes min(lanes a, lanes b) { return lanes(_mm256_min_ps(a.v, b.v)); }
  QKV_LANE friend lanes max(lanes a, lanes b) { return lanes(_mm256_max_ps(a.v, b.v)); }
  QKV_LANE friend lanes sqrt(lanes a) { return lanes(_mm256_sqrt_ps(a.v)); }
  QKV_LANE friend lanes fma(lanes a, lanes b, lanes c) { return lanes(_mm256_fmadd_ps(a.v, b.v, c.v)); }
#elif QKV_WIDTH == 16  // the maskz forms: the plain ones warn of uninitialised values under g++ 12
  QKV_LANE friend lanes min(lanes a, lanes b) { return lanes(_mm512_maskz_min_ps(0xffff, a.v, b.v)); }
  QKV_LANE friend lanes max(lanes a, lanes b) { return lanes(_mm512_maskz_max_ps(0xffff, a.v, b.v)); }
  QKV_LANE friend lanes sqrt(lanes a) { return lanes(_mm512_maskz_sqrt_ps(0xffff, a.v)); }
  QKV_LANE friend lanes fma(lanes a, lanes b, lanes c) { return lanes(_mm512_fmadd_ps(a.v, b.v, c.v)); }
#else
  QKV_LANE friend lanes min(lanes a, lanes b) { return select(truth(a.v < b.v), a, b); }
  QKV_LANE friend lanes max(lanes a, lanes b) { return select(truth(a.v > b.v), a, b); }
  QKV_LANE friend lanes sqrt(lanes a) {
    for (int n = 0; n < QKV_WIDTH; ++n) a.v[n] = __builtin_sqrtf(a.v[n]);
    return a;
  }
  QKV_LANE friend lanes fma(lanes a, lanes b, lanes c) { return lanes(a.v * b.v + c.v); }
#endif
  QKV_LANE friend lanes abs(lanes a) { return lanes((float_vector)((int_vector)a.v & 0x7fffffff)); }

  static constexpr float rounding = 12582912.f;  ///< 1.5 * 2^23: adding it rounds to a whole number in the low bits
  /// e^f for f within half of ln 2.
  QKV_LANE static lanes exp_of_remainder(lanes f) {
    lanes p = fma(f, lanes(1.9875691500e-4f), lanes(1.3981999507e-3f));
    p = fma(p, f, lanes(8.3334519073e-3f));
    p = fma(p, f, lanes(4.1665795894e-2f));
    p = fma(p, f, lanes(1.6666665459e-1f));
    p = fma(p, f, lanes(0.5f));
    return fma(p * f, f, f) + lanes(1.f);
  }

  /// 2^x, relative error below 1e-7 and without bias; x is held within [-126, most]; NaN stays NaN.
  QKV_LANE friend lanes exp2(lanes x, float most = 127) {
    x = min(lanes(most), max(lanes(-126.f), x));
    const lanes t = x + lanes(rounding);
    const lanes f = x - (t - lanes(rounding));
    lanes p = fma(f, lanes(1.5353362e-4f), lanes(1.3398875e-3f));
    p = fma(p, f, lanes(9.6184369e-3f));
    p = fma(p, f, lanes(5.5503324e-2f));
    p = fma(p, f, lanes(2.4022648e-1f));
    p = fma(p, f, lanes(6.9314718e-1f));
    p = fma(p, f, lanes(1.f));
    return lanes((float_vector)((int_vector)p.v + ((int_vector)t.v << 23)));
  }
  /// e^x: 0 below -87.3, infinity above 88.7.
  QKV_LANE friend lanes exp(lanes x) {
    // x = n ln 2 + f with ln 2 in two parts, so that large x keeps its accuracy.
    const lanes held = min(lanes(89.f), max(lanes(-88.f), x));
    const lanes t = fma(held, lanes(1.44269504f), lanes(rounding));
    const lanes n = t - lanes(rounding);
    lanes f = fma(n, lanes(-0.693359375f), held);
    f = fma(n, lanes(2.12194440e-4f), f);
    const lanes p = exp_of_remainder(f);
    // 2^n in two factors: n may be 128, one past the largest exponent.
    const int_vector whole = __builtin_convertvector(n.v, int_vector), half = whole >> 1;
    const lanes a = lanes((float_vector)((half + 127) << 23)), b = lanes((float_vector)((whole - half + 127) << 23));
    lanes r = p * a * b;
    r = select(x > lanes(88.7228394f), lanes(__builtin_inff()), r);
    r = keep(!(x < lanes(-87.33654f)), r);
    return select(x == x, r, x);
  }
  /// Natural logarithm: -infinity at 0, NaN below.
  QKV_LANE friend lanes log(lanes x) {
    const truth tiny = x < lanes(1.17549435e-38f);
    const lanes scaled = select(tiny, x * lanes(8388608.f), x);
    const int_vector bits = (int_vector)scaled.v;
    const int_vector e = ((bits - 0x3f3504f3) >> 23);  // so that m lies within sqrt(1/2) .. sqrt(2)
    const lanes m = lanes((float_vector)(bits - (e << 23))), y = m - lanes(1.f);
    const lanes n = lanes(__builtin_convertvector(e, float_vector)) - keep(tiny, lanes(23.f));
    lanes p = fma(y, lanes(7.0376836292e-2f), lanes(-1.1514610310e-1f));
    p = fma(p, y, lanes(1.1676998740e-1f));
    p = fma(p, y, lanes(-1.2420140846e-1f));
    p = fma(p, y, lanes(1.4249322787e-1f));
    p = fma(p, y, lanes(-1.6668057665e-1f));
    p = fma(p, y, lanes(2.0000714765e-1f));
    p = fma(p, y, lanes(-2.4999993993e-1f));
    p = fma(p, y, lanes(3.3333331174e-1f));
    const lanes yy = y * y;
    lanes r = fma(n, lanes(-2.12194440e-4f), p * yy * y);
    r = fma(yy, lanes(-0.5f), r) + y;
    r = fma(n, lanes(0.693359375f), r);
    r = select(x == lanes(0.f), lanes(-__builtin_inff()), r);
    r = select(x == lanes(__builtin_inff()), x, r);
    return select(x < lanes(0.f) || x != x, lanes(__builtin_nanf("")), r);
  }
  QKV_LANE friend lanes tanh(lanes x) {
    const lanes xx = x * x;
    lanes p = fma(xx, lanes(-5.70498872745e-3f), lanes(2.06390887954e-2f));
    p = fma(p, xx, lanes(-5.37397155531e-2f));
    p = fma(p, xx, lanes(1.33314422036e-1f));
    p = fma(p, xx, lanes(-3.33332819422e-1f));
    const lanes small = fma(p * xx, x, x);
    const lanes e = exp2(abs(x) * lanes(2.885390082f));  // exp(2|x|)
    const lanes t = lanes(1.f) - lanes(2.f) / (e + lanes(1.f));
    const lanes large = select(x < lanes(0.f), -t, t);
    return select(abs(x) < lanes(0.625f), small, select(x == x, large, x));
  }
  /// 1 / (1 + e^-x); 0 below -88.  e^-x as in exp(), but within bounds where 2^n is one factor and never infinite.
  QKV_LANE friend lanes sigmoid(lanes x) {
    const lanes held = min(lanes(88.f), max(lanes(-87.f), -x));
    const lanes t = fma(held, lanes(1.44269504f), lanes(rounding));
    const lanes n = t - lanes(rounding);
    const lanes f = fma(n, lanes(2.12194440e-4f), fma(n, lanes(-0.693359375f), held));
    const lanes p = exp_of_remainder(f);
    const lanes e = lanes((float_vector)((int_vector)p.v + ((int_vector)t.v << 23)));
    return keep(!(x < lanes(-88.f)), lanes(1.f) / (lanes(1.f) + e));
  }
};

// A whole number meeting a literal such as 0.5 becomes real; it is never rounded in silence.
#define QKV_PROMOTE(op)                                                                                          \
  template <std::floating_point F>                                                                               \
  QKV_LANE lanes<float> operator op(lanes<std::int32_t> a, F b) { return lanes<float>(a) op lanes<float>(b); }   \
  template <std::floating_point F>                                                                               \
  QKV_LANE lanes<float> operator op(F a, lanes<std::int32_t> b) { return lanes<float>(a) op lanes<float>(b); }
QKV_PROMOTE(+) QKV_PROMOTE(-) QKV_PROMOTE(*) QKV_PROMOTE(/)
#undef QKV_PROMOTE

/// Between two literals.
template <class A, class B>
  requires(std::is_arithmetic_v<A> && std::is_arithmetic_v<B>)
QKV_LANE auto select(lanes<bool> c, A a, B b) {
  using L = lanes<std::conditional_t<std::floating_point<A> || std::floating_point<B>, float, std::int32_t>>;
  return select(c, L(a), L(b));
}

/// An index as a real number.
QKV_LANE lanes<float> real(lanes<std::int32_t> a) { return lanes<float>(a); }
/// The whole part of a real number (rounded down, held within +-1e9), as an index.
QKV_LANE lanes<std::int32_t> whole(lanes<float> a) {
  const lanes<float> held = min(lanes<float>(1e9f), max(lanes<float>(-1e9f), a));
  const int_vector t = __builtin_convertvector(held.v, int_vector);
  return lanes<std::int32_t>(t + (int_vector)(lanes<float>(lanes<std::int32_t>(t)) > held).v);
}

// What kernels need besides.
QKV_LANE lanes<float> load(const float* p) {
  float_vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return lanes<float>(v);
}
QKV_LANE void store(float* p, lanes<float> a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
QKV_LANE lanes<bool> load_truth(const std::int32_t* p) {
  int_vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return lanes<bool>(v);
}
QKV_LANE void store_truth(std::int32_t* p, lanes<bool> a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
/// Sum of all lanes, pairwise: halves, quarters, ...
QKV_LANE float sum(lanes<float> a) {
  float x[QKV_WIDTH];
  __builtin_memcpy(x, &a.v, sizeof x);
  for (int n = QKV_WIDTH / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) x[i] += x[i + n];
  return x[0];
}
/// The largest lane; NaN if there is one.
QKV_LANE float maximum(lanes<float> a) {
  float x[QKV_WIDTH];
  __builtin_memcpy(x, &a.v, sizeof x);
  float m = x[0];
  for (int i = 1; i < QKV_WIDTH; ++i) m = x[i] != x[i] || x[i] > m ? x[i] : m;
  return m;
}

}  // namespace qkv::QKV_SET

#undef QKV_SET
#undef QKV_WIDTH
#undef QKV_LANE
