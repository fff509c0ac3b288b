#!/usr/bin/perl
# Shows the demo's result: for each recipient what was submitted beside what arrived, and checks it.
# usage: show.pl DIR COPIES MAILTAILOR CAMPAIGN.eml ORDINARY.eml
use strict;
use warnings;
use utf8;
use Encode qw(decode encode);
use MIME::QuotedPrint qw(decode_qp);
binmode STDOUT, ':encoding(UTF-8)';

my ($dir, $copies, $mailtailor, $campaign, $ordinary) = @ARGV;
my $failures = 0;

sub slurp { my ($f) = @_; open my $h, '<:raw', $f or die "$f: $!"; local $/; return scalar <$h>; }

# smtp-sink writes the envelope as X- lines in front.
my %got;
for my $file (sort glob "$dir/dump/*") {
	my $mail = slurp($file);
	$mail =~ s/\r\n/\n/g;
	my ($rcpt) = $mail =~ /^X-Rcpt-Args: <([^>]*)>/m;
	next if $rcpt =~ /^bounces\+/; # a report, for later
	$mail =~ s/\A(?:X-(?:Client|Helo|Mail|Rcpt)[-\w]*:.*\n)+//;
	push @{$got{$rcpt}}, $mail;
	my ($name) = $rcpt =~ /^([^@]+)/;
	my $n = @{$got{$rcpt}};
	open my $h, '>:raw', "$copies/$name" . ($n > 1 ? "-$n" : '') . '.eml' or die $!;
	print $h $mail;
}

sub width { my $w = 0; $w += $_ =~ /\p{East_Asian_Width=W}/ ? 2 : 1 for split //, shift; return $w; }
sub fit {
	my ($s, $w) = @_;
	$s =~ s/\t/ /g;
	$s = substr($s, 0, length($s) - 1) while width($s) > $w;
	return $s . ' ' x ($w - width($s));
}
sub header { my ($m, $n) = @_; return '' unless $m =~ /^$n:[ ]?((?:.*\n)(?:[ \t].*\n)*)/mi; my $v = $1; $v =~ s/\n[ \t]/ /g; chomp $v; return $v; }
sub text { my ($m) = @_; my ($t) = $m =~ /text\/plain.*?\n\n(.*?)\n--=-/s; return decode('UTF-8', $t // $m =~ s/\A.*?\n\n//sr); }
sub html { my ($m) = @_; my ($t) = $m =~ /text\/html.*?\n\n(.*?)\n--=-/s; return decode_qp($t // ''); }
sub check { my ($ok, $what) = @_; return if $ok; print "  NOT AS EXPECTED: $what\n"; $failures++; }

# What a recipient who has to wait will get: `mailtailor render` makes it as the injector will, when it is due.
sub waiting {
	my ($to) = @_;
	my $why = qx("$mailtailor" render --recipient "$to" "$campaign" 2>&1 >/dev/null);
	my ($due, $local) = $why =~ /later: quiet-hours: due (\S+), ([^;\n]*)/;
	check(defined $due, "a reason to wait: $why");
	return undef unless defined $due;
	print "  waits on disk until $due, $local; will get:\n";
	return qx("$mailtailor" render --recipient "$to" --now "$due" "$campaign") =~ s/\r\n/\n/gr;
}

sub side_by_side {
	my ($left, $right) = @_;
	my @l = split /\n/, $left;
	my @r = split /\n/, $right;
	my $rows = @l > @r ? @l : @r;
	for my $i (0 .. $rows - 1) { print '  ', fit($l[$i] // '', 50), ' | ', fit($r[$i] // '', 56), "\n"; }
}

my $source = slurp($campaign);
my $submitted = 'Subject: ' . decode('UTF-8', header($source, 'Subject')) . "\n\n" . text($source);
my %about = (
	anna => 'known, German, a good customer', bob => 'unsubscribed', carol => 'got two promotions this week: capped',
	dave => 'does not want to be tracked', erin => 'unknown', ming => 'in Shanghai, where it is night');
for my $who (qw(anna bob carol dave erin ming)) {
	my $all = $got{"$who\@customers.example"} // [];
	my $copy = $who eq 'carol' ? $all->[2] : $all->[0];
	print "\n$who\@customers.example ($about{$who})\n";
	if ($who eq 'ming') {
		check(!defined $copy, 'ming should have no copy yet');
		$copy = waiting("$who\@customers.example");
	}
	if (!defined $copy) {
		print "  no copy left\n";
		check($who =~ /bob|carol/, "$who should have a copy");
		check($who ne 'carol' || @$all == 2, 'carol should have the first two promotions');
		next;
	}
	check($who !~ /bob|carol/, "$who should have no copy");
	my $h = html($copy);
	my ($link) = $h =~ m{(https://t\.shop\.example/c/[\w-]+)};
	my $pixel = () = $h =~ m{/o/[\w-]+}g;
	side_by_side($submitted, 'Subject: ' . decode('MIME-Header', header($copy, 'Subject')) . "\n\n" . text($copy));
	print '  To: ', decode('MIME-Header', header($copy, 'To')), "\n";
	print '  List-Unsubscribe: ', substr(header($copy, 'List-Unsubscribe'), 0, 70), "...\n";
	print '  pixel: ', ($pixel ? 'yes' : 'no'), '; first link: ', ($link ? "wrapped\n" : "as the sender wrote it\n");
	if ($link) {
		my $target = (grep { /shop\.example\// && !/t\.shop/ } split /\n/, qx("$mailtailor" token show "$link"))[0] // '';
		$target =~ s/^\s+|\s+$//g;
		print "    mailtailor token show: $target\n";
		check($target =~ m{https://shop\.example/}, "the link's token should open to the shop");
	}
	check($copy !~ /\{\{/, 'no template tag may be left');
	check($copy !~ /X-Mailtailor/i, 'no X-Mailtailor field may be left');
	check(header($copy, 'List-Unsubscribe-Post') eq 'List-Unsubscribe=One-Click', 'one-click unsubscribe');
	check($who eq 'dave' ? !$link && !$pixel : $link && $pixel == 1, 'tracking as consented');
	check(header($copy, 'To') =~ /\Q$who\E\@customers\.example/, 'To is the recipient');
}

my $plain = $got{'tom@friends.example'}[0] // '';
print "\ntom\@friends.example (ordinary mail)\n";
my $was = slurp($ordinary) =~ s/\A.*?\n\n//sr;
my $is = $plain =~ s/\A.*?\n\n//sr;
$is =~ s/\n+\z/\n/; # the client ends its message with an empty line
side_by_side("Subject: Lunch at {{noon}}?\n\n$was", 'Subject: ' . header($plain, 'Subject') . "\n\n$is");
check($was eq $is && header($plain, 'Subject') eq 'Lunch at {{noon}}?', 'ordinary mail stays as it is');
print "  unchanged, byte for byte\n" unless $failures;
exit($failures ? 1 : 0);
