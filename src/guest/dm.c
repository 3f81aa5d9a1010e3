// SPDX-License-Identifier: Apache-2.0
/*
 * Device mapper without libdevmapper: create, load one table, resume (linux/dm-ioctl.h). A device
 * that could not be completed is removed again.
 */
#include "guest/dm.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define CONTROL "/dev/mapper/control"

enum { PARAMETERS_MAX = 4096 };

struct request {
    struct dm_ioctl head;
    struct {
        struct dm_target_spec spec;
        char parameters[PARAMETERS_MAX];
    } targets[DM_TARGETS_MAX];
};

static void begin(struct request *request, const char *name, size_t size)
{
    memset(request, 0, sizeof(*request));
    request->head.version[0] = DM_VERSION_MAJOR;
    request->head.data_size = (uint32_t)size;
    request->head.data_start = sizeof(request->head);
    (void)snprintf(request->head.name, sizeof(request->head.name), "%s", name);
}

/* The kernel's answer takes the request's place, its name included. */
static int ask(int control, unsigned long number, struct request *request, const char *what,
               struct err *err)
{
    char name[DM_PATH_SIZE];
    (void)snprintf(name, sizeof(name), "%.31s", request->head.name);
    if (ioctl(control, number, request) < 0)
        return FAIL_ERRNO(err, ERR_IO, "device mapper: cannot %s '%s'", what, name);
    return 0;
}

static int add_target(struct request *request, size_t index, uint64_t start,
                      const struct dm_target *target, struct err *err)
{
    struct dm_target_spec *spec = &request->targets[index].spec;
    char *parameters = request->targets[index].parameters;
    spec->sector_start = start;
    spec->length = target->sectors;
    spec->next = sizeof(request->targets[0]); /* counted from this one (linux/dm-ioctl.h) */
    (void)snprintf(spec->target_type, sizeof(spec->target_type), "%s", target->type);
    int len = snprintf(parameters, PARAMETERS_MAX, "%s", target->parameters);
    if (len < 0 || len >= PARAMETERS_MAX)
        return FAIL(err, ERR_INTERNAL, "device mapper: the table of '%s' is too long",
                    request->head.name);
    return 0;
}

static int load(int control, const struct dm_device *device, struct request *request,
                struct err *err)
{
    uint64_t start = 0;
    begin(request, device->name, sizeof(*request));
    request->head.target_count = (uint32_t)device->target_count;
    request->head.flags = DM_SECURE_DATA_FLAG | (device->read_only ? DM_READONLY_FLAG : 0);
    for (size_t i = 0; i < device->target_count; i++) {
        if (add_target(request, i, start, &device->targets[i], err) < 0)
            return -1;
        start += device->targets[i].sectors;
    }
    if (ask(control, DM_TABLE_LOAD, request, "load the table of", err) < 0)
        return -1;
    begin(request, device->name, sizeof(request->head));
    return ask(control, DM_DEV_SUSPEND, request, "start", err);
}

int dm_create(const struct dm_device *device, char path[static DM_PATH_SIZE], struct err *err)
{
    AUTO_CLOSE int control = -1;
    AUTO_FREE struct request *request = mem_alloc(sizeof(*request), err);
    if (request == NULL || fd_open(CONTROL, O_RDWR, 0, &control, err) < 0)
        return -1;
    if (device->target_count > DM_TARGETS_MAX)
        return FAIL(err, ERR_INTERNAL, "device mapper: too many targets for '%s'", device->name);
    begin(request, device->name, sizeof(request->head));
    if (ask(control, DM_DEV_CREATE, request, "create", err) < 0)
        return -1;
    int status = load(control, device, request, err);
    if (status == 0)
        (void)snprintf(path, DM_PATH_SIZE, "/dev/dm-%u", minor(request->head.dev));
    else
        (void)!dm_remove(device->name, NULL);
    mem_wipe(request, sizeof(*request));
    return status;
}

int dm_remove(const char *name, struct err *err)
{
    AUTO_CLOSE int control = -1;
    AUTO_FREE struct request *request = mem_alloc(sizeof(*request), err);
    if (request == NULL || fd_open(CONTROL, O_RDWR, 0, &control, err) < 0)
        return -1;
    begin(request, name, sizeof(request->head));
    if (ioctl(control, DM_DEV_REMOVE, request) < 0 && errno != ENXIO)
        return FAIL_ERRNO(err, ERR_IO, "device mapper: cannot remove '%s'", name);
    return 0;
}
