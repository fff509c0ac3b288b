/*
 * agent: see agent.h.
 *
 * A list of bots is never complete, and it ages. This one is turned round: an agent counts as human when
 * every word of its User-Agent is one that browsers and mail clients say of themselves; one unknown word
 * ("Datanyze", "Hardenize/1.0") makes it a machine. Browsers have frozen what they say (User-Agent
 * reduction), so that list ages slowly. Phones name their model in the comment, so comments of Android may
 * say anything, but what crawlers say there too.
 */
#include "web/agent.h"

#include <stdint.h>
#include <string.h>

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

/* Anywhere, whatever the case: no browser and no mail client has these in its name. */
static const struct str CRAWLERS[] = {
	STR("bot"),	  STR("crawl"),	   STR("spider"),   STR("slurp"),      STR("scan"),
	STR("fetch"),	  STR("preview"),  STR("monitor"),  STR("check"),      STR("http"),
	STR("www."),	  STR("headless"), STR("phantom"),  STR("lighthouse"), STR("validat"),
	STR("search"),	  STR("probe"),	   STR("archiv"),   STR("index"),      STR("uptime"),
	STR("synthetic"), STR("inspect"),  STR("insights"), STR("google-"),    STR("facebook"),
	STR("instagram"), STR("python"),   STR("curl"),	    STR("wget"),       STR("java/"),
	STR("libwww"),	  STR("okhttp"),   STR("scrap"),    STR("feed"),       STR("analy"),
	STR("@"),	  STR("favicon"),  STR("selenium"), STR("playwright"), STR("puppeteer"),
	STR("audit"),	  STR("security"),
};

/* They fetch images for mail clients. */
static const struct str PROXIES[] = {
	STR("GoogleImageProxy"),       STR("YahooMailProxy"),	    STR("YahooCacheSystem"),
	STR("YahooMobileProxy"),       STR("FastmailUA"),	    STR("mailru-image-proxy"),
	STR("YandexImageProxy"),       STR("YandexMailProxy"),	    STR("ProtonImageProxy"),
	STR("ProtonMail Image Proxy"), STR("SuperhumanImageProxy"), STR("github-camo"),
	STR("GmxImageProxy"),	       STR("WebdeImageProxy"),	    STR("ZohoImageProxy"),
	STR("HEYImageProxy"),
};

/* Words before a "/" (or alone) outside of comments. */
static const struct str PRODUCTS[] = {
	/* engines and what stands beside them */
	STR("Mozilla"),
	STR("AppleWebKit"),
	STR("Gecko"),
	STR("Chrome"),
	STR("Chromium"),
	STR("Safari"),
	STR("Version"),
	STR("Mobile"),
	STR("Presto"),
	STR("KHTML"),
	STR("Trident"),
	STR("Goanna"),
	STR("QtWebEngine"),
	STR("WebKitGTK"),
	STR("Silk"),
	STR("Darwin"),
	STR("CFNetwork"),
	STR("Dalvik"),
	STR("like"),
	/* browsers */
	STR("Firefox"),
	STR("FxiOS"),
	STR("Focus"),
	STR("Klar"),
	STR("CriOS"),
	STR("GSA"),
	STR("Edge"),
	STR("Edg"),
	STR("EdgA"),
	STR("EdgiOS"),
	STR("Opera"),
	STR("OPR"),
	STR("OPT"),
	STR("OPX"),
	STR("OPiOS"),
	STR("Vivaldi"),
	STR("Brave"),
	STR("DuckDuckGo"),
	STR("Ddg"),
	STR("YaBrowser"),
	STR("Yowser"),
	STR("SA"),
	STR("KAIOS"),
	STR("YaApp_Android"),
	STR("SamsungBrowser"),
	STR("UCBrowser"),
	STR("UBrowser"),
	STR("MiuiBrowser"),
	STR("XiaoMi"),
	STR("HuaweiBrowser"),
	STR("HMSCore"),
	STR("VivoBrowser"),
	STR("HeyTapBrowser"),
	STR("QQBrowser"),
	STR("MQQBrowser"),
	STR("Quark"),
	STR("SeaMonkey"),
	STR("PaleMoon"),
	STR("Waterfox"),
	STR("LibreWolf"),
	STR("Iceweasel"),
	STR("IceCat"),
	STR("Epiphany"),
	STR("Falkon"),
	STR("Konqueror"),
	STR("Whale"),
	STR("NAVER"),
	STR("Puffin"),
	STR("Ubuntu"),
	STR("Debian"),
	STR("Fedora"),
	STR("Maxthon"),
	STR("Sleipnir"),
	STR("Coast"),
	STR("Ecosia"),
	STR("Iron"),
	STR("Avast"),
	STR("AVG"),
	STR("CCleaner"),
	STR("Norton"),
	STR("Arc"),
	STR("Orion"),
	STR("Kiwi"),
	STR("Cromite"),
	STR("MobileSafari"),
	STR("Phoenix"),
	/* mail clients */
	STR("Thunderbird"),
	STR("Lightning"),
	STR("Betterbird"),
	STR("Postbox"),
	STR("Outlook-iOS"),
	STR("Outlook-Android"),
	STR("Outlook"),
	STR("Microsoft"),
	STR("Office"),
	STR("MacOutlook"),
	STR("Word"),
	STR("ms-office"),
	STR("OneOutlook"),
	STR("AppleMail"),
	STR("Mail"),
	STR("MobileMail"),
	STR("Maild"),
	STR("Evolution"),
	STR("KMail"),
	STR("Kontact"),
	STR("Claws"),
	STR("Sylpheed"),
	STR("Geary"),
	STR("Mailspring"),
	STR("Airmail"),
	STR("Spark"),
	STR("Canary"),
	STR("Mimestream"),
	STR("MailMate"),
	STR("eMClient"),
	STR("eM"),
	STR("Client"),
	STR("Lotus-Notes"),
	STR("IBMNotes"),
	STR("HCLNotes"),
	STR("TheBat!"),
	STR("Foxmail"),
	STR("NetEase"),
	STR("BlueMail"),
	STR("K-9"),
	STR("FairEmail"),
	STR("Aqua"),
	STR("YahooMobile"),
	STR("YahooMobileMail"),
	STR("YMail"),
	STR("AolApp"),
	STR("GmailApp"),
	STR("Gmail"),
	STR("ProtonMail"),
	STR("Tutanota"),
	STR("Zimbra"),
	STR("Incredimail"),
	STR("Barca"),
	STR("Eudora"),
	STR("Windows-Mail"),
	STR("Zoho"),
	STR("Superhuman"),
	STR("Hey"),
	STR("Nine"),
	STR("Newton"),
	STR("Edison"),
	STR("Electron"),
	STR("Sparrow"),
	STR("PocoMail"),
	STR("Shredder"),
	STR("Novell"),
	STR("GroupWise"),
};

/* Items of a comment: whole, or as a beginning. */
static const struct str ITEMS[] = {
	STR("Windows"),
	STR("WinNT"),
	STR("Win64"),
	STR("Win32"),
	STR("x64"),
	STR("WOW64"),
	STR("ARM64"),
	STR("arm64"),
	STR("Macintosh"),
	STR("Intel Mac OS X"),
	STR("Intelx64 Mac OS X"),
	STR("Lotus-Notes"),
	STR("PPC Mac OS X"),
	STR("ARM Mac OS X"),
	STR("X11"),
	STR("Wayland"),
	STR("Linux"),
	STR("Ubuntu"),
	STR("Debian"),
	STR("Fedora"),
	STR("CrOS"),
	STR("FreeBSD"),
	STR("OpenBSD"),
	STR("NetBSD"),
	STR("SunOS"),
	STR("iPhone"),
	STR("iPad"),
	STR("iPod"),
	STR("CPU"),
	STR("Android"),
	STR("Mobile"),
	STR("Tablet"),
	STR("Touch"),
	STR("KAIOS"),
	STR("rv:"),
	STR("compatible"),
	STR("MSIE"),
	STR("Trident"),
	STR("IEMobile"),
	STR(".NET"),
	STR("SLCC"),
	STR("Media Center"),
	STR("InfoPath"),
	STR("MSOffice"),
	STR("ms-office"),
	STR("Microsoft Outlook"),
	STR("Microsoft Office"),
	STR("Tablet PC"),
	STR("Zoom "),
	STR("MDDR"),
	STR("MAARJS"),
	STR("MALN"),
	STR("MASPJS"),
	STR("LCJB"),
	STR("BOIE9"),
	STR("GTB"),
	STR("KHTML"),
	STR("like Gecko"),
	STR("I"),
	STR("N"),
	STR("U"),
	STR("wv"),
	STR("mail"),
	STR("BlackBerry"),
	STR("BB10"),
	STR("PlayBook"),
	STR("Nokia"),
	STR("Symbian"),
	STR("Series60"),
	STR("Unix"),
	STR("i386"),
	STR("i686"),
	STR("x86_64"),
	STR("aarch64"),
	STR("en"),
	STR("de"),
	STR("Pro"),
	STR("MSN"),
	STR("Build"),
	STR("HUAWEI"),
	STR("Kindle"),
	STR("KF"),
	STR("Silk"),
	STR("Xbox"),
	STR("PlayStation"),
	STR("SMART-TV"),
	STR("Tizen"),
	STR("Web0S"),
	STR("Core"),
	STR("MSAppHost"),
	STR("Cortana"),
	STR("HarmonyOS"),
	STR("OpenHarmony"),
};

static bool
finds(struct str s, struct str word)
{
	for (size_t i = 0; i + word.n <= s.n; i++)
		if (str_casestarts(str_sub(s, i, s.n), word))
			return true;
	return false;
}

static bool
finds_one(struct str s, const struct str *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (finds(s, words[i]))
			return true;
	return false;
}

static bool
is_word(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c);
}

/* "en", "en-us", "pt-BR": what old browsers say of their language. */
static bool
is_language(struct str s)
{
	if (s.n != 2 && s.n != 5)
		return false;
	return ascii_isalpha(s.p[0]) && ascii_isalpha(s.p[1]) &&
	       (s.n == 2 ||
		((s.p[2] == '-' || s.p[2] == '_') && ascii_isalpha(s.p[3]) && ascii_isalpha(s.p[4])));
}

/* "3.0.5.1311380" */
static bool
is_version(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isdigit(s.p[i]) && s.p[i] != '.')
			return false;
	return s.n <= 24;
}

static bool
item_known(struct str item)
{
	if (item.n == 0 || is_language(item) || is_version(item))
		return true;
	for (size_t i = 0; i < COUNT(ITEMS); i++)
		/* A beginning, but not of a longer word: "Linux x86_64" is Linux, "Linuxoid" is not. */
		if (str_casestarts(item, ITEMS[i]) &&
		    (item.n == ITEMS[i].n || !is_word(item.p[ITEMS[i].n]) ||
		     !is_word(ITEMS[i].p[ITEMS[i].n - 1]) || ascii_isdigit(item.p[ITEMS[i].n])))
			return true;
	return false;
}

static bool
comment_known(struct str comment, bool any_model)
{
	struct str rest = comment, item;
	while (str_split(&rest, ';', &item)) {
		struct str parts = str_trim(item), part;
		while (!any_model && str_split(&parts, ',', &part))
			if (!item_known(str_trim(part)))
				return false;
	}
	return true;
}

static bool
product_known(struct str word)
{
	struct str name = str_sub(word, 0, str_find_char(word, '/'));
	if (name.n == 0)
		return false;
	for (size_t i = 0; i < COUNT(PRODUCTS); i++)
		if (str_eq(name, PRODUCTS[i]))
			return true;
	/* A build or version that stands alone: "15E148", "16.0.12345". */
	return ascii_isdigit(name.p[0]) && name.n == word.n && name.n <= 24;
}

/* Every word and every comment is one of a browser's or mail client's. */
static bool
all_known(struct str ua)
{
	size_t i = 0, products = 0;
	bool phone = finds(ua, STR("Android")) || finds(ua, STR("Symbian"));
	while (i < ua.n) {
		char c = ua.p[i];
		size_t from = i;
		if (c == ' ' || c == ',' || c == ';') {
			i++;
		} else if (c == '(') {
			int depth = 0;
			do {
				depth += ua.p[i] == '(' ? 1 : ua.p[i] == ')' ? -1 : 0;
				i++;
			} while (i < ua.n && depth > 0);
			if (depth != 0 || !comment_known(str_sub(ua, from + 1, i - 1), phone))
				return false;
		} else {
			while (i < ua.n && ua.p[i] != ' ' && ua.p[i] != '(' && ua.p[i] != ',' &&
			       ua.p[i] != ';')
				i++;
			if (!product_known(str_sub(ua, from, i)))
				return false;
			products++;
		}
	}
	return products > 0;
}

/*
 * Most of what asks is a few browsers. Each thread remembers what it made of the last ones, which spares it
 * some 15 us of comparing words: half of what an open costs.
 */
#define REMEMBERED 128 /* 40 KiB a thread */
struct remembered {
	char ua[280];
	size_t n; /* 0: nothing */
	enum agent_class class;
	const char *reason;
};
static _Thread_local struct remembered remembered[REMEMBERED];

/* NULL: too long to be remembered. */
static struct remembered *
slot_of(struct str ua)
{
	uint32_t hash = 2166136261U; /* FNV-1a */
	for (size_t i = 0; i < ua.n; i++)
		hash = (hash ^ (uint8_t)ua.p[i]) * 16777619U;
	return ua.n <= sizeof(remembered[0].ua) ? &remembered[hash % REMEMBERED] : NULL;
}

static enum agent_class
says(enum agent_class c, const char *why, const char **reason)
{
	*reason = why;
	return c;
}

/* What the User-Agent alone says. */
static enum agent_class
classify_agent(struct str ua, const char **reason)
{
	if (finds_one(ua, PROXIES, COUNT(PROXIES)))
		return says(AGENT_PROXY, "image-proxy", reason);
	/* Apple Mail Privacy Protection says no more than this. */
	if (str_eq(ua, STR("Mozilla/5.0")))
		return says(AGENT_PROXY, "apple-privacy", reason);
	if (finds_one(ua, CRAWLERS, COUNT(CRAWLERS)))
		return says(AGENT_MACHINE, "crawler", reason);
	if (!all_known(ua))
		return says(AGENT_MACHINE, "unknown-agent", reason);
	return says(AGENT_HUMAN, "known-agent", reason);
}

enum agent_class
agent_classify(const struct agent_request *rq, const char **reason)
{
	struct str ua = str_trim(rq->user_agent);
	if (rq->head)
		return says(AGENT_MACHINE, "head", reason);
	if (ua.n == 0)
		return says(AGENT_MACHINE, "no-user-agent", reason);
	if (ua.n > AGENT_MAX_USER_AGENT || !str_is_ascii(ua))
		return says(AGENT_MACHINE, "odd-user-agent", reason);
	if (finds(rq->purpose, STR("prefetch")) || finds(rq->purpose, STR("preview")) ||
	    finds(rq->purpose, STR("prerender")))
		return says(AGENT_MACHINE, "prefetch", reason);
	struct remembered *r = slot_of(ua);
	if (r == NULL)
		return classify_agent(ua, reason);
	if (r->n != ua.n || memcmp(r->ua, ua.p, ua.n) != 0) {
		r->class = classify_agent(ua, &r->reason);
		r->n = ua.n;
		memcpy(r->ua, ua.p, ua.n);
	}
	return says(r->class, r->reason, reason);
}
