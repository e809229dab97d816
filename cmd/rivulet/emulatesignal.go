//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyRebind passes on the signal that asks for a change of address, SIGUSR1.
func notifyRebind(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }
