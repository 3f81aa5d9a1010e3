// SPDX-License-Identifier: Apache-2.0
/*
 * The recorder. Everything that a verdict says goes through here, so that the same words reach the
 * terminal, JSON and C. Bounded: past CHECKS_MAX a verification fails.
 */
#include "attest/verification.h"

#include "base/clock.h"

#include <stdio.h>

const char *say(struct verification *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(v->arena, fmt, args);
    va_end(args);
    return text;
}

const char *say_hex(struct verification *v, struct slice bytes)
{
    return arena_hex(v->arena, bytes);
}

const char *say_time(struct verification *v, int64_t unix_time)
{
    char text[RFC3339_SIZE];
    rfc3339_format(unix_time, text);
    return say(v, "%s", text);
}

static struct mse_check *record(struct verification *v, enum mse_result result, const char *name)
{
    if (result == MSE_FAIL)
        v->failed = true;
    if (v->checks == NULL)
        v->checks = arena_array(v->arena, CHECKS_MAX, sizeof(*v->checks));
    if (v->checks == NULL || v->verdict->check_count == CHECKS_MAX) {
        v->failed = true;
        return NULL;
    }
    v->verdict->checks = v->checks;
    struct mse_check *check = &v->checks[v->verdict->check_count++];
    *check =
        (struct mse_check){.name = name, .result = result, .found = "", .expected = "", .hint = ""};
    return check;
}

void check_pass(struct verification *v, const char *name, const char *found, const char *expected)
{
    struct mse_check *check = record(v, MSE_PASS, name);
    if (check == NULL)
        return;
    check->found = found;
    check->expected = expected;
}

void check_fail(struct verification *v, const char *name, const char *found, const char *expected,
                const char *hint)
{
    struct mse_check *check = record(v, MSE_FAIL, name);
    if (check == NULL)
        return;
    check->found = found;
    check->expected = expected;
    check->hint = hint;
}

void check_skip(struct verification *v, const char *name, const char *why)
{
    struct mse_check *check = record(v, MSE_NOT_APPLICABLE, name);
    if (check != NULL)
        check->found = why;
}

bool check_that(struct verification *v, bool ok, const char *name, const char *found,
                const char *expected, const char *hint)
{
    if (ok)
        check_pass(v, name, found, expected);
    else
        check_fail(v, name, found, expected, hint);
    return ok;
}

void check_warning(struct verification *v, const char *name, const char *found,
                   const char *expected, const char *hint)
{
    struct mse_check *check = record(v, MSE_PASS, name);
    if (check == NULL)
        return;
    check->found = found;
    check->expected = expected;
    check->hint = hint;
    check->loosened = true;
}

void check_loosened(struct verification *v, const char *name, const char *found,
                    const char *expected)
{
    check_warning(v, name, found, expected, "the policy is less than strict here");
}

void note_trouble(struct verification *v, enum trouble trouble)
{
    if (trouble > v->trouble)
        v->trouble = trouble;
}

static void narrow_window(struct mse_verdict *verdict, int64_t from, int64_t until)
{
    bool first = verdict->valid_from == 0 && verdict->valid_until == 0;
    if (first || from > verdict->valid_from)
        verdict->valid_from = from;
    if (first || until < verdict->valid_until)
        verdict->valid_until = until;
}

bool check_window(struct verification *v, const char *name, int64_t from, int64_t until, bool grave,
                  const char *hint)
{
    int64_t at = v->input->at;
    narrow_window(v->verdict, from, until);
    bool early = at < from;
    bool late = at > until;
    if (grave && (early || late))
        note_trouble(v, early ? TROUBLE_NOT_YET_VALID : TROUBLE_EXPIRED);
    const char *word = early ? "not yet valid, " : late ? "expired, " : "";
    return check_that(v, !early && !late, name,
                      say(v, "%s%s to %s", word, say_time(v, from), say_time(v, until)),
                      say(v, "valid at %s", say_time(v, at)), hint);
}

void claim_text(struct verification *v, const char *name, const char *value)
{
    if (v->claims == NULL)
        v->claims = arena_array(v->arena, CLAIMS_MAX, sizeof(*v->claims));
    if (v->claims == NULL || v->verdict->claim_count == CLAIMS_MAX) {
        v->failed = true;
        return;
    }
    v->verdict->claims = v->claims;
    v->claims[v->verdict->claim_count++] = (struct mse_claim){.name = name, .value = value};
}

void claim_number(struct verification *v, const char *name, uint64_t value)
{
    claim_text(v, name, say(v, "%llu", (unsigned long long)value));
}

void claim_bytes(struct verification *v, const char *name, struct slice value)
{
    claim_text(v, name, say_hex(v, value));
}

struct mse_bytes keep_bytes(struct verification *v, struct slice bytes)
{
    struct slice copy = arena_copy(v->arena, bytes);
    return (struct mse_bytes){.data = copy.data, .size = copy.len};
}
