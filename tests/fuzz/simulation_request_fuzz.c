// SPDX-License-Identifier: Apache-2.0
/*
 * What the code in an enclave asks the simulated TEE's device.
 */
#include "launch/simulation_device.h"
#include "model/simulation_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One for all inputs: a locked page for each would take longer than what is tested. */
static const struct simulation_device *made(void)
{
    static struct simulation_device device;
    static bool ready;
    const uint8_t fingerprint[EVIDENCE_FINGERPRINT_SIZE] = {1};
    AUTO_SECRET struct secret root = {0};
    if (!ready && (crypto_init(NULL) < 0 || secret_init(&root, SIMULATION_ROOT_SIZE, NULL) < 0 ||
                   simulation_device_init(&device, &root, fingerprint, NULL) < 0))
        __builtin_trap();
    ready = true;
    return &device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf answer = BUF_INIT(SIMULATION_LENGTH_SIZE + SIMULATION_MESSAGE_MAX);
    if (simulation_device_answer(made(), slice_of(data, size), &answer, &err) < 0 ||
        answer.len <= SIMULATION_LENGTH_SIZE)
        __builtin_trap(); /* every request has an answer */
    return 0;
}
