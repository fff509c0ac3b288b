/*
 * host: what names a place on the network: domains, tracking hosts, sockets, the injection port, networks.
 */
#include "conf/conf-private.h"

#include <arpa/inet.h>
#include <string.h>

const char *
conf_domain(struct arena *a, struct str s)
{
	struct str rest = s, label;
	if (s.n == 0 || s.n > 253)
		return NULL;
	while (str_split(&rest, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return NULL;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_isalpha(label.p[i]) && !ascii_isdigit(label.p[i]) &&
			    !strchr("-_", label.p[i]))
				return NULL;
	}
	char *out = arena_cstr(a, s);
	for (size_t i = 0; i < s.n; i++)
		out[i] = ascii_lower(out[i]);
	return out;
}

/* 1 to 65535, or 0. */
static int
port_of(struct str s)
{
	int v = 0;
	if (s.n == 0 || s.n > 5)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_isdigit(s.p[i]))
			return 0;
		v = v * 10 + (s.p[i] - '0');
	}
	return v <= 65535 ? v : 0;
}

/* "[::1]" → "::1"; STR_NULL when s is no bracketed IPv6 address. */
static struct str
bracketed(struct arena *a, struct str s)
{
	struct in6_addr six;
	if (s.n < 4 || s.p[0] != '[' || s.p[s.n - 1] != ']' || s.n > 48)
		return STR_NULL;
	struct str in = str_sub(s, 1, s.n - 1);
	return inet_pton(AF_INET6, arena_cstr(a, in), &six) == 1 ? in : STR_NULL;
}

/* ---- sockets ---- */

/* libmilter wants port@host, Postfix host:port. */
static const char *
inet_socket(struct arena *a, struct str rest, bool six)
{
	struct str host, port;
	size_t at = str_find_char(rest, '@');
	if (at < rest.n) {
		port = str_sub(rest, 0, at);
		host = str_sub(rest, at + 1, rest.n);
	} else {
		size_t colon = rest.n;
		while (colon > 0 && rest.p[colon - 1] != ':')
			colon--;
		if (colon < 2)
			return NULL;
		host = str_sub(rest, 0, colon - 1);
		port = str_sub(rest, colon, rest.n);
	}
	int number = port_of(port);
	if (number == 0)
		return NULL;
	struct in6_addr addr;
	struct str in = bracketed(a, host);
	if (!in.p && host.n < 48 && inet_pton(AF_INET6, arena_cstr(a, host), &addr) == 1)
		in = host;
	if (in.p)
		return arena_printf(a, "inet6:%d@[%.*s]", number, STR_ARG(in)).p;
	const char *name = conf_domain(a, host);
	return name ? arena_printf(a, "%s:%d@%s", six ? "inet6" : "inet", number, name).p : NULL;
}

const char *
conf_socket(struct arena *a, struct str s, const char **why)
{
	struct str rest = s;
	bool unix_path = s.n > 0 && s.p[0] == '/';
	const char *shown = arena_cstr(a, str_sub(s, 0, 200)), *out;

	if (str_starts(s, STR("unix:")) || str_starts(s, STR("local:"))) {
		unix_path = true;
		rest = str_sub(s, str_find_char(s, ':') + 1, s.n);
	}
	if (unix_path) {
		if (rest.n < 2 || rest.p[0] != '/')
			*why = arena_printf(a,
					    "the socket \"%s\" has no absolute path; write "
					    "unix:/run/mailtailor/milter.sock",
					    shown)
				   .p;
		else if (rest.n > 107)
			*why =
			    arena_printf(a, "the socket's path \"%s\" is too long; at most 107 bytes", shown)
				.p;
		else
			return arena_printf(a, "unix:%.*s", STR_ARG(rest)).p;
		return NULL;
	}
	bool six = str_starts(s, STR("inet6:"));
	if (six || str_starts(s, STR("inet:"))) {
		rest = str_sub(s, six ? 6 : 5, s.n);
		if (port_of(rest) > 0) {
			*why = arena_printf(a,
					    "the socket \"%s\" names no address and would listen on all; "
					    "write inet:%.*s@127.0.0.1",
					    shown, STR_ARG(rest))
				   .p;
			return NULL;
		}
		if ((out = inet_socket(a, rest, six)) != NULL)
			return out;
	}
	*why =
	    arena_printf(a, "\"%s\" is no socket; write unix:/path, inet:port@host or inet:host:port", shown)
		.p;
	return NULL;
}

/* ---- host:port, unix:/path ---- */

const char *
conf_target(struct arena *a, struct str s, const char **why)
{
	const char *shown = arena_cstr(a, str_sub(s, 0, 200));
	size_t colon = s.n;
	if (str_starts(s, STR("unix:"))) {
		if (s.n > 6 && s.p[5] == '/' && s.n <= 5 + 107)
			return shown;
		*why = arena_printf(
			   a,
			   "the target \"%s\" has no absolute path of at most 107 bytes; write one such "
			   "as unix:/var/spool/postfix/public/inject",
			   shown)
			   .p;
		return NULL;
	}
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	int port = colon > 0 ? port_of(str_sub(s, colon, s.n)) : 0;
	struct str host = colon > 0 ? str_sub(s, 0, colon - 1) : s, six = bracketed(a, host);
	const char *name = six.p ? arena_printf(a, "[%.*s]", STR_ARG(six)).p : conf_domain(a, host);
	if (name && port > 0)
		return arena_printf(a, "%s:%d", name, port).p;
	*why = arena_printf(a,
			    "\"%s\" is no target; write host:port such as 127.0.0.1:10026 or [::1]:10026, or "
			    "unix:/path",
			    shown)
		   .p;
	return NULL;
}

void
conf_target_split(struct arena *a, struct str s, struct conf_endpoint *endpoint)
{
	size_t colon = s.n;
	if (str_starts(s, STR("unix:"))) {
		endpoint->unix_path = arena_cstr(a, str_sub(s, 5, s.n));
		return;
	}
	while (s.p[colon - 1] != ':')
		colon--;
	struct str host = str_sub(s, 0, colon - 1), six = bracketed(a, host);
	endpoint->host = arena_cstr(a, six.p ? six : host);
	endpoint->port = port_of(str_sub(s, colon, s.n));
}

/* ---- https://host[:port] ---- */

const char *
conf_host_url(struct arena *a, struct str s, const char **why)
{
	const char *shown = arena_cstr(a, str_sub(s, 0, 200));
	bool tls = str_casestarts(s, STR("https://"));
	if (!tls && !str_casestarts(s, STR("http://"))) {
		*why =
		    arena_printf(a, "\"%s\" does not begin with https://; write https://t.example.com", shown)
			.p;
		return NULL;
	}
	struct str rest = str_sub(s, tls ? 8 : 7, s.n);
	size_t end = 0;
	while (end < rest.n && !strchr("/?#@\\", rest.p[end]))
		end++;
	if (end < rest.n && !(rest.p[end] == '/' && end + 1 == rest.n)) {
		*why =
		    arena_printf(a, "\"%s\" has more than a host; write https://t.example.com alone", shown)
			.p;
		return NULL;
	}
	struct str host = str_sub(rest, 0, end), port = STR_NULL;
	size_t close = str_find_char(host, ']'),
	       colon = str_find_char(str_sub(host, close, host.n), ':') + close;
	if (close == host.n)
		colon = str_find_char(host, ':');
	if (colon < host.n) {
		port = str_sub(host, colon, host.n);
		host = str_sub(host, 0, colon);
	}
	struct str six = bracketed(a, host);
	const char *name = six.p ? arena_printf(a, "[%.*s]", STR_ARG(six)).p : conf_domain(a, host);
	if (!name || (port.n > 0 && port_of(str_sub(port, 1, port.n)) == 0)) {
		*why = arena_printf(a, "\"%s\" has no proper host; write https://t.example.com", shown).p;
		return NULL;
	}
	return arena_printf(a, "%s://%s%.*s", tls ? "https" : "http", name, STR_ARG(port)).p;
}

/* ---- networks ---- */

static void
mask(uint8_t addr[16], int bits)
{
	for (int i = 0; i < 16; i++) {
		int keep = bits - i * 8;
		if (keep <= 0)
			addr[i] = 0;
		else if (keep < 8)
			addr[i] = (uint8_t)(addr[i] & (0xff << (8 - keep)));
	}
}

int
conf_net_parse(struct arena *a, struct str s, struct conf_net *out, const char **why)
{
	static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	size_t slash = str_find_char(s, '/');
	struct str host = str_sub(s, 0, slash), in = bracketed(a, host);
	const char *text = arena_cstr(a, str_sub(in.p ? in : host, 0, 60)),
		   *shown = arena_cstr(a, str_sub(s, 0, 60));
	int base = 0;

	memset(out, 0, sizeof(*out));
	if (!in.p && inet_pton(AF_INET, text, out->addr + 12) == 1) {
		memcpy(out->addr, MAPPED, sizeof(MAPPED));
		base = 96;
	} else if (inet_pton(AF_INET6, text, out->addr) != 1) {
		*why = arena_printf(
			   a, "\"%s\" is no network; write one such as 192.0.2.0/24 or 2001:db8::/32", shown)
			   .p;
		return -1;
	}
	out->bits = 128;
	if (slash < s.n) {
		struct str len = str_sub(s, slash + 1, s.n);
		int bits = 0;
		for (size_t i = 0; i < len.n && i < 4; i++)
			bits = ascii_isdigit(len.p[i]) && bits < 1000 ? bits * 10 + (len.p[i] - '0') : 1000;
		if (len.n == 0 || len.n > 3 || bits > 128 - base) {
			*why = arena_printf(a, "\"%s\" has a bad prefix length; write 0 to %d behind the /",
					    shown, 128 - base)
				   .p;
			return -1;
		}
		out->bits = base + bits;
	}
	struct conf_net masked = *out;
	mask(masked.addr, masked.bits);
	if (memcmp(masked.addr, out->addr, 16) != 0) {
		struct buf b = { 0 };
		conf_net_print(&b, &masked);
		*why = arena_printf(a, "\"%s\" has bits behind its prefix; write %s, or /%d for the one host",
				    shown, b.p, 128 - base)
			   .p;
		buf_free(&b);
		return -1;
	}
	return 0;
}

void
conf_net_print(struct buf *b, const struct conf_net *n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	memcpy(&six, n->addr, 16);
	bool four = IN6_IS_ADDR_V4MAPPED(&six) && n->bits >= 96;
	if (four)
		inet_ntop(AF_INET, n->addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, n->addr, text, sizeof(text));
	buf_printf(b, "%s/%d", text, four ? n->bits - 96 : n->bits);
}
