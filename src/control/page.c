/* The page at /: fixed files, in the binary (page/embed.S). All that they show comes by /tidemark/...;
 * the header Content-Security-Policy, which forbids scripts and styles from elsewhere or within the
 * page, is http.c's. */
#include "control/route.h"

extern const char page_html_begin[], page_html_end[];
extern const char page_css_begin[], page_css_end[];
extern const char page_js_begin[], page_js_end[];

static void answer_fixed(struct http_answer *a, const char *type, const char *begin,
                         const char *end) {
    a->type = type;
    a->fixed = begin;
    a->fixed_len = (size_t)(end - begin);
}

void get_page(const struct http_request *r, struct http_answer *a) {
    (void)r;
    answer_fixed(a, "text/html; charset=utf-8", page_html_begin, page_html_end);
}

void get_page_css(const struct http_request *r, struct http_answer *a) {
    (void)r;
    answer_fixed(a, "text/css; charset=utf-8", page_css_begin, page_css_end);
}

void get_page_js(const struct http_request *r, struct http_answer *a) {
    (void)r;
    answer_fixed(a, "text/javascript; charset=utf-8", page_js_begin, page_js_end);
}
