/* spec: see spec.h. */
#include "learn/spec.h"

#include <math.h>

#include "base/json.h"
#include "conf/conf.h"
#include "score/column.h"

unsigned
spec_bucket(uint64_t row)
{
	return ((uint32_t)(row * 2654435761u) >> 16) % SPEC_BUCKETS;
}

static int
keys_check(const struct value *map, const char *what, const char *const *known, size_t n, struct err *e)
{
	if (!map || map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "%s must be an object", what);
	for (size_t i = 0; i < value_map_count(map); i++) {
		struct str key;
		const struct value *v;
		size_t k = 0;
		value_map_entry(map, i, &key, &v);
		while (k < n && !str_eq(key, str_of(known[k])))
			k++;
		if (k < n)
			continue;
		const char *near = conf_nearest(key, known, n);
		return err_set(e, ERR_INPUT, "%s: key \"%.*s\" is not known%s%s%s", what,
			       STR_ARG(str_cut(key, 64)), near ? "; did you mean \"" : "", near ? near : "",
			       near ? "\"?" : "");
	}
	return 0;
}
#define KEYS_CHECK(map, what, known, e) keys_check(map, what, known, sizeof(known) / sizeof((known)[0]), e)

/* A text that is not empty; absent ones are absent, unless they must be there. */
static int
text_read(const struct value *map, const char *key, bool must, struct str *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(key));
	*out = STR_NULL;
	if (!v && !must)
		return 0;
	if (!v || v->type != VALUE_STRING || v->s.n == 0)
		return err_set(e, ERR_INPUT, "\"%s\" must be a text", key);
	*out = v->s;
	return 0;
}

static int
rule_read(struct arena *a, const struct value *map, const char *key, bool must, struct score_rule **out,
	  struct err *e)
{
	struct str text;
	*out = NULL;
	if (text_read(map, key, must, &text, e) != 0)
		return -1;
	if (!text.p)
		return 0;
	*out = score_rule_compile(a, text, e);
	return *out ? 0 : err_prefix(e, "\"%s\"", key);
}

static int
share_read(const struct value *map, const char *key, bool must, double *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(key));
	bool ok = false;
	*out = 0;
	if (!v && !must)
		return 0;
	if (v && v->type != VALUE_STRING)
		*out = value_number(v, &ok);
	if (!ok || !(*out >= 0 && *out < 1))
		return err_set(e, ERR_INPUT, "split: \"%s\" must be a share: at least 0, below 1", key);
	return 0;
}

static int
buckets_read(const struct value *map, const char *key, bool must, bool *out, struct err *e)
{
	const struct value *v = value_map_get(map, str_of(key));
	if (!v && !must)
		return 0;
	if (!v || v->type != VALUE_LIST)
		return err_set(e, ERR_INPUT, "split: \"%s\" must be a list of buckets", key);
	for (size_t i = 0; i < v->list.n; i++) {
		const struct value *b = v->list.items[i];
		if (b->type != VALUE_INT || b->i < 0 || b->i >= SPEC_BUCKETS)
			return err_set(e, ERR_INPUT, "split: buckets are 0 to %d", SPEC_BUCKETS - 1);
		out[b->i] = true;
	}
	return 0;
}

static int
hash_read(const struct value *map, struct spec *s, struct err *e)
{
	static const char *const known[] = { "by", "test", "valid" };
	if (KEYS_CHECK(map, "split", known, e) != 0 ||
	    buckets_read(map, "test", true, s->test_bucket, e) != 0 ||
	    buckets_read(map, "valid", false, s->valid_bucket, e) != 0)
		return -1;
	for (size_t i = 0; i < SPEC_BUCKETS; i++)
		if (s->test_bucket[i] && s->valid_bucket[i])
			return err_set(e, ERR_INPUT, "split: bucket %zu is in test and valid", i);
	return 0;
}

static int
shares_read(const struct value *map, struct spec *s, struct err *e)
{
	static const char *const random_keys[] = { "by", "test", "valid", "seed" };
	static const char *const time_keys[] = { "by", "test", "valid", "field" };
	const struct value *seed = value_map_get(map, STR("seed"));
	if (s->split == SPEC_RANDOM ? KEYS_CHECK(map, "split", random_keys, e)
				    : KEYS_CHECK(map, "split", time_keys, e))
		return -1;
	if (share_read(map, "test", true, &s->test_share, e) != 0 ||
	    share_read(map, "valid", false, &s->valid_share, e) != 0)
		return -1;
	if (s->test_share + s->valid_share >= 1)
		return err_set(e, ERR_INPUT, "split: nothing is left for training");
	if (seed && (seed->type != VALUE_INT || seed->i < 0))
		return err_set(e, ERR_INPUT, "split: \"seed\" must be an integer, not below 0");
	s->seed = seed ? (uint64_t)seed->i : 1;
	return s->split == SPEC_TIME ? text_read(map, "field", true, &s->time, e) : 0;
}

static int
split_read(struct arena *a, const struct value *map, struct spec *s, struct err *e)
{
	static const char *const rule_keys[] = { "by", "test", "valid" };
	struct str by;
	if (!map) { /* a fifth for the test, whatever the order of the rows */
		s->split = SPEC_RANDOM;
		s->test_share = 0.2;
		s->seed = 1;
		return 0;
	}
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"split\" must be an object");
	if (text_read(map, "by", true, &by, e) != 0)
		return err_prefix(e, "split");
	if (str_eq(by, STR("hash"))) {
		s->split = SPEC_HASH;
		return hash_read(map, s, e);
	}
	if (str_eq(by, STR("random")) || str_eq(by, STR("time"))) {
		s->split = str_eq(by, STR("time")) ? SPEC_TIME : SPEC_RANDOM;
		return shares_read(map, s, e);
	}
	if (!str_eq(by, STR("rule")))
		return err_set(e, ERR_INPUT, "split: \"by\" must be hash, random, time or rule");
	s->split = SPEC_RULE;
	if (KEYS_CHECK(map, "split", rule_keys, e) != 0 ||
	    rule_read(a, map, "test", true, &s->test_rule, e) != 0 ||
	    rule_read(a, map, "valid", false, &s->valid_rule, e) != 0)
		return err_prefix(e, "split");
	return 0;
}

static int
columns_read(struct arena *a, const struct value *list, struct spec *s, struct err *e)
{
	const char **columns = NULL;
	if (!list || list->type != VALUE_LIST || list->list.n == 0)
		return err_set(e, ERR_INPUT, "\"columns\" must be a list of column texts");
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *v = list->list.items[i];
		if (v->type != VALUE_STRING || memchr(v->s.p, '\0', v->s.n))
			return err_set(e, ERR_INPUT, "columns: item %zu is no text", i + 1);
		if (score_columns_expand(a, arena_cstr(a, v->s), &columns, &s->ncolumns, e) != 0)
			return -1;
	}
	s->columns = columns;
	return 0;
}

static int
model_read(struct arena *a, const struct value *map, struct spec *s, struct err *e)
{
	s->kind = STR("logistic");
	s->model = value_map_new(a);
	if (!map)
		return 0;
	if (map->type != VALUE_MAP)
		return err_set(e, ERR_INPUT, "\"model\" must be an object");
	s->model = map;
	return text_read(map, "kind", true, &s->kind, e) == 0 ? 0 : err_prefix(e, "model");
}

static int
calibrate_read(const struct value *map, struct spec *s, struct err *e)
{
	struct str text;
	if (text_read(map, "calibrate", false, &text, e) != 0)
		return -1;
	if (!text.p || str_eq(text, STR("none")))
		s->calibrate = SPEC_PLAIN;
	else if (str_eq(text, STR("platt")))
		s->calibrate = SPEC_PLATT;
	else if (str_eq(text, STR("isotonic")))
		s->calibrate = SPEC_ISOTONIC;
	else
		return err_set(e, ERR_INPUT, "\"calibrate\" must be none, platt or isotonic");
	return 0;
}

static int
target_read(struct arena *a, const struct value *root, struct spec *s, struct err *e)
{
	struct str score;
	if (text_read(root, "score", true, &score, e) != 0 ||
	    rule_read(a, root, "label", false, &s->label, e) != 0 ||
	    text_read(root, "value", false, &s->value, e) != 0 ||
	    text_read(root, "weight", false, &s->weight, e) != 0 ||
	    rule_read(a, root, "where", false, &s->where, e) != 0)
		return -1;
	s->score = arena_cstr(a, score);
	if (!s->label == !s->value.p)
		return err_set(e, ERR_INPUT, "there must be a \"label\" or a \"value\", and not both");
	return 0;
}

int
spec_parse(struct arena *a, struct str text, struct spec *out, struct err *e)
{
	static const char *const known[] = { "score",	"label", "value", "where",    "weight",
					     "columns", "split", "model", "calibrate" };
	const struct json_limits limits = { .max_bytes = SPEC_MAX_BYTES, .max_depth = 8 };
	const struct value *root = NULL;
	*out = (struct spec){ 0 };
	if (json_parse(a, text, &limits, &root, e) != 0 ||
	    KEYS_CHECK(root, "the specification", known, e) != 0 || target_read(a, root, out, e) != 0)
		return -1;
	return columns_read(a, value_map_get(root, STR("columns")), out, e) != 0 ||
		       split_read(a, value_map_get(root, STR("split")), out, e) != 0 ||
		       model_read(a, value_map_get(root, STR("model")), out, e) != 0 ||
		       calibrate_read(root, out, e) != 0
		   ? -1
		   : 0;
}
