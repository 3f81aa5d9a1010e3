// SPDX-License-Identifier: Apache-2.0
/*
 * Which TEE this is, asked of the processor before anything of the host is read, so that a host
 * cannot offer the simulated one to a guest on hardware. On SEV-SNP the answers of CPUID are those
 * of a page that the firmware has checked, on TDX leaf 0x21 is the TDX module's.
 */
#include "guest/tee.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/reader.h"
#include "guest/device.h"
#include "model/broker_protocol.h"
#include "model/guest.h"
#include "model/simulation_protocol.h"
#include "tee/platform.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define CONFIGFS "/sys/kernel/config"
#define CPUID_AMD_MEMORY 0x8000001fU /* AMD APM volume 3: EAX bit 4, SEV-SNP */
#define SNP_DEVICE "/dev/sev-guest"

enum {
    CPUID_AMD_SNP = 1 << 4,
    CPUID_INTEL_TDX = 0x21, /* Intel TDX module ABI: "IntelTDX    " in EBX, EDX, ECX */
    SNP_KEY_AT = 0x20,      /* MSG_KEY_RSP: status, reserved, key */
    /* GUEST_FIELD_SELECT: guest policy, image id, family id, measurement. The ids hold the
     * fingerprint, so that the firmware itself gives each app another key. */
    SNP_KEY_FIELDS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3,
};

static const struct guest_tee *const tees[] = {&guest_tee_snp, &guest_tee_tdx,
                                               &guest_tee_simulation};

int step_tee(struct guest *guest, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tees); i++) {
        if (tees[i]->present()) {
            guest->tee = tees[i];
            return 0;
        }
    }
    return FAIL(err, ERR_INTERNAL, "no TEE");
}

int step_identity(struct guest *guest, struct err *err)
{
    static const uint8_t no_data[BROKER_REPORT_DATA_SIZE];
    AUTO_BUF struct buf evidence = BUF_INIT(BROKER_ANSWER_MAX);
    if (guest->tee->open(err) < 0)
        return -1;
    if (guest->tee->check == NULL)
        return 0;
    if (guest->tee->evidence(slice_of(no_data, sizeof(no_data)), &evidence, err) < 0)
        return -1;
    return guest->tee->check(buf_slice(&evidence), guest->fingerprint, err);
}

/* Linux's common interface; the code is the one that mse-enclave uses outside of such a guest. */
static int open_tsm(struct err *err)
{
    if (mount("configfs", CONFIGFS, "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return FAIL_ERRNO(err, ERR_UNSUPPORTED, "cannot mount configfs on '%s'", CONFIGFS);
    return 0;
}

/* --- AMD SEV-SNP --- */

static bool snp_present(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid_count(CPUID_AMD_MEMORY, 0, &a, &b, &c, &d) != 0 && (a & CPUID_AMD_SNP) != 0;
}

static int snp_evidence(struct slice report_data, struct buf *out, struct err *err)
{
    return tsm_report("sev_guest", report_data, out, err);
}

static int snp_key(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out, struct err *err)
{
    (void)fingerprint; /* in the ids, as step_identity has seen */
    struct snp_derived_key_req input = {.guest_field_select = SNP_KEY_FIELDS};
    struct snp_derived_key_resp output = {0};
    struct snp_guest_request_ioctl call = {
        .msg_version = 1, .req_data = (uintptr_t)&input, .resp_data = (uintptr_t)&output};
    AUTO_CLOSE int fd = -1;
    if (fd_open(SNP_DEVICE, O_RDWR, 0, &fd, err) < 0)
        return -1;
    int status = ioctl(fd, SNP_GET_DERIVED_KEY, &call) < 0
                     ? FAIL_ERRNO(err, ERR_IO, "sealing key: firmware error 0x%llx",
                                  (unsigned long long)call.exitinfo2)
                     : 0;
    struct slice head = slice_of(output.data, sizeof(uint32_t));
    struct slice key = slice_of(output.data + SNP_KEY_AT, BROKER_KEY_SIZE);
    if (status == 0 && (!slice_is_zero(head) || slice_is_zero(key)))
        status = FAIL(err, ERR_IO, "sealing key: the firmware gave none");
    if (status == 0)
        status = buf_bytes(out, key, err);
    mem_wipe(&output, sizeof(output));
    return status;
}

const struct guest_tee guest_tee_snp = {
    .name = "snp",
    .present = snp_present,
    .open = open_tsm,
    .evidence = snp_evidence,
    .check = identity_check_snp,
    .key = snp_key,
};

/* --- Intel TDX --- */

static bool tdx_present(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid_count(CPUID_INTEL_TDX, 0, &a, &b, &c, &d) != 0 && b == 0x65746e49 &&
           d == 0x5844546c && c == 0x20202020;
}

static int tdx_evidence(struct slice report_data, struct buf *out, struct err *err)
{
    return tsm_report("tdx_guest", report_data, out, err);
}

static int tdx_key(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out, struct err *err)
{
    (void)fingerprint;
    (void)out;
    return FAIL(
        err, ERR_UNSUPPORTED,
        "TDX gives no sealing key, so no storage can be opened: apps do not run on TDX yet");
}

const struct guest_tee guest_tee_tdx = {
    .name = "tdx",
    .present = tdx_present,
    .open = open_tsm,
    .evidence = tdx_evidence,
    .check = identity_check_tdx,
    .key = tdx_key,
};

/* --- the simulated TEE: a device of the host behind a port; protects nothing --- */

static int simulation_port = -1;

static bool simulation_present(void)
{
    return true; /* the last of the table */
}

static int simulation_open(struct err *err)
{
    return device_open_port(GUEST_PORT_TEE, DEVICE_WAIT_MS, &simulation_port, err);
}

static int wait_port(short events, int64_t deadline, struct err *err)
{
    for (;;) {
        int64_t left = deadline - clock_monotonic_ms();
        struct pollfd port = {.fd = simulation_port, .events = events};
        if (left <= 0)
            return FAIL(err, ERR_TIMEOUT, "simulated TEE: no answer within %d s",
                        SIMULATION_TIMEOUT_MS / 1000);
        if (poll(&port, 1, (int)left) > 0 && (port.revents & events) != 0)
            return 0;
        clock_sleep_ms(1); /* POLLHUP: no launcher at the other end now */
    }
}

static int port_write(struct slice bytes, int64_t deadline, struct err *err)
{
    size_t done = 0;
    while (done < bytes.len) {
        if (wait_port(POLLOUT, deadline, err) < 0)
            return -1;
        ssize_t more = write(simulation_port, bytes.data + done, bytes.len - done);
        if (more < 0 && errno != EAGAIN && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "simulated TEE");
        done += more > 0 ? (size_t)more : 0;
    }
    return 0;
}

static int port_read(uint8_t *to, size_t size, int64_t deadline, struct err *err)
{
    size_t done = 0;
    while (done < size) {
        if (wait_port(POLLIN, deadline, err) < 0)
            return -1;
        ssize_t more = read(simulation_port, to + done, size - done);
        if (more < 0 && errno != EAGAIN && errno != EINTR)
            return FAIL_ERRNO(err, ERR_IO, "simulated TEE");
        done += more > 0 ? (size_t)more : 0;
    }
    return 0;
}

/* Request and answer with their lengths (model/simulation_protocol.h). */
static int simulation_ask(struct slice request, struct buf *out, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + SIMULATION_TIMEOUT_MS;
    AUTO_BUF struct buf message = BUF_INIT(SIMULATION_MESSAGE_MAX);
    uint8_t answer[SIMULATION_MESSAGE_MAX];
    uint8_t head[SIMULATION_LENGTH_SIZE];
    uint32_t size = 0;
    if (buf_u32be(&message, (uint32_t)request.len, err) < 0 ||
        buf_bytes(&message, request, err) < 0 ||
        port_write(buf_slice(&message), deadline, err) < 0 ||
        port_read(head, sizeof(head), deadline, err) < 0)
        return -1;
    struct reader in = reader_of(slice_of(head, sizeof(head)), "answer of the simulated TEE");
    if (reader_u32be(&in, "length", &size, err) < 0)
        return -1;
    if (size < 1 || size > sizeof(answer))
        return FAIL(err, ERR_INVALID, "answer of the simulated TEE: length %u, expected 1 to %zu",
                    size, sizeof(answer));
    if (port_read(answer, size, deadline, err) < 0)
        return -1;
    if (answer[0] != SIMULATION_STATUS_OK)
        return FAIL(err, ERR_FORBIDDEN, "the simulated TEE refused: %.*s", (int)size - 1,
                    (const char *)answer + 1);
    return buf_bytes(out, slice_of(answer + 1, size - 1), err);
}

static int simulation_evidence(struct slice report_data, struct buf *out, struct err *err)
{
    AUTO_BUF struct buf request = BUF_INIT(BROKER_REQUEST_MAX);
    if (buf_u8(&request, SIMULATION_REQUEST_EVIDENCE, err) < 0 ||
        buf_bytes(&request, report_data, err) < 0)
        return -1;
    return simulation_ask(buf_slice(&request), out, err);
}

/* Epoch 0: mse-enclave derives from this key for its epoch, as from hardware's. */
static int simulation_key(const uint8_t fingerprint[static SHA256_BYTES], struct buf *out,
                          struct err *err)
{
    AUTO_BUF struct buf request = BUF_INIT(BROKER_REQUEST_MAX);
    if (buf_u8(&request, SIMULATION_REQUEST_SEALING_KEY, err) < 0 ||
        buf_bytes(&request, slice_of(fingerprint, SHA256_BYTES), err) < 0 ||
        buf_u32be(&request, 0, err) < 0)
        return -1;
    return simulation_ask(buf_slice(&request), out, err);
}

const struct guest_tee guest_tee_simulation = {
    .name = "simulation",
    .present = simulation_present,
    .open = simulation_open,
    .evidence = simulation_evidence,
    .key = simulation_key,
};
