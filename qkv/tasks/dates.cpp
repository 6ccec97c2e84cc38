// dates: as people write them in English -> as ISO 8601 has them: "Sunday, March 3rd, 2019" -> "2019-03-03".
//
// Days of 1950 to 2049.  Where only two digits of the year are written, 50 and more are of the last century; where a
// day is written in digits alone, the day comes first ("3.3.19", "03/03/2019"), except in ISO's order.
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

constexpr std::array months{"January", "February", "March",     "April",   "May",      "June",
                            "July",    "August",   "September", "October", "November", "December"};
constexpr std::array weekdays{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct written_parts {
  int year;
  unsigned month, day;
  std::string name, weekday;

  std::string short_name() const { return name.substr(0, 3); }
  std::string short_weekday() const { return weekday.substr(0, 3); }
  std::string short_year() const { return fmt::format("{:02}", year % 100); }
  /// 1st, 2nd, 3rd, 4th, 11th, 21st.
  std::string ordinal() const {
    constexpr std::array endings{"th", "st", "nd", "rd"};
    const bool regular = day / 10 == 1 || day % 10 > 3;
    return std::to_string(day) + endings[regular ? 0 : day % 10];
  }
};

written_parts parts_of(std::chrono::sys_days date) {
  const std::chrono::year_month_day d(date);
  const auto month = unsigned(d.month());
  return {int(d.year()), month, unsigned(d.day()), months[month - 1], weekdays[std::chrono::weekday(date).c_encoding()]};
}

using form = std::string (*)(const written_parts&);

constexpr std::array<form, 20> forms{
    [](const written_parts& d) { return fmt::format("{} {} {}", d.day, d.name, d.year); },
    [](const written_parts& d) { return fmt::format("{} {} {}", d.ordinal(), d.name, d.year); },
    [](const written_parts& d) { return fmt::format("the {} of {} {}", d.ordinal(), d.name, d.year); },
    [](const written_parts& d) { return fmt::format("{} {}, {}", d.name, d.day, d.year); },
    [](const written_parts& d) { return fmt::format("{} {}, {}", d.name, d.ordinal(), d.year); },
    [](const written_parts& d) { return fmt::format("{}, {} {}, {}", d.weekday, d.name, d.ordinal(), d.year); },
    [](const written_parts& d) { return fmt::format("{}, {} {} {}", d.weekday, d.day, d.name, d.year); },
    [](const written_parts& d) { return fmt::format("{} {} {} {}", d.short_weekday(), d.day, d.short_name(), d.year); },
    [](const written_parts& d) { return fmt::format("{} {} {}", d.day, d.short_name(), d.year); },
    [](const written_parts& d) { return fmt::format("{} {} {}", d.day, d.short_name(), d.short_year()); },
    [](const written_parts& d) { return fmt::format("{}. {}. {}", d.day, d.short_name(), d.year); },
    [](const written_parts& d) { return fmt::format("{} {}, {}", d.short_name(), d.day, d.year); },
    [](const written_parts& d) { return fmt::format("{}-{}-{}", d.day, d.short_name(), d.short_year()); },
    [](const written_parts& d) { return fmt::format("{:02}-{}-{}", d.day, d.short_name(), d.year); },
    [](const written_parts& d) { return fmt::format("{}.{}.{}", d.day, d.month, d.short_year()); },
    [](const written_parts& d) { return fmt::format("{:02}.{:02}.{}", d.day, d.month, d.year); },
    [](const written_parts& d) { return fmt::format("{}/{}/{}", d.day, d.month, d.year); },
    [](const written_parts& d) { return fmt::format("{:02}/{:02}/{}", d.day, d.month, d.short_year()); },
    [](const written_parts& d) { return fmt::format("{}/{}/{}", d.year, d.month, d.day); },
    [](const written_parts& d) { return fmt::format("{} {} {}", d.year, d.name, d.day); },
};

task_example example(draws& random, long /*length*/) {
  using namespace std::chrono;
  constexpr sys_days first = year{1950} / January / 1, end = year{2050} / January / 1;
  const written_parts d = parts_of(first + days{random.below((end - first).count())});
  std::string text = forms[std::size_t(random.below(long(forms.size())))](d);
  if (random.below(4) == 0)
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  return {{std::move(text), fmt::format("{}-{:02}-{:02}", d.year, d.month, d.day)}};
}

}  // namespace

task dates_task() {
  return {.name = "dates",
          .what = "write a date, as people write it in English, as YYYY-MM-DD",
          .of_length = "one form of a date",
          .characters = " ,-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
          .length = 1,
          .shortest = 1,
          .longest = 1,
          .size_of = [](long) { return 40L; },
          .example = example,
          .translates = true};
}

}  // namespace qkv
