#include "tls_fixture.h"

#include "postrider/base/attr.h"
#include "postrider/base/check.h"
#include "postrider/base/mem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PATH_SIZE = 128,
    DAY_S = 24 * 3600
};

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

struct tls_fixture {
    char dir[PATH_SIZE / 2];
    char ca_file[PATH_SIZE];
    char cert_file[PATH_SIZE];
    char key_file[PATH_SIZE];
    struct identity ca;
    long serial;
};

static const char names_good[] = "DNS:localhost,DNS:mail.example.test,"
                                 "DNS:*.wild.example.test,IP:127.0.0.1,IP:::1";

static const struct cert_row {
    const char *common_name;
    const char *alt_names;
    const char *usage;
    long from_days, to_days;
    unsigned rsa_bits; /* 0: P-256 */
    bool self_signed, chain;
} rows[] = {
    [TLS_FIXTURE_GOOD] = {"good", names_good, "serverAuth", -1, 30, 0, false, false},
    [TLS_FIXTURE_CHAIN] = {"chain", names_good, "serverAuth", -1, 30, 2048, false, true},
    [TLS_FIXTURE_EXPIRED] = {"old", names_good, "serverAuth", -30, -1, 0, false, false},
    [TLS_FIXTURE_NOT_YET_VALID] = {"new", names_good, "serverAuth", 5, 30, 0, false,
                                   false},
    [TLS_FIXTURE_WRONG_HOST] = {"localhost", "DNS:other.example.test", "serverAuth", -1,
                                30, 0, false, false},
    [TLS_FIXTURE_CN_ONLY] = {"localhost", NULL, "serverAuth", -1, 30, 0, false, false},
    [TLS_FIXTURE_NO_IP] = {"127.0.0.1", "DNS:localhost,DNS:127.0.0.1", "serverAuth", -1,
                           30, 0, false, false},
    [TLS_FIXTURE_CLIENT_USAGE] = {"client", names_good, "clientAuth", -1, 30, 0, false,
                                  false},
    [TLS_FIXTURE_WEAK_KEY] = {"weak", names_good, "serverAuth", -1, 30, 1024, false,
                              false},
    [TLS_FIXTURE_SELF_SIGNED] = {"self", names_good, "serverAuth", -1, 30, 0, true,
                                 false},
};

_Static_assert(ARRAY_LEN(rows) == TLS_FIXTURE_CERT_COUNT, "one row per certificate");

static void extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static void identity_free(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
}

/* issuer NULL: signed by itself. usage NULL: an authority. */
static struct identity identity_new(struct tls_fixture *f, const struct cert_row *row,
                                    const struct identity *issuer)
{
    struct identity id = {.cert = X509_new()};
    id.key = row->rsa_bits > 0 ? EVP_RSA_gen(row->rsa_bits) : EVP_EC_gen("P-256");
    CHECK(id.cert != NULL && id.key != NULL);
    const struct identity *signer = issuer != NULL ? issuer : &id;
    (void)X509_set_version(id.cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(id.cert), ++f->serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(id.cert), row->from_days * DAY_S);
    (void)X509_gmtime_adj(X509_getm_notAfter(id.cert), row->to_days * DAY_S);
    (void)X509_set_pubkey(id.cert, id.key);
    X509_NAME *name = X509_get_subject_name(id.cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                     (const unsigned char *)row->common_name, -1, -1, 0);
    (void)X509_set_issuer_name(id.cert, X509_get_subject_name(signer->cert));
    extension_add(id.cert, signer->cert, NID_basic_constraints,
                  row->usage == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (row->usage != NULL) {
        extension_add(id.cert, signer->cert, NID_ext_key_usage, row->usage);
    }
    if (row->alt_names != NULL) {
        extension_add(id.cert, signer->cert, NID_subject_alt_name, row->alt_names);
    }
    CHECK(X509_sign(id.cert, signer->key, EVP_sha256()) > 0);
    return id;
}

static FILE *file_open(const char *path)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    return file;
}

struct tls_fixture *tls_fixture_new(void)
{
    struct tls_fixture *f = MEM_NEW(struct tls_fixture);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(f->dir, sizeof f->dir, "%s/tls-XXXXXX", tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(f->dir) != NULL);
    (void)snprintf(f->ca_file, sizeof f->ca_file, "%s/ca.pem", f->dir);
    (void)snprintf(f->cert_file, sizeof f->cert_file, "%s/cert.pem", f->dir);
    (void)snprintf(f->key_file, sizeof f->key_file, "%s/key.pem", f->dir);
    /* Authorities of two fixtures have different names, as in life. */
    struct cert_row authority = {f->dir, NULL, NULL, -60, 60, 0, true, false};
    f->ca = identity_new(f, &authority, NULL);
    FILE *file = file_open(f->ca_file);
    CHECK(PEM_write_X509(file, f->ca.cert) == 1 && fclose(file) == 0);
    return f;
}

void tls_fixture_free(struct tls_fixture **fp)
{
    struct tls_fixture *f = *fp;
    if (f == NULL) {
        return;
    }
    *fp = NULL;
    identity_free(&f->ca);
    (void)unlink(f->ca_file);
    (void)unlink(f->cert_file);
    (void)unlink(f->key_file);
    (void)rmdir(f->dir);
    mem_free(f);
}

const char *tls_fixture_ca_file(const struct tls_fixture *f)
{
    return f->ca_file;
}

void tls_fixture_write(struct tls_fixture *f, enum tls_fixture_cert kind,
                       const char **cert_path_out, const char **key_path_out)
{
    static const struct cert_row between = {
        "Test Intermediate", NULL, NULL, -60, 60, 2048, false, false};
    const struct cert_row *row = &rows[kind];
    struct identity middle = {0};
    const struct identity *issuer = row->self_signed ? NULL : &f->ca;
    if (row->chain) {
        middle = identity_new(f, &between, &f->ca);
        issuer = &middle;
    }
    struct identity leaf = identity_new(f, row, issuer);
    FILE *file = file_open(f->cert_file);
    CHECK(PEM_write_X509(file, leaf.cert) == 1);
    CHECK(middle.cert == NULL || PEM_write_X509(file, middle.cert) == 1);
    CHECK(fclose(file) == 0);
    file = file_open(f->key_file);
    CHECK(PEM_write_PrivateKey(file, leaf.key, NULL, NULL, 0, NULL, NULL) == 1 &&
          fclose(file) == 0);
    identity_free(&leaf);
    identity_free(&middle);
    *cert_path_out = f->cert_file;
    *key_path_out = f->key_file;
}

SSL_CTX *tls_fixture_server_ctx(struct tls_fixture *f, enum tls_fixture_cert kind)
{
    const char *cert = NULL;
    const char *key = NULL;
    tls_fixture_write(f, kind, &cert, &key);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx != NULL);
    SSL_CTX_set_security_level(ctx, 0); /* weak keys are for the client to refuse */
    CHECK(SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
          SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1);
    return ctx;
}
