package rights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Push says where packages may be sent to on a person's behalf (Art. 20(2) GDPR).
type Push struct {
	// Allow are networks that are reached though they are private. Every other private, local or
	// reserved address is refused when the connection is made, whatever the name resolved to before.
	Allow []netip.Prefix
	TLS   *tls.Config // nil: the certificate authorities of the machine
}

// DeliverySignature is the header that holds a signed note (base64): DeliveryType, the request's id, the
// SHA-256 of the body in hex and the time in seconds since 1970, a line each, under the key of the
// organisation's log.
const (
	DeliverySignature = "Probity-Signature"
	DeliveryType      = "probity/delivery/v1"
)

const (
	deliveryPatience = time.Minute     // for one answer
	deliveryClaim    = 2 * time.Minute // for which a try belongs to one process
	deliveryLongest  = time.Hour       // between two tries
	deliveriesAtOnce = 20
)

// Delivery is what became of the sending of a package.
type Delivery struct {
	Tries   int        `json:"tries"`
	Outcome string     `json:"outcome"`            // of the last try; empty: none was made
	Taken   *time.Time `json:"taken,omitempty"`    // nil: it was not
	NextTry *time.Time `json:"next_try,omitempty"` // nil: none will be made
}

// checkTarget tells whether a package may be sent to the address at all.
func checkTarget(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(address) > maxValue {
		return fail.Field("deliver_to", "a package is sent to an https address without a password in it")
	}
	return nil
}

// deliverLater notes, in the transaction that stores the package, that it is to be sent.
func (r *Room) deliverLater(ctx context.Context, tx *store.Tx, j *job, pack uuid.UUID) error {
	if j.typ != Portability || j.content.DeliverTo == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO rights_delivery (tenant_id, request_id, package_id, due, tries, outcome) VALUES ($1, $2, $3, $4, 0, '')`,
		j.tenant, j.id[:], pack[:], r.Clock.Now().UnixMicro())
	return err
}

// DeliveryOf tells what became of the sending of a request's package; nil if it is not to be sent.
func (r *Room) DeliveryOf(ctx context.Context, t id.Tenant, request uuid.UUID) (*Delivery, error) {
	var d *Delivery
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		d = &Delivery{}
		var due int64
		var done sql.NullInt64
		err := tx.QueryRow(ctx, `
			SELECT tries, outcome, due, done_at FROM rights_delivery WHERE tenant_id = $1 AND request_id = $2`, t, request[:]).
			Scan(&d.Tries, &d.Outcome, &due, &done)
		if errors.Is(err, sql.ErrNoRows) {
			d = nil
			return nil
		}
		if due > 0 {
			at := micro(due)
			d.NextTry = &at
		}
		if done.Valid {
			at := micro(done.Int64)
			d.Taken = &at
		}
		return err
	})
	return d, err
}

// due is one package to be sent.
type due struct {
	tenant        id.Tenant
	request, pack uuid.UUID
	tries         int64
}

// Deliver sends the packages that are due and returns how many were taken. What was not taken is tried
// again until the package expires. Several processes may run it over one database.
func (r *Room) Deliver(ctx context.Context) (taken int, err error) {
	list, err := r.claimDeliveries(ctx)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		outcome, again, err := r.deliver(ctx, d)
		if err != nil {
			return taken, err
		}
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		if err := r.noteDelivery(ctx, d, outcome, again); err != nil {
			return taken, err
		}
		if outcome == delivered {
			taken++
		}
	}
	return taken, nil
}

// claimDeliveries takes what is due, so that no other process sends it at the same time.
func (r *Room) claimDeliveries(ctx context.Context) (list []due, err error) {
	now := r.Clock.Now()
	find := func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT tenant_id, request_id, package_id, tries FROM rights_delivery
			WHERE due > 0 AND due <= $1 ORDER BY due LIMIT $2`, now.UnixMicro(), deliveriesAtOnce)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d due
			if err := rows.Scan(&d.tenant, &d.request, &d.pack, &d.tries); err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	}
	// Nothing is due as a rule: look without holding up those who write.
	if err := r.DB.Read(ctx, find); err != nil || len(list) == 0 {
		return nil, err
	}
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for i := range list {
			list[i].tries++
			if _, err := tx.Exec(ctx, `UPDATE rights_delivery SET due = $3, tries = $4 WHERE tenant_id = $1 AND request_id = $2`,
				list[i].tenant, list[i].request[:], now.Add(deliveryClaim).UnixMicro(), list[i].tries); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

const delivered = "delivered"

// deliver makes one try. The outcome says how it went and holds nothing of the address or the answer.
func (r *Room) deliver(ctx context.Context, d due) (outcome string, again bool, err error) {
	q, err := r.Get(ctx, d.tenant, d.request)
	if err != nil {
		return "", false, err
	}
	if q.DeliverTo == "" {
		return "given up: the request has forgotten the address", false, nil
	}
	p, _, file, err := r.openPackage(ctx, d.tenant, d.pack)
	if fail.Is(err, fail.NotFound) || fail.Is(err, fail.Gone) {
		return "given up: the package has expired", false, nil
	}
	if err != nil {
		return "", false, err
	}
	signature, err := r.signDelivery(ctx, d, file)
	if err != nil {
		return "", false, err
	}
	try, cancel := context.WithTimeout(ctx, deliveryPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(try, http.MethodPost, q.DeliverTo, bytes.NewReader(file))
	if err != nil {
		return "given up: the address can't be used", false, nil
	}
	sum := sha256.Sum256(file)
	req.Header.Set("Content-Type", "application/zip")
	req.Header.Set("Content-Disposition", `attachment; filename="`+p.Name+`"`)
	req.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	req.Header.Set("User-Agent", "probity")
	req.Header.Set("Probity-Request", d.request.String())
	req.Header.Set(DeliverySignature, signature)
	client := r.pushClient()
	defer client.CloseIdleConnections()
	answer, err := client.Do(req)
	switch {
	case errors.Is(err, errPrivate):
		return "refused: the address leads into a private network", true, nil
	case err != nil:
		return "no answer", true, nil
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Sprintf("HTTP %d", answer.StatusCode), true, nil
	}
	return delivered, false, r.logDownload(ctx, d.tenant, d.pack, d.request, Actor{Kind: "push"})
}

// signDelivery returns the value of DeliverySignature.
func (r *Room) signDelivery(ctx context.Context, d due, file []byte) (string, error) {
	signer, _, err := r.Ledger.Signing(ctx, d.tenant)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(file)
	text := strings.Join([]string{DeliveryType, d.request.String(), hex.EncodeToString(sum[:]), strconv.FormatInt(r.Clock.Now().Unix(), 10), ""}, "\n")
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return "", fail.Wrap(fail.Internal, err, "sign a delivery")
	}
	return base64.StdEncoding.EncodeToString(signed), nil
}

var errPrivate = errors.New("the address is not public")

// pushClient returns a client that follows no redirect, uses no proxy, and connects to public addresses
// and the networks allowed only.
func (r *Room) pushClient() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		// What is checked here is what is connected to: a name can't lead elsewhere in between.
		at, err := netip.ParseAddrPort(address)
		if err != nil || !r.Push.reaches(at.Addr()) {
			return errPrivate
		}
		return nil
	}}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.Push.TLS != nil {
		config = r.Push.TLS.Clone()
		config.MinVersion = tls.VersionTLS12
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reserved are networks that are nobody's on the internet, beside those that netip knows.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// reaches tells whether a package may be sent to the address.
func (p *Push) reaches(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range p.Allow {
		if n.Contains(a) {
			return true
		}
	}
	for _, n := range reserved {
		if n.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// noteDelivery writes how a try went and when the next one is due.
func (r *Room) noteDelivery(ctx context.Context, d due, outcome string, again bool) error {
	now := r.Clock.Now()
	var next int64
	var done any
	if outcome == delivered {
		done = now.UnixMicro()
	}
	if again {
		next = now.Add(min(time.Second<<min(d.tries, 12), deliveryLongest)).UnixMicro()
	}
	return r.DB.Tenant(d.tenant).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE rights_delivery SET due = $3, outcome = $4, done_at = $5 WHERE tenant_id = $1 AND request_id = $2`,
			d.tenant, d.request[:], next, outcome, done)
		return err
	})
}
