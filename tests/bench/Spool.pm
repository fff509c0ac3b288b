# A spool of a million jobs of one message: does it take the last as fast as the first? (bench-spool.c)
package Spool;
use strict;
use warnings;
use JSON::PP;

use Bench;

sub fill {
	my ($build, $jobs) = @_;
	progress('%d jobs into a spool', $jobs);
	my $text = qx("$build/bench/bench-spool" --json "$dir/spool" $jobs);
	die "bench-spool failed; see $dir\n" if $?;
	progress();
	$json{spool} = decode_json($text);
	return;
}

sub table {
	my $s = $json{spool};
	printf "\nThe spool, %d jobs of one message of 50 KB, 1000 to a commit\n", $s->{jobs};
	printf "  us per job, by tenths: %s\n", join ' ', map { sprintf '%.1f', $_ } @{$s->{us_per_job}};
	printf "  CPU us per job:        %s\n", join ' ', map { sprintf '%.1f', $_ } @{$s->{cpu_us_per_job}};
	printf "  last tenth / first: %.2f; / an empty spool meanwhile: %.2f, CPU %.2f; slowest commit %.0f ms\n",
		@$s{qw(ratio ratio_to_empty cpu_ratio_to_empty slowest_commit_ms)};
	printf "  by key: found %.1f us, not there %.1f us; the end of a job: CPU %.1f us\n", @$s{qw(found_us absent_us update_cpu_us)};
	return;
}

sub targets {
	my $s = $json{spool};
	# Both are the start of a spool; the second has the weather of the end, and is judged.
	target('spool: a job at the end costs less than 1.5 times one at the start', $s->{ratio_to_empty}, $s->{ratio_to_empty} < 1.5, '%.2f');
	target('spool: memory of the process under 200 MB', $s->{rss_anon_kb} / 1024, $s->{rss_anon_kb} < 200 * 1024, '%.1f MB');
	return;
}

1;
