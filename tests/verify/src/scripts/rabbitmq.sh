# The control script of RabbitMQ. Settings: home, as_server_user, program, port,
# distribution_port, epmd_port, node.

# The server itself is called, never Debian's wrapper in /usr/sbin, which insists on the user
# `rabbitmq` and the system's directories. ALLOW_INPUT makes its script become the Erlang machine
# instead of waiting for it, so that the pid is the server's; `-noinput` takes the input away again.
start() {
    if alive rabbitmq "$home"; then return 0; fi
    configure
    export ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1
    if ! alive epmd "-port $epmd_port"; then launch epmd epmd -port "$epmd_port"; fi
    launch rabbitmq env \
        RABBITMQ_NODENAME="$node" \
        RABBITMQ_CONF_ENV_FILE="$home/environment" \
        RABBITMQ_CONFIG_FILE="$home/rabbitmq.config" \
        RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" \
        RABBITMQ_MNESIA_BASE="$home/mnesia" \
        RABBITMQ_LOG_BASE="$home/log" \
        RABBITMQ_NODE_PORT="$port" \
        RABBITMQ_DIST_PORT="$distribution_port" \
        RABBITMQ_ALLOW_INPUT=yes \
        RABBITMQ_SERVER_START_ARGS="-noinput +B i" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} -sagamore_verify $home" \
        "$program"
    await rabbitmq "$home"
}

# The server's last line of a start, written once its listener accepts.
ready() {
    grep -q 'Server startup complete' rabbitmq.log
}

stop() {
    halt rabbitmq "$home" TERM
    halt epmd "-port $epmd_port" KILL
}

slay() {
    halt rabbitmq "$home" KILL
    halt epmd "-port $epmd_port" KILL
}

# Erlang's own notation: rabbitmq.conf would first be translated, which takes 2 of 10 s of a start.
configure() {
    mkdir -p mnesia log
    : >environment
    echo '[].' >enabled_plugins
    echo '[].' >advanced.config
    cat >rabbitmq.config <<SETTINGS
[{rabbit, [
    {tcp_listeners, [{"127.0.0.1", $port}]},
    {log, [{console, [{enabled, true}, {level, info}]}, {file, [{file, false}]}]}
]}].
SETTINGS
}

main "$@"
