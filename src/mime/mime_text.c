#include "postrider/mime/mime.h"

enum {
    STEP_BYTES = 16 * 1024, /* encoded bytes decoded at a time */
    SCRATCH_MAX = 4 * STEP_BYTES
};

bool mime_text_decode(struct buf *out, struct str body, const struct mime_text *how,
                      bool *has_more_out)
{
    struct mime_decoder *decoder = mime_decoder_new(how->encoding);
    struct mime_charset *charset = mime_charset_new(how->charset, how->max_bytes);
    struct buf scratch = BUF_INIT(SCRATCH_MAX);
    struct str rest = body;
    bool wanted = true;
    while (rest.len > 0 && wanted) {
        size_t n = rest.len < STEP_BYTES ? rest.len : STEP_BYTES;
        buf_clear(&scratch);
        mime_decoder_feed(decoder, rest.ptr, n, &scratch);
        wanted = mime_charset_feed(charset, scratch.bytes, scratch.len, out);
        rest = str_tail(rest, n);
    }
    if (wanted && !how->input_cut) {
        buf_clear(&scratch);
        mime_decoder_end(decoder, &scratch);
        mime_charset_feed(charset, scratch.bytes, scratch.len, out);
    }
    if (how->input_cut) {
        mime_charset_cut(charset);
    }
    mime_charset_end(charset, out);
    *has_more_out = how->input_cut || mime_charset_is_truncated(charset);
    buf_fini(&scratch);
    mime_charset_free(&charset);
    mime_decoder_free(&decoder);
    return !out->overflow;
}
