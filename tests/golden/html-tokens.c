/*
 * html-tokens: what html_scan sees in a file, for corpus runners.
 *
 *	html-tokens FILE         a JSON line per link and per URL, then one with body_end
 *	html-tokens -t FILE …    speed: scans each file again and again for two seconds, prints MB/s
 *
 * Offsets are bytes. "quote" is "\"", "'", "" (unquoted) or "-" (no value).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "html/html.h"

static int
read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return -1;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	int bad = ferror(f);
	fclose(f);
	return bad ? -1 : 0;
}

static void
print_value(const char *kind, const char *src, uint32_t start, uint32_t end, char quote)
{
	struct buf decoded = { 0 }, json = { 0 };
	const char *q = quote == '"' ? "\\\"" : quote == '\'' ? "'" : quote == '-' ? "-" : "";

	html_attr_decode(&decoded, str_make(src + start, end - start));
	json_print_string(&json, buf_str(&decoded));
	printf("{\"%s\":true,\"start\":%u,\"end\":%u,\"quote\":\"%s\",\"decoded\":%s", kind, start, end, q,
	       json.p);
	buf_free(&decoded);
	buf_free(&json);
}

static int
print_file(const char *path)
{
	struct buf src = { 0 };
	struct arena *a = arena_new(65536);
	struct html_doc d;

	if (read_file(path, &src) != 0)
		return 1;
	html_scan(a, buf_str(&src), NULL, 0, &d);
	for (size_t i = 0; i < d.nlinks; i++) {
		const struct html_link *l = &d.links[i];
		print_value("link", src.p, l->start, l->end, l->quote);
		printf(",\"conditional\":%s,\"notrack\":%s}\n", l->conditional ? "true" : "false",
		       l->notrack ? "true" : "false");
	}
	for (size_t i = 0; i < d.nurls; i++) {
		print_value("url", src.p, d.urls[i].start, d.urls[i].end, d.urls[i].quote);
		printf("}\n");
	}
	printf("{\"body_end\":%u,\"has_body_end\":%s}\n", d.body_end, d.has_body_end ? "true" : "false");
	arena_free(&a);
	buf_free(&src);
	return 0;
}

static int
time_files(char **paths, int n)
{
	struct buf *src = calloc((size_t)n, sizeof(*src));
	struct arena *a = arena_new(1 << 20);
	struct html_doc d;
	size_t bytes = 0;
	int status = 0;

	for (int i = 0; i < n; i++)
		status |= read_file(paths[i], &src[i]);
	int64_t begin = clock_thread_cpu_us(), now = begin;
	while (status == 0 && now - begin < 2000000) {
		for (int i = 0; i < n; i++) {
			html_scan(a, buf_str(&src[i]), NULL, 0, &d);
			arena_reset(a);
			bytes += src[i].n;
		}
		now = clock_thread_cpu_us();
	}
	if (status == 0)
		printf("html_scan: %.0f MB/s over %d files\n", (double)bytes / (double)(now - begin), n);
	for (int i = 0; i < n; i++)
		buf_free(&src[i]);
	free(src);
	arena_free(&a);
	return status ? 1 : 0;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-t") == 0)
		return time_files(argv + 2, argc - 2);
	if (argc != 2) {
		fprintf(stderr, "usage: html-tokens FILE | html-tokens -t FILE …\n");
		return 64;
	}
	return print_file(argv[1]);
}
