#include "mime_priv.h"

/* GMime counts its own calls; options of NULL mean its defaults. */
void mime_init(void)
{
    g_mime_init();
    g_mime_parser_options_set_allow_addresses_without_domain(
        g_mime_parser_options_get_default(), TRUE);
}

void mime_fini(void)
{
    g_mime_shutdown();
}
