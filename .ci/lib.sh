# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# What every step uses. Steps are functions called plainly, never as a condition
# or in a list with && or ||: bash suspends set -e inside those, and a failure
# in the middle of a step would pass.

current='startup'

step() {
	current=$1
	printf '\n=== %s\n' "$1"
	local start=$SECONDS
	"$1"
	printf -- '--- %s: %d s\n' "$1" $((SECONDS - start))
}

fail() {
	printf '%s: FAILED: %s\n' "$current" "$*" >&2
	exit 1
}

# on_exit reports the step that ended the script early and removes what the
# steps left behind.
on_exit() {
	local code=$?
	if ((code != 0)); then
		printf '\nFAILED in step %s (exit code %d)\n' "$current" "$code" >&2
	fi
	rm -rf "$tmp"
	exit "$code"
}
trap on_exit EXIT
on_err() { printf 'line %d of %s failed: %s\n' "$1" "$2" "${3%%$'\n'*}" >&2; }
trap 'on_err "$LINENO" "${BASH_SOURCE[0]}" "$BASH_COMMAND"' ERR
set -o errtrace

# need FILE...: a step whose input is missing fails; it does not pass for want
# of work.
need() {
	local f
	for f in "$@"; do
		[[ -e $f ]] || fail "$f is missing"
	done
}

# expect CODES NAME COMMAND...: runs the command with its output in
# $tmp/log/NAME and fails, showing the end of it, unless its exit code is among
# CODES (separated by |).
expect() {
	local codes=$1 name=$2 code=0
	shift 2
	mkdir -p "$tmp/log"
	"$@" >"$tmp/log/$name" 2>&1 || code=$?
	if [[ "|$codes|" != *"|$code|"* ]]; then
		tail -n 40 "$tmp/log/$name" >&2
		fail "$name: exit code $code, want $codes: $*"
	fi
	printf 'ok   %-28s exit %s\n' "$name" "$code"
}

# readme_command PREFIX prints the one line of README.md's fenced blocks that
# begins with PREFIX, so that what is checked is what the README tells people to
# type.
readme_command() {
	need README.md
	local found
	found=$(awk -v prefix="$1" '/^```/ { fenced = !fenced; next } fenced && index($0, prefix) == 1' README.md)
	[[ -n $found ]] || fail "README.md has no fenced command that begins with '$1'"
	[[ $(wc -l <<<"$found") == 1 ]] || fail "README.md has several fenced commands that begin with '$1'"
	sed -E 's/[[:space:]]+#.*$//' <<<"$found" # a comment would take in what is appended
}

# modules prints the folder of every module of the repository, the root first.
modules() {
	git ls-files --cached --others --exclude-standard -- go.mod '*/go.mod' | grep -v '/testdata/' |
		sed 's|/*go\.mod$||; s|^$|.|' | sort
}
