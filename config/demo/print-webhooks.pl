# Usage: perl print-webhooks.pl PORT
# Listens on 127.0.0.1 and prints one line for every webhook. For the demo: it checks no signature.
use strict;
use warnings;
use IO::Socket::INET;

my $port = shift or die "usage: print-webhooks.pl PORT\n";
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16,
    ReuseAddr => 1) or die "port $port: $!\n";
$| = 1;
$SIG{CHLD} = 'IGNORE';

sub member {
    my ($json, $name) = @_;
    return $json =~ /"$name":\s*"((?:[^"\\]|\\.)*)"/ ? $1 : undef;
}

sub show {
    my ($json) = @_;
    my @words = ("event", member($json, 'event') // '?', "account", member($json, 'account') // '?');
    for my $name (qw(path subject)) {
        my $value = member($json, $name);
        push @words, $name, "\"$value\"" if defined $value;
    }
    print "    @words\n";
}

# Kept-alive connections stay open, so each has a process of its own.
while (my $peer = $server->accept) {
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if ($pid) {
        close $peer;
        next;
    }
    close $server;
    alarm 600;
    while (1) {
        my $length;
        while (defined(my $line = <$peer>)) {
            $length = $1 if $line =~ /^content-length:\s*(\d{1,8})\s*$/i;
            last if $line =~ /^\r?\n$/;
        }
        last unless defined $length;
        my $body = '';
        read($peer, $body, $length) == $length or last;
        show($body);
        print $peer "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        $peer->flush;
    }
    exit 0;
}
