// SPDX-License-Identifier: Apache-2.0
/*
 * What a hostile node can do by the collateral that it staples, with real documents: an older one,
 * one that is too old, none, nonsense. None of it makes a verdict out of less than what this
 * machine has seen.
 */
#include "client/collateral_choice.h"

#include "client/collateral_bundle.h"
#include "attest/collateral.h"
#include "mse/mse.h"
#include "testing.h"

#include "../attest/samples.h"

#include <string.h>

enum {
    OLD_AT = 1752919234,  /* July 2025: tdx4's documents hold */
    AT = 1772500000,      /* March 2026: tdx5's do, tdx4's have ended */
    LATE_AT = 1790000000, /* September 2026: all have ended, but for the certificates */
    SAMPLE_MAX = 1 << 20,
};

static unsigned warned;
static char warning[2048];

static void warn(const char *text)
{
    warned++;
    (void)snprintf(warning, sizeof(warning), "%s", text);
}

static const struct client_hooks hooks = {.warn = warn};

struct fixture {
    struct temp_folder folder;
    struct buf evidence; /* tdx5-up-to-date */
    struct buf newer;    /* its bundle */
    struct buf older;    /* tdx4-up-to-date's: the same PCK CRL and QE identity, of before */
};

static void leave(struct fixture *fixture)
{
    buf_done(&fixture->evidence);
    buf_done(&fixture->newer);
    buf_done(&fixture->older);
    temp_folder_remove(&fixture->folder);
}

#define AUTO_FIXTURE __attribute__((cleanup(leave)))

static struct fixture enter(void)
{
    const char *samples = samples_or_skip();
    struct fixture fixture = {.folder = temp_folder_new(),
                              .evidence = BUF_INIT(SAMPLE_MAX),
                              .newer = BUF_INIT(SAMPLE_MAX),
                              .older = BUF_INIT(SAMPLE_MAX)};
    assert_int_equal(setenv("MSE_CACHE_HOME", fixture.folder.path, 1), 0);
    sample_read(samples, "tdx5-up-to-date.evidence", &fixture.evidence);
    sample_read(samples, "tdx5-up-to-date.collateral.json", &fixture.newer);
    sample_read(samples, "tdx4-up-to-date.collateral.json", &fixture.older);
    warned = 0;
    warning[0] = '\0';
    return fixture;
}

static int choose_by(const struct fixture *fixture, const struct collateral_wish *wish,
                     struct slice stapled, int64_t at, struct collateral_choice *ret)
{
    return collateral_choose(wish, buf_slice(&fixture->evidence), stapled, at, &hooks, ret, &err);
}

static int choose(const struct fixture *fixture, struct slice stapled, int64_t at,
                  struct collateral_choice *ret)
{
    const struct collateral_wish wish = {0};
    return choose_by(fixture, &wish, stapled, at, ret);
}

static void remember(const struct fixture *fixture, const struct buf *bundle, int64_t at)
{
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    OK(choose(fixture, buf_slice(bundle), at, &choice));
    collateral_remember(&choice, &hooks);
}

static bool accepted(const struct fixture *fixture, struct slice bundle)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {fixture->evidence.data, fixture->evidence.len},
        .collateral = {bundle.data, bundle.len},
        .at = AT,
    };
    struct mse_verdict *verdict = mse_verify(&input);
    assert_non_null(verdict);
    bool good = verdict->accepted;
    mse_verdict_free(verdict);
    return good;
}

enum member { PCK_CRL, QE_IDENTITY };

/* The newer bundle with this of the older one. */
static void roll_back(const struct fixture *fixture, enum member member, struct buf *out)
{
    struct arena arena = {0};
    struct collateral newer;
    struct collateral older;
    struct collateral_bundle bundle = {.out = out};
    OK(collateral_parse(&arena, buf_slice(&fixture->newer), &newer, &err));
    OK(collateral_parse(&arena, buf_slice(&fixture->older), &older, &err));
    const struct collateral *identity = member == QE_IDENTITY ? &older : &newer;
    OK(buf_str(out, "{", &err));
    OK(bundle_text(&bundle, "qe_identity", identity->qe_identity, &err));
    OK(bundle_hex(&bundle, "qe_identity_signature", identity->qe_identity_signature, &err));
    OK(bundle_text(&bundle, "qe_identity_issuer_chain", identity->qe_identity_issuer_chain, &err));
    OK(bundle_text(&bundle, "tcb_info", newer.tcb_info, &err));
    OK(bundle_hex(&bundle, "tcb_info_signature", newer.tcb_info_signature, &err));
    OK(bundle_text(&bundle, "tcb_info_issuer_chain", newer.tcb_info_issuer_chain, &err));
    OK(bundle_hex(&bundle, "pck_crl", member == PCK_CRL ? older.pck_crl : newer.pck_crl, &err));
    OK(bundle_hex(&bundle, "root_ca_crl", newer.root_ca_crl, &err));
    OK(buf_str(out, "}", &err));
    arena_done(&arena);
}

static void a_stapled_bundle_is_used_and_its_age_said(void **state)
{
    (void)state;
    char text[256];
    AUTO_FIXTURE struct fixture fixture = enter();
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    OK(choose(&fixture, buf_slice(&fixture.newer), AT, &choice));
    assert_true(accepted(&fixture, buf_slice(&choice.bundle)));
    collateral_describe(&choice, AT, text, sizeof(text));
    assert_non_null(strstr(text, "stapled by the enclave; the oldest of it: Intel's "));
    assert_non_null(strstr(text, " days old; good until 2026-03-"));
    assert_int_equal(warned, 0);
}

/* As if the newer bundle had been stapled. */
static bool same_dates(const struct fixture *fixture, const struct collateral_choice *choice)
{
    AUTO_COLLATERAL_CHOICE struct collateral_choice wanted = COLLATERAL_CHOICE_INIT;
    OK(choose(fixture, buf_slice(&fixture->newer), AT, &wanted));
    return wanted.issued == choice->issued && wanted.until == choice->until;
}

static void an_older_document_is_replaced_by_what_is_known(void **state)
{
    static const struct {
        enum member member;
        const char *name;
    } attacks[] = {{PCK_CRL, "PCK CRL"}, {QE_IDENTITY, "QE identity"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        AUTO_FIXTURE struct fixture fixture = enter();
        AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
        remember(&fixture, &fixture.newer, AT);
        AUTO_BUF struct buf hostile = BUF_INIT(SAMPLE_MAX);
        roll_back(&fixture, attacks[i].member, &hostile);
        assert_false(accepted(&fixture, buf_slice(&hostile)));
        OK(choose(&fixture, buf_slice(&hostile), AT, &choice));
        assert_true(accepted(&fixture, buf_slice(&choice.bundle)));
        assert_true(same_dates(&fixture, &choice));
        assert_int_equal(warned, 1);
        assert_non_null(strstr(warning, attacks[i].name));
        assert_non_null(strstr(warning, "The node may hide"));
    }
}

static void what_is_known_but_has_ended_refuses_an_older_one(void **state)
{
    AUTO_FIXTURE struct fixture fixture = enter();
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    (void)state;
    remember(&fixture, &fixture.newer, AT);
    FAILS(ERR_REJECTED, "has judged by a newer one",
          choose(&fixture, buf_slice(&fixture.older), LATE_AT, &choice));
    assert_non_null(strstr(err.hint, "--fetch"));
}

static void what_is_kept_never_goes_back(void **state)
{
    AUTO_FIXTURE struct fixture fixture = enter();
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    (void)state;
    remember(&fixture, &fixture.older, OLD_AT);
    remember(&fixture, &fixture.newer, AT);
    assert_int_equal(warned, 0); /* newer ones come, as they should */
    /* An accepted verdict by an older one, at whatever time, takes nothing away. */
    struct collateral_choice before = COLLATERAL_CHOICE_INIT;
    OK(buf_bytes(&before.bundle, buf_slice(&fixture.older), &err));
    collateral_remember(&before, &hooks);
    collateral_choice_done(&before);
    OK(choose(&fixture, buf_slice(&fixture.older), AT, &choice));
    assert_int_equal(warned, 2);
    assert_null(strstr(warning, "not kept"));
}

static void the_age_can_be_bounded(void **state)
{
    const struct collateral_wish day = {.max_age_s = 86400};
    const struct collateral_wish year = {.max_age_s = INT64_C(366) * 86400};
    AUTO_FIXTURE struct fixture fixture = enter();
    AUTO_COLLATERAL_CHOICE struct collateral_choice first = COLLATERAL_CHOICE_INIT;
    AUTO_COLLATERAL_CHOICE struct collateral_choice second = COLLATERAL_CHOICE_INIT;
    (void)state;
    FAILS(ERR_REJECTED, "days old, and 1 were allowed",
          choose_by(&fixture, &day, buf_slice(&fixture.newer), AT, &first));
    OK(choose_by(&fixture, &year, buf_slice(&fixture.newer), AT, &second));
}

static void nothing_and_nonsense(void **state)
{
    char text[256];
    AUTO_FIXTURE struct fixture fixture = enter();
    AUTO_COLLATERAL_CHOICE struct collateral_choice choice = COLLATERAL_CHOICE_INIT;
    (void)state;
    OK(choose(&fixture, slice_of(NULL, 0), AT, &choice));
    assert_int_equal(choice.bundle.len, 0);
    collateral_describe(&choice, AT, text, sizeof(text));
    assert_non_null(strstr(text, "--fetch asks the vendor"));
    FAILS(ERR_REJECTED, "collateral", choose(&fixture, slice_str("[]"), AT, &choice));
    FAILS(ERR_REJECTED, "collateral", choose(&fixture, slice_str("{\"crl\":\"zz\"}"), AT, &choice));
    /* Documents that cannot be read are the verdict's to refuse. */
    OK(choose(&fixture, slice_str("{\"tcb_info\":\"{}\",\"crl\":\"00\"}"), AT, &choice));
    assert_false(accepted(&fixture, buf_slice(&choice.bundle)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stapled_bundle_is_used_and_its_age_said),
        cmocka_unit_test(an_older_document_is_replaced_by_what_is_known),
        cmocka_unit_test(what_is_known_but_has_ended_refuses_an_older_one),
        cmocka_unit_test(what_is_kept_never_goes_back),
        cmocka_unit_test(the_age_can_be_bounded),
        cmocka_unit_test(nothing_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
