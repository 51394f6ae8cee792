# Outlives `cargo verify` by a moment and ends what it started. Settings: directory, keep.
#
# Its input is a pipe that only the living verify process holds open. However that process ends, be
# it by a return, a panic, a Ctrl-C or SIGKILL, the pipe closes, and no signal handler is needed.
#
# Each line names the process that runs now (-GROUP for a whole process group), an empty line none.
trap '' HUP INT TERM
cd / || exit 1
watched=
while read -r line; do watched=$line; done

# Ends what still runs, which would otherwise find its servers gone: politely, then after 5 s not.
if [ -n "$watched" ]; then
    kill -s TERM -- "$watched" 2>/dev/null
    tenths=0
    while kill -s 0 -- "$watched" 2>/dev/null && [ "$tenths" -lt 50 ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -s KILL -- "$watched" 2>/dev/null
fi

# The control scripts read this before they start anything: see `launch`.
: >"$directory/ending"
for server in postgres rabbitmq; do
    if [ -x "$directory/$server-control" ]; then "$directory/$server-control" kill & fi
done
wait
# The last logs stay, for whoever asks why a test failed.
cp "$directory"/*/*.log "$keep" 2>/dev/null
rm -rf "$directory" || { sleep 1 && rm -rf "$directory"; }
