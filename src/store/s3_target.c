#include "store/s3_target.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { BUCKET_MIN = 3, BUCKET_MAX = 63, PREFIX_MAX = 800 };

/* https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, the rules that other
 * stores share. */
static bool bucket_is_valid(const char *name) {
    size_t n = strlen(name);
    if (n < BUCKET_MIN || n > BUCKET_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool inner = c == '-' || c == '.';
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inner && i > 0 && i < n - 1)))
            return false;
        if (c == '.' && name[i - 1] == '.')
            return false;
    }
    return true;
}

/* Stores that keep keys as files cannot hold empty, '.' or '..' segments; none is needed. */
static bool prefix_is_valid(const char *prefix) {
    for (const char *p = prefix; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        p += *p == '/';
    }
    return strlen(prefix) <= PREFIX_MAX;
}

static int parse_path(struct s3_target *t, const char *path, struct error *e) {
    const char *name = path + strlen("s3://");
    size_t n = strcspn(name, "/");
    t->bucket = xstrndup(name, n);
    if (!bucket_is_valid(t->bucket))
        return error_set(e, ERR_USAGE,
                         "%s: '%s' cannot be a bucket's name (3 to 63 lower-case letters, digits, "
                         "'-' and '.'); write s3://bucket/prefix/",
                         path, t->bucket);
    const char *prefix = name[n] ? name + n + 1 : "";
    if (!prefix_is_valid(prefix))
        return error_set(
            e, ERR_USAGE,
            "%.300s: the prefix has an empty, '.' or '..' segment or more than %d bytes", path,
            PREFIX_MAX);
    size_t len = strlen(prefix);
    t->prefix = len && prefix[len - 1] != '/' ? xasprintf("%s/", prefix) : xstrdup(prefix);
    return 0;
}

static char *aws_endpoint(const char *region) {
    return xasprintf("https://s3.%s.amazonaws.com%s", region,
                     strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

struct parts {
    char *scheme, *host, *port, *path, *user, *query;
};

static void parts_free(struct parts *u) {
    curl_free(u->scheme);
    curl_free(u->host);
    curl_free(u->port);
    curl_free(u->path);
    curl_free(u->user);
    curl_free(u->query);
}

static bool succeeded(CURLUcode rc) {
    if (rc == CURLUE_OUT_OF_MEMORY)
        out_of_memory();
    return rc == CURLUE_OK;
}

static bool get(CURLU *handle, CURLUPart part, char **field, unsigned flags) {
    return succeeded(curl_url_get(handle, part, field, flags));
}

/* Fields that are not there stay NULL. */
static bool take_apart(const char *url, struct parts *u) {
    CURLU *handle = curl_url();
    if (!handle)
        out_of_memory();
    bool ok = succeeded(curl_url_set(handle, CURLUPART_URL, url, 0)) &&
              get(handle, CURLUPART_SCHEME, &u->scheme, 0) &&
              get(handle, CURLUPART_HOST, &u->host, 0) && get(handle, CURLUPART_PATH, &u->path, 0);
    (void)get(handle, CURLUPART_PORT, &u->port, CURLU_NO_DEFAULT_PORT);
    (void)get(handle, CURLUPART_USER, &u->user, 0);
    (void)get(handle, CURLUPART_QUERY, &u->query, 0);
    curl_url_cleanup(handle);
    return ok && (strcmp(u->scheme, "http") == 0 || strcmp(u->scheme, "https") == 0) &&
           strcmp(u->path, "/") == 0 && !u->user && !u->query;
}

static bool is_address(const char *host) {
    return host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

/* AWS's certificate covers one label before its host, so a bucket with dots is addressed by path. */
static bool wants_path_style(const struct s3_target *t, const struct parts *u, bool configured) {
    return configured || (strcmp(u->scheme, "https") == 0 && strchr(t->bucket, '.'));
}

static int parse_endpoint(struct s3_target *t, bool path_style, struct error *e) {
    struct parts u = {0};
    int rc = 0;
    if (!take_apart(t->endpoint, &u)) {
        /* Not shown: somebody may have put a password into it. */
        rc = error_set(e, ERR_USAGE,
                       "s3.endpoint is not of the form http://host:port or https://host");
    } else if (wants_path_style(t, &u, path_style)) {
        t->bucket_path = xasprintf("/%s", t->bucket);
        t->host = xasprintf("%s%s%s", u.host, u.port ? ":" : "", u.port ? u.port : "");
    } else if (is_address(u.host)) {
        rc = error_set(e, ERR_USAGE,
                       "s3.endpoint %s is an address, which cannot take a bucket's "
                       "name in front; set s3.path_style to true",
                       t->endpoint);
    } else {
        t->bucket_path = xstrdup("");
        t->host =
            xasprintf("%s.%s%s%s", t->bucket, u.host, u.port ? ":" : "", u.port ? u.port : "");
    }
    if (rc == 0)
        t->base = xasprintf("%s://%s", u.scheme, t->host);
    parts_free(&u);
    return rc;
}

static const char *or_null(const char *s) {
    return s && *s ? s : NULL;
}

static char *copy(const char *s) {
    return s ? xstrdup(s) : NULL;
}

/* What goes into a header must not be able to begin another one. */
static bool is_printable(const char *s) {
    for (; s && *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
            return false;
    return true;
}

static int take_keys(struct s3_target *t, const struct s3_config *cfg, struct error *e) {
    const char *access = or_null(cfg->access_key), *secret = or_null(cfg->secret_key);
    if (!access != !secret)
        return error_set(e, ERR_USAGE, "s3.%s is not set, and s3.%s is: set both, or neither",
                         access ? "secret_key" : "access_key",
                         access ? "access_key" : "secret_key");
    if (!is_printable(access) || !is_printable(secret) || !is_printable(cfg->session_token))
        return error_set(e, ERR_USAGE,
                         "s3.access_key, secret_key or session_token holds white "
                         "space or a control character");
    t->access_key = copy(access);
    t->secret_key = copy(secret);
    t->session_token = access ? copy(or_null(cfg->session_token)) : NULL;
    return 0;
}

int s3_target_init(struct s3_target *t, const char *path, const struct s3_config *cfg,
                   struct error *e) {
    *t = (struct s3_target){0};
    const char *region = or_null(cfg->region), *endpoint = or_null(cfg->endpoint);
    t->region = xstrdup(region ? region : "us-east-1");
    if (t->region[strspn(t->region,
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")])
        return error_set(e, ERR_USAGE, "s3.region '%.80s' is not a region's name such as us-east-1",
                         t->region);
    t->endpoint = endpoint ? xstrdup(endpoint) : aws_endpoint(t->region);
    for (size_t n = strlen(t->endpoint); n && t->endpoint[n - 1] == '/';)
        t->endpoint[--n] = '\0';
    if (parse_path(t, path, e) || take_keys(t, cfg, e) || parse_endpoint(t, cfg->path_style, e))
        return -1;
    return 0;
}

static void free_secret(char *s) {
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void s3_target_free(struct s3_target *t) {
    free(t->bucket);
    free(t->prefix);
    free(t->endpoint);
    free(t->base);
    free(t->host);
    free(t->bucket_path);
    free(t->region);
    free(t->access_key);
    free_secret(t->secret_key);
    free_secret(t->session_token);
    *t = (struct s3_target){0};
}

int s3_target_path(const struct s3_target *t, const char *key, struct buffer *b) {
    if (!key) /* path style names the bucket without a slash behind it */
        return buffer_puts(b, *t->bucket_path ? t->bucket_path : "/");
    return buffer_printf(b, "%s/%s%s", t->bucket_path, t->prefix, key);
}
