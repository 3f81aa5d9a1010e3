// SPDX-License-Identifier: Apache-2.0
/*
 * Names that people choose and machines route by: apps, projects, accounts, hosts. ASCII only: two
 * texts that look alike must not be two names, and no name may drive a terminal or end a header
 * line. Pure functions.
 */
#pragma once

#include <stdbool.h>

enum {
    NAME_SIZE = 65,       /* with the NUL */
    HOST_NAME_SIZE = 254, /* RFC 1035 2.3.4, with the NUL */
};

/* 1 to 64 of A-Z a-z 0-9 . _ -, the first one a letter or a digit. */
bool name_valid(const char *text);

/* Labels as in RFC 1123 2.1, in lower case. */
bool host_name_valid(const char *text);
