#!/usr/bin/env bash
# Evaluates logs on Spark, with and without a panic in a worker: bash spark/run.sh
#
# It needs Go, Java 17 and Maven, which fetches what pom.xml pins (about 260 jars, once).
# Spark runs within Beam's job server, on two threads that try a task up to four times; the
# workers are the program's own (LOOPBACK). What it starts it ends, and its folder it removes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/reweigh-spark.XXXXXX")
server=''
tidy() {
	local code=$?
	if [[ -n $server ]]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$tmp"
	exit "$code"
}
trap tidy EXIT

jars=${REWEIGH_SPARK_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/reweigh-spark-jars}
mvn -q -B -f pom.xml dependency:copy-dependencies -DoutputDirectory="$jars"
go build -o "$tmp/spark" .

# Spark on Java 17 reaches into these packages of Java's.
opens=()
for p in lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic; do
	opens+=("--add-opens=java.base/java.$p=ALL-UNNAMED")
done
for p in jdk.internal.ref sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
	opens+=("--add-opens=java.base/$p=ALL-UNNAMED")
done
SPARK_LOCAL_IP=127.0.0.1 java "${opens[@]}" -Xmx1g -Dorg.apache.logging.log4j.level=INFO -Djava.io.tmpdir="$tmp" \
	-cp "$jars/*" org.apache.beam.runners.spark.SparkJobServerDriver --job-host=127.0.0.1 --job-port=0 \
	--artifact-port=0 --expansion-port=0 --artifacts-dir="$tmp/artifacts" --spark-master-url='local[2,4]' \
	>"$tmp/server.log" 2>&1 &
server=$!
endpoint=''
for _ in {1..120}; do
	endpoint=$(sed -n 's/.*JobService started on \(.*\)$/\1/p' "$tmp/server.log")
	[[ -z $endpoint ]] || break
	kill -0 "$server" || break
	sleep 1
done
if [[ -z $endpoint ]]; then
	cat "$tmp/server.log" >&2
	exit 1
fi

# evaluate NAME FLAG...: one pipeline; it shows the line that counts tables.
evaluate() {
	local name=$1 code=0
	shift
	mkdir "$tmp/$name"
	timeout 300 "$tmp/spark" -dir "$tmp/$name" -runner universal -endpoint "$endpoint" -environment_type LOOPBACK \
		"$@" >"$tmp/$name.log" 2>&1 || code=$?
	if ((code != 0)); then
		tail -n 20 "$tmp/$name.log" "$tmp/server.log" >&2
		exit 1
	fi
	printf '%s: ' "$name"
	grep '^equal: ' "$tmp/$name.log"
	grep -ho '[0-9]* rows, in [0-9]* tables that were merged' "$tmp/$name.log" "$tmp/server.log" | tail -n 1
}
evaluate calm
evaluate panicked -panic
grep -q 'the panic that was asked for' "$tmp/server.log" || {
	printf 'Spark has not seen the panic\n' >&2
	exit 1
}
