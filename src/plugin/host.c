/*
 * host: the host table that plugins call: variables, fields, rules, log.
 * Runs on the worker's thread, inside a plugin's call; touches only the job
 * and its current call.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "plugin/set.h"

static struct call *
call_of(const struct mt_request *rq)
{
	return (struct call *)(uintptr_t)
	    rq; /* the request is the call's first member, and the call is not const */
}

int
call_reject(struct call *c, const char *fmt, ...)
{
	struct err e = { 0 };
	va_list ap;
	if (c->result->text.p)
		return -1;
	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	c->result->text = arena_str(c->job->arena, str_of(e.text));
	return -1;
}

/* ---- variables ---- */

static bool
var_name_valid(const char *name)
{
	int steps = 1;
	bool first = true;
	size_t n = 0;
	for (; name[n]; n++) {
		char c = name[n];
		bool letter = ascii_isalpha(c) || c == '_';
		if (n >= PLUGIN_MAX_NAME)
			return false;
		if (c == '.') {
			if (first || ++steps > PLUGIN_MAX_NAME_STEPS)
				return false;
			first = true;
		} else if (letter || (!first && (ascii_isdigit(c) || c == '-'))) {
			first = false;
		} else {
			return false;
		}
	}
	return !first;
}

/* The next free variable of the call, named; NULL when it is refused. */
static struct call_var *
var_add(struct call *c, const char *name, size_t bytes)
{
	struct job_call *s = c->result;
	struct arena *a = c->job->arena;
	if (!name || !var_name_valid(name)) {
		call_reject(c, "variable name \"%.64s\" is malformed", name ? name : "");
		return NULL;
	}
	if (bytes > PLUGIN_MAX_VALUE) {
		call_reject(c, "variable %s has %zu bytes, %u are allowed", name, bytes, PLUGIN_MAX_VALUE);
		return NULL;
	}
	if (s->nvars >= PLUGIN_MAX_VARS || s->vars_bytes + bytes > PLUGIN_MAX_TOTAL) {
		call_reject(c, "more than %d variables or %u bytes of them", PLUGIN_MAX_VARS,
			    PLUGIN_MAX_TOTAL);
		return NULL;
	}
	if (s->nvars == s->vars_cap) {
		size_t cap = s->vars_cap ? 2 * s->vars_cap : 8;
		struct call_var *grown = ARENA_ARRAY(a, struct call_var, cap);
		if (s->nvars > 0)
			memcpy(grown, s->vars, s->nvars * sizeof(*grown));
		s->vars = grown;
		s->vars_cap = cap;
	}
	s->vars_bytes += bytes;
	struct call_var *v = &s->vars[s->nvars++];
	v->name = arena_str(a, str_of(name));
	return v;
}

static int
var_set_text(const struct mt_request *rq, const char *name, const char *value, size_t n, bool html)
{
	struct call *c = call_of(rq);
	if (n == MT_NUL)
		n = value ? strnlen(value, PLUGIN_MAX_VALUE + 1) : 0;
	if (!value && n > 0)
		return call_reject(c, "variable %.64s has no value", name ? name : "");
	struct call_var *v = var_add(c, name, n);
	if (!v)
		return -1;
	struct str s = str_make(n > 0 ? value : "", n);
	if (!str_is_utf8(s) || (n > 0 && memchr(value, '\0', n))) {
		c->result->nvars--;
		return call_reject(c, "variable %s is not well-formed UTF-8 or has NUL bytes", name);
	}
	v->v = (struct value){ .type = VALUE_STRING, .safe_html = html, .s = arena_str(c->job->arena, s) };
	return 0;
}

static int
host_set_string(const struct mt_request *rq, const char *name, const char *value, size_t n)
{
	return var_set_text(rq, name, value, n, false);
}

static int
host_set_html(const struct mt_request *rq, const char *name, const char *value, size_t n)
{
	return var_set_text(rq, name, value, n, true);
}

static int
host_set_number(const struct mt_request *rq, const char *name, double value)
{
	if (!isfinite(value))
		return call_reject(call_of(rq), "variable %.64s is not a finite number", name ? name : "");
	struct call_var *v = var_add(call_of(rq), name, sizeof(value));
	if (!v)
		return -1;
	v->v = (struct value){ .type = VALUE_REAL, .r = value };
	return 0;
}

static int
host_set_integer(const struct mt_request *rq, const char *name, int64_t value)
{
	struct call_var *v = var_add(call_of(rq), name, sizeof(value));
	if (!v)
		return -1;
	v->v = (struct value){ .type = VALUE_INT, .i = value };
	return 0;
}

static int
host_set_bool(const struct mt_request *rq, const char *name, int value)
{
	struct call_var *v = var_add(call_of(rq), name, 1);
	if (!v)
		return -1;
	v->v = (struct value){ .type = VALUE_BOOL, .b = value != 0 };
	return 0;
}

static int
host_set_json(const struct mt_request *rq, const char *name, const char *text, size_t n)
{
	static const struct json_limits limits = { .max_bytes = PLUGIN_MAX_VALUE, .max_depth = 8 };
	struct call *c = call_of(rq);
	const struct value *v;
	struct err e = { 0 };
	if (n == MT_NUL)
		n = text ? strnlen(text, PLUGIN_MAX_VALUE + 1) : 0;
	struct call_var *var = var_add(c, name, n);
	if (!var)
		return -1;
	if (json_parse(c->job->arena, str_make(text ? text : "", n), &limits, &v, &e) != 0) {
		c->result->nvars--;
		return call_reject(c, "variable %s is no JSON: %.200s", name, e.text);
	}
	var->v = *v;
	return 0;
}

/* ---- fields ---- */

static const struct value *
not_null(const struct value *v)
{
	return v && v->type != VALUE_NULL ? v : NULL;
}

static const struct value *
field_find(const struct call *c, struct str path)
{
	const struct job_row *r = c->row;
	const struct value *v;
	if (str_starts(path, STR("message.")))
		return not_null(value_path(r->message, str_sub(path, 8, path.n)));
	if (str_starts(path, STR("profile.")))
		return not_null(value_path(r->profile, str_sub(path, 8, path.n)));
	if (str_starts(path, STR("defaults.")))
		return not_null(value_path(c->job->defaults, str_sub(path, 9, path.n)));
	if ((v = not_null(value_path(r->message, path))) || (v = not_null(value_path(r->profile, path))))
		return v;
	return not_null(value_path(c->job->defaults, path));
}

static const struct value *
field_of(const struct mt_request *rq, const char *path)
{
	return path ? field_find(call_of(rq), str_of(path)) : NULL;
}

static int
host_get_string(const struct mt_request *rq, const char *path, struct mt_str *out)
{
	const struct value *v = field_of(rq, path);
	*out = (struct mt_str){ "", 0 };
	if (!v || v->type == VALUE_LIST || v->type == VALUE_MAP)
		return 0;
	struct str s = v->s;
	if (v->type != VALUE_STRING) {
		struct buf b = { 0 };
		value_print(&b, v);
		s = arena_str(call_of(rq)->job->arena, buf_str(&b));
		buf_free(&b);
	}
	*out = (struct mt_str){ s.p, s.n };
	return 1;
}

static int
host_get_number(const struct mt_request *rq, const char *path, double *out)
{
	bool ok;
	*out = value_number(field_of(rq, path), &ok);
	return ok;
}

static int
host_exists(const struct mt_request *rq, const char *path)
{
	return field_of(rq, path) != NULL;
}

static const struct mt_value *
host_get_value(const struct mt_request *rq, const char *path)
{
	return (const struct mt_value *)field_of(rq, path);
}

static const struct mt_value *
host_get_history(const struct mt_request *rq)
{
	const struct call *c = call_of(rq);
	return c->result->plugin->history ? (const struct mt_value *)c->row->history : NULL;
}

/* The last scorer that gave a score of that name. */
static bool
score_find(const struct job_row *r, struct str name, double *out)
{
	for (size_t i = r->nscores; i > 0; i--) {
		if (str_eq(r->scores[i - 1].name, name)) {
			*out = r->scores[i - 1].value;
			return true;
		}
	}
	return false;
}

static int
host_get_score(const struct mt_request *rq, const char *name, double *out)
{
	*out = 0;
	return name && score_find(call_of(rq)->row, str_of(name), out);
}

static uint64_t
mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	/* The finaliser of splitmix64, so that near keys give far numbers. */
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

static double
host_random(const struct mt_request *rq, const char *salt)
{
	uint64_t h = mix(UINT64_C(0xcbf29ce484222325), rq->recipient_key, sizeof(rq->recipient_key));
	h = mix(h, rq->campaign, strlen(rq->campaign) + 1);
	h = mix(h, salt ? salt : "", salt ? strlen(salt) : 0);
	return (double)(h >> 11) * 0x1p-53;
}

/* ---- rules ---- */

struct mt_rule {
	struct arena *arena;
	struct score_rule *rule;
};

static struct mt_rule *
host_rule_compile(const struct mt_host *host, const char *text, size_t n, struct mt_error *error)
{
	struct err e = { 0 };
	(void)host;
	struct arena *a = arena_new(1024);
	struct mt_rule *r = ARENA_NEW(a, struct mt_rule);
	r->arena = a;
	r->rule = score_rule_compile(a, n == MT_NUL ? str_of(text) : str_make(text, n), &e);
	if (r->rule)
		return r;
	if (error)
		snprintf(error->text, sizeof(error->text), "%.500s", e.text);
	arena_free(&a);
	return NULL;
}

struct rule_look {
	const struct call *call;
	struct value scratch;
};

static bool
rule_builtin(const struct mt_request *rq, struct str name, struct value *out)
{
	if (str_eq(name, STR("language")))
		*out = (struct value){ .type = VALUE_STRING, .s = str_of(rq->language) };
	else if (str_eq(name, STR("hour")))
		*out = (struct value){ .type = VALUE_INT, .i = rq->hour };
	else if (str_eq(name, STR("minute")))
		*out = (struct value){ .type = VALUE_INT, .i = rq->minute };
	else if (str_eq(name, STR("weekday")))
		*out = (struct value){ .type = VALUE_INT, .i = rq->weekday };
	else if (str_eq(name, STR("day")))
		*out = (struct value){ .type = VALUE_INT, .i = rq->day };
	else if (str_eq(name, STR("month")))
		*out = (struct value){ .type = VALUE_INT, .i = rq->month };
	else if (str_eq(name, STR("known")))
		*out = (struct value){ .type = VALUE_BOOL, .b = rq->known != 0 };
	else
		return false;
	return true;
}

/* Scores come first: whoever submits a message must not be able to stand in for one. */
static bool
rule_look(void *ctx, struct str name, const struct value **v)
{
	struct rule_look *l = ctx;
	double score;
	if (score_find(l->call->row, name, &score)) {
		l->scratch = (struct value){ .type = VALUE_REAL, .r = score };
		*v = &l->scratch;
		return true;
	}
	if (rule_builtin(&l->call->request, name, &l->scratch)) {
		*v = &l->scratch;
		return true;
	}
	*v = field_find(l->call, name);
	return *v != NULL;
}

static int
host_rule_eval(const struct mt_request *rq, const struct mt_rule *rule)
{
	struct rule_look l = { .call = call_of(rq) };
	return rule ? score_rule_eval(rule->rule, rule_look, &l, NULL) : -1;
}

static void
host_rule_free(struct mt_rule *rule)
{
	if (rule) {
		struct arena *a = rule->arena;
		arena_free(&a);
	}
}

/* ---- log ---- */

static void
host_log(const struct mt_host *host, enum mt_log_level level, const char *text)
{
	const struct plugin *p = (const struct plugin *)host;
	if (!text)
		return;
	switch (level) {
	case MT_LOG_ERROR:
		log_error("plugin %s: %.1000s", p->name, text);
		break;
	case MT_LOG_WARNING:
		log_warn("plugin %s: %.1000s", p->name, text);
		break;
	case MT_LOG_INFO:
		log_info("plugin %s: %.1000s", p->name, text);
		break;
	default:
		log_debug("plugin %s: %.1000s", p->name, text);
		break;
	}
}

void
host_table_fill(struct plugin *p)
{
	p->host = (struct mt_host){
		.size = sizeof(struct mt_host),
		.abi_major = MT_ABI_MAJOR,
		.abi_minor = MT_ABI_MINOR,
		.set_string = host_set_string,
		.set_html = host_set_html,
		.set_number = host_set_number,
		.set_integer = host_set_integer,
		.set_bool = host_set_bool,
		.get_string = host_get_string,
		.get_number = host_get_number,
		.exists = host_exists,
		.get_value = host_get_value,
		.get_score = host_get_score,
		.random = host_random,
		.rule_compile = host_rule_compile,
		.rule_eval = host_rule_eval,
		.rule_free = host_rule_free,
		.log = host_log,
		.set_json = host_set_json,
		.get_history = host_get_history,
	};
	host_values_fill(&p->host);
}
