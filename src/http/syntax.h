// SPDX-License-Identifier: Apache-2.0
/*
 * The small text functions of HTTP: what the grammar of RFC 9110 and RFC 9112 calls token,
 * field-value, uri-host, request-target and 1*DIGIT.
 */
#pragma once

#include "http/http.h"

/* Is one of the comma-separated tokens of `value` this one (case-insensitive)? */
bool http_has_token(struct slice value, const char *token);
bool slice_is_nocase(struct slice a, const char *text);
/* RFC 9110 section 5.6.2 */
bool http_is_token(struct slice text);
/* RFC 9110 section 5.5, without leading and trailing white space */
bool http_is_field_value(struct slice text);
/* Host, or :authority: uri-host and port (RFC 9112 section 3.2). Lists and userinfo are none. */
bool http_host_is_valid(struct slice host);
/* Path and query of a target from its path on. */
void http_split_target(struct http_request *request, struct slice rest);
/* Decimal digits of value; returns how many (at most 20). */
size_t decimal_format(uint64_t value, char *to);
/* 1*DIGIT up to INT64_MAX. */
bool decimal_parse(struct slice text, int64_t *ret);
