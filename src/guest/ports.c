// SPDX-License-Identifier: Apache-2.0
/*
 * The ports to the launcher, and pid 1's own words on them. Whatever goes out is dropped where the
 * host does not take it: nobody inside waits for a host.
 */
#include "guest/guest.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/text.h"
#include "guest/device.h"
#include "model/guest.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 1024 };

int step_ports(struct guest *guest, struct err *err)
{
    if (device_open_port(GUEST_PORT_LOG, DEVICE_WAIT_MS, &guest->log_port, err) < 0 ||
        device_open_port(GUEST_PORT_STATUS, DEVICE_WAIT_MS, &guest->status_port, err) < 0)
        return -1;
    return device_open_port(GUEST_PORT_CONTROL, DEVICE_WAIT_MS, &guest->control_port, err);
}

static void offer(int fd, const char *text, size_t len)
{
    if (fd >= 0 && write(fd, text, len) < 0)
        return; /* nobody takes it */
}

void guest_say(const struct guest *guest, const char *fmt, ...)
{
    static const char prefix[] = "mse-init: ";
    char line[LINE_MAX_SIZE];
    va_list args;
    size_t len = sizeof(prefix) - 1;
    memcpy(line, prefix, len);
    va_start(args, fmt);
    int more = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
    va_end(args);
    if (more > 0)
        len += (size_t)more < sizeof(line) - len - 1 ? (size_t)more : sizeof(line) - len - 2;
    len = bytes_make_printable(line, len, "");
    line[len++] = '\n';
    offer(guest->log_port, line, len);
    AUTO_CLOSE int console = -1;
    if (guest->options.console &&
        fd_open("/dev/console", O_WRONLY | O_NOCTTY, 0, &console, NULL) == 0)
        offer(console, line, len);
}

void guest_report_failure(const struct guest *guest, const struct err *err)
{
    AUTO_BUF struct buf line = BUF_INIT(2 * ERR_MESSAGE_SIZE);
    struct err ignored = ERR_INIT;
    (void)!buf_str(&line, "{\"state\":\"failed\",\"reason\":\"", &ignored);
    for (const char *c = err->message; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            (void)!buf_u8(&line, '\\', &ignored);
        (void)!buf_u8(&line, (unsigned char)*c < 0x20 ? ' ' : (uint8_t)*c, &ignored);
    }
    (void)!buf_str(&line, "\"}\n", &ignored);
    offer(guest->status_port, (const char *)line.data, line.len);
}
