// SPDX-License-Identifier: Apache-2.0
/*
 * The command line of a sandbox: what each row becomes, in which order, and that nothing is left
 * out where there is too much.
 */
#include "testing.h"

#include "launch/bubblewrap.h"

static void expect_line(struct argv *argv, const char *expected)
{
    AUTO_BUF struct buf line = BUF_INIT(4096);
    OK(argv_end(argv, &err));
    for (size_t i = 0; i < argv->count; i++)
        OK(buf_printf(&line, &err, "%s%s", i == 0 ? "" : " ", argv->items[i]));
    assert_string_equal(buf_text(&line), expected);
}

#define ALWAYS                                                                                     \
    "--unshare-user --unshare-ipc --unshare-pid --unshare-uts --hostname mse "                     \
    "--unshare-cgroup-try --uid 0 --gid 0 --die-with-parent --cap-drop ALL"

static void test_least(void **state)
{
    (void)state;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    bubblewrap_begin(&argv, &(const struct bubblewrap){.program = "/usr/bin/bwrap"});
    bubblewrap_end(&argv, "/");
    argv_add(&argv, "true");
    expect_line(&argv, "/usr/bin/bwrap " ALWAYS " --chdir / -- true");
}

static void test_all(void **state)
{
    (void)state;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    static const char *const capabilities[] = {"CAP_SYS_ADMIN", "CAP_SETPCAP"};
    static const char *const variables[][2] = {{"HOME", "/root"}, {"LANG", "C.UTF-8"}};
    const struct bubblewrap sandbox = {.program = "bwrap",
                                       .own_network = true,
                                       .own_session = true,
                                       .capabilities = capabilities,
                                       .capability_count = 2,
                                       .variables = variables,
                                       .variable_count = 2,
                                       .info_fd = 5,
                                       .block_fd = 6};
    bubblewrap_begin(&argv, &sandbox);
    expect_line(&argv, "bwrap " ALWAYS " --cap-add CAP_SYS_ADMIN --cap-add CAP_SETPCAP "
                       "--unshare-net --new-session --info-fd 5 --block-fd 6 "
                       "--clearenv --setenv HOME /root --setenv LANG C.UTF-8");
}

static void test_mounts(void **state)
{
    (void)state;
    static const struct {
        struct bubblewrap_mount mount;
        const char *expected;
    } cases[] = {
        {{.how = MOUNT_READ_ONLY, .at = "/usr"}, "--ro-bind /usr /usr"},
        {{.how = MOUNT_READ_ONLY, .at = "/a", .from = "/b c"}, "--ro-bind /b c /a"},
        {{.how = MOUNT_READ_ONLY_TRY, .at = "/a"}, "--ro-bind-try /a /a"},
        {{.how = MOUNT_WRITABLE, .at = "/a", .from = "/b"}, "--bind /b /a"},
        {{.how = MOUNT_DEVICE, .at = "/dev/kvm"}, "--dev-bind /dev/kvm /dev/kvm"},
        {{.how = MOUNT_DATA, .at = "/a", .fd = 7, .mode = "0400"},
         "--perms 0400 --ro-bind-data 7 /a"},
        {{.how = MOUNT_LINK, .at = "/bin", .from = "usr/bin"}, "--symlink usr/bin /bin"},
        {{.how = MOUNT_FOLDER, .at = "/a", .mode = "0755"}, "--perms 0755 --dir /a"},
        {{.how = MOUNT_TMPFS, .at = "/tmp", .mode = "1777", .size_bytes = UINT64_C(1) << 40},
         "--perms 1777 --size 1099511627776 --tmpfs /tmp"},
        {{.how = MOUNT_TMPFS, .at = "/tmp"}, "--tmpfs /tmp"},
        {{.how = MOUNT_PROC, .at = "/proc"}, "--proc /proc"},
        {{.how = MOUNT_DEV, .at = "/dev"}, "--dev /dev"},
        {{.how = MOUNT_CLOSE, .at = "/"}, "--remount-ro /"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_ARGV struct argv argv = ARGV_INIT;
        bubblewrap_mounts(&argv, &cases[i].mount, 1);
        expect_line(&argv, cases[i].expected);
    }
}

/* A sandbox that lacks its last mounts, "close the root" among them, is never started. */
static void test_too_many_mounts(void **state)
{
    (void)state;
    AUTO_ARGV struct argv argv = ARGV_INIT;
    static const struct bubblewrap_mount mount = {.how = MOUNT_READ_ONLY, .at = "/a"};
    bubblewrap_begin(&argv, &(const struct bubblewrap){.program = "bwrap"});
    for (size_t i = 0; i < ARGV_ITEMS_MAX / 3; i++)
        bubblewrap_mounts(&argv, &mount, 1);
    bubblewrap_end(&argv, "/");
    FAILS(ERR_MEMORY, "cannot put together", argv_end(&argv, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_too_many_mounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
