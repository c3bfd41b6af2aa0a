/* Names of the directory store, and what it says when a call fails. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/directory_internal.h"

static const char *advice(int errnum) {
    switch (errnum) {
    case ENOSPC:
        return "free space (or inodes) on that file system, then start the job again";
    case EDQUOT:
        return "free space or raise the quota, then start the job again";
    case EIO:
        return "the disk or file system fails; see the kernel's log before you start the job again";
    case EROFS:
        return "the file system is read-only; remount it (the kernel's log says why it is)";
    case EACCES:
    case EPERM:
        return "give the job's user the right to read and write there";
    case ENOENT:
        return "was the directory removed or unmounted while in use?";
    case ENOTDIR:
        return "a file stands where a directory is needed; move it or use another path";
    case EISDIR:
        return "a directory stands where a file is needed; move it or use another path";
    case ENAMETOOLONG:
        return "shorten output.path or output.partition_by";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files (ulimit -n, LimitNOFILE)";
    case EXDEV:
    case EMLINK:
        return "the directory must be one local file system";
    default:
        return NULL;
    }
}

int directory_error(struct error *e, int errnum, const char *what, const char *path) {
    enum { SHOWN = 320 }; /* of a long path the end, so that the reason has room */
    size_t n = strlen(path);
    const char *shown = n > SHOWN ? path + n - SHOWN : path;
    (void)error_errno(e, errnum, "cannot %s %s%s", what, n > SHOWN ? "..." : "", shown);
    if (errnum == ENOENT) /* callers handle an absent key before they come here */
        e->code = ERR_IO;
    const char *hint = advice(errnum);
    size_t len = strlen(e->text);
    if (hint && len + 2 < sizeof e->text)
        (void)snprintf(e->text + len, sizeof e->text - len, "; %s", hint);
    return -1;
}

static int check(const char *key, bool partial, struct error *e) {
    if (!key)
        return error_set(e, ERR_USAGE, "a request without a key");
    const char *segment = key;
    for (;;) {
        size_t n = strcspn(segment, "/");
        bool last = segment[n] == '\0';
        if (n == 0 && !(partial && last))
            return error_set(e, ERR_USAGE, "'%.300s' is no key: it has an empty segment", key);
        if (segment[0] == '.')
            return error_set(e, ERR_USAGE, "'%.300s' is no key: a segment begins with '.'", key);
        if (last)
            return 0;
        segment += n + 1;
    }
}

int directory_check_key(const char *key, struct error *e) {
    return check(key, false, e);
}

int directory_check_prefix(const char *prefix, struct error *e) {
    return check(prefix, true, e);
}

char *directory_path(const struct directory *d, const char *relative) {
    return xasprintf("%s%s", d->store.path, relative);
}

char *directory_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    return xstrndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

char *directory_upload_name(const char *id, const char *key) {
    size_t prefix = strlen(DIRECTORY_UPLOADS) + strlen(id) + 1;
    char *name = xmalloc(prefix + 3 * strlen(key) + 1);
    int n = snprintf(name, prefix + 1, "%s%s-", DIRECTORY_UPLOADS, id);
    char *p = name + n;
    for (; *key; key++) {
        if (*key == '/' || *key == '%')
            p += snprintf(p, 4, "%%%02X", (unsigned char)*key);
        else
            *p++ = *key;
    }
    *p = '\0';
    return name;
}

static bool is_id(const char *name) {
    for (int i = 0; i < DIRECTORY_ID_LEN; i++)
        if (!isxdigit((unsigned char)name[i]))
            return false;
    return name[DIRECTORY_ID_LEN] == '-';
}

char *directory_upload_parse(const char *name, char id[DIRECTORY_ID_LEN + 1]) {
    if (!is_id(name))
        return NULL;
    memcpy(id, name, DIRECTORY_ID_LEN);
    id[DIRECTORY_ID_LEN] = '\0';
    const char *encoded = name + DIRECTORY_ID_LEN + 1;
    char *key = xmalloc(strlen(encoded) + 1), *p = key;
    while (*encoded) {
        if (strncmp(encoded, "%2F", 3) == 0 || strncmp(encoded, "%25", 3) == 0) {
            *p++ = encoded[2] == 'F' ? '/' : '%';
            encoded += 3;
        } else {
            *p++ = *encoded++;
        }
    }
    *p = '\0';
    return key;
}
