# What the parts of the benchmark share: processes and their CPU, the sink that counts, medians, targets.
package Bench;
use strict;
use warnings;
use Exporter qw(import);
use File::Temp qw(tempdir);
use IO::Handle;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(clock_gettime sleep CLOCK_MONOTONIC);

our @EXPORT = qw($dir %pid %json await call cpu_us free_port median mono progress ratios slurp sink_count sink_handle sink_read
	sink_start sink_time spit start target);

our $dir = tempdir('mailtailor-bench.XXXXXX', DIR => $ENV{BENCH_DIR} // '/tmp');
our %pid;
our %json = (machine => {}, results => {}, targets => []);

# ---- files and processes ----

sub slurp { my ($f) = @_; open my $h, '<:raw', $f or die "$f: $!\n"; local $/; return scalar <$h>; }

sub spit {
	my ($f, $text) = @_;
	open my $h, '>:raw', $f or die "$f: $!\n";
	print $h $text;
	close $h or die "$f: $!\n";
}

sub start {
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDOUT, '>', "$dir/$name.log" or die;
		open STDERR, '>&', \*STDOUT or die;
		exec @command or die "$command[0]: $!\n";
	}
	return $pid{$name} = $pid;
}

sub call { system(@_) == 0 or die "failed: @_\n"; return; }

sub await {
	my ($what, $test) = @_;
	for (1 .. 200) { return if $test->(); sleep 0.05; }
	die "waited in vain for $what; see $dir\n";
}

# Ends all that was started.
sub stop {
	my ($postfix, $remove) = @_;
	return unless -d $dir;
	system $postfix, 'stop', "$dir/postfix" if -d "$dir/postfix";
	kill 'TERM', $_ for values %pid;
	# libmilter takes five seconds to notice a SIGTERM, and nothing here is worth that wait
	sleep 0.3;
	kill 'KILL', $_ for values %pid;
	waitpid $_, 0 for values %pid;
	if ($remove) { system 'rm', '-rf', $dir; }
	else { print STDERR "files are in $dir\n"; }
	return;
}

sub free_port {
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no port: $!\n";
	return $s->sockport;
}

# CPU of a process and all its threads, ended ones too, in microseconds: clock_getcpuclockid(3), computed. Also of a
# process that has ended and was not waited for.
sub cpu_us {
	my ($pid) = @_;
	return 0 unless $pid;
	my $clock = do { use integer; (~(0 + $pid) << 3) | 2 };
	return clock_gettime($clock) * 1e6;
}

sub mono { return clock_gettime(CLOCK_MONOTONIC); }

# ---- the sink counts ----

my ($sink, $text, $count, $time) = (undef, '', 0, 0);

sub sink_start {
	my ($port) = @_;
	$pid{sink} = open $sink, '-|', '/usr/sbin/smtp-sink', '-c', '-u', 'nobody', "127.0.0.1:$port", '1000' or die "smtp-sink: $!\n";
	$sink->blocking(0);
	return;
}

sub sink_read {
	my $now = mono();
	while (sysread $sink, my $more, 65536) { $text .= $more; }
	my $end = rindex $text, "\r";
	return if $end < 0;
	my ($n) = substr($text, 0, $end) =~ /mesg=(\d+)\s*\z/;
	$text = substr $text, $end + 1;
	($count, $time) = ($n, $now) if defined $n && $n > $count;
	return;
}

sub sink_handle { return $sink; }
sub sink_count { return $count; }
sub sink_time { return $time; } # when the count was read

# ---- figures ----

sub median {
	my @v = sort { $a <=> $b } @_;
	return @v % 2 ? $v[@v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

# Round by round, of two lists of measurements.
sub ratios {
	my ($v, $w, $key) = @_;
	return map { $v->[$_]{$key} / $w->[$_]{$key} } 0 .. $#$v;
}

sub target {
	my ($what, $value, $good, $format) = @_;
	return unless defined $value;
	push @{$json{targets}}, { what => $what, value => $value, reached => $good ? JSON::PP::true : JSON::PP::false };
	printf "  %-66s%9s  %s\n", $what, sprintf($format, $value), $good ? 'reached' : 'NOT REACHED';
	return;
}

sub progress {
	return unless -t STDERR;
	printf STDERR "\r\e[K%s", @_ ? sprintf(shift, @_) : '';
	return;
}

1;
