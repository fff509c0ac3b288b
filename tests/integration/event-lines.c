/*
 * event-lines: N events of a shop that could be, as CSV for `mailtailor events import`: campaigns in turns,
 * each copy injected, most delivered, some opened, clicked, converted; recipients in many domains, a few of
 * them large. The same N and seed give the same lines.
 *
 *     event-lines N [SEED]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CAMPAIGNS 20
#define RECIPIENTS_PER_EVENT 8	    /* one recipient for so many events */
#define START_S INT64_C(1764547200) /* 2025-12-01 */
#define DAY_S 86400

static uint64_t state;

static uint64_t
next(void)
{
	state += 0x9e3779b97f4a7c15u;
	uint64_t z = state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t
mix(uint64_t x)
{
	uint64_t kept = state;
	state = x;
	x = next();
	state = kept;
	return x;
}

struct copy {
	uint64_t recipient, id;
	int campaign;
	int64_t at_s;
};

static uint64_t left;

static void
line(const struct copy *c, int64_t after_s, const char *type, const char *class, int link, const char *value)
{
	if (left == 0)
		return;
	left--;
	uint64_t r = mix(c->recipient), d = mix(c->recipient ^ 1);
	/* Three of four in one of ten domains, the others in one of fifty thousand. */
	char number[16] = "";
	if (link >= 0)
		snprintf(number, sizeof number, "%d", link);
	printf("%lld,%s,%s,%016llx%016llx,%016llx,campaign-%02d,%s,d%llu.example,%s,%s,%s,generated\n",
	       (long long)(c->at_s + after_s) * 1000, type, class, (unsigned long long)r,
	       (unsigned long long)mix(r), (unsigned long long)c->id, c->campaign,
	       c->id % 10 ? "tailored" : "control", (unsigned long long)(d % 4 ? d % 10 : d % 50000), number,
	       value, *value ? "EUR" : "");
}

static void
copy_events(const struct copy *c)
{
	char value[32];
	uint64_t x = next();
	line(c, 0, "injected", "", -1, "");
	if (x % 100 < 2) {
		line(c, 3, "bounced", "", -1, "");
		return;
	}
	line(c, 4, "delivered", "", -1, "");
	if (x % 100 < 30)
		line(c, 60 + (int64_t)(x >> 8) % 40000, "opened", "human", -1, "");
	else if (x % 100 < 50)
		line(c, 6, "opened", "proxy", -1, "");
	if (x % 100 < 35 && x % 100 >= 28)
		line(c, 90 + (int64_t)(x >> 12) % 50000, "clicked", "human", (int)(x >> 20) % 8, "");
	if (x % 1000 < 15) {
		snprintf(value, sizeof value, "%llu.%02llu", (unsigned long long)(x >> 30) % 300,
			 (unsigned long long)(x >> 40) % 100);
		line(c, 4000 + (int64_t)(x >> 14) % 90000, "converted", "", -1, value);
	}
	if (x % 1000 == 999)
		line(c, 500, "unsubscribed", "human", -1, "");
}

int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, copies = 0;
	left = n;
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	puts("at_ms,type,class,recipient,copy,campaign,arm,domain,link,value,currency,source");
	while (left > 0) {
		struct copy c = {
			.recipient = next() % (n / RECIPIENTS_PER_EVENT + 1),
			.id = next() | 1,
			.campaign = (int)(copies * 3 * CAMPAIGNS / (n + 1)) % CAMPAIGNS,
			.at_s = START_S + (int64_t)(copies * 3 * 90 * DAY_S / (n + 1)),
		};
		copies++;
		copy_events(&c);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
