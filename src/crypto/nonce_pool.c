#include "nonce_pool.h"

#include "postrider/base/check.h"
#include "postrider/base/mem.h"
#include "postrider/base/rand.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,
    TAKE_MAX = 64
};

/* The count lives in the wiped page too, so a wiped page reads as an empty pool. */
struct pool_page {
    size_t left;
    uint8_t bytes[PAGE_BYTES - sizeof(size_t)];
};

struct nonce_pool {
    struct pool_page *page;
    pid_t pid; /* 0 when the kernel wipes the page at fork */
};

struct nonce_pool *nonce_pool_new(void)
{
    struct nonce_pool *pool = MEM_NEW(struct nonce_pool);
    void *page = mmap(NULL, sizeof *pool->page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    pool->page = page;
    /* Kernels without it (before 4.14, some sandboxes) are served by comparing pids. */
    pool->pid = madvise(page, sizeof *pool->page, MADV_WIPEONFORK) == 0 ? 0 : getpid();
    return pool;
}

void nonce_pool_free(struct nonce_pool **pool)
{
    if (pool == NULL || *pool == NULL) {
        return;
    }
    mem_wipe((*pool)->page, sizeof *(*pool)->page);
    (void)munmap((*pool)->page, sizeof *(*pool)->page);
    mem_free(*pool);
    *pool = NULL;
}

void nonce_pool_take(struct nonce_pool *pool, uint8_t *out, size_t n)
{
    CHECK(n <= TAKE_MAX);
    struct pool_page *page = pool->page;
    if (pool->pid != 0 && pool->pid != getpid()) {
        pool->pid = getpid();
        page->left = 0;
    }
    if (page->left < n) {
        rand_bytes(page->bytes, sizeof page->bytes);
        page->left = sizeof page->bytes;
    }
    page->left -= n;
    memcpy(out, page->bytes + page->left, n);
    mem_wipe(page->bytes + page->left, n);
}
