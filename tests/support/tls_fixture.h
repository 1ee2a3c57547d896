/* tls_fixture: a certificate authority and server certificates, made at run time in a
 * temporary directory.
 * Owner    the test: tls_fixture_new, then tls_fixture_free, which removes the directory
 * Note     names in a good certificate: localhost, mail.example.test,
 * *.wild.example.test, 127.0.0.1 and ::1 */
#ifndef POSTRIDER_TESTS_TLS_FIXTURE_H
#define POSTRIDER_TESTS_TLS_FIXTURE_H

#include <openssl/ssl.h>

enum tls_fixture_cert {
    TLS_FIXTURE_GOOD,
    TLS_FIXTURE_CHAIN, /* good; RSA 2048, through an intermediate that is sent along */
    TLS_FIXTURE_EXPIRED,
    TLS_FIXTURE_NOT_YET_VALID,
    TLS_FIXTURE_WRONG_HOST,
    TLS_FIXTURE_CN_ONLY, /* the right name, but not as an alternative name */
    TLS_FIXTURE_NO_IP,   /* names only */
    TLS_FIXTURE_CLIENT_USAGE,
    TLS_FIXTURE_WEAK_KEY, /* RSA 1024 */
    TLS_FIXTURE_SELF_SIGNED,
    TLS_FIXTURE_CERT_COUNT
};

struct tls_fixture;

struct tls_fixture *tls_fixture_new(void);
void tls_fixture_free(struct tls_fixture **f);
/* Path of the authority's certificate (PEM). */
const char *tls_fixture_ca_file(const struct tls_fixture *f);
/* Writes certificate (with its chain) and key as PEM files; the paths are the fixture's
 * until the next call. */
void tls_fixture_write(struct tls_fixture *f, enum tls_fixture_cert kind,
                       const char **cert_path_out, const char **key_path_out);
/* A server context with that certificate; the caller frees it. */
SSL_CTX *tls_fixture_server_ctx(struct tls_fixture *f, enum tls_fixture_cert kind);

#endif
