// SPDX-License-Identifier: Apache-2.0
/*
 * What a verifier accepts. A policy of which only the size is set (MSE_POLICY_INIT) is the strict
 * one: hardware only, status UpToDate, SNP platforms at the level of AMD's bulletins, no debug,
 * CRLs required, nothing else asked. Every field that makes it less strict is named in the verdict.
 */
#pragma once

#include "mse/verdict.h"

MSE_BEGIN

enum mse_crl {
    MSE_CRL_DEFAULT,    /* required */
    MSE_CRL_REQUIRED,   /* the same, said */
    MSE_CRL_IF_PRESENT, /* judged when given */
};

/* One bit a TEE, for mse_policy.tees. */
#define MSE_TEE_BIT(tee) (1u << (tee))

/* Fields of one TEE's evidence that a policy can name, with the size of each. */
enum mse_field {
    MSE_FIELD_SNP_FAMILY_ID,     /* 16 bytes */
    MSE_FIELD_SNP_IMAGE_ID,      /* 16 */
    MSE_FIELD_SNP_ID_KEY_DIGEST, /* 48, like those below */
    MSE_FIELD_SNP_AUTHOR_KEY_DIGEST,
    MSE_FIELD_TDX_MRTD, /* what `measurements` means for TDX; the firmware alone */
    MSE_FIELD_TDX_RTMR0,
    MSE_FIELD_TDX_RTMR1,
    MSE_FIELD_TDX_RTMR2,
    MSE_FIELD_TDX_RTMR3,
    MSE_FIELD_COUNT,
    MSE_FIELD_MAX = 32, /* room for those of later versions */
};

struct mse_accepted {
    const struct mse_bytes *values; /* one of these; none: any */
    size_t count;
};

/* Least security version of each part of an SNP platform; 0 asks nothing. */
struct mse_snp_tcb {
    uint8_t fmc; /* Turin and later */
    uint8_t bootloader;
    uint8_t tee;
    uint8_t snp;
    uint8_t microcode;
    uint8_t reserved[3]; /* 0 */
};

struct mse_policy {
    /* sizeof(struct mse_policy): tells the library which version of this header the caller has. New
     * members come at the end. Members that the library does not know must be 0, or every evidence
     * is rejected. */
    size_t size;
    /* Accepted TEEs as MSE_TEE_BITs. 0: those of which `fields` or `snp_products` name something;
     * where they name nothing, sgx, tdx, snp; never the simulation. */
    unsigned tees;
    const struct mse_bytes *measurements; /* one of these; none: any */
    size_t measurement_count;
    const struct mse_bytes *signers; /* one of these; none: any */
    size_t signer_count;
    struct mse_accepted fields[MSE_FIELD_MAX]; /* by enum mse_field */
    const uint8_t *fingerprint;                /* 32 bytes, NULL: not asked */
    bool allow_debug;
    enum mse_crl crl;
    const char *const *tcb_accept; /* accepted status words; none: "UpToDate" alone */
    size_t tcb_accept_count;
    bool tcb_advisories_listed; /* an advisory that is not in the list is then refused */
    const char *const *tcb_advisories;
    size_t tcb_advisory_count;
    int64_t tcb_grace; /* seconds after a TCB recovery in which OutOfDate is still accepted */
    const char *const *fmspcs; /* hexadecimal, any case; none: any */
    size_t fmspc_count;
    bool has_isv_prod_id; /* SGX: ISVPRODID must be isv_prod_id */
    uint16_t isv_prod_id;
    uint16_t min_isv_svn; /* SGX: least ISVSVN */
    /* In place of the built-in least TCB of each family (docs/attestation.md): where the flag is
     * set, or any part is not 0. */
    bool has_snp_min_tcb;
    struct mse_snp_tcb snp_min_tcb;
    unsigned snp_vmpls;          /* bit n allows VMPL n; 0: VMPL 0 alone */
    const char *const *chip_ids; /* hexadecimal, any case; none: any */
    size_t chip_id_count;
    const char *const
        *snp_products; /* generations of chips: "Milan", "Genoa", "Turin"; none: any */
    size_t snp_product_count;
    /* The simulation's root (Ed25519 public key, 32 bytes); NULL: any root, which the verdict says.
     * Either way the simulation protects nothing from the operator. */
    const uint8_t *simulation_root;
};

#define MSE_POLICY_INIT                                                                            \
    {                                                                                              \
        .size = sizeof(struct mse_policy)                                                          \
    }

enum { MSE_ERROR_SIZE = 1152 };

/* Reads a policy from TOML text (docs/attestation.md has every key). Returns 0 and *ret, which the
 * caller frees with mse_policy_free, or -1 and a message that names line and key. */
MSE_API int mse_policy_parse(const char *text, size_t size, struct mse_policy **ret,
                             char error[MSE_ERROR_SIZE]);
/* Frees a policy made by mse_policy_parse; NULL is allowed. */
MSE_API void mse_policy_free(struct mse_policy *policy);

MSE_END
