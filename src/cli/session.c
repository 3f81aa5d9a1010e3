// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying first, then asking.
 */
#include "cli/session.h"

#include "cli/ui.h"
#include "client/app_keys.h"
#include "client/policy.h"
#include "model/unlock_message.h"

enum { ANSWER_MAX = 64 << 10 };

int session_open(const struct context *context, const char *policy, int timeout_s,
                 struct provision_target *ret_target, struct attested **ret, struct err *err)
{
    struct manifest manifest;
    struct mse_policy *own = NULL;
    if (manifest_decode(slice_str(context->manifest), &manifest, err) < 0 ||
        sha256(slice_str(context->manifest), ret_target->fingerprint, err) < 0 ||
        (policy != NULL && policy_read(policy, &own, err) < 0))
        return -1;
    const struct mse_policy fallback = policy_of_context(context);
    const struct attested_expectation expectation = {
        .hooks = ui_hooks(),
        .fingerprint = ret_target->fingerprint,
        .policy = own != NULL ? own : &fallback,
        .host = manifest.tls_host_name,
    };
    int status = attested_open_on_demand(context->url, &expectation, timeout_s, ret, NULL, err);
    mse_policy_free(own);
    if (status == 0)
        attested_channel_binding(*ret, ret_target->channel_binding);
    return status;
}

int session_unlock(struct attested *channel, const struct provision_target *target,
                   const struct manifest *manifest, struct err *err)
{
    AUTO_OWNER_KEY struct owner_key owner = {0};
    AUTO_SECRET struct secret key = SECRET_INIT;
    AUTO_BUF struct buf message = BUF_INIT(UNLOCK_MESSAGE_SIZE);
    AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
    int status;
    if (owner_key_load(&owner, err) < 0 ||
        app_volume_key(&owner, manifest->id, manifest->key_epoch, &key, err) < 0 ||
        unlock_build(&key, target, &owner.secret, &message, err) < 0 ||
        attested_request(channel, "POST", "/.well-known/mse/unlock", buf_slice(&message), &status,
                         &answer, err) < 0)
        return -1;
    return status == 200 ? 0 : attested_refused("unlocking", status, &answer, err);
}
