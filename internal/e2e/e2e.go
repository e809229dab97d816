// Package e2e tests the whole of Rivulet from outside: a real server on
// loopback sockets, and real headless Chromium that opens the real call page.
// It contains tests only.
//
// What is decided here is what people must be able to do: talk, be joined and
// left, be relayed, reload, lose the network for a while, survive a restart of
// the server. Each test opens pages (see page), waits for what getStats and
// the server's own snapshot (/debug/rooms) say, and prints both when it fails.
package e2e
