/*
 * event-lines: N events of a shop that could be, as CSV for `mailtailor events import`: campaigns (20) in
 * turns over 90 days, three arms, each copy held or injected or suppressed, most delivered, some opened,
 * clicked, converted; recipients in many domains, a few of them large. The same arguments give the same
 * lines.
 *
 *     event-lines N [SEED [CAMPAIGNS]]
 */
#include <stdbool.h>
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
static int campaigns = CAMPAIGNS;

/* What an event may have beside its copy; zero: nothing. link 0: none. */
struct more {
	const char *class, *reason, *value;
	int link;
};

static const char *
arm_of(const struct copy *c)
{
	static const char *const arms[] = { "control", "tailored", "short" };
	return arms[mix(c->id) % 3];
}

static void
line(const struct copy *c, int64_t after_s, const char *type, struct more m)
{
	static const char *const segments[] = { "new", "loyal", "asleep", "" };
	static const char *const currencies[] = { "EUR", "EUR", "EUR", "CHF" };
	if (left == 0)
		return;
	left--;
	uint64_t r = mix(c->recipient), d = mix(c->recipient ^ 1);
	/* Three of four in one of ten domains, the others in one of fifty thousand. */
	char link[100] = ",";
	if (m.link > 0)
		snprintf(link, sizeof link, "%d,https://shop.example/%02d/offer-%d?to=%llx", m.link,
			 c->campaign, m.link, (unsigned long long)(r & 0xffff));
	printf("%lld,%s,%s,%s,%016llx%016llx,%016llx,campaign-%02d,%s,d%llu.example,%s,%s,%s,%s,generated\n",
	       (long long)(c->at_s + after_s) * 1000, type, m.class ? m.class : "", m.reason ? m.reason : "",
	       (unsigned long long)r, (unsigned long long)mix(r), (unsigned long long)c->id, c->campaign,
	       arm_of(c), (unsigned long long)(d % 4 ? d % 10 : d % 50000), segments[r % 4], link,
	       m.value ? m.value : "", m.value ? currencies[r >> 8 & 3] : "");
}

/* All links within seconds: some are machines at once, some looked like people until the last click. One of
 * four has a person behind it, who comes later. */
static void
scanner_events(const struct copy *c, uint64_t x)
{
	bool late = x >> 50 & 1;
	for (int i = 1; i <= 3; i++)
		line(c, 5, "clicked",
		     late && i < 3 ? (struct more){ .class = "human", .link = i }
				   : (struct more){ .class = "machine", .reason = "burst", .link = i });
	for (int i = 1; i < 3 && late; i++)
		line(c, 6, "reclassified", (struct more){ .class = "machine", .reason = "burst", .link = i });
	if (x >> 51 & x >> 52 & 1)
		line(c, 7200, "clicked", (struct more){ .class = "human", .link = 2 });
}

static void
reading_events(const struct copy *c, uint64_t x)
{
	/* The tailored arm is read by more, and clicked by more of those who read. */
	unsigned reads = arm_of(c)[0] == 't' ? 33 : 30, clicks = arm_of(c)[0] == 't' ? 8 : 6;
	if (x % 100 < reads)
		for (uint64_t again = 0; again <= (x >> 40) % 3; again++)
			line(c, 60 + (int64_t)(x >> 8) % 40000 + (int64_t)again * 600, "opened",
			     (struct more){ .class = "human" });
	else if (x % 100 < 50)
		line(c, 6, "opened", (struct more){ .class = "proxy", .reason = "image-proxy" });
	if (x % 100 >= reads - 6 && x % 100 < reads - 6 + clicks)
		line(c, 90 + (int64_t)(x >> 12) % 50000, "clicked",
		     (struct more){ .class = "human",
				    .link = 1 + (int)((x >> 20) % 8 * ((x >> 23) % 8) / 7) });
	if (x % 1000 >= 970)
		scanner_events(c, x);
}

static void
copy_events(const struct copy *c)
{
	static const char *const why[] = { "unsubscribed", "cap", "consent", "send_if", "cap" };
	char value[32];
	uint64_t x = next(), y = next();
	if (y % 100 < 4) {
		line(c, 0, "suppressed", (struct more){ .reason = why[(y >> 8) % 5] });
		return;
	}
	if (y % 100 < 12)
		line(c, -3600, "held", (struct more){ .reason = y & 256 ? "quiet_hours" : "send_window" });
	line(c, 0, "injected", (struct more){ 0 });
	if (y % 100 >= 98) {
		line(c, 3, "bounced", (struct more){ .reason = y & 256 ? "hard" : "soft" });
		return;
	}
	line(c, 4, "delivered", (struct more){ 0 });
	reading_events(c, x);
	if (x % 1000 < 15) {
		snprintf(value, sizeof value, "%llu.%02llu", (unsigned long long)(x >> 30) % 300,
			 (unsigned long long)(x >> 40) % 100);
		line(c, 4000 + (int64_t)(x >> 14) % 90000, "converted", (struct more){ .value = value });
	}
	if (x % 1000 == 999)
		line(c, 500, "unsubscribed", (struct more){ .class = "human" });
	if (x % 5000 == 4998)
		line(c, 900, "complained", (struct more){ 0 });
}

int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, copies = 0;
	left = n;
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	campaigns = argc > 3 ? atoi(argv[3]) : CAMPAIGNS;
	if (campaigns < 1)
		return 64;
	puts("at_ms,type,class,reason,recipient,copy,campaign,arm,domain,segment,link,url,value,currency,"
	     "source");
	while (left > 0) {
		struct copy c = {
			.recipient = next() % (n / RECIPIENTS_PER_EVENT + 1),
			.id = next() | 1,
			.campaign = (int)(copies * 3 * (uint64_t)campaigns / (n + 1)) % campaigns,
			.at_s = START_S + (int64_t)(copies * 3 * 90 * DAY_S / (n + 1)),
		};
		copies++;
		copy_events(&c);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
