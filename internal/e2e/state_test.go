package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// stateScript reads everything that the tests look at, in one round trip.
const stateScript = `(async () => {
	const { view = "", error, call } = window.rivulet ?? {};
	const state = { view, error: error?.code ?? "", visible: document.visibilityState, received: [], sent: [], sources: {}, pairs: [] };
	if (!call) return state;
	Object.assign(state, {
		call: call.state, counters: call.counters, participants: call.participants.size,
		me: call.local?.id ?? "", tiles: document.querySelectorAll(".tile").length,
	});
	const ids = [...call.participants.values()].map((p) => p.id);
	state.others = ids;
	const carried = new Map();
	for (const p of call.participants.values())
		for (const t of p.tracks.values())
			if (t.slot !== undefined) carried.set(call.slots.get(t.slot)?.transceiver.mid, t);
	if (!call.pc) return state;
	const report = await call.pc.getStats();
	const codec = (s) => report.get(s.codecId)?.mimeType ?? "";
	report.forEach((s) => {
		if (s.type === "inbound-rtp") state.received.push({
			mid: s.mid, kind: s.kind, codec: codec(s), participant: carried.get(s.mid)?.participant.id ?? "",
			ssrc: s.ssrc, packets: s.packetsReceived ?? 0, lost: s.packetsLost ?? 0, energy: s.totalAudioEnergy ?? 0,
			decoded: s.framesDecoded ?? 0, framesReceived: s.framesReceived ?? 0, dropped: s.framesDropped ?? 0,
			keyframes: s.keyFramesDecoded ?? 0, width: s.frameWidth ?? 0, height: s.frameHeight ?? 0,
			freezes: s.freezeCount ?? 0, frozen: s.totalFreezesDuration ?? 0, plis: s.pliCount ?? 0, nacks: s.nackCount ?? 0,
			firs: s.firCount ?? 0, decoder: s.decoderImplementation ?? "", retransmitted: s.retransmittedPacketsReceived ?? 0,
		});
		if (s.type === "outbound-rtp") state.sent.push({
			mid: s.mid, kind: s.kind, rid: s.rid ?? "", codec: codec(s), active: s.active ?? true, packets: s.packetsSent ?? 0,
			width: s.frameWidth ?? 0, height: s.frameHeight ?? 0, frames: s.framesEncoded ?? 0, keyframes: s.keyFramesEncoded ?? 0,
			plis: s.pliCount ?? 0, limited: s.qualityLimitationReason ?? "", target: s.targetBitrate ?? 0,
			retransmitted: s.retransmittedPacketsSent ?? 0,
		});
		if (s.type === "transport" && s.selectedCandidatePairId) {
			const pair = report.get(s.selectedCandidatePairId);
			const local = report.get(pair?.localCandidateId), remote = report.get(pair?.remoteCandidateId);
			state.pairs.push({
				state: pair?.state ?? "", localType: local?.candidateType ?? "", protocol: local?.protocol ?? "",
				relayProtocol: local?.relayProtocol ?? "", remotePort: remote?.port ?? 0, remoteAddress: remote?.address ?? "", available: pair?.availableOutgoingBitrate ?? 0,
				sent: pair?.bytesSent ?? 0, received: pair?.bytesReceived ?? 0, protection: s.srtpCipher ?? "",
			});
		}
	});
	return state;
})()`

// state is what a page knows at one moment.
type state struct {
	View, Error, Call, Me, Visible string
	Participants, Tiles            int
	Others                         []string
	Counters                       counters
	Received                       []received
	Sent                           []sent
	Pairs                          []struct {
		State, LocalType, Protocol, RelayProtocol string
		RemoteAddress, Protection                 string
		RemotePort                                int
		Available, Sent, Received                 float64
	}
}

// counters are what the SDK counts of its own doings.
type counters struct {
	SDP         int `json:"sdp"`
	Resumes     int
	ICERestarts int `json:"iceRestarts"`
	Rejoins     int
	// MessagesCompact are those that travelled in the compact form.
	MessagesCompact int `json:"messagesCompact"`
}

// negotiations leaves out what counts messages alone.
func (c counters) negotiations() counters {
	c.MessagesCompact = 0
	return c
}

type received struct {
	MID, Kind, Codec, Participant, Decoder    string
	SSRC                                      uint32
	Packets, Lost, Decoded, FramesReceived    int
	Dropped, Keyframes, Width, Height         int
	Freezes, PLIs, NACKs, FIRs, Retransmitted int
	Energy, Frozen                            float64
}

type sent struct {
	MID, Kind, RID, Codec, Limited string
	Active                         bool
	Packets, Width, Height, Frames int
	Keyframes, PLIs, Retransmitted int
	Target                         float64
}

// decoded sums the frames decoded on all slots, and energy what was heard.
func (s state) decoded() (n int) {
	for _, r := range s.Received {
		n += r.Decoded
	}
	return n
}

func (s state) energy() (sum float64) {
	for _, r := range s.Received {
		sum += r.Energy
	}
	return sum
}

// layers lists the rids of the camera's encodings that have sent frames.
func (s state) layers() (rids []string) {
	for _, o := range s.Sent {
		if o.Kind == "video" && o.Frames > 0 {
			rids = append(rids, o.RID)
		}
	}
	return rids
}

// from answers the video stream that carries a participant's camera; its
// Decoded is 0 when there is none.
func (s state) from(participant string) received {
	for _, r := range s.Received {
		if r.Kind == "video" && r.Participant == participant {
			return r
		}
	}
	return received{}
}

// state reads the page; the zero state while it cannot answer, as in a reload.
func (p *page) state() state {
	s, err := evaluate[state](p, stateScript)
	if err != nil {
		return state{}
	}
	return s
}

const (
	pollEvery = 150 * time.Millisecond
	// slow waits are worth a line in the log of a run.
	slow = 3 * time.Second
)

// wait polls the page until what holds of it, and fails the test otherwise.
func (p *page) wait(limit time.Duration, what string, holds func(state) bool) state {
	p.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		s := p.state()
		if holds(s) {
			if took := limit - time.Until(deadline); took > slow {
				p.t.Logf("page %s: only after %v: %s", p.name, took.Round(100*time.Millisecond), what)
			}
			return s
		}
		if time.Now().After(deadline) {
			dump := ""
			if p.server != nil {
				dump = p.server.dump()
			}
			p.t.Fatalf("page %s: not within %v: %s\nlast state: %+v\nrooms of the server:\n%s", p.name, limit, what, s, dump)
		}
		select {
		case <-p.ctx.Done():
			p.t.Fatalf("page %s: the tab is gone", p.name)
		case <-time.After(pollEvery):
		}
	}
}

// call opens a call page and joins at once; query holds more of the address.
func (s *server) call(p *page, room string, query ...string) {
	p.t.Helper()
	p.server = s
	p.open(callURL(s.ports, p.name, room, query...))
}

func callURL(ports ports, name, room string, query ...string) string {
	all := append([]string{"auto=1", "hidden=receive", "name=" + url.QueryEscape(name)}, query...)
	return fmt.Sprintf("http://%s/r/%s?%s", loopback(ports.HTTP), url.PathEscape(room), strings.Join(all, "&"))
}

// joinLimit is how long a page may take to be in a call, on a busy machine.
const joinLimit = 20 * time.Second

// talking waits until the page sees and hears others.
func (p *page) talking(others int) state {
	p.t.Helper()
	return p.wait(joinLimit, fmt.Sprintf("%d others are seen and heard", others), func(s state) bool {
		if s.Call != "connected" || s.Participants != others || s.energy() <= 0 {
			return false
		}
		for _, id := range s.Others {
			if s.from(id).Decoded < 5 {
				return false
			}
		}
		return true
	})
}

// goesOn waits until more frames are decoded and more is heard than before.
func (p *page) goesOn(limit time.Duration, before state) state {
	p.t.Helper()
	return p.wait(limit, "media goes on", func(s state) bool {
		return s.decoded() >= before.decoded()+10 && s.energy() > before.energy()
	})
}
