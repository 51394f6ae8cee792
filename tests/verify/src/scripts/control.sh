# What the control scripts of both servers share. Before it stand the settings, after it what is
# special to one server: `launch_all`, `ready`, `stop_all`, `kill_all`.
#
# Everything runs as the servers' user and with an empty environment: a PGOPTIONS or a
# RABBITMQ_NODENAME of the developer's shell must not reach a server of ours.
if [ "${SAGAMORE_VERIFY_CLEAN:-}" != yes ]; then
    # shellcheck disable=SC2086 # the prefix is words
    exec $as_server_user env -i SAGAMORE_VERIFY_CLEAN=yes PATH="$PATH" LC_ALL=C \
        HOME="$home" sh "$0" "$@"
fi
# A Ctrl-C that ends the caller must not cut a start in two: the supervisor ends it in order.
trap '' HUP INT TERM
cd "$home" || exit 1

# The command line of a process, empty when there is none (or only a zombie is left).
command_line() {
    if [ -d /proc/self ]; then
        tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline"
    else
        ps -p "$1" -o command= 2>/dev/null
    fi
}

# Whether the process of a pid file lives and is ours: a pid may have been given to another since.
alive() { # NAME MARK
    [ -s "$1.pid" ] || return 1
    case "$(command_line "$(cat "$1.pid")")" in
        *"$2"*) return 0 ;;
        *) return 1 ;;
    esac
}

# Starts a server in the background. Its process notes its own pid first and only then looks
# whether the end has come; the supervisor announces the end first and only then looks for pids.
# So one of the two sees the other, and no server outlives the supervisor.
launch() { # NAME COMMAND...
    name=$1
    shift
    rm -f "$name.pid"
    if [ -e "$name.log" ]; then mv -f "$name.log" "$name.log.before"; fi
    # shellcheck disable=SC2016 # expanded by the inner shell
    nohup sh -c 'echo $$ >"$0"; test -e ../ending || exec "$@"' "$name.pid" "$@" \
        </dev/null >"$name.log" 2>&1 &
    until [ -s "$name.pid" ]; do sleep 0.05; done
}

# Sends a signal and waits until the process is gone; past 30 s it is killed.
halt() { # NAME MARK SIGNAL
    tenths=0
    while alive "$1" "$2"; do
        if [ "$tenths" -eq 0 ]; then kill -s "$3" "$(cat "$1.pid")"; fi
        if [ "$tenths" -eq 300 ]; then kill -s KILL "$(cat "$1.pid")"; fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
    rm -f "$1.pid"
}

# Waits until the server answers, 120 s at most: it may share two cores with a compiler.
await() { # NAME MARK
    tenths=0
    until ready; do
        if ! alive "$1" "$2" || [ "$tenths" -eq 1200 ]; then
            echo "$1 did not start; the end of its log:" >&2
            tail -n 40 "$1.log" >&2
            return 1
        fi
        sleep 0.1
        tenths=$((tenths + 1))
    done
}

main() {
    case "${1:-}" in
        start) start ;;
        stop) stop ;;
        kill) slay ;;
        restart) stop && start ;;
        *)
            echo "usage: $0 start|stop|kill|restart" >&2
            exit 2
            ;;
    esac
}
