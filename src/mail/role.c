/*
 * role: which parts are text to be tailored, which are data, and which are
 * signed or encrypted and never touched (RFC 1847, 3156, 8551).
 */
#include "mail/mail_private.h"
#include "mail/role.h"

static struct str
lower_copy(struct arena *a, const char *s)
{
	struct str out = arena_str(a, str_of(s ? s : ""));
	char *p = (char *)out.p;

	for (size_t i = 0; i < out.n; i++)
		p[i] = ascii_lower(p[i]);
	return out;
}

static bool
is(struct str s, const char *lit)
{
	return str_eq(s, str_of(lit));
}

static enum mail_cte
cte_of(const struct mail_fields *f)
{
	const struct mail_field *field = mail_fields_find(f, STR("Content-Transfer-Encoding"));
	static const struct {
		const char *name;
		enum mail_cte cte;
	} names[] = {
		{ "7bit", MAIL_CTE_7BIT }, { "8bit", MAIL_CTE_8BIT },	  { "binary", MAIL_CTE_BINARY },
		{ "", MAIL_CTE_7BIT },	   { "base64", MAIL_CTE_BASE64 }, { "quoted-printable", MAIL_CTE_QP },
	};
	struct str token;

	if (!field)
		return MAIL_CTE_7BIT;
	token = mail_value_token(field->value);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_caseeq(token, str_of(names[i].name)))
			return names[i].cte;
	return MAIL_CTE_OTHER;
}

/* Readers disagree which of two such fields counts: then nobody knows what the part is. */
static bool
is_ambiguous(const struct mail_fields *f)
{
	size_t types = 0, ctes = 0;

	for (size_t i = 0; i < f->n; i++) {
		types += str_caseeq(f->v[i].name, STR("Content-Type"));
		ctes += str_caseeq(f->v[i].name, STR("Content-Transfer-Encoding"));
	}
	return types > 1 || ctes > 1;
}

static bool
is_protected_type(struct str type, struct str subtype)
{
	if (is(type, "multipart"))
		return is(subtype, "signed") || is(subtype, "encrypted");
	if (!is(type, "application"))
		return false;
	return is(subtype, "pkcs7-mime") || is(subtype, "x-pkcs7-mime") || is(subtype, "pkcs7-signature") ||
	       is(subtype, "x-pkcs7-signature") || is(subtype, "pgp-encrypted") ||
	       is(subtype, "pgp-signature") || is(subtype, "pgp");
}

static bool
is_typeless(const struct mail_fields *f)
{
	const struct mail_field *field = mail_fields_find(f, STR("Content-Type"));
	struct str token = field ? mail_value_token(field->value) : STR_NULL;

	return field && str_find_char(token, '/') == token.n;
}

/* Inline OpenPGP (RFC 4880 6.2, 7): the text begins with the armour, however it is encoded. */
static bool
is_pgp_text(struct str body, enum mail_cte cte)
{
	char text[512];
	uint32_t at[sizeof(text) + 1];
	struct str s = str_sub(body, 0, sizeof(text));

	if (cte == MAIL_CTE_QP) {
		s = str_make(text, mail_qp_decode(s, text, at));
	} else if (cte == MAIL_CTE_BASE64) {
		size_t n = 0;

		mail_base64_decode(s, text, &n); /* cut short, so its verdict says nothing */
		s = str_make(text, n);
	}
	s = str_trim(s);
	return str_starts(s, STR("-----BEGIN PGP SIGNED MESSAGE-----")) ||
	       str_starts(s, STR("-----BEGIN PGP MESSAGE"));
}

/*
 * A name alone (Content-Type: text/html; name="mail.html") makes a file of what stands beside others. The
 * message itself and its alternatives are what is read, whatever they are called.
 */
static bool
is_named_file(GMimeObject *o, const struct mail_part *p)
{
	return GMIME_IS_PART(o) && g_mime_part_get_filename((GMimePart *)o) != NULL && p->parent != NULL &&
	       !is(p->parent->subtype, "alternative");
}

static bool
is_attachment(GMimeObject *o, const struct mail_fields *f, const struct mail_part *p)
{
	const struct mail_field *field = mail_fields_find(f, STR("Content-Disposition"));
	struct str token = field ? mail_value_token(field->value) : STR_NULL;

	if (str_caseeq(token, STR("attachment")))
		return true;
	return !str_caseeq(token, STR("inline")) && is_named_file(o, p);
}

static enum mail_role
role_of(const struct mail_part *p, struct str bytes)
{
	enum mail_role above = p->parent ? p->parent->role : MAIL_ROLE_MULTIPART;

	if (above == MAIL_ROLE_PROTECTED || is_protected_type(p->type, p->subtype))
		return MAIL_ROLE_PROTECTED;
	if (above != MAIL_ROLE_MULTIPART || p->attachment || is_ambiguous(&p->fields))
		return MAIL_ROLE_DATA;
	if (is(p->type, "multipart"))
		return MAIL_ROLE_MULTIPART;
	/* no empty line behind the header: what is added there would not be read */
	if (!is(p->type, "text") || p->head_end == p->body_start)
		return MAIL_ROLE_DATA;
	if ((is(p->subtype, "plain") || is(p->subtype, "html")) &&
	    is_pgp_text(str_sub(bytes, p->body_start, p->body_end), p->cte))
		return MAIL_ROLE_PROTECTED;
	if (is(p->subtype, "plain"))
		return MAIL_ROLE_TEXT;
	if (is(p->subtype, "html"))
		return MAIL_ROLE_HTML;
	return is(p->subtype, "x-amp-html") ? MAIL_ROLE_AMP : MAIL_ROLE_DATA;
}

void
mail_role_set(struct arena *a, GMimeObject *o, struct str bytes, struct mail_part *p)
{
	GMimeContentType *ct = g_mime_object_get_content_type(o);
	const char *charset = NULL, *format = NULL, *delsp = NULL;

	if (ct) {
		charset = g_mime_content_type_get_parameter(ct, "charset");
		format = g_mime_content_type_get_parameter(ct, "format");
		delsp = g_mime_content_type_get_parameter(ct, "delsp");
	}
	p->type = lower_copy(a, ct ? g_mime_content_type_get_media_type(ct) : "text");
	p->subtype = lower_copy(a, ct ? g_mime_content_type_get_media_subtype(ct) : "plain");
	p->charset = lower_copy(a, charset && *charset ? charset : "us-ascii");
	p->format_flowed = format && str_caseeq(str_of(format), STR("flowed"));
	p->delsp = p->format_flowed && delsp && str_caseeq(str_of(delsp), STR("yes"));
	p->cte = cte_of(&p->fields);
	p->typeless = is_typeless(&p->fields);
	p->attachment = is_attachment(o, &p->fields, p);
	p->role = role_of(p, bytes);
}
