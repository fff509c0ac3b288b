#!/usr/bin/perl
# What the benchmark mails: material.pl DIR RECIPIENTS writes
#   message.eml      20 KB multipart/alternative with 23 links to wrap and 40 template tags; @TO@, @ID@, @BOUNDARY@ are smtp-load's
#   profiles.csv     30 fields for each recipient        recipients   their addresses, one a line
#   check            four more, whose copies are kept to be looked at
#   blocks.json      for plugin content                   mailtailor.conf, opendkim.conf, KeyTable, SigningTable
#   weights.json     for plugin logistic                  fanout.conf.in: the same with a scorer and return paths; @NAME@
use strict;
use warnings;
use MIME::QuotedPrint qw(encode_qp);

my ($dir, $count) = @ARGV;
die "usage: material.pl DIR RECIPIENTS\n" unless $count;

sub put {
	my ($name, $text) = @_;
	open my $h, '>:raw', "$dir/$name" or die "$dir/$name: $!\n";
	print $h $text;
	close $h or die "$dir/$name: $!\n";
}

# ---- the message ----

my @names = ('Asparagus, green', 'Rhubarb', 'Wild garlic', 'New potatoes', 'Radishes', 'Spinach', 'Strawberries', 'Morels');
my $prose = "Grown ten miles from your door, picked the evening before, and packed by hand in straw: what is in the box depends on "
	. "the week, the weather and what you told us you like. Nothing travels far and nothing is kept in a cold store, so that it "
	. "tastes of what it is. ";
my $more = "Wash it only before you use it, keep it in the dark, and eat the leaves first; the recipes of the week are written "
	. "by people who cook for a living & like it. If a box is not what you hoped for, tell the driver: we make it good the "
	. "same week, no questions asked. ";

sub product {
	my ($i) = @_;
	my $url = "https://shop.example/box/item-$i?utm_source=mail&amp;utm_medium=campaign&amp;utm_content=p$i";
	my $city = $i % 3 ? '' : ' near {{city}}';
	return <<"EOS";
<tr><td style="padding:8px;border-bottom:1px solid #ddd;font-family:Helvetica,Arial,sans-serif">
<a href="$url"><img src="https://img.shop.example/p/$i.jpg" width="120" height="120" alt="$names[$i]"></a></td>
<td style="padding:8px;border-bottom:1px solid #ddd;font-family:Helvetica,Arial,sans-serif">
<h3 style="margin:0 0 4px 0;color:#234;font-size:16px">$names[$i]</h3>
<p style="margin:0;color:#445;font-size:14px;line-height:20px">$prose$more$prose$more$names[$i] is at its best now$city.</p>
<a class="button" style="color:#fff;background:#273" href="$url&amp;buy=1">Add to box {{box_number}}</a></td></tr>
EOS
}

sub html {
	my $products = join '', map { product($_) } 0 .. 6;
	return <<"EOS";
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{company}}: the box of {{month}}</title>
<style>body{margin:0;background:#f6f4ef} .button{display:inline-block;padding:6px 12px;border-radius:4px;text-decoration:none}
\@media (max-width:600px){.wide{display:none}}</style></head>
<body>
<!--[if mso]><table width="600"><tr><td><![endif]-->
<div style="display:none">{{preheader}}</div>
<h1 style="font-family:Georgia,serif">{{greeting}}!</h1>
{{#if vip}}<p>As one of our best customers (since {{since}}) you choose first, and delivery is on us.</p>
{{else}}<p>Your {{plan}} box is packed on {{weekday}}.</p>{{/if}}
{{{content.hero.html}}}
<p>You have {{points}} points, {{default city "your town"}} has {{shops}} shops, and your driver is {{driver}}.</p>
<table cellpadding="0" cellspacing="0" width="600">
$products</table>
<p><a href="https://shop.example/account?c={{customer}}&amp;from=mail">Your account</a> is with {{company}}, {{street}}.</p>
<p>Until {{formatDate ends "D MMMM"}}: {{upper voucher}} takes {{money discount "EUR"}} off.</p>
<p><a href="{{unsubscribe_url}}">Unsubscribe</a> &middot; <a href="{{preferences_url}}">Preferences</a> &middot;
<a href="https://shop.example/imprint">Imprint</a></p>
<!--[if mso]></td></tr></table><![endif]-->
</body></html>
EOS
}

sub text {
	my $list = join '', map { "  * $names[$_]: ${prose}${more}See https://shop.example/box/item-$_?utm_source=mail&utm_medium=text\n" } 0 .. 4;
	return <<"EOS";
{{greeting}},

{{#if vip}}as one of our best customers you choose first.{{else}}your {{plan}} box is packed:{{/if}}

$list
{{{content.hero.text}}}
You have {{points}} points. Your driver is {{driver}}.

Unsubscribe: {{unsubscribe_url}}
EOS
}

sub message {
	my $head = <<'EOS';
From: Orchard & Vine <hello@shop.example>
To: <@TO@>
Subject: {{greeting}}: your {{plan}} box of {{month}}
Date: @DATE@
Message-ID: <@ID@@shop.example>
MIME-Version: 1.0
X-Mailer: campaign engine 4.2
Reply-To: Orchard & Vine <hello@shop.example>
X-Mailtailor-Campaign: spring
X-Mailtailor-Data: {"month": "May", "ends": "2026-05-31T22:00:00Z", "preheader": "Asparagus and more"}
Content-Type: multipart/alternative; boundary="@BOUNDARY@"

--@BOUNDARY@
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

EOS
	my @t = gmtime;
	my $date = sprintf '%s, %d %s %d %02d:%02d:%02d +0000', (qw(Sun Mon Tue Wed Thu Fri Sat))[$t[6]], $t[3],
		(qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$t[4]], $t[5] + 1900, @t[2, 1, 0];
	$head =~ s/\@DATE\@/$date/;
	$head =~ s/^From: Orchard & Vine|^Reply-To: Orchard & Vine/$& =~ s{Orchard & Vine}{"Orchard & Vine"}r/gem;
	my $between = "--\@BOUNDARY\@\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n";
	my $all = $head . text() . "\n" . $between . encode_qp(html()) . "\n--\@BOUNDARY\@--\n";
	$all =~ s/\n/\r\n/g;
	return $all;
}

# ---- the recipients ----

my @first = qw(Anna Bob Carol Dave Erin Farid Gita Hugo Ines Jan);
my @last = ("Berg", "Stone", "Reyes", "O'Neil", "Moss", "Haddad", "Rao", "Keller", "Costa", "Novak");
my @columns = qw(first_name last_name language time_zone vip:bool orders:number points:number city street country plan since
	weekday driver voucher discount:number company customer shops:number box_number:number gender birthday:number
	segment interest1 interest2 interest3 last_order last_amount:number newsletter:bool phone);

sub profile {
	my ($i) = @_;
	my @row = ($first[$i % 10], $last[$i / 10 % 10], (qw(en de fr es))[$i % 4],
		(qw(Europe/London Europe/Berlin Europe/Paris Europe/Madrid))[$i % 4], $i % 7 ? 'false' : 'true', $i % 40, $i * 7 % 5000,
		(qw(Leeds Ulm Lyon Cadiz))[$i % 4], ($i % 200) . ' Orchard Lane', (qw(GB DE FR ES))[$i % 4], (qw(small family large))[$i % 3],
		2010 + $i % 15, (qw(Monday Tuesday Friday))[$i % 3], $first[$i / 3 % 10], "spring$i", 5 + $i % 20, 'Orchard and Vine', "c-$i",
		$i % 9, $i % 50, (qw(f m x))[$i % 3], 1950 + $i % 50, "s" . $i % 12, 'apples', 'honey', 'bread',
		'2026-0' . (1 + $i % 9) . '-11', 12.5 + $i % 60, $i % 5 ? 'true' : 'false', '+44 20 7946 0' . sprintf('%03d', $i % 1000));
	die "30 fields were wanted\n" unless @row == 30 && @columns == 30;
	return join ',', @row;
}

sub address { my ($i) = @_; return sprintf 'customer%06d@customers%d.example', $i, $i % 50; }

# ---- the programs ----

my $blocks = <<'EOS';
{ "slots": { "hero": [
  { "when": "vip == true", "text": "A jar of honey is in your box, on us: https://shop.example/honey",
    "html": "<p>A <a href=\"https://shop.example/honey\">jar of honey</a> is in your box, on us.</p>" },
  { "when": "orders >= 10 and country in (\"GB\", \"DE\")", "text": "Your next box comes with bread: https://shop.example/bread",
    "html": "<p>Your next box comes <a href=\"https://shop.example/bread\">with bread</a>.</p>" },
  { "text": "Every box can be paused: https://shop.example/pause",
    "html": "<p>Every box <a href=\"https://shop.example/pause\">can be paused</a>.</p>" }
] } }
EOS

# Both caps count every message, and neither is ever full: what is measured is copies that leave. The deadlines are such
# that a busy machine delays no plugin beyond them: it would then run on threads of its own, and another thing be measured.
my $mailtailor = <<"EOS";
state { directory = "$dir/state" }
keys { file = "$dir/keys" }
track { host = "https://t.shop.example" }
milter {
	socket = "unix:$dir/run/mailtailor.sock"
	socket_mode = "0660"
	socket_group = "postfix"
}
plugin greeting {
	path = "greeting.so"
	deadline = 5s
}
plugin content {
	path = "content.so"
	deadline = 5s
	options { file = "$dir/blocks.json" }
}
cap "promotions" {
	category = { promo }
	limit = 100000
	window = "7d"
}
cap "all" {
	limit = 100000
	window = "1d"
}
campaign "spring" {
	category = "promo"
	personalizers = { "greeting", "content" }
	feedback_id = "orchard"
	unsubscribe_mailto = "unsubscribe\@shop.example"
}
EOS

# The same campaign, and what a fan-out has besides: a score for everybody, a return path for each copy.
my $fanout = $mailtailor =~ s{/state"}{/state-\@NAME\@"}r =~ s{run/mailtailor}{run/\@NAME\@}r;
$fanout =~ s{^campaign "spring" \{}{plugin propensity {
	path = "logistic.so"
	deadline = 5s
	options { file = "$dir/weights.json" }
}
campaign "fanout" \{
	scorers = { "propensity" }
	send_if = "click >= 0.0001"
	return_path = "bounces\@shop.example"}m or die;

my $weights = <<'EOS';
[ { "score": "click", "intercept": -2.1, "features": [
  { "name": "profile.orders", "weight": 0.42, "mean": 20, "scale": 11.5 },
  { "name": "profile.points", "weight": 0.21, "mean": 2500, "scale": 1443 },
  { "name": "profile.vip", "weight": 0.8 },
  { "name": "profile.last_amount", "weight": 0.05, "mean": 40, "scale": 17 },
  { "name": "profile.country=DE", "weight": 0.1 },
  { "name": "profile.country=GB", "weight": -0.1 },
  { "name": "profile.plan=family", "weight": 0.3 },
  { "name": "hour", "weight": -0.02 },
  { "name": "weekday", "weight": 0.01 } ] } ]
EOS

my $opendkim = <<"EOS";
Socket local:$dir/run/opendkim.sock
UMask 000
Mode s
Canonicalization relaxed/simple
SignatureAlgorithm rsa-sha256
KeyTable refile:$dir/KeyTable
SigningTable refile:$dir/SigningTable
InternalHosts 127.0.0.1
Background no
Syslog no
RequireSafeKeys no
EOS

put('message.eml', message());
my @check = map { "customer$_\@check.example" } 0 .. 3;
my @all = ((map { address($_) } 0 .. $count - 1), @check);
put('profiles.csv', join "\n", "email,@{[join ',', @columns]}", (map { "$all[$_]," . profile($_) } 0 .. $#all), '');
put('recipients', join "\n", @all[0 .. $count - 1], '');
put('check', join "\n", @check, '');
put('blocks.json', $blocks);
put('mailtailor.conf', $mailtailor);
put('fanout.conf.in', $fanout);
put('weights.json', $weights);
put('opendkim.conf', $opendkim);
put('KeyTable', "bench shop.example:bench:$dir/dkim.pem\n");
put('SigningTable', "*\@shop.example bench\n");
