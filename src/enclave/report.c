// SPDX-License-Identifier: Apache-2.0
/*
 * The enclave's words to its supervisor: JSON lines on descriptor 3. They leave the enclave: never
 * a secret in them.
 */
#include "enclave/enclave.h"
#include "enclave/json_text.h"

#include "base/fd.h"
#include "base/log.h"

void json_text_append(struct buf *out, const char *text)
{
    struct err ignored = ERR_INIT;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            (void)!buf_u8(out, '\\', &ignored);
        (void)!buf_u8(out, (unsigned char)*c < 0x20 ? ' ' : (uint8_t)*c, &ignored);
    }
}

void enclave_signals(sigset_t *ret)
{
    (void)sigemptyset(ret);
    (void)sigaddset(ret, SIGTERM);
    (void)sigaddset(ret, SIGINT);
    (void)sigaddset(ret, ENCLAVE_WAKE_SIGNAL);
}

void report_state(const char *state, const char *reason)
{
    AUTO_BUF struct buf line = BUF_INIT(2048);
    struct err err = ERR_INIT;
    (void)!buf_printf(&line, &err, "{\"state\":\"%s\"", state);
    if (reason != NULL) {
        (void)!buf_str(&line, ",\"reason\":\"", &err);
        json_text_append(&line, reason);
        (void)!buf_str(&line, "\"", &err);
    }
    (void)!buf_str(&line, "}\n", &err);
    if (fd_write_all(ENCLAVE_STATUS_FD, buf_slice(&line), &err) < 0)
        log_err(LOG_WARNING, &err);
}
