package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-json-experiment/json"
)

// The limit is what this machine can do at best for a collector written with net/http: decode the
// JSON, append the body to one file, answer once an fdatasync covers it. All requests that wait
// share one sync, and there is no timer. It checks nothing, keeps no keys and processes nothing.

// groupFile appends to one file and lets all waiting writers share a sync.
type groupFile struct {
	mu      sync.Mutex // guards pending and waiting
	pending []byte
	waiting []chan error
	kick    chan struct{}
	file    *os.File
}

func newGroupFile(path string) (*groupFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	g := &groupFile{kick: make(chan struct{}, 1), file: f}
	go g.run()
	return g, nil
}

func (g *groupFile) run() {
	for range g.kick {
		g.mu.Lock()
		data, waiting := g.pending, g.waiting
		g.pending, g.waiting = nil, nil
		g.mu.Unlock()
		_, err := g.file.Write(data)
		if err == nil {
			err = fdatasync(g.file)
		}
		for _, w := range waiting {
			w <- err
		}
	}
}

func (g *groupFile) append(b []byte) error {
	done := make(chan error, 1)
	g.mu.Lock()
	g.pending = append(g.pending, b...)
	g.waiting = append(g.waiting, done)
	g.mu.Unlock()
	select {
	case g.kick <- struct{}{}:
	default:
	}
	return <-done
}

type limitBatch struct {
	Visitor string `json:"visitor"`
	Visit   string `json:"visit"`
	Context struct {
		Lang     string `json:"lang"`
		Screen   [2]int `json:"screen"`
		Viewport [2]int `json:"viewport"`
	} `json:"context"`
	Events []struct {
		Seq        uint32         `json:"seq"`
		Name       string         `json:"name"`
		At         string         `json:"at"`
		URL        string         `json:"url"`
		Title      string         `json:"title"`
		Referrer   string         `json:"referrer"`
		Search     string         `json:"search"`
		Attributes map[string]any `json:"attributes"`
	} `json:"events"`
}

// serveLimit is the body of the process that stands for the limit.
func serveLimit(dir string) error {
	sink, err := newGroupFile(filepath.Join(dir, "limit.log"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintf(out, "ready http://%s\n", l.Addr())
	if err := out.Flush(); err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var batch limitBatch
		if err := json.Unmarshal(body, &batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := sink.append(body); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"accepted":%d,"refused":[]}`, len(batch.Events))
	}))
}
