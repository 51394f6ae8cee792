# The control script of Postgres. Settings: home, as_server_user, programs, port.
data=$home/data

start() {
    if alive postgres "$data"; then return 0; fi
    if [ ! -e "$data/PG_VERSION" ]; then create || return 1; fi
    launch postgres "$programs/postgres" -D "$data"
    await postgres "$data"
}

# The first line of the server's own pid file is its pid, the eighth its state.
ready() {
    awk -v pid="$(cat postgres.pid)" '
        NR == 1 && $1 != pid { exit }
        NR == 8 && $1 == "ready" { ready = 1 }
        END { exit !ready }' "$data/postmaster.pid" 2>/dev/null
}

# SIGINT: clients are thrown out, everything is flushed.
stop() {
    halt postgres "$data" INT
}

# SIGQUIT: nothing is flushed, the next start recovers from the log. SIGKILL would leave the
# server's children behind, which for a moment refuse the next start.
slay() {
    halt postgres "$data" QUIT
}

# Durability is tested, so fsync stays on; only the creation itself need not survive a crash. No
# Unix socket: its path has a limit of some 100 bytes, which a target directory may well exceed.
create() {
    rm -rf "$data"
    "$programs/initdb" --pgdata="$data" --username=sagamore --auth=trust --encoding=UTF8 \
        --locale=C --no-sync >initdb.log 2>&1 || {
        cat initdb.log >&2
        return 1
    }
    cat >>"$data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
SETTINGS
}

main "$@"
