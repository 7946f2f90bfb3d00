# shellcheck shell=bash disable=SC2154 # tmp and root are set by run
# The built examples against the contract of the run directory, the command
# line and the exit codes.

record_files='prompts.jsonl responses.jsonl logprobs.jsonl oracle.jsonl judge.jsonl samples.jsonl fresh_draws'

build_examples() {
	need examples/sample1pct examples/simserver examples/logprob examples/report examples/analyze
	mkdir -p "$tmp/bin"
	go build -o "$tmp/bin/" ./examples/...
	go build -o "$tmp/bin/checkrun" ./.ci/checkrun
}

sample() { "$tmp/bin/sample1pct" "$@"; }

# check_run DIR N FLAG...: reads the run's files with a program that shares no
# code with the library.
check_run() {
	local dir=$1 n=$2
	shift 2
	"$tmp/bin/checkrun" -run "$dir" -n "$n" "$@"
}

# same_records A B: byte for byte.
same_records() {
	local f
	for f in $record_files; do
		need "$1/$f" "$2/$f"
		diff -rq "$1/$f" "$2/$f" || fail "$f differs between $1 and $2"
	done
}

run_as_readme_says() {
	local cmd
	cmd=$(readme_command 'go run ./examples/sample1pct')
	printf '$ %s\n' "$cmd"
	expect 0 readme bash -euo pipefail -c "$cmd -out '$tmp/readme'"
	check_run "$tmp/readme" 100 -decision GO
}

run_fresh_and_resumed() {
	expect 0 fresh sample -out "$tmp/fresh"
	check_run "$tmp/fresh" 100 -decision GO
	local before after
	before=$(wc -l <"$tmp/fresh/ledger.jsonl")
	cp -r "$tmp/fresh" "$tmp/fresh.before"
	expect 0 resumed sample -out "$tmp/fresh"
	check_run "$tmp/fresh" 100 -decision GO
	same_records "$tmp/fresh.before" "$tmp/fresh"
	after=$(wc -l <"$tmp/fresh/ledger.jsonl")
	# The models may be listed and the endpoint certified again; no record may be
	# asked for.
	grep -v -E '"stage":"(preflight|certify)"' "$tmp/fresh.before/ledger.jsonl" >"$tmp/paid.before" || true
	grep -v -E '"stage":"(preflight|certify)"' "$tmp/fresh/ledger.jsonl" >"$tmp/paid.after" || true
	[[ -s $tmp/paid.before ]] || fail 'the ledger names no paid call'
	cmp "$tmp/paid.before" "$tmp/paid.after" ||
		fail "resuming a finished run made calls: $before attempts before, $after after"
	expect 0 json sample -out "$tmp/fresh" -json
	sample -out "$tmp/fresh" -json >"$tmp/stdout.json" 2>/dev/null
	"$tmp/bin/checkrun" -json "$tmp/stdout.json"
}

# analyze_run: a finished run can be evaluated, and is not changed by it.
analyze_run() {
	untouched "$tmp/fresh" expect 0 analyze "$tmp/bin/analyze" -run "$tmp/fresh" -estimators all \
		-html "$tmp/analysis.html"
	need "$tmp/analysis.html"
	"$tmp/bin/analyze" -run "$tmp/fresh" -estimators all -json >"$tmp/analysis.json"
	local word
	for word in '"pi_clone"' '"cje_tmle"' '"status": "ok"' '"status": "refused"' '"value": null'; do
		grep -qF "$word" "$tmp/analysis.json" || fail "the analysis of a run lacks $word"
	done
}

# analyze_agrees: a run's report and analyze, which reads the run's records, say the
# same to the last digit.
analyze_agrees() {
	local flags dir=$tmp/agrees
	for flags in '-seed 1' '-faults null=0.05' '-faults null=0.004 -seed 2' '-n 200 -probes 40' \
		'-label-design fraction=0.5,strata=5'; do
		rm -rf "$dir"
		# shellcheck disable=SC2086 # several flags
		expect '0|3|4' agrees sample -out "$dir" $flags
		"$tmp/bin/analyze" -run "$dir" -json >"$tmp/agrees.json"
		"$tmp/bin/checkrun" -run "$dir" -agrees "$tmp/agrees.json"
	done
}

run_whatever_the_concurrency() {
	expect 0 concurrency-1 sample -out "$tmp/c1" -concurrency 1
	expect 0 concurrency-64 sample -out "$tmp/c64" -concurrency 64
	same_records "$tmp/c1" "$tmp/c64"
}

# run_extended: a larger -n keeps the first hundred and adds to them.
run_extended() {
	cp -r "$tmp/c1" "$tmp/extended"
	expect '0|4' extended sample -out "$tmp/extended" -n 130
	check_run "$tmp/extended" 130
	local line
	while IFS= read -r line; do
		grep -qxF -- "$line" "$tmp/extended/prompts.jsonl" || fail "a prompt of the 100 is not among the 130: $line"
	done <"$tmp/c1/prompts.jsonl"
}

# report_again: what is rendered later is what the run wrote, and two runs are
# told apart by what was run otherwise.
report_again() {
	cp -r "$tmp/c1" "$tmp/again"
	rm "$tmp/again/report.html" "$tmp/again/report.md"
	expect 0 report "$tmp/bin/report" -run "$tmp/again"
	cmp "$tmp/c1/report.html" "$tmp/again/report.html"
	cmp "$tmp/c1/report.md" "$tmp/again/report.md"
	"$tmp/bin/report" "$tmp/c1" "$tmp/extended" >"$tmp/compared"
	grep -q '^  prompts  100 of ' "$tmp/compared" || {
		cat "$tmp/compared" >&2
		fail 'the comparison does not say that the prompts differ'
	}
}

# drill SPEC CODES FLAG...: a run with planted faults must end with one of the
# exit codes, and its report must say why.
drill() {
	local spec=$1 codes=$2 dir=$tmp/drill/$1
	shift 2
	mkdir -p "$tmp/drill"
	expect "$codes" "faults-$spec" sample -out "$dir" -faults "$spec"
	"$tmp/bin/checkrun" -report "$dir/report.json" "$@"
	need "$dir/report.md" "$dir/report.html"
}

drill_faults() {
	drill zero=0.02 3 -decision NO-GO -not-passed logprobs.zero
	drill positive=0.02 3 -decision NO-GO -not-passed logprobs.sign,logprobs.complete
	drill null=0.1 3 -decision NO-GO -not-passed logprobs.complete
	drill noecho=1 3 -decision NO-GO -not-passed endpoint.certified
	drill 429=1 3 -decision NO-GO -not-passed run.ratelimit,run.errors,endpoint.certified
	drill 429=0.2,500=0.1 0 -decision GO -retried
	drill expensive=1.3 4 -decision HOLD -not-passed cost.estimate
	drill expensive=2 3 -decision NO-GO -not-passed cost.estimate
	drill drift=1 '3|4' -not-passed models.served
}

# untouched DIR COMMAND...: the command may not change anything in DIR.
untouched() {
	local dir=$1
	shift
	(cd "$dir" && find . -type f -exec cksum {} + | sort) >"$tmp/untouched.before"
	"$@"
	(cd "$dir" && find . -type f -exec cksum {} + | sort) >"$tmp/untouched.after"
	cmp "$tmp/untouched.before" "$tmp/untouched.after" || fail "$dir was changed"
}

drill_refusals() {
	local dir=$tmp/refused
	mkdir -p "$dir"
	expect 2 unknown-flag sample -no-such-flag
	expect 2 bad-n sample -n 0 -out "$dir/n"
	expect 5 live-without-keys sample -live -out "$dir/live"

	printf '{"prompt_id": "a", "prompt": "one"}\n{"prompt_id": "b", "prompt": \n' >"$dir/badjson.jsonl"
	expect 5 input-bad-json sample -input "$dir/badjson.jsonl" -n 1 -out "$dir/r1"
	: >"$dir/empty.jsonl"
	expect 5 input-no-prompts sample -input "$dir/empty.jsonl" -n 1 -out "$dir/r2"
	printf '{"prompt_id": "a", "prompt": "one"}\n{"prompt_id": "a", "prompt": "two"}\n' >"$dir/dup.jsonl"
	expect 5 input-duplicate-ids sample -input "$dir/dup.jsonl" -n 1 -out "$dir/r3"
	expect 5 input-missing sample -input "$dir/nowhere.jsonl" -out "$dir/r4"
	expect 5 budget-below-cost sample -budget 0.0001 -out "$dir/r5"
	local f
	for f in live r1 r2 r3 r4 r5; do
		[[ ! -e $dir/$f/ledger.jsonl || ! -s $dir/$f/ledger.jsonl ]] || fail "$f: a refused run has a ledger"
	done

	expect 0 preflight-only sample -preflight -out "$dir/pf"
	[[ ! -e $dir/pf/responses.jsonl ]] || fail '-preflight wrote responses'

	expect '0|3|4' small sample -n 25 -full 2000 -out "$dir/small"
	untouched "$dir/small" expect 5 other-configuration sample -n 25 -full 2000 -seed 43 -out "$dir/small"
}
