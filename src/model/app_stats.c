// SPDX-License-Identifier: Apache-2.0
/*
 * Counters between enclave, supervisor and node. What is read here comes from an enclave that may
 * be hostile by then.
 */
#include "model/app_stats.h"

enum unit { C, G }; /* counter, gauge */

struct number {
    const char *name;
    enum unit unit;
    const char *family;
    const char *label;
    const char *text;
    size_t offset;
};

struct histogram {
    const char *name;
    const char *sum_name;
    const char *family;
    const char *text;
    size_t offset;
    size_t sum_offset;
};

static const struct number numbers[] = {
#define X(member, unit, family, label, text)                                                       \
    {#member, unit, family, label, text, offsetof(struct app_stats, member)},
    APP_STATS_NUMBERS(X)
#undef X
};

static const struct histogram histograms[] = {
#define X(member, family, text)                                                                    \
    {#member,                                                                                      \
     #member "_us",                                                                                \
     family,                                                                                       \
     text,                                                                                         \
     offsetof(struct app_stats, member),                                                           \
     offsetof(struct app_stats, member##_us)},
    APP_STATS_HISTOGRAMS(X)
#undef X
};

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

static const uint64_t *at(const struct app_stats *stats, size_t offset)
{
    return (const uint64_t *)((const char *)stats + offset);
}

static uint64_t *at_of(struct app_stats *stats, size_t offset)
{
    return (uint64_t *)((char *)stats + offset);
}

static uint64_t shown(uint64_t number)
{
    return number < NUMBER_MAX ? number : NUMBER_MAX;
}

/* Where bucket i ends. */
static double bound_us(size_t i)
{
    return (double)(UINT64_C(1) << i);
}

/* --- JSON --- */

static int put_buckets(json_t *object, const char *key, const uint64_t *buckets, struct err *err)
{
    AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < APP_STATS_BUCKETS; i++) {
        if (json_array_append_new(list, json_integer(shown(buckets[i]))) < 0)
            return FAIL(err, ERR_MEMORY, "out of memory");
    }
    return json_put(object, key, json_incref(list), err);
}

int app_stats_to_json(const struct app_stats *stats, json_t **ret, struct err *err)
{
    AUTO_JSON json_t *object = json_new_object(err);
    if (object == NULL)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_put_u64(object, numbers[i].name, shown(*at(stats, numbers[i].offset)), err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++) {
        const struct histogram *histogram = &histograms[i];
        if (put_buckets(object, histogram->name, at(stats, histogram->offset), err) < 0 ||
            json_put_u64(object, histogram->sum_name, shown(*at(stats, histogram->sum_offset)),
                         err) < 0)
            return -1;
    }
    *ret = json_incref(object);
    return 0;
}

static int read_buckets(const struct json_at *in, const char *key, uint64_t *ret, struct err *err)
{
    const json_t *list;
    if (json_read_array(in, key, 2 * APP_STATS_BUCKETS, &list, err) < 0)
        return -1;
    if (json_array_size(list) != APP_STATS_BUCKETS)
        return FAIL(err, ERR_INVALID, "%s: '%s' has %zu numbers, expected %d", in->what, key,
                    json_array_size(list), APP_STATS_BUCKETS);
    for (size_t i = 0; i < APP_STATS_BUCKETS; i++) {
        const json_t *value = json_array_get(list, i);
        int64_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 || (uint64_t)number > NUMBER_MAX)
            return FAIL(err, ERR_INVALID, "%s: '%s[%zu]' is no whole number up to 2^53 - 1",
                        in->what, key, i);
        ret[i] = (uint64_t)number;
    }
    return 0;
}

static int check_keys(const struct json_at *in, struct err *err)
{
    const char *known[ARRAY_LEN(numbers) + 2 * ARRAY_LEN(histograms)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        known[count++] = numbers[i].name;
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++) {
        known[count++] = histograms[i].name;
        known[count++] = histograms[i].sum_name;
    }
    return json_only_keys(in, known, count, err);
}

int app_stats_from_json(const struct json_at *in, struct app_stats *ret, struct err *err)
{
    struct app_stats stats = {0};
    if (check_keys(in, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (!json_has(in, numbers[i].name))
            continue;
        if (json_read_u64(in, numbers[i].name, 0, NUMBER_MAX, at_of(&stats, numbers[i].offset),
                          err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++) {
        const struct histogram *histogram = &histograms[i];
        if (read_buckets(in, histogram->name, at_of(&stats, histogram->offset), err) < 0 ||
            json_read_u64(in, histogram->sum_name, 0, NUMBER_MAX,
                          at_of(&stats, histogram->sum_offset), err) < 0)
            return -1;
    }
    *ret = stats;
    return 0;
}

int app_stats_line(const struct app_stats *stats, struct buf *out, struct err *err)
{
    AUTO_JSON json_t *line = json_new_object(err);
    json_t *object = NULL;
    if (line == NULL || app_stats_to_json(stats, &object, err) < 0 ||
        json_put(line, "stats", object, err) < 0 || json_canonical(line, out, err) < 0)
        return -1;
    return buf_u8(out, '\n', err);
}

int app_stats_from_line(const struct json_at *line, struct app_stats *ret, struct err *err)
{
    static const char *const known[] = {"stats"};
    struct json_at inner;
    if (json_only_keys(line, known, ARRAY_LEN(known), err) < 0 ||
        json_read_object(line, "stats", &inner, err) < 0)
        return -1;
    return app_stats_from_json(&inner, ret, err);
}

/* --- quantiles --- */

double app_stats_quantile(const uint64_t buckets[static APP_STATS_BUCKETS], double quantile)
{
    double total = 0;
    double seen = 0;
    for (size_t i = 0; i < APP_STATS_BUCKETS; i++)
        total += (double)buckets[i];
    double wanted = total * quantile;
    for (size_t i = 0; i < APP_STATS_BUCKETS && total > 0; i++) {
        double count = (double)buckets[i];
        if (count > 0 && seen + count >= wanted) {
            double low = i == 0 ? 0 : bound_us(i - 1);
            double share = (wanted - seen) / count;
            return low + (bound_us(i) - low) * share;
        }
        seen += count;
    }
    return 0;
}

/* --- Prometheus --- */

static int put_head(const char *family, const char *type, const char *text, struct buf *out,
                    struct err *err)
{
    return buf_printf(out, err, "# HELP mse_app_%s %s\n# TYPE mse_app_%s %s\n", family, text,
                      family, type);
}

static int put_number(const struct number *number, const struct app_stats_row *row, struct buf *out,
                      struct err *err)
{
    return buf_printf(out, err, "mse_app_%s{%s%s%s} %llu\n", number->family, row->labels,
                      number->label[0] != '\0' ? "," : "", number->label,
                      (unsigned long long)*at(&row->stats, number->offset));
}

static int put_histogram(const struct histogram *histogram, const struct app_stats_row *row,
                         struct buf *out, struct err *err)
{
    const uint64_t *buckets = at(&row->stats, histogram->offset);
    unsigned long long below = 0;
    for (size_t i = 0; i + 1 < APP_STATS_BUCKETS; i++) {
        below += buckets[i];
        if (buf_printf(out, err, "mse_app_%s_bucket{%s,le=\"%.6f\"} %llu\n", histogram->family,
                       row->labels, bound_us(i) / 1e6, below) < 0)
            return -1;
    }
    below += buckets[APP_STATS_BUCKETS - 1];
    return buf_printf(out, err,
                      "mse_app_%s_bucket{%s,le=\"+Inf\"} %llu\n"
                      "mse_app_%s_sum{%s} %.6f\nmse_app_%s_count{%s} %llu\n",
                      histogram->family, row->labels, below, histogram->family, row->labels,
                      (double)*at(&row->stats, histogram->sum_offset) / 1e6, histogram->family,
                      row->labels, below);
}

static bool begins_family(size_t i)
{
    return i == 0 || strcmp(numbers[i].family, numbers[i - 1].family) != 0;
}

/* A family's lines stand together, so all apps come for each metric. */
int app_stats_prometheus(const struct app_stats_row *rows, size_t count, struct buf *out,
                         struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const struct number *number = &numbers[i];
        const char *type = number->unit == C ? "counter" : "gauge";
        if (begins_family(i) && put_head(number->family, type, number->text, out, err) < 0)
            return -1;
        for (size_t row = 0; row < count; row++) {
            if (put_number(number, &rows[row], out, err) < 0)
                return -1;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++) {
        if (put_head(histograms[i].family, "histogram", histograms[i].text, out, err) < 0)
            return -1;
        for (size_t row = 0; row < count; row++) {
            if (put_histogram(&histograms[i], &rows[row], out, err) < 0)
                return -1;
        }
    }
    return 0;
}
