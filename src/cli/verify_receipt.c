// SPDX-License-Identifier: Apache-2.0
/*
 * Receipts of verifications on the command line: signed with the owner's key, checked by anybody.
 */
#include "cli/ui.h"
#include "cli/verify_evidence.h"

#include "attest/receipt.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "client/owner.h"

enum { INPUT_MAX = 8 << 20, KEY_TEXT = 2 * ED25519_PUBLIC_SIZE + 1 };

int verify_receipt_write(const char *path, const struct receipt_input *input, struct err *err)
{
    AUTO_OWNER_KEY struct owner_key key = {0};
    AUTO_BUF struct buf receipt = BUF_INIT(RECEIPT_MAX);
    if (owner_key_load(&key, err) < 0 ||
        receipt_make(input, key.public_key, &key.secret, &receipt, err) < 0)
        return -1;
    return file_write_atomic(path, buf_slice(&receipt), 0644, err);
}

/* A file that the caller holds against its digest in the receipt; `path` NULL: not asked. */
static int check_file(const char *path, const char *what, bool there, const uint8_t *digest,
                      struct err *err)
{
    AUTO_BUF struct buf file = BUF_INIT(INPUT_MAX);
    uint8_t found[SHA256_SIZE];
    if (path == NULL)
        return 0;
    if (file_read(path, &file, err) < 0 || sha256(buf_slice(&file), found, err) < 0)
        return -1;
    if (!there || !crypto_equal(found, digest, SHA256_SIZE))
        return FAIL(err, ERR_REJECTED, "the receipt is not of the %s in '%s'", what, path);
    return 0;
}

static int check_verifier(const char *text, const struct receipt *receipt, struct err *err)
{
    uint8_t wanted[ED25519_PUBLIC_SIZE];
    if (text == NULL)
        return 0;
    if (hex_decode(text, "--verifier", wanted, sizeof(wanted), err) < 0) {
        err->kind = ERR_USAGE;
        return -1;
    }
    if (!crypto_equal(wanted, receipt->public_key, sizeof(wanted)))
        return FAIL(err, ERR_REJECTED, "the receipt was signed by another key than --verifier");
    return 0;
}

static int print_receipt(const struct receipt *receipt, struct err *err)
{
    char made_at[RFC3339_SIZE];
    char at[RFC3339_SIZE];
    char key[KEY_TEXT];
    rfc3339_format(receipt->made_at, made_at);
    rfc3339_format(receipt->at, at);
    hex_encode(slice_of(receipt->public_key, sizeof(receipt->public_key)), key);
    const char *verdict = receipt->accepted ? "accepted" : "rejected";
    if (ui_json())
        return ui_print_json(
            JSON_OF(JSON_TEXT("verifier", key), JSON_TEXT("verdict", verdict),
                    JSON_TEXT("tee", receipt->tee), JSON_TEXT("status", receipt->status),
                    JSON_NUMBER("at", receipt->at), JSON_NUMBER("made_at", receipt->made_at)),
            err);
    ui_print(UI_PLAIN, "signed by  %s\nmade at    %s\njudged at  %s\nverdict    %s: %s, %s\n", key,
             made_at, at, verdict, receipt->tee, receipt->status);
    return 0;
}

int verify_receipt_check(const struct options *options, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(RECEIPT_MAX);
    struct receipt receipt;
    const char *path = options_value(options, "check-receipt");
    if (file_read(path, &text, err) < 0)
        return -1;
    if (receipt_check(buf_slice(&text), &receipt, err) < 0)
        return FAIL_CONTEXT(err, "'%s'", path);
    if (check_file(options_value(options, "evidence"), "evidence", true, receipt.evidence, err) <
            0 ||
        check_file(options_value(options, "collateral"), "collateral", receipt.has_collateral,
                   receipt.collateral, err) < 0 ||
        check_file(options_value(options, "policy"), "policy", receipt.has_policy, receipt.policy,
                   err) < 0 ||
        check_verifier(options_value(options, "verifier"), &receipt, err) < 0 ||
        print_receipt(&receipt, err) < 0)
        return -1;
    if (!options_has(options, "verifier"))
        ui_info("the signature is good; whether that key is one you trust, --verifier says");
    return receipt.accepted ? 0 : FAIL(err, ERR_REJECTED, "the receipt records a rejection");
}
