// SPDX-License-Identifier: Apache-2.0
/*
 * The one reader of https:// addresses. Pure.
 */
#include "base/endpoint.h"

#include "base/text.h"

#include <string.h>

enum { PORT_DIGITS_MAX = 5 };

static const char host_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

static int parse_port(const char *text, size_t len, int *ret)
{
    char digits[PORT_DIGITS_MAX + 1] = "";
    uint64_t port;
    if (len > PORT_DIGITS_MAX)
        return -1;
    memcpy(digits, text, len);
    if (parse_u64(digits, "port", 1, 65535, &port, NULL) < 0)
        return -1;
    *ret = (int)port;
    return 0;
}

int endpoint_parse_url(const char *url, struct endpoint *ret, const char **ret_rest,
                       struct err *err)
{
    static const char scheme[] = "https://";
    if (!str_starts_with(url, scheme))
        return FAIL(err, ERR_USAGE, "'%.256s' is no https:// address", url);
    const char *host = url + strlen(scheme);
    size_t len = strspn(host, host_characters);
    const char *at = host + len;
    struct endpoint found = {.port = ENDPOINT_PORT_HTTPS};
    if (len == 0 || len >= sizeof(found.host) || host[0] == '-')
        return FAIL(err, ERR_USAGE, "'%.256s' names no host: expected https://HOST[:PORT]", url);
    memcpy(found.host, host, len);
    if (*at == ':') {
        size_t digits = strcspn(at + 1, "/?#");
        if (parse_port(at + 1, digits, &found.port) < 0)
            return FAIL(err, ERR_USAGE, "'%.256s' has no port from 1 to 65535", url);
        at += 1 + digits;
    }
    if (*at != '\0' && (ret_rest == NULL || strchr("/?#", *at) == NULL))
        return FAIL(err, ERR_USAGE, "'%.256s' is not https://HOST[:PORT]", url);
    if (ret_rest != NULL)
        *ret_rest = at;
    *ret = found;
    return 0;
}
