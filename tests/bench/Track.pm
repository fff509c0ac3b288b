# The endpoint beside nginx, which serves an empty gif from memory: the same client (wrk), the same paths, as many
# connections, in turns, with few connections and with many: those who wait share a commit, so there is more in it. Each answer of trackd is an event on disk; that is counted. Then trackd alone at half of what it
# just did, by a client that keeps to a rate (http-paced): how long answers take.
package Track;
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(sleep);

use Bench;

my (%opt, %port, %result, $build, $here);
my %column = (opens => 3, clicks => 4); # of what mint prints
my @loads; # of [kind, connections]
my $RECIPIENTS = 50_000;

sub plan {
	my ($options, $from, $where) = @_;
	(%opt) = (seconds => 4, %$options);
	for my $clients (split /,/, $opt{clients}) { push @loads, map { [$_, $clients] } qw(opens clicks); }
	($build, $here) = ($from, $where);
	%port = map { $_ => free_port() } qw(trackd private nginx);
	return;
}

# ---- the servers ----

sub nginx_conf {
	return <<"EOT";
daemon off;
user root;
worker_processes auto;
pid $dir/track/pid;
error_log $dir/track/error.log;
events { worker_connections 8192; }
http {
	access_log off;
	keepalive_requests 100000000;
	large_client_header_buffers 4 16k;
	client_body_temp_path $dir/track/body;
	proxy_temp_path $dir/track/proxy;
	fastcgi_temp_path $dir/track/fastcgi;
	uwsgi_temp_path $dir/track/uwsgi;
	scgi_temp_path $dir/track/scgi;
	server { listen 127.0.0.1:$port{nginx} backlog=1024; location / { empty_gif; } }
}
EOT
}

sub listens { my ($p) = @_; return sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$p") }; }

sub set_up {
	mkdir "$dir/track";
	spit("$dir/track/mailtailor.conf", <<"EOT");
state { directory = "$dir/track/state" map_size = 8G }
keys { file = "$dir/track/keys" }
track {
	host = "https://t.shop.example"
	listen = "127.0.0.1:$port{trackd}"
	private = "127.0.0.1:$port{private}"
	queue = "$dir/track/queue"
	rate = 0
	connections = 4096
}
campaign spring { category = promo }
EOT
	spit("$dir/track/nginx.conf", nginx_conf());
	local $ENV{MAILTAILOR_CONF} = "$dir/track/mailtailor.conf";
	call("$build/bin/mailtailor key generate >/dev/null");
	call("$build/tests/mint $dir/track/keys spring promo bench.example 1 $RECIPIENTS >$dir/track/paths");
	start('trackd', "$build/bin/mailtailor-trackd");
	start('nginx', 'nginx', '-p', "$dir/track", '-c', "$dir/track/nginx.conf");
	await($_, listens($port{$_})) for qw(private nginx);
	return;
}

# ---- the clients ----

sub json_of { my ($command) = @_; my $out = qx($command); die "failed: $command\n" if $?; return JSON::PP::decode_json(($out =~ /^(\{.*\})$/m)[0]); }

sub wrk {
	my ($server, $kind, $clients) = @_;
	my $m = json_of("wrk -t1 -c$clients -d$opt{seconds} -s $here/wrk.lua http://127.0.0.1:$port{$server} -- $dir/track/paths $column{$kind}");
	die "$server: $m->{errors} of $m->{requests} $kind failed\n" if $m->{errors};
	return $m;
}

sub paced {
	my ($kind, $clients, $rate) = @_;
	my $m = json_of("$build/bench/http-paced -p $port{trackd} -f $dir/track/paths -k $column{$kind} -c $clients -d $opt{seconds} -r $rate");
	die "trackd: $m->{refused} of $m->{requests} paced $kind failed\n" if $m->{refused};
	return $m;
}

sub metrics {
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port{private}") or die "no metrics: $!\n";
	print $s "GET /metrics HTTP/1.0\r\n\r\n";
	local $/;
	return scalar <$s>;
}

# Events that are on disk, and not in the log yet.
sub waiting { return (metrics() =~ /^mailtailor_events_waiting (\d+)$/m)[0]; }

# Events that the endpoint says it has on disk.
sub recorded {
	my ($kind) = @_;
	my $type = $kind eq 'opens' ? 'opened' : 'clicked';
	my $text = metrics();
	my ($lost) = $text =~ /^mailtailor_events_lost_total (\d+)$/m;
	my ($queued) = $text =~ /^mailtailor_events_queued_total (\d+)$/m;
	die "trackd lost or queued events; see $dir/trackd.log\n" if $lost || $queued;
	my $sum = 0;
	$sum += $1 while $text =~ /^mailtailor_events_total\{type="$type",[^}]*\} (\d+)$/mg;
	return $sum;
}

sub measure {
	my ($kind, $clients, $i) = @_;
	my ($before, $cpu, %m) = (recorded($kind), cpu_us($pid{trackd}));
	for my $server ($i % 2 ? qw(trackd nginx) : qw(nginx trackd)) {
		my $s = $m{$server} = wrk($server, $kind, $clients);
		next if $server eq 'nginx';
		# What was put off until the clients had gone does not count.
		$s->{per_s} *= 1 - waiting() / $s->{requests};
		while (waiting()) { sleep 0.02; }
	}
	$m{cpu} = (cpu_us($pid{trackd}) - $cpu) / $m{trackd}{requests};
	$m{paced} = paced($kind, $clients, int($m{trackd}{per_s} / 2) || 1);
	my $events = recorded($kind) - $before;
	my $answers = $m{trackd}{requests} + $m{paced}{requests};
	die "$answers $kind were answered and $events are recorded\n" if $events < $answers;
	return \%m;
}

sub rounds {
	for my $round (0 .. $opt{rounds}) { # round 0 warms up
		for my $load (@loads) {
			progress('endpoint, round %d of %d: %s, %d connections', $round, $opt{rounds}, @$load);
			my $m = measure(@$load, $round);
			push @{$result{"@$load"}}, $m if $round > 0;
		}
	}
	progress();
	return;
}

# ---- the report ----

sub column { my ($load, $server, $key) = @_; return map { $_->{$server}{$key} } @{$result{$load}}; }

sub table {
	for (@loads) {
		my ($kind, $clients) = @$_;
		my $load = "@$_";
		my @ratio = sort { $a <=> $b } map { $_->{trackd}{per_s} / $_->{nginx}{per_s} } @{$result{$load}};
		my $r = $json{track}{$load} = { nginx_per_s => median(column($load, 'nginx', 'per_s')), per_s => median(column($load, 'trackd', 'per_s')),
			ratio_to_nginx => median(@ratio), lowest_ratio => $ratio[0], highest_ratio => $ratio[-1],
			cpu_us => median(map { $_->{cpu} } @{$result{$load}}), p50_ms => median(column($load, 'paced', 'p50_ms')),
			p99_ms => median(column($load, 'paced', 'p99_ms')), paced_per_s => median(column($load, 'paced', 'per_s')) };
		printf "\nThe endpoint: %-11s%4d connections%12s%9s%13s%12s%12s%12s\n", $kind, $clients, 'requests/s', 'ratio', '(range)', 'CPU', 'p50', 'p99';
		printf "  %-39s%13.0f\n", 'nginx, an empty gif', $r->{nginx_per_s};
		printf "  %-39s%13.0f%9s%13s%12s\n", 'mailtailor-trackd', $r->{per_s}, sprintf('%.2f', $r->{ratio_to_nginx}),
			sprintf('%.2f-%.2f', @ratio[0, -1]), sprintf('%.0f us', $r->{cpu_us});
		printf "  %-39s%13.0f%46s%12s\n", 'mailtailor-trackd at half of that', $r->{paced_per_s}, sprintf('%.1f ms', $r->{p50_ms}), sprintf('%.1f ms', $r->{p99_ms});
	}
	return;
}

sub targets {
	for (@loads) {
		my ($kind, $clients) = @$_;
		my ($r, $what) = ($json{track}{"@$_"}, "$kind by $clients");
		target("endpoint: at least 0.3 of nginx' requests/s, $what", $r->{ratio_to_nginx}, $r->{ratio_to_nginx} >= 0.3, '%.2f');
		target("endpoint: p99 under 20 ms at half of its load, $what", $r->{p99_ms}, $r->{p99_ms} < 20, '%.1f ms');
	}
	return;
}

1;
