/* What texts may be: settings_table.c's accept functions. */
#ifndef TIDEMARK_JOB_SETTINGS_TEXT_H
#define TIDEMARK_JOB_SETTINGS_TEXT_H

#include "job/settings_table.h"

setting_accept_fn accept_name;
setting_accept_fn accept_topic;
setting_accept_fn accept_printable; /* no control characters */
setting_accept_fn accept_servers;
setting_accept_fn accept_field; /* a JSON field's name */
setting_accept_fn accept_path;
setting_accept_fn accept_partition_by;
setting_accept_fn accept_endpoint;
setting_accept_fn accept_listen;
setting_accept_fn accept_secret;

/* Splits "host:port" and "[v6]:port". 0, or -1 where text is neither or cap too small. */
int split_listen(const char *text, char *host, size_t cap, uint16_t *port);

#endif
