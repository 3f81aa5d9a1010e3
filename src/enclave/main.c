// SPDX-License-Identifier: Apache-2.0
/*
 * mse-enclave: what runs inside the TEE, from the manifest to the served app. The boot steps are a
 * table; a step that fails ends the enclave, which tells the supervisor why. Takes no arguments and
 * looks at no variable of its environment.
 */
#include "base/lock.h"
#include "enclave/enclave.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "format/json.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct step {
    const char *name;
    int (*run)(struct enclave *enclave, struct err *err);
} steps[] = {
    {"manifest", boot_manifest},
    {"TEE", boot_tee},
    {"package", boot_package},
    {"guard", boot_guard},
    {"volume key", boot_volume_key},
    {"storage", boot_storage},
    {"confinement", boot_confine},
    {"identity", boot_identity},
    {"listen", boot_listen},
    {"secrets", boot_secrets},
    {"code", open_code},
    {"variables", open_variables},
    {"secrets file", open_secrets_file},
    {"app", open_app},
    {"health check", health_start},
};

static int boot(struct enclave *enclave, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t start = clock_monotonic_us();
        if (steps[i].run(enclave, err) < 0)
            return FAIL_CONTEXT(err, "%s", steps[i].name);
        log_info("%s: %.1f ms", steps[i].name, (double)(clock_monotonic_us() - start) / 1000.0);
    }
    return 0;
}

static void stop(struct enclave *enclave)
{
    front_set_waiting_text(enclave->front, "the app is stopping");
    if (!serve_stop(enclave->serve, enclave->server, ENCLAVE_STOP_MS))
        _exit(0);
    http_server_free(enclave->server);
    access_log_free(enclave->access_log);
    serve_free(enclave->serve);
    front_free(enclave->front);
}

static void serve_until_stopped(struct enclave *enclave, const sigset_t *signals)
{
    static const struct timespec interval = {.tv_sec = ENCLAVE_REPORT_S};
    for (;;) {
        int received = sigtimedwait(signals, NULL, &interval);
        if (received > 0 && received != ENCLAVE_WAKE_SIGNAL)
            return;
        report_stats(enclave);
    }
}

int main(void)
{
    mem_share_arena();
    sigset_t signals;
    enclave_signals(&signals);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    log_init("enclave", LOG_INFO);
    log_omit_time(); /* the log of the app has one in each line */
    struct err err = ERR_INIT;
    static struct enclave enclave = {
        .state_folder = -1,
        .code_folder = -1,
        .data_folder = -1,
        .manifest_bytes = {.max = MANIFEST_MAX},
        .public_key = {.max = 4096},
        .chain = {.max = PEM_MAX},
        .identity_lock = LOCK_INIT(LOCK_IDENTITY),
        .provision_lock = LOCK_INIT(LOCK_PROVISION),
        .state_name = "starting",
    };
    if (crypto_init(&err) < 0 || boot(&enclave, &err) < 0) {
        if (err.kind == ERR_INTERRUPTED)
            _exit(0);
        log_err(LOG_ERROR, &err);
        report_state("failed", err.message);
        _exit(1); /* threads of a half-made enclave may be anywhere: no destructors */
    }
    report_state("running", NULL);
    serve_until_stopped(&enclave, &signals);
    log_info("stopping");
    stop(&enclave);
    return 0;
}
