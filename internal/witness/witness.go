// Package witness makes logs accountable to others. As a witness (C2SP tlog-witness) this
// installation cosigns the checkpoints of foreign logs, and never two that contradict each other. As
// a log it asks its own witnesses, posts its checkpoints to where it can't change them again, and
// examines itself.
package witness

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/verify"
)

// Memory keeps the witness's key and what it has cosigned. *vault.Vault implements it, and its
// methods are documented there.
type Memory interface {
	Cosigner(ctx context.Context, t id.Tenant, name string) (ed25519.PrivateKey, error)
	Witnessed(ctx context.Context, t id.Tenant, origin string) (size int64, note string, err error)
	Witness(ctx context.Context, t id.Tenant, origin, prior string, size int64, note string) (done bool, err error)
}

// Witness cosigns the checkpoints of the logs it accepts. It is safe for concurrent use.
type Witness struct {
	memory Memory
	tenant id.Tenant // whose vault holds the key
	name   string
	clk    clock.Clock
	logs   map[string][]string // verifier keys by origin
}

// New returns the witness of an installation. name is how it signs, such as
// "privacy.shop.example/witness"; logs are the verifier keys of the logs it accepts. Several keys of
// one log are one log. Errors: fail.Invalid for a key that can't be read.
func New(m Memory, t id.Tenant, name string, clk clock.Clock, logs ...string) (*Witness, error) {
	w := &Witness{memory: m, tenant: t, name: name, clk: clk, logs: map[string][]string{}}
	for _, key := range logs {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, fail.Field("witness-accept", "witness-accept: %q is not the verifier key of a log", key)
		}
		w.logs[v.Name()] = append(w.logs[v.Name()], key)
	}
	return w, nil
}

// Key returns the witness's verifier key, for those who rely on it.
func (w *Witness) Key(ctx context.Context) (string, error) {
	_, key, err := w.signer(ctx)
	return key, err
}

func (w *Witness) signer(ctx context.Context) (note.Signer, string, error) {
	private, err := w.memory.Cosigner(ctx, w.tenant, w.name)
	if err != nil {
		return nil, "", err
	}
	return verify.NewCosigner(w.name, private, w.clk.Now)
}

// Refusal is an answer other than a cosignature, with the status that the protocol gives it. Nothing
// was remembered.
type Refusal struct {
	Status  int
	Size    int64 // of the tree cosigned last, for a conflict; otherwise -1
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(status int, message string) error { return &Refusal{status, -1, message} }

// AddCheckpoint checks the body of an add-checkpoint request, remembers the checkpoint and returns
// the cosignature, a line of a signed note. It is remembered on disk before it is signed. The same
// checkpoint may come again.
//
// Errors: a *Refusal (400 malformed, 403 not signed by the log, 404 not a log that is accepted, 409
// the old size is not the one cosigned last, or another tree of the same size was, 422 the proof
// does not hold); fail.Unavailable.
func (w *Witness) AddCheckpoint(ctx context.Context, body []byte) (string, error) {
	q, err := ParseRequest(body)
	if err != nil {
		return "", err
	}
	keys := w.logs[q.Checkpoint.Origin]
	if len(keys) == 0 {
		return "", refuse(http.StatusNotFound, "This witness does not know a log of this name.")
	}
	if !slices.ContainsFunc(keys, func(key string) bool {
		_, err := verify.OpenCheckpoint(q.Note, key)
		return err == nil
	}) {
		return "", refuse(http.StatusForbidden, "The checkpoint is not signed with a key of this log.")
	}
	signer, _, err := w.signer(ctx)
	if err != nil {
		return "", err
	}
	for range 8 {
		size, prior, err := w.memory.Witnessed(ctx, w.tenant, q.Checkpoint.Origin)
		if err != nil {
			return "", err
		}
		if err := q.follows(size, prior); err != nil {
			return "", err
		}
		done, err := w.memory.Witness(ctx, w.tenant, q.Checkpoint.Origin, prior, q.Checkpoint.Tree.N, string(q.Note))
		if err != nil {
			return "", err
		}
		if done {
			text, _, _ := strings.Cut(string(q.Note), "\n\n")
			signed, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
			if err != nil {
				return "", fail.Wrap(fail.Internal, err, "The checkpoint could not be cosigned.")
			}
			return string(signed[len(text)+2:]), nil
		}
	}
	return "", fail.New(fail.Unavailable, "This log is being cosigned by other requests at the same time.")
}

// follows tells whether the checkpoint may come after the one cosigned last.
func (q *Request) follows(size int64, prior string) error {
	if q.Old != size {
		return &Refusal{http.StatusConflict, size, "The old size is not that of the checkpoint cosigned last."}
	}
	if size == 0 {
		return nil
	}
	text, _, _ := strings.Cut(prior, "\n\n")
	last, err := verify.ParseCheckpoint(text + "\n")
	if err != nil {
		return fail.Wrap(fail.Internal, err, "The witness's memory of a log is damaged: restore the vault from a backup.")
	}
	next := q.Checkpoint
	switch {
	case next.Tree.N == size && next.Tree.Hash != last.Tree.Hash:
		return &Refusal{http.StatusConflict, size, "Another tree of this size was cosigned."}
	case next.Tree.N > size && tlog.CheckTree(q.Proof, next.Tree.N, next.Tree.Hash, size, last.Tree.Hash) != nil:
		return refuse(http.StatusUnprocessableEntity, "The proof does not show that the log only grew.")
	case next.Time.Before(last.Time):
		return refuse(http.StatusUnprocessableEntity, "The checkpoint is dated before the one cosigned last: the log's clock went backwards.")
	}
	return nil
}

// Request is what a log asks of a witness.
type Request struct {
	Old        int64 // size of the checkpoint that the witness is believed to have cosigned last
	Proof      tlog.TreeProof
	Checkpoint verify.Checkpoint
	Note       []byte // as it was signed
}

// MaxProof is how many hashes a proof may have.
const MaxProof = 63

// ParseRequest reads the body of an add-checkpoint request. It checks no signature. Every error is a
// *Refusal with the status 400.
func ParseRequest(body []byte) (*Request, error) {
	bad := func(message string) (*Request, error) { return nil, refuse(http.StatusBadRequest, message) }
	head, signed, ok := strings.Cut(string(body), "\n\n")
	if !ok {
		return bad("The request has no empty line before the checkpoint.")
	}
	lines := strings.Split(head, "\n")
	text, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != text {
		return bad("The first line is not the old size.")
	}
	if len(lines)-1 > MaxProof {
		return bad("The proof has more than 63 hashes.")
	}
	q := &Request{Old: old, Note: []byte(signed)}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize || strings.ContainsAny(line, "\r\n") {
			return bad("A line of the proof is not 32 bytes of base64.")
		}
		q.Proof = append(q.Proof, tlog.Hash(h))
	}
	state, sigs, ok := strings.Cut(signed, "\n\n")
	if !ok || !strings.HasPrefix(sigs, "— ") || !strings.HasSuffix(sigs, "\n") {
		return bad("The checkpoint is not a signed note.")
	}
	if q.Checkpoint, err = verify.ParseCheckpoint(state + "\n"); err != nil {
		return bad("The checkpoint can't be read.")
	}
	if q.Checkpoint.Tree.N == 0 {
		return bad("The checkpoint is of an empty log.")
	}
	if q.Old > q.Checkpoint.Tree.N {
		return bad("The old size is larger than the checkpoint's.")
	}
	if (q.Old == 0 || q.Old == q.Checkpoint.Tree.N) && len(q.Proof) > 0 {
		return bad("There is nothing to prove between these sizes.")
	}
	return q, nil
}

// Body returns the request as it is sent.
func (q *Request) Body() []byte {
	var b strings.Builder
	b.WriteString("old " + strconv.FormatInt(q.Old, 10) + "\n")
	for _, h := range q.Proof {
		b.WriteString(h.String() + "\n")
	}
	b.WriteByte('\n')
	b.Write(q.Note)
	return []byte(b.String())
}
