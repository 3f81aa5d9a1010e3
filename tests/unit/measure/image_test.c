// SPDX-License-Identifier: Apache-2.0
/*
 * image.json: one byte string for one image, every value checked, and what makes an image weak.
 */
#include "known.h"

#include "measure/image.h"

static void read_image(struct buf *file, struct image *ret)
{
    known_read("image.json", file);
    OK(image_decode(buf_slice(file), ret, &err));
}

static void the_fields_of_an_image(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    struct image image;
    read_image(&file, &image);
    assert_string_equal(image.name, "mse-flask");
    assert_string_equal(image.python, "3.11");
    assert_string_equal(image.firmware_snp.package, "ovmf-amdsev 2026.08+ds-2");
    assert_digest(image.firmware_snp.sha256, SHA256_SIZE,
                  "3e4fd0b3fe3b2dbe481c3d9e99418a034174f26cbe1f55aa212b0f18c12d2d6f");
    assert_string_equal(image.firmware_tdx.package, "ovmf-generic 2026.08+ds-2");
    assert_digest(image.kernel.sha256, SHA256_SIZE,
                  "fadf27c4528461030ddff1d20e6622f76e1e007f7c64796f5ad9b71e37267a6f");
    assert_true(image.verity.blocks == 8158);
    assert_true(image.memory_min == 268435456);
    assert_digest(image.runtime, SHA256_SIZE,
                  "9d329c1aa9c0a13ad4e7788bfedc9878ca5d288768682ee138a8c755b85558bb");
    assert_null(image_weakness(&image, 0));
}

static void encode_gives_the_same_bytes(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf again = BUF_INIT(IMAGE_MAX);
    struct image image;
    struct image twice;
    read_image(&file, &image);
    OK(image_encode(&image, &again, &err));
    assert_true(slice_equal(buf_slice(&file), buf_slice(&again)));

    /* without firmware: for the simulated TEE alone */
    memset(&image.firmware_snp, 0, sizeof(image.firmware_snp));
    buf_clear(&again);
    OK(image_encode(&image, &again, &err));
    assert_null(strstr(buf_text(&again), "amdsev"));
    assert_non_null(strstr(buf_text(&again), ",\"firmware\":{\"tdx\":{\"package\""));
    OK(image_decode(buf_slice(&again), &twice, &err));
    assert_memory_equal(&twice.firmware_snp, &image.firmware_snp, sizeof(image.firmware_snp));
    memset(&image.firmware_tdx, 0, sizeof(image.firmware_tdx));
    buf_clear(&again);
    OK(image_encode(&image, &again, &err));
    assert_null(strstr(buf_text(&again), "firmware"));
    OK(image_decode(buf_slice(&again), &twice, &err));
}

/* Every byte is part of a value, a key or the syntax: another byte is refused or another image. */
static void every_byte_counts(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    struct image image;
    struct image other;
    size_t accepted = 0;
    read_image(&file, &image);
    for (size_t i = 0; i < file.len; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            file.data[i] ^= (uint8_t)bit;
            if (image_decode(buf_slice(&file), &other, NULL) == 0) {
                accepted++;
                assert_memory_not_equal(&other, &image, sizeof(image));
            }
            file.data[i] ^= (uint8_t)bit;
        }
    }
    assert_true(accepted > 500); /* digests, names, versions */
}

static void cut_descriptions_are_refused(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    struct image image;
    read_image(&file, &image);
    for (size_t len = 0; len < file.len; len++)
        assert_int_equal(image_decode(slice_of(file.data, len), &image, NULL), -1);
}

static const struct {
    const char *from;
    const char *to;
    enum err_kind kind;
    const char *part;
} changed[] = {
    {"\"format\":1", "\"format\":2", ERR_UNSUPPORTED, "format 2, this version knows format 1"},
    {"\"format\":1,", "", ERR_INVALID, "key 'format'"},
    {"\"name\":\"mse-flask\"", "\"name\":\"mse flask\"", ERR_INVALID, "key 'name' is 'mse flask'"},
    {"\"name\":\"mse-flask\"", "\"name\":\"\"", ERR_INVALID, "key 'name'"},
    {"\"python\":\"3.11\"", "\"python\":\"3\"", ERR_INVALID, "key 'python'"},
    {"\"python\":\"3.11\"", "\"python\":\"3.1.1\"", ERR_INVALID, "key 'python'"},
    {"\"python\":\"3.11\"", "\"python\":\"3.11.12345678901234\"", ERR_INVALID, "at most 15"},
    {"\"python\":\"3.11\"", "\"python\":3.11", ERR_INVALID, "key 'python'"},
    {"\"memory_min\":268435456", "\"memory_min\":1", ERR_INVALID, "key 'memory_min' is 1"},
    {"\"memory_min\":268435456", "\"memory_min\":268435457", ERR_INVALID, "'mse.memory='"},
    {"mse.memory=268435456", "mse.memory=268435457", ERR_INVALID, "'mse.memory=' is '268435457'"},
    {"mse.memory=268435456", "mse.memory=0268435456", ERR_INVALID, "'mse.memory='"},
    {"mse.memory=268435456 ", "", ERR_INVALID, "'mse.memory=' 0 times"},
    {"acpi=off", "mse.memory=268435456", ERR_INVALID, "'mse.memory=' 2 times"},
    {"acpi=off", "mse.root=x", ERR_INVALID, "'mse.root=' 2 times"},
    {"\"verity\":\"69", "\"verity\":\"79", ERR_INVALID, "'mse.root='"},
    {"\"verity\":\"69", "\"verity\":\"6", ERR_INVALID, "ROOT:BLOCKS:SALT"},
    {":8158:", ":8159:", ERR_INVALID, "'mse.root='"},
    {"mse.root=", "mse.root=x", ERR_INVALID, "'mse.root='"},
    {"init_on_alloc=1 ", "init_on_alloc=1  ", ERR_INVALID, "one space between"},
    {"init_on_alloc=1", "init=\\\"a b\\\"", ERR_INVALID, "without quotes"},
    {"acpi=off", "acpi=off\\u0001", ERR_INVALID, "key 'cmdline'"},
    {"acpi=off", "acpi=off\\u0000", ERR_INVALID, "a zero character"},
    {"\"package\":\"ovmf-amdsev 2026.08+ds-2\"", "\"package\":\"ovmf-amdsev\"", ERR_INVALID,
     "key 'firmware.snp.package'"},
    {"\"package\":\"ovmf-amdsev 2026.08+ds-2\",", "", ERR_INVALID, "key 'firmware.snp.package'"},
    {"3e4fd0b3fe3b2dbe481c3d9e99418a034174f26cbe1f55aa212b0f18c12d2d6f",
     "0000000000000000000000000000000000000000000000000000000000000000", ERR_INVALID,
     "key 'firmware.snp.sha256' is all zeros"},
    {"9d329c1aa9c0a13ad4e7788bfedc9878ca5d288768682ee138a8c755b85558bb",
     "9D329c1aa9c0a13ad4e7788bfedc9878ca5d288768682ee138a8c755b85558bb", ERR_INVALID,
     "not canonical"},
    {"9d329c1aa9c0a13ad4e7788bfedc9878ca5d288768682ee138a8c755b85558bb", "9d", ERR_INVALID,
     "key 'runtime'"},
    {"\"name\":", "\"nome\":", ERR_INVALID, "unknown key 'nome'"},
    {"\"initrd\":{", "\"initrd\":{\"package\":\"a 1\",", ERR_INVALID,
     "unknown key 'initrd.package'"},
    {"\"tdx\":{", "\"sgx\":{", ERR_INVALID, "unknown key 'firmware.sgx'"},
    {"\"initrd\":{", "\"initrd\": {", ERR_INVALID, "not canonical JSON (RFC 8785)"},
    {"\"format\":1", "\"format\":1.0", ERR_INVALID, "key 'format'"},
    {"\"name\":\"mse-flask\"", "\"name\":\"mse\\u002dflask\"", ERR_INVALID, "not canonical"},
    {"{\"cmdline\"", "[{\"cmdline\"", ERR_INVALID, "image"},
    {"\"root\":{", "\"root\":1,\"roof\":{", ERR_INVALID, "unknown key 'roof'"},
};

/* `text` with the first `from` in it exchanged. */
static void exchange(const char *text, const char *from, const char *to, struct buf *out)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    buf_clear(out);
    OK(buf_printf(out, &err, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)));
}

static void each_wrong_value_is_named(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf other = BUF_INIT(IMAGE_MAX);
    struct image image;
    read_image(&file, &image);
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        exchange(buf_text(&file), changed[i].from, changed[i].to, &other);
        err = ERR_INIT;
        if (image_decode(buf_slice(&other), &image, &err) == 0 || err.kind != changed[i].kind ||
            strstr(err.message, changed[i].part) == NULL)
            fail_msg("%s -> %s: '%s'", changed[i].from, changed[i].to, err.message);
    }
    assert_non_null(buf_reserve(&other, IMAGE_MAX - other.len, &err));
    FAILS(ERR_TOO_LARGE, "at most",
          image_decode(slice_of(other.data, (size_t)IMAGE_MAX + 1), &image, &err));
}

static void a_struct_is_checked_too(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf out = BUF_INIT(IMAGE_MAX);
    struct image good;
    read_image(&file, &good);
    struct image image = good;
    memset(image.lock, 0, sizeof(image.lock));
    FAILS(ERR_INVALID, "key 'lock' is all zeros", image_encode(&image, &out, &err));
    image = good;
    memset(image.name, 'a', sizeof(image.name)); /* no zero byte at the end */
    FAILS(ERR_INVALID, "key 'name'", image_encode(&image, &out, &err));
    image = good;
    image.verity.blocks = 0;
    FAILS(ERR_INVALID, "key 'root.verity'", image_encode(&image, &out, &err));
}

static const struct {
    const char *from;
    const char *to;
    const char *part;
} weak[] = {
    {"acpi=off ", "", "ACPI"},
    {"acpi=off", "acpi=off acpi=force", "ACPI"},
    {"console=mse", "console=ttyS0", "a debug image"},
    {"console=mse", "console=mse console=ttyS0", "a debug image"},
    {"console=mse ", "", "a debug image"},
    {"console=mse", "console=mse earlyprintk=serial", "prints early"},
    {"console=mse", "console=mse earlycon", "prints early"},
    {"lockdown=integrity ", "", "not locked down"},
    {"module.sig_enforce=1", "module.sig_enforce=0", "modules that nobody has signed"},
    {"init_on_alloc=1 ", "", "does not clear the memory"},
    {"console=mse", "console=mse rdinit=/bin/sh", "another program"},
};

static void a_weak_command_line_is_told(void **state)
{
    (void)state;
    AUTO_BUF struct buf file = BUF_INIT(IMAGE_MAX);
    AUTO_BUF struct buf other = BUF_INIT(IMAGE_MAX);
    struct image image;
    read_image(&file, &image);
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        exchange(buf_text(&file), weak[i].from, weak[i].to, &other);
        OK(image_decode(buf_slice(&other), &image, &err));
        assert_non_null(image_weakness(&image, 0));
        if (strstr(image_weakness(&image, 0), weak[i].part) == NULL)
            fail_msg("%s: '%s'", weak[i].to, image_weakness(&image, 0));
        assert_null(image_weakness(&image, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_of_an_image),
        cmocka_unit_test(encode_gives_the_same_bytes),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(cut_descriptions_are_refused),
        cmocka_unit_test(each_wrong_value_is_named),
        cmocka_unit_test(a_struct_is_checked_too),
        cmocka_unit_test(a_weak_command_line_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
