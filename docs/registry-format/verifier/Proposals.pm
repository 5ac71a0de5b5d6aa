package Proposals;

# What waits for signatures, and may come into force.

use v5.36;
use Exporter qw(import);
use Files qw(MAX_PROPOSALS about proposed read_file);
use Json qw(plain refuse);
use List::Util qw(any first);
use Metadata qw(read_envelope signed_digest);
use Trust qw(weigh_manifest weigh_root);

our @EXPORT_OK = qw(read_proposals);

# Step 8: return the manifests that wait for signatures. Roots first, since manifests may wait for them.
sub read_proposals (@roots) {
    my (@coming, %waiting);
    my @names = proposed();
    about('proposed', sub { refuse('oversized', 'too many files') if @names > MAX_PROPOSALS });
    for my $name (@names) {
        my $envelope = about($name, sub { read_envelope(read_file($name)) });
        my $type = plain($envelope->[1]{signed})->{_type} // '';
        $waiting{$name} = $envelope if $type ne 'root';
        push @coming, about($name, sub { _read_proposed_root($envelope, $name, @roots) }) if $type eq 'root';
    }
    my @manifests;
    for my $name (sort keys %waiting) {
        push @manifests, about($name, sub { _read_proposed_manifest($waiting{$name}, $name, \@coming, @roots) });
    }
    return @manifests;
}

# It follows the last root, or an older one if another has taken its number since.
sub _read_proposed_root ($envelope, $name, @roots) {
    my $version = plain($envelope->[1]{signed})->{version} // 0;
    my $before = (first { $_->{version} + 1 eq $version } @roots) // $roots[-1];
    my ($root, undef, @signed) = weigh_root($envelope, $before);
    my %proposers = map { $_ => 1 } @{$before->{roles}{root}{keyids}};
    refuse('under-signed', 'by none of the root keys before it') if !any { $proposers{$_} } @signed;
    _check_proposal($envelope, $name, scalar @signed);
    return $root;
}

# It belongs to the root that it names: a proposed one, or one that is there.
sub _read_proposed_manifest ($envelope, $name, $coming, @roots) {
    my $named = plain($envelope->[1]{signed})->{root};
    my $digest = ref $named eq 'HASH' ? $named->{sha256} // '' : '';
    my $under = first { $_->{digest} eq $digest } @$coming, @roots;
    refuse('wrong-root', 'made under a root that is neither there nor proposed') if !$under;
    my $is_walked = any { $_ == $under } @roots;
    my ($manifest, undef, $count) = eval { weigh_manifest($envelope, $is_walked ? $roots[-1] : $under) };
    my $refusal = $@;
    if (!$manifest) {
        die $refusal if !ref $refusal || $refusal->{reason} ne 'unknown-key' || !$is_walked;
        ($manifest, undef, $count) = weigh_manifest($envelope, $under);    # its signers' keys have been replaced
    }
    _check_proposal($envelope, $name, $count);
    return $manifest;
}

sub _check_proposal ($envelope, $name, $count) {
    refuse('wrong-digest', 'another name than its digest') if $name ne 'proposed/' . signed_digest($envelope) . '.json';
    refuse('under-signed', 'by nobody') if !$count;
}

1;
