// SPDX-License-Identifier: Apache-2.0
/*
 * Build step: writes the man page of a configuration file to standard output. Lines "@KEYS:NAME@"
 * of the template become the list of keys of the table of that name. Not installed.
 */
#include "base/file.h"
#include "base/text.h"
#include "cli/app_config.h"
#include "node/node_config.h"

#include <stdio.h>

static const struct {
    const char *line;
    const struct config_schema *schema;
    const char *prefix;
} lists[] = {
    {"@KEYS:mse.toml@\n", &app_config_schema, ""},
    {"@KEYS:msed.toml@\n", &node_config_schema, ""},
    {"@KEYS:hardware@\n", &node_hardware_schema, "hardware.NAME."},
    {"@KEYS:environments@\n", &node_environment_schema, "environments.NAME."},
};

static int append_line(struct slice line, struct buf *page, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (slice_is_str(line, lists[i].line))
            return config_man(lists[i].schema, lists[i].prefix, page, err);
    }
    return buf_bytes(page, line, err);
}

static int write_page(const char *template, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    AUTO_BUF struct buf page = BUF_INIT(4 * 1024 * 1024);
    if (file_read(template, &text, err) < 0)
        return -1;
    for (size_t pos = 0; pos < text.len;) {
        const uint8_t *end = memchr(text.data + pos, '\n', text.len - pos);
        size_t len = end == NULL ? text.len - pos : (size_t)(end - (text.data + pos)) + 1;
        if (append_line(slice_of(text.data + pos, len), &page, err) < 0)
            return -1;
        pos += len;
    }
    return fwrite(page.data, 1, page.len, stdout) == page.len
               ? 0
               : FAIL(err, ERR_IO, "cannot write the page");
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc == 2 && write_page(argv[1], &err) == 0)
        return 0;
    (void)fprintf(stderr, "config-page: %s\n", argc == 2 ? err.message : "usage: config-page FILE");
    return 1;
}
