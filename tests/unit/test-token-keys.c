/* The key ring: its text, its file's checks, generate, rotate and retire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token/keyring.h"

#define S "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define T "created 2026-01-02T03:04:05Z"
#define HEAD "mailtailor-keys 1\nsite " S " " T "\n"
#define KEY1 "key 1 sealing " S " " T "\n"
#define NOW 1767323045000

static char dir[64], file[80];

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-token-keys.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/keys", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir); /* fails when something was left behind */
}

/* ---- text ---- */

static void
parses(void **state)
{
	static const char text[] = "mailtailor-keys 1\n# c\n\n  key 7 opening " S " " T "\r\nsite  " S " " T
				   "\nkey 4294967295 sealing " S " created 2026-01-02T03:04:05.678+02:00\n"
				   "key 2 retired " S " " T " retired 2026-02-03T00:00:00Z";
	struct key_info in[8];
	struct err e = { 0 };
	struct keyring *k = keyring_parse(str_of(text), "f", &e), *again;
	struct buf b = { 0 };

	(void)state;
	assert_non_null(k);
	assert_int_equal(keyring_list(k, in, 2), 3);
	assert_int_equal(keyring_list(k, in, 8), 3);
	assert_int_equal(in[0].id, 7);
	assert_int_equal(in[0].state, KEY_OPENING);
	assert_int_equal(in[1].id, UINT32_MAX);
	assert_int_equal(in[1].created_ms, 1767315845678);
	assert_int_equal(in[2].state, KEY_RETIRED);
	assert_int_equal(in[2].retired_ms, 1770076800000);
	keyring_print(k, &b);
	again = keyring_parse(buf_str(&b), "f", &e);
	assert_non_null(again);
	assert_int_equal(again->nkeys, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(&again->keys[i].info, &k->keys[i].info, sizeof(struct key_info));
		assert_memory_equal(again->keys[i].secret, k->keys[i].secret, KEYRING_SECRET_LEN);
		assert_memory_equal(again->keys[i].link, k->keys[i].link, KEYRING_SIV_KEY_LEN);
	}
	buf_wipe(&b);
	keyring_free(&k);
	keyring_free(&again);
}

static void
refuses_text(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "f:1: the first line" },
		{ "mailtailor-keys 2\n", "f:1: the first line" },
		{ " mailtailor-keys 1\n", "f:1:" },
		{ "mailtailor-keys 1\n", "no site line" },
		{ HEAD, "no sealing key" },
		{ HEAD "key 1 opening " S " " T "\n", "no sealing key" },
		{ HEAD KEY1 "key 2 sealing " S " " T "\n", "f:4: a second sealing key" },
		{ HEAD KEY1 "key 1 opening " S " " T "\n", "f:4: a second key 1" },
		{ HEAD KEY1 "site " S " " T "\n", "f:4: a second site line" },
		{ HEAD "\n# c\nkey 0 sealing " S " " T "\n", "f:5: a key id" },
		{ HEAD "key 01 sealing " S " " T "\n", "f:3: a key id" },
		{ HEAD "key 4294967296 sealing " S " " T "\n", "f:3: a key id" },
		{ HEAD "key -1 sealing " S " " T "\n", "f:3: a key id" },
		{ HEAD "key 1 seal " S " " T "\n", "f:3: the state" },
		{ HEAD "key 1 sealing " S "0 " T "\n", "f:3: a secret" },
		{ HEAD "key 1 sealing g" S " " T "\n", "f:3: a secret" },
		{ HEAD "key 1 sealing " S " made 2026-01-02T03:04:05Z\n", "f:3: \"created TIME\"" },
		{ HEAD "key 1 sealing " S " created yesterday\n", "f:3: behind \"created\" a time" },
		{ HEAD "key 1 sealing " S " created " S "\n", "f:3: behind \"created\" a time" },
		{ HEAD "key 1 sealing " S " created 1969-01-01T00:00:00Z\n", "f:3: a time" },
		{ HEAD "key 1 sealing " S " " T " retired 2026-02-03T00:00:00Z\n", "f:3: \"retired TIME\"" },
		{ HEAD KEY1 "key 2 retired " S " " T "\n", "f:4: \"retired TIME\"" },
		{ HEAD KEY1 "key 2 retired " S " " T " retired 2026-02-03T00:00:00Z x\n", "f:4: too many" },
		{ HEAD KEY1 "key 2\n", "f:4: expected: key" },
		{ HEAD KEY1 "site\n", "f:4: expected: site" },
		{ HEAD KEY1 "kex 2\n", "f:4: a line begins" },
		{ HEAD "key\t1 sealing " S " " T "\n", "f:3: a line begins" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };

		if (keyring_parse(str_of(bad[i].text), "f", &e))
			fail_msg("taken: %s", bad[i].text);
		assert_int_equal(e.kind, ERR_CONFIG);
		if (!strstr(e.text, bad[i].says))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].says);
		assert_null(strstr(e.text, "000102")); /* no secret in a message */
	}
}

static void
many_keys(void **state)
{
	struct buf b = { 0 };
	struct keyring *k;
	struct err e = { 0 };

	(void)state;
	buf_adds(&b, STR(HEAD KEY1));
	for (unsigned i = 2; i <= KEYRING_MAX_KEYS; i++)
		buf_printf(&b, "key %u opening " S " " T "\n", i);
	k = keyring_parse(buf_str(&b), "f", &e);
	assert_non_null(k);
	keyring_free(&k);
	buf_adds(&b, STR("key 1000 opening " S " " T "\n"));
	assert_null(keyring_parse(buf_str(&b), "f", &e));
	buf_free(&b);
	buf_adds(&b, STR(HEAD KEY1));
	while (b.n <= KEYRING_MAX_FILE)
		buf_adds(&b, STR("# filling\n"));
	assert_null(keyring_parse(buf_str(&b), "f", &e));
	buf_free(&b);
}

/* ---- the file ---- */

static void
write_file(const char *text, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
expect_refusal(enum err_kind kind, const char *says)
{
	struct err e = { 0 };
	uint32_t id;

	assert_null(keyring_load(file, &e));
	assert_int_equal(e.kind, kind);
	if (!strstr(e.text, says))
		fail_msg("\"%s\" does not say \"%s\"", e.text, says);
	assert_int_equal(keyring_rotate(file, NOW, &id, &e), -1);
	assert_int_equal(e.kind, kind);
	assert_int_equal(keyring_retire(file, 1, NOW, &e), -1);
	assert_int_equal(e.kind, kind);
}

static void
file_checks(void **state)
{
	static const mode_t good[] = { 0600, 0400, 0640, 0440 },
			    bad[] = { 0604, 0602, 0601, 0620, 0660, 0666, 0777 };
	char other[90];
	struct keyring *k;

	(void)state;
	expect_refusal(ERR_MISSING, "mailtailor key generate");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		write_file(HEAD KEY1, good[i]);
		k = keyring_load(file, NULL);
		assert_non_null(k);
		keyring_free(&k);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(HEAD KEY1, bad[i]);
		expect_refusal(ERR_PERM, "run: chmod 6");
	}
	write_file("mailtailor-keys 1\nrubbish\n", 0600);
	expect_refusal(ERR_CONFIG, "keys:2: ");
	snprintf(other, sizeof(other), "%s/other", dir);
	write_file(HEAD KEY1, 0600);
	assert_int_equal(rename(file, other), 0);
	assert_int_equal(symlink("other", file), 0);
	expect_refusal(ERR_PERM, "symbolic link");
	unlink(other);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	expect_refusal(ERR_PERM, "regular file");
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	expect_refusal(ERR_PERM, "regular file");
	rmdir(file);
}

static void
file_owner(void **state)
{
	struct keyring *k;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIPPED: changing owners needs root\n");
		skip();
	}
	write_file(HEAD KEY1, 0600);
	assert_int_equal(chown(file, 12345, 0), 0);
	expect_refusal(ERR_PERM, "uid 12345");
	/* The same file is right for the user it belongs to, and root's is right for anybody who can read it.
	 */
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(seteuid(12345), 0);
	k = keyring_load(file, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(k);
	keyring_free(&k);
	assert_int_equal(chown(file, 0, 0), 0);
	assert_int_equal(seteuid(12345), 0);
	expect_refusal(ERR_PERM, "uid 12345");
	assert_int_equal(seteuid(0), 0);
}

static void
generates(void **state)
{
	struct key_info in;
	struct keyring *k, *k2;
	struct stat st;
	struct err e = { 0 };
	mode_t old = umask(0);

	(void)state;
	assert_int_equal(keyring_generate(file, NOW, &e), 0);
	umask(old);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	k = keyring_load(file, &e);
	assert_non_null(k);
	assert_int_equal(keyring_list(k, &in, 1), 1);
	assert_int_equal(in.id, 1);
	assert_int_equal(in.state, KEY_SEALING);
	assert_int_equal(in.created_ms, NOW);
	/* Never over another. */
	assert_int_equal(keyring_generate(file, NOW, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	k2 = keyring_load(file, &e);
	assert_memory_equal(k->site, k2->site, KEYRING_SECRET_LEN);
	assert_memory_not_equal(k->site, k->keys[0].secret, KEYRING_SECRET_LEN);
	assert_memory_not_equal(k->keys[0].link, k->keys[0].data, KEYRING_SIV_KEY_LEN);
	keyring_free(&k);
	keyring_free(&k2);
	assert_int_equal(keyring_generate("/nonexistent/dir/keys", NOW, &e), -1);
	assert_int_equal(e.kind, ERR_MISSING);
	assert_int_equal(keyring_generate("/tmp/", NOW, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void
rotates(void **state)
{
	struct key_info in[4];
	struct keyring *before, *after;
	struct stat st;
	struct err e = { 0 };
	uint32_t id = 0;
	int lock;

	(void)state;
	assert_int_equal(keyring_generate(file, NOW, &e), 0);
	before = keyring_load(file, &e);
	assert_int_equal(chmod(file, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(file, 0, 54321), 0);
	assert_int_equal(keyring_rotate(file, NOW + 1000, &id, &e), 0);
	assert_int_equal(id, 2);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	if (geteuid() == 0)
		assert_int_equal(st.st_gid, 54321);
	after = keyring_load(file, &e);
	assert_non_null(after);
	assert_int_equal(keyring_list(after, in, 4), 2);
	assert_int_equal(in[0].state, KEY_OPENING);
	assert_int_equal(in[1].state, KEY_SEALING);
	assert_memory_equal(before->site, after->site, KEYRING_SECRET_LEN);
	assert_memory_equal(before->keys[0].secret, after->keys[0].secret, KEYRING_SECRET_LEN);
	assert_memory_not_equal(after->keys[0].secret, after->keys[1].secret, KEYRING_SECRET_LEN);
	keyring_free(&before);
	keyring_free(&after);

	assert_int_equal(keyring_retire(file, 2, NOW, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(keyring_retire(file, 3, NOW, &e), -1);
	assert_int_equal(e.kind, ERR_MISSING);
	assert_int_equal(keyring_retire(file, 1, NOW + 5000, &e), 0);
	assert_int_equal(keyring_retire(file, 1, NOW, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	after = keyring_load(file, &e);
	assert_int_equal(keyring_list(after, in, 4), 2);
	assert_int_equal(in[0].state, KEY_RETIRED);
	assert_int_equal(in[0].retired_ms, NOW + 5000);
	keyring_free(&after);

	/* Two at once: the second is told to wait. */
	lock = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(keyring_rotate(file, NOW, &id, &e), -1);
	assert_int_equal(e.kind, ERR_TEMP);
	close(lock);
	assert_int_equal(keyring_rotate(file, NOW, &id, &e), 0);
	assert_int_equal(id, 3);
}

/* What a crash left beside the ring does not stop the next rotation, and a link in its place is not followed.
 */
static void
stale_temporary(void **state)
{
	char tmp[90], victim[90];
	struct stat st;
	struct err e = { 0 };
	uint32_t id;
	int fd;

	(void)state;
	snprintf(tmp, sizeof(tmp), "%s/.keys.new", dir);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	assert_int_equal(keyring_generate(file, NOW, &e), 0);
	fd = open(victim, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink("victim", tmp), 0);
	assert_int_equal(keyring_rotate(file, NOW, &id, &e), 0);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(lstat(tmp, &st), -1);
	unlink(victim);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses_text),
		cmocka_unit_test(many_keys),
		cmocka_unit_test_setup_teardown(file_checks, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(file_owner, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(generates, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(rotates, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(stale_temporary, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
