// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses between stapled and kept documents, kind by kind. Runs on the owner's and the user's
 * machine. What is kept lies beside the cache of the services' answers, one bundle a document; it
 * is judged like all collateral, so that nobody has to trust it.
 */
#include "client/collateral_choice.h"

#include "client/collateral_bundle.h"

#include "attest/collateral.h"
#include "attest/crl.h"
#include "attest/intel_documents.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEPT_MAX = 2 * COLLATERAL_DOCUMENT_MAX,
    DAY_S = 86400,
    MEMBERS_MAX = 3,
    SUBJECT_MAX = 64 << 10
};

/* A document that ends, as far as its own words go: nothing here is checked. */
struct dated {
    bool there;
    uint8_t subject[SHA256_SIZE]; /* what it is about: only two of the same can be compared */
    uint64_t number;              /* Intel's evaluation number; counts before the time */
    int64_t issued;
    int64_t until;
};

struct member {
    const char *name;
    size_t offset; /* in struct collateral */
    bool hex;
};

struct kind {
    const char *name;
    struct member members[MEMBERS_MAX]; /* the first is the document */
    int (*date)(struct arena *arena, struct slice document, struct dated *ret, struct err *err);
};

/* --- what the documents say of themselves --- */

static int set_subject(const char *what, struct slice subject, struct dated *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(SUBJECT_MAX);
    if (buf_printf(&text, err, "%s\n", what) < 0 || buf_bytes(&text, subject, err) < 0)
        return -1;
    return sha256(buf_slice(&text), ret->subject, err);
}

static int date_crl(struct arena *arena, struct slice document, struct dated *ret, struct err *err)
{
    struct crl crl;
    (void)arena;
    if (crl_read(document, &crl, err) < 0)
        return -1;
    *ret = (struct dated){.there = true, .issued = crl.from, .until = crl.until};
    return set_subject("crl", crl.issuer, ret, err);
}

static int date_tcb_info(struct arena *arena, struct slice document, struct dated *ret,
                         struct err *err)
{
    struct tcb_info info;
    if (tcb_info_parse(arena, document, &info, err) < 0)
        return -1;
    *ret = (struct dated){
        .there = true,
        .number = info.evaluation_number,
        .issued = info.issued,
        .until = info.next_update,
    };
    return set_subject(info.is_tdx ? "tcb-info tdx" : "tcb-info sgx",
                       slice_of(info.fmspc, sizeof(info.fmspc)), ret, err);
}

static int date_qe_identity(struct arena *arena, struct slice document, struct dated *ret,
                            struct err *err)
{
    struct qe_identity identity;
    if (qe_identity_parse(arena, document, &identity, err) < 0)
        return -1;
    *ret = (struct dated){
        .there = true,
        .number = identity.evaluation_number,
        .issued = identity.issued,
        .until = identity.next_update,
    };
    return set_subject(identity.is_tdx ? "qe-identity tdx" : "qe-identity sgx", slice_of(NULL, 0),
                       ret, err);
}

#define TEXT(member)                                                                               \
    {                                                                                              \
#member, offsetof(struct collateral, member), false                                        \
    }
#define HEX(member)                                                                                \
    {                                                                                              \
#member, offsetof(struct collateral, member), true                                         \
    }

static const struct kind kinds[] = {
    {"AMD's CRL", {HEX(crl)}, date_crl},
    {"Intel's root CRL", {HEX(root_ca_crl)}, date_crl},
    {"Intel's PCK CRL", {HEX(pck_crl), TEXT(pck_crl_issuer_chain)}, date_crl},
    {"Intel's TCB info",
     {TEXT(tcb_info), HEX(tcb_info_signature), TEXT(tcb_info_issuer_chain)},
     date_tcb_info},
    {"Intel's QE identity",
     {TEXT(qe_identity), HEX(qe_identity_signature), TEXT(qe_identity_issuer_chain)},
     date_qe_identity},
};

/* What never ends, or ends with its own certificate. */
static const struct member others[] = {TEXT(vcek), TEXT(vlek), TEXT(ask), TEXT(ark)};

static struct slice *member_of(struct collateral *collateral, const struct member *member)
{
    return (struct slice *)(void *)((char *)collateral + member->offset);
}

/* What cannot be read is not there: the verdict says what is wrong with it. */
static struct dated date_of(const struct kind *kind, struct arena *arena,
                            struct collateral *collateral)
{
    struct dated dated = {0};
    struct slice document = *member_of(collateral, &kind->members[0]);
    struct err ignored = ERR_INIT;
    if (document.len == 0 || kind->date(arena, document, &dated, &ignored) < 0)
        dated.there = false;
    return dated;
}

static bool is_newer(const struct dated *a, const struct dated *b)
{
    return a->number != b->number ? a->number > b->number : a->issued > b->issued;
}

/* --- bundles --- */

static int put_members(struct collateral_bundle *bundle, const struct member *members, size_t count,
                       struct collateral *from, struct err *err)
{
    for (size_t i = 0; i < count && members[i].name != NULL; i++) {
        struct slice value = *member_of(from, &members[i]);
        int rc = value.len == 0   ? 0
                 : members[i].hex ? bundle_hex(bundle, members[i].name, value, err)
                                  : bundle_text(bundle, members[i].name, value, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int write_bundle(struct collateral *from, struct buf *out, struct err *err)
{
    struct collateral_bundle bundle = {.out = out};
    if (buf_str(out, "{", err) < 0 ||
        put_members(&bundle, others, ARRAY_LEN(others), from, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (put_members(&bundle, kinds[i].members, MEMBERS_MAX, from, err) < 0)
            return -1;
    }
    return buf_str(out, "\n}\n", err);
}

/* --- what is kept --- */

/* The caller frees. */
static char *kept_path(const struct dated *dated, bool make_folder, struct err *err)
{
    char name[2 * SHA256_SIZE + 1];
    AUTO_FREE char *folder = collateral_cache_folder("newest", err);
    if (folder == NULL || (make_folder && folder_create_all(folder, 0700, err) < 0))
        return NULL;
    hex_encode(slice_of(dated->subject, sizeof(dated->subject)), name);
    return path_join(folder, name, err);
}

/* The kept document about the same; .there is false without one. Its bytes live in the arena. */
static struct dated read_kept(const struct kind *kind, struct arena *arena,
                              const struct dated *like, struct collateral *ret)
{
    const struct dated none = {0};
    struct err ignored = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(KEPT_MAX);
    AUTO_FREE char *path = kept_path(like, false, &ignored);
    if (path == NULL || file_read(path, &text, &ignored) < 0)
        return none;
    struct slice copy = arena_copy(arena, buf_slice(&text));
    if (copy.data == NULL || collateral_parse(arena, copy, ret, &ignored) < 0)
        return none;
    struct dated kept = date_of(kind, arena, ret);
    return memcmp(kept.subject, like->subject, sizeof(kept.subject)) == 0 ? kept : none;
}

static void keep(const struct kind *kind, const struct dated *dated, struct collateral *from,
                 const struct client_hooks *hooks)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(KEPT_MAX);
    struct collateral_bundle bundle = {.out = &text};
    AUTO_FREE char *path = kept_path(dated, true, &err);
    if (path == NULL || buf_str(&text, "{", &err) < 0 ||
        put_members(&bundle, kind->members, MEMBERS_MAX, from, &err) < 0 ||
        buf_str(&text, "\n}\n", &err) < 0 ||
        file_write_atomic(path, buf_slice(&text), 0600, &err) < 0)
        client_warn(hooks, "%s is not kept, so an older one will not be noticed: %s", kind->name,
                    err.message);
}

void collateral_remember(const struct collateral_choice *choice, const struct client_hooks *hooks)
{
    struct arena arena = {0};
    struct collateral used;
    struct err ignored = ERR_INIT;
    if (choice->bundle.len > 0 &&
        collateral_parse(&arena, buf_slice(&choice->bundle), &used, &ignored) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            struct collateral before = {0};
            struct dated dated = date_of(&kinds[i], &arena, &used);
            if (!dated.there)
                continue;
            struct dated kept = read_kept(&kinds[i], &arena, &dated, &before);
            /* The vendor's own word, just now, is the newest whatever it says. */
            if (choice->asked || !kept.there || is_newer(&dated, &kept))
                keep(&kinds[i], &dated, &used, hooks);
        }
    }
    arena_done(&arena);
}

/* --- the choice --- */

static void format_day(int64_t at, char ret[static RFC3339_SIZE])
{
    rfc3339_format(at, ret);
    ret[10] = '\0'; /* the day is enough */
}

static void take_members(const struct kind *kind, struct collateral *from, struct collateral *to)
{
    for (size_t i = 0; i < MEMBERS_MAX && kind->members[i].name != NULL; i++)
        *member_of(to, &kind->members[i]) = *member_of(from, &kind->members[i]);
}

/* One kind of document: the stapled one, or the kept one where that is newer. */
static int choose_document(const struct kind *kind, struct arena *arena,
                           struct collateral *collateral, int64_t at,
                           const struct client_hooks *hooks, struct err *err)
{
    struct collateral before = {0};
    char stapled_day[RFC3339_SIZE];
    char kept_day[RFC3339_SIZE];
    struct dated stapled = date_of(kind, arena, collateral);
    if (!stapled.there)
        return 0;
    struct dated kept = read_kept(kind, arena, &stapled, &before);
    if (!kept.there || !is_newer(&kept, &stapled))
        return 0;
    format_day(stapled.issued, stapled_day);
    format_day(kept.issued, kept_day);
    if (at > kept.until) {
        (void)FAIL(err, ERR_REJECTED,
                   "%s is of %s, and this machine has judged by a newer one of %s, which has "
                   "ended: the node may hide what the newer one says",
                   kind->name, stapled_day, kept_day);
        err_hint(err, "ask the vendor: --fetch");
        return -1;
    }
    client_warn(hooks,
                "%s that the enclave gave is of %s; the one of %s that this machine knows is used. "
                "The node may hide what the newer one says",
                kind->name, stapled_day, kept_day);
    take_members(kind, &before, collateral);
    return 0;
}

static void note_age(struct collateral *collateral, struct arena *arena,
                     struct collateral_choice *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct dated dated = date_of(&kinds[i], arena, collateral);
        if (!dated.there)
            continue;
        bool first = ret->oldest[0] == '\0';
        if (first || dated.until < ret->until)
            ret->until = dated.until;
        if (!first && dated.issued >= ret->issued)
            continue;
        ret->issued = dated.issued;
        (void)snprintf(ret->oldest, sizeof(ret->oldest), "%s", kinds[i].name);
    }
}

static int check_age(const struct collateral_wish *wish, const struct collateral_choice *choice,
                     int64_t at, struct err *err)
{
    if (wish->max_age_s == 0 || choice->oldest[0] == '\0' || at - choice->issued <= wish->max_age_s)
        return 0;
    (void)FAIL(err, ERR_REJECTED, "%s is %lld days old, and %lld were allowed", choice->oldest,
               (long long)((at - choice->issued) / DAY_S), (long long)(wish->max_age_s / DAY_S));
    err_hint(err, choice->asked ? "the vendor has nothing newer: allow more days"
                                : "ask the vendor: --fetch");
    return -1;
}

static int choose(struct slice stapled, int64_t at, const struct client_hooks *hooks,
                  struct arena *arena, struct collateral_choice *ret, struct err *err)
{
    struct collateral collateral;
    if (collateral_parse(arena, stapled, &collateral, err) < 0) {
        err->kind = ERR_REJECTED;
        return -1;
    }
    for (size_t i = 0; !ret->asked && i < ARRAY_LEN(kinds); i++) {
        if (choose_document(&kinds[i], arena, &collateral, at, hooks, err) < 0)
            return -1;
    }
    note_age(&collateral, arena, ret);
    buf_clear(&ret->bundle);
    return write_bundle(&collateral, &ret->bundle, err);
}

int collateral_choose(const struct collateral_wish *wish, struct slice evidence,
                      struct slice stapled, int64_t at, const struct client_hooks *hooks,
                      struct collateral_choice *ret, struct err *err)
{
    AUTO_BUF struct buf fetched = BUF_INIT(KEPT_MAX);
    struct arena arena = {0};
    ret->asked = wish->services != NULL;
    if (ret->asked && collateral_fetch(wish->services, evidence, &fetched, err) < 0) {
        err_hint(err, "without --fetch the collateral that the enclave gives is used");
        return -1;
    }
    struct slice from = ret->asked ? buf_slice(&fetched) : stapled;
    int status = from.len == 0 ? 0 : choose(from, at, hooks, &arena, ret, err);
    arena_done(&arena);
    return status < 0 ? -1 : check_age(wish, ret, at, err);
}

void collateral_choice_done(struct collateral_choice *choice)
{
    buf_done(&choice->bundle);
}

void collateral_describe(const struct collateral_choice *choice, int64_t at, char *text,
                         size_t size)
{
    char issued[RFC3339_SIZE];
    char until[RFC3339_SIZE];
    const char *from = choice->asked ? "from the vendor, just now" : "stapled by the enclave";
    if (choice->bundle.len == 0) {
        (void)snprintf(text, size, "none: the enclave has none to give; --fetch asks the vendor");
        return;
    }
    if (choice->oldest[0] == '\0') {
        (void)snprintf(text, size, "%s; no document with a date is in it", from);
        return;
    }
    format_day(choice->issued, issued);
    format_day(choice->until, until);
    (void)snprintf(text, size, "%s; the oldest of it: %s of %s, %lld days old; good until %s", from,
                   choice->oldest, issued, (long long)((at - choice->issued) / DAY_S), until);
}
