package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// visitor is a simulated data subject whose consent stands in the server's ledger.
type visitor struct {
	ID    string
	visit string
	seq   uint32
}

// consent makes n visitors agree to every purpose through the public API, sixteen at a time.
func (s *server) consent(ctx context.Context, n int) ([]*visitor, error) {
	var notice struct {
		ID      string `json:"id"`
		Version int    `json:"version"`
		Purpose []struct {
			ID string `json:"id"`
		} `json:"purposes"`
	}
	if err := s.call(ctx, "GET", "/probity/v1/deployments/"+deployment+"/notice?lang=en", nil, &notice); err != nil {
		return nil, err
	}
	purposes := map[string]bool{}
	for _, p := range notice.Purpose {
		purposes[p.ID] = true
	}
	visitors := make([]*visitor, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range visitors {
		g.Go(func() error {
			var served struct {
				Nonce string `json:"nonce"`
			}
			if err := s.call(ctx, "POST", "/probity/v1/consent/served", map[string]any{
				"deployment": deployment, "notice": notice.ID, "version": notice.Version, "language": "en",
			}, &served); err != nil {
				return err
			}
			var chosen struct {
				Visitor string `json:"visitor"`
			}
			if err := s.call(ctx, "POST", "/probity/v1/consent/choices", map[string]any{
				"deployment": deployment, "nonce": served.Nonce, "visitor": nil, "purposes": purposes,
				"ui":          map[string]any{"component": "banner", "action": "accept_all", "dwell_ms": 2100, "trusted": true, "viewport": "d"},
				"client_time": time.Now().UTC().Format(time.RFC3339Nano),
			}, &chosen); err != nil {
				return err
			}
			visitors[i] = &visitor{ID: chosen.Visitor, visit: uuid.NewString(), seq: 1_000_000}
			return nil
		})
	}
	return visitors, g.Wait()
}

var (
	pages = []struct{ name, path, title string }{
		{"page_viewed", "/", "Fernhill tea and ceramics"},
		{"page_viewed", "/catalogue/teapots", "Teapots for every day"},
		{"product_viewed", "/catalogue/teapots/kyusu-side-handle", "Kyusu with side handle, unglazed"},
		{"product_viewed", "/catalogue/cups/tall-celadon", "Tall cup, celadon glaze"},
		{"product_added", "/catalogue/teapots/kyusu-side-handle", "Kyusu with side handle, unglazed"},
		{"page_viewed", "/journal/how-to-brew-sencha", "How to brew sencha without bitterness"},
		{"page_viewed", "/cart", "Your basket"},
	}
	// at holds its place in the prepared bytes until a request is sent.
	atMark  = []byte("2006-01-02T15:04:05.000Z")
	seqMark = []byte("1000000")
)

// batchSource sends batches of a fixed number of events for a few visitors in turn. All bytes but
// the numbers and times of the events are prepared beforehand.
type batchSource struct {
	visitors []*visitor
	prepared [][]prepared // by visitor, then by page
	turn     int
	events   int
}

type prepared struct {
	request []byte
	seqs    []int // offsets of the sequence numbers
	ats     []int // offsets of the times
}

func newBatchSource(host string, visitors []*visitor, events int, rnd *rand.Rand) *batchSource {
	s := &batchSource{visitors: visitors, events: events}
	for _, v := range visitors {
		var variants []prepared
		for range 4 {
			variants = append(variants, prepare(host, v, events, rnd))
		}
		s.prepared = append(s.prepared, variants)
	}
	return s
}

func prepare(host string, v *visitor, events int, rnd *rand.Rand) prepared {
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"visitor":"%s","visit":"%s","context":{"lang":"en-GB","screen":[1920,1080],"viewport":[1432,910]},"events":[`, v.ID, v.visit)
	for i := range events {
		if i > 0 {
			body.WriteByte(',')
		}
		p := pages[rnd.IntN(len(pages))]
		fmt.Fprintf(&body, `{"seq":%s,"name":"%s","at":"%s","url":"https://shop.example%s?utm_source=newsletter&utm_medium=email&utm_campaign=autumn-teas","title":"%s","referrer":"https://www.example.org/reviews/ceramics","search":"","attributes":{"sku":"FH-%04d","category":"teapots","price":%d.5,"quantity":%d,"colour":"celadon","in_stock":true}}`,
			seqMark, p.name, atMark, p.path, p.title, rnd.IntN(10000), 10+rnd.IntN(80), 1+rnd.IntN(3))
	}
	body.WriteString(`]}`)
	head := fmt.Sprintf("POST /probity/v1/deployments/%s/events HTTP/1.1\r\nHost: %s\r\nOrigin: http://localhost\r\nContent-Type: text/plain\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\nContent-Length: %d\r\n\r\n",
		deployment, host, body.Len())
	p := prepared{request: append([]byte(head), body.Bytes()...)}
	for from := len(head); ; {
		i := bytes.Index(p.request[from:], []byte(`"seq":`))
		if i < 0 {
			break
		}
		p.seqs = append(p.seqs, from+i+len(`"seq":`))
		from += i + 1
		j := bytes.Index(p.request[from:], atMark)
		p.ats = append(p.ats, from+j)
	}
	return p
}

func (s *batchSource) next() ([]byte, int) {
	s.turn++
	v := s.visitors[s.turn%len(s.visitors)]
	variants := s.prepared[s.turn%len(s.visitors)]
	p := &variants[(s.turn/len(s.visitors))%len(variants)]
	now := time.Now().UTC()
	var at [32]byte
	stamp := now.AppendFormat(at[:0], "2006-01-02T15:04:05.000Z")
	for i := range p.seqs {
		v.seq++
		var n [16]byte
		copy(p.request[p.seqs[i]:], strconv.AppendUint(n[:0], uint64(v.seq), 10))
		copy(p.request[p.ats[i]:], stamp)
	}
	return p.request, s.events
}

// sources spreads the visitors over so many connections.
func sources(host string, visitors []*visitor, connections, events int) []source {
	rnd := rand.New(rand.NewPCG(1, 2))
	out := make([]source, connections)
	per := len(visitors) / connections
	for i := range out {
		out[i] = newBatchSource(host, visitors[i*per:(i+1)*per], events, rnd)
	}
	return out
}
