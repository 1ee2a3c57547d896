#include "postrider/mime/mime.h"

#include <gmime/gmime.h>

/* GMime counts its own calls. */
void mime_init(void)
{
    g_mime_init();
}

void mime_fini(void)
{
    g_mime_shutdown();
}
