package privacy

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// Links does what the links of letters are for. *consent.Room satisfies it.
type Links interface {
	OpenLink(ctx context.Context, token string) (*consent.Linked, error)
	WithdrawLink(ctx context.Context, token string) (*consent.Linked, *consent.Outcome, error)
	Confirm(ctx context.Context, token string) (*consent.Linked, *consent.Outcome, error)
	Purposes(ctx context.Context, t id.Tenant) ([]notice.Purpose, error)
}

//go:embed links/*.json links/*.html
var linkFiles embed.FS

// linkWords are the words of these pages and of the letters that lead to them, by language, together
// with those of the frame around every page. A language that lacks either is left out: a page never
// mixes languages.
func linkWords() map[string]words {
	frame := loadWords()
	all := map[string]words{}
	files, err := linkFiles.ReadDir("links")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, f := range files {
		lang, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok || frame[lang] == nil {
			continue
		}
		data, err := linkFiles.ReadFile("links/" + f.Name())
		var w words
		if err == nil {
			err = json.Unmarshal(data, &w)
		}
		if err != nil {
			panic(fmt.Errorf("%s: %w", f.Name(), err)) // embedded and tested
		}
		maps.Copy(w, frame[lang])
		all[lang] = w
	}
	return all
}

// letters shows the pages that links in letters lead to. They need no cookie and set none; the token in
// the address is all the credential there is, so a request from another site can do no more than the
// link itself.
type letters struct {
	links  Links
	name   func(ctx context.Context, t id.Tenant) string
	logger *slog.Logger
	words  map[string]words
	pages  map[string]func() *template.Template // by language; made when first asked for
}

// Letters returns the handler of /privacy/l/{token}.
//
// A GET shows what the link is about and changes nothing, because programs open the links of letters
// before people do. A POST acts: "List-Unsubscribe=One-Click" in the body withdraws as RFC 8058 wants
// it, at once, without session or redirect; so does "do=withdraw", and "do=confirm" confirms.
//
// name is how the pages call the organisation that a link belongs to; it is asked with the zero tenant
// for a link that is none of ours.
func Letters(links Links, name func(ctx context.Context, t id.Tenant) string, logger *slog.Logger) http.Handler {
	l := &letters{links: links, name: name, logger: logger, words: linkWords(), pages: map[string]func() *template.Template{}}
	var languages []language
	for _, lang := range slices.Sorted(maps.Keys(l.words)) {
		languages = append(languages, language{lang, notice.LanguageName(lang)})
	}
	for lang, w := range l.words {
		l.pages[lang] = sync.OnceValue(func() *template.Template {
			return template.Must(template.Must(template.New("").Funcs(template.FuncMap{
				"t":    w.text,
				"date": w.date, "lastday": w.lastDay,
				"lang":      func() string { return lang },
				"languages": func() []language { return languages },
				"own":       func() string { return notice.LanguageName(lang) },
			}).ParseFS(templateFiles, "templates/*.html")).ParseFS(linkFiles, "links/*.html"))
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /privacy/l/{token}", l.show)
	mux.HandleFunc("POST /privacy/l/{token}", l.act)
	return mux
}

// show tells what the link is about.
func (l *letters) show(w http.ResponseWriter, r *http.Request) {
	about, err := l.links.OpenLink(r.Context(), r.PathValue("token"))
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	l.about(w, r, about, false)
}

func (l *letters) about(w http.ResponseWriter, r *http.Request, about *consent.Linked, confirmed bool) {
	lang := l.language(r, about)
	if about.Ask != nil && about.Ask.State == "expired" {
		l.tell(w, r, about.Tenant, lang, http.StatusOK, "optin.expired")
		return
	}
	open := about.Ask != nil && about.Ask.State == "open"
	if about.Subject.IsZero() && !open {
		l.tell(w, r, about.Tenant, lang, http.StatusOK, "link.nothing")
		return
	}
	purposes, lang, err := l.purposesOf(r.Context(), about, lang)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	if !open {
		l.page(w, r, about.Tenant, lang, http.StatusOK, "link", "link.title", map[string]any{"Purposes": purposes, "Confirmed": confirmed})
		return
	}
	ask := about.Ask
	title := "optin.title"
	if ask.Kind == consent.AskParent {
		title = "parent.title"
	}
	text := "/probity/v1/notices/" + url.PathEscape(ask.Notice) + "/" + strconv.Itoa(ask.Version) + "/" + url.PathEscape(ask.Language)
	l.page(w, r, about.Tenant, lang, http.StatusOK, "ask", title, map[string]any{
		"Purposes": purposes, "Parent": ask.Kind == consent.AskParent, "Notice": text, "Until": ask.Asked.Add(consent.AskLife),
	})
}

// purposesOf returns the texts of what a link is about, and the language that they and with them the
// whole page are in: the one wanted if every purpose has a text in it, or else English, or else the
// first that all of them have and that the pages are known in. A page never mixes languages.
func (l *letters) purposesOf(ctx context.Context, about *consent.Linked, lang string) ([]notice.PurposeText, string, error) {
	all, err := l.links.Purposes(ctx, about.Tenant)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(p notice.Purpose) bool { return !slices.Contains(about.Purposes, p.ID) })
	for _, try := range slices.Concat([]string{lang, "en"}, slices.Sorted(maps.Keys(l.words))) {
		texts := make([]notice.PurposeText, 0, len(all))
		for _, p := range all {
			if text, ok := p.Texts[try]; ok {
				texts = append(texts, text)
			}
		}
		if len(texts) == len(all) {
			return texts, try, nil
		}
	}
	return nil, "", fmt.Errorf("the purposes of a link have no language in common")
}

// act withdraws or confirms.
func (l *letters) act(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	token := r.PathValue("token")
	switch {
	case r.PostFormValue("List-Unsubscribe") == "One-Click" || r.PostFormValue("do") == "withdraw":
		about, _, err := l.links.WithdrawLink(r.Context(), token)
		if err != nil {
			l.refuse(w, r, err)
			return
		}
		key := "link.done"
		if about.Subject.IsZero() {
			key = "link.nothing"
		}
		l.tell(w, r, about.Tenant, l.language(r, about), http.StatusOK, key)
	case r.PostFormValue("do") == "confirm":
		about, _, err := l.links.Confirm(r.Context(), token)
		if err != nil {
			l.refuse(w, r, err)
			return
		}
		l.about(w, r, about, true)
	default:
		l.refuse(w, r, fail.Field("do", "the body says neither List-Unsubscribe=One-Click nor do=withdraw nor do=confirm"))
	}
}

// language prefers what was chosen on the page, then the language of the letter, then the browser's.
func (l *letters) language(r *http.Request, about *consent.Linked) string {
	if lang := r.FormValue("lang"); l.words[lang] != nil {
		return lang
	}
	if about != nil && about.Ask != nil && l.words[notice.Base(about.Ask.Language)] != nil {
		return notice.Base(about.Ask.Language)
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if lang := notice.Base(tag); l.words[lang] != nil {
			return lang
		}
	}
	return "en"
}

// refuse says in words what is wrong. Nothing personal is logged: not even the token.
func (l *letters) refuse(w http.ResponseWriter, r *http.Request, err error) {
	lang := l.language(r, nil)
	var t id.Tenant // whose link it is; zero: none of ours
	if about, err := l.links.OpenLink(r.Context(), r.PathValue("token")); err == nil {
		t = about.Tenant
	}
	switch fail.KindOf(err) {
	case fail.NotFound:
		l.tell(w, r, t, lang, http.StatusNotFound, "link.bad")
	case fail.Gone:
		l.tell(w, r, t, lang, http.StatusGone, "optin.expired")
	case fail.Invalid, fail.TooLarge:
		l.page(w, r, t, lang, http.StatusBadRequest, "error", "error.title", "error.invalid")
	case fail.Unavailable:
		w.Header().Set("Retry-After", "5")
		l.page(w, r, t, lang, http.StatusServiceUnavailable, "error", "error.title", "error.busy")
	default:
		l.logger.Error("a page of a link failed", "error", err)
		l.page(w, r, t, lang, http.StatusInternalServerError, "error", "error.title", "error.internal")
	}
}

// tell shows one sentence under its title.
func (l *letters) tell(w http.ResponseWriter, r *http.Request, t id.Tenant, lang string, status int, key string) {
	l.page(w, r, t, lang, status, "told", key+".title", key)
}

func (l *letters) page(w http.ResponseWriter, r *http.Request, t id.Tenant, lang string, status int, name, title string, body any) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address is a credential
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	var out strings.Builder
	if err := l.pages[lang]().ExecuteTemplate(&out, name, page{Title: title, Name: l.name(r.Context(), t), Path: r.URL.Path, Body: body}); err != nil {
		l.logger.Error("a page of a link failed", "error", err)
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(out.String())) // a reader who left hears nothing
}

// Written is a letter in one language.
type Written struct {
	Subject, Text, Language string
}

// WriteLetter writes the letter of a question: who asks, for what, and the link. It holds no
// advertisement. lang is the language wanted; English is used if the letter is not known in it.
func WriteLetter(kind, lang, name string, titles []string, link string) Written {
	all := linkWords()
	lang = notice.Base(lang)
	if all[lang] == nil {
		lang = "en"
	}
	key := "optin.letter"
	if kind == consent.AskParent {
		key = "parent.letter"
	}
	list := "– " + strings.Join(titles, "\n– ")
	days := int(consent.AskLife / (24 * time.Hour))
	return Written{
		Subject:  all[lang].text(key+".subject", name),
		Text:     all[lang].text(key+".text", name, list, link, days) + "\n",
		Language: lang,
	}
}
