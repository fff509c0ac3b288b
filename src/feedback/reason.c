/*
 * reason: hard or soft, and why. The codes of RFC 3463 come first where they say more than a class; words
 * where the code is vague, and where practice has made a code mean less than RFC 3463 says ("5.1.1 … over
 * quota"). Of "no such user" a remote server is believed only when it was said of the RCPT, or with a code
 * for addresses: after DATA it is the word of a content filter as often as not.
 */
#include "feedback/private.h"

#include <stdio.h>
#include <stdlib.h>

enum command { COMMAND_UNKNOWN, COMMAND_CONNECT, COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA };

/* ---- words ---- */

#define NAMES_USER                                                                                           \
	"user|users|mailbox|mailboxes|recipient|recipients|address|addresses|account|addressee|userid|"      \
	"username|alias|person|member|local part|inbox|destinataire|adresse|empfänger|empfaenger|benutzer|" \
	"postfach|usuario|destinatario|cuenta|utilisateur|boîte"
#define IS_UNKNOWN                                                                                       \
	"unknown|invalid|no such|not found|non existent|nonexistent|doesn't exist|does not exist|"       \
	"don't exist|do not exist|not exist|didn't exist|isn't known|not known|not a known|unrouteable|" \
	"unroutable|no valid|not a valid|isn't valid|not valid|no longer|undefined|wasn't found|"        \
	"couldn't be found|could not be found|cannot be found|can't find|not listed|doesn't have|"       \
	"does not have|no mailbox|no mailboxes|no account|no user|no recipient|not our|bad destination|" \
	"n'existe pas|inconnu|inconnue|unbekannt|unbekannter|existiert nicht|no existe|desconocido|"     \
	"inesistente|sconosciuto|onbekend"
#define NAMES_HOST                                                                                     \
	"domain|host|hostname|domains|mx|mx record|mail exchanger|mail server|dns|destination system|" \
	"domaine|dominio|host domain"
#define IS_FULL                                                                                             \
	"full|over quota|overquota|quota|exceed*|insufficient|storage|out of space|no space|over its|over " \
	"the|"                                                                                              \
	"over allotted|überschritten|voll|pleine|plein|llena|lleno|pieno|piena"
#define NAMES_BOX                                                                                      \
	"mailbox|inbox|mailfolder|quota|disk|account|user|user's|storage|space|maildir|mbox|postfach|" \
	"boîte|buzón|casella|allocation|recipient|recipient's"
#define IS_OFF                                                                                       \
	"disabled|suspended|inactive|locked|deactivated|discontinued|frozen|closed|expired|blocked|" \
	"not active|isn't active|not accepting|dormant|temporarily rejected|gesperrt|deaktiviert|désactivé"
#define ABOUT_SENDER \
	"sender|sender's|from|reverse|your|originator|envelope from|absender|expéditeur|remitente"

/* Written without spaces, so looked for as they are. */
#define CJK_USER                                                                                                                                          \
	"用户不存在|收件人不存在|收件人地址不存在|邮箱不存在|帐号不存在|账号不存在|帳號不存在|無此使用者|"    \
	"无此用户|找不到该收件人|信箱不存在|メールアドレスが存在しません|宛先が存在しません|"                      \
	"宛先不明|あて先不明|宛先アドレスが見つかりません|ユーザーが存在しません|사용자가 없|수신자를 찾을 " \
	"수"
#define CJK_HOST "域名不存在|找不到域名|收件人域名|ドメインが存在しません|ドメインが見つかりません"
#define CJK_FULL                                                                                                              \
	"邮箱已满|邮箱空间不足|信箱已滿|容量不足|空间已满|超出配额|メールボックスが一杯|" \
	"メールボックスがいっぱい|"                                                                               \
	"メールボックスの容量|容量オーバー|편지함이 가득|용량 초과"
#define CJK_OFF "帐号已停用|账号被冻结|邮箱被冻结|用户被锁定|信箱停用|アカウントが停止|使用停止"

#define CYRILLIC_USER "не существует|не найден|пользователь неизвестен|недействителен|нет такого"
#define CYRILLIC_FULL "переполнен|ящик полон|превышен*"

/* One of a and one of b near each other, and nothing about the sender with them. */
static bool
said(const struct words *w, const char *a, const char *b, size_t gap)
{
	struct words rest = *w;
	for (size_t i; (i = words_near(&rest, a, b, gap)) != SIZE_MAX;) {
		size_t from = i > 3 ? i - 3 : 0, to = i + gap + 4;
		struct words window = rest;
		window.at += from;
		window.n = (to > rest.n ? rest.n : to) - from;
		if (!words_have(&window, ABOUT_SENDER))
			return true;
		rest.at += i + 1;
		rest.n -= i + 1;
	}
	return false;
}

static bool
says_full(const struct words *w)
{
	return words_have(w, "over quota|overquota|out of storage|quota exceeded|mailbox full|disk full") ||
	       said(w, IS_FULL, NAMES_BOX, 4) || words_have(w, CJK_FULL) || words_have(w, CYRILLIC_FULL);
}

static bool
says_host(const struct words *w)
{
	return said(w, "not reachable", "domain", 2) ||
	       said(w, IS_UNKNOWN "|illegal|couldn't find|could not find|no|unable to find", NAMES_HOST, 3) ||
	       words_have(w, CJK_HOST);
}

static bool
says_user(const struct words *w)
{
	return words_have(w, "no mailbox here|no user here|no such user|no such mailbox|no such recipient|"
			     "no such address|no such person|no such account") ||
	       said(w, IS_UNKNOWN, NAMES_USER, 4) || words_have(w, CJK_USER) || words_have(w, CYRILLIC_USER);
}

/* Of an account, not of a user: nobody's filter says so. */
static bool
says_no_account(const struct words *w)
{
	return said(w, "doesn't have|does not have", "account", 4);
}

static bool
says_no_mail(const struct words *w)
{
	return words_have(w, "nullmx|null mx") ||
	       said(w, "does not accept mail|doesn't accept mail", "domain|host", 2);
}

static bool
says_off(const struct words *w)
{
	return said(w, IS_OFF, NAMES_USER, 4) || words_have(w, CJK_OFF);
}

/* Blocked, refused for content: whatever else such a text says, the address is not at fault. */
static bool
says_policy(const struct words *w)
{
	return words_have(
	    w, "spam|spamhaus|blacklist|blacklisted|blocklist|block list|blocked using|dnsbl|dmarc|"
	       "dkim|spf|virus|reputation|unsolicited|banned|relay|relaying|greylisted|policy|"
	       "reverse dns|ptr|rate limit*|too many|preferences");
}

bool
reason_failure(const struct words *w)
{
	return says_full(w) || says_user(w) || says_host(w) || says_off(w) ||
	       words_near(
		   w,
		   "deliver*|delivery|send|sent|reach|relayed|mail|message|email|processed|recipients|"
		   "address",
		   "not|unable|fail|fail*|couldn't|could not|wasn't "
		   "able|can't|cannot|error|errors|undeliverable|"
		   "undelivered|rejected|returned|refused|impossible|nicht|pas|no ha|bounced|trouble|aborted",
		   6) != SIZE_MAX ||
	       words_have(
		   w,
		   "undeliverable|undelivered|failed permanently|permanent error|fatal errors|unknown user|"
		   "user unknown|unzustellbar|退信|投递失败|无法投递|未能送达|送信できません|配信できません|"
		   "配送できません|送信に失敗|送れません");
}

bool
reason_delay(const struct words *w)
{
	return words_near(
		   w,
		   "delayed|delay|not yet been delivered|will be retried|still being retried|keep trying|"
		   "temporary failure report|warning message only|do not need to resend|"
		   "do not need to re send|enqueued and undeliverable|still undelivered",
		   "message|mail|delivery|deliver|report|recipients|sender|for|until|your", 8) != SIZE_MAX &&
	       !words_have(
		   w, "failed permanently|giving up|given up|gave up|permanent error|permanent fatal errors|"
		      "could not be delivered|has expired|too long|returned to sender");
}

/* ---- which command was refused ---- */

static const struct {
	const char *text; /* lower case */
	enum command command;
} mentions[] = {
	{ "rcpt to", COMMAND_RCPT },
	{ "rcpt_to", COMMAND_RCPT },
	{ "smtp:rcpt", COMMAND_RCPT },
	{ "following rcpt", COMMAND_RCPT },
	{ "does not like recipient", COMMAND_RCPT },	/* qmail-remote */
	{ "recipient address rejected", COMMAND_RCPT }, /* Postfix says it of RCPT only */
	{ "mail from", COMMAND_MAIL },
	{ "mail_from", COMMAND_MAIL },
	{ "sender address rejected", COMMAND_MAIL },
	{ "end of data", COMMAND_DATA },
	{ ">>> data", COMMAND_DATA },
	{ "(data", COMMAND_DATA },
	{ "\ndata\n", COMMAND_DATA },
	{ "to data command", COMMAND_DATA },
	{ "after i sent the message", COMMAND_DATA }, /* qmail-remote */
	{ "data send", COMMAND_DATA },
	{ "initial connection", COMMAND_CONNECT },
	{ "after ehlo", COMMAND_CONNECT },
	{ "after helo", COMMAND_CONNECT },
	{ "to ehlo command", COMMAND_CONNECT },
	{ "to helo command", COMMAND_CONNECT },
};

static bool
folds_to(const char *p, size_t left, const char *lower)
{
	size_t i = 0;
	for (; lower[i]; i++)
		if (i >= left || ascii_lower(p[i]) != lower[i])
			return false;
	return true;
}

/*
 * The last command named before offset at, else the first behind it, as far as the paragraph goes or a
 * heading says so. Transcripts and Exim name it before the reply, Postfix behind.
 */
static enum command
command_near(struct str text, size_t at)
{
	enum command before = COMMAND_UNKNOWN;
	struct str behind = str_sub(text, at, text.n);
	size_t end = at + str_find(behind, STR("\n\n"));
	struct str rest = str_trim(str_sub(text, end, text.n));
	if (str_casestarts(rest, STR("-------SMTP command")))
		end += 60;
	for (size_t i = 0; i < text.n && i < end; i++)
		for (size_t k = 0; k < sizeof mentions / sizeof mentions[0]; k++) {
			if (!folds_to(text.p + i, text.n - i, mentions[k].text))
				continue;
			if (i >= at)
				return before != COMMAND_UNKNOWN ? before : mentions[k].command;
			before = mentions[k].command;
		}
	return before;
}

/* ---- judging ---- */

struct judgement {
	struct words words;
	struct codes codes;
	enum command command;
	bool remote;   /* a server's reply was quoted */
	bool reporter; /* who reports says that there is no such user */
};

static bool
is_any(const char *status, const char *list)
{
	struct str rest = str_of(list), one;
	while (status[0] && str_split(&rest, ' ', &one))
		if (str_eq(one, str_of(status + 2)))
			return true;
	return false;
}

/*
 * Of RCPT, servers' set phrases for a user they do not have: Outlook.com's is RFC 5321's text of 550 with
 * 5.5.0, AT&T's goes on with "relay=", which is no word about relaying.
 */
static bool
says_user_by_phrase(const struct judgement *j, const char *status)
{
	return j->command == COMMAND_RCPT && j->codes.reply == 550 &&
	       (words_have(&j->words, "addressee unknown") ||
		(is_any(status, "5.0 0.0") && !says_policy(&j->words) &&
		 words_have(&j->words, "requested action not taken mailbox unavailable")));
}

/* Routing failed for want of an answer, not because of it. */
static bool
says_no_answer(const struct words *w)
{
	return words_have(w,
			  "name service error|name server|malformed|timed out|timeout|temporary|servfail") &&
	       !words_have(w, "not found|type mx host not found|no such domain");
}

/* What RFC 3463 (and its registry) says of addresses. FEEDBACK_OTHER: nothing. */
static enum feedback_reason
reason_of_status(const char *status)
{
	if (is_any(status, "2.2"))
		return FEEDBACK_FULL;
	if (is_any(status, "1.1 1.3 1.4"))
		return FEEDBACK_UNKNOWN_USER;
	if (is_any(status, "1.2 4.4 4.310")) /* 4.4: no route; 4.310: Exchange Online, no such domain */
		return FEEDBACK_UNKNOWN_HOST;
	if (is_any(status, "1.6"))
		return FEEDBACK_MOVED;
	if (is_any(status, "1.10")) /* RFC 7505; Exchange says it of recipients that are not found */
		return FEEDBACK_NO_MAIL;
	return FEEDBACK_OTHER;
}

static enum feedback_reason
reason_of_words(const struct judgement *j, const char *status)
{
	const struct words *w = &j->words;
	bool believed =
	    j->command == COMMAND_RCPT || (j->command == COMMAND_UNKNOWN && !j->remote) || j->reporter;
	if (j->codes.reply == 521 || j->codes.reply == 556 || says_no_mail(w)) /* RFC 7504, RFC 7505 */
		return FEEDBACK_NO_MAIL;
	if (says_full(w))
		return FEEDBACK_FULL;
	if (j->command == COMMAND_MAIL || j->command == COMMAND_CONNECT)
		return FEEDBACK_OTHER;
	/* Exchange Online's edge refuses so who is not in the directory */
	if (is_any(status, "4.1") && believed && words_have(w, "recipient address rejected"))
		return FEEDBACK_UNKNOWN_USER;
	if (says_user_by_phrase(j, status))
		return FEEDBACK_UNKNOWN_USER;
	if (says_policy(w) && !is_any(status, "1.1"))
		return FEEDBACK_OTHER;
	if (says_off(w))
		return FEEDBACK_DISABLED;
	if (says_user(w))
		return believed || says_no_account(w) ? FEEDBACK_UNKNOWN_USER : FEEDBACK_OTHER;
	if (says_host(w))
		return FEEDBACK_UNKNOWN_HOST;
	return FEEDBACK_OTHER;
}

static enum feedback_reason
reason_of(const struct judgement *j, const char *status)
{
	enum feedback_reason by_code = reason_of_status(status), by_words = reason_of_words(j, status);
	if (by_words == FEEDBACK_FULL || by_words == FEEDBACK_NO_MAIL || by_code == FEEDBACK_OTHER)
		return by_words;
	if (by_code == FEEDBACK_UNKNOWN_HOST && says_no_answer(&j->words))
		return FEEDBACK_OTHER;
	if (by_code == FEEDBACK_UNKNOWN_USER && says_policy(&j->words) && !says_user(&j->words))
		return FEEDBACK_OTHER;
	return by_code;
}

/* The status: a server's own word, then the report's field, then what stands anywhere, then the class. */
static void
status_choose(const struct evidence *ev, struct judgement *j, char out[16])
{
	char field[16] = "";
	struct codes context;
	codes_find(ev->diag, &j->codes);
	codes_find(ev->context, &context);
	status_parse(ev->status, field);
	bool field_vague = field[0] == '\0' || strcmp(field + 1, ".0.0") == 0;
	const char *found = j->codes.status;
	if (found[0] == '\0' || strcmp(found + 1, ".0.0") == 0 || (!j->codes.joined && !field_vague))
		found = !field_vague ? field : context.status[0] && ev->diag.n == 0 ? context.status : found;
	if (found[0] == '\0')
		found = field;
	snprintf(out, 16, "%s", found);
	j->remote = j->codes.reply > 0 || context.reply > 0;
	if (j->codes.reply == 0)
		j->codes.reply = context.reply;
	if (out[0] == '\0' && j->codes.reply > 0)
		snprintf(out, 16, "%d.0.0", j->codes.reply / 100);
	if (out[0] == '\0')
		snprintf(out, 16, "%d.0.0", ev->delayed ? 4 : 5);
}

/* Where in the context the reply stands that the diagnosis quotes. */
static size_t
reply_place(const struct evidence *ev, const struct judgement *j)
{
	struct codes c;
	struct str reply = str_sub(ev->diag, j->codes.at, j->codes.at + 16);
	size_t at = ev->diag.n > 0 && reply.n > 3 ? str_find(ev->context, reply) : ev->context.n;
	if (at < ev->context.n)
		return at;
	codes_find(ev->context, &c);
	return c.at;
}

static bool
is_own_line(struct str line, struct str recipient)
{
	return str_starts(line, STR("550 5.1.1 <")) && str_ends(str_trim(line), STR("... User unknown")) &&
	       recipient.n > 0 && str_find(line, recipient) < line.n;
}

/*
 * Outside of what servers said, the reporting system's own words: "Address not found", or the line of
 * Sendmail "550 5.1.1 <a@b>... User unknown", which it writes when the RCPT was refused.
 */
static bool
reporter_says_user(struct arena *a, const struct evidence *ev)
{
	struct buf own = { 0 };
	struct str rest = ev->notice, line;
	struct words w;
	while (str_split(&rest, '\n', &line)) {
		struct codes c;
		codes_find(line, &c);
		if (c.reply == 0 || is_own_line(line, ev->recipient))
			buf_adds(&own, line);
		buf_addc(&own, '\n');
	}
	words_of(a, buf_str(&own), &w);
	buf_free(&own);
	return says_user(&w);
}

void
reason_judge(struct arena *a, const struct evidence *ev, struct feedback_item *out)
{
	struct judgement j = { 0 };
	status_choose(ev, &j, out->status);
	j.command = command_near(ev->diag, j.codes.at < ev->diag.n ? j.codes.at : 0);
	if (j.command == COMMAND_UNKNOWN)
		j.command = command_near(ev->context, reply_place(ev, &j));
	j.reporter = reporter_says_user(a, ev);
	words_of(a, ev->diag.n > 0 ? ev->diag : ev->context, &j.words);
	out->reason = reason_of(&j, out->status);
	if (out->reason == FEEDBACK_OTHER && ev->diag.n > 0 && ev->diag.n < 40) {
		/* "smtp; 550" and the like: the notice says more */
		words_of(a, ev->context, &j.words);
		out->reason = reason_of(&j, out->status);
	}
	out->hard = out->reason <= FEEDBACK_NO_MAIL && out->status[0] == '5' && !ev->delayed;
	if (ev->delayed && out->reason != FEEDBACK_FULL)
		out->reason = FEEDBACK_DELAYED;
}
