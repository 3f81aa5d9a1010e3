// SPDX-License-Identifier: Apache-2.0
/*
 * What differs between two files, and what usually makes that field differ.
 */
#include "attest/explain.h"

#include "base/text.h"

static const char another_app[] = "the manifest: code, requirements, runtime, environment or an "
                                  "option; `mse diff` of the two manifests says which";

/* By the last part of a field's path. */
static const struct {
    const char *name;
    const char *meaning;
} meanings[] = {
    {"fingerprint", another_app},
    {"mse-fingerprint", another_app},
    {"host_data", another_app},
    {"mrconfigid", another_app},
    {"family_id", another_app},
    {"image_id", another_app},
    {"id_key_digest", "launched with an ID block of another key"},
    {"author_key_digest", "launched with an ID block of another author"},
    {"mrenclave", "the enclave: its runtime, its Gramine manifest or a trusted file"},
    {"mrsigner", "signed by another author"},
    {"isv_svn", "another version of the enclave"},
    {"measurement", "the runtime image: firmware, kernel, initial RAM disk or command line"},
    {"mrtd", "the firmware of the virtual machine"},
    {"rtmr0", "the configuration of the virtual machine"},
    {"rtmr1", "the kernel"},
    {"rtmr2", "the command line or the initial RAM disk"},
    {"rtmr3", "what the guest measured while running"},
    {"mrseam", "another TDX module: the platform was updated"},
    {"report_data", "the TLS key, the nonce or the claims: differs at every start or request"},
    {"pubkey-hash", "another TLS key: made anew at every start"},
    {"public_key_sha256", "another TLS key: made anew at every start"},
    {"debug", "one of them was started with debug: the operator can read it"},
    {"policy", "the guest was launched under another policy"},
    {"chip_id", "another machine"},
    {"fmspc", "another kind of platform"},
    {"simulation_root", "another node, or its simulation root was replaced"},
    {"cpu_svn", "microcode or firmware was updated"},
    {"reported_tcb", "microcode or firmware was updated"},
    {"current_tcb", "microcode or firmware was updated"},
    {"not_after", "another validity"},
};

static const char *meaning_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *last = dot == NULL ? path : dot + 1;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (strcmp(last, meanings[i].name) == 0)
            return meanings[i].meaning;
    }
    return NULL;
}

static const char *value_of(const struct explanation *e, const char *path)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->fields[i].path, path) == 0)
            return e->fields[i].value;
    }
    return NULL;
}

struct difference {
    const char *field;
    const char *a; /* NULL: not there */
    const char *b;
};

static int put_text(struct buf *out, const struct difference *difference, struct err *err)
{
    const char *meaning = meaning_of(difference->field);
    if (buf_printf(out, err, "%s\n  a: %s\n  b: %s\n", difference->field,
                   difference->a == NULL ? "(absent)" : difference->a,
                   difference->b == NULL ? "(absent)" : difference->b) < 0)
        return -1;
    return meaning == NULL ? 0 : buf_printf(out, err, "  means: %s\n", meaning);
}

static int put_json(struct buf *out, const struct difference *difference, bool first,
                    struct err *err)
{
    const struct {
        const char *name;
        const char *value;
    } members[] = {
        {"field", difference->field},
        {"a", difference->a},
        {"b", difference->b},
        {"meaning", meaning_of(difference->field)},
    };
    if (buf_str(out, first ? "\n  {" : ",\n  {", err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (buf_printf(out, err, "%s\"%s\": ", i == 0 ? "" : ", ", members[i].name) < 0)
            return -1;
        int rc = members[i].value == NULL ? buf_str(out, "null", err)
                                          : explain_put_json(out, members[i].value, err);
        if (rc < 0)
            return -1;
    }
    return buf_str(out, "}", err);
}

/* a's fields in their order, then what only b has. */
static int put_differences(struct buf *out, enum mse_format format, const struct explanation *a,
                           const struct explanation *b, size_t *ret_count, struct err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count + b->count; i++) {
        bool from_a = i < a->count;
        const struct explain_field *field = from_a ? &a->fields[i] : &b->fields[i - a->count];
        const char *other = value_of(from_a ? b : a, field->path);
        if (other != NULL && (!from_a || strcmp(other, field->value) == 0))
            continue;
        const struct difference difference = {
            .field = field->path,
            .a = from_a ? field->value : NULL,
            .b = from_a ? other : field->value,
        };
        int rc = format == MSE_JSON ? put_json(out, &difference, count == 0, err)
                                    : put_text(out, &difference, err);
        if (rc < 0)
            return -1;
        count++;
    }
    *ret_count = count;
    return 0;
}

static int diff(struct mse_bytes a, struct mse_bytes b, enum mse_format format, struct buf *out,
                bool *ret_same, struct err *err)
{
    AUTO_EXPLANATION struct explanation first = {0};
    AUTO_EXPLANATION struct explanation second = {0};
    size_t count = 0;
    if (explain_file(&first, a, err) < 0)
        return FAIL_CONTEXT(err, "the first file");
    if (explain_file(&second, b, err) < 0)
        return FAIL_CONTEXT(err, "the second file");
    if (format == MSE_JSON && buf_str(out, "[", err) < 0)
        return -1;
    if (put_differences(out, format, &first, &second, &count, err) < 0)
        return -1;
    if (ret_same != NULL)
        *ret_same = count == 0;
    if (format == MSE_JSON)
        return buf_str(out, count == 0 ? "]\n" : "\n]\n", err);
    return buf_str(out, count == 0 ? "no difference\n" : "", err);
}

char *mse_diff(struct mse_bytes a, struct mse_bytes b, enum mse_format format, bool *ret_same,
               char error[MSE_ERROR_SIZE])
{
    AUTO_BUF struct buf out = BUF_INIT(EXPLAIN_OUTPUT_MAX);
    struct err err = ERR_INIT;
    error[0] = '\0';
    int rc = diff(a, b, format, &out, ret_same, &err);
    return explain_finish(rc, &out, &err, error);
}
