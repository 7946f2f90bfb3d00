// Package beam evaluates logs on Apache Beam.
package beam
