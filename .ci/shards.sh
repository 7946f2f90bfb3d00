#!/usr/bin/env bash
# Runs in parts, against a server that writes down what it bills: bash .ci/shards.sh
#
# Four shards are killed at random moments and started again until they end: with less money
# than their work is worth, with enough of it, and with so little to spare, without a kill
# and with some, that one shard needs what the others left. The bill never passes the budget, and what is merged is the
# single run, byte for byte.
#
# N=1000 bash .ci/shards.sh runs it on 1000 prompts, and SEED=7 draws other moments. It takes
# a minute at the default size, and is no part of .ci/run.
set -euo pipefail
shopt -s inherit_errexit
exec </dev/null

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly n=${N:-100} of=4
RANDOM=${SEED:-1}
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off FIREWORKS_API_KEY=k OPENAI_API_KEY=k

tmp=$(mktemp -d "${TMPDIR:-/tmp}/reweigh-shards.XXXXXX")
readonly tmp
started=() failed=0
tidy() {
	local code=$? p
	for p in "${started[@]}"; do
		kill -KILL "$p" 2>/dev/null && wait "$p" 2>/dev/null || true
	done
	rm -rf "$tmp"
	exit "$code"
}
trap tidy EXIT

bad() {
	failed=$((failed + 1))
	printf 'FAILED  %s\n' "$*"
}
ok() { printf 'ok      %s\n' "$*"; }

go build -o "$tmp/bin/" ./examples/sample1pct ./examples/simserver
# Shorter responses are expected than come, so that a budget can be too small and a run begin.
sed -E 's/"expected_tokens": *[0-9.]+/"expected_tokens": 20/' offpolicy/pilot/record/plan.json >"$tmp/policies.json"

# serve NAME: a server whose bill is NAME.bill; live then names it.
live=()
serve() {
	"$tmp/bin/simserver" -bill "$tmp/$1.bill" >"$tmp/$1.urls" 2>&1 &
	started+=("$!")
	for _ in {1..100}; do
		grep -q openai "$tmp/$1.urls" && break
		sleep 0.1
	done
	live=(-live -fireworks-url "$(awk '$1 == "fireworks" { print $2 }' "$tmp/$1.urls")"
		-openai-url "$(awk '$1 == "openai" { print $2 }' "$tmp/$1.urls")" -prices providers/sim/prices.json -n "$n"
		-policies "$tmp/policies.json" -full $((n * 100)))
}

# bill NAME: the dollars on it.
bill() { sed -E 's/.*"total":\{[^}]*"usd":([0-9.e-]+).*/\1/' "$tmp/$1.bill"; }

# holds A '<=' B...: whether it is true of the numbers.
holds() { awk "BEGIN { exit !($*) }"; }

# shard I KILLS ARG...: starts a shard until it ends, and kills it that many times before.
shard() {
	local i=$1 kills=$2 p code
	shift 2
	while :; do
		"$tmp/bin/sample1pct" "${live[@]}" -shard "$i/$of" "$@" >"$tmp/out.$i" 2>&1 &
		p=$!
		if ((kills-- > 0)); then
			sleep "0.$((RANDOM % 9))$((RANDOM % 10))" # and starting takes some of it
			sleep "$((RANDOM % 2))"
			kill -KILL "$p" 2>/dev/null || true
		fi
		code=0
		{ wait "$p" || code=$?; } 2>/dev/null
		case $code in
		137) ;;
		0 | 3 | 4) return 0 ;;
		*)
			tail -n 5 "$tmp/out.$i"
			return 1
			;;
		esac
	done
}

# shards NAME ARG...: all of them, beside one another, in folders of their own.
shards() {
	local name=$1 i pids=()
	shift
	for ((i = 0; i < of; i++)); do
		(
			started=()
			trap - EXIT
			RANDOM=$((RANDOM + i * 101))
			shard "$i" "$((1 + RANDOM % 4))" -out "$tmp/$name.$i" "$@"
		) &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad "$name: a shard came to no verdict"
	done
}

# ended FOLDER: whether its manifest says that the shard owes nothing.
ended() { tr -d ' \n' <"$1/manifest.json" | grep -q '"open":\[\],"failed":0'; }

# same A B: the records of two folders are the same.
same() {
	local f
	for f in prompts responses logprobs oracle judge canaries samples; do
		cmp -s "$1/$f.jsonl" "$2/$f.jsonl" || return 1
	done
	diff -rq "$1/fresh_draws" "$2/fresh_draws" >/dev/null
}

calls() { grep -cvE '"stage":"preflight"' "$1/ledger.jsonl"; }

serve single
code=0
"$tmp/bin/sample1pct" "${live[@]}" -out "$tmp/single" >"$tmp/out" 2>&1 || code=$?
[[ $code == [034] ]] || { cat "$tmp/out" && exit 1; }
worth=$(bill single)
echo "the work of $n prompts is worth \$$worth"

# --- less money than the work is worth
budget=$(awk "BEGIN { printf \"%.4f\", $worth * 0.4 / 0.55 }")
serve short
shards short -budget "$budget"
if holds "$(bill short) <= $budget"; then
	ok "with \$$budget, over all starts: \$$(bill short)"
else
	bad "with \$$budget the bill is \$$(bill short)"
fi

# --- the same folders, with enough
serve enough
shards enough
"$tmp/bin/sample1pct" -merge -out "$tmp/merged" "$tmp"/enough.? >"$tmp/out" 2>&1 || code=$?
if same "$tmp/single" "$tmp/merged"; then
	ok 'merged: the single run, byte for byte'
else
	bad "merged: another than the single run: $(tail -n 2 "$tmp/out")"
fi
serve calm
for ((i = 0; i < of; i++)); do
	shard "$i" 0 -out "$tmp/calm.$i"
done
single=$(calls "$tmp/single") parts=0
for ((i = 0; i < of; i++)); do
	parts=$((parts + $(calls "$tmp/calm.$i")))
done
more=$(awk "BEGIN { printf \"%.1f\", 100 * ($parts / $single - 1) }")
if ((n < 1000)) || holds "$more <= 2"; then
	ok "$parts calls of all shards, $more% more than the $single of the single run"
else
	bad "$parts calls of all shards are $more% more than the $single of the single run"
fi

# last NAME BUDGET: starts of NAME's shards until none owes anything, each with the folders
# of those that have ended; no more than there are shards. They end as the single run.
last() {
	local name=$1 budget=$2 round i left done
	for ((round = 0; round < of; round++)); do
		left=() done=()
		for ((i = 0; i < of; i++)); do
			if ended "$tmp/$name.$i"; then
				done+=(-ledger "$tmp/$name.$i")
			else
				left+=("$i")
			fi
		done
		echo "$name: ${#left[@]} of $of shards have work left, and \$$(bill "$name") of \$$budget are spent"
		for i in "${left[@]}"; do
			shard "$i" 0 -out "$tmp/$name.$i" -budget "$budget" "${done[@]}"
		done
	done
	rm -rf "$tmp/together"
	"$tmp/bin/sample1pct" -merge -out "$tmp/together" "$tmp/$name".? >"$tmp/out" 2>&1 || true
	if ! holds "$(bill "$name") <= $budget"; then
		bad "$name: with \$$budget the bill is \$$(bill "$name")"
	elif same "$tmp/single" "$tmp/together"; then
		ok "$name: what was left over finishes the work: \$$(bill "$name") of \$$budget"
	else
		bad "$name: what was left over does not finish the work: \$$(bill "$name") of \$$budget"
	fi
}

# lost NAME: the dollars at which the ledgers of its shards hold what nobody saw the usage of.
lost() {
	grep -h '"usage_known":false' "$tmp/$1".?/ledger.jsonl |
		sed -E 's/.*"cost_usd":([0-9.e-]+).*/\1/' | awk '{ sum += $1 } END { printf "%.6f", sum }'
}

# --- so little to spare that what some left is what others need
budget=$(awk "BEGIN { printf \"%.4f\", $(bill calm) * 1.02 }")
serve tight
for ((i = 0; i < of; i++)); do
	shard "$i" 0 -out "$tmp/tight.$i" -budget "$budget"
done
last tight "$budget"

# --- and after kills: a call that was on its way may have been billed, and nobody saw how
# much. It keeps the most that it can have cost, for good. That comes on top, and calls by
# which a start makes sure of its servers again.
serve killed
for ((i = 0; i < of; i++)); do
	shard "$i" 1 -out "$tmp/killed.$i" -budget "$budget"
done
budget=$(awk "BEGIN { printf \"%.4f\", $budget + $(lost killed) }")
echo "killed: \$$(lost killed) are held for calls whose answers were lost"
last killed "$budget"
((failed == 0))
