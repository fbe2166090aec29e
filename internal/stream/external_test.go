package stream_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"probity/internal/stream"
	"probity/internal/stream/streamtest"
)

// natsServer starts a NATS server as an operator would run it, and returns its URL.
func natsServer(t *testing.T, maxPayload int32) string {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv.ClientURL()
}

func TestAnExternalEngineConforms(t *testing.T) {
	streamtest.Run(t, func(t *testing.T) streamtest.Subject {
		url := natsServer(t, 2<<20)
		return streamtest.Subject{Open: func(t *testing.T, partitions int, maxBytes int64) streamtest.Opened {
			return openEngine(t, stream.Options{URL: url, AckSync: true, Partitions: partitions, MaxBytes: maxBytes})
		}}
	})
}

func TestAnExternalServerThatTakesOnlySmallMessagesIsRefused(t *testing.T) {
	_, err := stream.Open(t.Context(), stream.Options{URL: natsServer(t, 64<<10), AckSync: true})
	if err == nil {
		t.Error("it was taken")
	}
}

func TestTwoProcessesShareAnExternalLogAndItsRenewal(t *testing.T) {
	url := natsServer(t, 2<<20)
	a := openEngine(t, stream.Options{URL: url, AckSync: true})
	b := openEngine(t, stream.Options{URL: url, AckSync: true})
	if _, err := a.Append(t.Context(), 0, []byte("from a")); err != nil {
		t.Fatal(err)
	}
	seq, err := b.Append(t.Context(), 0, []byte("from b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Renew(t.Context(), []uint64{seq + 100}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Append(t.Context(), 0, []byte("after"))
	if err != nil || got <= seq+100 {
		t.Errorf("the other process got number %d (%v), want one above %d", got, err, seq+100)
	}
	sa, _ := a.Status(t.Context())
	sb, _ := b.Status(t.Context())
	if sa.Generation == "" || sa.Generation != sb.Generation {
		t.Errorf("generations %q and %q", sa.Generation, sb.Generation)
	}
}
