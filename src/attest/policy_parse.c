// SPDX-License-Identifier: Apache-2.0
/*
 * A policy from TOML. The keys are one table; each has a reader of its own kind. A key that is not
 * in the table is refused, so that a misspelt restriction never passes for none.
 */
#include "attest/intel_documents.h"
#include "attest/policy_fields.h"
#include "attest/snp_family.h"
#include "format/arena.h"

#include "base/clock.h"
#include "base/text.h"
#include "format/toml.h"

#include "mse/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIST_MAX = 256, HEX_MAX_BYTES = 64 };

struct owned_policy {
    struct mse_policy policy; /* first: what the caller sees */
    struct arena arena;
};

static int read_bytes(struct arena *arena, const struct toml_value *value, struct mse_bytes *ret,
                      struct err *err)
{
    const char *text;
    if (toml_string(value, &text, err) < 0)
        return -1;
    size_t size = strlen(text) / 2;
    if (size == 0 || size > HEX_MAX_BYTES)
        return TOML_FAIL(value, err, "expected 1 to %d bytes in hexadecimal", HEX_MAX_BYTES);
    uint8_t *bytes = arena_alloc(arena, size);
    if (bytes == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (hex_decode(text, "the value", bytes, size, NULL) < 0)
        return TOML_FAIL(value, err, "expected hexadecimal digits, found '%s'", text);
    *ret = (struct mse_bytes){.data = bytes, .size = size};
    return 0;
}

static int read_fixed(struct arena *arena, const struct toml_value *value, size_t size,
                      const uint8_t **ret, struct err *err)
{
    struct mse_bytes bytes;
    if (read_bytes(arena, value, &bytes, err) < 0)
        return -1;
    if (bytes.size != size)
        return TOML_FAIL(value, err, "expected %zu bytes in hexadecimal, found %zu", size,
                         bytes.size);
    *ret = bytes.data;
    return 0;
}

/* One value or an array of them: calls `each` on every one. */
typedef int each_function(struct arena *arena, const struct toml_value *value, void *to,
                          struct err *err);

static int read_list(struct arena *arena, const struct toml_value *value, each_function *each,
                     void *to, struct err *err)
{
    if (value->type != TOML_ARRAY)
        return each(arena, value, to, err);
    if (value->count > LIST_MAX)
        return TOML_FAIL(value, err, "more than %d values", LIST_MAX);
    for (const struct toml_value *item = value->first; item != NULL; item = item->next) {
        if (each(arena, item, to, err) < 0)
            return -1;
    }
    return 0;
}

struct bytes_list {
    struct mse_bytes *items;
    size_t count;
};

static int add_bytes(struct arena *arena, const struct toml_value *value, void *to, struct err *err)
{
    struct bytes_list *list = to;
    return read_bytes(arena, value, &list->items[list->count++], err);
}

static int read_bytes_list(struct arena *arena, const struct toml_value *value,
                           const struct mse_bytes **ret, size_t *ret_count, struct err *err)
{
    struct bytes_list list = {.items = arena_array(arena, LIST_MAX, sizeof(*list.items))};
    if (list.items == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    if (read_list(arena, value, add_bytes, &list, err) < 0)
        return -1;
    if (list.count == 0)
        return TOML_FAIL(value, err,
                         "an empty list would accept nothing; leave the key out to "
                         "accept any");
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}

struct words_list {
    const char **items;
    size_t count;
    int (*check)(const struct toml_value *value, const char *word, struct err *err);
};

static int add_word(struct arena *arena, const struct toml_value *value, void *to, struct err *err)
{
    struct words_list *list = to;
    const char *text;
    if (toml_string(value, &text, err) < 0)
        return -1;
    if (list->check != NULL && list->check(value, text, err) < 0)
        return -1;
    list->items[list->count++] = arena_printf(arena, "%s", text);
    return 0;
}

static int read_words(struct arena *arena, const struct toml_value *value, struct words_list *list,
                      struct err *err)
{
    list->items = arena_array(arena, LIST_MAX, sizeof(*list->items));
    if (list->items == NULL)
        return FAIL(err, ERR_MEMORY, "out of memory");
    return read_list(arena, value, add_word, list, err);
}

static int check_status_word(const struct toml_value *value, const char *word, struct err *err)
{
    int status = tcb_status_of(slice_str(word));
    if (status == TCB_REVOKED)
        return TOML_FAIL(value, err, "a revoked platform is never accepted");
    if (status >= 0)
        return 0;
    const char *words[TCB_STATUS_COUNT];
    for (int i = 0; i < TCB_STATUS_COUNT; i++)
        words[i] = tcb_status_word((enum tcb_status)i);
    const char *nearest = text_nearest(word, words, TCB_STATUS_COUNT);
    if (nearest != NULL)
        return TOML_FAIL(value, err, "unknown status '%s', did you mean '%s'?", word, nearest);
    return TOML_FAIL(value, err, "unknown status '%s'", word);
}

static int check_advisory(const struct toml_value *value, const char *word, struct err *err)
{
    if (str_starts_with(word, "INTEL-SA-"))
        return 0;
    return TOML_FAIL(value, err, "expected an advisory such as 'INTEL-SA-00615', found '%s'", word);
}

static int check_hex_word(const struct toml_value *value, const char *word, struct err *err)
{
    size_t len = strlen(word);
    if (len == 0 || len % 2 != 0 || strspn(word, "0123456789abcdefABCDEF") != len)
        return TOML_FAIL(value, err, "expected hexadecimal digits, found '%s'", word);
    return 0;
}

static int set_tee(struct arena *arena, const struct toml_value *value, void *to, struct err *err)
{
    unsigned *tees = to;
    const char *text;
    (void)arena;
    if (toml_string(value, &text, err) < 0)
        return -1;
    for (enum mse_tee tee = MSE_TEE_SGX; tee <= MSE_TEE_SIMULATION; tee++) {
        if (strcmp(text, mse_tee_name(tee)) == 0) {
            *tees |= MSE_TEE_BIT(tee);
            return 0;
        }
    }
    return TOML_FAIL(value, err, "unknown TEE '%s', known are sgx, tdx, snp and simulation", text);
}

static int set_vmpl(struct arena *arena, const struct toml_value *value, void *to, struct err *err)
{
    unsigned *vmpls = to;
    int64_t vmpl;
    (void)arena;
    if (toml_integer(value, 0, 3, &vmpl, err) < 0)
        return -1;
    *vmpls |= 1u << vmpl;
    return 0;
}

/* A reader per key: `value` is what stands there. */
struct target {
    struct arena *arena;
    struct mse_policy *policy;
};

static int key_tee(struct target *to, const struct toml_value *value, struct err *err)
{
    if (read_list(to->arena, value, set_tee, &to->policy->tees, err) < 0)
        return -1;
    return to->policy->tees != 0 ? 0 : TOML_FAIL(value, err, "names no TEE");
}

static int key_measurement(struct target *to, const struct toml_value *value, struct err *err)
{
    return read_bytes_list(to->arena, value, &to->policy->measurements,
                           &to->policy->measurement_count, err);
}

static int key_signer(struct target *to, const struct toml_value *value, struct err *err)
{
    return read_bytes_list(to->arena, value, &to->policy->signers, &to->policy->signer_count, err);
}

static int key_fingerprint(struct target *to, const struct toml_value *value, struct err *err)
{
    return read_fixed(to->arena, value, 32, &to->policy->fingerprint, err);
}

static int key_debug(struct target *to, const struct toml_value *value, struct err *err)
{
    return toml_boolean(value, &to->policy->allow_debug, err);
}

static int key_crl(struct target *to, const struct toml_value *value, struct err *err)
{
    const char *text;
    if (toml_string(value, &text, err) < 0)
        return -1;
    if (strcmp(text, "required") != 0 && strcmp(text, "if-present") != 0)
        return TOML_FAIL(value, err, "expected 'required' or 'if-present', found '%s'", text);
    to->policy->crl = text[0] == 'r' ? MSE_CRL_REQUIRED : MSE_CRL_IF_PRESENT;
    return 0;
}

static int key_accept(struct target *to, const struct toml_value *value, struct err *err)
{
    struct words_list list = {.check = check_status_word};
    if (read_words(to->arena, value, &list, err) < 0)
        return -1;
    if (list.count == 0)
        return TOML_FAIL(value, err, "an empty list would accept nothing");
    to->policy->tcb_accept = list.items;
    to->policy->tcb_accept_count = list.count;
    return 0;
}

static int key_advisories(struct target *to, const struct toml_value *value, struct err *err)
{
    struct words_list list = {.check = check_advisory};
    if (read_words(to->arena, value, &list, err) < 0)
        return -1;
    to->policy->tcb_advisories_listed = true;
    to->policy->tcb_advisories = list.items;
    to->policy->tcb_advisory_count = list.count;
    return 0;
}

static int key_grace(struct target *to, const struct toml_value *value, struct err *err)
{
    const char *text;
    if (toml_string(value, &text, err) < 0)
        return -1;
    if (duration_parse(text, "the grace", &to->policy->tcb_grace, NULL) < 0)
        return TOML_FAIL(value, err, "expected a duration such as '30d', found '%s'", text);
    return 0;
}

static int key_fmspc(struct target *to, const struct toml_value *value, struct err *err)
{
    struct words_list list = {.check = check_hex_word};
    if (read_words(to->arena, value, &list, err) < 0)
        return -1;
    to->policy->fmspcs = list.items;
    to->policy->fmspc_count = list.count;
    return list.count > 0 ? 0 : TOML_FAIL(value, err, "an empty list would accept nothing");
}

static int key_chip_id(struct target *to, const struct toml_value *value, struct err *err)
{
    struct words_list list = {.check = check_hex_word};
    if (read_words(to->arena, value, &list, err) < 0)
        return -1;
    to->policy->chip_ids = list.items;
    to->policy->chip_id_count = list.count;
    return list.count > 0 ? 0 : TOML_FAIL(value, err, "an empty list would accept nothing");
}

static int check_product(const struct toml_value *value, const char *word, struct err *err)
{
    const char *names[SNP_FAMILIES_MAX];
    size_t count = 0;
    for (; count < SNP_FAMILIES_MAX && snp_family_name(count) != NULL; count++) {
        names[count] = snp_family_name(count);
        if (strcmp(word, names[count]) == 0)
            return 0;
    }
    const char *nearest = text_nearest(word, names, count);
    if (nearest != NULL)
        return TOML_FAIL(value, err, "unknown product '%s', did you mean '%s'?", word, nearest);
    return TOML_FAIL(value, err, "unknown product '%s', expected one such as '%s'", word, names[0]);
}

static int key_product(struct target *to, const struct toml_value *value, struct err *err)
{
    struct words_list list = {.check = check_product};
    if (read_words(to->arena, value, &list, err) < 0)
        return -1;
    to->policy->snp_products = list.items;
    to->policy->snp_product_count = list.count;
    return list.count > 0 ? 0 : TOML_FAIL(value, err, "an empty list would accept nothing");
}

static int key_isv_prod_id(struct target *to, const struct toml_value *value, struct err *err)
{
    int64_t number;
    if (toml_integer(value, 0, UINT16_MAX, &number, err) < 0)
        return -1;
    to->policy->has_isv_prod_id = true;
    to->policy->isv_prod_id = (uint16_t)number;
    return 0;
}

static int key_isv_svn(struct target *to, const struct toml_value *value, struct err *err)
{
    int64_t number;
    if (toml_integer(value, 0, UINT16_MAX, &number, err) < 0)
        return -1;
    to->policy->min_isv_svn = (uint16_t)number;
    return 0;
}

static int key_vmpl(struct target *to, const struct toml_value *value, struct err *err)
{
    if (read_list(to->arena, value, set_vmpl, &to->policy->snp_vmpls, err) < 0)
        return -1;
    return to->policy->snp_vmpls != 0 ? 0 : TOML_FAIL(value, err, "names no VMPL");
}

static int key_snp_tcb(struct target *to, const struct toml_value *value, struct err *err)
{
    static const char *const parts[] = {"fmc", "bootloader", "tee", "snp", "microcode"};
    uint8_t *places[] = {&to->policy->snp_min_tcb.fmc, &to->policy->snp_min_tcb.bootloader,
                         &to->policy->snp_min_tcb.tee, &to->policy->snp_min_tcb.snp,
                         &to->policy->snp_min_tcb.microcode};
    if (toml_expect(value, TOML_TABLE, err) < 0 ||
        toml_check_keys(value, parts, ARRAY_LEN(parts), err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int64_t number = 0;
        if (toml_get_integer(value, parts[i], 0, UINT8_MAX, &number, err) < 0)
            return -1;
        *places[i] = (uint8_t)number;
    }
    to->policy->has_snp_min_tcb = true;
    return 0;
}

static int key_simulation_root(struct target *to, const struct toml_value *value, struct err *err)
{
    return read_fixed(to->arena, value, 32, &to->policy->simulation_root, err);
}

struct key {
    const char *table; /* "": the top */
    const char *name;
    int (*read)(struct target *to, const struct toml_value *value, struct err *err);
};

/* A field of the table in policy_fields.c. */
static int read_field(struct target *to, const struct policy_field *field,
                      struct mse_accepted *accepted, const struct toml_value *value,
                      struct err *err)
{
    if (read_bytes_list(to->arena, value, &accepted->values, &accepted->count, err) < 0)
        return -1;
    for (size_t i = 0; i < accepted->count; i++) {
        if (accepted->values[i].size != field->size)
            return TOML_FAIL(value, err, "expected %zu bytes in hexadecimal, found %zu",
                             field->size, accepted->values[i].size);
    }
    return 0;
}

static const struct key keys[] = {
    {"", "tee", key_tee},
    {"", "measurement", key_measurement},
    {"", "signer", key_signer},
    {"", "fingerprint", key_fingerprint},
    {"", "debug", key_debug},
    {"", "crl", key_crl},
    {"tcb", "accept", key_accept},
    {"tcb", "advisories", key_advisories},
    {"tcb", "grace", key_grace},
    {"intel", "fmspc", key_fmspc},
    {"sgx", "isv_prod_id", key_isv_prod_id},
    {"sgx", "min_isv_svn", key_isv_svn},
    {"snp", "min_tcb", key_snp_tcb},
    {"snp", "vmpl", key_vmpl},
    {"snp", "chip_id", key_chip_id},
    {"snp", "product", key_product},
    {"simulation", "root", key_simulation_root},
};

static const char *const tables[] = {"", "tcb", "intel", "sgx", "tdx", "snp", "simulation"};

/* The names that may stand in a table; at the top, the tables themselves too. */
static size_t known_names(const char *table, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].table, table) == 0)
            names[count++] = keys[i].name;
    }
    for (size_t i = 0; i < MSE_FIELD_COUNT; i++) {
        if (strcmp(policy_fields[i].table, table) == 0)
            names[count++] = policy_fields[i].key;
    }
    for (size_t i = 1; i < ARRAY_LEN(tables) && table[0] == '\0'; i++)
        names[count++] = tables[i];
    return count;
}

static int read_table(struct target *to, const char *name, const struct toml_value *table,
                      struct err *err)
{
    const char *names[ARRAY_LEN(keys) + MSE_FIELD_COUNT + ARRAY_LEN(tables)];
    size_t count = known_names(name, names);
    if (toml_expect(table, TOML_TABLE, err) < 0 || toml_check_keys(table, names, count, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].table, name) != 0)
            continue;
        const struct toml_value *value = toml_get(table, keys[i].name);
        if (value != NULL && keys[i].read(to, value, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < MSE_FIELD_COUNT; i++) {
        const struct policy_field *field = &policy_fields[i];
        const struct toml_value *value =
            strcmp(field->table, name) == 0 ? toml_get(table, field->key) : NULL;
        if (value != NULL && read_field(to, field, &to->policy->fields[i], value, err) < 0)
            return -1;
    }
    return 0;
}

static int read_policy(struct target *to, const struct toml_value *root, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        const struct toml_value *table = i == 0 ? root : toml_get(root, tables[i]);
        if (table != NULL && read_table(to, tables[i], table, err) < 0)
            return -1;
    }
    return to->arena->out_of_memory ? FAIL(err, ERR_MEMORY, "out of memory") : 0;
}

static int parse(struct slice text, struct owned_policy *owned, struct err *err)
{
    AUTO(toml_free_pointer) struct toml *toml = NULL;
    if (toml_parse(text, "policy", &toml, err) < 0)
        return -1;
    struct target to = {.arena = &owned->arena, .policy = &owned->policy};
    return read_policy(&to, toml_root(toml), err);
}

int mse_policy_parse(const char *text, size_t size, struct mse_policy **ret,
                     char error[MSE_ERROR_SIZE])
{
    struct err err = ERR_INIT;
    struct owned_policy *owned = mem_alloc(sizeof(*owned), &err);
    if (owned != NULL)
        owned->policy.size = sizeof(owned->policy);
    if (owned != NULL && parse(slice_of(text, size), owned, &err) == 0) {
        *ret = &owned->policy;
        return 0;
    }
    if (error != NULL)
        (void)snprintf(error, MSE_ERROR_SIZE, "%s%s%s", err.message,
                       err.hint[0] == '\0' ? "" : "; ", err.hint);
    if (owned != NULL)
        mse_policy_free(&owned->policy);
    return -1;
}

void mse_policy_free(struct mse_policy *policy)
{
    if (policy == NULL)
        return;
    struct owned_policy *owned = (struct owned_policy *)policy;
    arena_done(&owned->arena);
    free(owned);
}
