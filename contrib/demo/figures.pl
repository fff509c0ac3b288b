#!/usr/bin/perl
# Is the report what has happened? figures.pl REPORT.json
use strict;
use warnings;
use JSON::PP;

open my $h, '<:raw', $ARGV[0] or die "$ARGV[0]: $!\n";
local $/;
my $totals = decode_json(<$h>)->{totals};
my %expected = (
	sent => 9, delivered => 8, bounced_hard => 1, held => 2, suppressed => 5, unsubscribed => 1, purchased => 1,
	opened_human => 1, clicked_human => 1, # anna
	opened_proxy => 1,		       # carol's
	opened_machine => 1, clicked_machine => 1, # erin's scanner
);
my @wrong = grep { $totals->{$_}{copies} != $expected{$_} } sort keys %expected;
print "  NOT AS EXPECTED: $_: $totals->{$_}{copies} copies, not $expected{$_}\n" for @wrong;
my ($revenue) = grep { $_->{currency} eq 'EUR' } @{$totals->{revenue}};
push @wrong, 'revenue' unless $revenue && abs($revenue->{purchased} - 23.4) < 1e-9;
print "  the report counts what has happened: @{[scalar keys %expected]} figures, and 23.40 EUR\n" unless @wrong;
exit(@wrong ? 1 : 0);
