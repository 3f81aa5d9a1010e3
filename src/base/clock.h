// SPDX-License-Identifier: Apache-2.0
/*
 * Time. Libraries that judge (attest/) take a time as an argument and never call these.
 */
#pragma once

#include "base/err.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

int64_t clock_unix(void); /* seconds since 1970 */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_since_boot_s(void); /* goes on while the machine sleeps */
/* From now until then, at least 1: a deadline that is over is one that ends at once. */
int clock_left_ms(int64_t until_ms);
void clock_sleep_ms(int64_t ms);

/* A condition whose timed waits go by the monotonic clock, and the deadline for such a wait. */
void clock_cond_init(pthread_cond_t *cond);
struct timespec clock_deadline_us(int64_t after_us);

enum { RFC3339_SIZE = sizeof("-292277022657-01-27T08:29:52Z") };
/* "2026-11-22T10:00:00Z". */
void rfc3339_format(int64_t unix_time, char text[static RFC3339_SIZE]);
/* Now: "2026-11-22T10:00:00.123Z". */
enum { RFC3339_NOW_SIZE = RFC3339_SIZE + 4 };
void rfc3339_now(char text[static RFC3339_NOW_SIZE]);
/* "2026-11-22T10:00:00Z", an offset instead of Z, a fraction (dropped), a space for the T. */
int rfc3339_parse(const char *text, int64_t *ret, struct err *err) MUST_USE;
/* Civil date and time (UTC) to unix seconds; checks ranges and leap years. */
int civil_to_unix(int year, int month, int day, int hour, int minute, int second, int64_t *ret,
                  struct err *err) MUST_USE;
/* "90s", "15m", "2h", "30d". */
int duration_parse(const char *text, const char *what, int64_t *ret_seconds,
                   struct err *err) MUST_USE;
