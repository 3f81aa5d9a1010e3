// SPDX-License-Identifier: Apache-2.0
/*
 * The broker's requests (model/broker_protocol.h), apart from the socket.
 */
#pragma once

#include "guest/tee.h"

struct broker {
    const struct guest_tee *tee;
    const uint8_t *fingerprint; /* SHA256_BYTES */
    int (*open_storage)(struct slice key, struct err *err);
    bool keys_ended;
    bool storage_opened;
};

/* One request to one answer, which is never empty: what is wrong is said in it. */
void broker_answer(struct broker *broker, struct slice request, struct buf *out);
