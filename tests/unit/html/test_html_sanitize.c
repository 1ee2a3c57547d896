/* What of a stranger's HTML comes out, and that nothing active does. */
#include "postrider/html/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LINK_TAIL " target=\"_blank\" rel=\"noopener noreferrer nofollow\">"

struct row {
    const char *in, *want;
};

static const struct html_sanitize_params plain_params = {0};

static void expect(const struct row *rows, size_t count,
                   const struct html_sanitize_params *params)
{
    for (size_t i = 0; i < count; i++) {
        struct buf out = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
        assert_true(html_sanitize(&out, str_of(rows[i].in), params));
        if (strcmp(buf_c(&out), rows[i].want) != 0) {
            fail_msg("%s\n  gives %s\n  not   %s", rows[i].in, buf_c(&out), rows[i].want);
        }
        assert_true(html_sanitize(&again, buf_str(&out), params));
        assert_string_equal(buf_c(&again), buf_c(&out));
        buf_fini(&out);
        buf_fini(&again);
    }
}

static void what_is_active_goes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"<script>alert(1)</script>x", "x"},
        {"<SCRIPT/x>alert(1)</ScRiPt >x", "x"},
        {"<script>alert(1)", ""},
        {"<scr<script>ipt>alert(1)</script>x", "ipt&gt;alert(1)x"},
        {"<style>p{}</style>x<style>", "x"},
        {"<img src=x onerror=alert(1)>", "<img>"},
        {"<img/src=x/onerror=alert(1)>", "<img>"},
        {"<p onclick='a'onmouseover=b>x</p>", "<p>x</p>"},
        {"<a href=\"javascript:alert(1)\">x</a>", "<a>x</a>"},
        {"<a href=\"java&#115;cript:alert(1)\">x</a>", "<a>x</a>"},
        {"<a href=\"java&Tab;script:alert(1)\">x</a>", "<a>x</a>"},
        {"<a href=\"&#1;javascript:alert(1)\">x</a>", "<a>x</a>"},
        {"<a href=\"javascript&colon;alert(1)\">x</a>", "<a>x</a>"},
        {"<a href=vbscript:x>x</a>", "<a>x</a>"},
        {"<a href=\"data:text/html,<script>1</script>\">x</a>", "<a>x</a>"},
        {"<a href=//evil.example/>x</a>", "<a>x</a>"},
        {"<img src=\"data:image/svg+xml;base64,AAAA\">", "<img>"},
        {"<img src=\"data:image/png;base64,AA<>\">", "<img>"},
        {"<svg><script>1</script><p>in</p></svg>out", "out"},
        {"<svg><svg>a</svg>b</svg>out", "out"},
        {"<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", ""},
        {"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
         "<img>&quot;&gt;"},
        {"<iframe src=http://x/></iframe>x", "x"},
        {"<object data=x><embed src=y><p>z</object>x", "x"},
        {"<form action=http://x/><input name=a><button>b</button></form>x", "x"},
        {"<base href=http://x/><meta http-equiv=refresh content=0><link rel=x>x", "x"},
        {"<template><p>x</template>y", "y"},
        {"<textarea></textarea ><p>x</p>", "<p>x</p>"},
        {"<title><p></title>x", "x"},
        {"<!-- <p> --!><b>x</b>", "<b>x</b>"},
        {"<!--><b>x</b>-->", "<b>x</b>--&gt;"},
        {"<!doctype html><?php x ?></ x>y", "y"},
        {"<![CDATA[<b>]]>x", "]]&gt;x"},
        {"a < b <3 & &lt;b&gt;", "a &lt; b &lt;3 &amp; &lt;b&gt;"},
        {"<p title='\"><img src=x onerror=y>'>x</p>",
         "<p title=\"&quot;&gt;&lt;img src=x onerror=y&gt;\">x</p>"},
        {"<div id=x class=y name=z>a</div>", "<div>a</div>"},
        {"<video><source src=http://x/></video>a<audio src=http://x/></audio>", "a"},
        {"<table background=http://x/y.gif><tr><td>a</table>",
         "<table data-remote-src=\"http://x/y.gif\"><tr><td>a</td></tr></table>"},
        {"<b", ""},
        {"<a href=\"x", ""},
    };
    expect(rows, sizeof rows / sizeof rows[0], &plain_params);
}

static void what_is_harmless_stays(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"<p>a<p>b", "<p>a</p><p>b</p>"},
        {"<ul><li>a<li>b<ul><li>c</ul><li>d</ul>",
         "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"},
        {"<table><tr><td>a<td>b<tr><td>c</table>",
         "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"},
        {"<div><table><tr><td></div>x</table>y</div>",
         "<div><table><tr><td>x</td></tr></table>y</div>"},
        {"<b><i>a</b>b</i>", "<b><i>a</i></b>b"},
        {"<body bgcolor=#fff>x</body>", "<div bgcolor=\"#fff\">x</div>"},
        {"<a href=\" HTTPS://x.example/?a=1&b=2\">k</a>",
         "<a href=\"HTTPS://x.example/?a=1&amp;b=2\"" LINK_TAIL "k</a>"},
        {"<a href=mailto:a@b.example>k</a>",
         "<a href=\"mailto:a@b.example\"" LINK_TAIL "k</a>"},
        {"<img src=cid:a@b width=10 alt='x & y'>",
         "<img src=\"cid:a@b\" width=\"10\" alt=\"x &amp; y\">"},
        {"<img src=http://x.example/y.gif>",
         "<img data-remote-src=\"http://x.example/y.gif\">"},
        {"&copy 1 &nosuch; &eacute;&#128;&#0;", "© 1 &nosuch; é€\xef\xbf\xbd"},
        {"<font color=red face=\"A, B\" size=+1>x</font>",
         "<font color=\"red\" face=\"A, B\" size=\"+1\">x</font>"},
        {"a\xff\x01z", "a\xef\xbf\xbd z"},
    };
    expect(rows, sizeof rows / sizeof rows[0], &plain_params);
}

static void styles_keep_what_cannot_leave_its_place(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"<p style=\"color:red;position:fixed;TOP:0\">x</p>",
         "<p style=\"color:red\">x</p>"},
        {"<p style=\"width:expression(alert(1));height:1px\">x</p>",
         "<p style=\"height:1px\">x</p>"},
        {"<p style=\"background:url(http://x/y) #fff\">x</p>",
         "<p style=\"background:none #fff\">x</p>"},
        {"<p style=\"background:u\\72l(http://x/y)\">x</p>", "<p>x</p>"},
        {"<p style=\"color:red/*;*/;margin:-9px;padding:calc(1px + 2px)\">x</p>",
         "<p style=\"padding:calc(1px + 2px)\">x</p>"},
        {"<p style=\"font-family:'A B',x;behavior:url(x)\">x</p>",
         "<p style=\"font-family:&#39;A B&#39;,x\">x</p>"},
        {"<p style=\"color:red}</style><script>\">x</p>", "<p>x</p>"},
        {"<p style=\"-moz-binding:url(x);@import:x;color:&#98;lue\">x</p>",
         "<p style=\"color:blue\">x</p>"},
        {"<p style=\"color:rgb(1,2,3\">x</p>", "<p>x</p>"},
        {"<p style=\"color:image-set('http://x/')\">x</p>", "<p>x</p>"},
    };
    expect(rows, sizeof rows / sizeof rows[0], &plain_params);
}

static void remote_images_stay_when_asked_for(void **state)
{
    (void)state;
    static const struct html_sanitize_params params = {.remote_images = true};
    static const struct row rows[] = {
        {"<img src=http://x/y.gif>", "<img src=\"http://x/y.gif\">"},
        {"<img data-remote-src=http://x/y.gif>", "<img src=\"http://x/y.gif\">"},
        {"<td style=\"background:url('https://x/y')\">a",
         "<td style=\"background:url(&#39;https://x/y&#39;)\">a</td>"},
        {"<td style=\"background:url(javascript:x)\">a",
         "<td style=\"background:none\">a</td>"},
    };
    expect(rows, sizeof rows / sizeof rows[0], &params);
}

static void quotes_are_folded_once(void **state)
{
    (void)state;
    static const struct html_sanitize_params params = {.fold_quotes = true};
    static const struct row rows[] = {
        {"a<blockquote type=cite>b</blockquote>c",
         "a<details><summary>…</summary><blockquote>b</blockquote></details>c"},
    };
    expect(rows, 1, &params);
}

static bool one_image(void *ctx, struct str cid, struct buf *out)
{
    (void)ctx;
    return str_eq_c(cid, "a@b") && buf_put_c(out, "data:image/png;base64,AAAA");
}

static void images_of_the_message_are_put_in(void **state)
{
    (void)state;
    static const struct html_sanitize_params params = {.on_cid = one_image};
    static const struct row rows[] = {
        {"<img src=\"cid:a@b\"><img src=\"cid:other\">",
         "<img src=\"data:image/png;base64,AAAA\"><img src=\"cid:other\">"},
    };
    expect(rows, 1, &params);
}

static void images_are_put_into_a_document_that_stays_as_it_is(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"<img src=\"cid:a@b\" x>", "<img src=\"data:image/png;base64,AAAA\" x>"},
        {"<img src='CID:a&#64;b'>", "<img src='data:image/png;base64,AAAA'>"},
        {"<img src=cid:a@b>", "<img src=data:image/png;base64,AAAA>"},
        {"<p style=\"background:url(cid:a@b)\">",
         "<p style=\"background:url(data:image/png;base64,AAAA)\">"},
        {"<img src=\"cid:other\"><script>x", "<img src=\"cid:other\"><script>x"},
        {"<p>incid:a@b cid:", "<p>incid:a@b cid:"},
        {"cid:a@b", "cid:a@b"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = BUF_INIT(1000);
        assert_true(html_embed(&out, str_of(rows[i].in), one_image, NULL));
        assert_string_equal(buf_c(&out), rows[i].want);
        buf_fini(&out);
    }
}

/* Deep and wide input takes linear time, and the output is no deeper than browsers bear. */
static void depth_and_time_are_bounded(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "<div>", "<b><i>", "<table><td>", "<p>a</p></b>", "<a href='", "<!--", "&",
        "<svg>", "<",      "</"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buf in = BUF_INIT(1 << 22), out = BUF_INIT(1 << 26);
        while (in.len < 1 << 20) {
            buf_put_c(&in, pieces[i]);
        }
        assert_true(html_sanitize(&out, buf_str(&in), &plain_params));
        size_t depth = 0, most = 0;
        for (size_t at = 0; at + 1 < out.len; at++) {
            bool tag = out.bytes[at] == '<';
            depth += tag && out.bytes[at + 1] != '/';
            depth -= tag && out.bytes[at + 1] == '/';
            most = depth > most ? depth : most;
        }
        assert_true(depth == 0 && most <= HTML_DEPTH_MAX);
        buf_fini(&in);
        buf_fini(&out);
    }
}

static void text_of_html(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"<p>a <b>b</b>\n c</p><p>d", "a b c\n\nd"},
        {"<style>x</style><svg>y</svg><script>z</script>a<br>b", "a\nb"},
        {"<ul><li>a<li>b</ul>", "* a\n* b"},
        {"<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"},
        {"&lt;b&gt; &amp;", "<b> &"},
        {"<pre>a\n  b</pre>", "a\n  b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = BUF_INIT(1000);
        assert_true(html_to_text(&out, str_of(rows[i].in), 1000));
        assert_string_equal(buf_c(&out), rows[i].want);
        buf_fini(&out);
    }
    struct buf cut = BUF_INIT(1000);
    assert_true(html_to_text(&cut, STR("ab\xc3\xa9z"), 3));
    assert_string_equal(buf_c(&cut), "ab");
    buf_fini(&cut);
}

static void html_of_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a <b>\r\nc & d", "a &lt;b&gt;<br>\nc &amp; d"},
        {"see http://x.example/a?b=1&c. Or (https://y.example)",
         "see <a href=\"http://x.example/a?b=1&amp;c\"" LINK_TAIL
         "http://x.example/a?b=1&amp;c</a>. Or (<a href=\"https://y.example\"" LINK_TAIL
         "https://y.example</a>)"},
        {"a\n> b\n>> c\nd", "a<blockquote>b<blockquote>c</blockquote></blockquote>d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = BUF_INIT(4000);
        assert_true(html_from_text(&out, str_of(rows[i].in), false));
        assert_string_equal(buf_c(&out), rows[i].want);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_active_goes),
        cmocka_unit_test(what_is_harmless_stays),
        cmocka_unit_test(styles_keep_what_cannot_leave_its_place),
        cmocka_unit_test(remote_images_stay_when_asked_for),
        cmocka_unit_test(quotes_are_folded_once),
        cmocka_unit_test(images_of_the_message_are_put_in),
        cmocka_unit_test(images_are_put_into_a_document_that_stays_as_it_is),
        cmocka_unit_test(depth_and_time_are_bounded),
        cmocka_unit_test(text_of_html),
        cmocka_unit_test(html_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
