package console

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
)

// versionView is a version as the pages show it.
type versionView struct {
	*consent.Version
	Who       string
	Languages []string
	Pictures  int // there are
	Wanted    int // there should be: one of a phone and one of a desktop for each language
}

func (k *call) versionView(v *consent.Version) (versionView, error) {
	pictures, err := k.Notices.Screenshots(k.r.Context(), k.tenant(), v.Version)
	if err != nil {
		return versionView{}, err
	}
	languages := v.Draft.Languages()
	return versionView{v, k.who(v.By), languages, len(pictures), 2 * len(languages)}, nil
}

// who names an author as far as it is still known.
func (k *call) who(by string) string {
	if by == "" {
		return "the system"
	}
	if v, err := uuid.Parse(by); err == nil {
		if person, err := k.Staff.Staff(k.r.Context(), k.tenant(), v); err == nil {
			return person.Name
		}
	}
	return "an API client"
}

// noticeVersion shows one version: what changed, why it was published, how it looked.
func (k *call) noticeVersion() error {
	n, err := strconv.Atoi(k.r.PathValue("version"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such version of the notice.")
	}
	v, err := k.Notices.Version(k.r.Context(), k.tenant(), n)
	if err != nil {
		return err
	}
	view, err := k.versionView(v)
	if err != nil {
		return err
	}
	var changes []notice.Change
	if n > 1 {
		before, err := k.Notices.Version(k.r.Context(), k.tenant(), n-1)
		if err != nil {
			return err
		}
		changes = notice.Diff(before.Draft, v.Draft)
	}
	pictures, err := k.Notices.Screenshots(k.r.Context(), k.tenant(), n)
	if err != nil {
		return err
	}
	type language struct {
		Tag, Name     string
		Phone, Screen *consent.Screenshot
	}
	var languages []language
	for _, tag := range view.Languages {
		l := language{Tag: tag, Name: notice.LanguageName(tag)}
		for i := range pictures {
			switch p := &pictures[i]; {
			case p.Language != tag:
			case p.Viewport == "m":
				l.Phone = p
			default:
				l.Screen = p
			}
		}
		languages = append(languages, l)
	}
	return k.show(http.StatusOK, "notice-version", fmt.Sprintf("Notice, version %d", n), map[string]any{"V": view, "Changes": changes, "Languages": languages})
}

func (k *call) noticePicture() error {
	n, err := strconv.Atoi(k.r.PathValue("version"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such version of the notice.")
	}
	picture, err := k.Notices.Screenshot(k.r.Context(), k.tenant(), n, k.r.PathValue("lang"), k.r.PathValue("viewport"))
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Type", "image/png")
	_, _ = k.w.Write(picture) // a browser that left needs no answer
	return nil
}
