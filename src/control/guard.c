#include "control/guard.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/memory.h"

enum { NAME_MAX_LEN = 256, DIGEST = 32 };

static const struct guard_verdict fine = {200, NULL};

static struct guard_verdict refuse(unsigned status, const char *text) {
    return (struct guard_verdict){status, text};
}

/* ---- Host ---------------------------------------------------------------------------------------- */

/* Takes "name", "name:port", "[::1]:port" apart; false where it is neither. */
static bool split_host(const char *host, char name[NAME_MAX_LEN], bool *bracketed) {
    *bracketed = *host == '[';
    size_t n = strcspn(host += *bracketed, *bracketed ? "]" : ":");
    if (n == 0 || n >= NAME_MAX_LEN || (*bracketed && host[n] != ']'))
        return false;
    memcpy(name, host, n);
    name[n] = '\0';
    if (!*bracketed && n > 1 && name[n - 1] == '.') /* fully qualified */
        name[n - 1] = '\0';
    host += n + *bracketed;
    return *host == '\0' || (*host == ':' && host[1 + strspn(host + 1, "0123456789")] == '\0');
}

static bool is_loopback_literal(const char *name, bool bracketed) {
    struct in_addr v4;
    struct in6_addr v6;
    if (bracketed)
        return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static bool is_literal(const char *name, bool bracketed) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(bracketed ? AF_INET6 : AF_INET, name, address) == 1;
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcasecmp(name + n - m, end) == 0;
}

/* Names that nobody can register, so that no foreign page has one: those of containers and of
 * services in a cluster. */
static bool is_local_name(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (name[strspn(name, letters)] != '\0')
        return false;
    return strchr(name, '.') == NULL || ends_with(name, ".svc") ||
           ends_with(name, ".cluster.local") || ends_with(name, ".internal");
}

static bool is_own_name(const struct guard *g, const char *host) {
    char name[NAME_MAX_LEN];
    bool bracketed;
    if (!split_host(host, name, &bracketed))
        return false;
    bool v6 = strchr(g->host, ':') != NULL;
    if ((bracketed == v6 && strcasecmp(name, g->host) == 0) ||
        is_loopback_literal(name, bracketed) || (!bracketed && strcasecmp(name, "localhost") == 0))
        return true;
    if (g->loopback)
        return false;
    return is_literal(name, bracketed) ||
           (!bracketed && (strcasecmp(name, g->machine) == 0 || is_local_name(name)));
}

/* ---- Token --------------------------------------------------------------------------------------- */

static void digest_of(const char *text, unsigned char digest[DIGEST]) {
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        out_of_memory();
}

/* Digests are compared, in constant time: how long it takes tells nothing, not even the length. */
static bool is_token(const struct guard *g, const char *authorization) {
    static const char scheme[] = "Bearer ";
    unsigned char ours[DIGEST], theirs[DIGEST];
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    authorization += sizeof scheme - 1;
    digest_of(g->token, ours);
    digest_of(authorization + strspn(authorization, " "), theirs);
    return CRYPTO_memcmp(ours, theirs, DIGEST) == 0;
}

/* ---- Judgements ---------------------------------------------------------------------------------- */

struct guard_verdict guard_request(const struct guard *g, const struct guard_headers *h) {
    if (h->repeated)
        return refuse(400, "a header came twice that may come once");
    /* Browsers send a Host always; what sends none is a health check that speaks HTTP/1.0. */
    if (!h->host || is_own_name(g, h->host))
        return fine;
    if (g->token && is_token(g, h->authorization)) /* no page knows it: a proxy, perhaps */
        return fine;
    return refuse(403, g->loopback
                           ? "the Host header names another server; ask for 127.0.0.1 or localhost"
                           : "the Host header names another server; ask by address, or by the name "
                             "in http.listen, or send http.token");
}

static bool is_own_origin(const struct guard_headers *h) {
    const char *o = h->origin;
    if (!h->host)
        return false;
    size_t scheme = strncasecmp(o, "http://", 7) == 0    ? 7
                    : strncasecmp(o, "https://", 8) == 0 ? 8
                                                         : 0;
    return scheme && strcasecmp(o + scheme, h->host) == 0;
}

static bool is_cross_site(const struct guard_headers *h) {
    if (h->origin && !is_own_origin(h))
        return true;
    return h->fetch_site && strcasecmp(h->fetch_site, "same-origin") != 0 &&
           strcasecmp(h->fetch_site, "none") != 0;
}

struct guard_verdict guard_route(const struct guard *g, const struct guard_headers *h, bool changes,
                                 bool data) {
    if (changes && is_cross_site(h))
        return refuse(403, "another site's page sent this");
    if (!changes && !data)
        return fine;
    if (g->token)
        return is_token(g, h->authorization)
                   ? fine
                   : refuse(401,
                            "this needs the header Authorization: Bearer TOKEN, with the value "
                            "of the setting http.token");
    if (g->loopback)
        return fine;
    return refuse(403,
                  "http.listen is no loopback address and no http.token is set, so this is not "
                  "served; set http.token");
}
