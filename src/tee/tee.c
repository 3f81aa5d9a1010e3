// SPDX-License-Identifier: Apache-2.0
/*
 * The table of TEEs and the choice among them. Runs inside the enclave. The choice is no decision
 * about trust: whoever judges the evidence learns from it which TEE signed.
 */
#include "tee/tee.h"

#include "tee/platform.h"

#include <stdio.h>

/* Hardware comes first. */
static const struct tee *const tees[] = {&tee_sgx, &tee_tdx, &tee_snp, &tee_simulation};

static void list_names(char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(tees) && len < size; i++) {
        int more = snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "", tees[i]->name);
        len += more > 0 ? (size_t)more : 0;
    }
}

int tee_by_name(const char *name, const struct tee **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (strcmp(tees[i]->name, name) == 0) {
            *ret = tees[i];
            return 0;
        }
    }
    char names[128];
    list_names(names, sizeof(names));
    return FAIL(err, ERR_NOT_FOUND, "unknown TEE '%s', expected one of: %s", name, names);
}

int tee_detect(const struct tee **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (tees[i]->present()) {
            *ret = tees[i];
            return 0;
        }
    }
    char names[128];
    list_names(names, sizeof(names));
    (void)FAIL(err, ERR_NOT_FOUND, "this is not inside a TEE: found the device of none of %s",
               names);
    err_hint(err, "this program is started by a node; see msed(8)");
    return -1;
}

/* Copies the bytes outside of the varying ranges. */
static int constant_part(const struct tee *tee, struct slice evidence, struct buf *out)
{
    size_t pos = 0;
    struct err ignored = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(tee->varying) && tee->varying[i].size > 0; i++) {
        const struct tee_range *range = &tee->varying[i];
        if (evidence.len < range->offset ||
            buf_bytes(out, slice_of(evidence.data + pos, range->offset - pos), &ignored) < 0)
            return -1;
        size_t left = evidence.len - range->offset;
        pos = range->offset + (range->size < left ? range->size : left);
    }
    return buf_bytes(out, slice_of(evidence.data + pos, evidence.len - pos), &ignored);
}

bool tee_evidence_same(const struct tee *tee, struct slice a, struct slice b)
{
    AUTO_BUF struct buf first = BUF_INIT(TEE_EVIDENCE_MAX);
    AUTO_BUF struct buf second = BUF_INIT(TEE_EVIDENCE_MAX);
    return constant_part(tee, a, &first) == 0 && constant_part(tee, b, &second) == 0 &&
           slice_equal(buf_slice(&first), buf_slice(&second));
}

static int derive(struct slice key, const char *salt, struct slice info, struct secret *ret,
                  struct err *err)
{
    AUTO_SECRET struct secret derived = SECRET_INIT;
    if (secret_init(&derived, TEE_SEALING_KEY_SIZE, err) < 0 ||
        hkdf_sha256(key, slice_str(salt), info, derived.data, derived.len, err) < 0)
        return -1;
    *ret = derived;
    derived = SECRET_INIT;
    return 0;
}

int tee_derive_sealing_key(struct slice hardware_key, const uint8_t *fingerprint, uint32_t epoch,
                           struct secret *ret, struct err *err)
{
    AUTO_BUF struct buf info = BUF_INIT(64);
    if (buf_u32be(&info, epoch, err) < 0 ||
        buf_bytes(&info, slice_of(fingerprint, TEE_FINGERPRINT_SIZE), err) < 0)
        return -1;
    return derive(hardware_key, "mse hardware sealing key", buf_slice(&info), ret, err);
}

int tee_purpose_key(const struct secret *sealing_key, const char *purpose, struct secret *ret,
                    struct err *err)
{
    return derive(secret_slice(sealing_key), "mse sealing key", slice_str(purpose), ret, err);
}
