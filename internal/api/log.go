package api

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/witness"
)

// logTable lists what strangers and staff see of the transparency logs.
func (a *API) logTable() []route {
	const (
		stranger = "a log that strangers can't see proves nothing; no entry is handed out"
		peer     = "the log's signature on the checkpoint is the credential"
	)
	return []route{
		{"GET", "/probity/v1/logs/{log}/checkpoint", public(stranger), 0, (*call).logCheckpoint},
		{"GET", "/probity/v1/logs/{log}/checkpoints/{size}", public(stranger), 0, (*call).logCheckpointAt},
		{"GET", "/probity/v1/logs/{log}/keys", public(stranger), 0, (*call).logKeys},
		{"GET", "/probity/v1/logs/{log}/consistency/{old}/{new}", public(stranger), 0, (*call).logConsistency},
		{"GET", "/probity/v1/logs/{log}/inclusion/{entry}", public(stranger), 0, (*call).logInclusion},
		{"GET", "/probity/v1/logs/{log}/tile/{level}/{path...}", public(stranger), 0, (*call).logTile},
		{"GET", "/probity/v1/witness/key", public(stranger), 0, (*call).witnessKey},
		{"POST", "/probity/v1/witness/add-checkpoint", public(peer), 0, (*call).addCheckpoint},
		{"GET", "/probity/v1/ledger/health", can(org.PermissionAudit), 0, (*call).ledgerHealth},
	}
}

const (
	forever = 31536000
	moments = 5 // a checkpoint is replaced at any time
)

// log reads which log a call is about.
func (c *call) log() (id.Tenant, error) {
	u, err := c.pathID("log")
	return id.Tenant(u), err
}

func (c *call) logNumber(name string) (int64, error) {
	s := c.PathValue(name)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return 0, fail.Field(name, "a whole number is expected")
	}
	return n, nil
}

// logCheckpoint is the newest checkpoint. Nothing is signed for a stranger's question.
func (c *call) logCheckpoint() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	h, err := c.api.Ledger.Latest(c.Context(), t)
	if err != nil {
		return err
	}
	return c.cached("text/plain; charset=utf-8", h.Note, moments)
}

func (c *call) logCheckpointAt() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	size, err := c.logNumber("size")
	if err != nil {
		return err
	}
	h, err := c.api.Ledger.At(c.Context(), t, size)
	if err != nil {
		return err
	}
	// Witnesses may still add their signatures.
	return c.cached("text/plain; charset=utf-8", h.Note, moments)
}

func (c *call) logKeys() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	keys, err := c.api.Ledger.Keys(c.Context(), t)
	if err != nil {
		return err
	}
	return c.cachedJSON(keys, 60)
}

func (c *call) logConsistency() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	older, err := c.logNumber("old")
	if err != nil {
		return err
	}
	newer, err := c.logNumber("new")
	if err != nil {
		return err
	}
	proof, err := c.api.Ledger.Extends(c.Context(), t, older, newer)
	if err != nil {
		return err
	}
	out := struct {
		Old   int64       `json:"old"`
		New   int64       `json:"new"`
		Proof []tlog.Hash `json:"proof"` // base64
	}{older, newer, append([]tlog.Hash{}, proof...)}
	return c.cachedJSON(out, moments)
}

// logInclusion proves an entry, named by its number or by its leaf hash in URL-safe base64, as a C2SP
// tlog-proof.
func (c *call) logInclusion() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	n, err := c.logNumber("entry")
	if err != nil {
		hash, bad := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(c.PathValue("entry"), "="))
		if bad != nil || len(hash) != tlog.HashSize {
			return fail.Field("entry", "a number or a leaf hash in URL-safe base64 is expected")
		}
		if n, err = c.api.Ledger.Find(c.Context(), t, tlog.Hash(hash)); err != nil {
			return err
		}
	}
	p, err := c.api.Ledger.Includes(c.Context(), t, n)
	if err != nil {
		return err
	}
	return c.cached("text/plain; charset=utf-8", []byte(p.Text()), moments)
}

// logTile serves the hash tiles of C2SP tlog-tiles. There are no entry bundles: the kinds and minutes
// of leaves would publish how many visitors agree and refuse.
func (c *call) logTile() error {
	t, err := c.log()
	if err != nil {
		return err
	}
	// A log that is bridged again may lack what it had: only full tiles below what was signed, and
	// partial ones of that very width, are handed out, and both never change under one name.
	level, n, width, ok := parseTile(c.PathValue("level"), c.PathValue("path"))
	if !ok {
		return fail.New(fail.NotFound, "There is no such tile.")
	}
	tile, err := c.api.Ledger.Tile(c.Context(), t, level, n, width)
	if err != nil {
		return err
	}
	return c.cached("application/octet-stream", tile, forever)
}

// parseTile reads the end of a tile's path, such as "0/x001/234.p/17".
func parseTile(level, path string) (l int, n int64, width int, ok bool) {
	width = ledger.TileWidth
	if rest, w, partial := strings.Cut(path, ".p/"); partial {
		v, err := strconv.Atoi(w)
		if err != nil || v < 1 || v >= ledger.TileWidth || strconv.Itoa(v) != w {
			return 0, 0, 0, false
		}
		path, width = rest, v
	}
	l, err := strconv.Atoi(level)
	if err != nil || l < 0 || l > 63 || strconv.Itoa(l) != level {
		return 0, 0, 0, false
	}
	parts := strings.Split(path, "/")
	if len(parts) > 6 || len(parts) > 1 && parts[0] == "x000" {
		return 0, 0, 0, false
	}
	for i, part := range parts {
		if i < len(parts)-1 {
			var cut bool
			if part, cut = strings.CutPrefix(part, "x"); !cut {
				return 0, 0, 0, false
			}
		}
		v, err := strconv.Atoi(part)
		if err != nil || len(part) != 3 || v < 0 || part[0] == '+' {
			return 0, 0, 0, false
		}
		n = n*1000 + int64(v)
	}
	return l, n, width, true
}

func (c *call) witnessKey() error {
	if c.api.Witness == nil {
		return fail.New(fail.NotFound, "This installation is no witness.")
	}
	key, err := c.api.Witness.Key(c.Context())
	if err != nil {
		return err
	}
	return c.cached("text/plain; charset=utf-8", []byte(key+"\n"), 60)
}

// addCheckpoint answers a log that wants a cosignature (C2SP tlog-witness).
func (c *call) addCheckpoint() error {
	if c.api.Witness == nil {
		return fail.New(fail.NotFound, "This installation is no witness.")
	}
	body, err := c.body(plainText, "application/octet-stream")
	if err != nil {
		return err
	}
	lines, err := c.api.Witness.AddCheckpoint(c.Context(), body)
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	if r, refused := errors.AsType[*witness.Refusal](err); refused {
		if r.Size < 0 {
			return c.reply(r.Status, ownError{r.Message, "witness.refused", r.Status, "", contextIDOf(c.Context())})
		}
		h.Set("Content-Type", "text/x.tlog.size")
		c.w.WriteHeader(r.Status)
		_, _ = io.WriteString(c.w, strconv.FormatInt(r.Size, 10)+"\n")
		return nil
	}
	if err != nil {
		return err
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(c.w, lines)
	return nil
}

// ledgerHealth shows staff how the log stands.
func (c *call) ledgerHealth() error {
	if c.api.Publisher == nil {
		return fail.New(fail.NotFound, "This installation keeps no account of its log.")
	}
	h, err := c.api.Publisher.Health(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, healthBody(c.who.Tenant, h))
}

type destinationBody struct {
	Kind        string     `json:"kind"`
	Destination string     `json:"destination"`
	Size        int64      `json:"size"`
	LastSuccess *time.Time `json:"last_success"`
	Failures    int        `json:"failures"`
	Error       string     `json:"error,omitempty"`
	Alarm       bool       `json:"alarm"`
}

type bridgeBody struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	At    time.Time `json:"at"`
	First int64     `json:"first_lost"`
	Lost  int64     `json:"lost"`
}

type auditBody struct {
	At       time.Time `json:"at"`
	Size     int64     `json:"size"`
	Took     int64     `json:"took_ms"`
	Sound    bool      `json:"sound"`
	FirstBad *int64    `json:"first_bad_entry"`
	Detail   string    `json:"detail,omitempty"`
}

type ledgerHealthBody struct {
	Log            string            `json:"log"`
	Size           int64             `json:"size"`
	Checkpoint     string            `json:"checkpoint,omitempty"`
	CheckpointTime *time.Time        `json:"checkpoint_time"`
	Destinations   []destinationBody `json:"destinations"`
	Bridges        []bridgeBody      `json:"bridges"`
	Lost           int64             `json:"lost"`
	Audit          *auditBody        `json:"audit"`
	Alarms         []string          `json:"alarms"`
	Warnings       []string          `json:"warnings"`
}

func healthBody(t id.Tenant, h *witness.Health) ledgerHealthBody {
	b := ledgerHealthBody{
		Log: t.String(), Size: h.Size, Lost: h.Lost, Alarms: h.Alarms, Warnings: h.Warnings,
		Destinations: []destinationBody{}, Bridges: []bridgeBody{},
	}
	if h.Checkpoint != nil {
		b.Checkpoint, b.CheckpointTime = h.Checkpoint.Note, &h.Checkpoint.Time
	}
	for _, d := range h.Destinations {
		one := destinationBody{Kind: d.Kind, Destination: d.Destination, Size: d.Size, Failures: d.Failures, Error: d.Error, Alarm: d.Alarm}
		if !d.Succeeded.IsZero() {
			one.LastSuccess = &d.Succeeded
		}
		b.Destinations = append(b.Destinations, one)
	}
	for _, r := range h.Bridges {
		b.Bridges = append(b.Bridges, bridgeBody{From: r.From, To: r.To, At: r.At, First: r.First, Lost: r.Lost})
	}
	if a := h.Audit; a != nil {
		b.Audit = &auditBody{At: a.At, Size: a.Size, Took: a.Took.Milliseconds(), Sound: a.Sound, Detail: a.Detail}
		if a.Entry >= 0 {
			b.Audit.FirstBad = &a.Entry
		}
	}
	return b
}
