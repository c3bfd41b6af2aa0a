#include "support/fake_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

struct fake_tls {
    pthread_t thread;
    int listener;
    char endpoint[64];
    SSL_CTX *context;
};

static void fail(const char *what) {
    (void)fprintf(stderr, "fake_tls: %s\n", what);
    abort();
}

static X509 *sign_oneself(EVP_PKEY *key) {
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1",
                                     -1, -1, 0);
    if (!X509_gmtime_adj(X509_getm_notBefore(cert), 0) ||
        !X509_gmtime_adj(X509_getm_notAfter(cert), 3600) || !X509_set_issuer_name(cert, name) ||
        !X509_set_pubkey(cert, key) || !X509_sign(cert, key, EVP_sha256()))
        fail("certificate");
    return cert;
}

static void *serve(void *ctx) {
    struct fake_tls *t = ctx;
    int fd;
    while ((fd = accept(t->listener, NULL, NULL)) >= 0) {
        SSL *ssl = SSL_new(t->context);
        (void)SSL_set_fd(ssl, fd);
        (void)SSL_accept(ssl);
        SSL_free(ssl);
        (void)close(fd);
    }
    return NULL;
}

struct fake_tls *fake_tls_start(void) {
    struct fake_tls *t = xcalloc(1, sizeof *t);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = sign_oneself(key);
    t->context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate(t->context, cert) != 1 ||
        SSL_CTX_use_PrivateKey(t->context, key) != 1)
        fail("context");
    X509_free(cert);
    EVP_PKEY_free(key);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    t->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(t->listener, 8) || getsockname(t->listener, (struct sockaddr *)&address, &len))
        fail("listen");
    (void)snprintf(t->endpoint, sizeof t->endpoint, "https://127.0.0.1:%d",
                   ntohs(address.sin_port));
    if (pthread_create(&t->thread, NULL, serve, t))
        fail("thread");
    return t;
}

void fake_tls_stop(struct fake_tls *t) {
    (void)shutdown(t->listener, SHUT_RDWR); /* ends accept */
    (void)pthread_join(t->thread, NULL);
    (void)close(t->listener);
    SSL_CTX_free(t->context);
    free(t);
}

const char *fake_tls_endpoint(const struct fake_tls *t) {
    return t->endpoint;
}
