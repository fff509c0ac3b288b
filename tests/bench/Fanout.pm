# Fan-out: a few messages of a thousand RCPTs are spooled through Postfix and the milter and are due at one moment; from
# then until the last copy is at the sink the injector is measured. Beside it smtp-source sends as many copies of the
# same kind, with as many connections, into the same port, and is measured from its start.
#
# smtp-source has one return path for all, and so has the fan-out that is held against it. A return path for each copy
# (VERP) is a row of its own: Postfix asks its rewrite daemon about each new sender, which smtp-source cannot make it do.
#
# Ports: the counting sink itself, and a Postfix smtpd without a milter, behind which the same sink counts.
package Fanout;
use strict;
use warnings;
use MIME::QuotedPrint qw(decode_qp);
use POSIX qw(ceil strftime);
use Time::HiRes qw(sleep time);

use Bench;

my $PER_MESSAGE = 1000; # RCPTs, as many as Postfix takes
my (%opt, %port, %build, @rows, @variants, %result, %from, %mail, %points);
my $spooling = 2; # seconds that spooling may take; learned
my $sample;	  # a copy, for smtp-source
my $number = 0;	  # messages submitted

# What is called from outside: new ports to listen at, set_up, check, rounds, report.
sub plan {
	my ($options, $build, $other) = @_;
	%opt = %$options;
	%build = (fanout => $build);
	$build{"fanout-verp"} = $build if !$opt{only} || $opt{only} =~ /\bverp\b/;
	$build{"fanout-other"} = $other if defined $other;
	@variants = ('smtp-source', sort keys %build);
	@rows = map { my $c = $_; map { { into => $_, connections => $c } } split /,/, $opt{into} } split /,/, $opt{connections};
	%port = (%{$_[3]}, postfix => free_port(), map { $_ => free_port() } keys %build);
	return map { $_ eq 'smtp-source' ? $port{postfix} : "$port{$_}=unix:$dir/run/$_.sock" } @variants;
}

# ---- the daemons ----

sub configure {
	my ($name, $into, $connections) = @_;
	my $inject = "inject { target = \"127.0.0.1:$port{$into}\" connections = $connections helo = \"bench.example\" }\n";
	my $conf = slurp("$dir/fanout.conf.in") =~ s/\@NAME\@/$name/gr . $inject;
	spit("$dir/$name.conf", $name eq 'fanout-verp' ? $conf : $conf =~ s/^\s*return_path = .*\n//mr);
	return;
}

sub set_up {
	for my $name (keys %build) {
		configure($name, 'kept', 1);
		$points{$name} = 'kept 1';
		local $ENV{MAILTAILOR_CONF} = "$dir/$name.conf";
		call("$build{$name}/bin/mailtailor profile import $dir/profiles.csv >$dir/import.log 2>&1");
		start($name, "$build{$name}/bin/mailtailord");
		$from{$name} = 0;
	}
	for my $name (keys %build) { await($name, sub { -S "$dir/run/$name.sock" }); }
	return;
}

# What the daemon has said since the last look.
sub said {
	my ($name) = @_;
	open my $h, '<:raw', "$dir/$name.log" or die "$dir/$name.log: $!\n";
	seek $h, $from{$name}, 0;
	local $/;
	return scalar(<$h>) // '';
}

sub said_all { my ($name) = @_; $from{$name} = -s "$dir/$name.log"; return; }

# The injector works with this port and so many connections.
sub point_at {
	my ($name, $into, $connections) = @_;
	configure($name, $into, $connections);
	said_all($name);
	return if $points{$name} eq "$into $connections";
	$points{$name} = "$into $connections";
	kill 'USR1', $pid{$name};
	my $ready = "injector: ready, $connections connections to 127.0.0.1:$port{$into}";
	await($ready, sub { said($name) =~ /\Q$ready\E/ });
	said_all($name);
	return;
}

sub injector_pid {
	my ($name) = @_;
	my @children = map { split ' ', slurp($_) } glob "/proc/$pid{$name}/task/*/children";
	@children == 1 or die "$name has @{[scalar @children]} injectors; see $dir/$name.log\n";
	return $children[0];
}

# ---- spooling ----

# Submits copies for `count` recipients of the list `to`, due at `due`. Seconds that it took.
sub spool {
	my ($name, $count, $to, $due) = @_;
	my $stamp = strftime('%Y-%m-%dT%H:%M:%S', gmtime int $due) . sprintf '.%03dZ', ($due - int $due) * 1000;
	spit("$dir/fanout.eml", slurp("$dir/message.eml") =~ s/^(X-Mailtailor-Campaign: )spring/${1}fanout\r\nX-Mailtailor-Send-At: $stamp/mr);
	my $began = mono();
	for (my $left = $count; $left > 0; $left -= $PER_MESSAGE) {
		my $rcpts = $left < $PER_MESSAGE ? $left : $PER_MESSAGE;
		call("$build{fanout}/bench/smtp-load -p $port{$name} -m $dir/fanout.eml -r $dir/$to -k $rcpts -n 1 -o "
			. "@{[$number * $rcpts]} -t fanout-$$-@{[++$number]} >>$dir/load.log");
	}
	return mono() - $began;
}

# ---- is it right? ----

# smtp-sink says who it was in front of the copy.
sub looks_right {
	my ($name, $told, $copy) = @_;
	my $sender = $name eq 'fanout-verp' ? qr/bounces\+[a-z2-7]{40,}\@shop\.example/ : qr/news\@shop\.example/;
	my ($head) = $copy =~ /\A(.*?)\n\n/s;
	return $told =~ /^X-Mail-Args: <$sender>/m && $told =~ /^X-Rcpt-Args: <(customer\d\@check\.example)>/m
		&& $head =~ /^To: .*\Q$1\E/m && $head =~ /^X-Mailtailor-Job: /m && $copy !~ /\{\{|X-Mailtailor-(?!Job)/
		&& $head =~ /^List-Unsubscribe-Post: /m && $head =~ /^Subject: .*(?:Anna|Bob|Carol|Dave)/m
		&& (() = decode_qp($copy) =~ m{https://t\.shop\.example/c/}g) >= 20;
}

sub check {
	for my $name (sort keys %build) {
		my %seen;
		spool($name, 4, 'check', time);
		recorded($name, 4);
		for my $file (glob "$dir/dump/*") {
			my ($told, $copy) = slurp($file) =~ s/\r\n/\n/gr =~ /\A(.*?^Received: .*?\n)(?=\S)(.*)\z/ms or next;
			my ($to) = $told =~ /^X-Rcpt-Args: <(.*?)>/m or next;
			next unless $copy =~ /^X-Mailtailor-Job: /m;
			looks_right($name, $told, $copy) or die "a copy of $name does not look right: $file; see $dir\n";
			$seen{$to} = 1;
			$sample = $copy;
			unlink $file;
		}
		keys %seen == 4 or die "not all four copies of $name arrived; see $dir\n";
	}
	spit("$dir/sample", $sample =~ s/\n*\z/\n/r);
	return;
}

# ---- one measurement ----

# Until the sink has `count` more than before. What else there is to do may die.
sub arrive {
	my ($what, $before, $count) = @_;
	my $until = mono() + 180;
	for (sink_read(); sink_count() < $before + $count; sink_read()) {
		die "copies of $what did not arrive (@{[sink_count() - $before]} of $count); see $dir\n" if mono() > $until;
		sleep 0.002;
	}
	die "$what: @{[sink_count() - $before]} copies came of $count\n" if sink_count() != $before + $count;
	return sink_time();
}

sub drained {
	my ($row) = @_;
	call($opt{postfix}, 'drained', "$dir/postfix", 60) if $row->{into} eq 'postfix';
	return;
}

sub measure_source {
	my ($row, $count) = @_;
	my $before = sink_count();
	my $began = mono();
	my $pid = start('smtp-source', '/usr/sbin/smtp-source', '-d', '-N', '-s', $row->{connections}, '-m', $count, '-F', "$dir/sample",
		'-f', 'news@shop.example', '-t', 'customer@customers.example', "127.0.0.1:$port{$row->{into}}");
	my $ended = arrive('smtp-source', $before, $count);
	await('the end of smtp-source', sub { slurp("/proc/$pid/stat") =~ /\) Z / });
	my $cpu = cpu_us($pid);
	waitpid $pid, 0;
	delete $pid{'smtp-source'};
	die "smtp-source failed; see $dir/smtp-source.log\n" if $?;
	drained($row);
	return { rate => $count / ($ended - $began), cpu => $cpu / $count };
}

sub recorded {
	my ($name, $count) = @_;
	await("all of $name to be recorded", sub { $count == (() = said($name) =~ / sent reason=sent/g) });
	return;
}

sub measure_injector {
	my ($name, $row, $count) = @_;
	point_at($name, $row->{into}, $row->{connections});
	my $injector = injector_pid($name);
	my $before = sink_count();
	my $due = ceil(time + 1 + 1.5 * $spooling);
	my $took = spool($name, $count, 'recipients', $due);
	$spooling = $took if $took > $spooling;
	if (time > $due - 0.1) { # what leaves while spooling goes on is no measurement
		arrive($name, $before, $count);
		recorded($name, $count);
		return measure_injector($name, $row, $count);
	}
	my $cpu = cpu_us($injector);
	sleep $due - time - 0.05;
	my $began = $due - time + mono();
	my $ended = arrive($name, $before, $count);
	recorded($name, $count);
	$cpu = cpu_us($injector) - $cpu;
	drained($row);
	push @{$mail{$name}}, $count / $took;
	return { rate => $count / ($ended - $began), cpu => $cpu / $count };
}

sub key { my ($row) = @_; return "$row->{into}-$row->{connections}"; }

sub rounds {
	for my $round (0 .. $opt{rounds}) { # round 0 warms up
		my $count = $round == 0 ? int($opt{copies} / 4) || 1 : $opt{copies};
		for my $row (@rows) {
			for my $i (0 .. $#variants) {
				my $v = $variants[($i + $round) % @variants];
				progress('fan-out, round %d of %d: %s into %s, %d connections', $round, $opt{rounds}, $v, @{$row}{qw(into connections)});
				my $m = $v eq 'smtp-source' ? measure_source($row, $count) : measure_injector($v, $row, $count);
				push @{$result{key($row)}{$v}}, $m if $round > 0;
			}
		}
	}
	progress();
	return;
}

# ---- the report ----

my %title = ('smtp-source' => 'smtp-source', fanout => 'mailtailor', 'fanout-verp' => 'mailtailor, VERP', 'fanout-other' => 'the other mailtailor');
my %place = (sink => 'the null sink', postfix => 'Postfix');

sub table {
	for my $row (@rows) {
		printf "\nFan-out into %-14s%3d connections%13s%9s%13s%12s\n", $place{$row->{into}}, $row->{connections}, 'copies/s', 'ratio', '(range)',
			'CPU/copy';
		my $r = $result{key($row)};
		for my $v (@variants) {
			my @rate = sort { $a <=> $b } map { $_->{rate} } @{$r->{$v}};
			my @ratio = sort { $a <=> $b } ratios($r->{$v}, $r->{'smtp-source'}, 'rate');
			my $line = $json{fanout}{key($row)}{$v} = { copies_per_s => median(@rate), lowest => $rate[0], highest => $rate[-1],
				ratio_to_smtp_source => median(@ratio), lowest_ratio => $ratio[0], highest_ratio => $ratio[-1],
				cpu_us => median(map { $_->{cpu} } @{$r->{$v}}) };
			printf "  %-30s%29.0f%9s%13s%12s\n", $title{$v}, $line->{copies_per_s},
				$v eq 'smtp-source' ? ('', '') : (sprintf('%.2f', $line->{ratio_to_smtp_source}), sprintf('%.2f-%.2f', @ratio[0, -1])),
				sprintf('%.0f us', $line->{cpu_us});
		}
	}
	for my $name (sort keys %build) {
		$json{fanout}{spooled}{$name} = median(@{$mail{$name}});
		printf "\nSpooled by %s through Postfix: %.0f RCPTs/s\n", $title{$name}, $json{fanout}{spooled}{$name};
	}
	return;
}

sub targets {
	my %least = (sink => 0.5, postfix => 0.9);
	for my $row (@rows) {
		my ($least, $value) = ($least{$row->{into}}, $json{fanout}{key($row)}{fanout}{ratio_to_smtp_source});
		target("fan-out: at least $least of smtp-source into $place{$row->{into}}, $row->{connections} connections", $value, $value >= $least,
			'%.2f');
	}
	return;
}

1;
