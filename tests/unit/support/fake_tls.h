/* An HTTPS server on 127.0.0.1 whose certificate nobody has signed but itself. It answers nothing: it
 * ends each connection after the handshake, however that ends. */
#ifndef TIDEMARK_SUPPORT_FAKE_TLS_H
#define TIDEMARK_SUPPORT_FAKE_TLS_H

struct fake_tls;

struct fake_tls *fake_tls_start(void);
void fake_tls_stop(struct fake_tls *t);
/* "https://127.0.0.1:PORT" */
const char *fake_tls_endpoint(const struct fake_tls *t);

#endif
