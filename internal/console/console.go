// Package console is what staff see: who is on the site now, what is known about a visitor and on
// which basis, why an offer was or was not made, which requests are due, and what the models rest on.
//
// Pages are rendered on the server. Staff sign in with a one-time link; the session lives on the
// server, and its cookie says nothing.
package console

import (
	"bytes"
	"context"
	"embed"
	"encoding/gob"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/google/uuid"

	"probity/internal/audit"
	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/predict"
	"probity/internal/subject"
	"probity/verify"
)

// Staff signs people in. *org.Room satisfies it.
type Staff interface {
	RedeemLink(ctx context.Context, token string) (*org.Staff, error)
	Staff(ctx context.Context, t id.Tenant, staff uuid.UUID) (*org.Staff, error)
	Organisation(ctx context.Context, t id.Tenant) (*org.Organisation, error)
}

// Journeys reads what visitors did, as far as they allow it. *journey.Reader satisfies it.
type Journeys interface {
	Visitors(ctx context.Context, t id.Tenant, limit int) ([]*journey.Visitor, error)
	VisitorOf(ctx context.Context, t id.Tenant, s id.Subject) (*journey.Visitor, error)
	SessionsOf(ctx context.Context, t id.Tenant, limit int, subjects ...id.Subject) ([]*journey.Session, error)
	Events(ctx context.Context, t id.Tenant, s id.Subject, since time.Time, fn func(journey.StoredEvent) error) error
	ActionsOf(ctx context.Context, t id.Tenant, s id.Subject) ([]*journey.Offer, error)
	Plan(ctx context.Context, t id.Tenant) (*journey.Plan, error)
}

// Predictions scores and explains. *predict.Room satisfies it.
type Predictions interface {
	Enabled(t id.Tenant) []uuid.UUID
	Score(t id.Tenant, outcome uuid.UUID, v *predict.Vector) (predict.Score, bool)
	Explain(t id.Tenant, outcome uuid.UUID, v *predict.Vector) ([]predict.Contribution, error)
	Models(ctx context.Context, t id.Tenant) ([]predict.Model, error)
}

// Consent shows choices. *consent.Room satisfies it.
type Consent interface {
	Purposes(ctx context.Context, t id.Tenant) ([]notice.Purpose, error)
	Standing(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (bool, error)
	State(ctx context.Context, t id.Tenant, s id.Subject) (map[string]consent.State, error)
	History(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]consent.Record, error)
	Reasons(ctx context.Context, t id.Tenant, subjects []id.Subject) (map[uuid.UUID]string, error)
	Receipt(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID) (*verify.Receipt, error)
}

// Subjects opens identities. *subject.Room satisfies it.
type Subjects interface {
	Identities(ctx context.Context, t id.Tenant, s id.Subject) ([]subject.Identity, error)
}

// Bus tells what happens. *stream.Engine satisfies it.
type Bus interface {
	Subscribe(topic string, fn func(topic string, data []byte)) (cancel func(), err error)
}

// Deps are the rooms behind the pages. All are required.
type Deps struct {
	Staff    Staff
	Sessions scs.Store // of signed-in staff
	Journey  Journeys
	Predict  Predictions
	Consent  Consent
	Notices  Notices
	Answers  Answers
	Proofs   Proofs
	Sites    Sites
	Ways     Ways
	Subjects Subjects
	Rights   Rights
	Log      Log
	Entries  Entries
	Excerpts Excerpts
	Grounds  audit.Subjects // walks over what stored events rest on; *journey.Store
	Bus      Bus
	Clock    clock.Clock
	Logger   *slog.Logger
	// Withdrawn tells of data that goes with its consent.
	Withdrawn Withdrawn
	// PublicURL is where the public reaches this installation.
	PublicURL string
	// Plain says that browsers come over plain HTTP, which is right on the loopback interface only:
	// the session cookie then can't be marked Secure.
	Plain bool
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

type console struct {
	Deps
	sessions *scs.SessionManager
	pages    *template.Template
	auditing sync.Map // id.Tenant: a self-audit that staff asked for is running
}

// New returns the handler of everything below /console/.
func New(d Deps) http.Handler {
	gob.Register(uuid.UUID{})
	c := &console{Deps: d, sessions: scs.New()}
	c.sessions.Store = d.Sessions
	c.sessions.IdleTimeout = 30 * time.Minute
	c.sessions.Lifetime = 12 * time.Hour
	c.sessions.Cookie.Name = "probity_staff"
	c.sessions.Cookie.Path = "/console/"
	c.sessions.Cookie.HttpOnly = true
	c.sessions.Cookie.Persist = false
	c.sessions.Cookie.SameSite = http.SameSiteLaxMode
	c.sessions.Cookie.Secure = !d.Plain
	c.pages = template.Must(template.New("").Funcs(c.words()).Funcs(noticeWords()).Funcs(consentWords()).Funcs(c.requestWords()).ParseFS(templateFiles, "templates/*.html"))

	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /console/static/", http.StripPrefix("/console/static/", cached(http.FileServerFS(static))))
	mux.HandleFunc("GET /console/sign-in", c.open((*call).askSignIn))
	mux.HandleFunc("POST /console/sign-in", c.open((*call).signIn))
	mux.HandleFunc("POST /console/sign-out", c.open((*call).signOut))
	for pattern, page := range map[string]struct {
		may string
		do  func(*call) error
	}{
		"GET /console/{$}":                                                   {org.PermissionSession, (*call).live},
		"GET /console/live/rows":                                             {org.PermissionSession, (*call).liveRows},
		"GET /console/live/stream":                                           {org.PermissionSession, (*call).liveStream},
		"GET /console/visitors/{subject}":                                    {org.PermissionSession, (*call).visitor},
		"GET /console/visitors/{subject}/receipts/{record}":                  {org.PermissionConsent, (*call).receipt},
		"GET /console/outcomes":                                              {org.PermissionScores, (*call).outcomes},
		"GET /console/requests":                                              {org.PermissionRights, (*call).requests},
		"GET /console/requests/{request}":                                    {org.PermissionRights, (*call).request},
		"GET /console/requests/{request}/certificate":                        {org.PermissionRights, (*call).certificate},
		"GET /console/requests/new":                                          {org.PermissionRequest, asks(newRequestWay)},
		"POST /console/requests/new":                                         {org.PermissionRequest, do(newRequestWay)},
		"GET /console/requests/settings":                                     {org.PermissionAdmin, asks(secondWay)},
		"POST /console/requests/settings":                                    {org.PermissionAdmin, do(secondWay)},
		"GET /console/requests/{request}/steps/{step}":                       {org.PermissionRights, (*call).askStep},
		"POST /console/requests/{request}/steps/{step}":                      {org.PermissionRights, (*call).takeStep},
		"POST /console/requests/{request}/take":                              {org.PermissionHandle, (*call).takeOn},
		"GET /console/requests/{request}/settle":                             {org.PermissionDecide, (*call).askSettle},
		"POST /console/requests/{request}/settle":                            {org.PermissionDecide, (*call).settle},
		"GET /console/requests/{request}/by-hand":                            {org.PermissionHandle, (*call).askByHand},
		"POST /console/requests/{request}/by-hand":                           {org.PermissionHandle, (*call).byHand},
		"GET /console/requests/{request}/code":                               {org.PermissionHandle, (*call).askCode},
		"POST /console/requests/{request}/code":                              {org.PermissionHandle, (*call).checkCode},
		"POST /console/requests/{request}/code/send":                         {org.PermissionHandle, (*call).sendCode},
		"GET /console/requests/{request}/package":                            {org.PermissionRights, (*call).takePackage},
		"GET /console/requests/{request}/recipients/{recipient}":             {org.PermissionHandle, (*call).tell},
		"GET /console/requests/{request}/recipients/{recipient}/told":        {org.PermissionHandle, askTelling(false)},
		"POST /console/requests/{request}/recipients/{recipient}/told":       {org.PermissionHandle, settleTelling(false)},
		"GET /console/requests/{request}/recipients/{recipient}/waive":       {org.PermissionDecide, askTelling(true)},
		"POST /console/requests/{request}/recipients/{recipient}/waive":      {org.PermissionDecide, settleTelling(true)},
		"GET /console/tasks":                                                 {org.PermissionRights, (*call).tasks},
		"GET /console/recipients":                                            {org.PermissionAdmin, (*call).recipients},
		"GET /console/recipients/new":                                        {org.PermissionAdmin, newRecipient(asks)},
		"POST /console/recipients/new":                                       {org.PermissionAdmin, newRecipient(do)},
		"GET /console/recipients/{recipient}":                                {org.PermissionAdmin, withRecipient((*call).recipientWay, asks)},
		"POST /console/recipients/{recipient}":                               {org.PermissionAdmin, withRecipient((*call).recipientWay, do)},
		"GET /console/recipients/{recipient}/retire":                         {org.PermissionAdmin, withRecipient((*call).retireWay, asks)},
		"POST /console/recipients/{recipient}/retire":                        {org.PermissionAdmin, withRecipient((*call).retireWay, do)},
		"GET /console/databases":                                             {org.PermissionRights, (*call).databases},
		"POST /console/databases/check":                                      {org.PermissionAdmin, (*call).tryDatabases},
		"GET /console/masking":                                               {maskingView, (*call).masking},
		"POST /console/masking/try":                                          {maskingExecute, (*call).tryMasking},
		"GET /console/masking/new":                                           {maskingAdd, newRule(asks)},
		"POST /console/masking/new":                                          {maskingAdd, newRule(do)},
		"GET /console/masking/{rule}":                                        {maskingEdit, withRule((*call).maskingWay, asks)},
		"POST /console/masking/{rule}":                                       {maskingEdit, withRule((*call).maskingWay, do)},
		"GET /console/masking/{rule}/delete":                                 {maskingDelete, withRule((*call).dropMaskingWay, asks)},
		"POST /console/masking/{rule}/delete":                                {maskingDelete, withRule((*call).dropMaskingWay, do)},
		"GET /console/consent":                                               {org.PermissionNotice, (*call).overview},
		"GET /console/consent/rates":                                         {org.PermissionNotice, (*call).rates},
		"GET /console/consent/rates.csv":                                     {org.PermissionNotice, (*call).ratesFile},
		"GET /console/consent/ledger":                                        {org.PermissionAudit, (*call).ledger},
		"GET /console/consent/ledger/checkpoint":                             {org.PermissionAudit, (*call).checkpoint},
		"GET /console/consent/ledger/excerpt":                                {org.PermissionConsent, (*call).excerpt},
		"POST /console/consent/ledger/audit":                                 {org.PermissionAudit, (*call).selfAudit},
		"GET /console/visitors/{subject}/consent":                            {org.PermissionConsent, (*call).history},
		"GET /console/visitors/{subject}/consent/bundle":                     {org.PermissionConsent, (*call).bundle},
		"GET /console/consent/ways":                                          {org.PermissionConsole, (*call).ways},
		"POST /console/consent/ways/person":                                  {org.PermissionConsent, (*call).findPerson},
		"GET /console/consent/ways/record":                                   {org.PermissionAssert, asks(recordWay)},
		"POST /console/consent/ways/record/check":                            {org.PermissionAssert, check(recordWay)},
		"POST /console/consent/ways/record":                                  {org.PermissionAssert, do(recordWay)},
		"GET /console/consent/ways/end":                                      {org.PermissionAssert, asks(endWay)},
		"POST /console/consent/ways/end/check":                               {org.PermissionAssert, check(endWay)},
		"POST /console/consent/ways/end":                                     {org.PermissionAssert, do(endWay)},
		"GET /console/consent/ways/records/{record}/end":                     {org.PermissionVoid, (*call).askVoid},
		"POST /console/consent/ways/records/{record}/end":                    {org.PermissionVoid, (*call).void},
		"GET /console/consent/ways/optin":                                    {org.PermissionAssert, asks(optInWay)},
		"POST /console/consent/ways/optin/check":                             {org.PermissionAssert, check(optInWay)},
		"POST /console/consent/ways/optin":                                   {org.PermissionAssert, do(optInWay)},
		"GET /console/consent/ways/parent":                                   {org.PermissionAssert, asks(parentWay)},
		"POST /console/consent/ways/parent/check":                            {org.PermissionAssert, check(parentWay)},
		"POST /console/consent/ways/parent":                                  {org.PermissionAssert, do(parentWay)},
		"POST /console/consent/withdrawn-data":                               {org.PermissionAdmin, (*call).setWithdrawn},
		"GET /console/consent/bases":                                         {org.PermissionConsole, (*call).bases},
		"GET /console/consent/bases/new":                                     {org.PermissionDeclare, (*call).newBasis},
		"GET /console/consent/bases/{basis}":                                 {org.PermissionDeclare, (*call).editBasis},
		"POST /console/consent/bases":                                        {org.PermissionDeclare, (*call).declareBasis},
		"POST /console/consent/bases/{basis}/end":                            {org.PermissionDeclare, (*call).endBasis},
		"GET /console/notices":                                               {org.PermissionNotice, (*call).notices},
		"GET /console/notices/look":                                          {org.PermissionNotice, (*call).look},
		"POST /console/notices/look":                                         {org.PermissionNoticePublish, (*call).saveLook},
		"GET /console/notices/look/frame":                                    {org.PermissionNotice, (*call).lookFrame},
		"GET /console/notices/versions/{version}":                            {org.PermissionNotice, (*call).noticeVersion},
		"GET /console/notices/versions/{version}/pictures/{lang}/{viewport}": {org.PermissionNotice, (*call).noticePicture},
		"POST /console/notices/draft":                                        {org.PermissionNoticeEdit, (*call).beginDraft},
		"POST /console/notices/draft/discard":                                {org.PermissionNoticeEdit, (*call).discardDraft},
		"GET /console/notices/draft/facts":                                   {org.PermissionNoticeEdit, (*call).editFacts},
		"POST /console/notices/draft/facts":                                  {org.PermissionNoticeEdit, (*call).saveFacts},
		"GET /console/notices/draft/purposes":                                {org.PermissionNoticeEdit, (*call).editPurposes},
		"POST /console/notices/draft/purposes":                               {org.PermissionNoticeEdit, (*call).savePurposes},
		"GET /console/notices/draft/text":                                    {org.PermissionNoticeEdit, (*call).editText},
		"POST /console/notices/draft/text":                                   {org.PermissionNoticeEdit, (*call).saveText},
		"GET /console/notices/draft/preview":                                 {org.PermissionNotice, (*call).previewDraft},
		"GET /console/notices/draft/frame":                                   {org.PermissionNotice, (*call).previewFrame},
		"GET /console/notices/draft/publish":                                 {org.PermissionNoticePublish, (*call).askPublish},
		"POST /console/notices/draft/publish":                                {org.PermissionNoticePublish, (*call).publishDraft},
		"GET /console/":                                                      {org.PermissionConsole, (*call).nowhere},
	} {
		mux.HandleFunc(pattern, c.signedIn(page.may, page.do))
	}
	return http.NewCrossOriginProtection().Handler(c.sessions.LoadAndSave(mux))
}

func cached(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		h.ServeHTTP(w, r)
	})
}

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// call is one request of a staff member, or of somebody who is not signed in yet.
type call struct {
	*console
	w     http.ResponseWriter
	r     *http.Request
	staff *org.Staff // nil before signing in
}

// open serves a page that needs no session.
func (c *console) open(do func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 256<<10) // a notice in one language, in an alphabet that forms write with six bytes a letter
		k := &call{console: c, w: w, r: r}
		if err := do(k); err != nil {
			k.refuse(err)
		}
	}
}

// signedIn serves a page to staff who have the permission. Everybody else is asked to sign in.
func (c *console) signedIn(may string, do func(*call) error) http.HandlerFunc {
	return c.open(func(k *call) error {
		ctx := k.r.Context()
		staff, ok := c.sessions.Get(ctx, "staff").(uuid.UUID)
		tenant, also := c.sessions.Get(ctx, "tenant").(uuid.UUID)
		if !ok || !also {
			return k.askSignIn()
		}
		person, err := c.Staff.Staff(ctx, id.Tenant(tenant), staff)
		if fail.Is(err, fail.NotFound) {
			return k.askSignIn()
		}
		if err != nil {
			return err
		}
		k.staff = person
		if !person.Can(org.PermissionConsole) || !person.Can(may) {
			return fail.New(fail.Forbidden, "Your account lacks the permission %s.", may)
		}
		return do(k)
	})
}

func (k *call) tenant() id.Tenant { return k.staff.Tenant }

func (k *call) askSignIn() error {
	token := k.r.FormValue("token")
	status := http.StatusOK
	if token == "" && k.r.URL.Path != "/console/sign-in" {
		status = http.StatusUnauthorized
	}
	return k.show(status, "sign-in", "Sign in", map[string]any{"Token": token})
}

// signIn uses the link up. It takes a click, because mail scanners open links.
func (k *call) signIn() error {
	person, err := k.Staff.RedeemLink(k.r.Context(), k.r.PostFormValue("token"))
	if err != nil {
		return err
	}
	if err := k.sessions.RenewToken(k.r.Context()); err != nil {
		return err
	}
	k.sessions.Put(k.r.Context(), "staff", person.ID)
	k.sessions.Put(k.r.Context(), "tenant", uuid.UUID(person.Tenant))
	http.Redirect(k.w, k.r, "/console/", http.StatusSeeOther)
	return nil
}

func (k *call) signOut() error {
	if err := k.sessions.Destroy(k.r.Context()); err != nil {
		return err
	}
	http.Redirect(k.w, k.r, "/console/sign-in", http.StatusSeeOther)
	return nil
}

func (k *call) nowhere() error { return fail.New(fail.NotFound, "There is no such page.") }

// page is what every template gets.
type page struct {
	Title  string
	Path   string
	Staff  *org.Staff
	Tenant string
	Body   any
}

func (k *call) show(status int, name, title string, body any) error {
	p := page{Title: title, Path: k.r.URL.Path, Staff: k.staff, Body: body}
	if k.staff != nil {
		if o, err := k.Staff.Organisation(k.r.Context(), k.tenant()); err == nil {
			p.Tenant = o.Name
		}
	}
	var out bytes.Buffer
	if err := k.pages.ExecuteTemplate(&out, name, p); err != nil {
		return err
	}
	k.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	k.w.WriteHeader(status)
	_, _ = k.w.Write(out.Bytes()) // a browser that left needs no answer
	return nil
}

// refuse says what went wrong. Causes go to the log; messages of failures hold nothing personal.
func (k *call) refuse(err error) {
	status, text := http.StatusInternalServerError, "Something went wrong on our side. It is in the log."
	kinds := map[fail.Kind]int{
		fail.Invalid: 400, fail.Unauthenticated: 401, fail.Forbidden: 403, fail.ConsentRequired: 403,
		fail.NotFound: 404, fail.Gone: 410, fail.Conflict: 409, fail.TooLarge: 413, fail.TooMany: 429, fail.Unavailable: 503,
	}
	if s, ok := kinds[fail.KindOf(err)]; ok {
		status, text = s, messageOf(err)
	} else {
		k.Logger.Error("a page of the console failed", "path", k.r.Pattern, "error", err)
	}
	if err := k.show(status, "error", "That did not work", text); err != nil {
		http.Error(k.w, "The page could not be shown.", http.StatusInternalServerError)
	}
}

func messageOf(err error) string {
	for e := err; e != nil; {
		if f, ok := e.(*fail.Error); ok {
			return f.Message
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return "The request could not be carried out."
}

// words are the functions of the templates.
func (c *console) words() template.FuncMap {
	return template.FuncMap{
		"percent": percent,
		"ago":     func(t time.Time) string { return span(c.Clock.Now().Sub(t)) + " ago" },
		"span":    span,
		"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"day": func(t time.Time) string {
			if t.IsZero() {
				return "–"
			}
			return t.UTC().Format("2 Jan 2006 15:04")
		},
		"short": func(v fmt.Stringer) string { return v.String()[:8] },
		"title": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"hash":  func(h fmt.Stringer) string { return h.String()[:12] },
		"prefix": func(s, p string) bool {
			if p == "/console/" {
				return s == p || strings.HasPrefix(s, "/console/visitors")
			}
			if p == "/console/requests" {
				return ofRequests(s)
			}
			return strings.HasPrefix(s, p)
		},
	}
}

// percent writes a probability with as many digits as are worth reading.
func percent(p float64) string {
	switch {
	case p > 0 && p < 0.001:
		return "< 0.1 %"
	case p < 0.1:
		return fmt.Sprintf("%.1f %%", 100*p)
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
