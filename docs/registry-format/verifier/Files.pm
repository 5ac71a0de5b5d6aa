package Files;

# The files of one registry: reading each once and never too much of it, and keeping account of what was looked at.

use v5.36;
use Exporter qw(import);
use Json qw(refuse);

our @EXPORT_OK = qw(
    MAX_METADATA MAX_PROPOSALS about accounted entries open_registry present proposed read_file read_given);

use constant {MAX_METADATA => 1 << 20, MAX_PROPOSALS => 16};

my $folder;
my %accounted = map { $_ => 1 } qw(.lock blobs history proposed);

sub open_registry ($path) { $folder = $path }

# Do a piece of work about a file; a refusal inside names that file.
sub about ($file, $work) {
    $accounted{$file} = 1;
    my @result = eval { $work->() };
    my $error = $@;
    return wantarray ? @result : $result[0] if !$error;
    die $error if !ref $error;
    die {file => $file, %$error};
}

sub accounted ($name) { return $accounted{$name} }

# Read a file of the registry, of at most so many bytes.
sub read_file ($name, $limit = MAX_METADATA) {
    refuse('not-a-file', 'a link') if -l "$folder/$name";
    return read_given("$folder/$name", $limit);
}

# Read a file that the user names.
sub read_given ($path, $limit = MAX_METADATA) {
    refuse('missing', 'not there') if !-e $path;
    refuse('not-a-file', 'no plain file') if !-f _;
    open my $handle, '<:raw', $path or refuse('not-a-file', $!);
    read $handle, my $data, $limit + 1;
    refuse('oversized', "more than $limit bytes") if length $data > $limit;
    return $data;
}

# Tell whether something of that name is there, and be it a link to nowhere.
sub present ($name) { return -l "$folder/$name" || -e "$folder/$name" }

# Return what lies in a folder, and what it is.
sub entries ($place) {
    opendir my $handle, "$folder/$place" or return ();
    my @names = sort grep { $_ ne '.' && $_ ne '..' } readdir $handle;
    return map { ["$place$_", _kind("$folder/$place$_")] } @names;
}

sub _kind ($path) { return -l $path ? 'link' : -d $path ? 'folder' : -f $path ? 'file' : 'other' }

# Return the proposals; whatever else lies beside them is none.
sub proposed () { return grep { m{^proposed/[0-9a-f]{64}\.json$} } map { $_->[0] } entries('proposed/') }

1;
