// Package fault kills what a call depends on, in processes of their own, while
// media flows: the server, the bus, the backend. It contains tests only.
//
// What is decided here is what people and backends must be able to rely on: media
// goes on where it can and comes back where it cannot, and what was acknowledged is
// there afterwards, once.
package fault
