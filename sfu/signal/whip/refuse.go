package whip

import (
	"net/http"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
)

// gone says that an error means the end of a session.
func gone(err error) bool {
	if err == nil {
		return false
	}
	code := signal.AsError(err).Code
	return code == signal.NotJoined || code == signal.UnknownSession
}

// refuse answers err with the status that fits its code.
func refuse(w http.ResponseWriter, err error) { problem.Write(w, err) }

// refuseMethod answers 405 with the methods that there are.
func (h *Handler) refuseMethod(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.allowOrigin(w, r) // so that a page learns why
		w.Header().Set("Allow", methods)
		problem.WriteAs(w, http.StatusMethodNotAllowed, signal.Errorf(signal.UnknownType, "%s has no meaning here", r.Method))
	}
}
