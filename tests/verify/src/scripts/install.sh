# Installs packages on Debian without starting a service: the tests run servers of their own, and
# one more on the standard ports would be a surprise to whoever owns the machine. A policy-rc.d
# that says 101 (forbidden) is the one switch that both invoke-rc.d and deb-systemd-invoke honour.
# It stands only while apt-get runs; what stood there before is put back as it was.
policy=/usr/sbin/policy-rc.d
before=$policy.before-sagamore-verify
mark='# Placed by cargo verify of Sagamore while it installs packages.'

restore() {
    # Without our mark there is nothing of ours to take away.
    grep -qxF "$mark" "$policy" 2>/dev/null || return 0
    if [ -e "$before" ]; then mv -f "$before" "$policy"; else rm -f "$policy"; fi
}

# First undo what a killed run may have left.
restore
trap restore EXIT
trap 'exit 130' HUP INT TERM

forbidding=$policy.sagamore-verify
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$forbidding"
chmod 755 "$forbidding"
if [ -e "$policy" ]; then cp -a "$policy" "$before"; else rm -f "$before"; fi
mv -f "$forbidding" "$policy"

export DEBIAN_FRONTEND=noninteractive
# What is there already stays at its version: that is its owner's decision.
install() {
    apt-get install --yes --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 "$@"
}
# The package lists are fetched only when those at hand do not serve.
install "$@" || { apt-get update && install "$@"; }
