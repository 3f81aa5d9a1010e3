// SPDX-License-Identifier: Apache-2.0
/*
 * Time: the two clocks, RFC 3339 text and durations. Calendar arithmetic is done here and not by
 * gmtime/timegm, so that the result depends neither on a time zone file nor on a locale. Owns
 * nothing; runs in every process.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_PER_DAY = 86400, DAYS_PER_ERA = 146097, DAYS_TO_EPOCH = 719468 };

int64_t clock_unix(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

int64_t clock_monotonic_us(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_since_boot_s(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int clock_left_ms(int64_t until_ms)
{
    int64_t left_ms = until_ms - clock_monotonic_ms();
    return left_ms < 1 ? 1 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct timespec clock_deadline_us(int64_t after_us)
{
    int64_t at = clock_monotonic_us() + after_us;
    return (struct timespec){.tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000};
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year and month lengths follow (153 * month + 2) / 5. */
static int64_t days_of_civil(int64_t year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

static void civil_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += DAYS_TO_EPOCH;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = days - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

void rfc3339_now(char text[static RFC3339_NOW_SIZE])
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    char seconds[RFC3339_SIZE];
    rfc3339_format(now.tv_sec, seconds);
    (void)snprintf(text, RFC3339_NOW_SIZE, "%.*s.%03dZ", (int)strlen(seconds) - 1, seconds,
                   (int)(now.tv_nsec / 1000000));
}

void rfc3339_format(int64_t unix_time, char text[static RFC3339_SIZE])
{
    int64_t days = unix_time / SECONDS_PER_DAY;
    int64_t rest = unix_time % SECONDS_PER_DAY;
    if (rest < 0) {
        rest += SECONDS_PER_DAY;
        days--;
    }
    int64_t year;
    int month;
    int day;
    civil_of_days(days, &year, &month, &day);
    (void)snprintf(text, RFC3339_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)year, month,
                   day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

static bool is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

int civil_to_unix(int year, int month, int day, int hour, int minute, int second, int64_t *ret,
                  struct err *err)
{
    if (year < 0 || year > 9999)
        return FAIL(err, ERR_INVALID, "year %d is not between 0 and 9999", year);
    if (month < 1 || month > 12)
        return FAIL(err, ERR_INVALID, "month %d is not between 1 and 12", month);
    if (day < 1 || day > days_in_month(year, month))
        return FAIL(err, ERR_INVALID, "%04d-%02d has no day %d", year, month, day);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return FAIL(err, ERR_INVALID, "%02d:%02d is no time of day", hour, minute);
    if (second < 0 || second > 60) /* 60: a leap second, RFC 3339 section 5.7 */
        return FAIL(err, ERR_INVALID, "second %d is not between 0 and 60", second);
    *ret = days_of_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    return 0;
}

/* Exactly `count` digits, then one character of `ends` (where "" means any rest will do). */
static bool take_digits(const char **at, int count, const char *ends, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *ret = value;
    if (ends[0] == '\0')
        return true;
    if (**at == '\0' || strchr(ends, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool skip_fraction(const char **at)
{
    if (**at != '.')
        return true;
    const char *digit = *at + 1;
    while (*digit >= '0' && *digit <= '9')
        digit++;
    bool any = digit > *at + 1;
    *at = digit;
    return any;
}

/* "Z" or "+hh:mm", up to the end of the text. */
static bool take_offset(const char **at, int64_t *ret_seconds)
{
    char sign = **at;
    if (sign == '\0' || strchr("Zz+-", sign) == NULL)
        return false;
    (*at)++;
    *ret_seconds = 0;
    if (sign == '+' || sign == '-') {
        int hours;
        int minutes;
        if (!take_digits(at, 2, ":", &hours) || !take_digits(at, 2, "", &minutes))
            return false;
        if (hours > 23 || minutes > 59)
            return false;
        *ret_seconds = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    }
    return **at == '\0';
}

int rfc3339_parse(const char *text, int64_t *ret, struct err *err)
{
    const char *at = text;
    int date[3];
    int time[3];
    int64_t offset;
    bool ok = take_digits(&at, 4, "-", &date[0]) && take_digits(&at, 2, "-", &date[1]) &&
              take_digits(&at, 2, "Tt ", &date[2]) && take_digits(&at, 2, ":", &time[0]) &&
              take_digits(&at, 2, ":", &time[1]) && take_digits(&at, 2, "", &time[2]) &&
              skip_fraction(&at) && take_offset(&at, &offset);
    if (!ok)
        return FAIL(err, ERR_INVALID, "'%.64s' is no date and time like 2026-11-22T10:00:00Z",
                    text);
    int64_t local;
    if (civil_to_unix(date[0], date[1], date[2], time[0], time[1], time[2], &local, err) < 0)
        return FAIL_CONTEXT(err, "'%.64s'", text);
    *ret = local - offset;
    return 0;
}

int duration_parse(const char *text, const char *what, int64_t *ret_seconds, struct err *err)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', SECONDS_PER_DAY}};
    int64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= INT32_MAX; at++)
        value = value * 10 + (*at - '0');
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (at == text || value > INT32_MAX || *at != units[i].unit || at[1] != '\0')
            continue;
        *ret_seconds = value * units[i].seconds;
        return 0;
    }
    return FAIL(err, ERR_INVALID, "%s: '%.64s' is no duration like 90s, 15m, 2h or 30d", what,
                text);
}
