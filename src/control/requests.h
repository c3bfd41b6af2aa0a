/* What the outside asks of a running job: savepoints and its end. The HTTP thread puts a request here
 * and gives its id to whoever asked; the worker looks here some times a second, and says what became
 * of it. Requests are remembered until the process ends, the oldest forgotten beyond a cap. */
#ifndef TIDEMARK_CONTROL_REQUESTS_H
#define TIDEMARK_CONTROL_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUESTS_MAX = 100, REQUEST_ID_MAX = 33, REQUEST_TEXT_MAX = 1024 };

enum request_kind {
    REQUEST_SAVEPOINT, /* a checkpoint of every partition, now; the job goes on */
    REQUEST_STOP,      /* a last checkpoint, then the end; open files stay open */
    REQUEST_DRAIN,     /* open files are published, then the same */
    REQUEST_CANCEL     /* as STOP; Flink's CLI asks nothing about it afterwards */
};

enum request_state { REQUEST_PENDING, REQUEST_DONE, REQUEST_FAILED };

struct request {
    char id[REQUEST_ID_MAX]; /* 32 hex digits */
    enum request_kind kind;
    enum request_state state;
    char text[REQUEST_TEXT_MAX]; /* DONE: where the checkpoints lie; FAILED: why */
};

struct requests;

/* command: the worker's enum job_command, raised by STOP, DRAIN and CANCEL with the values given. */
struct requests *requests_new(_Atomic int *command, int stop, int drain);
void requests_free(struct requests *r);

/* ---- From any thread ---- */

/* Fills id. STOP, DRAIN and CANCEL raise the command at once. */
void requests_add(struct requests *r, enum request_kind kind, char id[REQUEST_ID_MAX]);
/* The same with an id of the asker's. A request that has it already is left as it is: whoever asks
 * twice because an answer was lost has asked once. */
void requests_add_as(struct requests *r, enum request_kind kind, const char *id);
/* False where there is no such request. Whoever finds one that is no longer PENDING has been told. */
bool requests_find(struct requests *r, const char *id, struct request *out);

/* ---- From the worker's thread; NULL is fine ---- */

/* How many savepoints have been asked for since the process began; costs one atomic load. */
uint64_t requests_savepoints(const struct requests *r);
/* All savepoints up to this number of them are done, or failed. */
void requests_savepoints_done(struct requests *r, uint64_t up_to, bool ok, const char *text);
/* The job has ended: every request that is still PENDING is done, or failed. */
void requests_ended(struct requests *r, bool ok, const char *text);
/* Whether somebody who asked for STOP or DRAIN has not been told yet what became of it. */
bool requests_untold(struct requests *r);

#endif
