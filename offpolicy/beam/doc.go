// Package beam evaluates logs on Apache Beam, and so on the engines that it runs on: Prism on
// one machine, Spark, Flink and others on many. Its document is that of [offpolicy.Evaluate],
// to the byte.
//
// # How it works
//
// Workers read files into tables ([offpolicy.Table]), which hold numbers and no text, and send
// a table whenever 16,384 rows are in it. One worker merges all of them and evaluates the
// whole. Rows of one prompt may lie in any files: merging joins them by id, so files need no
// order and no grouping, and nothing is estimated from a part of a prompt. Nothing but tables
// is shuffled, and each of them once.
//
// A bundle that fails is read again, if the engine retries: Spark does on a cluster, and on
// one machine as local[N,4]; Prism and local[N] do not.
//
// Tables have a registered coder. Without it Beam would send them as structs without exported
// fields, which are empty ones, and end well. So rows are counted once more where they are
// read, and a table that holds another number is an error.
//
// # What it takes
//
// Reading is shared by all workers; merging and evaluating is one worker's work, and that
// worker holds all rows at once. Measured with four targets, three rows a prompt, a tenth of
// rows labeled, no draws and 530 bytes a row, on one core:
//
//	rows       read     encode   merge    evaluate  sent    memory of the last worker
//	50,000     29 µs    1.5 µs   1.3 µs   11 µs     84 B    460 B
//	200,000    28 µs    1.6 µs   1.7 µs   11 µs     84 B    400 B
//	800,000    29 µs    1.5 µs   1.9 µs   12 µs     84 B    360 B
//
// all of them a row, the memory beyond the 40 MB of the program. A worker that did all of it for
// Prism took 9 s and 128 MB for 200,000 rows, and 35 s and 315 MB for 800,000. Longer rows take
// longer to read: 2 KB some 60 µs. From these slopes 10⁸ rows of 530 bytes take
//
//	CPU        50 minutes of reading, shared; 25 minutes on the last worker
//	shuffled   8.4 GB
//	memory     some 36 GB on the last worker; on the others less than 400 MB
//
// A target more is 8 bytes a row that are sent, a draw some 30.
//
// # On a cluster
//
// The command in evaluate does it all. Build it for the workers' system, put the logs where
// every worker sees them, and name the engine's job server:
//
//	GOOS=linux GOARCH=amd64 go build ./evaluate
//	./evaluate -logged '/shared/logs/*.parquet' -fresh /shared/fresh_draws -out /shared/evaluation.json \
//	    -runner universal -endpoint jobserver:8099 -environment_type DOCKER
//
// The environment DOCKER starts Beam's container for Go on every worker, PROCESS a program that is
// already there, and LOOPBACK uses the process that submits, which is for trials. More files
// than workers share the reading well; a single file is read by a single worker. The worker that
// evaluates needs the memory above in its container.
//
// For Spark, spark/run.sh is a recipe that runs: its pom.xml pins Beam's runner for Spark 3, the
// newest whose dependencies Maven Central serves, and Spark itself; its job server is started with
// --spark-master-url, which on a cluster is spark://HOST:PORT.
package beam
