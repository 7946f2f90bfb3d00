// Package journal is an append-only log that survives a kill at any byte.
//
// # The model
//
// A run that pays for its results must never lose one, nor take one for done
// that it lost. It therefore appends every result to a journal the moment it
// has it, and derives everything else, its output files included, from there.
// Starting again means reading the journal and doing what is not in it.
//
// A journal is a folder with three files. log.jsonl holds the records, in the
// order of their sequence numbers, one a line:
//
//	crc32c length seq {"kind":…,"key":…,"payload":…}
//
// The checksum (8 hexadecimal digits, Castagnoli) covers the rest of the line and
// the length is that of the JSON. The first line, number 0, is a header with the
// format's version and the run's configuration. The file acked says how many
// bytes of the log are known to be on the disk. The file lock is empty; the
// operating system's lock on it makes the one writer, and ends with its process
// however that ends. No file names its folder or machine: moved elsewhere, a
// journal goes on there.
//
// # What is promised
//
// When [Journal.Append] returns nil, the record is on the disk: acknowledged.
// Appends of many goroutines share one flush. After a kill, a crash or a full
// disk the file ends in at most a part of records that were not acknowledged;
// [Open] cuts it off and says by how much ([Journal.Repaired]). Damage anywhere
// else, a log that ends before its acknowledged records do included, is a
// [*CorruptError] that names file and offset. It is never skipped.
//
// A reader that keeps what it made of a log need not read all of it again: [Checksum] says
// whether the log still begins as it did, and [Options].After goes on from there.
//
// Records are not changed or removed. A later record of the same kind and key
// replaces an earlier one by convention: [Latest] reads a journal that way.
//
// Any number of readers may [Scan] while a writer appends; they see a prefix.
package journal
