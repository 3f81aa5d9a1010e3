// SPDX-License-Identifier: Apache-2.0
/*
 * See wheel.h. libzip reads the ZIP; names, sizes and hashes are judged here. Runs on the owner's
 * machine.
 */
#include "package/wheel.h"

#include "base/file.h"
#include "base/text.h"
#include "package/archive.h"
#include "package/record.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <zip.h>

enum { PIECE = 64 * 1024, METADATA_MAX = 64 * 1024 };

#define INFO_ENDING ".dist-info"
#define DATA_ENDING ".data"
#define WHEEL_VERSION "Wheel-Version: 1."

struct opening {
    struct wheel *wheel;
    struct record record;
    char info[WHEEL_PATH_MAX]; /* "name-1.0.dist-info" */
};

/* --- names --- */

static int check_name(const char *name, struct err *err)
{
    const char *part = name;
    if (strlen(name) >= WHEEL_PATH_MAX)
        return FAIL(err, ERR_TOO_LARGE, "a name of more than %d bytes", WHEEL_PATH_MAX - 1);
    for (;;) {
        size_t len = strcspn(part, "/");
        if (!archive_name_valid(slice_of(part, len)) || memchr(part, '\\', len) != NULL)
            return FAIL(err, ERR_INVALID, "'%.200s' is no path below the wheel's folder", name);
        if (part[len] == '\0')
            return 0;
        part += len + 1;
    }
}

static bool part_ends(const char *name, const char *ending)
{
    size_t len = strcspn(name, "/");
    size_t end = strlen(ending);
    return name[len] == '/' && len > end && memcmp(name + len - end, ending, end) == 0;
}

/* Byte code is the interpreter's to make, and its bytes say nothing about the source. */
static bool is_byte_code(const char *path)
{
    return str_starts_with(path, "__pycache__/") || strstr(path, "/__pycache__/") != NULL;
}

static bool begins_with_part(const char *path, const char *part)
{
    size_t len = strlen(part);
    return strncmp(path, part, len) == 0 && path[len] == '/';
}

int wheel_place(const char *name, char ret_path[static WHEEL_PATH_MAX], struct err *err)
{
    static const char *const merged[] = {"purelib", "platlib", "data"};
    static const char *const left_out[] = {"scripts", "headers"};
    const char *path = name;
    ret_path[0] = '\0';
    if (check_name(name, err) < 0)
        return -1;
    if (part_ends(name, DATA_ENDING)) {
        const char *inside = strchr(name, '/') + 1;
        path = NULL;
        for (size_t i = 0; i < ARRAY_LEN(merged); i++) {
            if (begins_with_part(inside, merged[i]))
                path = inside + strlen(merged[i]) + 1;
        }
        for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
            if (begins_with_part(inside, left_out[i]))
                return 0;
        }
        if (path == NULL)
            return FAIL(err, ERR_INVALID,
                        "'%.200s' is for a place that is not known: expected purelib, platlib, "
                        "data, scripts or headers",
                        name);
    }
    if (!is_byte_code(path))
        (void)snprintf(ret_path, WHEEL_PATH_MAX, "%s", path);
    return 0;
}

/* --- the ZIP --- */

static int fail_zip(zip_t *zip, const char *what, struct err *err)
{
    return FAIL(err, ERR_INVALID, "%s: %s", what, zip_strerror(zip));
}

static int look_at(zip_t *zip, size_t place, zip_stat_t *ret, struct err *err)
{
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_ENCRYPTION_METHOD;
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_stat_index(zip, place, 0, ret) < 0)
        return fail_zip(zip, "no readable directory", err);
    if ((ret->valid & wanted) != wanted)
        return FAIL(err, ERR_INVALID, "entry %zu says too little of itself", place);
    if (ret->encryption_method != ZIP_EM_NONE)
        return FAIL(err, ERR_INVALID, "'%.200s' is encrypted", ret->name);
    if (zip_file_get_external_attributes(zip, place, 0, &system, &attributes) < 0)
        return fail_zip(zip, "no readable directory", err);
    const mode_t type = attributes >> 16 & S_IFMT;
    if (system == ZIP_OPSYS_UNIX && type != 0 && type != S_IFREG && type != S_IFDIR)
        return FAIL(err, ERR_INVALID, "'%.200s' is neither a file nor a folder", ret->name);
    return 0;
}

static int read_small(zip_t *zip, const char *name, struct buf *out, struct err *err)
{
    zip_int64_t place = zip_name_locate(zip, name, 0);
    zip_file_t *file = place < 0 ? NULL : zip_fopen_index(zip, (zip_uint64_t)place, 0);
    zip_int64_t len = 1;
    int result = 0;
    if (file == NULL)
        return FAIL(err, ERR_INVALID, "it has no '%.200s'", name);
    while (result == 0 && len > 0) {
        uint8_t piece[4096];
        len = zip_fread(file, piece, sizeof(piece));
        if (len < 0)
            result = FAIL(err, ERR_INVALID, "'%.200s' cannot be unpacked", name);
        else
            result = buf_bytes(out, slice_of(piece, (size_t)len), err);
    }
    (void)zip_fclose(file);
    return result;
}

/* --- what is in it --- */

static int find_info(struct opening *opening, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = zip_get_name(opening->wheel->zip, i, 0);
        size_t len = name == NULL ? 0 : strcspn(name, "/");
        if (name == NULL || !part_ends(name, INFO_ENDING) || len >= sizeof(opening->info) - 16)
            continue;
        if (opening->info[0] == '\0')
            (void)snprintf(opening->info, sizeof(opening->info), "%.*s", (int)len, name);
        else if (strlen(opening->info) != len || memcmp(opening->info, name, len) != 0)
            return FAIL(err, ERR_INVALID, "it has more than one " INFO_ENDING " folder");
    }
    if (opening->info[0] == '\0')
        return FAIL(err, ERR_INVALID, "it has no " INFO_ENDING " folder, so it is no wheel");
    return 0;
}

static int read_metadata(struct opening *opening, struct err *err)
{
    char name[WHEEL_PATH_MAX + 16];
    AUTO_BUF struct buf about = BUF_INIT(METADATA_MAX);
    AUTO_BUF struct buf record = BUF_INIT(RECORD_MAX);
    (void)snprintf(name, sizeof(name), "%s/WHEEL", opening->info);
    if (read_small(opening->wheel->zip, name, &about, err) < 0)
        return -1;
    if (strstr(buf_text(&about), WHEEL_VERSION) == NULL)
        return FAIL(err, ERR_UNSUPPORTED, "it is no wheel of version 1");
    (void)snprintf(name, sizeof(name), "%s/RECORD", opening->info);
    if (read_small(opening->wheel->zip, name, &record, err) < 0)
        return -1;
    return record_parse(buf_slice(&record), &opening->record, err);
}

/* RECORD and what signs it cannot have their own hashes. */
static bool may_lack_hash(const struct opening *opening, const char *name)
{
    static const char *const names[] = {"RECORD", "RECORD.jws", "RECORD.p7s"};
    size_t len = strlen(opening->info);
    if (strncmp(name, opening->info, len) != 0 || name[len] != '/')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name + len + 1, names[i]) == 0)
            return true;
    }
    return false;
}

/* An entry of the ZIP against its row. */
static int check_row(struct opening *opening, const zip_stat_t *entry,
                     const struct record_row **ret, struct err *err)
{
    struct record_row *row = record_find(&opening->record, entry->name);
    *ret = row;
    if (row == NULL)
        return may_lack_hash(opening, entry->name)
                   ? 0
                   : FAIL(err, ERR_INVALID, "'%.200s' is not in RECORD", entry->name);
    if (row->seen)
        return FAIL(err, ERR_INVALID, "'%.200s' is there twice", entry->name);
    row->seen = true;
    if (!row->hashed && !may_lack_hash(opening, entry->name))
        return FAIL(err, ERR_INVALID, "'%.200s' has no hash in RECORD", entry->name);
    if (row->hashed && row->size != entry->size)
        return FAIL(err, ERR_INVALID, "'%.200s' has %llu bytes, RECORD says %llu", entry->name,
                    (unsigned long long)entry->size, (unsigned long long)row->size);
    return 0;
}

static int take_entry(struct opening *opening, size_t place, struct err *err)
{
    zip_stat_t entry;
    const struct record_row *row = NULL;
    char path[WHEEL_PATH_MAX];
    struct wheel *wheel = opening->wheel;
    if (look_at(wheel->zip, place, &entry, err) < 0)
        return -1;
    if (str_ends_with(entry.name, "/")) /* made where something is in it */
        return entry.size == 0
                   ? 0
                   : FAIL(err, ERR_INVALID, "the folder '%.200s' has bytes", entry.name);
    if (wheel_place(entry.name, path, err) < 0 || check_row(opening, &entry, &row, err) < 0)
        return -1;
    if (path[0] == '\0')
        return 0;
    struct wheel_file *file = &wheel->files[wheel->count];
    *file = (struct wheel_file){.path = str_copy(path, err), .place = place, .size = entry.size};
    if (file->path == NULL)
        return -1;
    wheel->count++;
    file->hashed = row != NULL && row->hashed;
    if (file->hashed)
        memcpy(file->sha256, row->sha256, sizeof(file->sha256));
    return 0;
}

static int check_complete(const struct opening *opening, struct err *err)
{
    for (size_t i = 0; i < opening->record.count; i++) {
        const struct record_row *row = &opening->record.rows[i];
        if (!row->seen && !may_lack_hash(opening, row->path))
            return FAIL(err, ERR_INVALID, "'%.200s' of RECORD is missing", row->path);
    }
    return 0;
}

static int take_all(struct opening *opening, struct err *err)
{
    zip_int64_t count = zip_get_num_entries(opening->wheel->zip, 0);
    if (count <= 0 || count > WHEEL_FILES_MAX)
        return FAIL(err, ERR_TOO_LARGE, "it has %lld entries, expected 1 to %d", (long long)count,
                    WHEEL_FILES_MAX);
    opening->wheel->files = mem_alloc_array((size_t)count, sizeof(struct wheel_file), err);
    if (opening->wheel->files == NULL || find_info(opening, (size_t)count, err) < 0 ||
        read_metadata(opening, err) < 0)
        return -1;
    for (size_t i = 0; i < (size_t)count; i++) {
        if (take_entry(opening, i, err) < 0)
            return -1;
    }
    return check_complete(opening, err);
}

int wheel_open(const char *path, struct wheel *ret, struct err *err)
{
    int code = 0;
    struct wheel wheel = {0};
    struct opening opening = {.wheel = &wheel};
    if (!file_exists(path))
        return FAIL(err, ERR_NOT_FOUND, "there is no wheel '%s'", path);
    wheel.zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
    if (wheel.zip == NULL)
        return FAIL(err, ERR_INVALID, "wheel '%s': it is no ZIP archive (libzip error %d)",
                    path_base(path), code);
    int result = take_all(&opening, err);
    record_done(&opening.record);
    if (result == 0) {
        *ret = wheel;
        return 0;
    }
    wheel_done(&wheel);
    return FAIL_CONTEXT(err, "wheel '%s'", path_base(path));
}

void wheel_done(struct wheel *wheel)
{
    for (size_t i = 0; i < wheel->count; i++)
        free(wheel->files[i].path);
    free(wheel->files);
    if (wheel->zip != NULL)
        zip_discard(wheel->zip);
    *wheel = (struct wheel){0};
}

static int pass_on(zip_file_t *from, struct digest *digest, wheel_sink *sink, void *context,
                   struct err *err)
{
    AUTO_FREE uint8_t *piece = mem_alloc(PIECE, err);
    if (piece == NULL)
        return -1;
    for (;;) {
        zip_int64_t len = zip_fread(from, piece, PIECE);
        if (len < 0)
            return FAIL(err, ERR_INVALID, "it cannot be unpacked: %s", zip_file_strerror(from));
        if (len == 0)
            return 0;
        const struct slice bytes = slice_of(piece, (size_t)len);
        if (digest_update(digest, bytes, err) < 0 || sink(context, bytes, err) < 0)
            return -1;
    }
}

int wheel_read(const struct wheel *wheel, const struct wheel_file *file, wheel_sink *sink,
               void *context, struct err *err)
{
    uint8_t found[SHA256_SIZE];
    AUTO_DIGEST struct digest *digest = NULL;
    if (digest_new_sha256(&digest, err) < 0)
        return -1;
    zip_file_t *from = zip_fopen_index(wheel->zip, file->place, 0);
    if (from == NULL)
        return FAIL(err, ERR_INVALID, "'%.200s' cannot be opened", file->path);
    int result = pass_on(from, digest, sink, context, err);
    (void)zip_fclose(from);
    if (result < 0 || digest_final(digest, found, err) < 0)
        return FAIL_CONTEXT(err, "'%.200s'", file->path);
    if (file->hashed && !crypto_equal(found, file->sha256, sizeof(found)))
        return FAIL(err, ERR_INVALID, "'%.200s' is not the file that RECORD names", file->path);
    return 0;
}
