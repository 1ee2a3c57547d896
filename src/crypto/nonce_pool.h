/* nonce_pool: random bytes drawn from the kernel a page at a time, since one call per
 * nonce costs more than the encryption.
 * Owner    the keyring
 * Safety   a byte is handed out once. After a fork the child's page is empty: parent and
 *          child never share a nonce. */
#ifndef POSTRIDER_CRYPTO_NONCE_POOL_H
#define POSTRIDER_CRYPTO_NONCE_POOL_H

#include "postrider/base/attr.h"

#include <stddef.h>
#include <stdint.h>

struct nonce_pool;

struct nonce_pool *nonce_pool_new(void) ATTR_RETURNS_NONNULL;
void nonce_pool_free(struct nonce_pool **pool);
/* n ≤ 64. */
void nonce_pool_take(struct nonce_pool *pool, uint8_t *out, size_t n);

#endif
