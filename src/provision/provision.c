// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of provisioning. The sending half runs on the owner's machine, the receiving half in
 * the enclave, on bytes that the adversary may have made.
 */
#include "provision/provision.h"

#include "model/provision_message.h"
#include "model/unlock_message.h"

void provisioned_done(struct provisioned *provisioned)
{
    secret_done(&provisioned->code_key);
    secret_done(&provisioned->salt);
    secret_done(&provisioned->secrets);
    secret_done(&provisioned->tls_private_key);
    provisioned->has_secrets = false;
}

static int encode(const struct provisioned *provisioned, struct buf *out, struct err *err)
{
    const struct provision_payload payload = {
        .code_key = secret_slice(&provisioned->code_key),
        .salt = secret_slice(&provisioned->salt),
        .has_secrets = provisioned->has_secrets,
        .secrets = secret_slice(&provisioned->secrets),
        .tls_private_key = secret_slice(&provisioned->tls_private_key),
    };
    return provision_payload_encode(&payload, out, err);
}

/* An empty run of bytes needs no locked memory. */
static int take(struct slice bytes, struct secret *ret, struct err *err)
{
    return bytes.len == 0 ? 0 : secret_copy(ret, bytes, err);
}

static int decode(struct slice bytes, struct provisioned *ret, struct err *err)
{
    struct provision_payload payload;
    if (provision_payload_decode(bytes, &payload, err) < 0)
        return -1;
    AUTO_PROVISIONED struct provisioned taken = {.has_secrets = payload.has_secrets};
    if (take(payload.code_key, &taken.code_key, err) < 0 ||
        take(payload.salt, &taken.salt, err) < 0 ||
        take(payload.secrets, &taken.secrets, err) < 0 ||
        take(payload.tls_private_key, &taken.tls_private_key, err) < 0)
        return -1;
    *ret = taken;
    taken = (struct provisioned){0};
    return 0;
}

/* --- what the owner signs --- */

/* domain || bytes */
static int signed_text(const char *domain, struct slice bytes, struct buf *out, struct err *err)
{
    if (buf_bytes(out, slice_str(domain), err) < 0)
        return -1;
    return buf_bytes(out, bytes, err);
}

/* One of the messages that an owner signs. */
struct kind {
    const char *what;
    const char *domain;
};

static const struct kind provisioning = {"provisioning message", PROVISION_SIGNATURE_DOMAIN};
static const struct kind unlocking = {"unlock message", UNLOCK_MESSAGE_DOMAIN};
static const struct kind asking = {"owner's request", OWNER_REQUEST_DOMAIN};

static struct owner_signature signature_for(const struct provision_target *target)
{
    struct owner_signature signature = {0};
    memcpy(signature.fingerprint, target->fingerprint, sizeof(signature.fingerprint));
    memcpy(signature.channel_binding, target->channel_binding, sizeof(signature.channel_binding));
    return signature;
}

/* Appends the body and its signature. */
static int append_signed(const struct kind *kind, struct slice body,
                         const struct secret *owner_secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(PROVISION_MESSAGE_MAX);
    uint8_t signature[ED25519_SIGNATURE_SIZE];
    if (signed_text(kind->domain, body, &text, err) < 0 ||
        ed25519_sign(owner_secret, buf_slice(&text), signature, err) < 0 ||
        buf_bytes(out, body, err) < 0)
        return -1;
    return buf_bytes(out, slice_of(signature, sizeof(signature)), err);
}

/* From the owner, for this session, for this enclave? */
static int check_signed(const struct kind *kind, const struct owner_signature *claimed,
                        const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                        const struct provision_target *target, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(PROVISION_MESSAGE_MAX);
    if (signed_text(kind->domain, claimed->signed_bytes, &text, err) < 0)
        return -1;
    if (!ed25519_verify(owner_key, buf_slice(&text), claimed->signature))
        return FAIL(err, ERR_UNAUTHORIZED,
                    "the %s is not signed by the owner's key of the manifest", kind->what);
    if (!crypto_equal(claimed->channel_binding, target->channel_binding, PROVISION_BINDING_SIZE))
        return FAIL(err, ERR_FORBIDDEN, "the %s was made for another TLS session (replayed?)",
                    kind->what);
    if (!crypto_equal(claimed->fingerprint, target->fingerprint, PROVISION_FINGERPRINT_SIZE))
        return FAIL(err, ERR_FORBIDDEN, "the %s was made for another fingerprint", kind->what);
    return 0;
}

/* --- provisioning --- */

int provision_build(const struct provisioned *provisioned, const struct provision_target *target,
                    const struct secret *owner_secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf payload = BUF_INIT(PROVISION_PAYLOAD_MAX);
    AUTO_BUF struct buf body = BUF_INIT(PROVISION_MESSAGE_MAX);
    if (encode(provisioned, &payload, err) < 0)
        return -1;
    const struct provision_message message = {.owner = signature_for(target),
                                              .payload = buf_slice(&payload)};
    if (provision_message_encode(&message, &body, err) < 0)
        return -1;
    return append_signed(&provisioning, buf_slice(&body), owner_secret, out, err);
}

int provision_open(struct slice bytes, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                   const struct provision_target *target, struct provisioned *ret, struct err *err)
{
    struct provision_message message;
    if (provision_message_decode(bytes, &message, err) < 0)
        return -1;
    if (check_signed(&provisioning, &message.owner, owner_key, target, err) < 0)
        return -1;
    return decode(message.payload, ret, err);
}

int provision_reopen(struct slice bytes, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                     const uint8_t fingerprint[static PROVISION_FINGERPRINT_SIZE],
                     struct provisioned *ret, struct err *err)
{
    struct provision_message message;
    if (provision_message_decode(bytes, &message, err) < 0)
        return -1;
    struct provision_target target;
    memcpy(target.fingerprint, fingerprint, sizeof(target.fingerprint));
    memcpy(target.channel_binding, message.owner.channel_binding, sizeof(target.channel_binding));
    return provision_open(bytes, owner_key, &target, ret, err);
}

/* --- unlocking --- */

int unlock_build(const struct secret *volume_key, const struct provision_target *target,
                 const struct secret *owner_secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(UNLOCK_MESSAGE_SIZE);
    const struct unlock_message message = {.owner = signature_for(target),
                                           .key = secret_slice(volume_key)};
    if (unlock_message_encode(&message, &body, err) < 0)
        return -1;
    return append_signed(&unlocking, buf_slice(&body), owner_secret, out, err);
}

int unlock_open(struct slice bytes, const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
                const struct provision_target *target, struct secret *ret, struct err *err)
{
    struct unlock_message message;
    if (unlock_message_decode(bytes, &message, err) < 0)
        return -1;
    if (check_signed(&unlocking, &message.owner, owner_key, target, err) < 0)
        return -1;
    return secret_copy(ret, message.key, err);
}

/* --- later requests --- */

int owner_ask(enum owner_action action, uint64_t argument, const struct provision_target *target,
              const struct secret *owner_secret, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf body = BUF_INIT(OWNER_REQUEST_SIZE);
    const struct owner_request request = {
        .action = (uint16_t)action, .argument = argument, .owner = signature_for(target)};
    if (owner_request_encode(&request, &body, err) < 0)
        return -1;
    return append_signed(&asking, buf_slice(&body), owner_secret, out, err);
}

int owner_asks(struct slice bytes, enum owner_action action,
               const uint8_t owner_key[static ED25519_PUBLIC_SIZE],
               const struct provision_target *target, uint64_t *ret_argument, struct err *err)
{
    struct owner_request request;
    if (owner_request_decode(bytes, &request, err) < 0)
        return -1;
    if (check_signed(&asking, &request.owner, owner_key, target, err) < 0)
        return -1;
    if (request.action != action)
        return FAIL(err, ERR_INVALID, "the owner's request is for action %u, this is %u",
                    request.action, (unsigned)action);
    *ret_argument = request.argument;
    return 0;
}
