#!/usr/bin/env bash
# Evaluates logs on Spark, with and without a failure: bash spark/run.sh [cluster]
#
# It needs Go, Java 17 and Maven, which fetches what pom.xml pins (about 260 jars, once).
# Spark runs within Beam's job server, on two threads that try a task up to four times; the
# workers are the program's own (LOOPBACK), and one of them panics. With "cluster" Spark is a
# master and two workers in processes of their own, on loopback, and so are the program's
# (PROCESS); the executor of one of these is killed while it reads. What this starts it ends,
# and its folder it removes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mode=${1:-local}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/reweigh-spark.XXXXXX")
started=() # newest last
tidy() {
	local code=$? i
	for ((i = ${#started[@]} - 1; i >= 0; i--)); do
		kill "${started[i]}" 2>/dev/null || true
		wait "${started[i]}" 2>/dev/null || true
	done
	rm -rf "$tmp" || { sleep 2 && rm -rf "$tmp"; } # an executor may write its last words
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

# start NAME SAYS CLASS ARG...: a class of Spark's or Beam's in a process of its own, which
# logs to NAME.log; said is what follows there on SAYS.
start() {
	local name=$1 says=$2
	shift 2
	: >"$tmp/$name.log" # is read from before java has begun
	SPARK_LOCAL_IP=127.0.0.1 SPARK_HOME="$tmp/home" SPARK_SCALA_VERSION=2.12 java "${opens[@]}" -Xmx1g \
		-Dorg.apache.logging.log4j.level=INFO -Djava.io.tmpdir="$tmp" -Dspark.ui.enabled=false -cp "$jars/*" "$@" \
		>"$tmp/$name.log" 2>&1 &
	started+=($!)
	for _ in {1..120}; do
		said=$(sed -n "s/.*$says\(.*\)\$/\1/p" "$tmp/$name.log" | head -n 1)
		[[ -z $said ]] || return 0
		kill -0 "${started[-1]}" || break
		sleep 1
	done
	cat "$tmp/$name.log" >&2
	exit 1
}

master='local[2,4]' environment=(-environment_type LOOPBACK)
if [[ $mode == cluster ]]; then
	mkdir "$tmp/home"
	ln -s "$jars" "$tmp/home/jars" # where executors look for classes
	start master 'Starting Spark master at ' org.apache.spark.deploy.master.Master --host 127.0.0.1 --port 0 \
		--webui-port 0
	master=$said
	for k in 1 2; do
		start "worker$k" 'Successfully registered with master ' org.apache.spark.deploy.worker.Worker --host 127.0.0.1 \
			--port 0 --webui-port 0 --cores 1 --memory 1g --work-dir "$tmp/work$k" "$master"
	done
fi
start server 'JobService started on ' org.apache.beam.runners.spark.SparkJobServerDriver --job-host=127.0.0.1 \
	--job-port=0 --artifact-port=0 --expansion-port=0 --artifacts-dir="$tmp/artifacts" --spark-master-url="$master"
endpoint=$said

# evaluate NAME FLAG...: one pipeline; it shows the line that counts tables.
evaluate() {
	local name=$1 code=0
	shift
	mkdir "$tmp/$name"
	: >"$tmp/$name.worker.log"
	if [[ $mode == cluster ]]; then
		# What Beam starts in the place of a container, with the flags of a container's program.
		cat >"$tmp/$name.sh" <<-END
			#!/usr/bin/env bash
			flags=()
			for flag in "\$@"; do
			    case \$flag in
			    --id=* | --provision_endpoint=*) flags+=("\$flag") ;;
			    esac
			done
			exec "$tmp/spark" -dir "$tmp/$name" $* "\${flags[@]}" 2>>"$tmp/$name.worker.log"
		END
		chmod +x "$tmp/$name.sh"
		environment=(-environment_type PROCESS -environment_config "{\"command\": \"$tmp/$name.sh\"}"
			-worker_binary "$tmp/spark")
	fi
	timeout 300 "$tmp/spark" -dir "$tmp/$name" -runner universal -endpoint "$endpoint" "${environment[@]}" "$@" \
		>"$tmp/$name.log" 2>&1 || code=$?
	if ((code != 0)); then
		tail -n 20 "$tmp/$name.log" "$tmp/server.log" >&2
		exit 1
	fi
	printf '%s: ' "$name"
	grep '^equal: ' "$tmp/$name.log"
	grep -rhso '[0-9]* rows, in [0-9]* tables that were merged' "$tmp/$name.log" "$tmp/$name.worker.log" \
		"$tmp/server.log" | tail -n 1
}

# kill_executor NAME: the executor that hangs in a read.
kill_executor() {
	local mark=$tmp/$1/failed
	for _ in {1..300}; do
		if [[ -s $mark ]]; then
			printf 'killing %s\n' "$(ps -o pid=,args= -p "$(<"$mark")" | grep -o '^ *[0-9]*\|[^ ]*CoarseGrained[^ ]*' | xargs)"
			kill -9 "$(<"$mark")"
			return
		fi
		sleep 1
	done
}

evaluate calm
if [[ $mode == cluster ]]; then
	kill_executor killed &
	evaluate killed -fail hang
	seen='Lost executor'
else
	evaluate panicked -fail panic
	seen='the panic that was asked for'
fi
grep -q "$seen" "$tmp/server.log" || {
	printf 'Spark has not seen the failure\n' >&2
	exit 1
}
