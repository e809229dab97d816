#!/usr/bin/env bash
# Installs packages of the distribution (Debian, Ubuntu), as root or through
# sudo, and says what it does.
#
#   scripts/install.sh run    libopus and pkg-config, for the Opus codec
#   scripts/install.sh test   the same, a Chromium for the browser tests,
#                             espeak-ng, which speaks for the tests of voice,
#                             coturn's clients, for one test of the relay, and
#                             Python, for the examples
#   scripts/install.sh check  node and npm, which bring the TypeScript compiler
#                             that checks the types of the page and the SDK
#
# What is there already is left alone. For "run", a machine where nothing can be
# installed is no failure: the server forwards without the codec.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		echo "install: not root and no sudo; as root, run: $*" >&2
		return 1
	fi
}

apt_install() {
	if ! have apt-get; then
		echo "install: no apt-get on this system; please install by its own means: $*" >&2
		return 1
	fi
	echo "install: installing $* from the distribution (apt-get)"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

missing_for_run() {
	have pkg-config || echo pkg-config
	{ have pkg-config && pkg-config --exists opus; } || echo libopus-dev
	have cc || have gcc || echo "gcc libc6-dev"
}

run() {
	missing=$(missing_for_run | tr '\n' ' ')
	if [ -z "${missing// /}" ]; then
		return 0
	fi
	# shellcheck disable=SC2086 # a list of names
	if ! apt_install $missing; then
		echo "install: going on without $missing: the server forwards calls, but has no Opus codec" >&2
	fi
}

browser() {
	for name in chromium chromium-browser google-chrome; do
		# Ubuntu's chromium-browser may be a stub that only names the snap.
		if have "$name" && "$name" --version >/dev/null 2>&1; then
			return 0
		fi
	done
	return 1
}

# without_services runs an installation that starts no service: Debian asks
# /usr/sbin/policy-rc.d before it starts one, and 101 forbids it.
without_services() {
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then # somebody else's: it decides
		"$@"
		return
	fi
	as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy" || return 1
	trap 'as_root rm -f "$policy"' EXIT
	status=0
	"$@" || status=$?
	as_root rm -f "$policy"
	trap - EXIT
	return $status
}

# turn_clients installs turnutils_uclient, which coturn's package brings. Its
# server is not wanted: it is not started now, and not at the next boot.
turn_clients() {
	if have turnutils_uclient; then
		return 0
	fi
	if without_services apt_install coturn; then
		if have systemctl; then
			as_root systemctl disable coturn >/dev/null 2>&1 || true
		fi
		echo "install: of coturn only the clients are used; its service was not started, and is off"
	else
		echo "install: going on without coturn's clients: one test of the relay will be skipped" >&2
	fi
}

tests() {
	run
	turn_clients
	have espeak-ng || apt_install espeak-ng || echo "install: going on without espeak-ng: tests that need speech are skipped" >&2
	have python3 || apt_install python3
	have curl || apt_install curl
	if browser; then
		return 0
	fi
	apt_install chromium || true
	if ! browser; then
		echo "install: the tests need a Chromium that can be started as chromium, chromium-browser or google-chrome;" >&2
		echo "install: where the distribution has only a snap, install Google Chrome's package, or use: go test ./..." >&2
		return 1
	fi
}

check() {
	if have node && have npm; then
		return 0
	fi
	apt_install nodejs npm || true
	if ! have node || ! have npm; then
		echo "install: the types of the TypeScript sources are checked by the compiler of npm's package typescript," >&2
		echo "install: and this machine has no node or no npm; please install both (nothing else needs them)" >&2
		return 1
	fi
}

case "${1:-}" in
run) run ;;
test) tests ;;
check) check ;;
*)
	echo "usage: scripts/install.sh run|test|check" >&2
	exit 2
	;;
esac
