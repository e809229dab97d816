package switchboard

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// refusals are the port's codes and sentences for the core's.
var refusals = map[call.Code]struct {
	code     signal.Code
	sentence string
}{
	call.CodeBadCommand:   {signal.BadMessage, "a field of the command is missing or out of bounds"},
	call.CodeUnknownCall:  {signal.CallUnknown, "there is no such call, or it has ended a while ago"},
	call.CodeExists:       {signal.CallExists, "there is a call of that id already; choose another"},
	call.CodeReused:       {signal.IDReused, "the id of the command was another command's; each needs its own"},
	call.CodeFull:         {signal.CallFull, "there are as many calls of this user, users in this call or devices as there may be"},
	call.CodeNotPermitted: {signal.NotPermitted, "only who created the call, or who rang, may do that"},
	call.CodeNotInvited:   {signal.NotInvited, "the user is not of this call"},
	call.CodeNotJoined:    {signal.NotAnswered, "the user has not answered the call yet"},
	call.CodeJoined:       {signal.InCall, "the device is in the call already"},
	call.CodeElsewhere:    {signal.AnsweredElsewhere, "another device of the user has answered"},
	call.CodeWrongState:   {signal.WrongState, "there is nothing to do that to now"},
	call.CodeOver:         {signal.CallOver, "that is over; reason says why"},
}

// translate says a refusal of the core in the words of the port.
func translate(r *call.Refusal) error {
	known, ok := refusals[r.Code]
	if !ok {
		return r // Internal, and logged: a code of ours that the list lacks
	}
	err := signal.Errorf(known.code, "%s", known.sentence)
	err.Reason = signal.Code(r.Reason)
	return err
}

func deviceOf(d call.Device) signal.Device { return signal.Device{User: d.User, Device: d.ID} }

// describe says how a call stands.
func describe(now time.Time, c call.Snapshot) signal.CallState {
	s := signal.CallState{
		Call: c.ID, State: string(c.State), Creator: deviceOf(c.Creator), Group: c.Group,
		Reason: signal.Code(c.Reason), Number: c.Sequence,
	}
	for _, u := range c.Users {
		user := signal.CallUser{User: u.User, State: string(u.State), Device: u.Device}
		if !u.Expires.IsZero() {
			user.ExpiresMS = max(1, u.Expires.Sub(now).Milliseconds())
		}
		s.Users = append(s.Users, user)
	}
	return s
}

// eventOf says an event of the core in the words of the port, as backends get it.
func eventOf(v call.Event) *signal.CallEvent {
	e := &signal.CallEvent{
		Kind: signal.CallEventKind(v.Kind), Call: v.Call, Number: v.Sequence, At: v.At.UnixMilli(), User: v.User,
		Reason: signal.Code(v.Reason), Early: v.Early, Into: v.Into, Payload: v.Payload,
	}
	if !v.From.Backend() {
		from := deviceOf(v.From)
		e.From = &from
	}
	for _, d := range v.To {
		e.To = append(e.To, deviceOf(d))
	}
	if v.Kind == call.OnGate {
		e.Gate = v.Gate.String()
	}
	if !v.Expires.IsZero() {
		e.LifetimeMS = v.Expires.Sub(v.At).Milliseconds()
	}
	if v.Summary != nil {
		e.Summary = summaryOf(v.Summary)
	}
	return e
}

func summaryOf(s *call.Summary) *signal.CallSummary {
	out := &signal.CallSummary{
		DurationMS: s.Duration.Milliseconds(), Group: s.Group,
		Sent: int64(s.Sent), Received: int64(s.Received), MOS: s.MOS, Worst: s.Worst, Scale: s.Scale, Users: []signal.CallUserTotal{},
	}
	rung := s.Ended
	if !s.Answered.IsZero() {
		rung = s.Answered
	}
	out.RingMS = rung.Sub(s.Created).Milliseconds()
	for _, u := range s.Users {
		out.Users = append(out.Users, signal.CallUserTotal{User: u.User, State: string(u.State), TalkedMS: u.Talked.Milliseconds()})
	}
	return out
}
