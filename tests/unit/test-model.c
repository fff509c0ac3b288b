/* test-model: model files (safetensors), what makes one refused, and the scores that come of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "score/logistic.h"

static const char *const columns[] = { "profile.orders", "profile.age", "profile.country=DE", "hour",
				       "weekday" };
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static struct model *
model_make(void)
{
	struct err e = { 0 };
	struct model *m = model_new("logistic", "click", columns, COLUMNS, MODEL_LOGIT, &e);
	if (!m)
		fail_msg("%s", e.text);
	struct logistic_state *s = logistic_state_new(m);
	s->intercept = -1.5;
	for (size_t i = 0; i < COLUMNS; i++) {
		s->weights[i] = 0.1 * (double)(i + 1);
		s->missing[i] = (double)i;
	}
	return m;
}

static double
score(const struct model *m, const double *row)
{
	double out = NAN;
	void *scratch = malloc(model_scratch(m, 1));
	model_apply(m, row, 1, scratch, &out, 1);
	free(scratch);
	return out;
}

static void
bytes_round_trip(void **state)
{
	struct model *m = model_make();
	struct buf once = { 0 }, twice = { 0 };
	struct err e = { 0 };
	const double row[COLUMNS] = { 3, NAN, 1, 20, 7 };
	(void)state;
	model_print(m, &once);
	struct model *back = model_parse(buf_str(&once), &e);
	if (!back)
		fail_msg("%s", e.text);
	assert_true(back->checked);
	assert_string_equal(back->score, "click");
	assert_int_equal(back->ncolumns, COLUMNS);
	assert_string_equal(back->columns[2], "profile.country=DE");
	model_print(back, &twice);
	assert_true(str_eq(buf_str(&once), buf_str(&twice)));
	double want = 1 / (1 + exp(-(-1.5 + .1 * 3 + .2 * 1 + .3 * 1 + .4 * 20 + .5 * 7)));
	assert_true(fabs(score(m, row) - want) < 1e-15);
	assert_true(score(m, row) == score(back, row));
	/* Extremes saturate. */
	const double wild[COLUMNS] = { -1e308, 1e308, -1e308, NAN, NAN };
	assert_true(score(m, wild) == 0 || score(m, wild) == 1);
	buf_free(&once);
	buf_free(&twice);
	model_free(&m);
	model_free(&back);
	assert_null(back);
}

/* A row alone, and among others in every place. */
static void
rows_are_alone(void **state)
{
	struct model *m = model_make();
	double rows[70 * COLUMNS], scores[70];
	void *scratch = malloc(model_scratch(m, 70));
	(void)state;
	for (size_t i = 0; i < 70 * COLUMNS; i++)
		rows[i] = sin((double)i) * 10;
	for (size_t n = 1; n <= 70; n++) {
		model_apply(m, rows, n, scratch, scores, 1);
		for (size_t i = 0; i < n; i++)
			assert_true(scores[i] == score(m, rows + i * COLUMNS));
	}
	free(scratch);
	model_free(&m);
}

static void
calibrated(void **state)
{
	struct model *m = model_make();
	struct buf bytes = { 0 };
	struct err e = { 0 };
	double x[] = { -1, 0, 2 }, y[] = { .1, .2, .6 }, z[] = { -5, -1, -.5, 0, 1, 2, 9 };
	const double want[] = { .1, .1, .15, .2, .4, .6, .6 };
	(void)state;
	m->calibration = (struct model_calibration){ .npoints = 3, .x = x, .y = y };
	model_print(m, &bytes);
	struct model *back = model_parse(buf_str(&bytes), &e);
	if (!back)
		fail_msg("%s", e.text);
	model_link_apply(back, z, 7);
	for (size_t i = 0; i < 7; i++)
		assert_true(fabs(z[i] - want[i]) < 1e-15);
	model_free(&back);
	m->calibration = (struct model_calibration){ .platt = true, .a = 2, .b = -1 };
	buf_reset(&bytes);
	model_print(m, &bytes);
	back = model_parse(buf_str(&bytes), &e);
	assert_non_null(back);
	z[0] = 0.25;
	model_link_apply(back, z, 1);
	assert_true(fabs(z[0] - 1 / (1 + exp(.5))) < 1e-15);
	model_free(&back);
	y[1] = .7; /* falls again */
	m->calibration = (struct model_calibration){ .npoints = 3, .x = x, .y = y };
	buf_reset(&bytes);
	model_print(m, &bytes);
	assert_null(model_parse(buf_str(&bytes), &e));
	assert_non_null(strstr(e.text, "out of order"));
	buf_free(&bytes);
	model_free(&m);
}

/* Line by line: a bit of any byte, and any byte too few or too many. */
static void
damage_is_seen(void **state)
{
	struct model *m = model_make();
	struct buf bytes = { 0 };
	struct err e = { 0 };
	(void)state;
	model_print(m, &bytes);
	for (size_t i = 0; i < bytes.n; i++) {
		bytes.p[i] = (char)(bytes.p[i] ^ 1 << i % 8);
		struct model *back = model_parse(buf_str(&bytes), &e);
		if (back)
			fail_msg("byte %zu of %zu: damage was not seen", i, bytes.n);
		bytes.p[i] = (char)(bytes.p[i] ^ 1 << i % 8);
		assert_null(model_parse(str_make(bytes.p, i), &e));
	}
	buf_addc(&bytes, '\0');
	assert_null(model_parse(buf_str(&bytes), &e));
	buf_free(&bytes);
	model_free(&m);
}

/* A file with this header and n bytes of zeros. */
static struct model *
parse_text(const char *header, size_t n, struct err *e)
{
	struct buf b = { 0 };
	size_t length = strlen(header);
	for (size_t i = 0; i < 8; i++)
		buf_addc(&b, (char)(length >> (8 * i)));
	buf_adds(&b, str_of(header));
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, '\0');
	struct model *m = model_parse(buf_str(&b), e);
	buf_free(&b);
	return m;
}

#define META(more) "\"__metadata__\":{\"mailtailor\":\"1\",\"kind\":\"logistic\",\"score\":\"s\"" more "}"
#define COLUMNS_AB ",\"columns\":\"[\\\"a\\\",\\\"b\\\"]\""
#define TENSOR(name, shape, from, to) \
	"\"" name "\":{\"dtype\":\"F64\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void
foreign_files(void **state)
{
	static const struct {
		const char *header;
		size_t n;
		const char *want; /* NULL: it loads */
	} cases[] = {
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "16") "," TENSOR("intercept", "[1]",
											  "16", "24") "}",
		  24, NULL },
		{ "{}", 0, "no model of mailtailor" },
		{ "[]", 0, "no safetensors file" },
		{ "{\"a\":1}", 0, "it must have dtype" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "16") "," TENSOR("intercept", "[1]",
											  "8", "16") "}",
		  16, "overlap" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "16") "," TENSOR("intercept", "[1]",
											  "24", "32") "}",
		  32, "gap at byte 16" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "16") "," TENSOR("intercept", "[1]",
											  "16", "24") "}",
		  23, "cut off" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "16") "," TENSOR("intercept", "[1]",
											  "16", "24") "}",
		  25, "behind the last" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[2]", "0", "8") "}", 8, "its shape needs 16" },
		{ "{" TENSOR("x", "[4294967296,4294967296,4294967296]", "0", "0") "}", 0, "no size" },
		{ "{" TENSOR("x", "[200000000,200000000,200000000]", "0", "0") "}", 0, "larger than a file" },
		{ "{" TENSOR("x", "[-1]", "0", "8") "}", 8, "no size" },
		{ "{" TENSOR("x", "[1]", "8", "0") "}", 8, "cut off" },
		{ "{" META(COLUMNS_AB) "}", 0, "\"weights\" is missing" },
		{ "{" META(COLUMNS_AB) "," TENSOR("weights", "[3]", "0", "24") "}", 24,
		  "dimension 1 is 3, not 2" },
		{ "{" META("") "}", 0, "\"columns\" is missing" },
		{ "{" META(",\"columns\":\"[]\"") "}", 0, "1 to 4096 columns" },
		{ "{" META(",\"columns\":\"[7]\"") "}", 0, "column 1 must be a text" },
		{ "{" META(",\"columns\":\"{\"") "}", 0, "metadata \"columns\"" },
		{ "{" META(COLUMNS_AB ",\"link\":\"log\"") "}", 0, "\"link\" must be" },
		{ "{" META(COLUMNS_AB ",\"training\":\"3\"") "}", 0, "\"training\" must be" },
		{ "{" META(COLUMNS_AB ",\"checksum\":\"md5:1\"") "}", 0, "not of the form" },
		{ "{\"__metadata__\":{\"mailtailor\":\"2\"}}", 0, "version \"2\"" },
		{ "{\"__metadata__\":{\"mailtailor\":\"1\",\"kind\":\"svm\"}}", 0, "\"svm\" is not known" },
		{ "{\"__metadata__\":{\"mailtailor\":1}}", 0, "must be a text" },
		{ "{\"x\":{\"dtype\":\"F8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "not supported" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct model *m = parse_text(cases[i].header, cases[i].n, &e);
		if (!m != !!cases[i].want || (cases[i].want && !strstr(e.text, cases[i].want)))
			fail_msg("%s: %s", cases[i].header, m ? "loads" : e.text);
		model_free(&m);
	}
}

/* Values as other programs write them. */
static void
number_types(void **state)
{
	static const struct {
		enum safetensors_type type;
		const char *bytes;
		double want;
	} cases[] = {
		{ SAFETENSORS_F64, "\0\0\0\0\0\0\xf8\x3f", 1.5 },
		{ SAFETENSORS_F32, "\0\0\xc0\x3f", 1.5 },
		{ SAFETENSORS_F16, "\0\x3e", 1.5 },
		{ SAFETENSORS_F16, "\1\x80", -0x1p-24 },
		{ SAFETENSORS_F16, "\xff\x7b", 65504 },
		{ SAFETENSORS_BF16, "\xc0\xbf", -1.5 },
		{ SAFETENSORS_I64, "\xfe\xff\xff\xff\xff\xff\xff\xff", -2 },
		{ SAFETENSORS_I32, "\0\0\0\x80", -2147483648.0 },
		{ SAFETENSORS_I16, "\0\x80", -32768 },
		{ SAFETENSORS_I8, "\xff", -1 },
		{ SAFETENSORS_U8, "\xff", 255 },
		{ SAFETENSORS_BOOL, "\1", 1 },
	};
	static const struct safetensor infinite = { .type = SAFETENSORS_F16, .n = 1, .data = "\0\x7c" };
	struct err e = { 0 };
	double d;
	float f;
	int32_t i32;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct safetensor t = { .type = cases[i].type, .n = 1, .data = cases[i].bytes };
		assert_int_equal(safetensors_doubles(&t, &d, &e), 0);
		assert_true(d == cases[i].want);
		assert_int_equal(safetensors_floats(&t, &f, &e), 0);
		assert_true(f == (float)d);
		assert_int_equal(safetensors_ints(&t, &i32, &e), d == nearbyint(d) ? 0 : -1);
	}
	assert_int_equal(safetensors_doubles(&infinite, &d, &e), -1);
}

static void
files(void **state)
{
	struct model *m = model_make();
	struct buf bytes = { 0 };
	struct err e = { 0 };
	char path[] = "/tmp/test-model-XXXXXX";
	int fd = mkstemp(path);
	(void)state;
	model_print(m, &bytes);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	struct model *back = model_load(path, &e);
	assert_non_null(back);
	model_free(&back);
	assert_int_equal(ftruncate(fd, (off_t)bytes.n / 2), 0);
	assert_null(model_load(path, &e));
	assert_true(str_starts(str_of(e.text), str_of(path)));
	close(fd);
	unlink(path);
	assert_null(model_load(path, &e));
	assert_int_equal(e.kind, ERR_MISSING);
	assert_null(model_load("/tmp", &e));
	assert_int_equal(e.kind, ERR_INPUT);
	buf_free(&bytes);
	model_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_round_trip),
		cmocka_unit_test(rows_are_alone),
		cmocka_unit_test(calibrated),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(foreign_files),
		cmocka_unit_test(number_types),
		cmocka_unit_test(files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
