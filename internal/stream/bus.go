package stream

import (
	"strings"

	"github.com/nats-io/nats.go"

	"probity/internal/fail"
)

// busPrefix keeps the topics of the bus apart from the subjects of the log, so that nothing that is
// published can end up in the log.
const busPrefix = "bus."

// What may wait for one subscriber before messages are lost.
const (
	busPendingMessages = 16 << 10
	busPendingBytes    = 8 << 20
)

// Publish implements Bus. It fails with fail.Invalid for a topic of the wrong form and with
// fail.Unavailable while the engine can't be reached.
func (e *Engine) Publish(topic string, data []byte) error {
	if !validTopic(topic, false) {
		return fail.New(fail.Invalid, "a topic must be words separated by dots")
	}
	if err := e.reader.Publish(busPrefix+topic, data); err != nil {
		return fail.Wrap(fail.Unavailable, err, "the bus can't be reached")
	}
	return nil
}

// Subscribe implements Bus.
func (e *Engine) Subscribe(topic string, fn func(topic string, data []byte)) (cancel func(), err error) {
	if !validTopic(topic, true) {
		return nil, fail.New(fail.Invalid, "a topic must be words separated by dots")
	}
	sub, err := e.reader.Subscribe(busPrefix+topic, func(m *nats.Msg) {
		fn(strings.TrimPrefix(m.Subject, busPrefix), m.Data)
	})
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the bus can't be reached")
	}
	if err := sub.SetPendingLimits(busPendingMessages, busPendingBytes); err != nil {
		return nil, fail.Wrap(fail.Internal, err, "the bus can't limit a subscriber")
	}
	// The subscription counts once the engine knows of it.
	if err := e.reader.Flush(); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the bus can't be reached")
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// validTopic tells whether a topic is words separated by dots, with wildcards where they are allowed.
func validTopic(topic string, wildcards bool) bool {
	if topic == "" || strings.ContainsAny(topic, " \t\r\n") {
		return false
	}
	words := strings.Split(topic, ".")
	for i, w := range words {
		switch {
		case w == "":
			return false
		case !strings.ContainsAny(w, "*>"):
		case !wildcards:
			return false
		case w == "*" || w == ">" && i == len(words)-1:
		default:
			return false
		}
	}
	return true
}
