/*
 * policy-file: a policy's state as bytes. A first line with the kind of file, its version and the SHA-256 of
 * what follows; then a JSON object. Of A the lower triangle is kept, row by row.
 */
#include <math.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/json.h"
#include "score/policy.h"

#define MAGIC STR("mailtailor-policy 1 ")
#define HEX (2 * (size_t)SHA256_DIGEST_LENGTH)
#define MAX_COUNT (INT64_C(1) << 53)

static void
checksum(struct str bytes, char hex[HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)bytes.p, bytes.n, digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[HEX] = '\0';
}

/* ---- writing ---- */

static void
number_print(struct buf *out, double v)
{
	const struct value real = { .type = VALUE_REAL, .r = v };
	value_print(out, &real);
}

static void
text_print(struct buf *out, const char *key, struct str s)
{
	buf_printf(out, " \"%s\": ", key);
	json_print_string(out, s);
	buf_adds(out, STR(",\n"));
}

static void
arm_print(struct buf *out, const struct policy *p, const struct policy_arm *arm)
{
	buf_adds(out, STR("  {\"name\": "));
	json_print_string(out, arm->name);
	buf_printf(out, ", \"decisions\": %lld, \"rewards\": %lld", (long long)arm->decisions,
		   (long long)arm->rewards);
	if (p->dim > 0) {
		buf_adds(out, STR(",\n   \"a\": ["));
		for (size_t i = 0; i < p->dim; i++)
			for (size_t j = 0; j <= i; j++) {
				buf_adds(out, i == 0 ? STR("") : STR(", "));
				number_print(out, arm->a[i * p->dim + j]);
			}
		buf_adds(out, STR("],\n   \"b\": ["));
		for (size_t i = 0; i < p->dim; i++) {
			buf_adds(out, i == 0 ? STR("") : STR(", "));
			number_print(out, arm->b[i]);
		}
		buf_addc(out, ']');
	}
	buf_addc(out, '}');
}

void
policy_print(const struct policy *p, struct buf *out)
{
	struct buf b = { 0 };
	char hex[HEX + 1];
	buf_adds(&b, STR("{\n"));
	text_print(&b, "campaign", p->campaign);
	text_print(&b, "reward", p->reward);
	buf_printf(&b, " \"window_ms\": %lld,\n \"made_ms\": %lld,\n \"pending\": %lld,\n",
		   (long long)p->window_ms, (long long)p->made_ms, (long long)p->pending);
	text_print(&b, "columns", p->columns);
	buf_printf(&b, " \"dim\": %zu,\n \"ridge\": ", p->dim);
	number_print(&b, p->ridge);
	buf_adds(&b, STR(",\n \"arms\": [\n"));
	for (size_t i = 0; i < p->narms; i++) {
		arm_print(&b, p, &p->arms[i]);
		buf_adds(&b, i + 1 < p->narms ? STR(",\n") : STR("\n"));
	}
	buf_adds(&b, STR(" ]\n}\n"));
	checksum(buf_str(&b), hex);
	buf_adds(out, MAGIC);
	buf_printf(out, "%s\n", hex);
	buf_adds(out, buf_str(&b));
	buf_free(&b);
}

/* ---- reading ---- */

static int
corrupt(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "no policy state: %s; run `mailtailor policy learn` again", what);
}

static bool
text_get(const struct value *v, const char *key, size_t max, struct str *out)
{
	const struct value *m = value_map_get(v, str_of(key));
	if (m == NULL || m->type != VALUE_STRING || m->s.n > max)
		return false;
	*out = m->s;
	return true;
}

static bool
count_get(const struct value *v, const char *key, int64_t max, int64_t *out)
{
	const struct value *m = value_map_get(v, str_of(key));
	if (m == NULL || m->type != VALUE_INT || m->i < 0 || m->i > max)
		return false;
	*out = m->i;
	return true;
}

static bool
real_of(const struct value *m, double *out)
{
	if (m == NULL || (m->type != VALUE_INT && m->type != VALUE_REAL))
		return false;
	*out = m->type == VALUE_INT ? (double)m->i : m->r;
	return isfinite(*out);
}

static bool
list_get(const struct value *v, const char *key, size_t n, const struct value **out)
{
	*out = value_map_get(v, str_of(key));
	return *out != NULL && (*out)->type == VALUE_LIST && (*out)->list.n == n;
}

static bool
arm_read(const struct policy *p, const struct value *v, struct policy_arm *arm)
{
	const struct value *a, *b;
	const size_t n = p->dim;
	if (!count_get(v, "decisions", MAX_COUNT, &arm->decisions) ||
	    !count_get(v, "rewards", arm->decisions, &arm->rewards))
		return false;
	if (n == 0)
		return true;
	if (!list_get(v, "a", n * (n + 1) / 2, &a) || !list_get(v, "b", n, &b))
		return false;
	for (size_t i = 0, at = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++, at++) {
			if (!real_of(a->list.items[at], &arm->a[i * n + j]))
				return false;
			arm->a[j * n + i] = arm->a[i * n + j];
		}
		if (!real_of(b->list.items[i], &arm->b[i]))
			return false;
	}
	return true;
}

/* What is at the top, and the arms' names. */
static struct policy *
head_read(struct arena *a, const struct value *v, const struct value **arms, struct err *e)
{
	struct policy_shape shape = { 0 };
	struct policy *p;
	int64_t dim, made, pending;
	*arms = value_map_get(v, STR("arms"));
	if (!text_get(v, "campaign", POLICY_MAX_NAME, &shape.campaign) ||
	    !text_get(v, "reward", POLICY_MAX_NAME, &shape.reward) ||
	    !text_get(v, "columns", POLICY_MAX_NAME, &shape.columns) ||
	    !count_get(v, "window_ms", MAX_COUNT, &shape.window_ms) ||
	    !count_get(v, "made_ms", MAX_COUNT, &made) || !count_get(v, "pending", MAX_COUNT, &pending) ||
	    !count_get(v, "dim", POLICY_MAX_COLUMNS + 1, &dim) ||
	    !real_of(value_map_get(v, STR("ridge")), &shape.ridge) || shape.ridge < 0 || *arms == NULL ||
	    (*arms)->type != VALUE_LIST || (*arms)->list.n > POLICY_MAX_ARMS) {
		corrupt(e, "a field is missing or is not what it should be");
		return NULL;
	}
	struct str *names = ARENA_ARRAY(a, struct str, (*arms)->list.n);
	for (size_t i = 0; i < (*arms)->list.n; i++)
		if (!text_get((*arms)->list.items[i], "name", POLICY_MAX_NAME, &names[i])) {
			corrupt(e, "an arm has no name");
			return NULL;
		}
	shape.dim = (size_t)dim;
	shape.arms = names;
	shape.narms = (*arms)->list.n;
	if ((p = policy_new(&shape, e)) != NULL) {
		p->made_ms = made;
		p->pending = pending;
	}
	return p;
}

static struct policy *
body_read(struct str json, struct err *e)
{
	const struct json_limits limits = { .max_bytes = POLICY_MAX_FILE, .max_depth = 8 };
	struct arena *a = arena_new(65536);
	const struct value *v, *arms = NULL;
	struct policy *p = NULL;
	struct err why = { 0 };
	if (json_parse(a, json, &limits, &v, &why) != 0)
		corrupt(e, why.text);
	else
		p = head_read(a, v, &arms, e);
	for (size_t i = 0; p != NULL && i < p->narms; i++)
		if (!arm_read(p, arms->list.items[i], &p->arms[i])) {
			corrupt(e, "an arm's figures cannot be");
			policy_free(&p);
		}
	if (p != NULL && policy_finish(p, &why) != 0) {
		corrupt(e, why.text);
		policy_free(&p);
	}
	arena_free(&a);
	return p;
}

struct policy *
policy_parse(struct str bytes, struct err *e)
{
	const size_t head = MAGIC.n + HEX + 1;
	char hex[HEX + 1];
	if (bytes.n > POLICY_MAX_FILE) {
		err_set(e, ERR_LIMIT, "a policy state has at most %zu MiB", POLICY_MAX_FILE >> 20);
		return NULL;
	}
	if (bytes.n < head || !str_starts(bytes, MAGIC) || bytes.p[head - 1] != '\n') {
		corrupt(e, "it does not begin like one");
		return NULL;
	}
	checksum(str_sub(bytes, head, bytes.n), hex);
	if (memcmp(bytes.p + MAGIC.n, hex, HEX) != 0) {
		corrupt(e, "its checksum does not agree");
		return NULL;
	}
	return body_read(str_sub(bytes, head, bytes.n), e);
}
