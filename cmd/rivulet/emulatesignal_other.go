//go:build !unix

package main

import "os"

// notifyRebind does nothing: no signal asks for a change of address here.
func notifyRebind(chan<- os.Signal) {}
