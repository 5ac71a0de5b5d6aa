package Artifact;

# One model: reading its container, holding it to every rule, and replaying its golden vectors.

use v5.36;
use Exporter qw(import);
use Json qw(refuse parse_json plain);
use List::Util qw(max product sum0);

our @EXPORT_OK = qw(read_artifact replay);

use constant {FEATURES => 120, LARGEST => 1e9, INFINITE => 9**9**9};

# Of each array: its type's code in the container, how Perl unpacks it, bytes of an element, and its rank.
my %ARRAYS = (
    'forest.roots' => ['I32', 'l<*', 4, 1], 'forest.feature' => ['I16', 's<*', 2, 1],
    'forest.threshold' => ['F32', 'f<*', 4, 1], 'forest.left' => ['I32', 'l<*', 4, 1],
    'forest.right' => ['I32', 'l<*', 4, 1], 'forest.missing_left' => ['BOOL', 'C*', 1, 1],
    'forest.value' => ['F64', 'd<*', 8, 1], 'profile.feature_edges' => ['F32', 'f<*', 4, 2],
    'profile.feature_counts' => ['I64', 'q<*', 8, 2], 'profile.score_edges' => ['F64', 'd<*', 8, 1],
    'profile.score_counts' => ['I64', 'q<*', 8, 1], 'golden.rows' => ['F32', 'f<*', 4, 2],
    'golden.scores' => ['F64', 'd<*', 8, 1], 'metadata' => ['U8', 'C*', 1, 1],
);
my %SCALARS = (
    name => qr/\A[a-z][a-z0-9_]{0,63}\z/, algorithm => qr/\A(?:lightgbm|isolation_forest|histograms)\z/,
    catalogue => qr/\A[0-9a-f]{64}\z/, format => undef, slope => undef, intercept => undef, threshold => undef,
);

sub require_that ($holds, $wrong) { refuse('artifact', $wrong) if !$holds }

# Return the arrays and scalars of an artifact, by name.
sub read_artifact ($data) {
    require_that(length $data <= 64 << 20 && length $data >= 8, 'its length');
    my $header_length = unpack 'Q<', $data;
    require_that($header_length <= 16 << 10 && 8 + $header_length <= length $data, 'its header is too long');
    my $header = plain(_json(substr $data, 8, $header_length));
    my $body = substr $data, 8 + $header_length;
    require_that(join(' ', sort keys %$header) eq join(' ', sort keys %ARRAYS), 'it lacks arrays, or has others');
    require_that(_is_entry($_), 'its header is malformed') for values %$header;
    my ($end, %arrays, %shapes) = 0;
    my sub in_order { _begin($header->{$a}) <=> _begin($header->{$b}) || _end($header->{$a}) <=> _end($header->{$b}) }
    for my $name (sort in_order keys %ARRAYS) {
        my ($code, $template, $bytes, $rank) = @{$ARRAYS{$name}};
        my $entry = $header->{$name};
        my @shape = @{$entry->{shape}};
        require_that($entry->{dtype} eq $code && @shape == $rank, "$name is of another type or rank");
        require_that(!(grep { $_ > 64 << 20 } @shape), "$name has an impossible shape");
        my $length = $bytes * product(@shape);
        require_that(_begin($entry) == $end && _end($entry) == $end + $length, "$name is not where it should be");
        $end += $length;
        require_that($end <= length $body, "$name goes beyond the end");
        $arrays{$name} = [unpack $template, substr $body, $end - $length, $length];
        $shapes{$name} = \@shape;
    }
    require_that($end == length $body, 'there is more behind its arrays');
    my $scalars = _scalars($arrays{metadata});
    _check_forest(\%arrays);
    _check_profile(\%arrays, \%shapes);
    my ($golden, $rows) = (scalar @{$arrays{'golden.scores'}}, $shapes{'golden.rows'});
    require_that($golden >= 1 && $golden <= 1024 && $rows->[0] == $golden && $rows->[1] == FEATURES, 'golden vectors');
    require_that(!(grep { !(abs $_ < INFINITE) } @{$arrays{'golden.scores'}}), 'a golden score is not finite');
    return {%$scalars, %arrays};
}

sub _is_entry ($entry) {
    return 0 if ref $entry ne 'HASH' || grep { ref $entry->{$_} ne 'ARRAY' } qw(shape data_offsets);
    return 0 if grep { ($_ // '') !~ /\A[0-9]{1,15}\z/ } @{$entry->{shape}}, @{$entry->{data_offsets}};
    return defined $entry->{dtype} && @{$entry->{data_offsets}} == 2;
}

sub _begin ($entry) { return $entry->{data_offsets}[0] }
sub _end ($entry) { return $entry->{data_offsets}[1] }

# Read JSON that may hold fractions; whatever is wrong with it is a fault of the artifact.
sub _json ($text) {
    my $value = eval { parse_json($text, 1) };
    require_that($value && $value->[0] eq 'object', 'its JSON is malformed');
    return $value;
}

sub _scalars ($codes) {
    require_that(@$codes <= 4096, 'its metadata is too long');
    my $object = _json(pack 'C*', @$codes);
    my %kinds = map { $_ => $object->[1]{$_}[0] } keys %{$object->[1]};
    require_that(join(' ', sort keys %kinds) eq join(' ', sort keys %SCALARS), 'it lacks scalars, or has others');
    my $scalars = plain($object);
    for my $name (keys %SCALARS) {
        my $pattern = $SCALARS{$name};
        require_that($kinds{$name} eq ($pattern ? 'string' : 'number'), "the type of its $name");
        require_that(!($pattern && $scalars->{$name} !~ $pattern), "its $name");
    }
    require_that($scalars->{format} eq '1', 'its format');
    require_that($scalars->{slope} > 0 && $scalars->{slope} <= LARGEST, 'its slope');
    require_that(abs $scalars->{intercept} <= LARGEST, 'its intercept');
    require_that($scalars->{threshold} > 0 && $scalars->{threshold} < 1, 'its threshold');
    return $scalars;
}

sub _check_forest ($arrays) {
    my ($roots, $feature, $threshold, $left, $right, $missing_left, $value) =
        @$arrays{map { "forest.$_" } qw(roots feature threshold left right missing_left value)};
    my $nodes = @$feature;
    require_that(@$roots >= 1 && @$roots <= 4096 && $nodes <= 1 << 20, 'its number of trees or nodes');
    for my $array ($threshold, $left, $right, $missing_left, $value) {
        require_that(@$array == $nodes, 'its arrays of nodes differ in length');
    }
    require_that(!(grep { $_ < 0 || $_ >= FEATURES } @$feature), 'a feature that there is not');
    require_that(!(grep { $_ != $_ } @$threshold), 'a threshold that is not a number');
    require_that(!(grep { $_ > 1 } @$missing_left), 'a truth that is neither 0 nor 1');
    require_that(!(grep { !(abs $_ <= LARGEST) } @$value), 'a value out of range');
    my @depth = (-1) x $nodes;    # -1: nothing leads there yet
    for my $root (@$roots) {
        require_that($root >= 0 && $root < $nodes && $depth[$root] < 0, 'a root outside, or twice');
        $depth[$root] = 0;
    }
    for my $node (0 .. $nodes - 1) {
        require_that($depth[$node] >= 0, 'a node that nothing leads to');
        require_that($depth[$node] <= 256, 'a tree that is too deep');
        if ($left->[$node] == -1) {
            require_that($right->[$node] == -1, 'a right child and no left one');
            next;
        }
        for my $child ($left->[$node], $right->[$node]) {
            require_that($child > $node && $child < $nodes, 'a child that does not come after its parent');
            require_that($depth[$child] < 0, 'a node that two ways lead to');
            $depth[$child] = $depth[$node] + 1;
        }
    }
}

sub _check_profile ($arrays, $shapes) {
    my ($edges, $counts, $score_edges, $score_counts) =
        @$arrays{map { "profile.$_" } qw(feature_edges feature_counts score_edges score_counts)};
    my $bins = $shapes->{'profile.feature_edges'}[1];
    require_that(max($bins, scalar @$score_edges) <= 256, 'too many bins');
    my $sides = join ' ', @{$shapes->{'profile.feature_edges'}}, @{$shapes->{'profile.feature_counts'}};
    require_that($sides eq join(' ', FEATURES, $bins, FEATURES, $bins + 2), 'its counts do not fit its edges');
    require_that(@$score_counts == @$score_edges + 1, 'its counts do not fit its edges');
    require_that(!(grep { $_ < 0 || $_ > 1 << 48 } @$counts, @$score_counts), 'a count out of range');
    _require_ascent(@$score_edges);
    for my $feature (0 .. FEATURES - 1) {
        _require_ascent(@$edges[$feature * $bins .. ($feature + 1) * $bins - 1]);
        my $rows = sum0 @$counts[$feature * ($bins + 2) .. ($feature + 1) * ($bins + 2) - 1];
        require_that($rows == sum0(@$score_counts), 'counts that differ in their sums');
    }
}

sub _require_ascent (@edges) {
    require_that(!(grep { $_ != $_ } @edges), 'an edge that is not a number');
    require_that(!(grep { $edges[$_] < $edges[$_ - 1] } 1 .. $#edges), 'edges that do not ascend');
}

# Score the golden rows, and refuse unless every score is the same to the bit.
sub replay ($artifact) {
    my ($rows, $scores) = @$artifact{qw(golden.rows golden.scores)};
    for my $number (0 .. $#$scores) {
        my $score = _score($artifact, @$rows[$number * FEATURES .. ($number + 1) * FEATURES - 1]);
        refuse('golden-vectors', "no. $number") if pack('d<', $score) ne pack('d<', $scores->[$number]);
    }
}

sub _score ($artifact, @row) {
    my ($roots, $feature, $threshold, $left, $right, $missing_left, $value) =
        @$artifact{map { "forest.$_" } qw(roots feature threshold left right missing_left value)};
    my $score = 0.0;
    for my $root (@$roots) {
        my $node = $root;
        while ($left->[$node] != -1) {
            my $x = $row[$feature->[$node]];
            my $goes_left = $x != $x ? $missing_left->[$node] : $x <= $threshold->[$node];
            $node = $goes_left ? $left->[$node] : $right->[$node];
        }
        $score += $value->[$node];
    }
    return $score;
}

1;
