/*
 * rule: the compiler of the rule language (grammar and bounds in score.h).
 * Recursive descent, one level of C recursion per parenthesis or `not`, at
 * most RULE_MAX_DEPTH of them.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "score/rule.h"

enum token {
	TOK_END,
	TOK_NAME,
	TOK_NUMBER,
	TOK_STRING,
	TOK_OPEN,
	TOK_CLOSE,
	TOK_COMMA,
	TOK_COMPARE,
	TOK_BAD
};

struct compiler {
	struct arena *a;
	struct str text;
	struct err *err;
	size_t pos;
	int depth;
	/* the token under the cursor */
	enum token tok;
	size_t tok_pos;
	struct str word;      /* TOK_NAME: its bytes; TOK_STRING: unescaped */
	struct value number;  /* TOK_NUMBER */
	enum rule_op compare; /* TOK_COMPARE */
	char *strings;	      /* where unescaped strings go: together they are shorter than the text */
	/* what is built */
	struct rule_step *steps;
	size_t nsteps, cap, ntests;
};

static int
rule_fail(struct compiler *c, enum err_kind kind, size_t pos, const char *what)
{
	return err_set(c->err, kind, "column %zu: %s", pos + 1, what);
}

/* ---- tokens ---- */

static bool
name_first(char c)
{
	return ascii_isalpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool
name_more(char c)
{
	return name_first(c) || ascii_isdigit(c) || c == '-' || c == '.';
}

static int
lex_string(struct compiler *c)
{
	char quote = c->text.p[c->pos++];
	char *out = c->strings;
	size_t n = 0;
	for (; c->pos < c->text.n; c->pos++) {
		char ch = c->text.p[c->pos];
		if (ch == quote) {
			c->pos++;
			c->tok = TOK_STRING;
			c->word = str_make(out, n);
			c->strings += n;
			return 0;
		}
		if (ch == '\\') {
			if (c->pos + 1 == c->text.n)
				break;
			ch = c->text.p[++c->pos];
			if (ch != '"' && ch != '\'' && ch != '\\')
				return rule_fail(
				    c, ERR_INPUT, c->pos,
				    "only \\\", \\' and \\\\ may follow a backslash in a string");
		}
		out[n++] = ch;
	}
	return rule_fail(c, ERR_INPUT, c->tok_pos, "this string has no closing quote");
}

static int
lex_number(struct compiler *c)
{
	char digits[64];
	size_t n = 0, start = c->pos;
	while (c->pos < c->text.n) {
		char ch = c->text.p[c->pos];
		bool sign = (ch == '-' || ch == '+') &&
			    (c->pos == start || ascii_lower(c->text.p[c->pos - 1]) == 'e');
		if (!ascii_isdigit(ch) && ch != '.' && ascii_lower(ch) != 'e' && !sign)
			break;
		if (n + 1 >= sizeof(digits))
			return rule_fail(c, ERR_INPUT, start, "this number is too long");
		digits[n++] = ch;
		c->pos++;
	}
	digits[n] = '\0';
	char *end;
	errno = 0;
	c->number = (struct value){ .type = VALUE_INT, .i = strtoll(digits, &end, 10) };
	if (*end != '\0' || errno == ERANGE)
		c->number = (struct value){ .type = VALUE_REAL, .r = strtod(digits, &end) };
	if (end == digits || *end != '\0' || (c->number.type == VALUE_REAL && !isfinite(c->number.r)))
		return rule_fail(c, ERR_INPUT, start, "this is no number");
	if (c->pos < c->text.n && name_first(c->text.p[c->pos]))
		return rule_fail(c, ERR_INPUT, start, "a name cannot start with a digit");
	c->tok = TOK_NUMBER;
	return 0;
}

static int
lex_compare(struct compiler *c)
{
	static const struct {
		struct str text;
		enum rule_op op;
	} table[] = {
		{ STR("=="), RULE_EQ }, { STR("!="), RULE_NE }, { STR("<="), RULE_LE },
		{ STR(">="), RULE_GE }, { STR("<"), RULE_LT },	{ STR(">"), RULE_GT },
	};
	struct str rest = str_sub(c->text, c->pos, c->text.n);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (str_starts(rest, table[i].text)) {
			c->pos += table[i].text.n;
			c->tok = TOK_COMPARE;
			c->compare = table[i].op;
			return 0;
		}
	}
	return rule_fail(c, ERR_INPUT, c->pos,
			 rest.p[0] == '=' ? "use == to compare"
					  : "expected a name, a value or a comparison here");
}

/* Puts the next token under the cursor. */
static int
lex(struct compiler *c)
{
	while (c->pos < c->text.n && ascii_isspace(c->text.p[c->pos]))
		c->pos++;
	c->tok_pos = c->pos;
	if (c->pos == c->text.n) {
		c->tok = TOK_END;
		return 0;
	}
	char ch = c->text.p[c->pos];
	if (ch == '"' || ch == '\'')
		return lex_string(c);
	if (ascii_isdigit(ch) || ch == '-' || ch == '+' || ch == '.')
		return lex_number(c);
	if (name_first(ch)) {
		while (c->pos < c->text.n && name_more(c->text.p[c->pos]))
			c->pos++;
		c->word = str_sub(c->text, c->tok_pos, c->pos);
		c->tok = TOK_NAME;
		if (c->word.p[c->word.n - 1] == '.' || str_find(c->word, STR("..")) < c->word.n)
			return rule_fail(c, ERR_INPUT, c->tok_pos,
					 "a name has an empty step between its dots");
		return 0;
	}
	if (ch == '(' || ch == ')' || ch == ',') {
		c->pos++;
		c->tok = ch == '(' ? TOK_OPEN : ch == ')' ? TOK_CLOSE : TOK_COMMA;
		return 0;
	}
	return lex_compare(c);
}

static bool
at_word(const struct compiler *c, const char *word)
{
	return c->tok == TOK_NAME && str_eq(c->word, str_of(word));
}

static bool
at_keyword(const struct compiler *c)
{
	return at_word(c, "and") || at_word(c, "or") || at_word(c, "not") || at_word(c, "in") ||
	       at_word(c, "exists");
}

/* ---- grammar ---- */

static int parse_rule(struct compiler *c);

/* A new step, zeroed, or NULL when the rule has too many. */
static struct rule_step *
step_add(struct compiler *c, enum rule_op op)
{
	bool test = op < RULE_AND;
	if (c->nsteps >= RULE_MAX_OPS || (test && c->ntests >= RULE_MAX_TESTS)) {
		(void)rule_fail(c, ERR_LIMIT, c->tok_pos, "the rule has too many tests");
		return NULL;
	}
	if (c->nsteps == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 8;
		struct rule_step *grown = ARENA_ARRAY(c->a, struct rule_step, cap);
		if (c->nsteps > 0)
			memcpy(grown, c->steps, c->nsteps * sizeof(*grown));
		c->steps = grown;
		c->cap = cap;
	}
	c->ntests += test;
	c->steps[c->nsteps].op = op;
	return &c->steps[c->nsteps++];
}

static int
step_push(struct compiler *c, enum rule_op op)
{
	return step_add(c, op) ? 0 : -1;
}

static int
parse_operand(struct compiler *c, struct rule_operand *out, bool literal_only)
{
	*out = (struct rule_operand){ 0 };
	if (c->tok == TOK_NUMBER) {
		out->literal = c->number;
	} else if (c->tok == TOK_STRING) {
		out->literal = (struct value){ .type = VALUE_STRING, .s = c->word };
	} else if (at_word(c, "true") || at_word(c, "false")) {
		out->literal = (struct value){ .type = VALUE_BOOL, .b = at_word(c, "true") };
	} else if (c->tok == TOK_NAME && !literal_only && !at_keyword(c)) {
		out->is_name = true;
		out->name = c->word;
	} else {
		return rule_fail(c, ERR_INPUT, c->tok_pos,
				 literal_only ? "expected a number or a string"
					      : "expected a name, a number or a string");
	}
	return lex(c);
}

/* The cursor is behind "in". */
static int
parse_in(struct compiler *c, const struct rule_operand *left)
{
	struct rule_operand items[256];
	size_t n = 0;
	if (c->tok != TOK_OPEN) {
		struct rule_step *s = step_add(c, RULE_IN_NAME);
		if (!s)
			return -1;
		s->left = *left;
		if (c->tok != TOK_NAME || at_keyword(c) || at_word(c, "true") || at_word(c, "false"))
			return rule_fail(c, ERR_INPUT, c->tok_pos,
					 "after \"in\" goes a list in parentheses or a name");
		return parse_operand(c, &s->right, false);
	}
	do {
		if (n == sizeof(items) / sizeof(items[0]))
			return rule_fail(c, ERR_LIMIT, c->tok_pos, "the list has over 256 items");
		if (lex(c) != 0 || parse_operand(c, &items[n++], true) != 0)
			return -1;
	} while (c->tok == TOK_COMMA);
	if (c->tok != TOK_CLOSE)
		return rule_fail(c, ERR_INPUT, c->tok_pos, "expected , or ) in the list");

	struct rule_step *s = step_add(c, RULE_IN);
	if (!s)
		return -1;
	s->left = *left;
	s->nlist = n;
	s->list = ARENA_ARRAY(c->a, struct rule_operand, n);
	memcpy(s->list, items, n * sizeof(items[0]));
	return lex(c);
}

static int
parse_exists(struct compiler *c)
{
	struct rule_step *s = step_add(c, RULE_EXISTS);
	if (!s || lex(c) != 0)
		return -1;
	if (c->tok != TOK_OPEN)
		return rule_fail(c, ERR_INPUT, c->tok_pos, "write exists(name)");
	if (lex(c) != 0)
		return -1;
	if (c->tok != TOK_NAME)
		return rule_fail(c, ERR_INPUT, c->tok_pos, "exists() takes a name");
	if (parse_operand(c, &s->left, false) != 0)
		return -1;
	if (!s->left.is_name || c->tok != TOK_CLOSE)
		return rule_fail(c, ERR_INPUT, c->tok_pos, "write exists(name)");
	return lex(c);
}

/* operand, alone, compared or looked for in a list. */
static int
parse_comparison(struct compiler *c)
{
	struct rule_operand left;
	size_t left_pos = c->tok_pos;
	if (parse_operand(c, &left, false) != 0)
		return -1;
	if (c->tok == TOK_COMPARE) {
		struct rule_step *s = step_add(c, c->compare);
		if (!s)
			return -1;
		s->left = left;
		return lex(c) != 0 ? -1 : parse_operand(c, &s->right, false);
	}
	if (at_word(c, "in"))
		return lex(c) != 0 ? -1 : parse_in(c, &left);
	if (at_word(c, "not")) {
		if (lex(c) != 0)
			return -1;
		if (!at_word(c, "in"))
			return rule_fail(c, ERR_INPUT, c->tok_pos, "expected \"in\" after \"not\" here");
		return lex(c) != 0 || parse_in(c, &left) != 0 ? -1 : step_push(c, RULE_NOT);
	}
	if (left.is_name) {
		struct rule_step *s = step_add(c, RULE_TRUTH);
		if (!s)
			return -1;
		s->left = left;
		return 0;
	}
	if (left.literal.type == VALUE_BOOL)
		return step_push(c, left.literal.b ? RULE_TRUE : RULE_FALSE);
	return rule_fail(c, ERR_INPUT, left_pos, "a value alone is no test; compare it with a name");
}

static int
parse_unary(struct compiler *c)
{
	bool open = c->tok == TOK_OPEN, not = at_word(c, "not");
	if (at_word(c, "exists"))
		return parse_exists(c);
	if (!open && !not )
		return parse_comparison(c);
	if (++c->depth > RULE_MAX_DEPTH)
		return rule_fail(c, ERR_LIMIT, c->tok_pos, "the rule is nested over 32 levels deep");
	if (lex(c) != 0)
		return -1;
	if (not ) {
		if (parse_unary(c) != 0 || step_push(c, RULE_NOT) != 0)
			return -1;
	} else {
		if (parse_rule(c) != 0)
			return -1;
		if (c->tok != TOK_CLOSE)
			return rule_fail(c, ERR_INPUT, c->tok_pos,
					 "expected \"and\", \"or\" or a closing parenthesis");
		if (lex(c) != 0)
			return -1;
	}
	c->depth--;
	return 0;
}

static int
parse_and(struct compiler *c)
{
	if (parse_unary(c) != 0)
		return -1;
	while (at_word(c, "and")) {
		if (lex(c) != 0 || parse_unary(c) != 0 || step_push(c, RULE_AND) != 0)
			return -1;
	}
	return 0;
}

static int
parse_rule(struct compiler *c)
{
	if (parse_and(c) != 0)
		return -1;
	while (at_word(c, "or")) {
		if (lex(c) != 0 || parse_and(c) != 0 || step_push(c, RULE_OR) != 0)
			return -1;
	}
	return 0;
}

struct score_rule *
score_rule_compile(struct arena *a, struct str text, struct err *e)
{
	struct compiler c = { .a = a, .err = e };
	if (text.n > RULE_MAX_BYTES) {
		(void)rule_fail(&c, ERR_LIMIT, RULE_MAX_BYTES, "the rule is longer than 8192 bytes");
		return NULL;
	}
	if (!str_is_utf8(text)) {
		(void)rule_fail(&c, ERR_INPUT, 0, "the rule is not well-formed UTF-8");
		return NULL;
	}
	c.text = arena_str(a, text);
	c.strings = arena_alloc(a, text.n + 1);
	if (lex(&c) != 0 || parse_rule(&c) != 0)
		return NULL;
	if (c.tok != TOK_END) {
		(void)rule_fail(&c, ERR_INPUT, c.tok_pos, "expected \"and\", \"or\" or the end of the rule");
		return NULL;
	}

	struct score_rule *r = ARENA_NEW(a, struct score_rule);
	r->steps = c.steps;
	r->nsteps = c.nsteps;
	return r;
}

int
score_rule_names(const struct score_rule *r, score_name_fn *each, void *ctx)
{
	int rc = 0;
	for (size_t i = 0; i < r->nsteps && rc == 0; i++) {
		const struct rule_step *s = &r->steps[i];
		if (s->left.is_name)
			rc = each(ctx, s->left.name);
		if (rc == 0 && s->right.is_name)
			rc = each(ctx, s->right.name);
	}
	return rc;
}
