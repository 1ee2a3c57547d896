/* Text to tokens.
 *     name   = (letter | "_") {letter | digit | "_"}
 *     number = ["-"] digit {digit} ["." digit {digit}]
 *     string = quote {character | "\" (quote | "\" | "n" | "r" | "t")} quote, with " or '
 *     signs  = "$" "." "," ":" "?" "(" ")" "[" "]" "{" "}" "!" "&&" "||"
 *              "==" "!=" "<" "<=" ">" ">="
 *     words  = "and" "or" "not" "true" "false" "null" */
#include "expr_priv.h"

#include "postrider/base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool expr_fail_at(struct str source, size_t at, struct err *err, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < source.len; i++) {
        unsigned char c = (unsigned char)source.ptr[i];
        line += c == '\n' ? 1 : 0;
        column = c == '\n' ? 1 : column + ((c & 0xC0) != 0x80 ? 1 : 0);
    }
    va_list ap;
    va_start(ap, fmt);
    (void)err_vset(err, ERR_INVALID, fmt, ap);
    va_end(ap);
    return err_wrap(err, "line %zu, column %zu", line, column);
}

static bool is_name_start(char c)
{
    return c == '_' || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static bool is_name_part(char c)
{
    return is_name_start(c) || ascii_is_digit(c);
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->pos + ahead < l->source.len ? l->source.ptr[l->pos + ahead] : '\0';
}

static void lex_name(struct lexer *l, struct token *out)
{
    static const struct {
        const char *word;
        enum token_kind kind;
    } words[] = {{"and", TOKEN_AND},   {"or", TOKEN_OR},       {"not", TOKEN_NOT},
                 {"true", TOKEN_TRUE}, {"false", TOKEN_FALSE}, {"null", TOKEN_NULL}};
    while (is_name_part(peek(l, 0))) {
        l->pos++;
    }
    out->kind = TOKEN_NAME;
    out->text = str_from(l->source.ptr + out->at, l->pos - out->at);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        out->kind = str_eq_c(out->text, words[i].word) ? words[i].kind : out->kind;
    }
}

static bool lex_number(struct lexer *l, struct token *out, struct err *err)
{
    enum {
        DIGITS_MAX = 40
    };
    char text[DIGITS_MAX + 1];
    bool real = false;
    l->pos++;
    while (ascii_is_digit(peek(l, 0)) ||
           (!real && peek(l, 0) == '.' && ascii_is_digit(peek(l, 1)))) {
        real = real || peek(l, 0) == '.';
        l->pos++;
    }
    struct str digits = str_from(l->source.ptr + out->at, l->pos - out->at);
    int64_t whole = 0;
    if (digits.len > DIGITS_MAX || (!real && !num_i64(digits, &whole))) {
        return expr_fail_at(l->source, out->at, err, "the number is too large");
    }
    (void)snprintf(text, sizeof text, "%.*s", STR_ARG(digits));
    out->kind = TOKEN_NUMBER;
    out->number = real ? json_real(strtod(text, NULL)) : json_integer(whole);
    return true;
}

static bool lex_escape(struct lexer *l, struct err *err)
{
    static const char from[] = "nrt\\\"'", to[] = "\n\r\t\\\"'";
    const char *found = peek(l, 1) != '\0' ? strchr(from, peek(l, 1)) : NULL;
    if (found == NULL) {
        return expr_fail_at(l->source, l->pos, err,
                            "a backslash takes one of n r t \\ \" ' behind it");
    }
    (void)buf_put_byte(&l->text, to[found - from]);
    l->pos += 2;
    return true;
}

static bool lex_string(struct lexer *l, struct token *out, struct err *err)
{
    char quote = peek(l, 0);
    buf_clear(&l->text);
    l->pos++;
    while (l->pos < l->source.len && peek(l, 0) != quote) {
        if (peek(l, 0) != '\\') {
            (void)buf_put_byte(&l->text, l->source.ptr[l->pos++]);
        } else if (!lex_escape(l, err)) {
            return false;
        }
    }
    if (l->pos == l->source.len) {
        return expr_fail_at(l->source, out->at, err, "the text has no closing quote");
    }
    l->pos++;
    out->kind = TOKEN_STRING;
    out->text = str_of(buf_c(&l->text));
    return true;
}

static bool lex_sign(struct lexer *l, struct token *out, struct err *err)
{
    /* the longer ones first */
    static const struct {
        const char *sign;
        enum token_kind kind;
    } signs[] = {{"&&", TOKEN_AND},
                 {"||", TOKEN_OR},
                 {"==", TOKEN_EQ},
                 {"!=", TOKEN_NE},
                 {"<=", TOKEN_LE},
                 {">=", TOKEN_GE},
                 {"<", TOKEN_LT},
                 {">", TOKEN_GT},
                 {"!", TOKEN_NOT},
                 {"?", TOKEN_QUESTION},
                 {":", TOKEN_COLON},
                 {",", TOKEN_COMMA},
                 {".", TOKEN_DOT},
                 {"(", TOKEN_PAREN_OPEN},
                 {")", TOKEN_PAREN_CLOSE},
                 {"[", TOKEN_BRACKET_OPEN},
                 {"]", TOKEN_BRACKET_CLOSE},
                 {"{", TOKEN_BRACE_OPEN},
                 {"}", TOKEN_BRACE_CLOSE},
                 {"$", TOKEN_ROOT}};
    struct str rest = str_tail(l->source, l->pos);
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (str_has_prefix(rest, signs[i].sign)) {
            out->kind = signs[i].kind;
            l->pos += strlen(signs[i].sign);
            return true;
        }
    }
    return expr_fail_at(l->source, l->pos, err,
                        "this character has no meaning here (texts need quotes, = is "
                        "written ==)");
}

bool expr_lex(struct lexer *l, struct token *out, struct err *err)
{
    while (ascii_is_space(peek(l, 0))) {
        l->pos++;
    }
    *out = (struct token){.kind = TOKEN_END, .at = l->pos};
    char c = peek(l, 0);
    if (l->pos == l->source.len) {
        return true;
    }
    if (is_name_start(c)) {
        lex_name(l, out);
        return true;
    }
    if (c == '"' || c == '\'') {
        return lex_string(l, out, err);
    }
    if (ascii_is_digit(c) || (c == '-' && ascii_is_digit(peek(l, 1)))) {
        return lex_number(l, out, err);
    }
    return lex_sign(l, out, err);
}
