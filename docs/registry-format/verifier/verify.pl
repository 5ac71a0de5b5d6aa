#!/usr/bin/perl
# Verify a registry of Tidegate: an example, made from registry-format.md. It needs Perl 5.36 and openssl 3.
#
#   perl verify.pl --catalogue SHA256 [--now TIME] [--root FILE] [--min-version N] [--seen FILE] FOLDER
#
# Prints `accepted VERSION` and ends with 0, or `refused FILE REASON: why` and ends with 3.

use v5.36;
use FindBin;
use lib $FindBin::Bin;
use Artifact qw(read_artifact replay);
use Digest::SHA qw(sha256_hex);
use Files qw(about accounted entries open_registry read_file);
use Getopt::Long;
use Json qw(refuse);
use Metadata qw(references slots);
use POSIX qw(strftime);
use Proposals qw(read_proposals);
use Trust qw(find_manifest walk_history walk_roots);

use constant MAX_KEY => 64 << 10;

my %options = (now => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), 'min-version' => 0);
GetOptions(\%options, 'catalogue=s', 'now=s', 'root=s', 'min-version=i', 'seen=s') && @ARGV == 1 && $options{catalogue}
    or die "usage: verify.pl --catalogue SHA256 [options] FOLDER\n";

# Steps 4, 5 and 9: the blobs, and the models in slots.
sub check_blobs ($manifest, @others) {
    my $content = $manifest->{content};
    my %models;    # what the slots hold, by the path of the artifact
    for my $name (sort keys %{$content->{models}}) {
        my $model = $content->{models}{$name};
        push @{$models{$_->{artifact}}}, [$name, $_] for map { $model->{versions}{$_} } slots($model);
    }
    for my $path (references($manifest)) {
        about($path, sub {
            my $data = read_blob($path, $manifest);
            my $is_other = $path eq $content->{catalogue} && $path ne "blobs/$options{catalogue}";
            refuse('wrong-catalogue', 'of the registry') if $is_other;
            check_model($data, @$_) for @{$models{$path} // []};
        });
    }
    for my $other (@others) {
        for my $path (grep { !accounted($_) } references($other)) {
            about($path, sub { read_blob($path, $other) });
        }
    }
}

sub read_blob ($path, $manifest) {
    my $length = $manifest->{targets}{$path}{length};
    my $data = read_file($path, $length);
    refuse('wrong-length', length $data) if length $data != $length;
    refuse('wrong-digest', 'changed') if 'blobs/' . sha256_hex($data) ne $path;
    return $data;
}

sub check_model ($data, $name, $version) {
    refuse('wrong-catalogue', "of $name") if $version->{catalogue} ne $options{catalogue};
    my $artifact = read_artifact($data);
    replay($artifact);
    refuse('artifact', 'another name') if $artifact->{name} ne $name;
    refuse('artifact', 'another catalogue') if $artifact->{catalogue} ne $version->{catalogue};
    refuse('artifact', 'another threshold') if $artifact->{threshold} != $version->{threshold};
}

# Step 10: nothing else lies in the registry.
sub look_for_strangers () {
    for my $entry (map { entries($_) } '', 'blobs/', 'history/', 'proposed/') {
        my ($name, $kind) = @$entry;
        if (!accounted($name)) {
            about($name, sub { refuse_stranger($name, $kind) });
        } elsif ($name eq '.lock') {
            my $is_empty = $kind eq 'file' && read_file($name) eq '';
            about($name, sub { refuse('unaccounted', 'not an empty file') if !$is_empty });
        } elsif ($name =~ /^(?:blobs|history|proposed)$/) {
            about($name, sub { refuse('not-a-file', 'no folder') if $kind ne 'folder' });
        }
    }
}

sub refuse_stranger ($name, $kind) {
    refuse('not-a-file', 'a link') if $kind eq 'link';
    my $data = eval { read_file($name, MAX_KEY) } // '';
    refuse('private-key', 'it looks like one') if $data =~ /PRIVATE KEY|"private"/;
    refuse('unaccounted', 'nothing refers to it');
}

sub verify ($folder) {
    open_registry($folder);
    my @roots = walk_roots(\%options);
    my ($manifest, $data) = find_manifest(\%options, @roots);
    my @older = walk_history($manifest, $data, @roots);
    check_blobs($manifest, @older, read_proposals(@roots));
    look_for_strangers();
    return $manifest->{version};
}

my $version = eval { verify($ARGV[0]) };
if (!defined $version) {
    die $@ if !ref $@;
    say "refused $@->{file} $@->{reason}: $@->{why}";
    exit 3;
}
say "accepted $version";
