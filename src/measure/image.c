// SPDX-License-Identifier: Apache-2.0
/*
 * image.json, driven by one table of fields in the order of canonical JSON: encoding and strict
 * decoding both walk it. Texts are printable ASCII without what JSON escapes, so they stand there
 * as they are. What is decoded may come from strangers.
 */
#include "measure/image.h"

#include "base/text.h"
#include "format/document.h"

#include <inttypes.h>
#include <stdio.h>

enum field_type { FIELD_TEXT, FIELD_DIGEST, FIELD_NUMBER, FIELD_VERITY };

enum { PATH_SIZE = 40, DEPTH_MAX = 3 };

struct field {
    const char *path; /* keys from the top, with dots */
    enum field_type type;
    size_t offset;
    size_t size;
    size_t present; /* offset of the digest that says whether the object is there; 0: always */
    bool (*valid)(const char *text);
    const char *expected;
};

#define IN_IMAGE(member) offsetof(struct image, member), sizeof(((struct image *)0)->member)
#define TEXT(path, member, valid, expected)                                                        \
    {                                                                                              \
        path, FIELD_TEXT, IN_IMAGE(member), 0, valid, expected                                     \
    }
#define DIGEST(path, member)                                                                       \
    {                                                                                              \
        path, FIELD_DIGEST, IN_IMAGE(member), 0, NULL, NULL                                        \
    }
#define FIRMWARE(tee)                                                                              \
    {"firmware." #tee ".package",                                                                  \
     FIELD_TEXT,                                                                                   \
     IN_IMAGE(firmware_##tee.package),                                                             \
     offsetof(struct image, firmware_##tee.sha256),                                                \
     package_valid,                                                                                \
     PACKAGE_SYNTAX},                                                                              \
    {                                                                                              \
        "firmware." #tee ".sha256", FIELD_DIGEST, IN_IMAGE(firmware_##tee.sha256),                 \
            offsetof(struct image, firmware_##tee.sha256), NULL, NULL                              \
    }

#define NAME_SYNTAX "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
#define PACKAGE_SYNTAX "a package's name, a space, its version"
#define CMDLINE_SYNTAX "words of printable ASCII without quotes and backslashes, one space between"

/* Words of printable ASCII, one space between them, nothing that JSON would escape. */
static bool words_valid(const char *text, size_t max_words)
{
    size_t words = 0;
    bool inside = false;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '"' || *at == '\\')
            return false;
        if (*at == ' ' && !inside)
            return false;
        if (*at != ' ' && !inside)
            words++;
        inside = *at != ' ';
    }
    return inside && words <= max_words;
}

static bool package_valid(const char *text)
{
    return words_valid(text, 2) && strchr(text, ' ') != NULL;
}

static bool cmdline_valid(const char *text)
{
    return words_valid(text, SIZE_MAX);
}

/* "3.11": two numbers. */
static bool python_valid(const char *text)
{
    size_t dots = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool digit = *at >= '0' && *at <= '9';
        if (!digit && (*at != '.' || at == text || at[1] == '\0'))
            return false;
        dots += digit ? 0 : 1;
    }
    return dots == 1;
}

/* Sorted as RFC 8785 has it: the keys of each object by their bytes. */
static const struct field fields[] = {
    TEXT("cmdline", cmdline, cmdline_valid, CMDLINE_SYNTAX),
    FIRMWARE(snp),
    FIRMWARE(tdx),
    {"format", FIELD_NUMBER, 0, 0, 0, NULL, NULL},
    DIGEST("initrd.sha256", initrd),
    TEXT("kernel.package", kernel.package, package_valid, PACKAGE_SYNTAX),
    DIGEST("kernel.sha256", kernel.sha256),
    DIGEST("lock", lock),
    {"memory_min", FIELD_NUMBER, IN_IMAGE(memory_min), 0, NULL, NULL},
    TEXT("name", name, name_valid, NAME_SYNTAX),
    TEXT("python", python, python_valid, "a version like 3.11"),
    DIGEST("root.sha256", root),
    {"root.verity", FIELD_VERITY, IN_IMAGE(verity), 0, NULL, NULL},
    DIGEST("runtime", runtime),
};

static const void *member(const struct field *field, const struct image *image)
{
    return (const char *)image + field->offset;
}

static void *member_of(const struct field *field, struct image *image)
{
    return (char *)image + field->offset;
}

/* Is the object that the field is in part of this image? */
static bool applies(const struct field *field, const struct image *image)
{
    const char *digest = (const char *)image + field->present;
    return field->present == 0 || !slice_is_zero(slice_of(digest, SHA256_SIZE));
}

/* How many words of the command line begin with `key`; the last one's rest is in `ret`. */
static size_t find_words(const char *cmdline, const char *key, char *ret, size_t size)
{
    size_t found = 0;
    for (const char *at = cmdline; *at != '\0';) {
        size_t len = strcspn(at, " ");
        if (str_starts_with(at, key)) {
            (void)snprintf(ret, size, "%.*s", (int)(len - strlen(key)), at + strlen(key));
            found++;
        }
        at += len;
        at += *at == ' ' ? 1 : 0;
    }
    return found;
}

static int check_word(const struct image *image, const char *key, const char *expected,
                      const char *field, struct err *err)
{
    char found[VERITY_TEXT_SIZE + 1];
    size_t count = find_words(image->cmdline, key, found, sizeof(found));
    if (count != 1)
        return FAIL(err, ERR_INVALID, "image: the command line has '%s' %zu times, expected once",
                    key, count);
    if (strcmp(found, expected) != 0)
        return FAIL(err, ERR_INVALID, "image: the command line's '%s' is '%s', key '%s' is '%s'",
                    key, found, field, expected);
    return 0;
}

/* The guest believes its command line alone: what it says there must be what the fields say. */
static int check_cmdline(const struct image *image, struct err *err)
{
    char verity[VERITY_TEXT_SIZE];
    char memory[21];
    verity_text(&image->verity, verity);
    (void)snprintf(memory, sizeof(memory), "%" PRIu64, image->memory_min);
    if (check_word(image, "mse.root=", verity, "root.verity", err) < 0)
        return -1;
    return check_word(image, "mse.memory=", memory, "memory_min", err);
}

static int check_field(const struct field *field, const struct image *image, struct err *err)
{
    const void *value = member(field, image);
    switch (field->type) {
    case FIELD_TEXT:
        if (memchr(value, '\0', field->size) == NULL || !field->valid(value))
            return FAIL(err, ERR_INVALID, "image: key '%s' is '%.*s', expected %s", field->path,
                        (int)field->size, (const char *)value, field->expected);
        return 0;
    case FIELD_DIGEST:
        if (slice_is_zero(slice_of(value, field->size)))
            return FAIL(err, ERR_INVALID, "image: key '%s' is all zeros", field->path);
        return 0;
    case FIELD_VERITY:
        if (image->verity.blocks == 0 || image->verity.blocks > VERITY_BLOCKS_MAX ||
            slice_is_zero(slice_of(image->verity.root, VERITY_ROOT_SIZE)))
            return FAIL(err, ERR_INVALID, "image: key '%s' has no root or no blocks", field->path);
        return 0;
    case FIELD_NUMBER:
        if (field->size > 0 &&
            (image->memory_min < IMAGE_MEMORY_MIN || image->memory_min > IMAGE_MEMORY_MAX))
            return FAIL(err, ERR_INVALID, "image: key '%s' is %" PRIu64 ", expected %d to %" PRIu64,
                        field->path, image->memory_min, IMAGE_MEMORY_MIN, IMAGE_MEMORY_MAX);
        return 0;
    }
    return FAIL(err, ERR_INTERNAL, "image: unknown type of field");
}

static int check_image(const struct image *image, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (applies(&fields[i], image) && check_field(&fields[i], image, err) < 0)
            return -1;
    }
    return check_cmdline(image, err);
}

static int put_value(const struct field *field, const struct image *image, struct buf *out,
                     struct err *err)
{
    char verity[VERITY_TEXT_SIZE];
    switch (field->type) {
    case FIELD_TEXT:
        return buf_printf(out, err, "\"%s\"", (const char *)member(field, image));
    case FIELD_VERITY:
        verity_text(&image->verity, verity);
        return buf_printf(out, err, "\"%s\"", verity);
    case FIELD_NUMBER:
        return buf_printf(out, err, "%" PRIu64,
                          field->size == 0 ? (uint64_t)IMAGE_FORMAT : image->memory_min);
    case FIELD_DIGEST:
        if (buf_u8(out, '"', err) < 0 ||
            hex_append(out, slice_of(member(field, image), field->size), err) < 0)
            return -1;
        return buf_u8(out, '"', err);
    }
    return FAIL(err, ERR_INTERNAL, "image: unknown type of field");
}

/* Bytes that two paths have in common, up to the last dot. */
static size_t common_objects(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
        if (a[i] == '.')
            common = i + 1;
    }
    return common;
}

static size_t count_dots(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '.' ? 1 : 0;
    return count;
}

/* Closes the objects that `before` was in and `path` is not, opens those of `path`. */
static int put_key(const char *before, const char *path, struct buf *out, struct err *err)
{
    size_t common = common_objects(before, path);
    for (size_t i = count_dots(before + common); i > 0; i--) {
        if (buf_u8(out, '}', err) < 0)
            return -1;
    }
    if (before[0] != '\0' && buf_u8(out, ',', err) < 0)
        return -1;
    const char *at = path + common;
    for (const char *dot = strchr(at, '.'); dot != NULL; dot = strchr(at, '.')) {
        if (buf_printf(out, err, "\"%.*s\":{", (int)(dot - at), at) < 0)
            return -1;
        at = dot + 1;
    }
    return buf_printf(out, err, "\"%s\":", at);
}

int image_encode(const struct image *image, struct buf *out, struct err *err)
{
    const char *before = "";
    if (check_image(image, err) < 0 || buf_u8(out, '{', err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!applies(&fields[i], image))
            continue;
        if (put_key(before, fields[i].path, out, err) < 0 ||
            put_value(&fields[i], image, out, err) < 0)
            return -1;
        before = fields[i].path;
    }
    return buf_u8(out, '}', err); /* the last field is at the top */
}

/* The object that a field is in; NULL where it, or one around it, is absent. */
static const struct doc_node *object_of(const struct doc_node *top, const char *path,
                                        const char **ret_key)
{
    const char *at = path;
    for (const char *dot = strchr(at, '.'); dot != NULL; dot = strchr(at, '.')) {
        char name[PATH_SIZE];
        (void)snprintf(name, sizeof(name), "%.*s", (int)(dot - at), at);
        top = doc_get(top, name);
        at = dot + 1;
    }
    *ret_key = at;
    return top;
}

static int read_text(struct arena *arena, const struct field *field, const struct doc_node *object,
                     const char *key, char *to, size_t size, struct err *err)
{
    struct slice text;
    if (doc_get_string(arena, object, key, &text, err) < 0)
        return FAIL_CONTEXT(err, "image: key '%s'", field->path);
    if (text.len >= size || memchr(text.data, '\0', text.len) != NULL)
        return FAIL(err, ERR_INVALID, "image: key '%s' has %zu bytes, expected at most %zu",
                    field->path, text.len, size - 1);
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    return 0;
}

static int read_value(struct arena *arena, const struct field *field, const struct doc_node *object,
                      const char *key, struct image *image, struct err *err)
{
    char verity[VERITY_TEXT_SIZE + 1];
    uint64_t number;
    switch (field->type) {
    case FIELD_TEXT:
        return read_text(arena, field, object, key, member_of(field, image), field->size, err);
    case FIELD_DIGEST:
        if (doc_get_hex(object, key, member_of(field, image), field->size, err) < 0)
            return FAIL_CONTEXT(err, "image: key '%s'", field->path);
        return 0;
    case FIELD_VERITY:
        if (read_text(arena, field, object, key, verity, sizeof(verity), err) < 0)
            return -1;
        return verity_parse(verity, &image->verity, err);
    case FIELD_NUMBER:
        if (doc_get_number(object, key, IMAGE_MEMORY_MAX, &number, err) < 0)
            return FAIL_CONTEXT(err, "image: key '%s'", field->path);
        if (field->size > 0)
            image->memory_min = number;
        else if (number != IMAGE_FORMAT)
            return FAIL(err, ERR_UNSUPPORTED,
                        "image: format %" PRIu64 ", this version knows format %d", number,
                        IMAGE_FORMAT);
        return 0;
    }
    return FAIL(err, ERR_INTERNAL, "image: unknown type of field");
}

static bool is_known(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strncmp(fields[i].path, path, len) == 0 &&
            (fields[i].path[len] == '\0' || fields[i].path[len] == '.'))
            return true;
    }
    return false;
}

/* Refuses members that no field has, by their path. */
static int check_keys(const struct doc_node *object, const char *prefix, size_t depth,
                      struct err *err)
{
    for (const struct doc_node *node = object->child; node != NULL; node = node->next) {
        char path[PATH_SIZE];
        int len = snprintf(path, sizeof(path), "%s%s%.*s", prefix, prefix[0] == '\0' ? "" : ".",
                           (int)(node->name.len < PATH_SIZE ? node->name.len : PATH_SIZE),
                           (const char *)node->name.data);
        if (len < 0 || len >= PATH_SIZE || !is_known(path))
            return FAIL(err, ERR_INVALID, "image: unknown key '%s'", path);
        if (node->type == DOC_OBJECT && depth < DEPTH_MAX &&
            check_keys(node, path, depth + 1, err) < 0)
            return -1;
    }
    return 0;
}

static int read_fields(struct arena *arena, const struct doc_node *top, struct image *image,
                       struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *key;
        const struct doc_node *object = object_of(top, fields[i].path, &key);
        bool optional = fields[i].present != 0;
        if (optional && object == NULL)
            continue;
        if (read_value(arena, &fields[i], object, key, image, err) < 0)
            return -1;
        if (optional && check_field(&fields[i], image, err) < 0)
            return -1;
    }
    return 0;
}

static int check_canonical(struct slice bytes, const struct image *image, struct err *err)
{
    AUTO_BUF struct buf again = BUF_INIT(IMAGE_MAX);
    if (image_encode(image, &again, err) < 0)
        return -1;
    size_t i = 0;
    while (i < bytes.len && i < again.len && bytes.data[i] == again.data[i])
        i++;
    if (i == bytes.len && i == again.len)
        return 0;
    return FAIL(err, ERR_INVALID,
                "image: not canonical JSON (RFC 8785): byte %zu is not as it must be", i);
}

static int decode(struct arena *arena, struct slice bytes, struct image *image, struct err *err)
{
    const struct doc_node *top;
    if (bytes.len > IMAGE_MAX)
        return FAIL(err, ERR_TOO_LARGE, "image: %zu bytes, at most %d", bytes.len, IMAGE_MAX);
    if (doc_parse(arena, bytes, "image", &top, err) < 0)
        return -1;
    if (top->type != DOC_OBJECT)
        return FAIL(err, ERR_INVALID, "image: expected a JSON object");
    if (check_keys(top, "", 0, err) < 0 || read_fields(arena, top, image, err) < 0)
        return -1;
    return check_canonical(bytes, image, err);
}

int image_decode(struct slice bytes, struct image *ret, struct err *err)
{
    struct arena arena = {0};
    struct image image = {.memory_min = 0};
    int result = decode(&arena, bytes, &image, err);
    arena_done(&arena);
    if (result == 0)
        *ret = image;
    return result;
}

/* What a command line has in an image for use: this word once, with this value, or (NULL) never. */
static const struct {
    const char *key;
    const char *value;
    const char *weakness;
} hardening[] = {
    {"acpi=", "off", "ACPI is on: the operator's ACPI code runs inside the guest's kernel"},
    {"console=", "mse",
     "a debug image: what the kernel and mse-init print, the registers of an oops included, goes "
     "to "
     "a console that the operator reads"},
    {"earlyprintk", NULL, "the kernel prints early to a console that the operator reads"},
    {"earlycon", NULL, "the kernel prints early to a console that the operator reads"},
    {"lockdown=", "integrity", "the kernel is not locked down"},
    {"module.sig_enforce=", "1", "the kernel loads modules that nobody has signed"},
    {"init_on_alloc=", "1", "the kernel does not clear the memory that it hands out"},
    {"rdinit=", NULL, "another program than /init starts first"},
};

const char *image_weakness(const struct image *image, size_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(hardening); i++) {
        char value[16];
        size_t count = find_words(image->cmdline, hardening[i].key, value, sizeof(value));
        bool fine = hardening[i].value == NULL
                        ? count == 0
                        : count == 1 && strcmp(value, hardening[i].value) == 0;
        if (!fine && index-- == 0)
            return hardening[i].weakness;
    }
    return NULL;
}
