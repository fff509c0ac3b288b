#!/usr/bin/perl
# Starts the service of a systemd unit the way systemd would, as far as a test without systemd can: directories, user,
# no capabilities, LimitNOFILE, UMask; waits until the service says READY=1. The service goes on in the background.
#
#   run-unit.pl UNIT PREFIX-OF-ExecStart LOG       prints its pid; exits 1 when it is not ready within 30 s
use strict;
use warnings;
use Socket;

my ($unit, $prefix, $log) = @ARGV;
my %is;
open(my $in, '<', $unit) or die "$unit: $!\n";
while (<$in>) { $is{$1} = $2 if /^(\w+)=(.*)$/ }
close($in);

my ($uid, $gid) = (getpwnam($is{User}))[2, 3];
die "no user $is{User}\n" unless defined $uid;
die "group $is{Group} is not $is{User}'s\n" unless getgrnam($is{Group}) == $gid;
for my $kind (["StateDirectory", "/var/lib"], ["RuntimeDirectory", "/run"]) {
	my ($key, $base) = @$kind;
	my $dir = "$base/$is{$key}";
	mkdir($dir) or -d $dir or die "$dir: $!\n";
	chmod(oct($is{"${key}Mode"}), $dir);
	# like systemd: when the directory's owner is right, what is in it is left alone
	system("chown", "-R", "$uid:$gid", $dir) if (stat $dir)[4] != $uid;
}

my $notify = "/run/notify.$$";
socket(my $sock, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!\n";
bind($sock, sockaddr_un($notify)) or die "$notify: $!\n";
chmod(0666, $notify);

my $pid = fork() // die "fork: $!\n";
if ($pid == 0) {
	open(STDIN, '<', '/dev/null');
	open(STDOUT, '>>', $log) or die "$log: $!\n";
	open(STDERR, '>&', \*STDOUT);
	umask(oct($is{UMask}));
	$ENV{NOTIFY_SOCKET} = $notify;
	my ($program, @args) = split(' ', $is{ExecStart});
	exec("prlimit", "--nofile=$is{LimitNOFILE}", "setpriv", "--reuid=$uid", "--regid=$gid", "--init-groups",
		"--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--", "$prefix$program", @args);
	die "exec: $!\n";
}

my $ready = 0;
local $SIG{ALRM} = sub { die "$unit: not ready after 30 s\n" };
local $SIG{CHLD} = sub { die "$unit: ended at its start; see $log\n" unless $ready };
alarm(30);
until ($ready) {
	recv($sock, my $text, 4096, 0) // die "recv: $!\n";
	$ready = $text =~ /^READY=1$/m;
}
print "$pid\n";
