// Package providertest tests implementations of providers.Provider.
//
// [Run] is a conformance suite: what the packages above rely on, whatever the
// service. [Server] plays a service from a script, over loopback or in memory,
// for tests of a client's behaviour; the in-memory form has no system calls, so
// that testing/synctest can run waits on its fake clock. [Func] is a Provider
// made of functions.
//
// The package is for tests alone: it imports testing.
package providertest
