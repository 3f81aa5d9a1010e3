// SPDX-License-Identifier: Apache-2.0
/*
 * Large bodies leave without a copy: the app's bytes object is lent to the server, which tells us
 * on an I/O thread when it is done with it. I/O threads never take the GIL, so what comes back is
 * put into a list, and the next thread that has the GIL drops the references. Runs in the enclave.
 */
#include "serve/internal.h"

#include <stdlib.h>

struct lent {
    struct http_loan loan;
    struct lent *next; /* in serve->returned */
    struct serve *serve;
    PyObject *bytes;
};

/* [any thread] */
static void come_back(struct http_loan *loan)
{
    struct lent *lent = (struct lent *)loan;
    struct serve *serve = lent->serve;
    lent->next = __atomic_load_n(&serve->returned, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&serve->returned, &lent->next, lent, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    serve->protocol->returned(serve);
}

int lend_body(struct serve *serve, struct http_exchange *exchange, int status,
              const struct fields *fields, PyObject *bytes)
{
    struct lent *lent = mem_alloc(sizeof(*lent), NULL);
    struct slice body = slice_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    if (lent == NULL)
        return http_respond(exchange, status, fields->items, fields->count, body, NULL);
    *lent = (struct lent){
        .loan = {.bytes = body, .end = come_back}, .serve = serve, .bytes = Py_NewRef(bytes)};
    return http_respond_lent(exchange, status, fields->items, fields->count, &lent->loan, NULL);
}

void lend_drop_returned(struct serve *serve)
{
    if (__atomic_load_n(&serve->returned, __ATOMIC_RELAXED) == NULL)
        return;
    struct lent *lent = __atomic_exchange_n(&serve->returned, NULL, __ATOMIC_ACQUIRE);
    while (lent != NULL) {
        struct lent *next = lent->next;
        Py_DECREF(lent->bytes);
        free(lent);
        lent = next;
    }
}
