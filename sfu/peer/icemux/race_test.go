//go:build race

package icemux

// raceDetector is on: sync.Pool then forgets at random, and allocations cannot
// be counted.
const raceDetector = true
