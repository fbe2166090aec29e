package event

import (
	"strings"
	"testing"
)

// benchBody is a browser's single event of usual size: 730 bytes.
var benchBody = func() []byte {
	b := `{"visitor":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","visit":"0193a6c1-0000-7000-8000-000000000001","context":{"lang":"de-DE","screen":[1920,1080],"viewport":[1200,800]},"events":[{"seq":17,"name":"product_viewed","at":"2026-11-22T10:00:00.123Z","url":"https://shop.example.com/garden/chairs/oak-chair-4711?utm_source=newsletter&utm_medium=email&utm_campaign=autumn-sale&session=abcdef0123456789","title":"Oak chair, 4 legs | Example Shop","referrer":"https://www.google.com/search?q=oak+chair","attributes":{"product_id":"4711","price":199.5,"currency":"EUR","in_stock":true,"category":"garden/chairs"},"note":"`
	const tail = `"}]}`
	return []byte(b + strings.Repeat("x", 730-len(b)-len(tail)) + tail)
}()

func BenchmarkDecodeMinimiseEncode(b *testing.B) {
	p := DefaultPolicy()
	var out []byte
	b.SetBytes(int64(len(benchBody)))
	b.ReportAllocs()
	for b.Loop() {
		batch, err := DecodeBatch(benchBody)
		if err != nil {
			b.Fatal(err)
		}
		p.Minimise(&batch.Events[0])
		if out, err = batch.Events[0].AppendBinary(out[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(out)), "bytes/event")
}

func BenchmarkDecodeBatch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeBatch(benchBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMinimise(b *testing.B) {
	p := DefaultPolicy()
	batch, err := DecodeBatch(benchBody)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		e := batch.Events[0]
		r := *e.Referrer
		e.Referrer = &r
		p.Minimise(&e)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := fullEvent()
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out, _ = e.AppendBinary(out[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	raw, _ := fullEvent().MarshalBinary()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMaskWorstPath shows that no path costs more than its length.
func BenchmarkMaskWorstPath(b *testing.B) {
	path := strings.Repeat("1-", 4096)
	b.SetBytes(int64(len(path)))
	for b.Loop() {
		mask(path, inPath)
	}
}

func BenchmarkClassifyUA(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ClassifyUA("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
	}
}
