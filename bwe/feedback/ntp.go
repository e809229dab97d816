package feedback

import "time"

// ntpEpoch is 1900 in Unix time (RFC 5905 §6).
const ntpEpoch = 2208988800

// NTP is a time in the 64-bit format of RFC 3550 §4.
func NTP(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
