# Ten million events imported (event-lines.c), then reports of one campaign: how long they take, and in what memory. And
# are the counters what a recount of the log gives?
package Reports;
use strict;
use warnings;
use JSON::PP;
use Time::HiRes qw(sleep);

use Bench;

my @REPORTS = (
	['text', ''], ['JSON', '--json'], ['by domain', '--by domain'], ['by hour, CSV', '--by hour --csv'], ['HTML', '--html -'],
);

# One run: seconds, and the most memory it was seen with: its own (RssAnon), and with the pages of the database that the
# kernel lends it (VmHWM).
sub run_one {
	my (@command) = @_;
	my $from = mono();
	my (undef, undef, @cpu) = times;
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDOUT, '>', '/dev/null' or die;
		exec @command or die "$command[0]: $!\n";
	}
	my ($anon, $all) = (0, 0);
	while (!waitpid $pid, 1) {
		if (open my $h, '<', "/proc/$pid/status") {
			my $text = do { local $/; <$h> } // '';
			next if $text !~ /^Name:\s+mailtailor/; # perl, still
			$anon = $1 if $text =~ /^RssAnon:\s+(\d+)/m && $1 > $anon;
			$all = $1 if $text =~ /^VmHWM:\s+(\d+)/m && $1 > $all;
		}
		sleep 0.001;
	}
	die "failed: @command\n" if $?;
	my (undef, undef, @now) = times;
	return { seconds => mono() - $from, cpu_s => $now[0] + $now[1] - $cpu[0] - $cpu[1], rss_anon_kb => $anon, rss_kb => $all };
}

sub measure {
	my ($build, $events, $campaigns) = @_;
	my $state = "$dir/reports";
	my $name = sprintf 'campaign-%02d', $campaigns / 2;
	spit("$dir/reports.conf", qq{state { directory = "$state" map_size = "64G" events_keep = "20y" }\n}
		. qq{keys { file = "$dir/reports.keys" }\ntrack { host = "https://t.shop.example" }\n});
	local $ENV{MAILTAILOR_CONF} = "$dir/reports.conf";
	my $tool = "$build/bin/mailtailor";
	call("$tool key generate --file $dir/reports.keys >/dev/null");
	progress('%d events into the log', $events);
	my $import = decode_json(scalar qx($build/tests/event-lines $events 1 $campaigns | $tool events import - --format csv --json));
	die "import failed\n" if $? || $import->{imported} != $events;
	my $r = $json{reports} = { events => $events, campaigns => $campaigns, import_s => $import->{seconds} };
	$r->{map_mb} = (-s "$state/events.mdb") / (1 << 20);
	for my $kind (@REPORTS) {
		progress('reports: %s', $kind->[0]);
		my @runs = sort { $a->{seconds} <=> $b->{seconds} } map { run_one($tool, 'report', $name, split / /, $kind->[1]) } 1 .. 5;
		push @{$r->{reports}}, { kind => $kind->[0], %{$runs[2]}, slowest_s => $runs[-1]{seconds},
			rss_anon_kb => (sort { $b <=> $a } map { $_->{rss_anon_kb} } @runs)[0] };
	}
	progress('counting all of them again');
	my $from = mono();
	my $verify = decode_json(scalar qx($tool events verify --json));
	$r->{verify_s} = mono() - $from;
	$r->{counters} = $verify->{counters};
	$r->{sound} = $verify->{sound};
	call("rm -rf $state");
	progress();
	return;
}

sub table {
	my $r = $json{reports};
	printf "\nReports on one of %d campaign%s, %d events, %d counters\n", $r->{campaigns}, $r->{campaigns} == 1 ? '' : 's',
		@$r{qw(events counters)};
	printf "  imported in %.0f s (%.0f/s), %.0f MB; counted again in %.0f s\n", $r->{import_s}, $r->{events} / $r->{import_s},
		@$r{qw(map_mb verify_s)};
	printf "  %-14s%10s%10s%8s%16s%20s\n", '', 'median s', 'slowest', 'CPU s', 'own memory MB', 'with map pages MB';
	printf "  %-14s%10.3f%10.3f%8.2f%16.1f%20.1f\n", @$_{qw(kind seconds slowest_s cpu_s)}, $_->{rss_anon_kb} / 1024, $_->{rss_kb} / 1024
		for @{$r->{reports}};
	return;
}

sub targets {
	my $r = $json{reports};
	my ($slowest) = sort { $b <=> $a } map { $_->{slowest_s} } @{$r->{reports}};
	my ($most) = sort { $b <=> $a } map { $_->{rss_anon_kb} / 1024 } @{$r->{reports}};
	target('reports: each in under 2 s', $slowest, $slowest < 2, '%.2f s');
	target('reports: own memory under 200 MB', $most, $most < 200, '%.1f MB');
	target('reports: counters are what a recount gives', $r->{sound} ? 1 : 0, $r->{sound}, '%d');
	return;
}

1;
