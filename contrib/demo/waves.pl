#!/usr/bin/perl
# What became of each recipient's copy in the first wave and in the second, and whether it is what they asked for:
# waves.pl MAILTAILOR FIRST SECOND, the campaigns' names.
use strict;
use warnings;
use JSON::PP;

my ($mailtailor, @campaigns) = @ARGV;

# The queue tells recipients apart by the beginning of their hash: of what has ended it keeps no address.
sub jobs {
	my ($campaign) = @_;
	return { map { $_->{id} =~ /-(\w+)\z/ ? ($1 => $_) : () } @{decode_json(scalar qx("$mailtailor" queue list --campaign "$campaign" --json))} };
}

sub hash_of { my ($address) = @_; return substr decode_json(scalar qx("$mailtailor" profile export "$address"))->{hash}, 0, 12; }

my @wave = map { jobs($_) } @campaigns;
# What the second wave has to be, and why it differs from the first.
my %expected = (
	anna => ['sent', qr/^sent$/, 'has read, clicked and bought'],
	bob => ['dropped', qr/^suppressed$/, 'had unsubscribed before'],
	carol => ['dropped', qr/^suppressed$/, 'unsubscribed with one click'],
	dave => ['sent', qr/^sent$/, 'has said that he may be tracked'],
	erin => ['sent', qr/^sent$/, 'only a scanner asked to unsubscribe'],
	frank => ['dropped', qr/^suppressed$/, 'his mailbox is no more'],
	ming => ['queued', qr/^quiet-hours$/, 'sleeps'],
);
my $failures = 0;
printf "  %-28s %-22s %-44s %s\n", '', 'first wave', 'second wave', '';
for my $who (sort keys %expected) {
	my $hash = hash_of("$who\@customers.example");
	my ($first, $second) = map { $_->{$hash} } @wave;
	my ($state, $reason, $because) = @{$expected{$who}};
	my $shown = sub { my $j = shift or return '-'; return $j->{state} . ($j->{state} eq $j->{reason} ? '' : ", $j->{reason}") };
	printf "  %-28s %-22s %-44s %s\n", "$who\@customers.example", $shown->($first), $shown->($second) . (($second->{state} // '') eq 'dropped' ? ": $second->{note}" : ''),
		$because;
	next if $second && $second->{state} eq $state && $second->{reason} =~ $reason;
	print "  NOT AS EXPECTED: $who should be $state\n";
	$failures++;
}
exit($failures ? 1 : 0);
