#!/usr/bin/perl
# campaigns.pl BUILD: each campaign of conf/campaigns as it comes out for people whose profiles say much, nothing, speak
# another language, or are full of odd characters. Every copy is held to what every mail of a shop must have; beside
# that each has texts of its own that must be there, and that must not. TAP.
use strict;
use warnings;
use utf8;
use Encode qw(decode encode);
use File::Temp qw(tempdir);
use FindBin;
use JSON::PP;

binmode STDOUT, ':encoding(UTF-8)';
my $build = shift // die "usage: campaigns.pl BUILD\n";
my $conf  = "$FindBin::Bin/../../conf/campaigns";
my $dir   = tempdir(CLEANUP => 1);
my $json  = JSON::PP->new->utf8;
my ($count, $failed) = (0, 0);
my $nbsp = "\x{a0}";

my @items = ({ title => 'Walnut bread', price => 4.6 }, { title => 'Honey', price => 7 });
my @odd   = ({ title => 'Äpfel <b>"Topaz"</b> & Co. {{first_name}}', price => 3.9, url => 'https://shop.example/p?a=1&b=ü' });
my $odd   = q{O'Neil <i>"&{{x}}</i> 李};
my $agreed = { mail => 'granted', tracking => 'granted' };

# name, campaign, profile, options of render; has, hasnt: in both parts; text, html, subject: in that only (regular
# expressions); links: where some lead (of a list, the last one's are known); refused: there is no copy, for this reason.
my @cases = (
	{
		name => 'welcome: all known', campaign => 'welcome',
		profile => { first_name => 'Ann', interests => ['Herbs', 'Tea & cake'], voucher => 'HELLO-5', worth => 5, _consent => $agreed },
		subject => qr/^Welcome, Ann: €5\.00 for your first order$/,
		has     => [qr/Hello Ann,/, qr/HELLO-5/, qr/€5\.00/, qr/Herbs/],
		hasnt   => [qr/Topaz/, qr/Willkommen/],
		links   => ['https://shop.example/start?from=welcome', 'https://shop.example/search?q=Tea%20%26%20cake'],
	},
	{
		name => 'welcome: nothing known', campaign => 'welcome', profile => { _consent => $agreed },
		subject => qr/^Welcome$/, has => [qr/Hello,/, qr/Topaz apples/], hasnt => [qr/oucher/, qr/You like/],
	},
	{
		name => 'welcome: in German', campaign => 'welcome',
		profile => { first_name => 'Jörg', language => 'de', voucher => 'HALLO', worth => 12.5, _consent => $agreed },
		subject => qr/^Willkommen, Jörg: 12,50$nbsp€ für Ihre erste Bestellung$/,
		has     => [qr/Guten Tag Jörg,/, qr/Gutschein/, qr/12,50$nbsp€/, qr/Abmelden/],
		hasnt   => [qr/Hello/, qr/Unsubscribe/, qr/voucher/i], html => [qr/<html lang='de'>/],
	},
	{
		name => 'welcome: odd characters', campaign => 'welcome',
		profile => { first_name => $odd, interests => [$odd, ''], _consent => $agreed },
		subject => qr/^\QWelcome, $odd\E$/, text => [qr/\QHello $odd,\E/],
		html    => [qr/O(?:'|&#39;|&#x27;)Neil &lt;i&gt;(?:"|&quot;)&amp;\{\{x\}\}&lt;\/i&gt; 李/],
	},
	{ name => 'welcome: nobody agreed', campaign => 'welcome', profile => { first_name => 'Ann' }, refused => qr/consent/ },

	{
		name => 'win-back: all known, a gift', campaign => 'win-back', arm => 'gift',
		profile => { first_name => 'Ann', last_order => { date => '2025-11-02', items => \@items } },
		subject => qr/^Ann, we have missed you$/,
		has     => [qr/2 November 2025/, qr/jar of honey/, qr/Walnut bread/, qr/€4\.60/], hasnt => [qr/delivery is free/],
		links   => ['https://shop.example/again?from=win-back'],
	},
	{
		name => 'win-back: nothing known, free delivery', campaign => 'win-back', arm => 'shipping', profile => {},
		subject => qr/^We have missed you$/, has => [qr/Hello,/, qr/been a while/, qr/delivery is free/], hasnt => [qr/You had/, qr/honey/],
	},
	{
		name => 'win-back: in German, control', campaign => 'win-back', arm => 'control',
		profile => { language => 'de', last_order => { date => '2025-11-02' } },
		subject => qr/^Wir haben Sie vermisst$/,
		has     => [qr/2\. November 2025/], hasnt => [qr/Honig/, qr/kostenlos/, qr/Hello/],
	},
	{
		name => 'win-back: odd characters', campaign => 'win-back', arm => 'gift',
		profile => { first_name => $odd, last_order => { items => \@odd } },
		text    => [qr/\Q$odd[0]{title}\E, €3\.90/], html => [qr/Äpfel &lt;b&gt;(?:"|&quot;)Topaz/],
	},
	{ name => 'win-back: no date', campaign => 'win-back', profile => { last_order => { date => 'someday' } }, refused => qr/"someday" is no date/ },

	{
		name => 'cross-sell: recommended', campaign => 'cross-sell',
		profile => { first_name => 'Ann', last_order => { items => \@items },
			recommendations => [{ title => 'Mountain cheese', price => 1234.5, url => 'https://shop.example/p/cheese' }] },
		subject => qr/^Goes well with Walnut bread$/,
		has     => [qr/goes well with Walnut bread/, qr/Mountain cheese/, qr/€1,234\.50/], hasnt => [qr/Topaz/],
		links   => ['https://shop.example/p/cheese', 'https://shop.example/week?from=cross-sell'],
	},
	{
		name => 'cross-sell: nothing known', campaign => 'cross-sell', profile => {},
		subject => qr/^Picked for you$/, has => [qr/many like these/, qr/Apples, Topaz/, qr/Walnut bread/],
		links   => ['https://shop.example/p/walnut-bread'],
	},
	{
		name => 'cross-sell: in German, an empty list', campaign => 'cross-sell',
		profile => { language => 'de', recommendations => [] },
		subject => qr/^Für Sie ausgesucht$/, has => [qr/das mögen viele/, qr/Apples, Topaz/, qr/3,90$nbsp€/], hasnt => [qr/many like/],
	},
	{
		name => 'cross-sell: odd characters', campaign => 'cross-sell',
		profile => { first_name => $odd, recommendations => [{ title => 'Plain' }, @odd] },
		text    => [qr/\Q$odd[0]{title}\E, €3\.90/], html => [qr/Äpfel &lt;b&gt;(?:"|&quot;)Topaz/], has => [qr/Plain/],
		links   => ['https://shop.example/p?a=1&b=%C3%BC'],
	},

	{
		name => 'birthday: gold', campaign => 'birthday',
		profile => { first_name => 'Ann', birthday => '1980-03-30', tier => 'gold', points => 1200, voucher => 'CAKE-1', worth => 10, valid_until => '2026-04-30' },
		subject => qr/^Happy birthday, Ann! A present of €10\.00$/,
		has     => [qr/30 March/, qr/CAKE-1/, qr/30 April 2026/, qr/gold member/, qr/1200 points/], hasnt => [qr/1980/, qr/silver/],
		links   => ['https://shop.example/present?code=CAKE-1'],
	},
	{
		name => 'birthday: only the present known', campaign => 'birthday',
		profile => { voucher => 'CAKE-2', worth => 5, valid_until => '2026-04-30' },
		subject => qr/^Happy birthday! A present of €5\.00$/, has => [qr/Hello,/, qr/CAKE-2/], hasnt => [qr/member you|member,/, qr/points/],
	},
	{
		name => 'birthday: in German, silver', campaign => 'birthday',
		profile => { language => 'de', first_name => 'Jörg', birthday => '1980-03-30', tier => 'silver', points => 0, voucher => 'X', worth => 7.5, valid_until => '2026-04-30' },
		subject => qr/^Alles Gute zum Geburtstag, Jörg! 7,50$nbsp€ für Sie$/,
		has     => [qr/30\. März/, qr/Silber-Mitglied/, qr/30\. April 2026/], hasnt => [qr/haben \d+ Punkte/, qr/Gold/],
	},
	{
		name => 'birthday: odd characters', campaign => 'birthday',
		profile => { first_name => $odd, tier => '<platinum>', voucher => 'A&B/7 "ü"', worth => 5, valid_until => '2026-04-30' },
		text    => [qr/\QA&B\/7 "ü"\E/], html => [qr/<b>A&amp;B\/7 (?:"|&quot;)ü/], hasnt => [qr/platinum/],
		links   => ['https://shop.example/present?code=A%26B%2F7%20%22%C3%BC%22'],
	},
	{ name => 'birthday: no present', campaign => 'birthday', profile => { first_name => 'Ann', worth => 5, valid_until => '2026-04-30' }, refused => qr/missing variable "voucher"/ },

	{
		name => 'survey: all known', campaign => 'survey',
		profile => { first_name => 'Ann', order => { number => 'B-77', delivered => '2026-03-28', items => \@items } },
		subject => qr/^How was order B-77\?$/,
		has     => [qr/Saturday, 28 March/, qr/Walnut bread, Honey\./, qr/very good/],
		links   => [map { "https://shop.example/survey?order=B-77&stars=$_" } 1 .. 5],
	},
	{
		name => 'survey: only the order known', campaign => 'survey', profile => { order => { number => 9 } },
		subject => qr/^How was order 9\?$/, has => [qr/Hello,/, qr/we brought you your box\./],
	},
	{
		name => 'survey: in German', campaign => 'survey',
		profile => { language => 'de', order => { number => 'B-78', delivered => '2026-03-28' } },
		subject => qr/^Wie war Bestellung B-78\?$/, has => [qr/Samstag, 28\. März/, qr/Ihre Kiste gebracht/, qr/schlecht/], hasnt => [qr/brought/],
	},
	{
		name => 'survey: odd characters', campaign => 'survey',
		profile => { first_name => $odd, order => { number => '7&stars=5#', items => \@odd } },
		html    => [qr/Äpfel &lt;b&gt;(?:"|&quot;)Topaz/], links => ['https://shop.example/survey?order=7%26stars%3D5%23&stars=1'],
	},
	{ name => 'survey: no order', campaign => 'survey', profile => { first_name => 'Ann' }, refused => qr/missing variable "order\.number"/ },
);

sub slurp {
	open my $f, '<:raw', $_[0] or die "$_[0]: $!";
	local $/;
	return <$f>;
}

sub spew {
	open my $f, '>:raw', $_[0] or die "$_[0]: $!";
	print $f $_[1];
	close $f or die "$_[0]: $!";
}

# The copy in parts, or why there is none.
sub render {
	my ($case) = @_;
	spew("$dir/profile.json", $json->encode($case->{profile}));
	my @command = ("$build/bin/mailtailor", 'render', '-c', "$dir/mailtailor.conf", '-k', $case->{campaign},
		'-r', 'ann@customers.example', '-p', "$dir/profile.json", '-n', '2026-03-30T08:00:00Z', '-x', "$dir/explain.json");
	push @command, '-a', $case->{arm} if $case->{arm};
	my $rc = system join(' ', map { "'$_'" } @command, "$conf/$case->{campaign}.eml") . " >'$dir/copy' 2>'$dir/said'";
	return { why => decode('UTF-8', slurp("$dir/said")) } if $rc != 0;
	my ($head, $body) = split /\r?\n\r?\n/, decode('UTF-8', slurp("$dir/copy")), 2;
	$head =~ s/\r?\n(?=[ \t])//g;
	my ($boundary) = $head =~ /^Content-Type: multipart\/alternative; boundary="([^"]+)"/mi or die "no multipart";
	my ($subject) = $head =~ /^Subject: (.*)$/m;
	my %copy = (head => $head, subject => decode('MIME-Header', encode('UTF-8', $subject)), explain => $json->decode(slurp("$dir/explain.json")));
	for (split /\r?\n?^--\Q$boundary\E(?:--)?\r?\n/m, $body) {
		my ($type, $text) = /^Content-Type: text\/(plain|html); charset=utf-8\r?\nContent-Transfer-Encoding: 8bit\r?\n\r?\n(.*)/si or next;
		die "two parts of text/$type" if exists $copy{$type};
		$copy{$type} = $text;
	}
	return \%copy;
}

# What every mail must have; a list of complaints.
sub common {
	my ($c) = @_;
	my @wrong;
	my %token = (unsubscribe => qr{https://t\.shop\.example/u/[\w-]{40,}}, preferences => qr{https://t\.shop\.example/p/[\w-]{40,}});
	push @wrong, 'no List-Unsubscribe by https and mailto' unless $c->{head} =~ /^List-Unsubscribe: <$token{unsubscribe}>,\s*<mailto:/m;
	push @wrong, 'no one-click' unless $c->{head} =~ /^List-Unsubscribe-Post: List-Unsubscribe=One-Click$/m;
	push @wrong, 'a field of ours is left' if $c->{head} =~ /^X-Mailtailor/m;
	push @wrong, 'a subject of ' . length($c->{subject}) if length($c->{subject}) < 5 || length($c->{subject}) > 90;
	for my $part (qw(plain html)) {
		my $t = $c->{$part} // '';
		push @wrong, "$part: no link to $_" for grep { $t !~ $token{$_} } sort keys %token;
		push @wrong, "$part: who sends it is missing" unless $t =~ /Orchard (?:&|&amp;) Vine/ && $t =~ /12345 Example Town/;
		push @wrong, "$part: a line of " . length($_) for grep { length > 990 } split /\n/, $t;
		(my $plain = $t) =~ s/\{\{(?:x|first_name)\}\}//g; # values of the profile stay as they are
		push @wrong, "$part: a tag is left: $1" if $plain =~ /(\{\{.{0,40})/;
		push @wrong, "$part: a hole before \"$1\"" if $t =~ /\w {1,2}([,.!?])(?:\s|<)/;
		push @wrong, "$part: $1" if $t =~ /(undefined|\bnull\b|\bNaN\b|\[object)/;
	}
	push @wrong, 'text: three empty lines' if ($c->{plain} // '') =~ /\n\n\n\n/;
	push @wrong, 'text: markup' if ($c->{plain} // '') =~ /<(?:td|p|div|a)\b/;
	my $h = $c->{html} // '';
	push @wrong, 'html: no document' unless $h =~ /^<!DOCTYPE html>\s*<html lang='(?:en|de)'>.*<\/html>\s*$/s;
	push @wrong, 'html: no preheader first' unless $h =~ /<body[^>]*>\s*<div style="display:none[^"]*">\s*[^<\s]/;
	push @wrong, 'html: no title' unless $h =~ /<title>[^<]{3,}<\/title>/;
	push @wrong, 'html: script, style sheet or form' if $h =~ /<(?:script|link|form|style)\b/;
	push @wrong, 'html: a table for layout is none' if $h =~ /<table(?! role="presentation")/;
	for my $tag (qw(table tr td p a div)) {
		(my $seen = $h) =~ s/<!--.*?-->//gs;
		my ($open, $close) = (scalar(() = $seen =~ /<$tag\b/g), scalar(() = $seen =~ /<\/$tag>/g));
		push @wrong, "html: $open <$tag> and $close </$tag>" if $open != $close;
	}
	push @wrong, 'too large for Gmail' if length($h) > 60_000;
	return @wrong;
}

sub judge {
	my ($case) = @_;
	my $c = render($case);
	if ($case->{refused}) {
		return $c->{why} && $c->{why} =~ $case->{refused} ? () : ('not refused for that: ' . ($c->{why} // 'it is sent'));
	}
	return ("there is no copy: $c->{why}") if $c->{why};
	my @wrong = common($c);
	push @wrong, "the subject is $c->{subject}" if $case->{subject} && $c->{subject} !~ $case->{subject};
	for my $part (qw(plain html)) {
		push @wrong, "$part lacks $_" for grep { $c->{$part} !~ $_ } @{ $case->{has} // [] };
		push @wrong, "$part has $_" for grep { $c->{$part} =~ $_ } @{ $case->{hasnt} // [] };
	}
	push @wrong, "text lacks $_" for grep { $c->{plain} !~ $_ } @{ $case->{text} // [] };
	push @wrong, "html lacks $_" for grep { $c->{html} !~ $_ } @{ $case->{html} // [] };
	my %leads = map { $_->{url} => 1 } values %{ $c->{explain}{links} };
	push @wrong, "no link to $_" for grep { !$leads{$_} } @{ $case->{links} // [] };
	return @wrong;
}

sub result {
	my ($name, @wrong) = @_;
	$count++;
	$failed ||= !!@wrong;
	print @wrong ? 'not ' : '', "ok $count - $name\n", map { "# $_\n" } @wrong;
}

spew("$dir/mailtailor.conf", "track {\n\thost = \"https://t.shop.example\"\n}\ninject {\n\ttarget = \"127.0.0.1:10026\"\n}\ninclude \"$conf/*.conf\"\n");
result($_->{name}, judge($_)) for @cases;
my %here = map { $_->{campaign} => 1 } @cases;
for my $name (sort { $a cmp $b } map { /([^\/]+)\.conf$/ } glob "$conf/*.conf") {
	result("$name has a message, and is rendered here", (-e "$conf/$name.eml" ? () : 'no message'), $here{$name} ? () : 'not rendered');
}
print "1..$count\n";
exit($failed ? 1 : 0);
