/* YAML files as settings. */
#include "job/test_settings_fixture.h"

static void nested_and_dotted(void **state) {
    (void)state;
    is(YAML("window:\n  size: 1m\n"), "window.size", "1m", "job.yaml:2");
    is(YAML("window.size: 1m\n"), "window.size", "1m", "job.yaml:1");
    is(YAML("window: {size: 1m, offset: 10s}\n"), "window.offset", "10s", "job.yaml:1");
    is(YAML("{\"window\": {\"size\": \"1m\"}}"), "window.size", "1m", "job.yaml:1");
    is(YAML("window.offset: 10s\nwindow:\n  size: 1m\n"), "window.size", "1m", "job.yaml:3");
    is(YAML("# clicks\n---\nname: 'clicks'\n...\n"), "name", "clicks", "job.yaml:3");
    is(YAML("checkpoint.max_replay: 5000\n"), "checkpoint.max_replay", "5000", "job.yaml:1");
    is(YAML("s3: {path_style: yes}\n"), "s3.path_style", "true", "job.yaml:1");
}

static void nothing(void **state) {
    (void)state;
    is(YAML(""), "name", "clickstream", "default");
    is(YAML("# only a comment\n"), "name", "clickstream", "default");
    is(YAML("---\n"), "name", "clickstream", "default");
    is(YAML("window:\n"), "window.size", "5m", "default");
    is(YAML("window: {}\n"), "window.size", "5m", "default");
    is(YAML("name:\n"), "name", "clickstream", "default");
    is(YAML("name: ~\n"), "name", "clickstream", "default");
    is(YAML("name: null\n"), "name", "clickstream", "default");
    is(YAML("name: ''\n"), "name", "clickstream", "default");
    is(YAML("name: 'null'\n"), "name", "null", "job.yaml:1");
    is(YAML("kafka.properties:\nkafka: {topic: t}\n"), "kafka.topic", "t", "job.yaml:2");
}

static void assignment_list(void **state) {
    (void)state;
    is(YAML("kafka: {assignment: [2, 0]}\n"), "kafka.assignment", "0,2", "job.yaml:1");
    is(YAML("kafka:\n  assignment:\n  - 1\n"), "kafka.assignment", "1", "job.yaml:2");
    is(YAML("kafka.assignment: 3\n"), "kafka.assignment", "3", "job.yaml:1");
    refuses(YAML("kafka.assignment: []\n"), "job.yaml:1:1: kafka.assignment names no partition");
    refuses(YAML("kafka.assignment: [[1]]\n"),
            "job.yaml:1:20: kafka.assignment lists numbers only");
    refuses(YAML("kafka.assignment: [all]\n"),
            "job.yaml:1:20: kafka.assignment lists numbers only");
    refuses(YAML("name: [a]\n"),
            "job.yaml:1:1: lists are not supported; only kafka.assignment takes one");
}

static void properties(void **state) {
    (void)state;
    is(YAML("kafka:\n  properties:\n    sasl:\n      username: me\n"),
       "kafka.properties.sasl.username", "me", "job.yaml:4");
    is(YAML("kafka.properties: {client.id: x, client.rack: y}\n"), "kafka.properties.client.rack",
       "y", "job.yaml:1");
    is(YAML("kafka.properties.client.id: x\n"), "kafka.properties.client.id", "x", "job.yaml:1");
    refuses(YAML("kafka.properties: {client id: x}\n"),
            "job.yaml:1:20: \"client id\" is no name of a librdkafka property");
    refuses(YAML("kafka.properties: x\n"),
            "job.yaml:1:1: kafka.properties holds further settings, not a value");
}

static void unknown_keys(void **state) {
    (void)state;
    refuses(YAML("name: a\nwindow:\n  sise: 1m\n"),
            "job.yaml:3:3: unknown setting \"window.sise\"; the nearest is window.size");
    refuses(YAML("windwo:\n  size: 1m\n"),
            "job.yaml:1:1: unknown setting \"windwo\"; the nearest is window");
    refuses(YAML("topic: clicks\n"),
            "job.yaml:1:1: unknown setting \"topic\"; the nearest is kafka.topic");
    refuses(YAML("kafka: {security.protocol: ssl}\n"),
            "job.yaml:1:9: unknown setting \"kafka.security.protocol\"; the nearest is "
            "kafka.start (librdkafka's own stand below kafka.properties)");
    refuses(YAML("window: 5m\n"), "job.yaml:1:1: window holds further settings, not a value");
    refuses(YAML("name: {first: a}\n"), "job.yaml:1:1: name takes one value, not further settings");
    refuses(YAML("<<: {name: a}\n"), "job.yaml:1:1: unknown setting \"<<\"; the nearest is s3");
}

static void repeated_keys(void **state) {
    (void)state;
    refuses(YAML("name: a\nname: b\n"),
            "job.yaml:2:1: name stands here again (first: job.yaml:1:1)");
    refuses(YAML("window: {size: 1m}\nwindow.size: 1m\n"),
            "job.yaml:2:1: window.size stands here again (first: job.yaml:1:10)");
    refuses(YAML("window: {size: 1m}\nwindow: {offset: 1s}\n"),
            "job.yaml:2:1: window stands here again (first: job.yaml:1:1)");
    refuses(YAML("kafka.properties.client.id: a\nkafka: {properties: {client: {id: b}}}\n"),
            "job.yaml:2:31: kafka.properties.client.id stands here again (first: job.yaml:1:1)");
    refuses(YAML("name:\nname: b\n"), "job.yaml:2:1: name stands here again (first: job.yaml:1:1)");
}

static void values_name_their_line(void **state) {
    (void)state;
    refuses(YAML("name: a\n\nwindow:\n  size: 5 minuts\n"),
            "job.yaml:4: window.size: \"5 minuts\" is not a duration (write 500ms, 30s, 5m, 1h or "
            "1d)");
    refuses(YAML("name: \"a\\0b\"\n"), "job.yaml:1:7: a NUL character is not supported");
}

static void what_yaml_has_beyond(void **state) {
    (void)state;
    refuses(YAML("name: &x a\n"), "job.yaml:1:7: anchors (&name) are not supported");
    refuses(YAML("window: &x {size: 1m}\n"), "job.yaml:1:9: anchors (&name) are not supported");
    refuses(YAML("name: *x\n"), "job.yaml:1:7: aliases (*name) are not supported");
    refuses(YAML("name: !!str a\n"), "job.yaml:1:7: tags (!name) are not supported");
    refuses(YAML("name: a\n---\nname: b\n"),
            "job.yaml:2:1: a second document begins here; only one is supported");
    refuses(YAML("- name\n"), "job.yaml:1:1: settings are expected here (key: value)");
    refuses(YAML("name\n"), "job.yaml:1:1: settings are expected here (key: value)");
    refuses(YAML("? [a]\n: b\n"), "job.yaml:1:3: a setting's name is expected here");
    refuses(YAML("? {a: b}\n: b\n"), "job.yaml:1:3: a setting's name is expected here");
}

static void deep_maps(void **state) {
    (void)state;
    char text[128] = "kafka.properties: ";
    size_t n = strlen(text);
    for (int i = 0; i < 16; i++, n += 4)
        memcpy(text + n, "{a: ", 5);
    refuses(YAML(text), "job.yaml:1:80: maps are nested too deeply");
}

static void broken_yaml(void **state) {
    (void)state;
    struct settings s;
    struct error e;
    const char *texts[] = {"name: 'a\n",        "name: a: b\n", "{name: a",
                           "name: a\n\tb: c\n", "\xff\n",       "%YAML 9.9\n---\nname: a\n",
                           "name: \x01\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct given_texts t = YAML(texts[i]);
        assert_int_equal(try_load(&s, &t, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        assert_ptr_equal(strstr(e.text, "job.yaml:"), e.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_and_dotted),
        cmocka_unit_test(nothing),
        cmocka_unit_test(assignment_list),
        cmocka_unit_test(properties),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(repeated_keys),
        cmocka_unit_test(values_name_their_line),
        cmocka_unit_test(what_yaml_has_beyond),
        cmocka_unit_test(deep_maps),
        cmocka_unit_test(broken_yaml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
