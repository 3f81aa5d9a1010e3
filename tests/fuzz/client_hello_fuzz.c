// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzz target: the ClientHello parser of the gateway. The name it gives must be well-formed.
 */
#include "net/client_hello.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct client_hello hello = {0};
    if (client_hello_parse(slice_of(data, size), &hello, &err) < 0)
        return 0;
    if (strspn(hello.name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != strlen(hello.name))
        abort();
    if ((hello.state == CLIENT_HELLO_NAMED) != (hello.name[0] != '\0'))
        abort();
    return 0;
}
