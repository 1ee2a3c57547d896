/* Keeps the library non-empty when no fixture exists. */
typedef int test_support_is_empty;
