#include "mime_priv.h"

/* Character sets that much mail is in. Their modules stay loaded: to load one for a word and
 * to unload it again takes a hundred times as long as to convert the word. */
static const char *const usual[] = {"CP1252",      "CP1251", "KOI8-R",    "ISO-8859-2",
                                    "ISO-8859-15", "CP932",  "EUC-JP",    "ISO-2022-JP-2",
                                    "GB18030",     "CP949",  "BIG5-HKSCS"};

/* Of the process, as GMime is: written before other threads start and after they ended. */
static struct {
    unsigned uses;
    iconv_t converters[ARRAY_LEN(usual)];
} held;

void mime_init(void)
{
    /* GMime counts its own calls; options of NULL mean its defaults. */
    g_mime_init();
    g_mime_parser_options_set_allow_addresses_without_domain(
        g_mime_parser_options_get_default(), TRUE);
    if (held.uses++ == 0) {
        for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
            held.converters[i] = g_mime_iconv_open("UTF-8", usual[i]);
        }
    }
}

void mime_fini(void)
{
    if (--held.uses == 0) {
        for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
            g_mime_iconv_close(held.converters[i]);
        }
    }
    g_mime_shutdown();
}
