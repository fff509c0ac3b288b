/*
 * mailtailor template: for template authors.
 */
#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "main/admin.h"
#include "main/files.h"
#include "tailor/tailor.h"

static const char usage[] =
    "usage: mailtailor template render FILE --data FILE.json [options]\n"
    "\n"
    "Renders one template as a campaign part would be: values are escaped for where\n"
    "they stand. Errors name line and column.\n"
    "\n"
    "  -d, --data FILE      merge data, a JSON object (\"-\": standard input)\n"
    "  -a, --as KIND        html, text or header (default: by the file's ending, else html)\n"
    "  -p, --partials DIR   {{> name}} reads DIR/name, DIR/name.html, .txt, .mustache or .hbs\n"
    "  -l, --language TAG   for formatDate and money (default: en)\n"
    "  -z, --time-zone ZONE (default: UTC)\n"
    "  -n, --now INSTANT\n"
    "  -h, --help\n";

struct job {
	const char *file, *data, *partials, *as;
	struct tailor_template t;
	struct arena *arena;
};

#define PARTIAL_MAX (4u << 20)

/* A partial is a plain name: nothing that leaves the folder. */
static bool
partial_name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalpha(name.p[i]) && !ascii_isdigit(name.p[i]) &&
		    strchr("_-.", name.p[i]) == NULL)
			return false;
	return name.n > 0 && name.n < 200 && name.p[0] != '.';
}

static bool
partial_find(void *ctx, struct str name, struct str *text)
{
	static const char *const endings[] = { "", ".html", ".txt", ".mustache", ".hbs" };
	struct job *j = ctx;
	struct buf b = { 0 };
	bool found = false;
	for (size_t i = 0; partial_name_ok(name) && i < sizeof(endings) / sizeof(endings[0]) && !found; i++) {
		struct str path = arena_printf(j->arena, "%s/%.*s%s", j->partials, STR_ARG(name), endings[i]);
		found = file_read(path.p, PARTIAL_MAX, &b, NULL) == 0;
	}
	if (found)
		*text = arena_str(j->arena, buf_str(&b));
	buf_free(&b);
	return found;
}

static int
kind_read(struct job *j)
{
	struct str file = str_of(j->file);
	const char *as = j->as != NULL ? j->as : str_ends(file, STR(".txt")) ? "text" : "html";
	if (strcmp(as, "html") == 0)
		j->t.as = TAILOR_AS_HTML;
	else if (strcmp(as, "text") == 0)
		j->t.as = TAILOR_AS_TEXT;
	else if (strcmp(as, "header") == 0)
		j->t.as = TAILOR_AS_HEADER;
	else
		return admin_misuse("--as %s: html, text or header", as);
	return -1;
}

/* An exit code, or -1: go on. */
static int
options_read(struct job *j, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "as", required_argument, NULL, 'a' },
		{ "partials", required_argument, NULL, 'p' },
		{ "language", required_argument, NULL, 'l' },
		{ "time-zone", required_argument, NULL, 'z' },
		{ "now", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e = { 0 };
	int c;
	optind = 0;
	while ((c = admin_option(argc, argv, "d:a:p:l:z:n:h", longopts)) != -1) {
		switch (c) {
		case 'd':
			j->data = optarg;
			break;
		case 'a':
			j->as = optarg;
			break;
		case 'p':
			j->partials = optarg;
			break;
		case 'l':
			j->t.language = optarg;
			break;
		case 'z':
			j->t.time_zone = optarg;
			break;
		case 'n':
			if (clock_parse_rfc3339(str_of(optarg), &j->t.now_ms, &e) != 0)
				return admin_misuse("--now: %s", e.text);
			break;
		case 'h':
			return admin_usage(stdout, usage);
		default:
			return EX_USAGE;
		}
	}
	if (optind + 1 != argc)
		return admin_misuse("template render: one FILE is needed; see `mailtailor template --help`");
	j->file = argv[optind];
	return kind_read(j);
}

static int
render(struct job *j)
{
	struct buf source = { 0 }, data = { 0 }, out = { 0 };
	struct tailor_scratch *scratch = tailor_scratch_new();
	struct err e = { 0 };
	int rc = EX_OK;
	j->t.data = value_map_new(j->arena);
	j->t.partial = j->partials ? partial_find : NULL;
	j->t.partial_ctx = j;
	if (file_read(j->file, 16u << 20, &source, &e) != 0 ||
	    (j->data != NULL && file_read(j->data, 16u << 20, &data, &e) != 0)) {
		rc = admin_fail(&e);
		goto out;
	}
	if (j->data != NULL && json_parse(j->arena, buf_str(&data), NULL, &j->t.data, &e) != 0) {
		err_prefix(&e, "%s", j->data);
		rc = admin_fail(&e);
		goto out;
	}
	j->t.source = buf_str(&source);
	if (tailor_render_template(&j->t, scratch, &out, &e) != 0) {
		err_prefix(&e, "%s", j->file);
		rc = admin_fail(&e);
		goto out;
	}
	if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
		rc = EX_IOERR;
out:
	tailor_scratch_free(&scratch);
	buf_free(&source);
	buf_free(&data);
	buf_free(&out);
	return rc;
}

static int
run(int argc, char **argv)
{
	static const char *const SUBS[] = { "render" };
	struct job j = { .t = { .language = "en", .time_zone = "UTC" } };
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return admin_usage(argc < 2 ? stderr : stdout, usage);
	if (strcmp(argv[1], SUBS[0]) != 0)
		return admin_no_sub("template", argv[1], SUBS, 1);
	j.t.now_ms = clock_now_ms();
	mail_init();
	int rc = options_read(&j, argc - 1, argv + 1);
	if (rc >= 0)
		return rc;
	j.arena = arena_new(4096);
	rc = render(&j);
	arena_free(&j.arena);
	return rc;
}

const struct admin_verb admin_template_verb = { "template", "render one template with its data", run };
