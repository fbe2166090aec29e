package stream_test

import (
	"fmt"
	"testing"
	"time"

	"probity/internal/fail"
	"probity/internal/stream"
)

func openEngine(t testing.TB, o stream.Options) *stream.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	e, err := stream.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func receive(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case s := <-from:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

func TestTheBusCarriesMessagesInOrderToAllWhoListen(t *testing.T) {
	e := openEngine(t, stream.Options{})
	one, any := make(chan string, 100), make(chan string, 100)
	for topic, ch := range map[string]chan string{"live.a": one, "live.*": any} {
		cancel, err := e.Subscribe(topic, func(topic string, data []byte) { ch <- topic + "=" + string(data) })
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
	}
	for i := range 20 {
		if err := e.Publish("live.a", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		want := fmt.Sprintf("live.a=%d", i)
		if got := receive(t, one); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got := receive(t, any); got != want {
			t.Fatalf("the wildcard got %q, want %q", got, want)
		}
	}
	if err := e.Publish("live.b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, any); got != "live.b=x" {
		t.Errorf("got %q", got)
	}
	if len(one) != 0 {
		t.Errorf("a message of another topic came: %q", <-one)
	}
}

func TestACancelledSubscriberHearsNothingMore(t *testing.T) {
	e := openEngine(t, stream.Options{})
	gone, here := make(chan string, 10), make(chan string, 10)
	cancel, err := e.Subscribe("t", func(_ string, d []byte) { gone <- string(d) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Subscribe("t", func(_ string, d []byte) { here <- string(d) }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := e.Publish("t", []byte("late")); err != nil {
		t.Fatal(err)
	}
	receive(t, here)
	if len(gone) != 0 {
		t.Error("it heard a message after it was cancelled")
	}
}

func TestTheBusCannotReachTheLog(t *testing.T) {
	e := openEngine(t, stream.Options{})
	for _, topic := range []string{"ev.1.0", "ev.0"} {
		if err := e.Publish(topic, []byte("forged")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Append(t.Context(), 0, []byte("real")); err != nil {
		t.Fatal(err)
	}
	st, err := e.Status(t.Context())
	if err != nil || st.Frames != 1 {
		t.Errorf("the log holds %d frames, want 1 (%v)", st.Frames, err)
	}
}

func TestAMalformedTopicIsRefused(t *testing.T) {
	e := openEngine(t, stream.Options{})
	for _, topic := range []string{"", ".", "a..b", "a.", "a b", "a.*", "a.>", "*"} {
		if err := e.Publish(topic, nil); !fail.Is(err, fail.Invalid) {
			t.Errorf("publishing to %q: %v", topic, err)
		}
	}
	for _, topic := range []string{"", "a..b", "a.>.b", "a*", "a.b>"} {
		if cancel, err := e.Subscribe(topic, func(string, []byte) {}); !fail.Is(err, fail.Invalid) {
			t.Errorf("subscribing to %q: %v", topic, err)
			cancel()
		}
	}
}
