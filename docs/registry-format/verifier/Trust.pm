package Trust;

# Who may say what: from the first root over its successors to the manifest, and what came before.

use v5.36;
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Files qw(MAX_METADATA MAX_PROPOSALS about present proposed read_file read_given);
use Json qw(parse_json plain refuse);
use List::Util qw(any max min);
use Metadata qw(check_expiry complete quorum read_envelope read_manifest read_root weigh);

our @EXPORT_OK = qw(find_manifest walk_history walk_roots weigh_manifest weigh_root);

use constant {MANIFEST => 'model_registry.json', MAX_SEARCH => 4 << 20};

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
            push @roots, @roots ? _next_root($data, $roots[-1]) : _first_root($data, 1);
        });
    }
    about(--$version . '.root.json', sub {
        check_expiry($roots[-1], $options->{now});
        _compare_roots(_seen($options)->{root}, @roots) if defined $options->{seen};
    });
    return @roots;
}

sub _first_root ($data, $version = undef) {
    my $envelope = read_envelope($data);
    my $root = read_root($envelope);
    refuse('wrong-root', "version $root->{version}") if defined $version && $root->{version} != $version;
    my $quorums = [quorum($root, 'root')];
    # Of a later one, keys of predecessors that nobody has shown us have signed, too.
    my @signed = weigh($envelope, $quorums, $root->{version} > 1);
    refuse('under-signed', 'by its own keys') if !complete(\@signed, $quorums);
    return $root;
}

sub _next_root ($data, $before) {
    my ($root, $complete) = weigh_root(read_envelope($data), $before);
    refuse('under-signed', 'by the old or by the new keys') if !$complete;
    return $root;
}

sub weigh_root ($envelope, $before) {
    my $root = read_root($envelope);
    refuse('wrong-root', "version $root->{version}") if $root->{version} != $before->{version} + 1;
    my $quorums = [quorum($before, 'root'), quorum($root, 'root')];
    my @signed = weigh($envelope, $quorums);
    return ($root, complete(\@signed, $quorums), @signed);
}

# Step 3: return the manifest in force, and the bytes of its file.
sub find_manifest ($options, @roots) {
    return about(MANIFEST, sub {
        my $data = present(MANIFEST) ? read_file(MANIFEST) : undef;
        my $manifest = eval { _accept($data // refuse('missing', 'not there'), $options, @roots) };
        my $refusal = $@;
        if (!$manifest) {
            die $refusal if !ref $refusal || @roots == 1 || $refusal->{reason} =~ /^(?:older-version|expired)$/;
            $data = _waiting($roots[-1]) // die $refusal;
            $manifest = _accept($data, $options, @roots);
        }
        _compare_manifest(_seen($options)->{manifest}, $manifest) if defined $options->{seen};
        return ($manifest, $data);
    });
}

sub _accept ($data, $options, @roots) {
    my ($manifest, $complete) = weigh_manifest(read_envelope($data), $roots[-1]);
    refuse('under-signed', 'by targets keys') if !$complete;
    my ($version, $sha256) = @{$manifest->{root}}{qw(version sha256)};
    refuse('wrong-root', 'made under a root that is not there') if $version > $roots[-1]{version};
    my $is_other = any { $_->{version} == $version && $_->{digest} ne $sha256 } @roots;
    refuse('wrong-root', 'made under another root') if $is_other;
    refuse('older-version', 'than is accepted') if $manifest->{version} < $options->{'min-version'};
    check_expiry($manifest, $options->{now});
    return $manifest;
}

sub weigh_manifest ($envelope, $root) {
    my $quorums = [quorum($root, 'targets')];
    my @signed = weigh($envelope, $quorums);
    return (read_manifest($envelope), complete(\@signed, $quorums), scalar @signed);
}

# A rotation that was interrupted has left the manifest for the last root among the proposals.
sub _waiting ($root) {
    my ($left, %found) = MAX_SEARCH;
    my @names = proposed();
    splice @names, MAX_PROPOSALS if @names > MAX_PROPOSALS;
    for my $name (@names) {
        my $data = eval { read_file($name, min($left, MAX_METADATA)) } // next;
        $left -= length $data;
        my ($manifest, $complete) = eval { weigh_manifest(read_envelope($data), $root) };
        next if !$manifest || !$complete;
        my ($version, $sha256) = @{$manifest->{root}}{qw(version sha256)};
        $found{$manifest->{version}} = $data if $version == $root->{version} && $sha256 eq $root->{digest};
    }
    return %found ? $found{max keys %found} : undef;
}

# What the reader remembers.
sub _seen ($options) { return plain(parse_json(read_given($options->{seen}))) }

sub _compare_roots ($seen, @roots) {
    refuse('older-version', 'a newer root was seen') if $roots[-1]{version} < $seen->{version};
    my $is_other = any { $_->{version} == $seen->{version} && $_->{digest} ne $seen->{sha256} } @roots;
    refuse('wrong-root', "another root $seen->{version} was seen") if $is_other;
}

sub _compare_manifest ($seen, $manifest) {
    my $age = $manifest->{root}{version} <=> $seen->{root_version} || $manifest->{version} <=> $seen->{version};
    refuse('older-version', 'a newer one was seen') if $age < 0;
    refuse('older-version', 'another of its version was seen') if $age == 0 && $manifest->{digest} ne $seen->{sha256};
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
    my $manifest = _by_some_root(read_envelope($data), reverse @roots);
    refuse('malformed', "version $manifest->{version}") if $manifest->{version} != $previous->{version};
    return $manifest;
}

# Weigh a manifest under the first root that knows its signers, and has enough of them.
sub _by_some_root ($envelope, @roots) {
    my $refusal;
    for my $root (@roots) {
        my ($manifest, $complete) = eval { weigh_manifest($envelope, $root) };
        return $manifest if $manifest && $complete;
        next if $manifest;
        die $@ if !ref $@ || $@->{reason} ne 'unknown-key';
        $refusal //= $@;
    }
    die $refusal // {reason => 'under-signed', why => 'for every root'};
}

1;
