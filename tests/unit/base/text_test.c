// SPDX-License-Identifier: Apache-2.0
/*
 * Text encodings against the vectors of RFC 4648 and the Unicode standard.
 */
#include "base/text.h"

#include "testing.h"

static void test_base64(void **state)
{
    static const struct {
        const char *plain;
        const char *encoded;
    } vectors[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        AUTO_BUF struct buf encoded = BUF_INIT(100);
        AUTO_BUF struct buf plain = BUF_INIT(100);
        OK(base64_append(&encoded, slice_str(vectors[i].plain), &err));
        assert_string_equal(buf_text(&encoded), vectors[i].encoded);
        OK(base64_decode_append(&plain, buf_slice(&encoded), "text", &err));
        assert_string_equal(buf_text(&plain), vectors[i].plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
