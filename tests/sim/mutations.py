"""Mistakes that somebody could make: (name, rule, source, exact old text, new text).

Each takes one rule of docs/exactly-once.md away. tests/sim/mutate builds the simulations with one
of them at a time, and they must fail. Where the text is no longer found exactly once, the table
must follow the source.
"""

# ruff: noqa: E501 (the sources' lines with their escapes)

CHAIN = "src/checkpoint/chain.c"
CLAIM = "src/checkpoint/claim.c"
COMMIT = "src/checkpoint/commit.c"
FILE = "src/window/file.c"
PARTITION = "src/window/partition.c"
REPLAY = "src/window/replay.c"
SNAPSHOT = "src/window/snapshot.c"
CADENCE = "src/window/cadence.c"
COMPLETE = "src/store/directory_complete.c"
DURABLE = "src/store/directory_durable.c"
UPLOADS = "src/store/directory_uploads.c"
TASK = "src/job/task.c"
INGEST = "src/job/ingest.c"
BEGINNING = "src/job/beginning.c"
WORKER = "src/job/worker.c"

MUTATIONS = [
    (
        "exists-is-success",
        1,
        CHAIN,
        "    case ERR_EXISTS:\n        resolve(c);",
        "    case ERR_EXISTS:\n        put_stands(c);",
    ),
    (
        "goes-on-although-lost",
        1,
        CHAIN,
        "    } else {\n        lost_to_writer(c);\n    }",
        "    } else {\n        c->next.number++;\n        put_next(c, clock_monotonic(c->cfg.clock));\n    }",
    ),
    (
        "unsure-is-success",
        1,
        CHAIN,
        "                 c->next.number, c->identity.partition, c->op.error.text);\n"
        "        wait_then(c, true);",
        "                 c->next.number, c->identity.partition, c->op.error.text);\n"
        "        put_stands(c);",
    ),
    (
        "other-bytes-under-a-number",
        1,
        CHAIN,
        "    else\n        send(c, STEP_PUT, STORE_PUT_IF_ABSENT, key_of(c, c->next.number));",
        "    else {\n        set_writer(c, &c->next, c->next.claim, c->next.number);\n"
        "        put_next(c, clock_monotonic(c->cfg.clock));\n    }",
    ),
    (
        "unsure-is-not-done",
        1,
        CHAIN,
        "        c->put_again = true;\n        wait_then(c, false); /* absent: the same bytes again */",
        "        lost_to_writer(c);\n        return;",
    ),
    (
        "no-list-after-claim",
        2,
        CHAIN,
        "    else if (newest_of(c, c->prefix) > c->next.number)\n        lost(",
        "    else if (0)\n        lost(",
    ),
    (
        "same-claim-id",
        2,
        CHAIN,
        "    random_hex(c->cfg.random, 16, c->claim_id);",
        "    memset(c->claim_id, '0', 32);\n    c->claim_id[32] = 0;",
    ),
    (
        "reads-before-it-claims",
        2,
        CHAIN,
        "        put_claim(c, newest.number + 1);",
        "        c->next.number = newest.number;\n"
        "        memcpy(c->next.claim_id, c->claim_id, sizeof c->claim_id);\n        durable(c);",
    ),
    (
        "older-checkpoint-taken",
        2,
        CHAIN,
        "        send(c, STEP_READ, STORE_GET, key_of(c, c->found));",
        "        send(c, STEP_READ, STORE_GET, key_of(c, c->found > 2 ? c->found - 1 : c->found));",
    ),
    (
        "newer-manifest-passed-over",
        2,
        CHAIN,
        "    if (manifest > c->found) {",
        "    if (0) {",
    ),
    (
        "newer-manifest-of-a-chain-that-goes-on",
        2,
        CHAIN,
        "        c->manifest = manifest;\n        list(c, STEP_LIST);",
        "        c->manifest = manifest;\n        refuse_older(c);",
    ),
    (
        "identity-not-compared",
        2,
        CLAIM,
        "    if (strcmp(theirs->topic, mine->topic) != 0)",
        "    if (1)\n        return 0;\n    if (strcmp(theirs->topic, mine->topic) != 0)",
    ),
    (
        "changes-accepted-with-gaps",
        2,
        CLAIM,
        "    if (accept_changes && checkpoint_is_clean(newest))",
        "    if (accept_changes)",
    ),
    (
        "claims-collected",
        3,
        CHAIN,
        "    if (!k->claim && c->n_own < sizeof c->own / sizeof *c->own)",
        "    if (c->n_own < sizeof c->own / sizeof *c->own)",
    ),
    (
        "inherited-file-forgotten",
        5,
        CLAIM,
        "        if (c->files[i].n_parts == 0) {",
        "        if (1) {",
    ),
    (
        "frozen-without-total",
        5,
        CLAIM,
        "        totals_add(&c->listed[c->files[i].class], &c->files[i].count);",
        "",
    ),
    (
        "inherited-is-own",
        11,
        COMMIT,
        "        commits_add(c, &f, false, i >= inherited);",
        "        commits_add(c, &f, true, i >= inherited);",
    ),
    (
        "inherited-is-fresh",
        9,
        COMMIT,
        "        commits_add(c, &f, false, i >= inherited);",
        "        commits_add(c, &f, false, true);",
    ),
    (
        "next-advances-in-replay",
        6,
        SNAPSHOT,
        "    k->next = p->position > p->base_next ? p->position : p->base_next;",
        "    k->next = p->position;",
    ),
    (
        "replay-from-next",
        6,
        SNAPSHOT,
        "        if (file_first_unacknowledged(p->files[i], &first, &max_ts) && first < s->k->replay_from) {",
        "        if (0 && file_first_unacknowledged(p->files[i], &first, &max_ts)) {",
    ),
    (
        "replay-max-ts-of-now",
        6,
        SNAPSHOT,
        "            s->k->replay_max_ts = max_ts;",
        "            s->k->replay_max_ts = p->max_ts;",
    ),
    (
        "file-gap-forgotten",
        6,
        SNAPSHOT,
        "        add_file_gap(&s, p->files[i]);",
        "",
    ),
    (
        "inherited-gap-forgotten",
        6,
        SNAPSHOT,
        "        add_inherited_gap(&s, &p->replay.gaps[i]);",
        "",
    ),
    (
        "gap-of-sealed-file-runs-on",
        6,
        SNAPSHOT,
        "                            .to = f->sealed ? f->last_offset : s->k->next - 1,",
        "                            .to = s->k->next - 1,",
    ),
    (
        "inherited-gap-unshortened",
        6,
        SNAPSHOT,
        "    left.from = first;\n",
        "    (void)first;\n",
    ),
    (
        "unacknowledged-of-gap-file-forgotten",
        6,
        SNAPSHOT,
        "        left.events += g->file->unacknowledged;",
        "",
    ),
    (
        "replayed-counted-again",
        6,
        PARTITION,
        "    if (offset < p->base_next) {\n        bool placed",
        "    if (offset < p->base_next) {\n        p->read[out->class].events++;\n"
        "        p->read[out->class].hash += offset_hash(offset);\n        bool placed",
    ),
    (
        "replayed-written-outside-gaps",
        6,
        PARTITION,
        "    if (!g)\n        return 0;\n    if (g->written",
        "    if (!g) {\n        out->file = file_for(p, out, offset);\n        return 0;\n    }\n"
        "    if (g->written",
    ),
    (
        "gap-file-goes-on",
        6,
        PARTITION,
        "    if (g->file && g->gap.to != p->base_next - 1)\n        partition_seal_file(p, g->file);",
        "",
    ),
    (
        "gap-count-not-checked",
        6,
        REPLAY,
        "        if (g->written < g->gap.events && !accept_loss)",
        "        if (0)",
    ),
    (
        "sealed-gap-file-kept",
        6,
        PARTITION,
        "        if (p->replay.gaps[i].file == f)\n            p->replay.gaps[i].file = NULL;",
        "        (void)i;",
    ),
    (
        "part-cut-within-a-line",
        7,
        FILE,
        "        .n = f->next_part++, .bytes = p->bytes.bytes, .crc32c = p->bytes.crc32c};",
        "        .n = f->next_part++, .bytes = p->bytes.bytes, .crc32c = p->bytes.crc32c};\n"
        "    if (!f->sealed && p->bytes.tail->len > 2) {\n"
        "        p->bytes.tail->len--;\n        p->bytes.bytes--;\n        p->info.bytes--;\n"
        "        p->info.crc32c = 0;\n"
        "        for (struct chunk *k = p->bytes.head; k; k = k->next)\n"
        "            p->info.crc32c = crc32c(p->info.crc32c, k->data, k->len);\n    }",
    ),
    (
        "unfinished-chunk-counted",
        7,
        FILE,
        "        e->last = p->bytes.last;\n        totals_add(&e->count, &p->bytes.count);",
        "        e->last = f->last_offset;\n        totals_add(&e->count, &p->bytes.count);",
    ),
    (
        "no-prefix-of-parts",
        7,
        FILE,
        "    while (f->parts && f->parts->state == PART_ACKNOWLEDGED) {",
        "    while (f->parts && f->parts->state >= PART_SENT) {",
    ),
    (
        "collected-before-acknowledged",
        8,
        PARTITION,
        "        if (!f->sealed || !file_acknowledged(f) || f->failed) {",
        "        if (!f->sealed || (f->entry.n_parts == 0 && !file_acknowledged(f)) || f->failed) {",
    ),
    (
        "complete-before-durable",
        8,
        COMMIT,
        "    m->backoff_ms = BACKOFF_MIN_MS;\n    *c->tail = m;",
        "    m->backoff_ms = BACKOFF_MIN_MS;\n    m->state = COMMIT_DUE;\n    *c->tail = m;",
    ),
    (
        "later-commits-listed-too",
        8,
        COMMIT,
        "    for (struct commit *m = c->head; m && m->sequence <= c->snapshot; m = m->next)\n"
        "        if (m->state == COMMIT_UNLISTED)",
        "    for (struct commit *m = c->head; m; m = m->next)\n"
        "        if (m->state == COMMIT_UNLISTED)",
    ),
    (
        "manifest-before-complete",
        8,
        COMMIT,
        "        if (m->state != COMMIT_VISIBLE)\n            return false;",
        "        (void)m;",
    ),
    (
        "forgotten-before-manifest",
        8,
        COMMIT,
        "    for (const struct commit *m = c->head; m; m = m->next)\n"
        "        file_entry_copy(&k->commits[k->n_commits++], &m->file);",
        "    for (const struct commit *m = c->head; m; m = m->next)\n"
        "        if (m->state != COMMIT_VISIBLE)\n"
        "            file_entry_copy(&k->commits[k->n_commits++], &m->file);",
    ),
    (
        "no-size-test",
        8,
        COMMIT,
        "    if (e.code == ERR_NONE && size == m->file.bytes) {",
        "    if (e.code == ERR_NONE) {",
    ),
    (
        "no-upload-is-success",
        8,
        COMMIT,
        "    if (m->gone || code == ERR_EXISTS) {",
        "    if (m->gone) {\n        visible(m);\n    } else if (code == ERR_EXISTS) {",
    ),
    (
        "unsure-complete-is-success",
        8,
        COMMIT,
        "                 m->all->cfg.partition, m->all->cfg.store->path, m->file.key, m->why.text);\n"
        "        again(m);",
        "                 m->all->cfg.partition, m->all->cfg.store->path, m->file.key, m->why.text);\n"
        "        visible(m);",
    ),
    (
        "lost-gap-not-replayed",
        9,
        COMMIT,
        "            k->replay_from = f->first;\n",
        "",
    ),
    (
        "rebuilt-still-listed",
        9,
        COMMIT,
        "        totals_subtract(&k->listed[f->class], &f->count);",
        "",
    ),
    (
        "vanished-is-rebuilt",
        9,
        COMMIT,
        "    if (c->cfg.lost == LOST_REBUILD || m->why.code == ERR_INVALID_PART) {",
        "    if (1) {",
    ),
    (
        "manifests-not-searched",
        9,
        COMMIT,
        "    if (lists(op, m->file.key)) {",
        "    if (0) {",
    ),
    (
        "body-not-synced",
        11,
        DURABLE,
        "    int rc = sync_temp(d, t, e);",
        "    int rc = 0 && sync_temp(d, t, e);",
    ),
    (
        "name-not-synced",
        11,
        DURABLE,
        "        if (directory_sync_parent(d, key, &sync)) {",
        "        if (0) {",
    ),
    (
        "parents-not-synced",
        11,
        DURABLE,
        "    rc = directory_sync_parent(d, name, e);\n    free(name);\n    if (!rc)\n"
        "        remember_durable",
        "    free(name);\n    if (!rc)\n        remember_durable",
    ),
    (
        "part-not-synced",
        11,
        UPLOADS,
        "    if (directory_fsync_fd(d, u->fd, true) == 0) {",
        "    if (1) {",
    ),
    (
        "no-sync-asked-for",
        11,
        FILE,
        "        p->state = PART_WRITTEN;\n        submit_sync(f);\n        return;",
        "        p->state = PART_ACKNOWLEDGED;\n        take_acknowledged(f);\n        return;",
    ),
    (
        "upload-name-not-synced",
        11,
        UPLOADS,
        "    else if (directory_sync_parent(d, name, e) == 0) {",
        "    else {",
    ),
    (
        "linked-name-not-synced",
        11,
        COMPLETE,
        "        return -1;\n    }\n    return directory_sync_parent(d, op->key, e);",
        "        return -1;\n    }\n    return 0;",
    ),
    (
        "found-name-not-synced",
        11,
        COMPLETE,
        "    if (there)\n        return make_durable(d, op->key, e);",
        "    if (there)\n        return 0;",
    ),
    (
        "inherited-linked",
        11,
        COMPLETE,
        "    return own ? complete_own(d, op, e) : complete_inherited(d, from_path, op, e);",
        "    if (own)\n        return complete_own(d, op, e);\n"
        "    struct error ignored;\n    (void)complete_inherited;\n"
        "    char *to = directory_path(d, op->key);\n"
        "    int rc = directory_make_parents(d, op->key, &ignored) || d->io->link(d->io, from_path, to);\n"
        '    free(to);\n    return rc ? error_set(e, ERR_UNKNOWN, "link") :\n'
        "        directory_sync_parent(d, op->key, e);",
    ),
    (
        "upload-comes-back",
        11,
        COMPLETE,
        "    if (directory_sync_parent(d, name, e) == 0)\n        return 0;",
        "    if (1)\n        return 0;",
    ),
    (
        "trusted-after-failed-sync",
        11,
        UPLOADS,
        "    u->untrusted = true; /* the kernel",
        "    return u->dirty = false; /* the kernel",
    ),
    (
        "eof-does-not-move",
        12,
        PARTITION,
        "    return offset > p->position ? move_to(p, offset, e) : 0;",
        "    return 0;",
    ),
    (
        "log-start-not-checked",
        12,
        PARTITION,
        "    if (log_start <= p->position)\n        return 0;\n    if (!p->cfg.allow_data_loss) {",
        "    if (log_start <= p->position)\n        return 0;\n    if (0) {",
    ),
    (
        "message-error-stepped-over",
        12,
        INGEST,
        "    in->state = INGEST_MESSAGE_ERROR;\n    return -1;",
        "    return 0;",
    ),
    (
        "same-trouble-for-ever",
        12,
        TASK,
        "    if (!restart_new_cause(w->cfg.restart, t->id, offset)) {",
        "    if (0) {",
    ),
    (
        "memory-not-limited",
        7,
        WORKER,
        "    bool suspended = used > limit / 8 * 7 || too_much_under_way(w, used) || !anyone_reads(w);",
        "    bool suspended = !anyone_reads(w);\n    (void)too_much_under_way;",
    ),
    (
        "recreated-topic-read",
        12,
        BEGINNING,
        "    if (crc != p->last_crc32c)",
        "    if (0)",
    ),
    (
        "message-error-not-reclaimed",
        12,
        TASK,
        "        reclaim(t, t->ingest.error_offset, &t->ingest.error);\n        break;",
        "        t->ingest.state = INGEST_GOING_ON;\n        break;",
    ),
]
