#!/usr/bin/env bash
# Whole runs against what a machine and its neighbours can do to them: bash .ci/faults.sh
#
# Links and pipes in the run's folder, too few file descriptors, disks that are
# full, small or read-only, limits of a file's size, signals, kills, names, inputs
# without an end. Of each case three things are wanted: the program says what is
# wrong before it spends anything, or the run goes on; nothing outside its folder
# changes; and no line of the ledger that was written is another one afterwards.
#
# It takes some minutes, and is no part of .ci/run. Cases that need a right that
# this user lacks (mounting) are named as skipped. bash .ci/faults.sh PATTERN runs
# the cases whose names match.
set -euo pipefail
shopt -s inherit_errexit nullglob
exec </dev/null

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly only=${1:-.}
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off
unset FIREWORKS_API_KEY OPENAI_API_KEY
umask 022

tmp=$(mktemp -d "${TMPDIR:-/tmp}/reweigh-faults.XXXXXX")
readonly tmp
stopped=()
tidy() {
	local code=$? p
	for p in "${stopped[@]}"; do
		kill -KILL "$p" 2>/dev/null && wait "$p" 2>/dev/null || true
	done
	for p in "$tmp"/disk*; do
		umount "$p" 2>/dev/null || true
	done
	rm -rf "$tmp"
	exit "$code"
}
trap tidy EXIT

# The world outside, which no case may change.
outside=$tmp/outside
mkdir "$outside"
printf 'mine\n' >"$outside/victim"
mkdir "$outside/folder"

cases=0 failed=0 skipped=0 name='' log=$tmp/log

# begin NAME: whether this case is to be run.
begin() {
	name=$1
	[[ $name =~ $only ]] || return 1
	cases=$((cases + 1))
	: >"$log"
}

bad() {
	failed=$((failed + 1))
	printf 'FAILED  %s: %s\n' "$name" "$*"
	tail -n 5 "$log" | sed 's/^/        /'
}

skip() {
	cases=$((cases - 1)) skipped=$((skipped + 1))
	printf 'skipped %s: %s\n' "$name" "$*"
}

# good: the world outside is as it was.
good() {
	local now
	now=$(cd "$outside" && find . | sort | tr '\n' ' ' && cat victim)
	if [[ $now != '. ./folder ./victim mine' ]]; then
		bad "outside the folder there is now: $now"
		rm -rf "$outside"
		mkdir -p "$outside/folder"
		printf 'mine\n' >"$outside/victim"
		return
	fi
	printf 'ok      %s\n' "$name"
}

# short is a run of two prompts, too few for any estimate.
short=(-n 2 -full 200 -waive judge.calibration=drill)

# sample ARG...: the program, with a bound on its time; code is how it ended.
sample() {
	code=0
	timeout -k 5 "${patience:-60}" "$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" \
		"$@" >"$log" 2>&1 || code=$?
}

# refused CODES WORDS: it ended with one of the codes, and said why.
refused() {
	if [[ "|$1|" != *"|$code|"* ]]; then
		bad "exit code $code, want $1"
	elif ! grep -qiE -- "$2" "$log"; then
		bad "does not say $2"
	elif grep -qE 'panic:|goroutine [0-9]' "$log"; then
		bad 'a panic'
	else
		good
	fi
}

# went_on DIR: there is a verdict, and the run's records are those of an undisturbed one.
went_on() {
	local f
	case $code in
	0 | 3 | 4) ;;
	*)
		bad "exit code $code, want a verdict"
		return
		;;
	esac
	for f in prompts responses logprobs oracle judge samples; do
		if ! cmp -s "$1/$f.jsonl" "${2:-$tmp/calm}/$f.jsonl"; then
			bad "$f.jsonl is another than that of an undisturbed run"
			return
		fi
	done
	good
}

# paid DIR: the lines of its ledger about calls that have ended and are no free ones.
paid() { grep -v -E '"stage":"(preflight|certify)"|"outcome":"in_flight"' "$1/ledger.jsonl" 2>/dev/null \
	| sort || true; }

# kept BEFORE DIR: every line of the ledger that was there is there still.
kept() {
	local lost
	lost=$(comm -23 "$1" <(paid "$2"))
	[[ -z $lost ]] || bad "lines of the ledger are gone: $lost"
}

# entries LOG: the lines of the ledger that a journal holds whole, of calls that have ended.
entries() {
	sed -n '$d; s/^[0-9a-f]* [0-9]* [0-9]* {"kind":"ledger","key":"[^"]*","payload":\(.*\)}$/\1/p' "$1" 2>/dev/null |
		grep -v '"outcome":"in_flight"' | sort || true
}

size() { wc -c 2>/dev/null <"$1" || echo 0; }

# copy: a finished run to be disturbed.
copy() {
	rm -rf "$tmp/run"
	cp -a "$tmp/calm" "$tmp/run"
}

go build -o "$tmp/bin/" ./examples/sample1pct ./examples/simserver ./examples/analyze ./examples/report
cat >"$tmp/aa.json" <<'JSON'
[{"name": "p0", "role": "logging", "model": "accounts/fireworks/models/llama4-scout-instruct-basic",
  "template": "llama4",
  "temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 64, "expected_tokens": 60},
 {"name": "pi_clone", "role": "clone", "model": "accounts/fireworks/models/llama4-scout-instruct-basic",
  "template": "llama4",
  "temperature": 1, "top_p": 1, "top_k": 0, "max_tokens": 64, "expected_tokens": 60}]
JSON
sample -out "$tmp/calm"
[[ $code == [034] ]] || {
	cat "$log"
	exit 1
}
paid "$tmp/calm" >"$tmp/calm.paid"

# --- a process that is stopped for a minute, beside all the others
patience=300
stopped_run() {
	local at=$1 p
	"$tmp/bin/simserver" -faults slow=1:300ms >"$tmp/server" 2>&1 &
	stopped+=("$!")
	for _ in {1..100}; do
		grep -q openai "$tmp/server" && break
		sleep 0.1
	done
	FIREWORKS_API_KEY=k OPENAI_API_KEY=k "$tmp/bin/sample1pct" -live -fireworks-url \
		"$(awk '$1 == "fireworks" { print $2 }' \
		"$tmp/server")" -openai-url "$(awk '$1 == "openai" { print $2 }' "$tmp/server")" -prices providers/sim/prices.json \
		-policies "$tmp/aa.json" "${short[@]}" -out "$at" >"$tmp/stopped.log" 2>&1 &
	p=$!
	stopped+=("$p")
	for _ in {1..100}; do
		[[ $(wc -c 2>/dev/null <"$at/journal/log.jsonl" || echo 0) -gt 20000 ]] && break
		sleep 0.1
	done
	kill -STOP "$p"
	stopped_pid=$p stopped_at=$SECONDS
}
stopped_pid=''
[[ 'SIGSTOP for a minute' =~ $only ]] && stopped_run "$tmp/stopped"
patience=60

# --- what stands where a file of a finished run belongs
files=(prompts.jsonl responses.jsonl logprobs.jsonl oracle.jsonl judge.jsonl canaries.jsonl samples.jsonl ledger.jsonl
	manifest.json report.json report.md report.html journal/acked journal/lock journal/log.jsonl
	fresh_draws/pi_clone_responses.jsonl)

# planted WHAT FILE: the run is started again with that in the file's place.
planted() {
	local ledger=$tmp/run/ledger.jsonl
	# The journal's own files cannot be made anew; without its log there is no run.
	sample -out "$tmp/run"
	case $code in
	0 | 3 | 4)
		if [[ ! -f $tmp/run/$2 || -L $tmp/run/$2 ]]; then
			bad "$2 is not a file of its own"
			return
		fi
		kept "$tmp/calm.paid" "$tmp/run"
		if [[ $2 != report.* && $2 != manifest.json && $2 != ledger.jsonl ]] && ! cmp -s "$tmp/run/$2" "$tmp/calm/$2" &&
			[[ $2 != journal/* ]]; then
			bad "$2 is another than before"
			return
		fi
		good
		;;
	1 | 5)
		if [[ -f $ledger && ! -L $ledger ]] && ! cmp -s "$ledger" "$tmp/calm/ledger.jsonl"; then
			bad 'something was spent before it was refused'
			return
		fi
		refused '1|5' 'stands where|second name|journal|not a file|is a (link|folder|named pipe)'
		;;
	*) bad "exit code $code" ;;
	esac
}

for f in "${files[@]}"; do
	for what in link dangling pipe folder hardlink; do
		case $what in
		dangling | hardlink | folder) [[ $f == journal/* || $f == ledger.jsonl || $f == report.json ]] || continue ;;
		esac
		begin "a $what for $f" || continue
		copy
		rm "$tmp/run/$f"
		case $what in
		link) ln -s "$outside/victim" "$tmp/run/$f" ;;
		dangling) ln -s "$outside/new" "$tmp/run/$f" ;;
		pipe) mkfifo "$tmp/run/$f" ;;
		folder) mkdir "$tmp/run/$f" ;;
		hardlink) ln "$outside/victim" "$tmp/run/$f" ;;
		esac
		planted "$what" "$f"
	done
done
for f in fresh_draws journal; do
	begin "a link for the folder $f" || continue
	copy
	rm -r "${tmp:?}/run/$f"
	ln -s "$outside/folder" "$tmp/run/$f"
	sample -out "$tmp/run"
	refused '1|5' 'a link stands where a folder belongs|journal|no run'
done
if begin 'temporary files of others'; then
	copy
	ln -s "$outside/victim" "$tmp/run/.report.html.tmp-1-X"
	sample -out "$tmp/run"
	went_on "$tmp/run"
fi

# --- damage to the journal
damage() {
	begin "$1" || return 0
	copy
	(cd "$tmp/run/journal" && eval "$2")
	sample -out "$tmp/run"
	if [[ $3 == went_on ]]; then
		went_on "$tmp/run"
		kept "$tmp/calm.paid" "$tmp/run"
	else
		refused '1|5' "$3"
	fi
}
damage 'half a line at the end of the journal' 'printf "{\"half" >>log.jsonl' went_on
damage 'the last record cut in two' 'truncate -s -20 log.jsonl' 'journal|acknowledged'
damage 'a byte changed in the middle' \
	'printf X | dd of=log.jsonl bs=1 seek=20000 conv=notrunc status=none' 'damaged|log.jsonl'
damage 'the journal emptied' ': >log.jsonl' 'journal|acknowledged|log.jsonl'
damage 'zeros at the end' 'head -c 4096 /dev/zero >>log.jsonl' went_on
damage 'the mark of what was acknowledged gone' 'rm acked' went_on
damage 'a mark that is damaged, and so says nothing' 'printf "v1 99999999 00000000\n" >acked' went_on
damage 'a log that is shorter than its mark' 'truncate -s 30000 log.jsonl' 'were on the disk|acknowledged'

# --- limits of the process
limited() {
	begin "$1" || return 0
	rm -rf "$tmp/run"
	(
		eval "$2"
		sample -out "$tmp/run" "${@:4}"
		exit "$code"
	) && code=0 || code=$?
	if [[ $3 == went_on ]]; then
		went_on "$tmp/run"
	else
		[[ ! -s $tmp/run/ledger.jsonl ]] || bad 'something was spent before it was refused'
		refused '1|5' "$3"
	fi
}
limited '12 file descriptors' 'ulimit -n 12' 'may open 12 files.*the run may take|raise that limit'
limited '32 file descriptors' 'ulimit -n 32' 'fewer calls in flight'
limited '32 file descriptors and two calls in flight' 'ulimit -n 32' went_on -concurrency 2
limited '100 file descriptors' 'ulimit -n 100' went_on
limited 'files of 40 kB at most' 'ulimit -f 40' 'raise that limit'
limited 'files of 100 MB at most' 'ulimit -f 102400' went_on
limited 'the standard input closed' 'exec 0<&-' went_on
limited 'no HOME, no TMPDIR, no TERM' 'unset HOME TERM; export TMPDIR=/nowhere' went_on
limited 'another time zone and language' 'export TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 2>/dev/null' went_on
limited 'a proxy that is not there' 'export http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1' went_on
limited 'a umask that allows all' 'umask 000' went_on
if [[ -d $tmp/run ]] && begin 'what a umask that allows all leaves open'; then
	if [[ -n $(find "$tmp/run" -perm /077) ]]; then
		bad "open to others: $(find "$tmp/run" -perm /077 | head -3)"
	else
		good
	fi
fi

# A file of a run that has begun cannot grow any more: the run ends, says so, and goes on later.
if begin 'a limit of file sizes that is met mid-run'; then
	rm -rf "$tmp/run"
	sample -preflight -out "$tmp/run"
	mkdir -p "$tmp/run/journal"
	(
		ulimit -f 60
		sample -out "$tmp/run"
		exit "$code"
	) && code=0 || code=$?
	paid "$tmp/run" >"$tmp/paid"
	if [[ $code != 1 ]] || ! grep -q 'file too large' "$log"; then
		bad "exit code $code, want 1 and the cause"
	else
		sample -out "$tmp/run"
		kept "$tmp/paid" "$tmp/run"
		went_on "$tmp/run"
	fi
fi

# --- where output goes
if begin 'the standard output full'; then
	copy
	code=0
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -out "$tmp/run" >/dev/full 2>"$log" || code=$?
	refused '1' 'no space left'
fi
if begin 'the standard error closed'; then
	copy
	code=0
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -out "$tmp/run" >"$log" 2>&- || code=$?
	went_on "$tmp/run"
fi
if begin 'a reader of the output that goes away'; then
	rm -rf "$tmp/run"
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -out "$tmp/run" 2>&1 | head -c 1 >/dev/null || true
	sample -out "$tmp/run"
	went_on "$tmp/run"
fi

# --- disks
disk() {
	mkdir -p "$tmp/disk"
	mount -t tmpfs -o "$1" tmpfs "$tmp/disk" 2>/dev/null
}
for size in 40k 100k 200k; do
	begin "a disk of $size that fills mid-run" || continue
	disk "size=$size" || {
		skip 'cannot mount here'
		continue
	}
	mkdir -p "$tmp/disk/run/journal" # a new run would be refused for want of room
	sample -out "$tmp/disk/run"
	paid "$tmp/disk/run" >"$tmp/paid"
	if [[ $code != 1 ]] || ! grep -q 'no space left' "$log"; then
		bad "exit code $code, want 1 and the cause"
	else
		mount -o remount,size=64m "$tmp/disk"
		sample -out "$tmp/disk/run"
		kept "$tmp/paid" "$tmp/disk/run"
		went_on "$tmp/disk/run"
	fi
	umount "$tmp/disk"
done
if begin 'a new run on a disk without room'; then
	if disk size=40k; then
		sample -out "$tmp/disk/run"
		refused '5' 'MB left'
		umount "$tmp/disk"
	else skip 'cannot mount here'; fi
fi
if begin 'a disk that takes few files'; then
	if disk size=8m,nr_inodes=12; then
		sample -out "$tmp/disk/run"
		paid "$tmp/disk/run" >"$tmp/paid"
		if [[ $code != [15] ]] || ! grep -q 'no space left' "$log"; then
			bad "exit code $code, want 1 or 5 and the cause"
		else
			mount -o remount,nr_inodes=1000 "$tmp/disk"
			sample -out "$tmp/disk/run"
			kept "$tmp/paid" "$tmp/disk/run"
			went_on "$tmp/disk/run"
		fi
		umount "$tmp/disk"
	else skip 'cannot mount here'; fi
fi
if begin 'a disk that is read-only'; then
	if disk size=8m,ro; then
		sample -out "$tmp/disk/run"
		refused '5' 'read-only'
		umount "$tmp/disk"
	else skip 'cannot mount here'; fi
fi

# --- folders that are none, or another's
folder() {
	begin "$1" || return 0
	rm -rf "$tmp/at"
	mkdir "$tmp/at"
	(cd "$tmp/at" && eval "$2")
	sample -out "$3"
	refused '1|2|5' "$4"
}
folder 'a file for the folder' ': >run' "$tmp/at/run" 'not a folder|not a directory'
folder 'a file above the folder' ': >x' "$tmp/at/x/run" 'not a folder|not a directory'
folder 'a pipe for the folder' 'mkfifo run' "$tmp/at/run" 'not a folder|not a directory'
folder 'the null device for the folder' ':' /dev/null 'not a folder|not a directory'
folder 'a folder of somebody else' 'mkdir run; echo hi >run/thesis.txt' "$tmp/at/run" 'not empty'
folder 'a name that is too long' ':' "$tmp/at/$(printf 'x%.0s' {1..300})" 'too long'
folder 'a link to nowhere' 'ln -s nowhere run' "$tmp/at/run" 'link|no such file|exist'
folder 'a link to itself' 'ln -s run run' "$tmp/at/run" 'link|too many'

# --- names of policies
policy() {
	begin "$1" || return 0
	rm -rf "$tmp/run"
	sed "s|\"pi_clone\"|$2|" "$tmp/aa.json" >"$tmp/named.json"
	code=0
	timeout 60 "$tmp/bin/sample1pct" -policies "$tmp/named.json" "${short[@]}" -out "$tmp/run" >"$log" 2>&1 || code=$?
	[[ ! -e $tmp/run/ledger.jsonl ]] || bad 'something was spent before it was refused'
	refused '5' "$3"
}
policy 'a policy with a NUL in its name' '"pi\\u0000clone"' "x00"
policy 'a policy named by 245 letters' "\"$(printf 'x%.0s' {1..245})\"" '245 bytes'
policy 'a policy named ..' '".."' 'begins with'
policy 'a policy whose name is a path' '"../../outside/victim"' 'begins with|holds'
policy 'a policy named like a device' '"NUL"' 'device'
policy 'two policies that differ in case' '"P0"' 'p0'
policy 'a policy whose name turns the line round' '"pi\\u202eclone"' 'u202e'

# --- inputs
input() {
	begin "$1" || return 0
	rm -rf "$tmp/run" "$tmp/in"
	mkdir "$tmp/in"
	(cd "$tmp/in" && eval "$2")
	sample -out "$tmp/run" "${@:4}"
	[[ ! -s $tmp/run/ledger.jsonl ]] || bad 'something was spent before it was refused'
	refused '1|2|5' "$3"
}
input 'an input of zeros without an end' ':' 'NUL|longer than' -input /dev/zero
input 'an input that is a folder' 'mkdir x' 'directory|folder' -input "$tmp/in/x"
input 'an input that is empty' ':' 'no prompts|empty' -input /dev/null
input 'the standard input closed for an input' ':' 'no prompts|bad file|empty' -input -
input 'an input that a link leads nowhere from' 'ln -s nowhere x' 'no such file' -input "$tmp/in/x"
input 'an input without a right to it' 'ln -s loop loop' 'too many' -input "$tmp/in/loop"
input 'prices of zeros without an end' ':' 'longer than' -prices /dev/zero
input 'policies without an end' ':' 'JSON' -policies /dev/zero
input 'policies that are a folder' 'mkdir x' 'directory|folder' -policies "$tmp/in/x"
input 'labels that are empty' ': >x' 'label|empty|header' -labels "$tmp/in/x"

# --- neighbours
if begin 'two starts in one folder at a time'; then
	rm -rf "$tmp/run"
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -faults slow=1:100ms \
		-out "$tmp/run" >"$tmp/first.log" 2>&1 &
	first=$!
	for _ in {1..100}; do
		[[ -s $tmp/run/journal/log.jsonl ]] && break
		sleep 0.1
	done
	sample -faults slow=1:100ms -out "$tmp/run"
	refused '5' 'in use by another process'
	code=0
	wait "$first" || code=$?
	name+=', the first of them'
	went_on "$tmp/run"
fi
if begin 'a folder that is renamed mid-run'; then
	rm -rf "$tmp/run" "$tmp/moved"
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -faults slow=1:50ms -out "$tmp/run" >"$log" 2>&1 &
	first=$!
	for _ in {1..100}; do
		[[ $(wc -c 2>/dev/null <"$tmp/run/journal/log.jsonl" || echo 0) -gt 20000 ]] && break
		sleep 0.1
	done
	mv "$tmp/run" "$tmp/moved"
	code=0
	wait "$first" || code=$?
	paid "$tmp/moved" >"$tmp/paid"
	sample -faults slow=1:50ms -out "$tmp/moved"
	kept "$tmp/paid" "$tmp/moved"
	went_on "$tmp/moved"
fi

# --- signals, which have to come while calls are slow
signalled() {
	begin "$1" || return 0
	rm -rf "$tmp/run"
	"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -faults slow=1:200ms -out "$tmp/run" >"$log" 2>&1 &
	local p=$! s
	for _ in {1..500}; do
		[[ $(wc -c 2>/dev/null <"$tmp/run/journal/log.jsonl" || echo 0) -gt 5000 ]] && break
		sleep 0.02
	done
	for s in $2; do
		kill "-$s" "$p" 2>/dev/null || true
	done
	code=0
	wait "$p" || code=$?
	if [[ "|$3|" != *"|$code|"* ]]; then
		bad "exit code $code, want $3"
		return
	fi
	paid "$tmp/run" >"$tmp/paid"
	sample -faults slow=1:200ms -out "$tmp/run"
	kept "$tmp/paid" "$tmp/run"
	went_on "$tmp/run"
}
signalled 'SIGINT' INT '130|0|3|4'
signalled 'SIGTERM' TERM '130|0|3|4'
signalled 'SIGTERM twice' 'TERM TERM' '130|0|3|4'
signalled 'SIGHUP, as a terminal that closes' HUP '129|130'
signalled 'SIGQUIT' QUIT '2|131'
signalled 'SIGSTOP and SIGCONT' 'STOP CONT' '0|3|4'
signalled 'SIGPIPE' PIPE '0|3|4|141'

# --- kill -9 thirty times while every fault of transport is on
if begin 'kill -9 thirty times with every fault of transport'; then
	faults=429=0.1,500=0.05,503=0.05,reset=0.05,truncate=0.05,slow=0.3:30ms
	shorter=("${short[@]}")
	short+=(-n 60) # thirty kills need a run that takes a while
	rm -rf "$tmp/run" "$tmp/faulty"
	sample -faults "$faults" -out "$tmp/faulty"
	kills=0 starts=0 seen=0 at=$tmp/run/journal/log.jsonl
	RANDOM=42
	: >"$tmp/before"
	while ((kills < 30 && starts < 60)); do
		starts=$((starts + 1))
		length=$(size "$at")
		"$tmp/bin/sample1pct" -policies "$tmp/aa.json" "${short[@]}" -faults "$faults" -out "$tmp/run" >"$log" 2>&1 &
		p=$!
		for _ in {1..100}; do
			kill -0 "$p" 2>/dev/null && (($(size "$at") <= length)) || break
			sleep 0.05
		done
		sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
		kill -KILL "$p" 2>/dev/null && kills=$((kills + 1))
		wait "$p" 2>/dev/null || true
		entries "$at" >"$tmp/after"
		lost=$(comm -23 "$tmp/before" "$tmp/after")
		[[ -z $lost ]] || bad "kill $kills moved lines of the ledger: $lost"
		cmp -s "$tmp/before" "$tmp/after" || seen=$((seen + 1))
		mv "$tmp/after" "$tmp/before"
	done
	sample -faults "$faults" -out "$tmp/run"
	lost=$(comm -23 "$tmp/before" <(sort "$tmp/run/ledger.jsonl"))
	[[ -z $lost ]] || bad "the ledger has other lines than the journal of what was killed: $lost"
	((seen >= 5)) || bad "only $seen starts left new lines of the ledger to be compared"
	((kills == 30)) || bad "only $kills of 30 starts were killed"
	went_on "$tmp/run" "$tmp/faulty"
	short=("${shorter[@]}")
fi

# --- the key: what sample1pct writes, and what the other commands make of it
if begin 'a key that servers show is in nothing that is written'; then
	code=0
	REWEIGH_COMMANDS=$tmp/bin go test -count=1 ./examples/sample1pct ./examples/logprob ./internal/shownkey \
		-run 'TestKeyIsNowhere|TestSearchFindsPlantedKeys' >"$log" 2>&1 || code=$?
	refused 0 '^ok .*shownkey'
fi

# --- the process that was stopped
if begin 'SIGSTOP for a minute'; then
	left=$((60 - SECONDS + stopped_at))
	((left <= 0)) || sleep "$left"
	kill -CONT "$stopped_pid"
	code=0
	wait "$stopped_pid" || code=$?
	cp "$tmp/stopped.log" "$log"
	case $code in
	0 | 3 | 4) good ;;
	*) bad "exit code $code, want a verdict" ;;
	esac
fi

printf '%d cases, %d failed, %d skipped, in %d s\n' "$cases" "$failed" "$skipped" "$SECONDS"
((failed == 0)) || exit 1
[[ $only != . ]] || ((cases >= 60))
