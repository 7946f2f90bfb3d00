// Package langmodel is a small language model whose every probability is known exactly.
package langmodel
