// Package parquet reads rows stored as Parquet, the form in which the hub ships
// the data sets that [github.com/reweigh/reweigh/dataset] ingests:
//
//	in, err := parquet.File("train-00000-of-00001.parquet").Prompts(dataset.ReadOptions{})
//
// A row becomes the JSON object that the same row is in the data set's JSON lines,
// and everything from there on (formats, filters, samples) is the parent
// package's. It is a module of its own because its decoder is large.
package parquet
