/* Our own API: not served yet. */
#include "control/route.h"

#define NOT_YET(name)                                                \
    void name(const struct http_request *r, struct http_answer *a) { \
        (void)r;                                                     \
        answer_error(a, 501, "not served yet");                      \
    }

NOT_YET(tidemark_status)
NOT_YET(tidemark_files)
NOT_YET(tidemark_checkpoints)
NOT_YET(tidemark_errors)
NOT_YET(tidemark_samples)
NOT_YET(tidemark_settings)
