// Package svctest is a model of an encoder of scalable video, for tests: it
// decides what each frame refers to, by the modes of W3C webrtc-svc, and writes
// that down as a dependency descriptor ("RTP Payload Format For AV1" v1.0,
// Appendix A) and as a VP9 payload descriptor (RFC 9628 §4.2). It encodes
// nothing: a test knows from References what could be decoded.
package svctest

import "fmt"

// Mode is a scalability mode.
type Mode struct {
	Spatials  int // 1 to 3
	Temporals int // 1 to 3
	// Key: larger layers refer to smaller ones in key pictures only (L3T3_KEY).
	Key bool
}

// String is the mode's name, such as "L3T3_KEY".
func (m Mode) String() string {
	name := fmt.Sprintf("L%dT%d", m.Spatials, m.Temporals)
	if m.Key {
		name += "_KEY"
	}
	return name
}

// Frame is one frame: a spatial layer of a picture.
type Frame struct {
	Picture           int
	Number            uint16 // of the frame
	Spatial, Temporal int
	Key               bool     // refers to nothing
	References        []*Frame // what it needs
	// Needed says which frame rates of which picture sizes it is part of:
	// bit 3*spatial+temporal.
	Needed uint16
	last   bool // of its picture

	chains   []int // distances to the last frame of each chain
	active   int   // spatial layers that are sent, when that has just changed; else 0
	mode     Mode
	switches bool
	upper    bool // a larger layer of the same picture refers to it
}

// Encoder makes frames.
type Encoder struct {
	Mode    Mode
	Active  int // spatial layers that are sent
	number  uint16
	picture int
	phase   int
	chains  []int        // number of the last frame of each chain, counted from 1 without wrap
	count   int          // frames so far
	last    [4][3]*Frame // newest frame of each layer that others refer to
	was     int
}

// New answers an encoder whose first frame has a number.
func New(m Mode, number uint16) *Encoder {
	return &Encoder{Mode: m, Active: m.Spatials, number: number, chains: make([]int, m.Spatials)}
}

// patterns are the temporal layers of pictures, by the number of layers.
var patterns = [][]int{{0}, {0, 1}, {0, 2, 1, 2}}

// Next makes the frames of the next picture; the first is always a key picture.
// In the modes with Key, a layer that is switched on begins with a key picture.
func (e *Encoder) Next(key bool) []*Frame {
	e.Active = min(max(e.Active, 1), e.Mode.Spatials)
	key = key || e.picture == 0 || e.Mode.Key && e.Active > e.was
	if key {
		e.phase = 0
		e.last = [4][3]*Frame{}
	}
	pattern := patterns[e.Mode.Temporals-1]
	temporal := pattern[e.phase%len(pattern)]
	var made []*Frame
	for s := range e.Active {
		f := &Frame{
			Picture: e.picture, Number: e.number, Spatial: s, Temporal: temporal, Key: key && s == 0, mode: e.Mode,
			last: s == e.Active-1, switches: temporal == 0, upper: s < e.Active-1 && (key || !e.Mode.Key),
		}
		e.refer(f, made, key)
		e.chain(f, key)
		f.Needed = e.needed(f, key)
		if s == 0 && (key && e.Active != e.Mode.Spatials || !key && e.Active != e.was) {
			f.active = e.Active
		}
		made = append(made, f)
		e.number++
		e.count++
	}
	for _, f := range made {
		e.last[f.Spatial][temporal] = f
		if temporal == 0 { // the upper ones of before are never referred to again
			e.last[f.Spatial][1], e.last[f.Spatial][2] = nil, nil
		}
	}
	for s := e.Active; s < e.Mode.Spatials; s++ {
		e.last[s] = [3]*Frame{} // begins anew from the layer below
	}
	e.was = e.Active
	e.phase++
	e.picture++
	return made
}

// refer notes what a frame needs.
func (e *Encoder) refer(f *Frame, picture []*Frame, key bool) {
	if f.Spatial > 0 && (key || !e.Mode.Key) {
		f.References = append(f.References, picture[f.Spatial-1])
	}
	if key {
		return
	}
	// The newest frame of this spatial layer of a lower temporal layer.
	for t := f.Temporal; t >= 0; t-- {
		if t == f.Temporal && t > 0 {
			continue
		}
		if r := e.last[f.Spatial][t]; r != nil {
			f.References = append(f.References, r)
			return
		}
	}
}

// chain notes the distances of a frame to the chains, and adds it to those that
// it is part of.
func (e *Encoder) chain(f *Frame, key bool) {
	for c := range e.chains {
		distance := 0
		if e.chains[c] > 0 && !(key && f.Spatial == 0) {
			distance = e.count + 1 - e.chains[c]
		}
		f.chains = append(f.chains, distance)
		if part := f.Spatial == c || f.Spatial < c && (key || !e.Mode.Key); f.Temporal == 0 && part {
			e.chains[c] = e.count + 1
		}
	}
}

func (e *Encoder) needed(f *Frame, key bool) (mask uint16) {
	for s := f.Spatial; s < e.Mode.Spatials; s++ {
		if s > f.Spatial && e.Mode.Key && !key {
			break
		}
		for t := f.Temporal; t < e.Mode.Temporals; t++ {
			mask |= 1 << (3*s + t)
		}
	}
	return mask
}

// refers says how many pictures back a frame refers to its own spatial layer, 0
// for not at all.
func (f *Frame) refers() int {
	for _, r := range f.References {
		if r.Spatial == f.Spatial {
			return f.Picture - r.Picture
		}
	}
	return 0
}

// dependent says whether it refers to the layer below of its own picture.
func (f *Frame) dependent() bool {
	for _, r := range f.References {
		if r.Spatial < f.Spatial {
			return true
		}
	}
	return false
}

// Last says whether the frame is the last of its picture.
func (f *Frame) Last() bool { return f.last }
