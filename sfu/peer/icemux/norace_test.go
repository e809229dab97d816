//go:build !race

package icemux

const raceDetector = false
