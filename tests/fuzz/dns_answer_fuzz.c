// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the reader of DNS answers. An answer to another question is never one to ours.
 */
#include "net/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "mse-account=token:alice@apps.test";
    struct err err = ERR_INIT;
    bool found = false;
    bool elsewhere = false;
    int result =
        dns_answer_has_txt(slice_of(data, size), "_mse.www.example.com", text, &found, &err);
    if (result < 0 && err.kind == ERR_NONE)
        abort();
    err_clear(&err);
    if (dns_answer_has_txt(slice_of(data, size), "_mse.example.com", text, &elsewhere, &err) == 0 &&
        result == 0)
        abort();
    return 0;
}
