#!/usr/bin/perl
# The endpoint's URLs in a copy, each once, in their order: links.pl COPY KIND, KIND as in https://t.shop.example/KIND/TOKEN,
# or a class of them like [co].
use strict;
use warnings;
use MIME::QuotedPrint qw(decode_qp);

my ($file, $kind) = @ARGV;
open my $h, '<:raw', $file or die "$file: $!\n";
local $/;
my $mail = <$h>;
my ($head, $body) = $mail =~ /\A(.*?\n)\n(.*)\z/s or die "$file is no mail\n";
my %seen;
my @urls = grep { !$seen{$_}++ } ("$head\n" . decode_qp($body)) =~ m{https://t\.shop\.example/$kind/[\w.~-]+}g;
@urls or die "$file has no such link: $kind\n";
print map { "$_\n" } @urls;
