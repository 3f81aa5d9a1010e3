// SPDX-License-Identifier: Apache-2.0
/*
 * What verifying a piece of evidence costs beside the OpenSSL signature checks that it contains:
 * the same signatures, with keys that are loaded already, in turn with whole verifications by
 * mse_verify; best and median of ROUNDS.
 *
 *     attest-bench SAMPLES-FOLDER      prints a table; exit status 1 where a whole verification
 *                                      takes more than 1.5 times its signature checks
 */
#include "attest/chain.h"
#include "attest/collateral.h"
#include "attest/intel_quote.h"
#include "attest/snp_report.h"
#include "base/clock.h"
#include "base/file.h"

#include "mse/mse.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 15, REPEATS = 40, SAMPLE_MAX = 1 << 20, SIGNATURES_MAX = 16 };

/* One signature check, ready to be made. */
struct bare {
    EVP_PKEY *key;
    struct slice message;
    const uint8_t *r_and_s; /* NULL: a certificate or CRL, checked by OpenSSL's own function */
    size_t size;
    X509 *certificate;
    X509_CRL *crl;
};

struct bench {
    const char *name;
    int64_t at;
    bool is_snp;
    uint8_t r_and_s[96]; /* of an SNP report, big-endian */
    struct buf evidence, collateral;
    struct arena arena;
    struct certificate_store store;
    struct collateral bundle;
    struct bare bare[SIGNATURES_MAX];
    size_t count;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "attest-bench: %s\n", what);
    exit(1);
}

static void add_signature(struct bench *bench, EVP_PKEY *key, struct slice message,
                          struct slice signature)
{
    must(bench->count < SIGNATURES_MAX && key != NULL, "a signature");
    bench->bare[bench->count++] = (struct bare){
        .key = key, .message = message, .r_and_s = signature.data, .size = signature.len / 2};
}

static void add_certificate(struct bench *bench, struct certificate *certificate,
                            struct certificate *issuer)
{
    must(bench->count < SIGNATURES_MAX, "too many signatures");
    bench->bare[bench->count++] =
        (struct bare){.key = certificate_key(issuer), .certificate = certificate_x509(certificate)};
}

static void add_crl(struct bench *bench, struct slice der, struct certificate *issuer)
{
    const uint8_t *at = der.data;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    must(crl != NULL && bench->count < SIGNATURES_MAX, "a CRL");
    bench->bare[bench->count++] = (struct bare){.key = certificate_key(issuer), .crl = crl};
}

static struct chain read_chain(struct bench *bench, struct slice pem)
{
    struct chain chain;
    must(chain_parse(&bench->store, &bench->arena, pem, &chain, NULL) == 0, "a chain");
    return chain;
}

/* PCK certificate, PCK CA, QE report, quote, TCB signer, TCB info, QE identity, two CRLs. */
static void collect_intel(struct bench *bench)
{
    struct intel_quote quote;
    struct collateral *bundle = &bench->bundle;
    must(intel_quote_parse(buf_slice(&bench->evidence), &quote, NULL) == 0, "the quote");
    struct chain pck = read_chain(bench, quote.certification_data);
    struct chain tcb = read_chain(bench, bundle->tcb_info_issuer_chain);
    add_certificate(bench, pck.certificates[0], pck.certificates[1]);
    add_certificate(bench, pck.certificates[1], pck.certificates[2]);
    add_certificate(bench, tcb.certificates[0], tcb.certificates[1]);
    add_signature(bench, certificate_key(pck.certificates[0]), quote.qe_report_bytes,
                  quote.qe_report_signature);
    add_signature(bench, p256_public_key(quote.attestation_key.data), quote.signed_data,
                  quote.signature);
    add_signature(bench, certificate_key(tcb.certificates[0]), bundle->tcb_info,
                  bundle->tcb_info_signature);
    add_signature(bench, certificate_key(tcb.certificates[0]), bundle->qe_identity,
                  bundle->qe_identity_signature);
    add_crl(bench, bundle->root_ca_crl, pck.certificates[2]);
    add_crl(bench, bundle->pck_crl, pck.certificates[1]);
}

static struct certificate *read_one(struct bench *bench, struct slice pem)
{
    struct certificate *certificate;
    must(certificate_parse(&bench->store, &bench->arena, pem, &certificate, NULL) == 0,
         "a certificate");
    return certificate;
}

/* VCEK, ASK, report. */
static void collect_snp(struct bench *bench)
{
    const uint8_t *report = bench->evidence.data;
    must(bench->evidence.len == SNP_REPORT_SIZE, "the report");
    for (size_t i = 0; i < 48; i++) {
        bench->r_and_s[47 - i] = report[SNP_SIGNED_SIZE + i];
        bench->r_and_s[95 - i] = report[SNP_SIGNED_SIZE + SNP_SCALAR_SIZE + i];
    }
    struct certificate *vcek = read_one(bench, bench->bundle.vcek);
    struct certificate *ask = read_one(bench, bench->bundle.ask);
    add_certificate(bench, vcek, ask);
    add_certificate(bench, ask, read_one(bench, bench->bundle.ark));
    add_signature(bench, certificate_key(vcek), slice_of(report, SNP_SIGNED_SIZE),
                  slice_of(bench->r_and_s, sizeof(bench->r_and_s)));
}

static void read_sample(const char *folder, const char *name, const char *ending, struct buf *out)
{
    char path[4096];
    struct err err = ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
    *out = BUF_INIT(SAMPLE_MAX);
    must(file_read(path, out, &err) == 0, err.message);
}

static void bench_open(struct bench *bench, const char *folder)
{
    read_sample(folder, bench->name, ".evidence", &bench->evidence);
    read_sample(folder, bench->name, ".collateral.json", &bench->collateral);
    must(collateral_parse(&bench->arena, buf_slice(&bench->collateral), &bench->bundle, NULL) == 0,
         "the collateral");
    if (bench->is_snp)
        collect_snp(bench);
    else
        collect_intel(bench);
}

static void bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++)
        X509_CRL_free(bench->bare[i].crl);
    certificate_store_done(&bench->store);
    arena_done(&bench->arena);
    buf_done(&bench->evidence);
    buf_done(&bench->collateral);
}

static bool check_one(const struct bare *bare)
{
    if (bare->certificate != NULL)
        return X509_verify(bare->certificate, bare->key) == 1;
    if (bare->crl != NULL)
        return X509_CRL_verify(bare->crl, bare->key) == 1;
    return ecdsa_verify(bare->key, bare->message, bare->r_and_s, bare->size);
}

static int64_t time_bare(const struct bench *bench)
{
    int64_t start = clock_monotonic_us();
    for (size_t repeat = 0; repeat < REPEATS; repeat++) {
        for (size_t i = 0; i < bench->count; i++)
            must(check_one(&bench->bare[i]), "a signature is wrong");
    }
    return clock_monotonic_us() - start;
}

static int64_t time_whole(const struct bench *bench)
{
    const struct mse_input input = {
        .size = sizeof(input),
        .evidence = {bench->evidence.data, bench->evidence.len},
        .collateral = {bench->collateral.data, bench->collateral.len},
        .at = bench->at,
    };
    int64_t start = clock_monotonic_us();
    for (size_t repeat = 0; repeat < REPEATS; repeat++) {
        struct mse_verdict *verdict = mse_verify(&input);
        must(verdict != NULL, "out of memory");
        mse_verdict_free(verdict);
    }
    return clock_monotonic_us() - start;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

/* Prints a row; returns the ratio of the best times. */
static double run(struct bench *bench, const char *folder)
{
    int64_t bare[ROUNDS];
    int64_t whole[ROUNDS];
    bench_open(bench, folder);
    for (size_t round = 0; round < ROUNDS; round++) {
        bare[round] = time_bare(bench);
        whole[round] = time_whole(bench);
    }
    qsort(bare, ROUNDS, sizeof(bare[0]), compare);
    qsort(whole, ROUNDS, sizeof(whole[0]), compare);
    double ratio = (double)whole[0] / (double)bare[0];
    (void)printf("%-26s %10zu %12lld %12lld %12lld %12lld %8.2f\n", bench->name, bench->count,
                 (long long)(bare[0] / REPEATS), (long long)(bare[ROUNDS / 2] / REPEATS),
                 (long long)(whole[0] / REPEATS), (long long)(whole[ROUNDS / 2] / REPEATS), ratio);
    bench_close(bench);
    return ratio;
}

int main(int argc, char **argv)
{
    struct bench benches[] = {
        {.name = "sgx-config-and-hardening", .at = 1752919277},
        {.name = "tdx4-up-to-date", .at = 1752919234},
        {.name = "tdx5-up-to-date", .at = 1772500000},
        {.name = "snp-milan-v2", .at = 1700000000, .is_snp = true},
        {.name = "snp-genoa-v5", .at = 1757000000, .is_snp = true},
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: attest-bench SAMPLES-FOLDER\n");
        return 2;
    }
    bool slow = false;
    (void)printf("%-26s %10s %12s %12s %12s %12s %8s\n", "evidence", "signatures", "bare best us",
                 "median us", "whole best us", "median us", "ratio");
    for (size_t i = 0; i < ARRAY_LEN(benches); i++)
        slow = run(&benches[i], argv[1]) > 1.5 || slow;
    return slow ? 1 : 0;
}
