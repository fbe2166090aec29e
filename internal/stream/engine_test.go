package stream_test

import (
	"testing"

	"probity/internal/stream"
	"probity/internal/stream/streamtest"
)

func TestEngineConforms(t *testing.T) {
	streamtest.Run(t, func(t *testing.T) streamtest.Subject {
		dir := t.TempDir()
		return streamtest.Subject{Open: func(t *testing.T, partitions int, maxBytes int64) streamtest.Opened {
			t.Helper()
			e, err := stream.Open(t.Context(), stream.Options{Dir: dir, Partitions: partitions, MaxBytes: maxBytes})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}}
	})
}
