// SPDX-License-Identifier: Apache-2.0
/*
 * Rules about host names. Owns nothing; runs in msed on names and certificates from owners, who may
 * want the names of others.
 */
#include "node/names.h"

#include <strings.h>

static bool is_local(const char *domain)
{
    return strcmp(domain, "localhost") == 0;
}

/* `name` without the dots at its end. */
static size_t bare_length(const char *name)
{
    size_t len = strlen(name);
    while (len > 0 && name[len - 1] == '.')
        len--;
    return len;
}

static bool is_at_or_below(const char *name, size_t len, const char *domain)
{
    size_t domain_len = bare_length(domain);
    if (len < domain_len || strncasecmp(name + len - domain_len, domain, domain_len) != 0)
        return false;
    return len == domain_len || name[len - domain_len - 1] == '.';
}

bool name_is_of_node(const char *name, const char *domain)
{
    size_t len = bare_length(name);
    if (is_local(domain))
        return false;
    if (is_at_or_below(name, len, domain))
        return true;
    const char *parent = strchr(domain, '.'); /* "*.test" covers "apps.test" itself */
    return len > 1 && name[0] == '*' && name[1] == '.' && parent != NULL &&
           len - 1 == bare_length(parent) && strncasecmp(name + 1, parent, len - 1) == 0;
}

static int check_one(void *context, const char *name, struct err *err)
{
    const char *domain = *(const char *const *)context;
    if (!name_is_of_node(name, domain))
        return 0;
    err_set(
        err, ERR_FORBIDDEN, 0,
        "the owner's certificate holds the name '%.200s': names at or below '%s' are the node's",
        name, domain);
    err_hint(err, "use a certificate without it; an app without [ssl] gets a name from the node");
    return -1;
}

int names_check_certificate(X509 *certificate, const char *name, const char *domain,
                            struct err *err)
{
    if (name_is_of_node(name, domain)) {
        err_set(err, ERR_FORBIDDEN, 0,
                "tls.host_name '%s' cannot be claimed: names at or below '%s' are the node's", name,
                domain);
        err_hint(err, "leave [ssl] out to get a name from the node, or use a name of your own");
        return -1;
    }
    if (!certificate_covers(certificate, name))
        return FAIL(err, ERR_INVALID, "the owner's certificate does not cover tls.host_name '%s'",
                    name);
    return is_local(domain) ? 0 : certificate_names(certificate, check_one, &domain, err);
}
