package collect_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/subject"
)

func TestTheStepsComeInOrder(t *testing.T) {
	h := newHouse(t)
	known := h.visitor(t, "measure", "actions", "identity")
	h.steps.take()
	for _, c := range []struct {
		name string
		send func() error
		want string
	}{
		{"a batch of one page view", func() error {
			_, _, err := h.Batch(t.Context(), h.deployment, request(batch(known, item(1, "page_viewed", ""))))
			return err
		}, "clock, deployment, lookup, gate measure, seal, append"},
		{"a batch of many asks once for each purpose and seals once", func() error {
			_, _, err := h.Batch(t.Context(), h.deployment, request(batch(known, item(2, "page_viewed", ""), item(3, "product_added", ""),
				item(4, "page_viewed", `,"traits":{"givenName":"Mary"}`), item(5, "product_added", `,"external_id":"c"`))))
			return err
		}, "clock, deployment, lookup, gate measure, gate actions, gate identity, seal, append"},
		{"a web event", func() error {
			_, err := h.Web(t.Context(), h.deployment, request(web(known, "product_added", "")))
			return err
		}, "clock, deployment, lookup, gate actions, seal, append"},
		{"a malformed body gets nowhere", func() error {
			_, _, _ = h.Batch(t.Context(), h.deployment, request("{"))
			return nil
		}, "clock"},
		{"an old event gets nowhere", func() error {
			_, _ = h.Web(t.Context(), h.deployment, request(strings.Replace(web(known, "a", ""), "T12:00", "T10:59", 1)))
			return nil
		}, "clock"},
		{"a foreign origin gets no further than the deployment", func() error {
			r := request(web(known, "a", ""))
			r.Origin = "https://evil.example"
			_, _ = h.Web(t.Context(), h.deployment, r)
			return nil
		}, "clock, deployment"},
		{"an unknown cookie makes no subject", func() error {
			_, _ = h.Web(t.Context(), h.deployment, request(web(uuid.New(), "a", "")))
			return nil
		}, "clock, deployment, lookup, suppressed, gate actions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.send(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(h.steps.take(), ", "); got != c.want {
				t.Fatalf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAnAcceptedEventCitesItsGroundAndIsSealed(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure", "actions")
	r := request(batch(v, item(1, "page_viewed", `,"title":"Chairs for mary@example.com","referrer":"https://www.google.com/search?q=oak"`),
		item(2, "product_added", `,"attributes":{"price":19.5}`)))
	r.Peer = netip.MustParseAddr("203.0.113.77")
	n, refused, err := h.Batch(t.Context(), h.deployment, r)
	if err != nil || n != 2 || len(refused) != 0 {
		t.Fatal(n, refused, err)
	}
	if h.log.len() != 1 {
		t.Fatalf("the events of one request took %d records", h.log.len())
	}
	events := h.events(t)
	for i, e := range events {
		if e.Ground.Basis != "consent" || e.Ground.Ledger < 0 || e.Ground.Declared != "" {
			t.Errorf("event %d cites %+v", i, e.Ground)
		}
		if e.IP != "203.0.113.0" || e.Browser != (event.Browser{Family: "Chrome", Version: "142", Lang: "de"}) || e.Device.ScreenWidth != 1920 || e.Device.Category != "desktop" {
			t.Errorf("event %d: %q %+v %+v", i, e.IP, e.Browser, e.Device)
		}
		if e.Seq != uint32(i+1) || e.Visit != uuid.MustParse("0193a6c1-0000-7000-8000-000000000001") || e.Deployment != h.deployment ||
			!e.Received.Equal(h.clk.Now()) || e.ID.Version() != 7 || e.Origin != event.FromBrowser {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if events[0].Purpose != "measure" || events[1].Purpose != "actions" || events[0].ID == events[1].ID {
		t.Errorf("got %+v", events)
	}
	if events[0].Page.Title != "Chairs for (email)" || events[0].Referrer.Medium != "search" {
		t.Errorf("not minimised: %+v", events[0])
	}
	for _, clear := range []string{"shop.example", "product_added", "Chairs", v.String(), string(v[:]), "203.0.113"} {
		if bytes.Contains(h.log.records[0], []byte(clear)) {
			t.Errorf("the record shows %q", clear)
		}
	}
	if s := h.Stats(); s.Accepted != 2 || s.Refused != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestTheResponseOfAWebEventTellsWhereItWent(t *testing.T) {
	h := newHouse(t, func(d *collect.Deps) { d.Partitions = 7 })
	v := h.visitor(t, "measure")
	a, err := h.Web(t.Context(), h.deployment, request(web(v, "page_viewed", `,"browser":{"family":"Firefox","version":"145.0"},"ipAddress":"2001:db8:1:2::3"`)))
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := h.subjects.Lookup(t.Context(), h.tenant, subject.Cookie, v.String())
	if err != nil || a.Tenant != h.tenant || a.Subject != s || a.Seq != 1 || a.Partition != collect.Partition(h.tenant, s, 7) {
		t.Fatalf("got %+v, %v", a, err)
	}
	if a.Event.Browser != (event.Browser{Family: "Firefox", Version: "145"}) || a.Event.Device.OSFamily != "Windows" || a.Event.IP != "2001:db8:1::" || a.Event.Origin != event.FromBrowser {
		t.Fatalf("got %+v", a.Event)
	}
}

// TestWhatIsRefusedLeavesNothing sends what must be refused, and then looks into the log.
func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	h := newHouse(t)
	known := h.visitor(t, "measure")
	refuser := h.visitor(t, "marketing")
	erased := h.visitor(t, "measure", "actions")
	h.erase(t, erased)
	h.clk.Advance(10 * time.Second)

	big := strings.Repeat("x", event.MaxEventBytes)
	for _, c := range []struct {
		name       string
		deployment uuid.UUID
		origin     string
		body       string
		kind       fail.Kind
		code       string
	}{
		{"a body that is no JSON", h.deployment, shop, `{"`, fail.Invalid, ""},
		{"a body that is not UTF-8", h.deployment, shop, "\xff", fail.Invalid, ""},
		{"an event above 64 KiB", h.deployment, shop, web(known, "page_viewed", `,"x":"`+big+`"`), fail.TooLarge, ""},
		{"an event that is too old", h.deployment, shop, strings.Replace(web(known, "page_viewed", ""), "T12:00:00Z", "T10:59:59Z", 1), fail.Invalid, "event.too.old"},
		{"an event from the future", h.deployment, shop, strings.Replace(web(known, "page_viewed", ""), "T12:00:00Z", "T12:06:00Z", 1), fail.Invalid, "event.in.future"},
		{"an unknown deployment", uuid.New(), shop, web(known, "page_viewed", ""), fail.NotFound, ""},
		{"a foreign origin", h.deployment, "https://evil.example", web(known, "page_viewed", ""), fail.Forbidden, "origin.foreign"},
		{"the null origin", h.deployment, "null", web(known, "page_viewed", ""), fail.Forbidden, "origin.foreign"},
		{"a loopback origin that is not allowed", h.deployment, "http://localhost:8080", web(known, "page_viewed", ""), fail.Forbidden, "origin.foreign"},
		{"a cookie that made no choice", h.deployment, shop, web(uuid.New(), "page_viewed", ""), fail.ConsentRequired, "consent.required"},
		{"the same from a server", h.deployment, "", web(uuid.New(), "page_viewed", ""), fail.ConsentRequired, "consent.required"},
		{"a purpose that was refused", h.deployment, shop, web(refuser, "page_viewed", ""), fail.ConsentRequired, "consent.required"},
		{"an action of somebody who allowed page views", h.deployment, shop, web(known, "product_added", ""), fail.ConsentRequired, "consent.required"},
		{"the cookie of an erased person", h.deployment, shop, web(erased, "page_viewed", ""), fail.Gone, "subject.erased"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(c.body)
			r.Origin = c.origin
			_, err := h.Web(t.Context(), c.deployment, r)
			wantFailure(t, err, c.kind, c.code)
			if h.log.len() != 0 {
				t.Fatal("something was stored")
			}
		})
	}
	t.Run("a batch of an erased person", func(t *testing.T) {
		_, _, err := h.Batch(t.Context(), h.deployment, request(batch(erased, item(1, "page_viewed", ""))))
		wantFailure(t, err, fail.Gone, "subject.erased")
	})
	if h.log.len() != 0 {
		t.Fatal("something was stored")
	}
}

func TestABatchIsTakenInPart(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure")
	n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(v,
		strings.Replace(item(1, "page_viewed", ""), "T12:00", "T10:00", 1),
		item(2, "page_viewed", ""),
		item(3, "product_added", ""),
		strings.Replace(item(4, "page_viewed", ""), "T12:00", "T13:00", 1),
		item(5, "page_viewed", ""))))
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	var got []string
	for _, r := range refused {
		got = append(got, strings.Repeat("#", int(r.Seq))+r.Code)
		if r.Message == "" {
			t.Errorf("refusal %d has no message", r.Seq)
		}
	}
	slices.Sort(got)
	if want := "####event.in.future ###consent.required #event.too.old"; strings.Join(got, " ") != want {
		t.Fatalf("got %v", got)
	}
	var seqs []uint32
	for _, e := range h.events(t) {
		seqs = append(seqs, e.Seq)
	}
	if !slices.Equal(seqs, []uint32{2, 5}) {
		t.Fatalf("stored %v", seqs)
	}
}

func TestABatchOfSomebodyUnknownIsRefusedEventByEvent(t *testing.T) {
	h := newHouse(t)
	n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(uuid.New(), item(1, "page_viewed", ""), item(2, "a", ""))))
	if err != nil || n != 0 || len(refused) != 2 || refused[0].Code != "consent.required" || refused[1].Seq != 2 || h.log.len() != 0 {
		t.Fatal(n, refused, err)
	}
}

func TestTraitsNeedAPurposeOfTheirOwn(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		visitor uuid.UUID
		kept    bool
	}{
		"with identity":    {h.visitor(t, "actions", "identity"), true},
		"without identity": {h.visitor(t, "actions"), false},
	} {
		t.Run(name, func(t *testing.T) {
			before := h.Stats().IdentityDropped
			a, err := h.Web(t.Context(), h.deployment, request(web(c.visitor, "form_submitted",
				`,"traits":{"email":{"dataType":"string","value":"mary@example.com"}},"externalId":"crm-1","attributes":{"Phone":{"value":"+495111234567"},"size":{"value":"L"}}`)))
			if err != nil {
				t.Fatal(err)
			}
			e := h.events(t)[h.log.len()-1]
			if c.kept && (e.Traits["email"].Value != "mary@example.com" || e.Traits["phone"].Value != "+495111234567" || e.ExternalID != "crm-1") {
				t.Fatalf("got %+v %q", e.Traits, e.ExternalID)
			}
			if !c.kept && (e.Traits != nil || e.ExternalID != "" || a.Event.Traits != nil || h.Stats().IdentityDropped != before+1) {
				t.Fatalf("got %+v %q %+v", e.Traits, e.ExternalID, h.Stats())
			}
			if len(e.Attributes) != 1 || e.Attributes["size"].Value != "L" {
				t.Fatalf("got %+v", e.Attributes)
			}
		})
	}
}

func TestABatchWithoutOriginComesFromAServer(t *testing.T) {
	h := newHouse(t)
	known := h.visitor(t, "measure")
	r := request(batch(known, item(1, "page_viewed", "")))
	r.Origin = ""
	accepted, refused, err := h.Batch(t.Context(), h.deployment, r)
	if err != nil || accepted != 1 || len(refused) != 0 {
		t.Fatalf("%d accepted, %v refused, %v", accepted, refused, err)
	}
}

func TestADeclaredBasisCountsForServersOnly(t *testing.T) {
	h := newHouse(t)
	record, err := h.consent.Declare(t.Context(), h.tenant, consent.Declaration{Deployment: h.deployment, Basis: "contract",
		Purposes: []string{"actions"}, Assessment: "Orders that were placed must be fulfilled."})
	if err != nil {
		t.Fatal(err)
	}
	server := request(web(uuid.New(), "order_completed", ""))
	server.Origin = ""
	server.Peer = netip.MustParseAddr("198.51.100.7")
	a, err := h.Web(t.Context(), h.deployment, server)
	if err != nil {
		t.Fatal(err)
	}
	if a.Event.Ground.Basis != "contract" || a.Event.Ground.Declared != record || a.Event.Origin != event.FromServer {
		t.Fatalf("got %+v", a.Event.Ground)
	}
	if a.Event.Browser.Family != "" || a.Event.IP != "" {
		t.Fatalf("what the server says about itself was taken for the visitor: %+v %q", a.Event.Browser, a.Event.IP)
	}

	browser := server
	browser.Origin = shop
	browser.Body = []byte(web(uuid.New(), "order_completed", ""))
	_, err = h.Web(t.Context(), h.deployment, browser)
	wantFailure(t, err, fail.ConsentRequired, "consent.required")

	other := server
	other.Body = []byte(web(uuid.New(), "page_viewed", ""))
	_, err = h.Web(t.Context(), h.deployment, other)
	wantFailure(t, err, fail.ConsentRequired, "consent.required")
	if h.log.len() != 1 {
		t.Fatalf("%d records", h.log.len())
	}
}

func TestAnObjectionEndsADeclaredBasis(t *testing.T) {
	h := newHouse(t)
	if _, err := h.consent.Declare(t.Context(), h.tenant, consent.Declaration{Deployment: h.deployment, Basis: "legitimate_interest",
		Purposes: []string{"actions"}, Assessment: "We want to know which pages sell, and weighed it."}); err != nil {
		t.Fatal(err)
	}
	cookie := uuid.New()
	r := request(web(cookie, "order_completed", ""))
	r.Origin = ""
	a, err := h.Web(t.Context(), h.deployment, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("by Global Privacy Control", func(t *testing.T) {
		r := r
		r.GPC = true
		_, err := h.Web(t.Context(), h.deployment, r)
		wantFailure(t, err, fail.ConsentRequired, "consent.required")
	})
	t.Run("in words", func(t *testing.T) {
		h.clk.Advance(time.Second)
		if err := h.consent.Object(t.Context(), h.tenant, a.Subject, []string{"actions"}); err != nil {
			t.Fatal(err)
		}
		_, err := h.Web(t.Context(), h.deployment, r)
		wantFailure(t, err, fail.ConsentRequired, "consent.required")
	})
	if h.log.len() != 1 {
		t.Fatalf("%d records", h.log.len())
	}
}

func TestConsentStandsAgainstGlobalPrivacyControl(t *testing.T) {
	h := newHouse(t)
	r := request(batch(h.visitor(t, "measure"), item(1, "page_viewed", "")))
	r.GPC = true
	if n, refused, err := h.Batch(t.Context(), h.deployment, r); err != nil || n != 1 {
		t.Fatal(n, refused, err)
	}
}

func TestAWithdrawalShutsTheDoorAtOnce(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure", "actions")
	send := func() (int, []collect.Refusal) {
		n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(v, item(1, "page_viewed", ""), item(2, "a", ""))))
		if err != nil {
			t.Fatal(err)
		}
		return n, refused
	}
	if n, _ := send(); n != 2 {
		t.Fatalf("accepted %d", n)
	}
	h.clk.Advance(time.Second)
	if _, err := h.consent.Withdraw(t.Context(), h.tenant, consent.Withdrawal{Deployment: h.deployment, Visitor: v, Purposes: []string{"actions"},
		UI: consent.UI{Component: "preferences", Action: "save"}, ClientTime: h.clk.Now()}); err != nil {
		t.Fatal(err)
	}
	if n, refused := send(); n != 1 || len(refused) != 1 || refused[0].Seq != 2 {
		t.Fatal(n, refused)
	}
}

func TestAnyPartOutOfReachIsUnavailableAndStoresNothing(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure", "identity")
	secret := errors.New("dial mary@example.com +495111234567: refused")
	for _, step := range []string{"deployment", "lookup", "gate measure", "gate identity", "seal", "append"} {
		for name, cause := range map[string]error{"an unforeseen error": secret, "a part that says so": fail.Wrap(fail.Unavailable, errors.New("down"), "the part is down")} {
			t.Run(step+" with "+name, func(t *testing.T) {
				h.steps.fail = map[string]error{step: cause}
				defer func() { h.steps.fail = nil }()
				_, err := h.Web(t.Context(), h.deployment, request(web(v, "page_viewed", `,"externalId":"x"`)))
				wantFailure(t, err, fail.Unavailable, "")
				_, _, err = h.Batch(t.Context(), h.deployment, request(batch(v, item(1, "page_viewed", `,"external_id":"x"`))))
				wantFailure(t, err, fail.Unavailable, "")
				if h.log.len() != 0 {
					t.Fatal("something was stored")
				}
			})
		}
	}
	if _, err := h.Web(t.Context(), h.deployment, request(web(v, "page_viewed", ""))); err != nil {
		t.Fatalf("it did not recover: %v", err)
	}
	if s := h.Stats(); s.Unavailable != 24 || s.Accepted != 1 {
		t.Fatalf("counted %+v", s)
	}
}

func TestASubjectThatIsErasedMeanwhileIsGone(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure")
	s, _, _ := h.subjects.Lookup(t.Context(), h.tenant, subject.Cookie, v.String())
	if err := h.vault.Shred(t.Context(), h.tenant, s); err != nil {
		t.Fatal(err)
	}
	_, err := h.Web(t.Context(), h.deployment, request(web(v, "page_viewed", "")))
	wantFailure(t, err, fail.Gone, "subject.erased")
	if h.log.len() != 0 {
		t.Fatal("something was stored")
	}
}

func TestLoopbackOriginsNeedTheDeploymentsWord(t *testing.T) {
	h := newHouse(t)
	d, err := h.org.SaveDeployment(t.Context(), h.tenant, org.Deployment{Name: "Local", AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	r := request(batch(h.visitor(t, "measure"), item(1, "page_viewed", "")))
	r.Origin = "http://localhost:8080"
	if n, _, err := h.Batch(t.Context(), d.ID, r); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	_, _, err = h.Batch(t.Context(), h.deployment, r)
	wantFailure(t, err, fail.Forbidden, "origin.foreign")
}

// TestNoLineOfTheLogHoldsPersonalData sends marked data on every path, good and bad, and reads all
// that was logged and answered.
func TestNoLineOfTheLogHoldsPersonalData(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure", "actions", "identity")
	marks := []string{"marker.person@example.com", "+4915199887766", "4915199887766", v.String(), "203.0.113.77", "MarkerAgent"}
	personal := `,"title":"marker.person@example.com","search":"+4915199887766","attributes":{"note":"marker.person@example.com"},"traits":{"email":"marker.person@example.com","phone":"+4915199887766"}`
	r := request(batch(v, item(1, "form_submitted", personal)))
	r.Peer, r.UserAgent = netip.MustParseAddr("203.0.113.77"), "MarkerAgent/1.0 (marker.person@example.com)"
	var answers strings.Builder
	read := func(err error) {
		if f, ok := errors.AsType[*fail.Error](err); ok {
			answers.WriteString(f.Message + f.Field + f.Code + "\n")
		} else if err != nil {
			answers.WriteString(err.Error() + "\n")
		}
	}
	send := func(r collect.Request) {
		_, refused, err := h.Batch(t.Context(), h.deployment, r)
		for _, x := range refused {
			answers.WriteString(x.Message + x.Code + "\n")
		}
		read(err)
		_, err = h.Web(t.Context(), h.deployment, r)
		read(err)
		_, err = h.Import(t.Context(), h.tenant, r)
		read(err)
	}
	send(r)
	for _, step := range []string{"deployment", "lookup", "gate actions", "gate identity", "seal", "append"} {
		h.steps.fail = map[string]error{step: fail.Wrap(fail.Unavailable, errors.New("lost marker.person@example.com, +4915199887766"), "try again")}
		send(r)
	}
	h.steps.fail = nil
	for _, bad := range []string{`"seq":1`, `"name"`, `"url"`, `"at"`, `{"email"`, `"visitor"`} {
		broken := r
		broken.Body = []byte(strings.Replace(string(r.Body), bad, `"marker.person@example.com":+4915199887766,`+bad, 1))
		send(broken)
		broken.Body = []byte(strings.Replace(string(r.Body), bad, `"marker.person@example.com":1,"marker.person@example.com":2,`+bad, 1))
		send(broken)
	}
	h.log.err = fail.New(fail.Unavailable, "the log is full")
	send(r)
	if !strings.Contains(h.lines.String(), "out of reach") {
		t.Fatalf("the test shows nothing, because nothing was logged: %s", h.lines)
	}
	for _, m := range marks {
		if strings.Contains(h.lines.String(), m) {
			t.Errorf("%q stands in the log: %s", m, h.lines)
		}
		if strings.Contains(answers.String(), m) {
			t.Errorf("%q stands in an answer: %s", m, answers.String())
		}
	}
}

func TestACancelledCallIsNotBlamedOnAPart(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.log.err = context.Canceled
	_, err := h.Web(ctx, h.deployment, request(web(v, "page_viewed", "")))
	if err == nil || h.lines.Len() != 0 {
		t.Fatalf("got %v, logged %s", err, h.lines)
	}
}
