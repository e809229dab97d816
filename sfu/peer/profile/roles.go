package profile

import "strings"

// The lines of RFC 8842 §5: who sends the first message of DTLS.
const (
	setupEither  = "a=setup:actpass"
	setupActive  = "a=setup:active"
	setupPassive = "a=setup:passive"
)

// OffersBothRoles says whether an offer leaves open who begins DTLS.
func OffersBothRoles(offer string) bool { return strings.Contains(offer, setupEither) }

// OfferPassive is an offer that leaves open who begins DTLS as one that leaves it
// to the other side.
func OfferPassive(offer string) string { return replaceSetup(offer, setupEither, setupPassive) }

// AnswerPassive is an answer of who begins DTLS as the answer of who does not, and
// AnswerActive the reverse.
func AnswerPassive(answer string) string { return replaceSetup(answer, setupActive, setupPassive) }

// AnswerActive is the reverse of AnswerPassive.
func AnswerActive(answer string) string { return replaceSetup(answer, setupPassive, setupActive) }

// replaceSetup replaces whole lines.
func replaceSetup(text, old, new string) string {
	return strings.ReplaceAll(text, old+"\r\n", new+"\r\n")
}
