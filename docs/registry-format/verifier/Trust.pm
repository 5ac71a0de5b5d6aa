package Trust;

# Who may say what: from the first root over its successors to the manifest, and what came before and may come after.

use v5.36;
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Files qw(about present proposed read_file read_given);
use Json qw(parse_json plain refuse);
use List::Util qw(max);
use Metadata qw(check_expiry complete quorum read_envelope read_manifest read_root signed_digest weigh);

our @EXPORT_OK = qw(find_manifest read_proposals walk_history walk_roots);

use constant {MANIFEST => 'model_registry.json', MAX_PROPOSALS => 64};

# Steps 1, 2 and 6: return the roots, each introduced by the one before it.
sub walk_roots ($options) {
    my ($pin, $pinned, @roots) = ('', 0);
    if (defined(my $given = $options->{root})) {
        $pin = about($given, sub { read_given($given) });
        $pinned = about($given, sub { _first_root($pin) })->{version};
    }
    my $version = 1;
    for (; $version <= max(1, $pinned) || present("$version.root.json"); $version++) {
        about("$version.root.json", sub {
            my $data = read_file("$version.root.json");
            refuse('wrong-root', 'not the root that was given') if $version == $pinned && $data ne $pin;
            push @roots, @roots ? _next_root($data, $roots[-1]) : _first_root($data);
            refuse('wrong-root', "version $roots[-1]{version}") if $roots[-1]{version} != $version;
        });
    }
    about(--$version . '.root.json', sub { check_expiry($roots[-1], $options->{now}) });
    return @roots;
}

sub _first_root ($data) {
    my $envelope = read_envelope($data);
    my $root = read_root($envelope);
    my $quorums = [quorum($root, 'root')];
    # Of a later one, keys of predecessors that nobody has shown us have signed, too.
    my @signed = weigh($envelope, $quorums, $root->{version} > 1);
    refuse('under-signed', 'by its own keys') if !complete(\@signed, $quorums);
    return $root;
}

sub _next_root ($data, $before) {
    my ($root, $complete) = _weigh_root(read_envelope($data), $before);
    refuse('under-signed', 'by the old or by the new keys') if !$complete;
    return $root;
}

sub _weigh_root ($envelope, $before) {
    my $root = read_root($envelope);
    refuse('wrong-root', "version $root->{version}") if $root->{version} != $before->{version} + 1;
    my $quorums = [quorum($before, 'root'), quorum($root, 'root')];
    my @signed = weigh($envelope, $quorums);
    return ($root, complete(\@signed, $quorums), scalar @signed);
}

# Step 3: return the manifest in force, and the bytes of its file.
sub find_manifest ($options, @roots) {
    return about(MANIFEST, sub {
        my $data = read_file(MANIFEST);
        my $manifest = eval { _accept($data, $options, $roots[-1]) };
        my $refusal = $@;
        return ($manifest, $data) if $manifest;
        die $refusal if !ref $refusal || @roots == 1 || $refusal->{reason} =~ /^(?:older-version|expired)$/;
        my $waiting = _waiting($roots[-1]) // die $refusal;
        return (_accept($waiting, $options, $roots[-1]), $waiting);
    });
}

sub _accept ($data, $options, $root) {
    my $oldest = _oldest_accepted($options, $root);
    my ($manifest, $complete) = _weigh_manifest(read_envelope($data), $root);
    refuse('under-signed', 'by targets keys') if !$complete;
    refuse('older-version', 'than is accepted') if $manifest->{version} < $oldest;
    check_expiry($manifest, $options->{now});
    return $manifest;
}

sub _weigh_manifest ($envelope, $root) {
    my $quorums = [quorum($root, 'targets')];
    my @signed = weigh($envelope, $quorums);
    return (read_manifest($envelope), complete(\@signed, $quorums), scalar @signed);
}

sub _oldest_accepted ($options, $root) {
    return $options->{'min-version'} if !defined $options->{seen};
    my $seen = plain(parse_json(read_given($options->{seen})));
    refuse('older-version', 'a newer root was seen') if $root->{version} < $seen->{root_version};
    my $same = join(' ', sort @{$root->{roles}{targets}{keyids}}) eq join(' ', @{$seen->{targets_keyids}});
    return max($options->{'min-version'}, $seen->{manifest_version}) if $same;
    refuse('wrong-root', 'the same root had other keys') if $root->{version} == $seen->{root_version};
    return $options->{'min-version'};
}

# A rotation that was interrupted has left the manifest for the last root among the proposals.
sub _waiting ($root) {
    my %found;
    my @names = proposed();
    splice @names, MAX_PROPOSALS if @names > MAX_PROPOSALS;
    for my $name (@names) {
        my $data = eval { read_file($name) } // next;
        my ($manifest, $complete) = eval { _weigh_manifest(read_envelope($data), $root) };
        $found{$manifest->{version}} = $data if $manifest && $complete;
    }
    return %found ? $found{max keys %found} : undef;
}

# Step 7: return the manifests that were in force before, each named by the one after it.
sub walk_history ($manifest, $data, @roots) {
    my $own = "history/$manifest->{version}.json";
    about($own, sub { refuse('wrong-digest', 'not in force') if read_file($own) ne $data }) if present($own);
    my @older;
    while (my $previous = $manifest->{previous}) {
        my $name = "history/$previous->{version}.json";
        last if !present($name);
        $manifest = about($name, sub { _read_kept($name, $previous, @roots) });
        push @older, $manifest;
    }
    return @older;
}

sub _read_kept ($name, $previous, @roots) {
    my $data = read_file($name);
    refuse('wrong-digest', 'not what its successor names') if sha256_hex($data) ne $previous->{sha256};
    my ($manifest) = _by_some_root(read_envelope($data), 1, reverse @roots);
    refuse('malformed', "version $manifest->{version}") if $manifest->{version} != $previous->{version};
    return $manifest;
}

# Weigh a manifest under the first root that knows its signers (and, if that is asked, has enough of them).
sub _by_some_root ($envelope, $must_be_complete, @roots) {
    my $refusal;
    for my $root (@roots) {
        my ($manifest, $complete, $count) = eval { _weigh_manifest($envelope, $root) };
        return ($manifest, $count) if $manifest && ($complete || !$must_be_complete);
        next if $manifest;
        die $@ if !ref $@ || $@->{reason} ne 'unknown-key';
        $refusal //= $@;
    }
    die $refusal // {reason => 'under-signed', why => 'for every root'};
}

# Step 8: return the manifests that wait for signatures. Roots first, since manifests may wait for them.
sub read_proposals (@roots) {
    my (@coming, @manifests, %waiting);
    my @names = proposed();
    about('proposed', sub { refuse('oversized', 'too many files') if @names > MAX_PROPOSALS });
    for my $name (@names) {
        my $envelope = about($name, sub { read_envelope(read_file($name)) });
        my $type = plain($envelope->[1]{signed})->{_type} // '';
        $waiting{$name} = $envelope if $type ne 'root';
        push @coming, about($name, sub { _read_proposed_root($envelope, $name, @roots) }) if $type eq 'root';
    }
    for my $name (sort keys %waiting) {
        push @manifests, about($name, sub {
            my ($manifest, $count) = _by_some_root($waiting{$name}, 0, @coming, reverse @roots);
            _check_proposal($waiting{$name}, $name, $count);
            return $manifest;
        });
    }
    return @manifests;
}

# Return a proposed root if it can still follow the last one; another may have taken its number.
sub _read_proposed_root ($envelope, $name, @roots) {
    my $version = plain($envelope->[1]{signed})->{version} // 0;
    my ($before) = ((grep { $_->{version} + 1 eq $version } @roots), $roots[-1]);
    my ($root, undef, $count) = _weigh_root($envelope, $before);
    _check_proposal($envelope, $name, $count);
    return $before == $roots[-1] ? $root : ();
}

sub _check_proposal ($envelope, $name, $count) {
    refuse('wrong-digest', 'another name than its digest') if $name ne 'proposed/' . signed_digest($envelope) . '.json';
    refuse('under-signed', 'by nobody') if !$count;
}

1;
