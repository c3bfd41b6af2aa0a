/* The page at /: not served yet. */
#include "control/route.h"

#define NOT_YET(name)                                                \
    void name(const struct http_request *r, struct http_answer *a) { \
        (void)r;                                                     \
        answer_error(a, 501, "not served yet");                      \
    }

NOT_YET(get_page)
NOT_YET(get_page_css)
NOT_YET(get_page_js)
