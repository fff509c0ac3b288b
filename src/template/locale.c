/*
 * locale: the table. A region's entry stands before its language's.
 */
#include "template/locale.h"

#include <strings.h>

#define NBSP "\xC2\xA0"
#define NNBSP "\xE2\x80\xAF"
#define MINUTE_MARK "\xE2\x80\x99"

#define NAMES_EN                                                                                                \
	.months = { "January", "February", "March",	"April",   "May",      "June",                          \
		    "July",    "August",   "September", "October", "November", "December" },                    \
	.months_short = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }, \
	.days = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" },               \
	.days_short = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }, .am = "AM", .pm = "PM",              \
	.ordinals = "en"

#define NAMES_DE                                                                                     \
	.months = { "Januar", "Februar", "März",      "April",	 "Mai",	     "Juni",                 \
		    "Juli",   "August",	 "September", "Oktober", "November", "Dezember" },           \
	.months_short = { "Jan.", "Feb.", "März",  "Apr.", "Mai",  "Juni",                           \
			  "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez." },                         \
	.days = { "Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag" }, \
	.days_short = { "So", "Mo", "Di", "Mi", "Do", "Fr", "Sa" }, .am = "AM", .pm = "PM", .ordinals = "."

#define NAMES_FR                                                                                          \
	.months = { "janvier", "février", "mars",      "avril",	  "mai",      "juin",                     \
		    "juillet", "août",	  "septembre", "octobre", "novembre", "décembre" },               \
	.months_short = { "janv.", "févr.", "mars",  "avr.", "mai",  "juin",                              \
			  "juil.", "août",  "sept.", "oct.", "nov.", "déc." },                            \
	.days = { "dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi" },              \
	.days_short = { "dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam." }, .am = "AM", .pm = "PM", \
	.ordinals = "fr"

#define NAMES_ES                                                                                                 \
	.months = { "enero", "febrero", "marzo",      "abril",	 "mayo",      "junio",                           \
		    "julio", "agosto",	"septiembre", "octubre", "noviembre", "diciembre" },                     \
	.months_short = { "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic" }, \
	.days = { "domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado" },                    \
	.days_short = { "dom", "lun", "mar", "mié", "jue", "vie", "sáb" }, .am = "a." NBSP "m.",                 \
	.pm = "p." NBSP "m.", .ordinals = "º"

#define NAMES_IT                                                                                                \
	.months = { "gennaio", "febbraio", "marzo",	"aprile",  "maggio",   "giugno",                        \
		    "luglio",  "agosto",   "settembre", "ottobre", "novembre", "dicembre" },                    \
	.months_short = { "gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic" }, \
	.days = { "domenica", "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato" },               \
	.days_short = { "dom", "lun", "mar", "mer", "gio", "ven", "sab" }, .am = "AM", .pm = "PM",              \
	.ordinals = "º"

#define NAMES_PT                                                                                          \
	.months = { "janeiro", "fevereiro", "março",	"abril",   "maio",     "junho",                   \
		    "julho",   "agosto",    "setembro", "outubro", "novembro", "dezembro" },              \
	.months_short = { "jan.", "fev.", "mar.", "abr.", "mai.", "jun.",                                 \
			  "jul.", "ago.", "set.", "out.", "nov.", "dez." },                               \
	.days = { "domingo",	  "segunda-feira", "terça-feira", "quarta-feira",                         \
		  "quinta-feira", "sexta-feira",   "sábado" },                                            \
	.days_short = { "dom.", "seg.", "ter.", "qua.", "qui.", "sex.", "sáb." }, .am = "AM", .pm = "PM", \
	.ordinals = "º"

#define NAMES_NL                                                                                                \
	.months = { "januari", "februari", "maart",	"april",   "mei",      "juni",                          \
		    "juli",    "augustus", "september", "oktober", "november", "december" },                    \
	.months_short = { "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec" }, \
	.days = { "zondag", "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag" },             \
	.days_short = { "zo", "ma", "di", "wo", "do", "vr", "za" }, .am = "a.m.", .pm = "p.m.",                 \
	.ordinals = "e"

#define NAMES_PL                                                                                                \
	.months = { "stycznia", "lutego",   "marca",	"kwietnia",	"maja",	     "czerwca",                 \
		    "lipca",	"sierpnia", "września", "października", "listopada", "grudnia" },               \
	.months_short = { "sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru" }, \
	.days = { "niedziela", "poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota" },             \
	.days_short = { "niedz.", "pon.", "wt.", "śr.", "czw.", "pt.", "sob." }, .am = "AM", .pm = "PM",        \
	.ordinals = "."

#define NAMES_ZH                                                                                \
	.months = { "一月", "二月", "三月", "四月", "五月",   "六月",                           \
		    "七月", "八月", "九月", "十月", "十一月", "十二月" },                       \
	.months_short = { "1月", "2月", "3月", "4月",  "5月",  "6月",                           \
			  "7月", "8月", "9月", "10月", "11月", "12月" },                        \
	.days = { "星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六" },       \
	.days_short = { "周日", "周一", "周二", "周三", "周四", "周五", "周六" }, .am = "上午", \
	.pm = "下午", .ordinals = "日"

#define NAMES_JA                                                                                             \
	.months = { "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月" }, \
	.months_short = { "1月", "2月", "3月", "4月",  "5月",  "6月",                                        \
			  "7月", "8月", "9月", "10月", "11月", "12月" },                                     \
	.days = { "日曜日", "月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日" },                    \
	.days_short = { "日", "月", "火", "水", "木", "金", "土" }, .am = "午前", .pm = "午後",              \
	.ordinals = "日"

/* Number shapes: decimal, group, where the symbol stands. */
#define SHAPE_POINT .decimal = ".", .group = ",", .symbol_first = true, .symbol_gap = ""
#define SHAPE_COMMA .decimal = ",", .group = ".", .symbol_gap = NBSP

static const struct locale locales[] = {
	{ .tag = "en-ZA", .decimal = ",", .group = NBSP, .symbol_first = true, .symbol_gap = "", NAMES_EN },
	{ .tag = "en", SHAPE_POINT, NAMES_EN },
	{ .tag = "de-AT", .decimal = ",", .group = NBSP, .symbol_first = true, .symbol_gap = NBSP, NAMES_DE },
	{ .tag = "de-CH",
	  .decimal = ".",
	  .group = MINUTE_MARK,
	  .symbol_first = true,
	  .symbol_gap = NBSP,
	  NAMES_DE },
	{ .tag = "de", SHAPE_COMMA, NAMES_DE },
	{ .tag = "fr-CA", .decimal = ",", .group = NBSP, .symbol_gap = NBSP, NAMES_FR },
	{ .tag = "fr", .decimal = ",", .group = NNBSP, .symbol_gap = NBSP, NAMES_FR },
	{ .tag = "es-MX", SHAPE_POINT, NAMES_ES },
	{ .tag = "es-US", SHAPE_POINT, NAMES_ES },
	{ .tag = "es", SHAPE_COMMA, .group_from_5 = true, NAMES_ES },
	{ .tag = "it", SHAPE_COMMA, .group_from_5 = true, NAMES_IT },
	{ .tag = "pt-BR", .decimal = ",", .group = ".", .symbol_first = true, .symbol_gap = NBSP, NAMES_PT },
	{ .tag = "pt", .decimal = ",", .group = NBSP, .group_from_5 = true, .symbol_gap = NBSP, NAMES_PT },
	{ .tag = "nl", .decimal = ",", .group = ".", .symbol_first = true, .symbol_gap = NBSP, NAMES_NL },
	{ .tag = "pl", .decimal = ",", .group = NBSP, .group_from_5 = true, .symbol_gap = NBSP, NAMES_PL },
	{ .tag = "zh", SHAPE_POINT, NAMES_ZH },
	{ .tag = "ja", SHAPE_POINT, NAMES_JA },
};

/* "de-CH" matches "de-CH", "de_ch" and "de-CH-1996"; "de" matches "de-XX". */
static bool
tag_matches(const char *tag, const char *want)
{
	size_t i = 0;
	for (; want[i]; i++) {
		char c = tag[i] == '_' ? '-' : tag[i];
		if (ascii_lower(c) != ascii_lower(want[i]))
			return false;
	}
	return tag[i] == '\0' || tag[i] == '-' || tag[i] == '_' || tag[i] == '.';
}

const struct locale *
locale_find(const char *tag)
{
	const struct locale *en = &locales[1];
	for (size_t i = 0; tag && i < sizeof locales / sizeof *locales; i++) {
		if (tag_matches(tag, locales[i].tag))
			return &locales[i];
	}
	return en;
}
