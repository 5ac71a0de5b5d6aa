package Json;

# JSON as the metadata of a registry has it: reading, the two byte forms, and the part of JSON Schema that the two
# schemas of this folder use. A value is a pair: ['string', characters], ['integer', digits], ['number', text],
# ['boolean', 0 or 1], ['null'], ['array', [values]], ['object', {key => value}].

use v5.36;
no warnings 'surrogate';    # halves of characters are read, and refused where they have no bytes
use Encode qw(encode_utf8);
use Exporter qw(import);

our @EXPORT_OK = qw(refuse parse_json parse_metadata file_bytes canonical_bytes plain misfit);

use constant {MAX_DEPTH => 16, MAX_DIGITS => 16};

my %ESCAPES = ('"' => '"', '\\' => '\\', '/' => '/', b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");
my %ESCAPED = ('"' => '\"', '\\' => '\\\\', map { $ESCAPES{$_} => "\\$_" } qw(b f n r t));

# End with a refusal; whoever knows the file adds it.
sub refuse ($reason, $why) { die {reason => $reason, why => $why} }

# Read a metadata file, which must be in the one layout.
sub parse_metadata ($bytes) {
    refuse('layout', 'not ASCII') if $bytes =~ /[^\x00-\x7f]/;
    my $value = parse_json($bytes);
    refuse('layout', 'not an object') if $value->[0] ne 'object';
    refuse('layout', 'not in the layout') if $bytes ne file_bytes($value, 0) . "\n";
    return $value;
}

# Read JSON; numbers that are no integers are refused unless $fractions.
sub parse_json ($text, $fractions = 0) {
    my $value = _value(\$text, $fractions, 0);
    refuse('layout', 'something behind the end') if $text !~ /\G[ \t\r\n]*\z/gc;
    return $value;
}

sub _value ($text, $fractions, $depth) {
    $$text =~ /\G[ \t\r\n]*/gc;
    if ($$text =~ /\G([\[{])/gc) {
        refuse('layout', 'nested too deep') if $depth == MAX_DEPTH;
        return $1 eq '{' ? _object($text, $fractions, $depth + 1) : _array($text, $fractions, $depth + 1);
    }
    return ['string', _characters($1)]
        if $$text =~ /\G"([^"\\\x00-\x1f]*(?:\\(?:["\\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*)"/gc;
    return ['boolean', $1 eq 'true' ? 1 : 0] if $$text =~ /\G(true|false)/gc;
    return ['null'] if $$text =~ /\Gnull/gc;
    refuse('not-an-integer', "the number $1") if $$text =~ /\G(NaN|-?Infinity)/gc;
    refuse('layout', 'not JSON') if $$text !~ /\G(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/gc;
    my ($integer, $fraction) = ($1, $2);
    return ['number', "$integer$fraction"] if $fractions;
    refuse('not-an-integer', "the number $integer$fraction") if $fraction ne '';
    refuse('layout', 'a zero with a sign') if $integer eq '-0';
    refuse('layout', 'too many digits') if $integer =~ /[0-9]{@{[MAX_DIGITS + 1]}}/;
    return ['integer', $integer];
}

sub _array ($text, $fractions, $depth) {
    my @values;
    return ['array', \@values] if $$text =~ /\G[ \t\r\n]*\]/gc;
    do { push @values, _value($text, $fractions, $depth) } while $$text =~ /\G[ \t\r\n]*,/gc;
    refuse('layout', 'a list without its end') if $$text !~ /\G[ \t\r\n]*\]/gc;
    return ['array', \@values];
}

sub _object ($text, $fractions, $depth) {
    my %values;
    return ['object', \%values] if $$text =~ /\G[ \t\r\n]*\}/gc;
    do {
        my $key = _value($text, $fractions, $depth);
        refuse('layout', 'a key that is no text') if $key->[0] ne 'string' || $$text !~ /\G[ \t\r\n]*:/gc;
        refuse('layout', "the key $key->[1] twice") if exists $values{$key->[1]};
        $values{$key->[1]} = _value($text, $fractions, $depth);
    } while $$text =~ /\G[ \t\r\n]*,/gc;
    refuse('layout', 'an object without its end') if $$text !~ /\G[ \t\r\n]*\}/gc;
    return ['object', \%values];
}

sub _characters ($escaped) {
    $escaped =~ s{\\(?:u([0-9a-fA-F]{4})|(.))}{defined $1 ? chr hex $1 : $ESCAPES{$2}}ge;
    $escaped =~ s{([\x{d800}-\x{dbff}])([\x{dc00}-\x{dfff}])}
                 {chr(0x10000 + ((ord($1) - 0xd800) << 10) + ord($2) - 0xdc00)}ge;
    return $escaped;
}

# The layout of a file, but for the newline at its end.
sub file_bytes ($value, $level) {
    my ($kind, $content) = @$value;
    return '"' . $content =~ s/([\\"]|[^ -~])/$ESCAPED{$1} || _escape($1)/ger . '"' if $kind eq 'string';
    my @parts;
    @parts = map { file_bytes($_, $level + 1) } @$content if $kind eq 'array';
    @parts = map { file_bytes(['string', $_], 0) . ': ' . file_bytes($content->{$_}, $level + 1) } sort keys %$content
        if $kind eq 'object';
    my ($open, $close) = $kind eq 'object' ? ('{', '}') : ('[', ']');
    return _scalar($value) if $kind ne 'array' && $kind ne 'object';
    return "$open$close" if !@parts;
    my $line = "\n" . ' ' x ($level + 1);
    return $open . $line . join(",$line", @parts) . "\n" . ' ' x $level . $close;
}

sub _escape ($character) {
    my $code = ord $character;
    return sprintf '\u%04x', $code if $code < 0x10000;
    return sprintf '\u%04x\u%04x', 0xd800 + ($code - 0x10000 >> 10), 0xdc00 + ($code - 0x10000 & 0x3ff);
}

# The canonical form: the bytes that signatures are over.
sub canonical_bytes ($value) {
    my $text = _canonical($value);
    refuse('malformed', 'half a character, which has no bytes') if $text =~ /[\x{d800}-\x{dfff}]/;
    return encode_utf8($text);
}

sub _canonical ($value) {
    my ($kind, $content) = @$value;
    return '"' . $content =~ s/([\\"])/\\$1/gr . '"' if $kind eq 'string';
    return '[' . join(',', map { _canonical($_) } @$content) . ']' if $kind eq 'array';
    return _scalar($value) if $kind ne 'object';
    my @members = map { _canonical(['string', $_]) . ':' . _canonical($content->{$_}) } sort keys %$content;
    return '{' . join(',', @members) . '}';
}

sub _scalar ($value) {
    my ($kind, $content) = @$value;
    return $kind eq 'null' ? 'null' : $kind eq 'boolean' ? ($content ? 'true' : 'false') : $content;
}

# The same as Perl's own data.
sub plain ($value) {
    my ($kind, $content) = @$value;
    return undef if $kind eq 'null';
    return [map { plain($_) } @$content] if $kind eq 'array';
    return {map { $_ => plain($content->{$_}) } keys %$content} if $kind eq 'object';
    return $content;
}

# Say in what a value does not fit a schema, '' if it fits; $root is the schema as a whole.
sub misfit ($value, $schema, $root) {
    my ($kind, $content) = @$value;
    my %schema = %$schema;
    delete @schema{qw($schema $id $defs title description)};
    if (my $reference = delete $schema{'$ref'}) {
        my ($name) = $reference =~ m{^#/\$defs/(\w+)$} or die "no reference: $reference";
        my $wrong = misfit($value, $root->{'$defs'}{$name}, $root);
        return $wrong if $wrong;
    }
    if (my $choices = delete $schema{anyOf}) {
        return 'fits no choice' if !grep { !misfit($value, $_, $root) } @$choices;
    }
    my $type = delete $schema{type};
    return "is no $type" if defined $type && $type ne $kind;
    my ($const, $has_const) = ($schema{const}, exists $schema{const});
    return "is not $const" if $has_const && (ref $content || ($kind eq 'boolean' ? 0 + $content : $content) ne $const);
    my ($pattern, $longest) = @schema{qw(pattern maxLength)};
    $pattern =~ s/\\u([0-9a-f]{4})/\\x{$1}/g if defined $pattern;
    return 'is of another form' if defined $pattern && $kind eq 'string' && $content !~ /$pattern/;
    return 'is too long' if defined $longest && $kind eq 'string' && length $content > $longest;
    my ($least, $most) = @schema{qw(minimum maximum)};
    return "is under $least" if defined $least && $kind eq 'integer' && $content < $least;
    return "is over $most" if defined $most && $kind eq 'integer' && $content > $most;
    delete @schema{qw(const pattern maxLength minimum maximum)};
    return _members_misfit($value, \%schema, $root);
}

sub _members_misfit ($value, $schema, $root) {
    my ($kind, $content) = @$value;
    my ($items, $most, $most_keys, $names, $required, $properties, $others) =
        delete @$schema{qw(items maxItems maxProperties propertyNames required properties additionalProperties)};
    die 'unknown keywords: ', join ' ', keys %$schema if %$schema;
    my %wrong;
    if ($kind eq 'array') {
        return 'has too many items' if defined $most && @$content > $most;
        %wrong = map { $_ => $items && misfit($content->[$_], $items, $root) } 0 .. $#$content;
    } elsif ($kind eq 'object') {
        return 'has too many keys' if defined $most_keys && keys %$content > $most_keys;
        exists $content->{$_} or return "lacks $_" for @{$required // []};
        for my $key (keys %$content) {
            my $member = exists $properties->{$key} ? $properties->{$key} : $others;
            return "has the unknown field $key" if defined $member && !ref $member;
            $wrong{$key} = $names && misfit(['string', $key], $names, $root);
            $wrong{$key} ||= misfit($content->{$key}, $member, $root) if defined $member;
        }
    }
    $wrong{$_} and return "$_: $wrong{$_}" for sort keys %wrong;
    return '';
}

1;
