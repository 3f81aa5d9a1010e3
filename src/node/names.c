// SPDX-License-Identifier: Apache-2.0
/*
 * Rules about host names. Owns nothing; runs in msed on names and certificates from owners, who may
 * want the names of others.
 */
#include "node/names.h"

#include "base/text.h"
#include "net/dns.h"

#include <stdio.h>
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

/* --- proofs --- */

enum { ACCOUNT_TEXT_SIZE = 512, REASONS_MAX = 600 };

/* An account means something on one node only, so the node is named too. */
static void account_text(const struct node_config *config, const struct name_claim *claim,
                         char ret[static ACCOUNT_TEXT_SIZE])
{
    (void)snprintf(ret, ACCOUNT_TEXT_SIZE, "mse-account=%s@%s", claim->account, config->domain);
}

/* Who can write msed.toml need not. */
static int by_operator(const struct node_config *config, const struct name_claim *claim,
                       struct err *err)
{
    if (claim->by_operator)
        return 0;
    for (size_t i = 0; i < config->names.allow.count; i++) {
        const char *item = config->names.allow.items[i];
        size_t len = strcspn(item, "=");
        if (strlen(claim->name) == len && strncmp(item, claim->name, len) == 0 &&
            strcmp(item + len + 1, claim->account) == 0)
            return 0;
    }
    return FAIL(err, ERR_REJECTED, "the node's operator has not given it to '%s' (names.allow)",
                claim->account);
}

static int by_certificate(const struct node_config *config, const struct name_claim *claim,
                          struct err *err)
{
    if (name_proof_chain(claim->chain, claim->name, config->names.authorities, claim->now, err) < 0)
        return -1;
    return name_proof_verify(claim->certificate, claim->fingerprint, claim->signature, err);
}

static int by_dns(const struct node_config *config, const struct name_claim *claim, struct err *err)
{
    char text[ACCOUNT_TEXT_SIZE];
    AUTO_FREE char *record = str_printf(err, "_mse.%s", claim->name);
    const char *resolver = config->names.resolver[0] != '\0' ? config->names.resolver : NULL;
    bool found = false;
    if (record == NULL)
        return -1;
    if (!config->names.dns)
        return FAIL(err, ERR_REJECTED, "this node does not ask DNS (names.dns)");
    account_text(config, claim, text);
    if (strlen(record) > DNS_NAME_MAX)
        return FAIL(err, ERR_REJECTED, "the name is too long to be asked for in DNS");
    if (dns_has_txt(record, text, resolver, &found, err) < 0)
        return -1;
    return found ? 0 : FAIL(err, ERR_REJECTED, "'%s' has no TXT record '%s'", record, text);
}

int names_prove(const struct node_config *config, const struct name_claim *claim, struct err *err)
{
    static int (*const ways[])(const struct node_config *config, const struct name_claim *claim,
                               struct err *err) = {by_operator, by_certificate, by_dns};
    AUTO_BUF struct buf reasons = BUF_INIT(REASONS_MAX);
    struct err ignored = ERR_INIT;
    if (is_local(config->domain))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct err reason = ERR_INIT;
        if (ways[i](config, claim, &reason) == 0)
            return 0;
        if (buf_printf(&reasons, &ignored, "; %s", reason.message) < 0)
            break; /* a list that is cut short will do */
    }
    err_set(err, ERR_FORBIDDEN, 0, "the host name '%.200s' is not proved to be yours%s",
            claim->name, buf_text(&reasons));
    char text[ACCOUNT_TEXT_SIZE];
    account_text(config, claim, text);
    if (config->names.dns)
        err_hint(err, "add the DNS record  _mse.%.100s TXT \"%.100s\"  and deploy again",
                 claim->name, text);
    else
        err_hint(err, "use a certificate of a public authority, or ask the node's operator");
    return -1;
}
