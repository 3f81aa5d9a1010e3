// SPDX-License-Identifier: Apache-2.0
/*
 * Questions to the domain name system: does a name have this text? The system's stub resolver asks
 * (libc: random ids and ports, /etc/resolv.conf, TCP where UDP is too small); what it hands back is
 * a message of somebody else, and read here. RFC 1035 section 4, RFC 1034 section 3.6.2.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

enum { DNS_NAME_MAX = 253 /* characters, without a dot at the end */ };

/* Is there a TXT record of `name` that says exactly `text`? Blocks for some ten seconds at most.
 * `resolver`: "ADDRESS:PORT" (IPv4) of the one to ask; NULL: the system's. *ret_found is false also
 * where the name does not exist. Errors: UNREACHABLE (no answer, or the servers fail), INVALID. */
int dns_has_txt(const char *name, const char *text, const char *resolver, bool *ret_found,
                struct err *err) MUST_USE;

/* The same out of an answer to that question. Aliases (CNAME) are followed. INVALID: not such an
 * answer; UNSUPPORTED: cut short. */
int dns_answer_has_txt(struct slice answer, const char *name, const char *text, bool *ret_found,
                       struct err *err) MUST_USE;

/* "192.0.2.1:53". */
int dns_check_resolver(const char *text, struct err *err) MUST_USE;
