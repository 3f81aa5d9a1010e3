// SPDX-License-Identifier: Apache-2.0
/*
 * A verdict as JSON and as text for a person. Both use the verdict's own words; what came from
 * outside was made printable when it was recorded, and is escaped here all the same.
 */
#include "base/buf.h"
#include "base/clock.h"

#include "mse/verdict.h"

enum { RENDER_MAX = 1 << 20 };

static const char *const tee_names[] = {"unknown", "sgx", "tdx", "snp", "simulation"};
static const char *const result_names[] = {"pass", "fail", "not-applicable"};

const char *mse_tee_name(enum mse_tee tee)
{
    return (unsigned)tee < ARRAY_LEN(tee_names) ? tee_names[tee] : tee_names[0];
}

const char *mse_result_name(enum mse_result result)
{
    return (unsigned)result < ARRAY_LEN(result_names) ? result_names[result] : "fail";
}

/* The writers below append until something fails; `ok` remembers. */
struct text {
    struct buf buf;
    bool ok;
};

static void put(struct text *out, const char *piece)
{
    out->ok = out->ok && buf_str(&out->buf, piece, NULL) == 0;
}

static void put_string(struct text *out, const char *value)
{
    put(out, "\"");
    for (const char *p = value; *p != '\0' && out->ok; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            out->ok = buf_printf(&out->buf, NULL, "\\%c", c) == 0;
        else if (c < 0x20 || c >= 0x7f)
            out->ok = buf_printf(&out->buf, NULL, "\\u%04x", c) == 0;
        else
            out->ok = buf_u8(&out->buf, c, NULL) == 0;
    }
    put(out, "\"");
}

static void put_member(struct text *out, const char *name, const char *value)
{
    put_string(out, name);
    put(out, ": ");
    if (value == NULL)
        put(out, "null");
    else
        put_string(out, value);
}

static void put_number(struct text *out, const char *name, int64_t value, bool known)
{
    put_string(out, name);
    if (known)
        out->ok = out->ok && buf_printf(&out->buf, NULL, ": %lld", (long long)value) == 0;
    else
        put(out, ": null");
}

static void put_advisories(struct text *out, const struct mse_verdict *verdict)
{
    put(out, "\"advisories\": [");
    for (size_t i = 0; i < verdict->advisory_count; i++) {
        put(out, i == 0 ? "" : ", ");
        put_string(out, verdict->advisories[i]);
    }
    put(out, "]");
}

static void put_claims(struct text *out, const struct mse_verdict *verdict)
{
    put(out, "\"claims\": {");
    for (size_t i = 0; i < verdict->claim_count; i++) {
        put(out, i == 0 ? "" : ", ");
        put_member(out, verdict->claims[i].name, verdict->claims[i].value);
    }
    put(out, "}");
}

static void put_check(struct text *out, const struct mse_check *check)
{
    put(out, "{");
    put_member(out, "name", check->name);
    put(out, ", ");
    put_member(out, "result", mse_result_name(check->result));
    put(out, ", ");
    put_member(out, "found", check->found);
    put(out, ", ");
    put_member(out, "expected", check->expected);
    put(out, ", ");
    put_member(out, "hint", check->hint);
    put(out, "}");
}

static void put_json(struct text *out, const struct mse_verdict *verdict)
{
    bool window = verdict->valid_from != 0 || verdict->valid_until != 0;
    put(out, "{");
    put_member(out, "verdict", verdict->accepted ? "accepted" : "rejected");
    put(out, ", ");
    put_member(out, "tee", verdict->tee == MSE_TEE_UNKNOWN ? NULL : mse_tee_name(verdict->tee));
    put(out, ", ");
    put_member(out, "status", verdict->status);
    put(out, ", ");
    put_advisories(out, verdict);
    put(out, verdict->debug ? ", \"debug\": true, " : ", \"debug\": false, ");
    put_number(out, "valid_from", verdict->valid_from, window);
    put(out, ", ");
    put_number(out, "valid_until", verdict->valid_until, window);
    put(out, ", ");
    put_claims(out, verdict);
    put(out, ", \"checks\": [");
    for (size_t i = 0; i < verdict->check_count; i++) {
        put(out, i == 0 ? "" : ", ");
        put_check(out, &verdict->checks[i]);
    }
    put(out, "]}");
}

static char *finish(struct text *out)
{
    char *text = out->ok ? buf_steal_text(&out->buf, NULL) : NULL;
    buf_done(&out->buf);
    return text;
}

char *mse_verdict_json(const struct mse_verdict *verdict)
{
    struct text out = {.buf = BUF_INIT(RENDER_MAX), .ok = true};
    put_json(&out, verdict);
    return finish(&out);
}

static void put_line(struct text *out, const char *label, const char *value)
{
    if (value[0] != '\0')
        out->ok = out->ok && buf_printf(&out->buf, NULL, "      %s %s\n", label, value) == 0;
}

static void put_check_text(struct text *out, const struct mse_check *check)
{
    static const char *const marks[] = {"pass", "FAIL", "-   "};
    const char *mark = check->loosened ? "LOOSE" : marks[check->result];
    out->ok = out->ok && buf_printf(&out->buf, NULL, "%-5s %s%s%s\n", mark, check->name,
                                    check->found[0] == '\0' ? "" : ": ", check->found) == 0;
    if (check->result == MSE_FAIL || check->loosened)
        put_line(out, "expected:", check->expected);
    if (check->result == MSE_FAIL)
        put_line(out, "to do:   ", check->hint);
}

static void put_summary(struct text *out, const struct mse_verdict *verdict)
{
    out->ok = out->ok &&
              buf_printf(&out->buf, NULL, "%s: %s, status %s%s\n",
                         verdict->accepted ? "ACCEPTED" : "REJECTED", mse_tee_name(verdict->tee),
                         verdict->status == NULL ? "unknown" : verdict->status,
                         verdict->debug ? ", debug" : "") == 0;
    if (verdict->tee == MSE_TEE_SIMULATION)
        put(out, "This is the simulation: it protects nothing from the operator.\n");
    for (size_t i = 0; i < verdict->advisory_count; i++)
        put_line(out, "advisory", verdict->advisories[i]);
    if (verdict->accepted && verdict->valid_until != 0) {
        char until[RFC3339_SIZE];
        rfc3339_format(verdict->valid_until, until);
        put_line(out, "valid until", until);
    }
}

char *mse_verdict_text(const struct mse_verdict *verdict)
{
    struct text out = {.buf = BUF_INIT(RENDER_MAX), .ok = true};
    for (size_t i = 0; i < verdict->check_count; i++)
        put_check_text(&out, &verdict->checks[i]);
    put_summary(&out, verdict);
    return finish(&out);
}
