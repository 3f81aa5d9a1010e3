// SPDX-License-Identifier: Apache-2.0
/*
 * A program's own functions, with names that functions inside libmse have too. Linked with the
 * static library neither gets the other's.
 */
#include <stdlib.h>

void err_set(void);
void json_parse(void);
void file_read(void);
void mem_alloc(void);
void verifier_run(void);

void err_set(void)
{
    abort();
}

void json_parse(void)
{
    abort();
}

void file_read(void)
{
    abort();
}

void mem_alloc(void)
{
    abort();
}

void verifier_run(void)
{
    abort();
}
