package Metadata;

# Roots and manifests: their shape, their signatures, and what must agree within them.

use v5.36;
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;
use Json qw(canonical_bytes misfit parse_json parse_metadata plain refuse);

our @EXPORT_OK = qw(
    check_expiry complete quorum read_envelope read_manifest read_root references signed_digest slots weigh);

my %SCHEMAS = map { $_ => plain(parse_json(_text(dirname(__FILE__) . "/../$_.schema.json"))) } qw(root manifest);

# The points of small order by one of their coordinates, without the sign of the other.
my %SMALL = map { $_ => 1 } (
    '0' x 64, '01' . '0' x 62, 'ec' . 'ff' x 30 . '7f',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
);

sub _text ($path) {
    open my $handle, '<', $path or die "$path: $!\n";
    return do { local $/; <$handle> };
}

# Read a metadata file whose signed part may be anything yet.
sub read_envelope ($data) {
    my $envelope = parse_metadata($data);
    my %outside = (%{$SCHEMAS{root}}, properties => {%{$SCHEMAS{root}{properties}}, signed => {type => 'object'}});
    _require_fit($envelope, \%outside);
    return $envelope;
}

sub _require_fit ($envelope, $schema) {
    my $wrong = misfit($envelope, $schema, $schema);
    refuse('malformed', $wrong) if $wrong;
}

sub _signed ($envelope, $kind) {
    _require_fit($envelope, $SCHEMAS{$kind});
    my $signed = plain($envelope->[1]{signed});
    _require_day($signed->{expires});
    return {%$signed, digest => signed_digest($envelope)};    # no field of theirs is called so
}

# Return the signed part of a root, its keys' ids and its roles held against each other.
sub read_root ($envelope) {
    my $root = _signed($envelope, 'root');
    my $keys = $envelope->[1]{signed}[1]{keys}[1];
    for my $keyid (keys %$keys) {
        refuse('malformed', 'a key id of another key') if $keyid ne sha256_hex(canonical_bytes($keys->{$keyid}));
    }
    my $same = join(' ', sort keys %$keys) eq join(' ', sort keys %{$root->{holders}});
    refuse('malformed', 'its holders are not those of its keys') if !$same;
    for my $role (values %{$root->{roles}}) {
        my %named = map { $_ => 1 } @{$role->{keyids}};
        refuse('malformed', 'a role names a key twice') if keys %named != @{$role->{keyids}};
        refuse('malformed', 'a role names a key that is not there') if grep { !exists $keys->{$_} } keys %named;
        refuse('malformed', 'a role asks for more keys than it has') if $role->{threshold} > keys %named;
    }
    return $root;
}

# Return the signed part of a manifest whose signatures have been weighed.
sub read_manifest ($envelope) {
    my $paths = plain($envelope->[1]{signed})->{targets};
    my $is_path = sub ($path) { $path =~ m{\Ablobs/[0-9a-f]{64}\z} };
    refuse('blob-path', 'a target outside the blobs') if ref $paths eq 'HASH' && grep { !$is_path->($_) } keys %$paths;
    my $manifest = _signed($envelope, 'manifest');
    my ($version, $previous, $targets) = @$manifest{qw(version previous targets)};
    my $leap = $version - ($previous ? $previous->{version} : 0);
    my $farthest = $previous && $manifest->{action} eq 'restore' ? 2**20 : 1;
    refuse('malformed', 'it does not follow') if $leap < 1 || $leap > $farthest;
    for my $model (values %{$manifest->{content}{models}}) {
        refuse('malformed', 'a slot without its version') if grep { !exists $model->{versions}{$_} } slots($model);
    }
    my @references = references($manifest);
    my %named = map { $_ => 1 } @references;
    refuse('malformed', 'a blob that is no target') if grep { !exists $targets->{$_} } @references;
    refuse('malformed', 'a target that is no blob of the content') if grep { !exists $named{$_} } keys %$targets;
    refuse('malformed', 'a target under another digest')
        if grep { $_ ne "blobs/$targets->{$_}{hashes}{sha256}" } keys %$targets;
    return $manifest;
}

# Return the paths of all blobs that a manifest's content names.
sub references ($manifest) {
    my $content = $manifest->{content};
    my @versions = map { values %{$_->{versions}} } values %{$content->{models}};
    return (@$content{qw(catalogue rules math ensemble)}, map { ($_->{artifact}, $_->{card}) } @versions);
}

# Return the numbers of the versions in a model's slots.
sub slots ($model) { return grep { defined } @$model{qw(champion challenger shadow)} }

# Return who has to sign for a role of a root.
sub quorum ($root, $role) {
    my ($keyids, $threshold) = @{$root->{roles}{$role}}{qw(keyids threshold)};
    return {threshold => $threshold, keys => {map { $_ => $root->{keys}{$_}{keyval}{public} } @$keyids}};
}

# Verify every signature, and return the ids of the keys; those of strangers are passed over only if $lenient.
sub weigh ($envelope, $quorums, $lenient = 0) {
    my %keys = map { %{$_->{keys}} } @$quorums;
    my ($before, @counting) = '';
    for my $signature (@{plain($envelope->[1]{signatures})}) {
        my $keyid = $signature->{keyid};
        refuse('signed-twice', $keyid) if $keyid eq $before;
        refuse('layout', 'signatures out of order') if $keyid lt $before;
        $before = $keyid;
        refuse('unknown-key', $keyid) if !exists $keys{$keyid} && !$lenient;
        push @counting, $signature if exists $keys{$keyid};
    }
    my $payload = @counting ? canonical_bytes($envelope->[1]{signed}) : '';
    for my $signature (@counting) {
        my ($keyid, $sig) = @$signature{qw(keyid sig)};
        my $is_weak = _is_weak($keys{$keyid}) || _is_weak(substr $sig, 0, 64);
        refuse('bad-signature', $keyid) if $is_weak || !_verifies($keys{$keyid}, $sig, $payload);
    }
    return map { $_->{keyid} } @counting;
}

# Tell whether a point, in hex, is spelt with a number beyond the field's prime, or is of small order: one of eight that
# anybody can sign for. The highest bit is a sign.
sub _is_weak ($point) {
    my $number = substr($point, 0, 62) . sprintf '%02x', 0x7f & hex substr $point, 62;
    return exists $SMALL{$number} || $number =~ /\A(?:e[d-f]|f.)(?:ff){30}7f\z/;
}

# Tell whether as many have signed as each of the quorums asks for.
sub complete ($signed, $quorums) {
    for my $quorum (@$quorums) {
        return 0 if grep({ exists $quorum->{keys}{$_} } @$signed) < $quorum->{threshold};
    }
    return 1;
}

# Ed25519 by openssl, which takes its input from files. The 12 bytes before the key are the DER of its kind.
sub _verifies ($public, $signature, $payload) {
    my @files = map { File::Temp->new } 1 .. 3;
    my @contents = (pack('H*', "302a300506032b6570032100$public"), pack('H*', $signature), $payload);
    for my $number (0 .. 2) {
        print {$files[$number]} $contents[$number];
        close $files[$number] or die "a temporary file: $!\n";
    }
    my ($key, $sig, $data) = map { $_->filename } @files;
    my @command = (qw(openssl pkeyutl -verify -pubin -keyform DER -rawin -inkey), $key, '-sigfile', $sig, '-in', $data);
    open my $said, '-|', @command or die "openssl: $!\n";
    my @lines = <$said>;
    return close $said;
}

# Return what names a proposal: the SHA-256 of what is signed.
sub signed_digest ($envelope) { return sha256_hex(canonical_bytes($envelope->[1]{signed})) }

# The schema has looked at all of a time but whether the month has such a day.
sub _require_day ($time) {
    my ($year, $month, $day) = $time =~ /([0-9]+)/g;
    my $leap = $year % 4 == 0 && ($year % 100 != 0 || $year % 400 == 0);
    my $days = (31, $leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[$month - 1];
    refuse('malformed', "$time is no time") if $year == 0 || $day > $days;
}

# Times of one form are in the order of their text.
sub check_expiry ($signed, $now) { refuse('expired', $signed->{expires}) if $now ge $signed->{expires} }

1;
