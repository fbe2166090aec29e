// Package privacy is the privacy centre: the pages on which a visitor sees, takes away, corrects, has
// restricted and erases what is held, gives consent, takes it back, and objects.
//
// A visitor is recognised by the same random cookie under which the data is stored, so nobody has to
// identify more than the data does (Art. 11 GDPR). The pages work without JavaScript, in the
// official languages of the Union and more, ask one thing at a time and say what happens next (Art. 12).
package privacy

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/subject"
	"probity/verify"
)

// Cookie is the visitor's cookie: a random UUID that the browser SDK sets after a grant.
const Cookie = "_actmu"

// Subjects finds the data subject of a cookie. *subject.Room satisfies it.
type Subjects interface {
	Lookup(ctx context.Context, t id.Tenant, k subject.Kind, value string) (id.Subject, bool, error)
	Identities(ctx context.Context, t id.Tenant, s id.Subject) ([]subject.Identity, error)
}

// Consent shows, records and takes back choices, and records objections. *consent.Room satisfies it.
type Consent interface {
	Purposes(ctx context.Context, t id.Tenant) ([]notice.Purpose, error)
	State(ctx context.Context, t id.Tenant, s id.Subject) (map[string]consent.State, error)
	Standing(ctx context.Context, t id.Tenant, s id.Subject, purpose string) (bool, error)
	OtherBases(ctx context.Context, t id.Tenant) (map[string][]notice.Basis, error)
	History(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]consent.Record, error)
	Reasons(ctx context.Context, t id.Tenant, subjects []id.Subject) (map[uuid.UUID]string, error)
	Notice(ctx context.Context, t id.Tenant, lang string) (*notice.Notice, error)
	Nonce(ctx context.Context, t id.Tenant, f consent.NonceFor) (string, error)
	Choose(ctx context.Context, t id.Tenant, c consent.Choice) (*consent.Outcome, error)
	Withdraw(ctx context.Context, t id.Tenant, w consent.Withdrawal) (*consent.Outcome, error)
	ObjectFrom(ctx context.Context, t id.Tenant, w consent.Withdrawal) (*consent.Outcome, error)
	Version(ctx context.Context, t id.Tenant, version int) (*consent.Version, error)
	PersonalReceipt(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID) (*verify.Receipt, error)
}

// Rights carries out requests. *rights.Room satisfies it.
type Rights interface {
	Held(ctx context.Context, t id.Tenant, subjects ...id.Subject) ([]rights.Section, error)
	Open(ctx context.Context, t id.Tenant, q rights.Request, o rights.Opening) (*rights.Request, error)
	Act(ctx context.Context, t id.Tenant, request uuid.UUID, a rights.Act) (*rights.Request, error)
	Trail(ctx context.Context, t id.Tenant, request uuid.UUID) ([]rights.Happened, error)
	Get(ctx context.Context, t id.Tenant, request uuid.UUID) (*rights.Request, error)
	OfSubjects(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]*rights.Request, error)
	Download(ctx context.Context, t id.Tenant, pack uuid.UUID, by rights.Actor) (*rights.Package, []byte, error)
	Certificate(ctx context.Context, t id.Tenant, request uuid.UUID) ([]byte, error)
	Settings(ctx context.Context, t id.Tenant) (rights.Settings, error)
}

// Deps are the rooms behind the pages.
type Deps struct {
	Tenant   id.Tenant // the organisation whose visitors come here
	Name     func(ctx context.Context) string
	Subjects Subjects
	Consent  Consent
	Rights   Rights
	Logger   *slog.Logger
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

type centre struct {
	Deps
	words map[string]words
	pages map[string]func() *template.Template // by language; made when first asked for: few of them are
}

// New returns the handler of everything below /privacy/.
func New(d Deps) http.Handler {
	c := &centre{Deps: d, words: loadWords(), pages: map[string]func() *template.Template{}}
	var languages []language
	for lang := range c.words {
		languages = append(languages, language{lang, notice.LanguageName(lang)})
	}
	slices.SortFunc(languages, func(a, b language) int { return strings.Compare(a.Tag, b.Tag) })
	for lang, w := range c.words {
		c.pages[lang] = sync.OnceValue(func() *template.Template {
			return template.Must(template.New("").Funcs(template.FuncMap{
				"t":         w.text,
				"date":      w.date,
				"lastday":   w.lastDay,
				"lang":      func() string { return lang },
				"languages": func() []language { return languages },
				"own":       func() string { return notice.LanguageName(lang) },
			}).ParseFS(templateFiles, "templates/*.html"))
		})
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /privacy/static/", cacheable(http.StripPrefix("/privacy/static/", http.FileServerFS(static))))
	for pattern, h := range map[string]func(*visit) error{
		"GET /privacy/{$}":                       (*visit).overview,
		"GET /privacy/data":                      (*visit).data,
		"GET /privacy/choices":                   (*visit).choices,
		"POST /privacy/choices":                  (*visit).withdraw,
		"GET /privacy/give":                      (*visit).askConsent,
		"POST /privacy/give":                     (*visit).give,
		"POST /privacy/object":                   (*visit).object,
		"GET /privacy/receipts/{record}":         (*visit).receipt,
		"GET /privacy/copy":                      (*visit).askCopy,
		"POST /privacy/copy":                     (*visit).makeCopy,
		"GET /privacy/correct":                   (*visit).askCorrection,
		"POST /privacy/correct":                  (*visit).correct,
		"GET /privacy/erase":                     (*visit).askErasure,
		"POST /privacy/erase":                    (*visit).erase,
		"GET /privacy/restrict":                  (*visit).askRestriction,
		"POST /privacy/restrict":                 (*visit).restrict,
		"GET /privacy/review":                    (*visit).askReview,
		"POST /privacy/review":                   (*visit).review,
		"POST /privacy/requests/{id}/back":       (*visit).takeBack,
		"GET /privacy/requests/{id}":             (*visit).request,
		"GET /privacy/requests/{id}/file":        (*visit).file,
		"GET /privacy/requests/{id}/certificate": (*visit).certificate,
		"GET /privacy/":                          (*visit).nowhere,
	} {
		mux.HandleFunc(pattern, c.handle(h))
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(c.handle(func(v *visit) error {
		return fail.New(fail.Forbidden, "%s", v.words.text("error.origin"))
	}))
	return protection.Handler(mux)
}

// language is one in which the pages can be read.
type language struct{ Tag, Name string }

func cacheable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		h.ServeHTTP(w, r)
	})
}

// visit is one request: who it is about and in which language it is answered.
type visit struct {
	*centre
	w       http.ResponseWriter
	r       *http.Request
	lang    string
	words   words
	cookie  uuid.UUID
	subject id.Subject
	known   bool // the cookie belongs to a data subject
}

const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func (c *centre) handle(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		v := &visit{centre: c, w: w, r: r, lang: c.language(r)}
		v.words = c.words[v.lang]
		err := v.recognise()
		if err == nil {
			err = h(v)
		}
		if err != nil {
			v.refuse(err)
		}
	}
}

// language prefers what the visitor chose on the page, then what the browser asks for.
func (c *centre) language(r *http.Request) string {
	if lang := r.FormValue("lang"); c.words[lang] != nil {
		return lang
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if lang := notice.Base(tag); c.words[lang] != nil {
			return lang
		}
	}
	return "en"
}

// recognise looks the cookie up. Several cookies of the name can reach us from different paths; the
// first that is somebody's counts.
func (v *visit) recognise() error {
	for _, cookie := range v.r.CookiesNamed(Cookie) {
		value, err := uuid.Parse(cookie.Value)
		if err != nil {
			continue
		}
		s, known, err := v.Subjects.Lookup(v.r.Context(), v.Tenant, subject.Cookie, value.String())
		if err != nil {
			return err
		}
		if known {
			v.cookie, v.subject, v.known = value, s, true
			return nil
		}
	}
	return nil
}

// page is what every template gets.
type page struct {
	Title string // key of the page's title
	Name  string // of the organisation
	Path  string // of this page, for the language switch
	Known bool   // somebody is recognised
	Body  any    // what the page itself shows
}

func (v *visit) show(status int, name, title string, body any) error {
	var out strings.Builder
	p := page{Title: title, Name: v.Name(v.r.Context()), Path: v.r.URL.Path, Known: v.known, Body: body}
	if status >= 400 {
		p.Path = "/privacy/" // whatever was asked for is not repeated
	}
	if err := v.pages[v.lang]().ExecuteTemplate(&out, name, p); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", v.lang)
	v.w.WriteHeader(status)
	_, _ = v.w.Write([]byte(out.String())) // a visitor who left hears nothing
	return nil
}

// refuse shows what went wrong in words. Causes go to the log; nothing there is personal.
func (v *visit) refuse(err error) {
	status, key := http.StatusInternalServerError, "error.internal"
	switch fail.KindOf(err) {
	case fail.NotFound, fail.Gone:
		status, key = http.StatusNotFound, "error.missing"
	case fail.Invalid, fail.TooLarge:
		status, key = http.StatusBadRequest, "error.invalid"
	case fail.Forbidden:
		status, key = http.StatusForbidden, "error.origin"
	case fail.Conflict:
		status, key = http.StatusConflict, "error.conflict"
	case fail.TooMany:
		status, key = http.StatusTooManyRequests, "error.busy"
	case fail.Unavailable:
		status, key = http.StatusServiceUnavailable, "error.busy"
		v.w.Header().Set("Retry-After", "5")
	default:
		v.Logger.Error("a page of the privacy centre failed", "path", v.r.Pattern, "error", err)
	}
	if err := v.show(status, "error", "error.title", key); err != nil {
		http.Error(v.w, "The page could not be shown.", http.StatusInternalServerError)
	}
}

func (v *visit) nowhere() error {
	return fail.New(fail.NotFound, "there is no such page")
}

// see sends the browser to another page of the privacy centre, in the same language.
func (v *visit) see(path string) error {
	http.Redirect(v.w, v.r, path+"?lang="+v.lang, http.StatusSeeOther)
	return nil
}
