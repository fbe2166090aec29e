package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// Notices keeps drafts and versions of the notice, and how the banner looks. *consent.Room satisfies it.
type Notices interface {
	Versions(ctx context.Context, t id.Tenant) ([]*consent.Version, error)
	Version(ctx context.Context, t id.Tenant, version int) (*consent.Version, error)
	Draft(ctx context.Context, t id.Tenant) (*consent.Draft, error)
	Lint(ctx context.Context, t id.Tenant, d notice.Draft) ([]notice.Fault, error)
	Begin(ctx context.Context, t id.Tenant, b consent.Beginning) (*consent.Draft, error)
	SaveDraft(ctx context.Context, t id.Tenant, revision int64, d notice.Draft, by string) (*consent.Draft, error)
	DiscardDraft(ctx context.Context, t id.Tenant, revision int64) error
	PublishDraft(ctx context.Context, t id.Tenant, p consent.Publication) (int, error)
	Preview(ctx context.Context, t id.Tenant, lang string) (notice.Notice, []byte, error)
	Notice(ctx context.Context, t id.Tenant, lang string) (*notice.Notice, error)
	Theme(ctx context.Context, t id.Tenant, deployment uuid.UUID) (theme notice.Theme, own bool, err error)
	SetTheme(ctx context.Context, t id.Tenant, deployment uuid.UUID, theme *notice.Theme) error
	Screenshots(ctx context.Context, t id.Tenant, version int) ([]consent.Screenshot, error)
	Screenshot(ctx context.Context, t id.Tenant, version int, lang, viewport string) ([]byte, error)
}

func (k *call) notices() error {
	list, err := k.Notices.Versions(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	var views []versionView
	for _, v := range list {
		view, err := k.versionView(v)
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	draft, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil && !fail.Is(err, fail.NotFound) {
		return err
	}
	body := map[string]any{"Versions": views, "Draft": draft}
	if draft != nil {
		body["Who"] = k.who(draft.By)
	}
	return k.show(http.StatusOK, "notices", "Notices", body)
}

func (k *call) beginDraft() error {
	_, err := k.Notices.Begin(k.r.Context(), k.tenant(), consent.Beginning{Builtin: k.r.PostFormValue("from") == "builtin", By: k.staff.ID.String()})
	if err != nil {
		return err
	}
	return k.goTo("/console/notices/draft/facts")
}

func (k *call) discardDraft() error {
	revision, err := k.seen()
	if err != nil {
		return err
	}
	if err := k.Notices.DiscardDraft(k.r.Context(), k.tenant(), revision); err != nil {
		return err
	}
	return k.goTo("/console/notices")
}

// noticeWords are the template functions of these pages.
func noticeWords() map[string]any {
	return map[string]any{
		"language": notice.LanguageName,
		"join":     strings.Join,
		"date":     func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") },
		"cut": func(s string) string {
			if r := []rune(s); len(r) > 300 {
				return string(r[:300]) + "…"
			}
			return s
		},
	}
}
