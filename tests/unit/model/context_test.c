// SPDX-License-Identifier: Apache-2.0
/*
 * Contexts: both kinds come back as they were, and no other text is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/context.h"

#include "model/manifest_sample.h"

static void fill(struct context *context, bool exported)
{
    struct err err = ERR_INIT;
    struct manifest manifest = manifest_sample();
    AUTO_BUF struct buf bytes = BUF_INIT(MANIFEST_MAX);
    assert_int_equal(manifest_encode(&manifest, &bytes, &err), 0);
    *context = (struct context){
        .exported = exported,
        .project = "default",
        .node = exported ? NULL : str_copy("/run/mse/msed.sock", &err),
        .url = str_copy("https://localhost:4711", &err),
        .tee = "simulation",
        .has_simulation_root = true,
        .created = 1790000000,
        .manifest = buf_steal_text(&bytes, &err),
    };
    memcpy(context->id, manifest.id, sizeof(context->id));
    memcpy(context->name, manifest.name, sizeof(context->name));
    memset(context->salt, 7, sizeof(context->salt));
    if (exported)
        context->storage = (struct storage_mark){.opening = 5, .head = {9}};
    memset(context->simulation_root, 8, sizeof(context->simulation_root));
}

static void comes_back(void **state)
{
    (void)state;
    for (int exported = 0; exported < 2; exported++) {
        struct err err = ERR_INIT;
        AUTO_CONTEXT struct context context;
        AUTO_CONTEXT struct context again = {0};
        AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
        fill(&context, exported == 1);
        assert_int_equal(context_encode(&context, &text, &err), 0);
        assert_int_equal(context_decode(buf_slice(&text), "context", &again, &err), 0);
        assert_string_equal(again.id, context.id);
        assert_string_equal(again.url, context.url);
        assert_string_equal(again.manifest, context.manifest);
        assert_memory_equal(again.salt, context.salt, sizeof(again.salt));
        assert_memory_equal(again.simulation_root, context.simulation_root, 32);
        assert_int_equal(again.exported, exported);
        assert_true((again.node == NULL) == (exported == 1));
        assert_int_equal(again.storage.opening, context.storage.opening);
        assert_memory_equal(again.storage.head, context.storage.head, STORAGE_HEAD_SIZE);
    }
}

static enum err_kind decode_kind(const char *text)
{
    struct err err = ERR_INIT;
    AUTO_CONTEXT struct context context = {0};
    (void)!context_decode(slice_str(text), "context", &context, &err);
    return err.kind;
}

static void replace(struct buf *text, const char *from, const char *to)
{
    struct err err = ERR_INIT;
    char *place = strstr(buf_text(text), from);
    assert_non_null(place);
    AUTO_FREE char *rest = str_copy(place + strlen(from), &err);
    text->len = (size_t)(place - buf_text(text));
    assert_int_equal(buf_str(text, to, &err), 0);
    assert_int_equal(buf_str(text, rest, &err), 0);
}

static void refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        enum err_kind kind;
    } cases[] = {
        {"\"format\":1", "\"format\":2", ERR_UNSUPPORTED},
        {"\"kind\":\"context\"", "\"kind\":\"other\"", ERR_INVALID},
        {"\"project\"", "\"projekt\"", ERR_INVALID},
        {"\"id\":\"0b1f", "\"id\":\"4b1f", ERR_INVALID},
        {"\"created\":1790000000", "\"created\":\"now\"", ERR_INVALID},
        {"\"salt\":\"07", "\"salt\":\"zz", ERR_INVALID},
        {"\"name\":\"helloworld\"", "\"name\":\"other\"", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        AUTO_CONTEXT struct context context;
        AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
        fill(&context, false);
        assert_int_equal(context_encode(&context, &text, &err), 0);
        replace(&text, cases[i].from, cases[i].to);
        assert_int_equal(decode_kind(buf_text(&text)), cases[i].kind);
    }
    assert_int_equal(decode_kind(""), ERR_INVALID);
    assert_int_equal(decode_kind("[]"), ERR_INVALID);
    assert_int_equal(decode_kind("{}"), ERR_INVALID);
}

/* It is of the exported kind alone, one opening, and whole. */
static void refuses_other_storage(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
    } cases[] = {
        {"\"opening\":5", "\"opening\":0"},
        {"\"opening\":5", "\"opening\":5,\"more\":1"},
        {"\"opening\":5", "\"opened\":5"},
        {"\"head\":\"09", "\"head\":\""},
        {"\"kind\":\"verification\"", "\"kind\":\"context\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        AUTO_CONTEXT struct context context;
        AUTO_BUF struct buf text = BUF_INIT(CONTEXT_MAX);
        fill(&context, true);
        assert_int_equal(context_encode(&context, &text, &err), 0);
        assert_int_equal(decode_kind(buf_text(&text)), ERR_NONE);
        replace(&text, cases[i].from, cases[i].to);
        assert_int_equal(decode_kind(buf_text(&text)), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(refuses_what_it_does_not_understand),
        cmocka_unit_test(refuses_other_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
