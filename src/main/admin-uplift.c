/* mailtailor uplift: whom a mail moves: models of it, and whether there is anything to be learned. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "learn/uplift.h"
#include "main/admin-model.h"
#include "main/admin-trial.h"
#include "main/files.h"

#define STEPS 10
#define SEED 1

static const char usage[] =
    "usage: mailtailor uplift evaluate --csv TABLE --spec SPEC [OPTION…]\n"
    "       mailtailor uplift train --csv TABLE --spec SPEC --out MODEL [OPTION…]\n"
    "\n"
    "By how much a mail changes what somebody does, learned from a table in which chance\n"
    "decided who got it. evaluate judges by cross-fitting: Qini, AUUC and the uplift of the\n"
    "best share with bootstrap intervals; or says that no heterogeneity can be detected.\n"
    "train does so too, and writes a model whose score is the uplift, for rules to use.\n"
    "\n"
    "      --csv TABLE       rows with a header line (\"-\": standard input)\n"
    "      --spec SPEC       what its columns are (JSON); \"arm\" names control, then treatment\n"
    "      --learner NAME    t (default): two models; class: one of transformed labels\n"
    "      --share S         of the best share S of the rows (default 0.3)\n"
    "      --draws N         bootstrap samples (default 1000)\n"
    "  -o, --out MODEL       where train writes the model\n"
    "      --json            print JSON\n"
    "  -h, --help            this text\n";

struct job {
	bool train, json;
	const char *csv, *spec, *out;
	enum uplift_learner learner;
	double share;
	size_t draws;
	struct arena *arena;
	struct trial_spec read;
	struct trial *trial;
	struct uplift_figures figures;
	double curve[STEPS + 1];
};

/* ---- what comes of it ---- */

static const struct value *
figure_value(struct arena *a, const struct uplift_figure *f)
{
	struct value *map = value_map_new(a);
	value_map_set(a, map, STR("value"), value_real(a, f->value));
	value_map_set(a, map, STR("se"), value_real(a, f->se));
	value_map_set(a, map, STR("low"), value_real(a, f->low));
	value_map_set(a, map, STR("high"), value_real(a, f->high));
	return map;
}

static struct value *
job_value(const struct job *j, struct arena *a)
{
	const struct uplift_figures *f = &j->figures;
	struct value *map = value_map_new(a), *curve = value_list(a, STEPS + 1);
	for (size_t i = 0; i <= STEPS; i++)
		curve->list.items[i] = value_real(a, j->curve[i]);
	value_map_set(a, map, STR("learner"),
		      value_string(a, j->learner == UPLIFT_T ? STR("t") : STR("class")));
	value_map_set(a, map, STR("kind"), value_string(a, j->read.spec.kind));
	value_map_set(a, map, STR("treated"), value_int(a, (int64_t)f->treated));
	value_map_set(a, map, STR("control"), value_int(a, (int64_t)f->control));
	value_map_set(a, map, STR("effect"), figure_value(a, &f->effect));
	value_map_set(a, map, STR("qini"), figure_value(a, &f->qini));
	value_map_set(a, map, STR("auuc"), figure_value(a, &f->auuc));
	value_map_set(a, map, STR("share"), value_real(a, j->share));
	value_map_set(a, map, STR("uplift_of_share"), figure_value(a, &f->top));
	value_map_set(a, map, STR("curve"), curve);
	value_map_set(a, map, STR("heterogeneous"), value_bool(f->heterogeneous));
	return map;
}

static void
line(const char *name, const struct uplift_figure *f)
{
	printf("%-22s %10.6f  (SE %.6f, 95 %% %.6f … %.6f)\n", name, f->value, f->se, f->low, f->high);
}

static void
show(const struct job *j)
{
	const struct uplift_figures *f = &j->figures;
	char top[40];
	if (j->json) {
		struct buf b = { 0 };
		json_print_pretty(&b, job_value(j, j->arena));
		printf("%s\n", b.p);
		buf_free(&b);
		return;
	}
	snprintf(top, sizeof(top), "of the best %g %%", 100 * j->share);
	printf("%zu rows of \"%s\", %zu of \"%s\" (control)", f->treated, j->trial->arms[1], f->control,
	       j->trial->arms[0]);
	if (j->trial->skipped + j->trial->other > 0)
		printf("; left out: %llu without a reward, %llu with another arm",
		       (unsigned long long)j->trial->skipped, (unsigned long long)j->trial->other);
	printf("\n\n");
	line("effect on all", &f->effect);
	line(top, &f->top);
	line("Qini", &f->qini);
	line("AUUC", &f->auuc);
	printf("\n%s\n",
	       f->heterogeneous
		   ? "it works better for some than for others, and the model knows for whom"
		   : "no detectable heterogeneity: Qini's interval is not above zero; treat all alike");
}

/* ---- doing it ---- */

static struct uplift_fit
fit_of(const struct job *j, const struct learn_names *names, uint8_t *treated)
{
	for (size_t i = 0; i < j->trial->data.rows; i++)
		treated[i] = (uint8_t)j->trial->arm[i];
	return (struct uplift_fit){ .data = &j->trial->data,
				    .treated = treated,
				    .learner = j->learner,
				    .kind = j->read.spec.kind,
				    .options = j->read.spec.model,
				    .link = j->trial->labels ? MODEL_LOGIT : MODEL_IDENTITY,
				    .names = names };
}

static int
judge(struct job *j, const struct uplift_fit *fit, struct err *e)
{
	double *scores = ARENA_ARRAY(j->arena, double, fit->data->rows);
	struct progress *p = progress_start("cross-fitting, bootstrap", 0);
	int rc = uplift_crossfit(fit, j->trial->fold, scores, e);
	const struct uplift_data d = { scores, fit->data->y, fit->treated, fit->data->rows };
	if (rc == 0)
		rc = uplift_evaluate(&d, j->share, j->draws, SEED, &j->figures, e);
	if (rc == 0)
		uplift_curve(&d, STEPS, j->curve);
	progress_end(&p);
	return rc;
}

/* A model of all rows, with the judgement in it. */
static int
write_model(struct job *j, const struct uplift_fit *fit, struct err *e)
{
	struct buf b = { 0 };
	struct model *m = uplift_train(fit, e);
	int rc = -1;
	if (m) {
		m->training = job_value(j, m->arena);
		model_print(m, &b);
		rc = file_replace(j->out, buf_str(&b), FILE_PUBLIC, e);
	}
	model_free(&m);
	buf_free(&b);
	return rc;
}

/* Treated and control are compared as they are: nobody may have been likelier than another to be treated. */
static int
randomized(const struct trial *t, struct err *e)
{
	double first[2] = { NAN, NAN };
	for (size_t i = 0; t->propensity && i < t->data.rows; i++) {
		double *f = &first[t->arm[i]];
		if (isnan(*f))
			*f = t->propensity[i];
		else if (fabs(t->propensity[i] - *f) > 1e-9)
			return err_set(
			    e, ERR_INPUT,
			    "arm \"%s\" had propensity %g in one row and %g in another; uplift is "
			    "measured where everybody is as likely to be treated: take the rows of a "
			    "fixed split, or `mailtailor policy evaluate`",
			    t->arms[t->arm[i]], *f, t->propensity[i]);
	}
	return 0;
}

static int
work(struct job *j)
{
	struct buf text = { 0 };
	struct err e = { 0 };
	int rc = file_read(j->spec, SPEC_MAX_BYTES, &text, &e);
	if (rc == 0 && (rc = trial_spec_parse(j->arena, buf_str(&text), NULL, 0, &j->read, &e)) != 0)
		err_prefix(&e, "%s", j->spec);
	if (rc == 0 && j->read.narms != 2)
		rc = err_set(&e, ERR_INPUT, "%s: \"arms\" must be two: control, then treatment", j->spec);
	buf_free(&text);
	if (rc != 0)
		return admin_fail(&e);
	int code = trial_table(j->csv, &j->read, &j->trial);
	if (code != EX_OK)
		return code;
	if (randomized(j->trial, &e) != 0) {
		err_prefix(&e, "%s", j->csv);
		return admin_fail(&e);
	}
	const struct learn_names names = { j->read.spec.score, j->trial->columns };
	struct uplift_fit fit = fit_of(j, &names, ARENA_ARRAY(j->arena, uint8_t, j->trial->data.rows));
	if (judge(j, &fit, &e) != 0 || (j->train && write_model(j, &fit, &e) != 0))
		return admin_fail(&e);
	show(j);
	return EX_OK;
}

/* ---- the command line ---- */

static int
number(const char *name, const char *arg, double low, double high, double *out)
{
	char *end;
	*out = strtod(arg, &end);
	return end != arg && *end == '\0' && *out >= low && *out <= high
		   ? -1
		   : admin_misuse("--%s %s: a number from %g to %g", name, arg, low, high);
}

/* -1 to go on, else an exit code. */
static int
option_read(struct job *j, int c)
{
	double v = 0;
	int code = -1;
	switch (c) {
	case 'V':
		j->csv = optarg;
		break;
	case 's':
		j->spec = optarg;
		break;
	case 'o':
		j->out = optarg;
		break;
	case 'j':
		j->json = true;
		break;
	case 'l':
		if (strcmp(optarg, "t") != 0 && strcmp(optarg, "class") != 0)
			return admin_misuse("--learner %s: t or class", optarg);
		j->learner = *optarg == 't' ? UPLIFT_T : UPLIFT_CLASS;
		break;
	case 'S':
		code = number("share", optarg, 0.001, 1, &j->share);
		break;
	case 'd':
		code = number("draws", optarg, 20, 100000, &v);
		j->draws = (size_t)v;
		break;
	case 'h':
		return admin_usage(stdout, usage);
	default:
		return EX_USAGE;
	}
	return code;
}

static int
run(int argc, char **argv)
{
	static const struct option LONG[] = {
		{ "csv", required_argument, NULL, 'V' },
		{ "spec", required_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "learner", required_argument, NULL, 'l' },
		{ "share", required_argument, NULL, 'S' },
		{ "draws", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const char *const SUBS[] = { "train", "evaluate" };
	struct job j = { .share = 0.3, .draws = 1000 };
	int c, code = -1;
	if (argc < 2)
		return admin_usage(stderr, usage);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(stdout, usage);
	j.train = strcmp(argv[1], SUBS[0]) == 0;
	if (!j.train && strcmp(argv[1], SUBS[1]) != 0)
		return admin_no_sub("uplift", argv[1], SUBS, 2);
	optind = 0;
	while (code < 0 && (c = admin_option(argc - 1, argv + 1, "o:h", LONG)) != -1)
		code = option_read(&j, c);
	if (code >= 0)
		return code;
	if (!j.csv || !j.spec || optind != argc - 1)
		return admin_misuse("say from what: --csv TABLE --spec SPEC");
	if (j.train != (j.out != NULL))
		return admin_misuse("train writes a model, and needs --out MODEL; evaluate writes none");
	j.arena = arena_new((size_t)1 << 20);
	code = work(&j);
	trial_free(&j.trial);
	arena_free(&j.arena);
	return code;
}

const struct admin_verb admin_uplift_verb = {
	"uplift",
	"whom a mail moves: train models of it, evaluate them",
	run,
};
