package whip

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
)

// bodyTimeout bounds the time in which a body must arrive: 64 kB over GPRS.
const bodyTimeout = 20 * time.Second

// errMedia says that a body is not of the type that a method takes.
var errMedia = errors.New("unsupported media type")

// body reads a request's body of the wanted media type, at most
// signal.MaxOfferSize bytes of it. The error is errMedia or a *signal.Error.
func body(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != want {
		return "", errMedia
	}
	tooLarge := signal.Errorf(signal.TooLarge, "a body has at most %d bytes", signal.MaxOfferSize)
	if r.ContentLength > signal.MaxOfferSize {
		return "", tooLarge
	}
	// A client that sends a byte a minute must not hold a connection for ever.
	// Not every ResponseWriter can do that; then the server's own limits hold.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, signal.MaxOfferSize))
	_ = deadline.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", tooLarge
	case err != nil:
		return "", signal.Errorf(signal.BadMessage, "the body could not be read")
	}
	return string(text), nil
}

// refuseBody answers what body complained of; accept is the header that names
// the types that are taken.
func refuseBody(w http.ResponseWriter, err error, accept, want string) {
	if !errors.Is(err, errMedia) {
		refuse(w, err)
		return
	}
	w.Header().Set(accept, want)
	problem.WriteAs(w, http.StatusUnsupportedMediaType, signal.Errorf(signal.BadMessage, "the content type must be %s", want))
}

// bearer answers the token of the Authorization header (RFC 6750 §2.1), ""
// when there is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// precondition is what a request's If-Match header demands (RFC 9110 §13.1.1).
type precondition struct {
	present bool
	any     bool // "*": whatever there is, which is how a restart is marked
	tags    []string
}

// readPrecondition reads If-Match. RFC 9725 §4.3.3 prints the asterisk within
// quotation marks in its text, so clients send it with and without.
func readPrecondition(h http.Header) precondition {
	var p precondition
	for _, value := range h.Values("If-Match") {
		p.present = true
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || tag == `"*"` {
				p.any = true
			}
			p.tags = append(p.tags, tag)
		}
	}
	return p
}

// meets says whether the precondition holds for a strong entity tag.
func (p precondition) meets(tag string) bool {
	if p.any {
		return true
	}
	for _, t := range p.tags {
		if t == tag {
			return true
		}
	}
	return false
}
