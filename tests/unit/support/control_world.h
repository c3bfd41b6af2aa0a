/* A job as the HTTP side sees it, without a job: metrics, journal and requests that the test fills,
 * and requests that come from memory instead of a socket. */
#ifndef TIDEMARK_TEST_CONTROL_WORLD_H
#define TIDEMARK_TEST_CONTROL_WORLD_H

#include <stdatomic.h>

#include "control/dispatch.h"
#include "support/fake_clock.h"

#define CONTROL_JOB_ID "0123456789abcdef0123456789abcdef"

enum { CONTROL_STOP = 1, CONTROL_DRAIN = 2 }; /* what requests raise in command */

struct control_world {
    struct fake_clock clock;
    _Atomic int command;
    struct job_info info; /* name "clicks", host "h", pid 42; two settings; 5 min windows */
    struct info_setting settings[2];
    struct metrics *metrics;
    struct journal *journal;
    struct requests *requests;
    struct http_config cfg; /* 127.0.0.1, no token */
    struct guard guard;
    struct guard_headers headers; /* of the next requests: Host 127.0.0.1:8081 */
};

struct control_world *control_world_new(void);
void control_world_free(struct control_world *w);

/* The answer; free it with control_answer_free. */
struct control_answer {
    unsigned status;
    const char *type;
    char *text;
    json_t *json; /* NULL where the text is none */
};
struct control_answer control_ask(struct control_world *w, const char *method, const char *uri,
                                  const char *body);
void control_answer_free(struct control_answer *a);

#endif
